"""Elementwise passes over cache-sized row blocks, in place: everything of a step but the singular-value threshold."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.engine.cells.costs import Bound, Costs, of_rows, shortening
from rpca_affect.engine.cells.reader import RowReader
from rpca_affect.engine.spectrum.gram import beginning
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.spectrum.products import Products
from rpca_affect.engine.threads import Crew
from rpca_affect.engine.tuning import BLOCK, SHARED

__all__ = ["Passes", "Sums", "square_length"]


class Sums(NamedTuple):
    """Squared lengths over a matrix: of the violated constraint and of the kept part."""

    violated: float
    kept: float


def square_length(x: np.ndarray) -> float:
    """Sum of squares of a contiguous block."""
    flat = x.reshape(-1)
    return float(np.dot(flat, flat))


class Passes(Products, Costs):
    """One matrix (m >= n), its model, and the passes over it.

    Attributes
    ----------
    reader : RowReader
        The data.
    values : array, shape (m, n)
        The array that ``reader`` reads, in any memory order. Every other matrix is C-ordered.
    known : array of bool, shape (m, n), or None
    """

    def __init__(self, reader: RowReader, known: Any, kind: str, crew: Crew) -> None:
        self.reader, self.known, self.kind, self.crew = reader, known, kind, crew
        values = self.values = reader.values
        rows, columns = values.shape
        height = rows
        if values.size >= SHARED:
            room = min(BLOCK, values.size)  # of a small matrix, an eighth: scratch memory should stay small beside it
            height = max(1, min(room // (columns * values.itemsize), -(-rows // (2 * crew.size))))
        self._cut(height)
        self.norm = math.sqrt(self._square())
        self.release()

    def _cut(self, height: int) -> None:
        rows = len(self.values)
        self.blocks = [slice(i, min(i + height, rows)) for i in range(0, rows, height)]
        self.workers = self.crew.size if len(self.blocks) > 1 else 1
        self.release()

    def refine(self) -> None:
        """Work on smaller blocks from here on: for the final pass, which runs once and with little memory left."""
        self._cut(max(1, self.blocks[0].stop // 8))

    def _square(self) -> float:
        if self.reader.is_bare:
            cells = self.values.ravel(order="K")
            parts = self.crew.shares(cells.size) if self.workers > 1 else [slice(None)]
            return sum(self.crew.run(lambda _, part: square_length(cells[part]), parts))
        read, room = self.reader.copied, self.pair
        return sum(self.crew.run(lambda w, rows: square_length(read(rows, room(w)[0])), self.blocks))

    def rounded(self, memory: np.ndarray) -> "Passes":
        """The same matrix in single precision, in memory (m, n) of that precision."""

        def work(worker: int, rows: slice) -> None:
            np.copyto(memory[rows], self.reader.read(rows, self.pair(worker)[0]), casting="same_kind")

        self.crew.run(work, self.blocks)
        self.release()
        return Passes(RowReader(memory), self.known, self.kind, self.crew)

    def whole(self, memory: np.ndarray) -> np.ndarray:
        """Matrix of the data: the caller's own array where the reader changes nothing, else a copy in memory (m, n)."""
        if self.reader.is_bare:
            return self.values
        self.crew.run(lambda _, rows: self.reader.copied(rows, memory[rows]), self.blocks)
        return memory

    def release(self) -> None:
        """Give the scratch memory of the workers back until the next pass."""
        self._scratch: list[np.ndarray | None] = [None] * self.workers

    def pair(self, worker: int, rows: slice | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Scratch memory of a worker: two matrices of the size of these rows, or of the largest block."""
        if (pair := self._scratch[worker]) is None:
            pair = self._scratch[worker] = np.empty((2, self.blocks[0].stop, self.values.shape[1]), self.values.dtype)
        first, second = pair if rows is None else pair[:, : rows.stop - rows.start]
        return first, second

    def sizes(self) -> tuple[float, float]:
        """Sum and largest of the absolute values."""

        def work(worker: int, rows: slice) -> tuple[float, float]:
            size = np.abs(self.reader.read(rows, room := self.pair(worker, rows)[0]), out=room)
            return float(np.sum(size, dtype=np.float64)), float(np.max(size))

        found = self.crew.run(work, self.blocks)
        self.release()
        return sum(one[0] for one in found), max(one[1] for one in found)

    def scale(self, x: np.ndarray, by: float) -> None:
        """Multiply in place."""
        self.crew.run(lambda _, rows: np.multiply(x[rows], by, out=x[rows]), self.blocks)

    def start(self, out: np.ndarray, stretch: float, mu: float) -> None:
        """Write the kept part of ``stretch * M`` to ``out``: the first argument when L is 0."""
        bound = self._bound(mu, lambda rows, worker: self.reader.read(rows, self.pair(worker)[0]) * stretch)

        def work(_: int, rows: slice) -> None:
            self.keep(np.multiply(self.reader.read(rows, out[rows]), stretch, out=out[rows]), rows, bound)

        self.crew.run(work, self.blocks)

    def step(
        self,
        a: np.ndarray,
        out: np.ndarray,
        low: LowRank,
        mu: float,
        mu_next: float,
        relax: float,
        weigh: bool,
        blocks: list[slice] | None = None,
    ) -> Sums:
        """Shrink ``M - L + e`` and write the next argument to ``out``; with ``weigh``, measure the kept part too.

        ``low.left`` may lie at the beginning of ``out``, and is overwritten then. All rows, or those of ``blocks``.
        """
        bound = self._bound_at(a, low, mu, mu_next)

        def work(worker: int, rows: slice) -> tuple[float, float]:
            carried = out[rows]
            base, wanted = self._wanted(worker, rows, a, low, mu / mu_next, carried)
            kept = self.keep(wanted, rows, bound)
            own = square_length(kept) if weigh else 0.0
            base += carried
            np.subtract(kept, carried, out=kept)
            np.multiply(kept, relax, out=carried)
            carried += base
            if self.known is not None:
                kept *= self.known[rows]
            return square_length(kept), own

        turns = [blocks or self.blocks] if low.left is None else self._turns(low.left, out)
        sums = [s for blocks in turns for s in self.crew.run(work, blocks)]
        return Sums(*map(sum, zip(*sums)))

    def _turns(self, left: np.ndarray, out: np.ndarray) -> Iterator[list[slice]]:
        """All rows, in groups of blocks that can be worked on at the same time although ``out`` begins with ``left``.

        The rows of ``left`` are at most half as long as those of ``out``, so the last rows of ``out`` lie behind
        every row of ``left`` that an earlier row still reads.
        """
        if not np.may_share_memory(left, out):
            yield self.blocks
            return
        stop, height = len(out), self.blocks[0].stop
        while stop > 0:
            start = -(-stop * left.shape[1] // out.shape[1]) if stop > height else 0
            count = -(-(stop - start) // height)
            count = -(-count // self.workers) * self.workers if start > 0 else count  # the same for every worker
            edges = [start + (stop - start) * i // count for i in range(count + 1)]
            yield [slice(a, b) for a, b in pairwise(edges)]
            stop = start

    def dual(
        self, a: np.ndarray, low: LowRank, mu: float, mu_next: float, out: np.ndarray, blocks: Sequence[slice]
    ) -> list[tuple[Any, float, float]]:
        """Write the rows of the dual matrix Y in some consecutive blocks; return the addends of `weighed`."""
        bound = self._bound_at(a, low, mu, mu_next)
        first = blocks[0].start

        def work(worker: int, rows: slice) -> tuple[Any, float, float]:
            carried = out[rows.start - first : rows.stop - first]
            base, wanted = self._wanted(worker, rows, a, low, mu / mu_next, carried)
            kept = self.keep(wanted, rows, bound)
            np.multiply(kept, mu_next, out=carried)
            values, slack = self.reader.read(rows, kept), of_rows(self.slack, rows)
            linear, quadratic = float(np.vdot(values, carried)), 0.0
            rest = np.subtract(values, base, out=base)
            if self.noisy:
                square = np.multiply(carried, carried, out=kept)
                quadratic = float(np.sum(np.multiply(square, slack, out=square), dtype=np.float64))
            if self.known is not None:
                rest *= self.known[rows]
            if self.kind == "columns":
                return np.einsum("ij,ij->j", rest, rest), linear, quadratic
            size = np.abs(rest, out=rest)
            if self.kind == "rows":
                size = np.sqrt(np.einsum("ij,ij->i", rest, rest))[:, None]
            return self.loss_of(size, slack), linear, quadratic

        return self.crew.run(work, blocks)

    def rest(self, a: np.ndarray, low: LowRank, mu: float, out: np.ndarray, blocks: Sequence[slice]) -> None:
        """Write ``mu (A - L)`` in some consecutive blocks."""
        first = blocks[0].start

        def work(worker: int, rows: slice) -> None:
            self._wanted(worker, rows, a, low, mu, out[rows.start - first : rows.stop - first])

        self.crew.run(work, blocks)

    def low_rank(self, a: np.ndarray, low: LowRank) -> None:
        """Write L over ``a``."""

        def work(worker: int, rows: slice) -> None:
            a[rows] = self._wanted(worker, rows, a, low, 1.0, a[rows])[0]

        self.crew.run(work, self.blocks)

    def finish(
        self, a: np.ndarray, low: LowRank, mu: float, mu_next: float, out: np.ndarray, noise: np.ndarray | None
    ) -> int:
        """Write S to ``out``, L over ``a`` (unless that is S or N), N where asked for; count the non-zeros of S."""
        bound = self._bound_at(a, low, mu, mu_next)
        room: np.ndarray | None = out if noise is None else noise
        if np.may_share_memory(room, self.values):  # these are still to be read
            room = None

        def work(worker: int, rows: slice) -> int:
            sparse = out[rows]
            loose = np.empty_like(sparse) if room is None else room[rows]  # M - L + e - S
            base, wanted = self._wanted(worker, rows, a, low, mu / mu_next, loose)
            give = 1.0 if bound.give is None else of_rows(bound.give, rows)
            if self.kind == "cells":
                level = bound.limit / give
                np.clip(wanted, -level, level, out=loose)
                np.subtract(wanted, loose, out=sparse)
            else:
                factor = self.factor(wanted, rows, bound)
                np.multiply(wanted, factor, out=loose)
                np.multiply(wanted, 1 - factor, out=sparse)
            if noise is not None:
                np.multiply(loose, 1 - give, out=noise[rows])
            if a is not out and a is not noise:
                a[rows] = base
            return int(np.count_nonzero(sparse))

        return sum(self.crew.run(work, self.blocks))

    def _wanted(
        self, worker: int, rows: slice, a: np.ndarray, low: LowRank, ratio: float, carried: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return L and ``M - L + e`` in scratch memory, and ``e = (A - L) ratio`` in ``carried``."""
        base, wanted = self.pair(worker, rows)
        block = a[rows]
        if low.rank == 0:
            base.fill(0)
        elif low.left is not None:
            np.matmul(low.left[rows], low.right, out=base)
        elif low.thin:
            thin = beginning(wanted, len(block), low.rank)
            np.matmul(np.matmul(block, low.basis, out=thin), low.right, out=base)
        else:
            np.matmul(block, low.right, out=base)
        np.subtract(block, base, out=carried)
        if ratio != 1.0:
            carried *= ratio
        self.reader.less(base, rows, wanted)
        wanted += carried
        if self.known is not None:
            wanted *= self.known[rows]
        return base, wanted

    def _bound_at(self, a: np.ndarray, low: LowRank, mu: float, mu_next: float) -> Bound:
        def wanted(rows: slice, worker: int) -> np.ndarray:
            carried = np.empty((rows.stop - rows.start, a.shape[1]), a.dtype)
            return self._wanted(worker, rows, a, low, mu / mu_next, carried)[1]

        return self._bound(mu_next, wanted)

    def _bound(self, mu_next: float, wanted: Any) -> Bound:
        limit, give = self.lam / mu_next, self.give(mu_next)
        if self.kind != "columns":
            return Bound(limit, give)
        # The length of a column is known only after all of its rows: one pass more.
        squares = self.crew.run(lambda w, rows: np.einsum("ij,ij->j", x := wanted(rows, w), x), self.blocks)
        level = limit / (1.0 if give is None else give)
        return Bound(limit, give, shortening(np.sqrt(sum(squares))[None, :], level))
