"""Medians of every feature over its observed cells, a few features at a time and without copies of a recording."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpca_affect.arrays import ABREAST, Array, Observed, array_namespace, device, is_numpy_array, observe

__all__ = ["Block", "by_feature", "median", "steps_between"]

BLOCK = 1 << 18  # cells whose medians are taken together: their working memory stays in the cache


@dataclass(frozen=True)
class Block:
    """Some features of a recording or a stack: ``values`` and ``known`` (None = all), shape (..., features, frames)."""

    xp: Any
    values: Array
    known: Array | None

    def over(self, values: Array, known: Array | None) -> "Block":
        return Block(self.xp, values, known)


def by_feature(x: Any, mask: Any, axis: int, measure: Callable[[Block], tuple[Array, ...]]) -> list[Array]:
    """Measure a few features at a time, so that nothing as large as ``x`` is made.

    Parameters
    ----------
    x, mask
        As in `rpca_affect.arrays.observe`.
    axis : int
        The axis of the frames, one of the last two.
    measure : callable
        Takes a Block and returns a few arrays of shape (..., features of the block).

    Returns
    -------
    list of array, shape (..., n_features)
    """
    observed = observe(x, mask)
    given = observed.given
    xp = array_namespace(given)
    if axis not in (-2, -1, given.ndim - 2, given.ndim - 1):
        raise ValueError(f"axis={axis} does not hold the frames of {given.ndim} axes: use -2 or -1")
    across = -2 if axis in (-1, given.ndim - 1) else -1
    features = given.shape[across]
    step = max(ABREAST if given.ndim == 2 else 1, BLOCK * features // math.prod(given.shape))
    found = [measure(_block(xp, observed, across, slice(k, min(k + step, features)))) for k in range(0, features, step)]
    return [xp.concat(parts, axis=-1) for parts in zip(*found)]


def _block(xp: Any, observed: Observed, across: int, some: slice) -> Block:
    rows, columns = (slice(None), some) if across == -1 else (some, slice(None))
    values = observed.part(rows, columns)
    known = None if observed.mask is None else observed.mask[..., rows, columns]
    if across == -1:
        values = xp.matrix_transpose(values)
        known = None if known is None else xp.matrix_transpose(known)
    if is_numpy_array(values):  # the frames of a feature side by side, for many medians to come
        values = np.ascontiguousarray(values)
        known = None if known is None else np.ascontiguousarray(known)
    return Block(xp, values, known)


def median(block: Block) -> Array:
    """Median over the known cells of the last axis, kept as an axis of length 1; 0 where none is known."""
    if is_numpy_array(block.values):
        return _numpy_median(block.values, None if block.known is None else np.asarray(block.known))
    xp, values, known = block.xp, block.values, block.known
    known = xp.ones(values.shape, dtype=xp.bool, device=device(values)) if known is None else known
    count = xp.sum(xp.astype(known, xp.int64), axis=-1, keepdims=True)
    ordered = xp.sort(xp.where(known, values, xp.full_like(values, math.inf)), axis=-1)
    place = xp.arange(values.shape[-1], device=device(values))
    zero = xp.zeros_like(values)
    lower = xp.sum(xp.where(place == (count - 1) // 2, ordered, zero), axis=-1, keepdims=True)
    upper = xp.sum(xp.where(place == count // 2, ordered, zero), axis=-1, keepdims=True)
    # Halves are added, not averaged: the sum of two large values may overflow.
    return xp.where(count > 0, 0.5 * lower + 0.5 * upper, xp.zeros_like(lower))


def _numpy_median(values: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """The same by selection, which takes a tenth of the time of a sort."""
    rows = values.reshape(-1, values.shape[-1])
    marks = None if known is None else known.reshape(rows.shape)
    medians = np.zeros(len(rows), dtype=values.dtype)
    for k, row in enumerate(rows):
        cells = row.copy() if marks is None else row[marks[k]]
        if cells.size:
            middle = cells.size // 2
            cells.partition(middle)  # one place is several times faster to find than two
            below = cells[middle] if cells.size % 2 else np.max(cells[:middle])
            medians[k] = 0.5 * below + 0.5 * cells[middle]
    return medians.reshape((*values.shape[:-1], 1))


def steps_between(block: Block, farthest: int) -> Iterator[tuple[int, Array]]:
    """Yield how many frames apart neighbours are, and of which features, (..., n): those with too few side by side.

    Too few are less than half of what there would be if as many cells were missing at random.
    """
    xp, count = block.xp, block.values.shape[-1]
    known: Any = block.known
    least = xp.sum(xp.astype(known, block.values.dtype), axis=-1) ** 2 / (2 * count)
    open_ones: Any = least > 0
    for step in range(1, min(farthest, count // 2) + 1):
        pairs = xp.sum(xp.astype(known[..., step:] & known[..., :-step], block.values.dtype), axis=-1)
        found = open_ones & (pairs >= least)
        if step > 1 and bool(xp.any(found)):
            yield step, found
        open_ones = open_ones & ~found
        if not bool(xp.any(open_ones)):
            return
