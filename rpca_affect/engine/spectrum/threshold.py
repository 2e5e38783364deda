"""Singular values of A above a threshold and their right vectors, by the cheapest of three routes that is exact."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import lapack

from rpca_affect.cached import cached_property
from rpca_affect.engine.cells.blocks import Passes
from rpca_affect.engine.spectrum.gram import beginning, crowded, eigh_descending, gram, triangle_of
from rpca_affect.engine.spectrum.lowrank import LowRank, is_thin, weighed_square
from rpca_affect.engine.spectrum.panels import Panels
from rpca_affect.engine.tuning import (
    CLEAR,
    DOUBLE_RANGE,
    EARLY,
    EIGEN,
    FRESH,
    FROM_NOTHING,
    GRAM_RANGE,
    LEADING,
    READ,
    ROUNDS,
    SETTLED,
    SMALLEST,
    SPLIT,
    WAIT,
)

__all__ = ["GRAM_RANGE", "Thresholder"]


class Thresholder:
    """Singular-value threshold with memory: each call starts from the subspace of the one before.

    Attributes
    ----------
    passes : Passes
        Whose products are used.
    exact : bool
        Never take a subspace.
    lean : bool
        Give up where a full decomposition would be larger than the data in double precision.
    """

    def __init__(
        self, passes: Passes, exact: bool = False, basis: np.ndarray | None = None, lean: bool = False
    ) -> None:
        self.passes = passes
        self.columns = passes.values.shape[1]
        self.guard = max(5, min(10, self.columns // 100))  # vectors below the threshold that stay in the subspace
        self.exact = exact or passes.values.size < SMALLEST
        self.lean = lean
        self.basis = basis
        self.rank = 0 if basis is None else basis.shape[1]
        self.top = 0.0
        self.memory: np.ndarray | None = None
        self.settled = EARLY
        self.pause = self.waited = 0  # steps to wait after a subspace that did not pay, and how many the last time

    def __call__(
        self, a: np.ndarray, level: float, memory: np.ndarray | None = None, error: float = 0.0
    ) -> LowRank | None:
        """Return the singular values above ``level`` and their vectors; None where ``lean`` forbids the memory.

        ``memory`` of the size of ``a`` may be overwritten. ``error`` is that of the iteration so far: a subspace far
        more accurate than that error would be wasted work.
        """
        self.memory = memory
        # A subspace from nothing has no steps behind it that have refined it already.
        self.settled = min(max(SETTLED if self.basis is not None else FROM_NOTHING, error / 10), EARLY)
        low = None
        if self.is_extreme(level):
            twice = crowded(a) and self.top < DOUBLE_RANGE * level
            low = self.by_two_grams(a, level) if twice else self.by_svd(a, level)
        elif self.pause:
            self.pause -= 1
        elif not self.exact and self.pays(self.rank):
            low = self.by_subspace(a, level)
        if low is None:
            if self.lean and crowded(a) and 2 * self.columns > len(a):
                return None
            low = self.by_gram(a, level)
        self.rank = low.rank
        if low.rank:
            self.top = float(low.values[0])
        return low

    def is_extreme(self, level: float) -> bool:
        """Whether the threshold lies so far below the largest singular value that squares lose it."""
        return self.top > GRAM_RANGE * level

    def pays(self, rank: int) -> bool:
        """Whether a subspace that holds so many vectors should cost less than all of them, by counting operations."""
        rows, columns = self.passes.values.shape
        width = rank + self.guard
        if not self.fits(width):
            return False
        gram_and_product = rows * columns * (columns + min(4 * rank, 2 * columns))
        power_steps = ROUNDS * rows * width * (4 * columns + 3 * width) + rows * columns * (2 * rank + READ)
        return power_steps + EIGEN * width**3 < gram_and_product + EIGEN * columns**3

    def fits(self, width: int) -> bool:
        """Whether a subspace finds room; a larger one would not pay either."""
        return 2 * width <= self.columns

    def by_gram(self, a: np.ndarray, level: float) -> LowRank:
        """Eigenvectors of ``A^T A``."""
        self.basis = None
        if crowded(a):
            self.passes.release()
        squares, *vectors = eigh_descending(gram(a, self.passes.crew, self.memory))
        return self._above(a, level, squares, vectors)

    def by_two_grams(self, a: np.ndarray, level: float) -> LowRank:
        """Eigenvectors where squaring loses small singular values: their subspace is squared again by itself."""
        self.basis = None
        self.passes.release()
        squares, vectors = eigh_descending(gram(a, self.passes.crew, self.memory))
        large = int(np.count_nonzero(squares > SPLIT**2 * squares[0]))
        small = self._resolve(a, vectors[:, ::-1][:, : self.columns - large])
        found = [vectors]
        del vectors
        return self._above(a, level, np.concatenate([squares[:large], small]), found)

    def _resolve(self, a: np.ndarray, rising: np.ndarray) -> np.ndarray:
        """Turn nearly right singular vectors, smallest first, into exact ones; return the squares, largest first."""
        room = np.empty((0, rising.shape[1]))
        if self.memory is not None and self.memory.dtype == room.dtype and not np.may_share_memory(rising, self.memory):
            room = beginning(self.memory, len(a), rising.shape[1])

        def fill(blocks: Sequence[slice], out: np.ndarray) -> None:
            rows = a[blocks[0].start : blocks[-1].stop]
            self.passes.product(rows.astype(np.float64, copy=False), rising, out)

        squares, turn = eigh_descending(Panels(fill, self.passes.blocks, room, self.passes.crew).square())
        turned = beginning(room, *rising.T.shape) if room.size else None
        rising[:] = np.matmul(turn[:, ::-1].T, rising.T, out=turned).T
        return squares

    def _above(self, a: np.ndarray, level: float, squares: np.ndarray, found: list[np.ndarray]) -> LowRank:
        """Keep the values and vectors above the threshold; the vectors are popped from ``found``, to be freed here."""
        vectors = found.pop()
        count = clear = int(np.count_nonzero(squares > level * level))
        values = np.sqrt(squares[:count])
        large = crowded(a)
        # Vectors as large as the data are freed before their product is copied out of ``spare``; so the product must
        # not be formed in memory that they occupy.
        spare = self.memory if large else None
        if spare is not None and np.may_share_memory(vectors, spare):
            spare = None
        if large and not is_thin(count, self.columns):
            first = np.array(vectors[:, :LEADING], dtype=a.dtype, order="C")
            shape = (self.columns, self.columns)
            held = np.empty(shape, a.dtype) if spare is None else beginning(spare, *shape)
            weighed_square(vectors[:, :count], (values - level) / values, held)
            del vectors
            return LowRank(first, values, level, True, factor=held if spare is None else held.copy())
        if not self.exact:
            # A subspace that comes next needs the first vectors below the threshold too: they are known here.
            more = int(np.count_nonzero(squares > (CLEAR * level) ** 2)) + self.guard
            clear = more if count < more and self.pays(more) else count
        held = vectors[:, :clear]
        if spare is not None:
            held = beginning(spare, *held.shape)
            np.copyto(held, vectors[:, :clear], casting="same_kind")
            del vectors
        self.basis = np.array(held, dtype=a.dtype, order="C")
        return LowRank(self.basis[:, :count], values, level, True)

    def by_svd(self, a: np.ndarray, level: float) -> LowRank:
        """Singular vectors of the triangular factor of A: exact at every scale."""
        # Of the transpose, so that nothing is copied: its left vectors are wanted then.
        right, values, _, info = lapack.dgesdd(triangle_of(a, self.passes.crew).T, full_matrices=0, overwrite_a=1)
        if info != 0:
            right, values = lapack.dgesvd(triangle_of(a, self.passes.crew).T, full_matrices=0, overwrite_a=1)[:2]
        count = int(np.count_nonzero(values > level))
        self.basis = np.array(right[:, :count], dtype=a.dtype, order="C")
        return LowRank(self.basis, values[:count], level, True)

    def by_subspace(self, a: np.ndarray, level: float) -> LowRank | None:
        """Block power steps with Rayleigh-Ritz from the last subspace; None where that does not pay."""
        # A basis is half as large as the data where ranks are high: free each one before the next is allocated.
        new, basis, self.basis = self.basis is None, self.basis, None
        basis = self._extended(basis, max(10, self.columns // 10) if new else FRESH)
        before, rounds = None, max(4, self.columns // 100) + 4 * new
        for _ in range(rounds if self.fits(basis.shape[1]) else 0):
            width = basis.shape[1]
            first, second = self._room(width)
            image = self.passes.product(a, basis, second)
            del basis
            left, other, lengths = self._orthonormal(image, first)
            if left is None:
                break
            back = self.passes.inner(a, left, beginning(other, self.columns, width))
            squares, turn = eigh_descending(gram(back, self.passes.crew))
            values = np.sqrt(np.maximum(squares, 0.0))
            count = int(np.count_nonzero(values > level))
            if not self.pays(count):
                break
            turn *= 1 / np.where(values > 1e-30 * values[0], values, np.inf)  # single precision ends at 1e-38
            narrow = values[-1] > CLEAR * level or count > len(values) - FRESH
            more = max(self.guard, count // 2) if narrow else 0
            if not self.fits(width + more):
                break
            found = np.empty((self.columns, width + more), a.dtype)
            ritz = np.matmul(back, turn.astype(a.dtype, copy=False), out=found[:, :width])
            if narrow:
                del turn
                basis, before = self._refreshed(found, width), None
                continue
            before = np.sort(lengths)[::-1] if before is None else before
            moved = np.abs(before[: len(values)] - values)
            # The largest value below the threshold must have settled as well: it might still rise above it.
            if np.all(moved[:count] <= self.settled * values[:count]) and (
                values[count] + 4 * moved[count] < level or moved[count] <= self.settled * level
            ):
                self.basis = ritz[:, : count + self.guard]
                values, turn = values[:count], turn[:, :count]
                turn *= values * (values - level)
                factor = beginning(other, width, self.columns)
                np.matmul(turn.astype(a.dtype, copy=False), ritz[:, :count].T, out=factor)
                del turn
                factor = factor.copy()
                if left is second:  # where the next pass reads each row before it writes over it
                    left = first
                    np.copyto(first, second)
                self.waited = 0
                return LowRank(ritz[:, :count], values, level, False, left, factor)
            basis, before = ritz, values  # noqa: F841 (read in the next turn)
        if not new:
            self.pause = self.waited = max(WAIT, 2 * self.waited)  # a subspace that fails again waits twice as long
        return None

    def _orthonormal(self, image: np.ndarray, room: np.ndarray) -> tuple[Any, Any, np.ndarray]:
        """Cholesky-QR of ``image``; overwrites both.

        Returns one of the two with the orthonormal columns, the other one, and the lengths of the columns before; None
        for both where these are dependent.
        """
        lengths = np.empty(0)
        for _ in range(2):
            square = gram(image, self.passes.crew)
            sizes = np.sqrt(square.diagonal())
            lengths = lengths if len(lengths) else sizes
            scale = 1 / np.maximum(sizes, 1e-300)
            square *= scale
            square *= scale[:, None]
            factor, info = lapack.dpotrf(square, lower=1, overwrite_a=1)
            smallest = factor.diagonal().min()
            if info == 0:
                factor, info = lapack.dtrtri(factor, lower=1, overwrite_c=1)
            if info != 0:
                return None, None, lengths
            factor *= scale
            image, room = self.passes.product(image, factor.T.astype(image.dtype, copy=False), room), image
            if smallest > 0.1:  # well conditioned: once is enough
                break
        return image, room, lengths

    def _room(self, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Two tall matrices of at most half of the columns, in the memory that may be overwritten if there is any."""
        shape = (2, self.passes.values.shape[0], columns)
        if self.memory is None:
            room = np.empty(shape, self.passes.values.dtype)
        else:
            room = self.memory.reshape(-1)[: math.prod(shape)].reshape(shape)
        return room[0], room[1]

    @cached_property
    def draw(self) -> np.random.Generator:
        """Source of the fresh directions; the same in every solve."""
        return np.random.default_rng(0)

    def _extended(self, basis: np.ndarray | None, more: int) -> np.ndarray:
        """Append fresh random directions, without which a new singular vector could stay unseen for ever."""
        width = 0 if basis is None else basis.shape[1]
        extended = np.empty((self.columns, width + more), self.passes.values.dtype)
        if basis is not None:
            extended[:, :width] = basis
        return self._refreshed(extended, width)

    def _refreshed(self, basis: np.ndarray, width: int) -> np.ndarray:
        """Fill the columns beyond ``width`` with random directions orthogonal to the others, about as long as these."""
        known, fresh = basis[:, :width], basis[:, width:]
        drawn = self.draw.standard_normal(fresh.T.shape, basis.dtype.type)
        np.multiply(drawn.T, 1 / math.sqrt(self.columns), out=fresh)
        if width:
            fresh -= known @ (known.T @ fresh)
        return basis
