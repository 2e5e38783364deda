"""The error of a split against a known answer, and its residual where there is none."""

import math
from typing import Any, Literal, NamedTuple

from rpca_affect.arrays import Array, array_namespace, as_floating
from rpca_affect.metrics.matching import precision_recall_f1

__all__ = [
    "SupportScores",
    "density",
    "objective",
    "rank_of",
    "relative_error",
    "residual",
    "subspace_distance",
    "support_scores",
]


class SupportScores(NamedTuple):
    """Agreement of two supports.

    Attributes
    ----------
    precision, recall, f1 : float
        Share of the found cells that are true, share of the true cells that are found, and their harmonic mean.

    Examples
    --------
    >>> from rpca_affect.metrics import support_scores
    >>> support_scores([[1, 1, 0, 0]], [[1, 0, 0, 0]])[:2]
    (0.5, 1.0)
    """

    precision: float
    recall: float
    f1: float


def relative_error(estimate: Any, truth: Any, mask: Any = None) -> Any:
    r"""Return :math:`\|E - T\|_F / \|T\|_F`, over the cells of ``mask`` where one is given.

    Parameters
    ----------
    estimate, truth : array, shape (..., m, n)
    mask : array of bool, broadcastable, optional
        True where a cell counts; other cells may hold NaN.

    Returns
    -------
    float, or array of shape (...)
        0 when both are 0, inf when only ``truth`` is.

    Examples
    --------
    >>> import numpy as np
    >>> relative_error(np.full((2, 2), 1.1), np.ones((2, 2)))  # doctest: +ELLIPSIS
    0.1000...
    """
    estimate, truth = as_floating(estimate), as_floating(truth)
    return _ratio(_norm(_only(estimate - truth, mask)), _norm(_only(truth, mask)))


def residual(observed: Any, low_rank: Any, sparse: Any, noise: Any = 0.0, *, mask: Any = None) -> Any:
    r"""Return :math:`\|M - L - S - N\|_F / \|M\|_F` over the observed cells.

    Parameters
    ----------
    observed, low_rank, sparse : array, shape (..., m, n)
        NaN in ``observed`` = missing.
    noise : array or float, default 0.0
        Without it, the result is the share that the noise part holds.
    mask : array of bool, broadcastable, optional
        True where a cell was observed.

    Returns
    -------
    float, or array of shape (...)

    Examples
    --------
    >>> import numpy as np
    >>> residual(np.ones((3, 3)), np.ones((3, 3)), np.zeros((3, 3)))
    0.0
    """
    observed = as_floating(observed)
    xp = array_namespace(observed)
    known = ~xp.isnan(observed)
    if mask is not None:
        known = known & mask
    return _ratio(_norm(_only(observed - low_rank - sparse - noise, known)), _norm(_only(observed, known)))


def rank_of(x: Any, tol: float | None = None) -> Any:
    """Count the singular values above ``tol`` times the largest one.

    Parameters
    ----------
    x : array, shape (..., m, n)
    tol : float, optional
        Default: ``max(m, n)`` rounding errors of the dtype.

    Returns
    -------
    int, or array of int (...)

    Examples
    --------
    >>> import numpy as np
    >>> rank_of(np.outer([1.0, 2.0], [3.0, 4.0]))
    1
    """
    x = as_floating(x)
    xp = array_namespace(x)
    values = xp.linalg.svdvals(x)
    if tol is None:
        tol = max(x.shape[-2:]) * float(xp.finfo(x.dtype).eps)
    rank = xp.sum(xp.astype(values > tol * values[..., :1], xp.int64), axis=-1)
    return rank if rank.ndim else int(rank)


def density(sparse: Any, mask: Any = None, *, tol: float = 0.0) -> Any:
    """Return the share of (observed) cells with ``|S| > tol``.

    Parameters
    ----------
    sparse : array, shape (..., m, n)
    mask : array of bool, broadcastable, optional
        True where a cell was observed.
    tol : float, default 0.0

    Returns
    -------
    float, or array of shape (...)
        0 where nothing was observed.

    Examples
    --------
    >>> import numpy as np
    >>> density(np.eye(4))
    0.25
    """
    sparse = as_floating(sparse)
    xp = array_namespace(sparse)
    hit = xp.astype(xp.abs(sparse) > tol, sparse.dtype)
    known = xp.ones_like(hit) if mask is None else _only(xp.ones_like(hit), mask)
    cells = xp.sum(known, axis=(-2, -1))
    return _plain(xp.sum(hit * known, axis=(-2, -1)) / xp.where(cells > 0, cells, xp.ones_like(cells)))


def subspace_distance(first: Any, second: Any, *, rank: int | None = None) -> Any:
    """Return the sine of the largest principal angle between two feature subspaces.

    Parameters
    ----------
    first, second : array, shape (..., m, n)
        Matrices whose rows span the subspaces; they may have different numbers of rows.
    rank : int, optional
        Number of leading right singular vectors to compare. Default: the rank of ``second``, which for a stack must
        be the same in every matrix.

    Returns
    -------
    float, or array of shape (...)
        From 0 (the subspace of ``first`` holds that of ``second``) to 1; for equal dimensions it is symmetric.

    Raises
    ------
    ValueError
        If ``rank`` is left out and the matrices of a stack differ in rank.

    References
    ----------
    .. [1] Å. Björck and G. H. Golub, "Numerical methods for computing angles between linear subspaces",
       Math. Comp. 27 (1973).

    Examples
    --------
    >>> import numpy as np
    >>> subspace_distance(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])).__round__(4)
    0.7071
    """
    first, second = as_floating(first), as_floating(second)
    xp = array_namespace(first, second)
    if rank is None:
        ranks = rank_of(second)
        rank = ranks if isinstance(ranks, int) else int(xp.max(ranks))
        if not isinstance(ranks, int) and int(xp.min(ranks)) != rank:
            raise ValueError("the matrices of the stack differ in rank: give the number of components as rank=")
    if rank == 0:
        return _plain(xp.zeros(second.shape[:-2], dtype=second.dtype, device=second.device))
    ours = xp.linalg.svd(first, full_matrices=False).Vh[..., :rank, :]
    theirs = xp.linalg.svd(second, full_matrices=False).Vh[..., :rank, :]
    # The sine from the remainder is exact for small angles; from the cosine half of the digits would be lost.
    outside = theirs - (theirs @ xp.matrix_transpose(ours)) @ ours
    return _plain(xp.clip(xp.max(xp.linalg.svdvals(outside), axis=-1), 0.0, 1.0))


