"""Exact order statistics of a large matrix without sorting or copying it."""

import numpy as np

from rpca_affect.engine.threads import Crew
from rpca_affect.engine.tuning import SAMPLE

__all__ = ["kth_largest", "median_size"]


def kth_largest(x: np.ndarray, count: int, crew: Crew, blocks: list[slice]) -> tuple[float, int]:
    """Find the absolute value above which fewer than ``count`` cells lie, and where the cells at it stop counting.

    Parameters
    ----------
    x : array, shape (m, n)
    count : int
        From 0 to m n.
    crew : Crew
    blocks : list of slice
        Row blocks of ``x``.

    Returns
    -------
    level : float
        inf for ``count`` 0.
    last : int
        Of the cells exactly at ``level``, those up to this position (in C order) belong to the largest ``count``.
    """
    if count == 0:
        return np.inf, -1
    level = _order_statistic(x, count, crew, blocks)
    above = sum(crew.run(lambda _, rows: int(np.count_nonzero(np.abs(x[rows]) > level)), blocks))
    wanted = count - above
    for rows in blocks:
        ties = np.flatnonzero(np.abs(x[rows]) == level)
        if len(ties) >= wanted:
            return level, rows.start * x.shape[1] + int(ties[wanted - 1])
        wanted -= len(ties)
    return level, x.size


def _order_statistic(x: np.ndarray, count: int, crew: Crew, blocks: list[slice]) -> float:
    """The ``count``-th largest absolute value: a sample brackets it, and only the bracket is sorted."""
    flat = x.reshape(-1)
    stride = max(1, x.size // SAMPLE) | 1
    sample = np.sort(np.abs(flat[::stride]))[::-1]
    share, size = count / x.size, len(sample)
    spread = 4 * np.sqrt(size * share * (1 - share)) + 4
    first, last = int(share * size - spread), int(share * size + spread)
    high = sample[first] if first >= 0 else np.inf
    low = sample[last] if last < size else -1.0

    def gather(_: int, rows: slice) -> tuple[int, np.ndarray]:
        absolute = np.abs(x[rows])
        return int(np.count_nonzero(absolute > high)), absolute[(absolute >= low) & (absolute <= high)]

    parts = crew.run(gather, blocks)
    wanted = count - sum(part[0] for part in parts)
    inside = np.concatenate([part[1] for part in parts])
    if not 1 <= wanted <= len(inside):  # the sample misled: sort everything
        inside, wanted = np.abs(flat), count
    return float(np.partition(inside, len(inside) - wanted)[len(inside) - wanted])


def median_size(x: np.ndarray, crew: Crew, blocks: list[slice]) -> float:
    """Median absolute value of the cells that are not 0; 0 for a zero matrix."""
    nonzero = sum(crew.run(lambda _, rows: int(np.count_nonzero(x[rows])), blocks))
    return _order_statistic(x, nonzero - nonzero // 2, crew, blocks) if nonzero else 0.0
