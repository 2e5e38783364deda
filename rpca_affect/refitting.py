"""Shrinkage taken back: base and transients on the space that the convex model found, without its penalties."""

from typing import Any

from rpca_affect.arrays import Array, array_namespace
from rpca_affect.decomposition import Decomposition
from rpca_affect.lags import Windows, embedded
from rpca_affect.noise import spread
from rpca_affect.projection import predicted

__all__ = ["refitted"]

ROUNDS = 4  # of predicting the base, the last without its transients


def refitted(
    scaled: Array,
    trusted: Array | None,
    answer: Decomposition,
    low_rank: Array,
    sigma: Array,
    model: Any,
    windows: Windows,
) -> tuple[Array, Array]:
    """Base and transients without the shrinkage of the convex model.

    On the space of the base, every frame is the best linear prediction from its observed cells, those far from the
    base weighing less the farther they are and in the end, as transients, nothing. With lags they weigh nothing from
    the first round on: enough cells of other frames are left to predict them from, and however little they weigh, they
    would pull a base that knows time after every burst. A transient lies more than ``threshold`` standard deviations of
    the noise off; where the convex optimum calls it one, of what the base leaves.

    Parameters
    ----------
    scaled : array, shape (m, n)
        Frames in the units of the solve.
    trusted : array of bool, shape (m, n), or None
    answer : Decomposition
        The convex optimum (of the embedded matrix where there are lags).
    low_rank : array
        Its low-rank part.
    sigma : array, shape (n,)
        Noise in the units of the solve.
    model : NoiseModel
    windows : Windows

    Returns
    -------
    base, transient : array, shape (m, n)
    """
    xp = array_namespace(scaled)
    base, lags = windows.mean(low_rank), windows.lags
    reach = model.threshold * sigma
    known = xp.ones_like(scaled, dtype=xp.bool) if trusted is None else trusted
    away = known & (xp.abs(scaled - base) > reach)
    if model.refit and int(answer.rank):
        convex = away
        right = _space(answer, low_rank)
        wide = xp.concat([sigma] * lags) if lags > 1 else sigma
        for count in range(ROUNDS):
            weights = _weight(scaled - base, known, reach, lags > 1 or count == ROUNDS - 1)
            shares = embedded(weights, lags)
            if windows.inside is not None:
                shares = shares * xp.astype(windows.inside, shares.dtype)[:, None]
            answers = predicted(embedded(scaled, lags), shares, right, wide, low_rank, windows.number)
            del base, weights, shares
            base = windows.mean(answers)
        rest = scaled - base
        left = xp.minimum(reach, model.threshold * spread(rest, trusted))
        rest = xp.abs(rest)
        away = known & ((rest > reach) | (convex & (rest > left)))
        del rest
    away = xp.where(away, scaled - base, xp.zeros_like(reach))
    return base, away


def _space(answer: Decomposition, low_rank: Array) -> Array:
    """Orthonormal rows that span the base, shape (r, n)."""
    xp = array_namespace(low_rank)
    if answer.factors is not None:
        values, right = answer.factors.values, answer.factors.right
    else:
        _, values, right = xp.linalg.svd(low_rank, full_matrices=False)
    return right[: int(xp.sum(xp.astype(values > 1e-9 * values[0], xp.int64))), :]


def _weight(rest: Array, known: Array, reach: Array, strict: bool) -> Array:
    """Huber's weight of every cell: 1 up to its reach, then falling; strictly, nothing beyond."""
    xp = array_namespace(rest)
    size, zero = xp.abs(rest), xp.zeros_like(reach)
    if strict:
        return xp.astype(known & (size <= reach), rest.dtype)
    size = xp.where(size > reach, reach / xp.where(size > reach, size, zero + 1), zero + 1)
    return xp.where(known, size, zero)
