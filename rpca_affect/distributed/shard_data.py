"""Some rows of the data before the first step: their mask, their sums, and their gigantic cells."""

import zlib
from collections.abc import Iterator
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import as_floating, yes_or_no
from rpca_affect.distributed.placement import Placement
from rpca_affect.extremes import EXTREME
from rpca_affect.request import Limits

__all__ = ["Facts", "ShardData"]

STRIP = 1 << 19  # bytes of the rows that are worked on at a time where a copy is needed
GROWING = Lock()


class Facts(NamedTuple):
    """Sums over the observed cells: numbers of cells, frames and features, sizes.

    Attributes
    ----------
    cells, frames : int
    by_feature : array of int, shape (n,)
        Observed cells of every feature.
    total, top : float
        Sum and largest of the absolute values.
    """

    cells: int
    frames: int
    by_feature: np.ndarray
    total: float
    top: float


class ShardData:
    """Rows of one matrix as they were given, 0 in missing cells.

    Attributes
    ----------
    placement : Placement
    values : array, shape (m, n)
        Divided by ``unit``, which is 1 at first.
    known : array of bool, shape (m, n), or None
        None where no cell is missing.
    far : tuple of arrays of int
        Rows and columns of the gigantic cells, while these are read as ``read`` and not as they ``were``.
    """

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self.values = placement.room(placement.dtype)
        self.known: np.ndarray | None = None
        self.unit = 1.0
        self.far: tuple[np.ndarray, np.ndarray] = (np.empty(0, np.int64), np.empty(0, np.int64))
        self.were = self.read = np.empty(0, placement.dtype)

    def put(self, start: int, block: Any, mask: Any = None) -> int | None:
        """Take some rows in; return the place of the first infinite cell that counts as observed."""
        block = np.asarray(as_floating(block), dtype=self.placement.dtype)
        first = start - self.placement.start
        rows = slice(first, first + len(block))
        known = ~np.isnan(block)
        if mask is not None:
            known &= yes_or_no(np, mask, None)
        infinite = np.isinf(block) & known
        if infinite.any():
            return start * self.placement.columns + int(np.argmax(infinite))
        if not known.all():
            with GROWING:  # other threads may bring other rows
                if self.known is None:
                    self.known = self.placement.room("bool")
                    self.known[:] = True
            self.known[rows] = known
            block = np.where(known, block, block.dtype.type(0))
        self.values[rows] = block
        return None

    def facts(self) -> Facts:
        """Return the sums over the observed cells."""
        cells, frames, total, top = 0, 0, 0.0, 0.0
        by_feature = np.zeros(self.placement.columns, np.int64)
        for rows in self.strips():
            size = np.abs(self.values[rows])
            known = np.broadcast_to(True, size.shape) if self.known is None else self.known[rows]
            here = np.count_nonzero(known, axis=0)
            by_feature += here
            cells += int(here.sum())
            frames += int(np.count_nonzero(known.any(axis=1)))
            total += float(np.sum(size, dtype=np.float64))
            top = max(top, float(size.max()))
        return Facts(cells, frames, by_feature, total, top)

    def features(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return some columns of the data, and which of their cells were observed."""
        return self.values[:, start:stop].copy(), None if self.known is None else self.known[:, start:stop].copy()

    def frames(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Return those of some frames that are here, and which of their cells were observed."""
        mine = self.mine(rows)
        return self.values[mine], None if self.known is None else self.known[mine]

    def digits(self, found: np.ndarray, shift: int) -> np.ndarray:
        """Count, for every column, the next eight bits of the sizes whose higher bits are the ones found, (n, 256)."""
        columns = self.placement.columns
        counts = np.zeros(256 * columns, np.int64)
        kind = np.dtype(f"u{self.values.itemsize}")
        for rows in self.strips():
            bits = np.abs(self.values[rows]).view(kind)
            digit = ((bits >> kind.type(shift)) & kind.type(255)).astype(np.int64) + 256 * np.arange(columns)
            if shift + 8 < 8 * kind.itemsize:
                digit = digit[(bits >> kind.type(shift + 8)) == found.astype(kind)]
            counts += np.bincount(digit.ravel(), minlength=counts.size)
        return counts.reshape(columns, 256)

    def clip(self, by_column: np.ndarray) -> tuple[int, float]:
        """Read cells far outside their row and column as if they were at the limit; count them, and the largest left.

        Parameters
        ----------
        by_column : array, shape (n,)
            Limits of the columns.
        """
        places, were, read, top = [], [], [], 0.0
        for rows in self.strips():
            values = self.values[rows]
            by_row = EXTREME * np.sort(np.abs(values), axis=1)[:, values.shape[1] // 2]
            near = Limits(by_row[:, None], by_column[None, :]).near(values, slice(None))
            where = np.nonzero(near != values)
            places.append((where[0] + rows.start, where[1]))
            were.append(values[where])
            read.append(near[where])
            self.values[rows] = near
            top = max(top, float(np.abs(near).max()))
        self.far = (np.concatenate([place[0] for place in places]), np.concatenate([place[1] for place in places]))
        self.were, self.read = np.concatenate(were), np.concatenate(read)
        return len(self.were), top

    def unclip(self) -> None:
        """Read gigantic cells as they were given."""
        self.values[self.far] = self.were / self.unit
        self.far = (self.far[0][:0], self.far[1][:0])
        self.were = self.read = self.were[:0]

    def fingerprint(self) -> int:
        """A number that changes with the data."""
        found = 0
        for rows in self.strips():
            found = zlib.crc32(self.values[rows].tobytes(), found)
            found = found if self.known is None else zlib.crc32(self.known[rows].tobytes(), found)
        return found

    def strips(self) -> Iterator[slice]:
        """Runs of rows that are small beside the whole."""
        height = max(1, STRIP // (self.placement.columns * self.values.itemsize))
        for start in range(0, len(self.values), height):
            yield slice(start, min(start + height, len(self.values)))

    def mine(self, rows: np.ndarray) -> np.ndarray:
        """Places of those rows of the whole matrix that are here."""
        return rows[(rows >= self.placement.start) & (rows < self.placement.stop)] - self.placement.start
