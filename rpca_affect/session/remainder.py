"""What the base leaves of a recording, looked at a few rows at a time."""

from typing import NamedTuple

import numpy as np

__all__ = ["Remainder", "StandardErrors"]

CELLS = 1 << 18  # that are looked at together
MOVING = 0.2  # share of the cells of a block that must show noise


class StandardErrors(NamedTuple):
    """Standard deviation of what noise alone leaves of every cell, in units of the noise.

    A transient is held out of the fit of its frame, so noise is joined by the error of the prediction; any other cell
    pulls the base towards itself, and less than its noise is left. Undivided, the first would look like outliers
    beside the second.

    Attributes
    ----------
    fitted : ndarray, shape (n_features,)
        Of cells that the base was fitted to.
    held_out : ndarray, shape (count of transient cells,)
        Of the transient cells, row by row; as fitted where the fit did not hold them out.
    starts : ndarray of int, shape (n_frames + 1,)
        Where the cells of every row begin in ``held_out``.
    """

    fitted: np.ndarray
    held_out: np.ndarray
    starts: np.ndarray


class Remainder(NamedTuple):
    """What the base leaves of some frames, looked at a few rows at a time: a recording is never copied.

    Attributes
    ----------
    transient, residual : ndarray, shape (n_frames, n_features)
        Cells that the split calls transient are not 0 in ``transient``. Both are exactly 0 in a missing cell.
    values : ndarray, shape (n_frames, n_features), optional
        The recording. Cells that repeat the value of a neighbouring frame exactly (a feature at rest) show no noise.
    errors : StandardErrors, optional
        What deviations are divided by.
    known : ndarray of bool, shape (n_frames, n_features), optional
        Observed cells: what the others hold has no say.
    """

    transient: np.ndarray
    residual: np.ndarray
    values: np.ndarray | None = None
    errors: StandardErrors | None = None
    known: np.ndarray | None = None

    def deviation(self, rows: slice) -> np.ndarray:
        """Deviations from the base, shape (rows, n_features)."""
        deviation = self.transient[rows] + self.residual[rows]
        if self.errors is not None:
            start, stop, _ = rows.indices(len(self.transient))
            support = self.transient[rows] != 0
            first, last = self.errors.starts[start], self.errors.starts[stop]
            away = deviation[support] / self.errors.held_out[first:last]
            deviation /= self.errors.fitted
            deviation[support] = away
        return deviation

    def sizes(self, frame: np.ndarray, feature: np.ndarray) -> np.ndarray:
        """Absolute deviations of all transient cells, given in any order."""
        size = np.abs(self.transient[frame, feature] + self.residual[frame, feature])
        if self.errors is not None:
            size[np.lexsort((feature, frame))] /= self.errors.held_out
        return size

    def moving(self, rows: slice) -> np.ndarray:
        """The same with 0 where a value is held."""
        deviation = self.deviation(rows)
        if self.values is not None:
            start, stop, _ = rows.indices(len(self.values))
            first = max(start - 1, 0)
            beside = self.values[first : stop + 1]
            same = np.zeros((len(beside) + 1, beside.shape[1]), dtype=bool)  # as the frame before
            np.equal(beside[1:], beside[:-1], out=same[1:-1])
            if self.known is not None:
                seen = self.known[first : stop + 1]
                same[1:-1] &= seen[1:] & seen[:-1]
            skipped = start - first
            deviation[(same[:-1] | same[1:])[skipped : skipped + stop - start]] = 0.0
        return deviation

    def least_transient(self) -> np.ndarray:
        """Smallest deviation that the split calls transient in each feature, shape (n_features,)."""
        frames, features = self.transient.shape
        least, most = np.full(features, np.inf), np.zeros(features)
        step = max(1, CELLS // max(features, 1))
        for start in range(0, frames, step):
            rows = slice(start, min(start + step, frames))
            size = np.abs(self.deviation(rows))
            np.minimum(least, np.min(size, axis=0, where=self.transient[rows] != 0, initial=np.inf), out=least)
            np.maximum(most, np.max(size, axis=0), out=most)
        return np.where(np.isfinite(least), least, most)

    def local_sizes(self, block: int) -> np.ndarray:
        """Median size of the deviations of each block of frames or of the blocks beside it, whichever is largest.

        Over half a block, an event is no event but a change; a median does not see shorter ones. 0 where hardly any
        cell moves.
        """
        frames, features = self.transient.shape
        count = max(frames // block, 1)
        medians = np.zeros((-(-frames // block), features))
        for k in range(count):
            part = np.abs(self.moving(slice(k * block, (k + 1) * block if k < count - 1 else frames)))
            number = np.count_nonzero(part, axis=0)
            part[part == 0] = np.inf  # sorted behind those that move
            part.sort(axis=0)
            ends = ((number - 1) // 2, number // 2)
            low, high = (np.take_along_axis(part, np.maximum(end, 0)[None, :], axis=0)[0] for end in ends)
            moves = number / len(part) > MOVING
            medians[k, moves] = (low[moves] + high[moves]) / 2
        medians[count:] = medians[count - 1]  # what is left over belongs to the last whole block
        beside = np.maximum(medians, np.maximum(np.roll(medians, 1, axis=0), np.roll(medians, -1, axis=0)))
        if len(medians) > 1:
            beside[0], beside[-1] = medians[:2].max(axis=0), medians[-2:].max(axis=0)
        return beside