def support_scores(estimate: Any, truth: Any, mask: Any = None, *, tol: float = 0.0) -> SupportScores:
    """Compare where two sparse parts are non-zero.

    Parameters
    ----------
    estimate, truth : array, shape (..., m, n)
        Numbers (compared by ``|value| > tol``) or bool.
    mask : array of bool, broadcastable, optional
        True where a cell counts.
    tol : float, default 0.0

    Returns
    -------
    SupportScores
        Over all cells together. Precision is 1 when nothing was found, recall 1 when there was nothing to find.

    Examples
    --------
    >>> import numpy as np
    >>> support_scores(np.array([[2.0, 0.0, 1.0]]), np.array([[1.0, 1.0, 0.0]]))
    SupportScores(precision=0.5, recall=0.5, f1=0.5)
    """
    estimate, truth = as_floating(estimate), as_floating(truth)
    xp = array_namespace(estimate, truth)
    found, there = xp.abs(estimate) > tol, xp.abs(truth) > tol
    if mask is not None:
        found, there = found & mask, there & mask
    hits, positives, wanted = (int(xp.sum(xp.astype(x, xp.int64))) for x in (found & there, found, there))
    return SupportScores(*precision_recall_f1(hits, positives, wanted))


def objective(
    low_rank: Any,
    sparse: Any,
    noise: Any = None,
    *,
    lam: Any,
    slack: Any = None,
    groups: Literal["cells", "frames"] = "cells",
) -> Any:
    r"""Return the value that the solvers minimise, as it stands.

    .. math:: \|L\|_* + \lambda \|S\|_1 + \sum_{ij} N_{ij}^2 / (2 \, \mathrm{slack}_{ij})

    Parameters
    ----------
    low_rank, sparse : array, shape (..., m, n)
    noise : array, shape (..., m, n), optional
        Needs ``slack``. Cells with ``slack`` 0 must hold no noise: the value is inf otherwise.
    lam : float or array (..., 1, 1)
        Weight of the sparse part.
    slack : float or array, broadcastable to (..., m, n), optional
        Weight of the noise part, see :func:`rpca_affect.noise.slack`.
    groups : {"cells", "frames"}, default "cells"
        Sum of absolute values, or of the lengths of the rows.

    Returns
    -------
    float, or array of shape (...)

    Raises
    ------
    ValueError
        If ``groups`` is unknown, or ``noise`` is given without ``slack``.

    Examples
    --------
    >>> import numpy as np
    >>> objective(np.eye(2), np.array([[0.0, 3.0], [0.0, 4.0]]), lam=0.5)
    5.5
    """
    if groups not in ("cells", "frames"):
        raise ValueError(f"groups={groups!r} is not known: use 'cells' or 'frames'")
    if noise is not None and slack is None:
        raise ValueError("a noise part has no price without slack: give its weight")
    low_rank, sparse = as_floating(low_rank), as_floating(sparse)
    xp = array_namespace(low_rank, sparse)
    nuclear = xp.sum(xp.linalg.svdvals(low_rank), axis=-1)
    lengths = xp.abs(sparse)
    if groups == "frames":
        lengths = xp.linalg.vector_norm(sparse, axis=-1, keepdims=True)
    value = nuclear + xp.sum(lam * lengths, axis=(-2, -1))
    if noise is not None:
        weight = slack + xp.zeros_like(low_rank)
        cost = noise * noise / xp.where(weight > 0, 2 * weight, xp.ones_like(weight))
        forbidden = (weight <= 0) & (noise != 0)
        value = value + xp.sum(xp.where(forbidden, xp.full_like(cost, math.inf), cost), axis=(-2, -1))
    return _plain(value)


def _only(x: Array, mask: Any) -> Array:
    xp = array_namespace(x)
    return x if mask is None else xp.where(mask, x, xp.zeros_like(x))


def _norm(x: Array) -> Array:
    """Frobenius norm over the last two axes that neither overflows nor underflows."""
    xp = array_namespace(x)
    top = xp.max(xp.abs(x), axis=(-2, -1), keepdims=True)
    top = xp.where(top > 0, top, xp.ones_like(top))
    return top[..., 0, 0] * xp.sqrt(xp.sum((x / top) ** 2, axis=(-2, -1)))


def _ratio(part: Array, whole: Array) -> Any:
    xp = array_namespace(part)
    nothing = xp.where(part > 0, xp.full_like(part, math.inf), xp.zeros_like(part))
    return _plain(xp.where(whole > 0, part / xp.where(whole > 0, whole, xp.ones_like(whole)), nothing))


def _plain(x: Array) -> Any:
    return x if x.ndim else float(x)
