"""Frames that have a direction of the base to themselves: outliers which agree with each other pass for base.

They may be reported (a doubt), or left out of the matrix that is solved.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rpca_affect.arrays import Array, Observed, array_namespace, device, to_numpy
from rpca_affect.decomposition import Decomposition
from rpca_affect.doubts import Doubt

__all__ = ["doubts", "frames_apart", "without"]

LEVEL = 0.03  # of the largest coefficient: below it a frame has no part in a direction
MOST = 0.45  # of the frames: with more, nobody can say who is the outlier
LEAST = 3  # frames
FRAMES = 4  # per direction: with fewer, some vector of the span has many zeros by chance
LENGTH = 0.62  # sum of absolute values over root m times length: Gaussian coefficients have 0.8, those of a few less
STARTS, ROUNDS = 10, 50  # of either kind; of each
LEADING = 30  # directions of the base that are looked at: outliers that bend it are among the largest


def frames_apart(base: np.ndarray) -> np.ndarray | None:
    """Find the frames that a direction of the base belongs to alone.

    Outliers that are identical, or lie on a line, are a low-rank matrix themselves, which the convex model rightly
    counts as base. But then the span of the columns of the base holds a vector that is zero for all other frames: the
    sparsest one, ``argmin ||U w||_1 subject to ||w||_2 = 1``, found by reweighted least squares from several starts.

    Parameters
    ----------
    base : ndarray, shape (m, n)

    Returns
    -------
    ndarray of int or None
        The frames; None where no direction belongs to few.

    References
    ----------
    Qu, Sun & Wright (2014), Finding a sparse vector in a subspace.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> base = rng.standard_normal((50, 1)) @ rng.standard_normal((1, 8))
    >>> frames_apart(base) is None
    True
    >>> base[[4, 9, 30]] += rng.standard_normal(8)
    >>> frames_apart(base).tolist()
    [4, 9, 30]
    """
    left, values, _ = np.linalg.svd(base, full_matrices=False)
    whole = int(np.count_nonzero(values > 1e-9 * values[:1]))
    left = left[:, : min(whole, LEADING)]
    frames, rank = left.shape
    if rank < 2 or frames < FRAMES * whole:
        return None
    rng = np.random.default_rng(0)
    starts = [*np.eye(rank)[:STARTS], *left[rng.permutation(frames)[:STARTS]]]
    few = []  # a random walk has sparse directions too, but of more frames
    for sizes in (_sparsest(left, start) for start in starts):
        found = np.flatnonzero(sizes > LEVEL * sizes.max())
        if sizes.sum() < LENGTH * np.sqrt(frames) and LEAST <= len(found) <= MOST * frames:
            few.append((float(sizes.sum()), found))
    return min(few, key=lambda x: x[0])[1] if few else None


def _sparsest(left: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Absolute values of ``left @ w``, of length 1, with w a local minimum of their sum."""
    floor = 1e-3 / np.sqrt(len(left))
    w = w / max(float(np.linalg.norm(w)), floor)
    for _ in range(ROUNDS):
        weights = 1 / np.maximum(np.abs(left @ w), floor)
        new = np.linalg.eigh((left.T * weights) @ left)[1][:, 0]
        settled = abs(float(new @ w)) > 1 - 1e-10
        w = new
        if settled:
            break
    return np.abs(left @ w)


def _found(answer: Decomposition, kept: np.ndarray | None = None) -> np.ndarray | None:
    """Places of such frames in an answer, those that were kept counted; None of an unfinished base or a stack."""
    if not answer.converged or answer.sparse.ndim > 2 or int(answer.rank) < 2:
        return None
    # The left factor has the columns' span, which is all that counts, and is thin.
    base = answer.low_rank if answer.factors is None else answer.factors.left
    try:
        base = np.asarray(base if hasattr(base, "compute") else to_numpy(base), dtype=np.float64)
    except RuntimeError:  # a device from which nothing comes to the host
        return None
    base = base if kept is None else base[kept]
    return frames_apart(base) if np.all(np.isfinite(base)) else None


def doubts(answer: Decomposition) -> tuple[Doubt, ...]:
    """Say where outliers may have passed for base, in one matrix split into frames."""
    found = _found(answer)
    return () if found is None else (Doubt("apart", {"apart": len(found), "frames": int(answer.sparse.shape[0])}),)


def without(data: Observed, solved: Callable[[Any], Decomposition]) -> Decomposition:
    """Solve without the frames that have a direction to themselves, until no others have: they cost nothing then.

    Parameters
    ----------
    data : Observed
        One matrix (m, n).
    solved : callable ``(mask) -> Decomposition``
        Solves for the cells of a mask (m, n); None: for all.

    Returns
    -------
    Decomposition
        S holds the frames that were set apart whole; rank and duality gap are those of the model of the others.
    """
    xp, frames = array_namespace(data.given), data.given.shape[0]
    out = np.zeros(frames, dtype=bool)
    answer = solved(data.mask)
    while True:
        found = _found(answer, None if not out.any() else ~out)
        if found is None or out.sum() + len(found) > MOST * frames:
            break
        out[np.flatnonzero(~out)[found]] = True
        kept = xp.asarray(~out[:, None], device=device(data.given))
        answer = solved(xp.broadcast_to(kept, data.given.shape) if data.mask is None else data.mask & kept)
    if not out.any():
        return answer
    if found is None:
        others = tuple(doubt for doubt in answer.status.doubts if doubt.kind != "apart")
        answer = replace(answer, status=replace(answer.status, doubts=others))
    return _with_frames(data, answer, kept, int(out.sum()))


def _with_frames(data: Observed, answer: Decomposition, kept: Array, count: int) -> Decomposition:
    """The answer with the frames that were set apart in its sparse part, and a word about them."""
    xp, values = array_namespace(data.given), data.values
    base = answer.factors.matrix() if answer.low_rank is None else answer.low_rank
    whole = values - base if data.mask is None else xp.where(data.mask, values - base, xp.zeros_like(values))
    sparse = xp.where(kept, answer.sparse, whole)
    cells = math.prod(values.shape) if data.mask is None else int(xp.count_nonzero(data.mask))
    doubt = Doubt("set_apart", {"apart": count, "frames": values.shape[0]})
    return replace(
        answer,
        sparse=sparse,
        sparsity=int(xp.count_nonzero(sparse)) / max(cells, 1),
        status=replace(answer.status, doubts=(*answer.status.doubts, doubt)),
    )
