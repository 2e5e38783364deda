"""Some rows of the matrix and the state of the iteration on them: what a worker holds, and what it is asked to do."""

import math
import os
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Observed, as_floating, yes_or_no
from rpca_affect.engine.cells.blocks import Passes
from rpca_affect.engine.cells.source import Source
from rpca_affect.engine.spectrum.gram import gram, triangle_of
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.threads import Crew
from rpca_affect.extremes import EXTREME
from rpca_affect.request import Limits

__all__ = ["DRAFT", "PARTS", "Facts", "Layout", "Shard", "observed_of", "reserve"]

DRAFT = ".npy.part"  # ending of a file of parts that is not complete
PARTS = ("low_rank", "sparse", "noise")
GROUP = 1 << 21  # bytes of the rows whose Gram matrix is added while they are in the cache
ALONE = Crew(1)
GROWING = Lock()


class Layout(NamedTuple):
    """Which rows a shard has, and where it keeps them.

    Attributes
    ----------
    start, stop : int
        Rows of the whole matrix.
    columns : int
    dtype : str
    spill : str or None
        Folder for files that take the place of memory.
    """

    start: int
    stop: int
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


class Facts(NamedTuple):
    """What is added up over the observed cells: numbers of cells, frames and features, sizes.

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


class Shard:
    """Rows of one matrix, their argument of the singular-value threshold, and room for the next argument.

    Every method answers with sums that are added up over the shards. The mathematics of a step is that of
    `rpca_affect.engine.cells.blocks`.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.values, self.a, self.out = (layout.room(layout.dtype) for _ in range(3))
        self.known: np.ndarray | None = None
        self.unit = 1.0
        self.moved = False  # whether the next argument lies in `out`
        # Gigantic cells: where they are, what they were, and what is read instead.
        self.far: tuple[np.ndarray, np.ndarray] = (np.empty(0, np.int64), np.empty(0, np.int64))
        self.were = self.read = np.empty(0, layout.dtype)

    def put(self, start: int, block: Any, mask: Any = None) -> int | None:
        """Take some rows in; return the place of the first infinite cell that counts as observed."""
        block = np.asarray(as_floating(block), dtype=self.layout.dtype)
        first = start - self.layout.start
        rows = slice(first, first + len(block))
        known = ~np.isnan(block)
        if mask is not None:
            known &= yes_or_no(np, mask, None)
        infinite = np.isinf(block) & known
        if infinite.any():
            return start * self.layout.columns + int(np.argmax(infinite))
        if not known.all():
            with GROWING:  # other threads may bring other rows
                if self.known is None:
                    self.known = self.layout.room("bool")
                    self.known[:] = True
            self.known[rows] = known
            block = np.where(known, block, block.dtype.type(0))
        self.values[rows] = block
        return None

    def facts(self) -> Facts:
        """Return what is added up over the observed cells."""
        cells, frames, total, top = 0, 0, 0.0, 0.0
        by_feature = np.zeros(self.layout.columns, np.int64)
        for rows in self._strips():
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
        mine = self._mine(rows)
        return self.values[mine], None if self.known is None else self.known[mine]

    def digits(self, found: np.ndarray, shift: int) -> np.ndarray:
        """Count, for every column, the next eight bits of the sizes whose higher bits are the ones found, (n, 256)."""
        columns = self.layout.columns
        counts = np.zeros(256 * columns, np.int64)
        kind = np.dtype(f"u{self.values.itemsize}")
        for rows in self._strips():
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
        for rows in self._strips():
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

    def model(self, unit: float, kind: str, lam: float, slack: Any) -> float:
        """Set the unit of the data and the weights of the model; return the sum of squares."""
        if unit != self.unit:
            for rows in self._strips():
                self.values[rows] *= self.unit / unit
            self.unit = unit
        self.passes = Passes(Source(self.values), self.known, kind, ALONE)
        self.passes.set_model(lam, slack)
        height = self.passes.blocks[0].stop
        step = max(1, GROUP // (height * self.layout.columns * self.values.itemsize))
        blocks = self.passes.blocks
        self.groups = [blocks[k : k + step] for k in range(0, len(blocks), step)]
        return self.passes.norm**2

    def unclip(self) -> None:
        """Read gigantic cells as they were given."""
        self.values[self.far] = self.were / self.unit
        self.far = (self.far[0][:0], self.far[1][:0])
        self.were = self.read = self.were[:0]

    def begin(self, stretch: float, mu: float) -> np.ndarray:
        """Set the first argument, the data (``stretch`` 0) or the kept part of a multiple; return its Gram matrix."""
        if stretch:
            self.passes.start(self.a, stretch, mu)
        else:
            np.copyto(self.a, self.values)
        self.moved = False
        return self._gram(self.a)

    def gram_of_values(self) -> np.ndarray:
        """Return ``M^T M``."""
        return self._gram(self.values)

    def step(
        self, low: LowRank, mu: float, mu_next: float, relax: float, weigh: bool
    ) -> tuple[float, float, np.ndarray]:
        """Go on by one step; return its sums, and the Gram matrix of the next argument."""
        self._advance()
        violated = kept = 0.0
        square = self._square()
        for group, rows in self._groups():
            sums = self.passes.step(self.a, self.out, low, mu, mu_next, relax, weigh, group)
            violated, kept = violated + sums.violated, kept + sums.kept
            square += gram(self.out[rows], ALONE)
        self.moved = True
        return violated, kept, square

    def triangle(self) -> np.ndarray:
        """Return R with ``R^T R`` the Gram matrix of the next argument, for where that loses what is small."""
        return triangle_of(self.out if self.moved else self.a, ALONE)

    def sample(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return those of some rows that are here, of the argument of the last step and of the next one."""
        mine = self._mine(rows)
        return self.a[mine], self.out[mine]

    def dual(self, low: LowRank, mu: float, mu_next: float) -> tuple[float, float, float, np.ndarray]:
        """Return what `rpca_affect.engine.cells.blocks.Passes.weighed` adds up for the last step, and ``Y^T Y``."""
        parts = []
        square = self._square()
        room = np.empty((self.groups[0][-1].stop, self.layout.columns), self.layout.dtype)
        for group, rows in self._groups():
            y = room[: rows.stop - rows.start]
            parts += self.passes.dual(self.a, low, mu, mu_next, y, group)
            square += gram(y, ALONE)
        return (*self.passes.weighed(parts), square)

    def hand_over(self, low: LowRank, mu: float, mu_next: float, first: float) -> np.ndarray:
        """Make ``L + Y / first`` of the last step the next argument; return its Gram matrix."""
        square = self._square()
        for group, rows in self._groups():
            y = self.out[rows]
            self.passes.dual(self.a, low, mu, mu_next, y, group)
            y *= 1 / first
            y += low.of(self.a[rows])
            square += gram(y, ALONE)
        self.moved = True
        return square

    def stays(self, low: LowRank, mu: float, mu_next: float) -> bool:
        """Whether every gigantic cell has a sparse part of its sign in the last step."""
        rows, place = np.unique(self.far[0], return_inverse=True)
        if not len(rows):
            return True
        known = None if self.known is None else self.known[rows]
        some = Passes(Source(self.values[rows]), known, self.passes.kind, ALONE)
        some.set_model(self.passes.lam, self.passes.slack)
        sparse = np.empty((len(rows), self.layout.columns), self.layout.dtype)
        some.finish(self.a[rows], low, mu, mu_next, sparse, None)
        return bool(np.all(np.sign(self.were - self.read) * sparse[place, self.far[1]] > 0))

    def finish(self, low: LowRank, mu: float, mu_next: float, folder: str | None) -> int:
        """Write the parts of the last step over the state, and to files where asked; count the non-zeros of S."""
        passes, noisy = self.passes, self.passes.noisy
        nonzero = passes.finish(self.a, low, mu, mu_next, self.out, self.values if noisy else None)
        for part in (self.a, self.out, *([self.values] if noisy else [])):
            if self.unit != 1.0:
                passes.scale(part, self.unit)
        self.out[self.far] += self.were - self.read
        self.noisy = noisy
        del self.passes
        if folder is not None:
            for name in PARTS[: 2 + noisy]:
                whole = np.load(Path(folder, name + DRAFT), mmap_mode="r+")
                whole[self.layout.start : self.layout.stop] = self.part(name)
                whole.flush()
        return nonzero

    def part(self, name: str) -> np.ndarray:
        """Return a part, once `finish` has written it."""
        return {"low_rank": self.a, "sparse": self.out, "noise": self.values}[name]

    def rows_of(self, name: str, start: int, stop: int) -> np.ndarray:
        """Some rows of a part."""
        return self.part(name)[start:stop]

    def fingerprint(self) -> int:
        """A number that changes with the data."""
        found = 0
        for rows in self._strips():
            found = zlib.crc32(self.values[rows].tobytes(), found)
            found = found if self.known is None else zlib.crc32(self.known[rows].tobytes(), found)
        return found

    def save(self, folder: str) -> None:
        """Write the argument of the last step to a folder."""
        with Path(folder, f"{self.layout.start}.npy").open("wb") as file:
            np.save(file, self.a)

    def load(self, folder: str) -> None:
        """Go back to the argument in a folder."""
        np.copyto(self.a, np.load(Path(folder, f"{self.layout.start}.npy"), mmap_mode="r"))
        self.moved = False

    def _advance(self) -> None:
        if self.moved:
            self.a, self.out, self.moved = self.out, self.a, False

    def _square(self) -> np.ndarray:
        return np.zeros((self.layout.columns,) * 2)

    def _gram(self, x: np.ndarray) -> np.ndarray:
        square = self._square()
        for _, rows in self._groups():
            square += gram(x[rows], ALONE)
        return square

    def _groups(self) -> Iterator[tuple[list[slice], slice]]:
        for group in self.groups:
            yield group, slice(group[0].start, group[-1].stop)

    def _strips(self) -> Iterator[slice]:
        height = max(1, GROUP // (self.layout.columns * self.values.itemsize))
        for start in range(0, len(self.values), height):
            yield slice(start, min(start + height, len(self.values)))

    def _mine(self, rows: np.ndarray) -> np.ndarray:
        return rows[(rows >= self.layout.start) & (rows < self.layout.stop)] - self.layout.start


def observed_of(pieces: list[tuple[np.ndarray, np.ndarray | None]]) -> Observed:
    """Join rows of several shards, with what is known of their cells."""
    values = np.concatenate([piece[0] for piece in pieces])
    if all(piece[1] is None for piece in pieces):
        return Observed(values)
    return Observed(values, np.concatenate([np.ones(x.shape, bool) if known is None else known for x, known in pieces]))
