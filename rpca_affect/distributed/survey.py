"""Facts of a matrix before its first step, from sums over the shards: sizes, limits, noise."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rpca_affect.arrays import Observed
from rpca_affect.deviation import Frames
from rpca_affect.distributed.shard_data import Facts
from rpca_affect.doubts import Doubt
from rpca_affect.extremes import EXTREME, SUSPICIOUS
from rpca_affect.measuring import measured_in_parts

__all__ = ["added", "limits_of", "measured_levels"]

SEEN = 1 << 26  # bytes of the features that are gathered at a time

Ask = Callable[..., list[Any]]


def added(facts: list[Facts]) -> Facts:
    """Facts of all shards together."""
    cells, frames, by_feature, total, top = zip(*facts)
    return Facts(sum(cells), sum(frames), np.sum(by_feature, axis=0), sum(total), max(top))


def limits_of(ask: Ask, facts: Facts, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray | None:
    """Return the limits of gigantic cells by column, (n,), as `rpca_affect.extremes.limits_of`; None where all is well.

    The median of a column is found exactly, eight bits of its number at a time.
    """
    if facts.top <= SUSPICIOUS * facts.total / (shape[0] * shape[1]):
        return None
    bits = 8 * dtype.itemsize
    kind = np.dtype(f"u{dtype.itemsize}")
    found, below = np.zeros(shape[1], np.uint64), np.full(shape[1], shape[0] // 2, np.int64)
    for shift in range(bits - 8, -1, -8):
        counts = np.cumsum(sum(ask("digits", found, shift)), axis=1)
        digit = np.sum(counts <= below[:, None], axis=1)
        below -= np.where(digit > 0, np.take_along_axis(counts, np.maximum(digit - 1, 0)[:, None], axis=1)[:, 0], 0)
        found = (found << np.uint64(8)) | digit.astype(np.uint64)
    return EXTREME * found.astype(kind).view(dtype)


def measured_levels(ask: Ask, shape: tuple[int, int], dtype: np.dtype) -> tuple[np.ndarray, tuple[Doubt, ...]]:
    """Noise of every feature, by `rpca_affect.measuring`, a few features at a time."""
    width = max(1, SEEN // (shape[0] * dtype.itemsize))

    def parts() -> Iterator[Observed]:
        for start in range(0, shape[1], width):
            yield _observed_of(ask("features", start, min(start + width, shape[1])))

    def frames(rows: np.ndarray) -> Observed:
        rows, places = np.unique(rows, return_inverse=True)
        values, known = _observed_of(ask("frames", rows))
        return Observed(values[places], None if known is None else known[places])

    some = Frames(shape[0], frames)
    found = measured_in_parts(parts, some, some)
    return np.asarray(found.level), found.doubts


def _observed_of(pieces: list[tuple[np.ndarray, np.ndarray | None]]) -> Observed:
    """Join rows of several shards, with their masks."""
    values = np.concatenate([piece[0] for piece in pieces])
    if all(piece[1] is None for piece in pieces):
        return Observed(values)
    return Observed(values, np.concatenate([np.ones(x.shape, bool) if known is None else known for x, known in pieces]))
