"""How far the features of a recording move for good: running medians about their middle, without garbage."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.lags import stretches

__all__ = ["WINDOW", "Frames", "lasting_deviation", "upper_median"]

WINDOW = 9  # frames of a running median: isolated outliers, one cell in ten, hardly ever fill half of it
WINDOWS = 1000  # running medians that the deviation is measured from, evenly spread over the recording
FAR = 20.0  # spreads from the median beyond which a stretch of a feature is looked at twice
ROUGH = 0.3  # a stretch is garbage where it jumps, from frame to frame, by this share of its distance
HELD = 3  # equal neighbours, in a stretch far away, that give a sentinel away


class Frames(NamedTuple):
    """A matrix of which some frames can be had.

    Attributes
    ----------
    total : int
        How many there are.
    take : callable
        Returns the frames with some indices, at most 9,000 of them.
    """

    total: int
    take: Callable[[np.ndarray], Observed]

    @classmethod
    def of(cls, observed: Observed) -> "Frames":
        """Those of a matrix in memory."""
        values, mask = observed
        xp = array_namespace(values)

        def take(rows: np.ndarray) -> Observed:
            index = xp.asarray(rows, device=device(values))
            return Observed(xp.take(values, index, axis=0), None if mask is None else xp.take(mask, index, axis=0))

        return cls(values.shape[0], take)


def lasting_deviation(frames: Frames, center: Array, size: Array) -> Array:
    """Root mean square distance of running medians from the median of their feature, without garbage, (n,)."""
    xp, count = array_namespace(size), frames.total
    if count < 4 * WINDOW:
        return size
    starts = np.unique(np.linspace(0, count - WINDOW, min(WINDOWS, count - WINDOW + 1)).astype(np.int64))
    values, mask = frames.take((starts[:, None] + np.arange(WINDOW)).reshape(-1))
    step = WINDOW * max(1, stretches(*values.shape)[0].stop // WINDOW)
    found = []
    for first in range(0, values.shape[0], step):  # the sorted columns stay in the cache
        rows = slice(first, first + step)
        found.append(_smooth(values[rows, :], None if mask is None else mask[rows, :], center, size))
    away, kept = (xp.concat(pieces, axis=0) for pieces in zip(*found))
    top = xp.max(away, axis=0)
    unit = xp.where(top > 0, top, xp.ones_like(top))  # the squares of gigantic values would overflow
    number = xp.sum(xp.astype(kept, away.dtype), axis=0)
    return unit * xp.sqrt(xp.sum((away / unit) ** 2, axis=0) / xp.where(number > 0, number, xp.ones_like(number)))


def _smooth(values: Array, mask: Array | None, center: Array, size: Array) -> tuple[Array, Array]:
    """Distance of the median of every window from that of its feature, and which of them are no garbage.

    Parameters
    ----------
    values : array, shape (windows * WINDOW, n)
    mask : array of bool, shape (windows * WINDOW, n), or None
    center, size : array, shape (n,)

    Returns
    -------
    array, shape (windows, n)
        0 where it is garbage.
    array of bool, shape (windows, n)
    """
    xp = array_namespace(values)
    shape = (values.shape[0] // WINDOW, WINDOW, values.shape[1])
    seen = xp.reshape(values, shape)
    known = xp.ones(shape, dtype=xp.bool, device=device(values)) if mask is None else xp.reshape(mask, shape)
    middle = upper_median(xp, seen, known)
    steps = xp.abs(seen[:, 1:, :] - seen[:, :-1, :])
    both = known[:, 1:, :] & known[:, :-1, :]
    held = xp.sum(xp.astype(both & (steps == 0), xp.int64), axis=1)
    away = xp.abs(middle - center)
    far = away > FAR * size
    enough = 2 * xp.sum(xp.astype(known, xp.int64), axis=1) > WINDOW
    # Far away, a movement is smooth; garbage jumps, and a sentinel is the same number again and again.
    garbage = far & ((upper_median(xp, steps, both) > ROUGH * away) | (held >= HELD))
    # Most features far away at the same time: a lost or broken frame.
    known_here = xp.sum(xp.astype(enough, xp.int64), axis=1, keepdims=True)
    broken = 2 * xp.sum(xp.astype(far & enough, xp.int64), axis=1, keepdims=True) > known_here
    kept = enough & ~garbage & ~broken
    return xp.where(kept, away, xp.zeros_like(away)), kept


def upper_median(xp: Any, x: Array, known: Array) -> Array:
    """Upper median over the known cells of axis 1; 0 where none is known."""
    count = xp.sum(xp.astype(known, xp.int64), axis=1, keepdims=True)
    ordered = xp.sort(xp.where(known, x, xp.full_like(x, math.inf)), axis=1)
    place = xp.reshape(xp.arange(x.shape[1], device=device(x)), (1, -1, 1))
    chosen = xp.where((place == count // 2) & (count > 0), ordered, xp.zeros_like(ordered))
    return xp.sum(chosen, axis=1)
