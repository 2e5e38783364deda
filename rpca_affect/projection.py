"""Robust projection of frames on a known base: a Huber fit per frame, which an outlying cell cannot pull away."""

import math
from typing import Any

import numpy as np

from rpca_affect.arrays import Array, array_namespace, device
from rpca_affect.prox import group_threshold, soft_threshold

__all__ = ["KNEE", "Predictor", "robust_scores", "split_rest", "squared_scores", "standardised_size"]

# lam * slack = sqrt(2) sigma: the size from which a cell enters the sparse part of the model that learned the base.
KNEE = math.sqrt(2.0)
SMALLEST_SHARE = 0.01  # least spread of a score, as a share of its noise
CHUNK_CELLS = 4_000_000  # cells of the largest array held at once: memory stays flat however many frames come


def robust_scores(
    values: Array,
    mask: Array | None,
    components: Array,
    scale: Array,
    *,
    knee: float = KNEE,
    tol: float | None = None,
    max_iter: int = 500,
) -> Array:
    r"""Fit every frame by the components, with a loss that grows only linearly for outlying cells.

    Solves, for every frame x, ``argmin_t sum_j rho((x_j - (t V)_j) / scale_j)`` over the observed cells, where
    ``rho(r) = r^2 / 2`` up to ``knee`` and ``knee (|r| - knee / 2)`` beyond. This is the model of stable principal
    component pursuit with the base held fixed: ``argmin_{t,s} ||(x - t V - s) / scale||^2 / 2 + knee ||s / scale||_1``.

    Parameters
    ----------
    values : array, shape (m, n)
        Centred frames, 0 where a cell is missing.
    mask : array of bool, shape (m, n), or None
        True where a cell was observed.
    components : array, shape (k, n)
        The base V, one row per component.
    scale : array, shape (n,)
        Standard deviation of the remainder ``M - L``, per feature; positive.
    knee : float, default sqrt(2)
        In units of ``scale``; inf gives the plain (weighted least-squares) projection.
    tol : float, optional
        Stop a frame when no fitted cell moves by more than ``tol * scale``; default 1e-8, in single precision 1e-4.
    max_iter : int, default 500
        Largest number of reweighting steps.

    Returns
    -------
    array, shape (m, k)
        A frame with fewer observed cells than components gets the smallest of the scores that fit it, one without
        any gets 0, the centre of the base.

    References
    ----------
    Huber & Ronchetti (2009), Robust Statistics, section 7.8 (iteratively reweighted least squares).

    Examples
    --------
    >>> import numpy as np
    >>> base = np.ones((1, 9)) / 3
    >>> frame = 6 * base; frame[0, 4] = 1e6
    >>> robust_scores(frame, None, base, np.full(9, 1e-3)).round(2)
    array([[6.]])
    """
    xp = array_namespace(values)
    rank, features = components.shape
    if tol is None:
        tol = 1e-8 if values.dtype == xp.float64 else 1e-4
    design = components / scale
    grams = _Grams(design)
    step = max(1, CHUNK_CELLS // max(rank * rank, features))
    parts = []
    for first in range(0, values.shape[0], step):
        last = min(first + step, values.shape[0])
        target = values[first:last, :] / scale
        known = xp.ones_like(target) if mask is None else xp.astype(mask[first:last, :], target.dtype)
        parts.append(_fit(xp, target, known, grams, knee, tol, max_iter))
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)


class _Grams:
    """Gram matrices ``sum_j w_j v_j v_j^T`` of a design V under the weights of many frames.

    They are symmetric: one matrix product weighs the products of the upper triangle, which are then mirrored.

    Parameters
    ----------
    design : array, shape (k, n)
        V, a column for each cell of a frame.
    """

    def __init__(self, design: Array) -> None:
        xp = array_namespace(design)
        rows, columns = np.triu_indices(design.shape[0])
        place = np.empty((design.shape[0],) * 2, dtype=np.int64)
        place[rows, columns] = place[columns, rows] = np.arange(len(rows))
        one, other, self.place = (xp.asarray(part, device=device(design)) for part in (rows, columns, place.ravel()))
        self.design = design
        self.products = xp.take(design, one, axis=0) * xp.take(design, other, axis=0)

    def __call__(self, weights: Array) -> Array:
        """Weigh the cells of frames, shape (m, n); the matrices have shape (m, k, k)."""
        xp, rank = array_namespace(weights), self.design.shape[0]
        upper = weights @ xp.matrix_transpose(self.products)
        return xp.reshape(xp.take(upper, self.place, axis=1), (-1, rank, rank))


def _fit(xp: Any, target: Array, known: Array, grams: _Grams, knee: float, tol: float, max_iter: int) -> Array:
    """Reweight until settled; frames that have settled leave, so a frame's answer does not depend on its neighbours."""
    design = grams.design
    scores = _weighted(xp, target, known, grams)
    if not math.isfinite(knee):
        return scores
    left = xp.arange(target.shape[0], device=device(target))
    settled, order = [], []
    for count in range(max_iter):
        rest = known * (target - scores @ design)
        size = xp.abs(rest)
        weights = known * (knee / xp.maximum(size, xp.full_like(size, knee)))
        moved = _weighted(xp, target, weights, grams)
        # Reweighting always descends, but slowly near the end; the Newton step is exact once it is known which
        # cells lie beyond the knee. Whichever descends more is taken, frame by frame.
        inside = known * xp.astype(size <= knee, known.dtype)
        pull = xp.clip(rest, -knee, knee)
        newton = scores + _solved(xp, inside, pull, grams)
        better = _loss(xp, known * (target - newton @ design), knee) < _loss(
            xp, known * (target - moved @ design), knee
        )
        moved = xp.where(better[:, None], newton, moved)
        done = xp.max(xp.abs((moved - scores) @ design), axis=1) <= tol
        if count == max_iter - 1:
            done = xp.ones_like(done)
        settled.append(moved[done])
        order.append(left[done])
        open_ = ~done
        target, known, scores, left = target[open_], known[open_], moved[open_], left[open_]
        if left.shape[0] == 0:
            break
    return xp.take(xp.concat(settled, axis=0), xp.argsort(xp.concat(order, axis=0)), axis=0)


