"""Rows of the data for the passes, without a copy of the matrix: any order, gigantic cells clipped, missing ones 0."""

from typing import NamedTuple

import numpy as np

from rpca_affect.arrays import small_parts
from rpca_affect.cached import cached_property
from rpca_affect.engine.tuning import TILE
from rpca_affect.request import Limits

__all__ = ["Patches", "RowReader", "patches_of"]


class Patches(NamedTuple):
    """Gigantic cells and the clipped values that are read instead, in the order of the rows.

    Attributes
    ----------
    rows, columns : array of int, shape (k,)
    values : array, shape (k,)
    starts : array of int, shape (m + 1,)
        Place of the first patch in row i or behind it.
    """

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    starts: np.ndarray

    def within(self, rows: slice) -> slice:
        """Places of the patches in some rows."""
        return slice(int(self.starts[rows.start]), int(self.starts[rows.stop]))

    def touch(self, rows: slice) -> bool:
        """Whether some rows have a patch."""
        mine = self.within(rows)
        return mine.start < mine.stop

    def write(self, out: np.ndarray, rows: slice, less: np.ndarray | None = None) -> None:
        """Write the patches of some rows to ``out``, a copy of these rows, less the cells of the matrix ``less``."""
        mine = self.within(rows)
        places = self.rows[mine] - rows.start, self.columns[mine]
        out[places] = self.values[mine] if less is None else self.values[mine] - less[places]


class RowReader:
    """A matrix that is read some rows at a time.

    Attributes
    ----------
    values : array, shape (m, n)
    patches : Patches or None
    known : array of bool, shape (m, n), or None
        False where 0 is read; the value there may be NaN or any finite number.
    """

    def __init__(self, values: np.ndarray, patches: Patches | None = None, known: np.ndarray | None = None) -> None:
        self.values, self.patches, self.known = values, patches, known
        self.plain = values.flags.c_contiguous

    @property
    def is_bare(self) -> bool:
        """Whether reading changes nothing: neither patches nor a mask."""
        return self.patches is None and self.known is None

    def read(self, rows: slice, memory: np.ndarray) -> np.ndarray:
        """Return rows of the matrix: a view where they are C-ordered and unchanged, else a copy in ``memory``."""
        if self.plain and self.known is None and (self.patches is None or not self.patches.touch(rows)):
            return self.values[rows]
        return self.copied(rows, memory)

    def less(self, base: np.ndarray, rows: slice, out: np.ndarray) -> None:
        """Write rows of the matrix less ``base`` to ``out``; a missing cell receives an arbitrary finite number."""
        if not self.plain:
            np.subtract(self.copied(rows, out), base, out=out)
            return
        np.subtract(self.values[rows], base, out=out)
        if self.patches is not None:
            self.patches.write(out, rows, base)
        if self.known is not None:
            self._settle(out)

    def copied(self, rows: slice, memory: np.ndarray) -> np.ndarray:
        """Return a copy of rows of the matrix in ``memory``."""
        memory = memory[: rows.stop - rows.start]
        width = self.values.shape[1] if self.plain else TILE
        for start in range(0, self.values.shape[1], width):
            tile = slice(start, start + width)
            np.copyto(memory[:, tile], self.values[rows, tile])
        if self.patches is not None:
            self.patches.write(memory, rows)
        if self.known is not None:
            self._settle(memory)
            memory *= self.known[rows]
        return memory

    def _settle(self, x: np.ndarray) -> None:
        """Write finite numbers over NaN, so that a product with False gives 0."""
        np.fmax(x, self._lowest, out=x)

    @cached_property
    def _lowest(self) -> np.ndarray:
        """Row of the numbers written over NaN; NumPy compares with a row faster than with a scalar."""
        return np.full(self.values.shape[1], np.finfo(self.values.dtype).min / 4, self.values.dtype)


def patches_of(data: np.ndarray, limits: Limits, unit: float, wide: bool) -> Patches:
    """Find the cells of a matrix beyond their limits, and their clipped values, in units of the data.

    Parameters
    ----------
    data : array, shape (m, n)
        In the unit and orientation of the caller.
    limits : Limits
    unit : float
    wide : bool
        Whether the matrix will be read transposed.
    """
    rows, columns, values = [], [], []
    for block in small_parts(data, axis=0):
        near = limits.near(data[block], block)
        where = np.nonzero(np.abs(near) < np.abs(data[block]))  # which NaN is not
        rows.append(where[0] + block.start)
        columns.append(where[1])
        values.append(near[where] / unit)
    found = [np.concatenate(pieces) for pieces in (rows, columns, values)]
    if wide:
        order = np.argsort(found[1], kind="stable")
        found = [found[1][order], found[0][order], found[2][order]]
    length = data.shape[1] if wide else data.shape[0]
    starts = np.searchsorted(found[0], np.arange(length + 1))
    return Patches(found[0], found[1], found[2], starts)
