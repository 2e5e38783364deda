"""Runs of transient cells of single features, and the groups that move together."""

from typing import NamedTuple

import numpy as np

__all__ = ["Runs", "cells_of", "find_runs", "groups_of", "join_cells"]


class Runs(NamedTuple):
    """Stretches of transient cells of single features, as columns.

    Attributes
    ----------
    first, apex, last, feature : ndarray of int, shape (n_runs,)
        First, strongest and last frame, and the feature.
    peak : ndarray, shape (n_runs,)
        Largest absolute value of the strengths that the runs were found in.
    """

    first: np.ndarray
    apex: np.ndarray
    last: np.ndarray
    feature: np.ndarray
    peak: np.ndarray

    def take(self, chosen: np.ndarray) -> "Runs":
        """Some of the runs, in the given order."""
        return Runs(*(column[chosen] for column in self))

    @property
    def frames(self) -> np.ndarray:
        """Lengths in frames."""
        return self.last - self.first + 1


def cells_of(strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Feature and frame of every non-zero cell, feature by feature in the order of the frames."""
    frame, feature = np.nonzero(strength)
    order = np.argsort(feature, kind="stable")
    return feature[order], frame[order]


def find_runs(strength: np.ndarray, min_frames: int, max_gap: int) -> Runs:
    """Join the non-zero cells of every feature to runs.

    Parameters
    ----------
    strength : ndarray, shape (n_frames, n_features)
        0 outside the transients.
    min_frames : int
        Shortest run.
    max_gap : int
        Cells of one feature with at most this many zero frames between them belong to one run.

    Returns
    -------
    Runs
    """
    feature, frame = cells_of(strength)
    return join_cells(feature, frame, np.abs(strength[frame, feature]), min_frames, max_gap)


def join_cells(feature: np.ndarray, frame: np.ndarray, size: np.ndarray, min_frames: int, max_gap: int) -> Runs:
    """The same from the cells themselves, feature by feature in the order of the frames."""
    if not len(frame):
        nothing = np.zeros(0, dtype=np.intp)
        return Runs(nothing, nothing, nothing, nothing, np.zeros(0))
    starts = np.flatnonzero(np.r_[True, (np.diff(frame) > max_gap + 1) | (np.diff(feature) != 0)])
    ends = np.r_[starts[1:], len(frame)] - 1
    peak = np.maximum.reduceat(size, starts)
    at_peak = np.flatnonzero(size == np.repeat(peak, ends - starts + 1))
    apex = at_peak[np.searchsorted(at_peak, starts)]
    runs = Runs(frame[starts], frame[apex], frame[ends], feature[starts], peak)
    return runs.take(np.flatnonzero(runs.frames >= min_frames))


def groups_of(runs: Runs) -> list[np.ndarray]:
    """Gather the runs of several features that belong together: greedy, each group led by its first run.

    Parameters
    ----------
    runs : Runs
        The most important first.

    Returns
    -------
    list of ndarray of int
        Positions in ``runs``; the leader comes first. A run joins the first leader that it lies at least half inside,
        or during which it is strongest.
    """
    free = np.ones(len(runs.first), dtype=bool)
    groups = []
    for lead in range(len(free)):
        if free[lead]:
            inside = np.minimum(runs.last, runs.last[lead]) - np.maximum(runs.first, runs.first[lead]) + 1
            together = (runs.apex >= runs.first[lead]) & (runs.apex <= runs.last[lead])
            mine = np.flatnonzero(free & (together | (2 * inside >= runs.frames)))
            mine = np.r_[lead, mine[mine != lead]]
            free[mine] = False
            groups.append(mine)
    return groups
