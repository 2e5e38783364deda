"""Which rows a shard has, where it keeps them, in memory or in files that take its place, and how they are shown."""

import math
import os
import tempfile
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Placement", "parts_of", "reserve"]

SHOWN = 1 << 27  # bytes of a block of the answer


class Placement(NamedTuple):
    """Which rows a shard has, and where it keeps them.

    Attributes
    ----------
    start, stop : int
        Rows of the whole matrix.
    rows, columns : int
        Of that matrix.
    dtype : str
    spill : str or None
        Folder for files that take the place of memory.
    """

    start: int
    stop: int
    rows: int
    columns: int
    dtype: str
    spill: str | None

    def room(self, dtype: str) -> np.ndarray:
        """A matrix of the shard's shape, in memory or in a file that is gone with it."""
        shape = (self.stop - self.start, self.columns)
        if self.spill is None:
            return np.zeros(shape, dtype)
        os.makedirs(self.spill, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.spill) as file:
            reserve(file, math.prod(shape) * np.dtype(dtype).itemsize, self.spill)
            return np.memmap(file, dtype, "w+", shape=shape)


def reserve(file: Any, size: int, where: Any) -> None:
    """Take room on the disk now: a write to mapped memory that finds none ends the process."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise OSError(error.errno, f"{where} has no room for {size / 1e6:.3g} MB more: {error.strerror}") from error


def parts_of(shards: list[Any], placements: list[Placement], name: str) -> Any:
    """A part of the answer as a dask array whose blocks are computed from the shards, or from their futures."""
    import dask
    import dask.array as da

    show, pieces = dask.delayed(_rows_of, pure=False), []
    for shard, placement in zip(shards, placements):
        rows, columns, dtype = placement.stop - placement.start, placement.columns, np.dtype(placement.dtype)
        height = max(1, SHOWN // (columns * dtype.itemsize))
        edges = [(k, min(k + height, rows)) for k in range(0, rows, height)]
        pieces += [da.from_delayed(show(shard, name, a, b), (b - a, columns), dtype) for a, b in edges]
    return da.concatenate(pieces)


def _rows_of(shard: Any, name: str, start: int, stop: int) -> np.ndarray:
    rows: np.ndarray = shard.rows_of(name, start, stop)
    return rows
