"""How far a split is from the optimum of the convex model: a duality gap that anybody can recompute."""

from typing import Any

from rpca_affect.arrays import Array, Observed, array_namespace

__all__ = ["gap_of", "loss", "objective", "relative_gap"]


def loss(size: Array, lam: Any, slack: Any) -> Array:
    """``min_n lam |s - n| + n^2 / (2 slack)`` for every length s: a Huber function; without slack n is 0."""
    xp = array_namespace(size)
    knee = lam * slack
    weight = slack + xp.zeros_like(size)
    square = size * size / (2 * xp.where(weight > 0, weight, xp.ones_like(weight)))
    return xp.where(size > knee, lam * (size - knee / 2), square)


def gap_of(primal: Any, linear: Any, quadratic: Any, norm: Any) -> Any:
    """Relative duality gap, at least 0; 0 where the primal value is.

    Parameters
    ----------
    primal : float or array
        Value of the convex model at a low-rank part.
    linear, quadratic : float or array
        ``<M, Y>`` and ``sum slack Y^2`` of a dual matrix within the bound of the sparse norm.
    norm : float or array
        Its spectral norm, or 1 where that is smaller: it is divided by that to be feasible.
    """
    excess = primal - linear / norm + quadratic / (2 * norm * norm)
    if isinstance(primal, float):
        return max(excess / primal, 0.0) if primal > 0 else 0.0
    xp = array_namespace(primal)
    found = xp.clip(excess, 0.0, None) / xp.where(primal > 0, primal, xp.ones_like(primal))
    return xp.where(primal > 0, found, xp.zeros_like(found))


def objective(observed: Observed, low_rank: Array, lam: Any, slack: Any = 0.0, sparse: str = "cells") -> Array:
    """Value of the convex model at ``low_rank``, with the best sparse and noise parts for it.

    ``min_{S,N} ||L||_* + lam g(S) + ||N||_F^2 / (2 slack)  subject to  L + S + N = M`` on the observed cells, where
    ``g`` sums absolute cells (``sparse="cells"``) or row lengths (``"frames"``). Minimising over S and N leaves a
    (group) Huber function of ``M - L``, so the value belongs to a feasible point whatever ``low_rank`` is.

    Parameters
    ----------
    observed : Observed
        Values (..., m, n) and mask.
    low_rank : array, shape (..., m, n)
    lam : float or array (..., 1, 1)
    slack : float or array that broadcasts to (..., m, n)
        0 for the equality-constrained model. Frames need the same slack across a row.
    sparse : {"cells", "frames"}

    Returns
    -------
    array, shape (..., 1, 1)

    References
    ----------
    Candes, Li, Ma & Wright (2011), eq. 1.1; Zhou, Li, Wright, Candes & Ma (2010), eq. 5.
    """
    xp = array_namespace(low_rank)
    rest = _known(observed, observed.values - low_rank)
    nuclear = xp.sum(xp.linalg.svdvals(low_rank), axis=-1)[..., None, None]
    size = xp.abs(rest) if sparse == "cells" else xp.sqrt(xp.sum(rest * rest, axis=-1, keepdims=True))
    return nuclear + xp.sum(loss(size, lam, slack), axis=(-2, -1), keepdims=True)


def relative_gap(
    observed: Observed, low_rank: Array, dual: Array, lam: Any, slack: Any = 0.0, sparse: str = "cells"
) -> Array:
    """Relative duality gap of the convex model at ``low_rank``, proved by ``dual``.

    The dual problem is ``max_Y <M, Y> - ||sqrt(slack) Y||_F^2 / 2`` subject to ``||Y||_2 <= 1``, ``|Y| <= lam`` (cells;
    row lengths for frames) and Y = 0 on missing cells. ``dual`` is first moved into that set (clipped, then divided by
    its spectral norm where that exceeds 1), so the bound holds for any matrix given.

    Parameters
    ----------
    observed, low_rank, lam, slack, sparse
        As in `objective`.
    dual : array, shape (..., m, n)

    Returns
    -------
    array, shape (..., 1, 1)
        ``(primal - dual value) / primal``, at least 0; 0 for a zero matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from rpca_affect.arrays import Observed
    >>> M = np.diag([3.0, 1.0])
    >>> float(relative_gap(Observed(M), np.zeros((2, 2)), np.sign(M) * 0.5, lam=0.5).squeeze())
    0.0
    """
    xp = array_namespace(low_rank)
    dual = _known(observed, dual)
    if sparse == "cells":
        bound = lam * xp.ones_like(dual)
        dual = xp.minimum(xp.maximum(dual, -bound), bound)
    else:
        length = xp.sqrt(xp.sum(dual * dual, axis=-1, keepdims=True))
        dual = dual * xp.where(length > lam, lam / xp.where(length > 0, length, xp.ones_like(length)), 1.0)
    top = Observed(dual).spectral_norm()
    linear, quadratic = (xp.sum(x, axis=(-2, -1), keepdims=True) for x in (observed.values * dual, slack * dual * dual))
    primal = objective(observed, low_rank, lam, slack, sparse)
    return gap_of(primal, linear, quadratic, xp.maximum(top, xp.ones_like(top)))


def _known(observed: Observed, x: Array) -> Array:
    if observed.mask is None:
        return x
    xp = array_namespace(x)
    return xp.where(observed.mask, x, xp.zeros_like(x))