def _loss(xp: Any, rest: Array, knee: float) -> Array:
    """Huber loss of every frame, shape (m,)."""
    size = xp.abs(rest)
    return xp.sum(xp.where(size <= knee, size * size / 2, knee * (size - knee / 2)), axis=1)


def _weighted(xp: Any, target: Array, weights: Array, grams: _Grams) -> Array:
    """Weighted least squares of every frame, shape (m, k)."""
    return _solved(xp, weights, weights * target, grams)


def _solved(xp: Any, weights: Array, pull: Array, grams: _Grams) -> Array:
    """Solve the normal equations of every frame with the given weights (m, n) for the pull (m, n) of its cells."""
    design = grams.design
    rank = design.shape[0]
    # The ridge only decides where the weighted cells leave the scores open; it is far below rounding elsewhere.
    ridge = xp.finfo(pull.dtype).eps * 8 * xp.sum(design * design) / rank
    gram = grams(weights) + ridge * xp.eye(rank, dtype=pull.dtype, device=device(pull))
    right = pull @ xp.matrix_transpose(design)
    return xp.linalg.solve(gram, right[..., None])[..., 0]


def squared_scores(values: Array, weights: Array, components: Array, low_rank: Array) -> Array:
    """Sum of the squared scores of frames whose cells of little weight are those of ``low_rank``, shape (k,)."""
    xp = array_namespace(values)
    scores = (low_rank + weights * (values - low_rank)) @ xp.matrix_transpose(components)
    return xp.sum(scores * scores, axis=0)


class Predictor:
    """Predicts every cell of frames from their other cells, on the space of the components.

    The best linear prediction for scores t of known spread, ``argmin_t sum_j w_j ((x_j - (t V)_j) / scale_j)^2 +
    sum_k (t_k / spread_k)^2`` for every frame: one with few cells falls back on the centre, and components that the
    noise hides are not fitted to it.

    Parameters
    ----------
    components : array, shape (k, n)
        Orthonormal rows.
    scale : array, shape (n,)
        Standard deviation of the noise.
    square : array, shape (k,)
        Mean square of the scores of the frames, their own noise included.
    """

    def __init__(self, components: Array, scale: Array, square: Array) -> None:
        xp = array_namespace(components)
        rank = components.shape[0]
        usable = xp.where(scale > 0, scale, xp.max(scale) * xp.ones_like(scale))
        own = xp.sum((components * usable) ** 2, axis=1)
        variance = xp.maximum(square - own, SMALLEST_SHARE * own)
        self.components, self.usable = components, usable
        self.grams = _Grams(components / usable)
        self.prior = xp.eye(rank, dtype=components.dtype, device=device(components)) / variance

    def __call__(self, values: Array, weights: Array) -> Array:
        """Predict frames, shape (m, n), from those of their cells that have a weight, between 0 and 1."""
        xp = array_namespace(values)
        gram = self.grams(weights) + self.prior
        right = (weights * values / self.usable) @ xp.matrix_transpose(self.grams.design)
        return xp.linalg.solve(gram, right[..., None])[..., 0] @ self.components


def split_rest(rest: Array, knees: Array, sparse: str, *, whole: bool = False) -> Array:
    """Return the sparse part of the remainder ``M - L``: cells, or frames, beyond the knees.

    Solves ``argmin_s ||(rest - s) / knees||^2 / 2 + g(s / knees)`` with g as in `rpca_affect.solve`.

    Parameters
    ----------
    rest : array, shape (m, n)
        0 where a cell is missing.
    knees : array, shape (n,)
        Size that a cell must exceed, in the units of the input; for frames, the root mean square of ``rest / knees``
        must exceed 1.
    sparse : {"cells", "frames"}
    whole : bool
        Give a cell beyond its knee to the sparse part as a whole, without the shrinkage of the convex model.

    Returns
    -------
    array, shape (m, n)
    """
    if sparse == "cells":
        if whole:
            xp = array_namespace(rest)
            return xp.where(xp.abs(rest) > knees, rest, xp.zeros_like(rest))
        return soft_threshold(rest, knees)
    return group_threshold(rest / knees, math.sqrt(rest.shape[-1]), axis=-1) * knees


def standardised_size(rest: Array, mask: Array | None, scale: Array) -> Array:
    """Root mean square of ``rest / scale`` over the observed cells of every frame, shape (m,); 0 where none is."""
    xp = array_namespace(rest)
    square = (rest / scale) ** 2
    if mask is None:
        return xp.sqrt(xp.mean(square, axis=1))
    count = xp.sum(xp.astype(mask, rest.dtype), axis=1)
    total = xp.sum(xp.where(mask, square, xp.zeros_like(square)), axis=1)
    return xp.sqrt(total / xp.maximum(count, xp.ones_like(count)))
