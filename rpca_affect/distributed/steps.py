"""The iteration on some rows, in place: an argument of the singular-value threshold, and how far it has moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import blas

from rpca_affect.acceleration import Past
from rpca_affect.engine.cells.blocks import Passes, square_length
from rpca_affect.engine.spectrum.gram import triangle_of
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.threads import Crew

__all__ = ["ALONE", "GRAM", "MOVE", "TRIANGLE", "Seen", "Spanned", "Steps", "Wish"]

GROUP = 1 << 20  # bytes of the rows that are looked at while they are in the cache
ALONE = Crew(1)
GRAM, TRIANGLE = "gram", "triangle"
MOVE = np.dtype(np.float32)  # of the move of a step: it only has to lead back, and tends to 0

Wish = str | np.ndarray | None


@dataclass(frozen=True)
class Spanned(LowRank):
    """A low-rank part ``A @ basis @ factor`` whose basis (n, w) only spans the singular vectors."""

    @property
    def rank(self) -> int:
        """Number of vectors of the basis."""
        return self.basis.shape[1]

    @property
    def thin(self) -> bool:
        """Whether two products are cheaper than one: a basis is only taken where it is narrow."""
        return True


class Seen(NamedTuple):
    """Sums over the rows.

    Attributes
    ----------
    violated, kept : float
        The sums of a step, see `rpca_affect.engine.cells.blocks.Sums`.
    length : float
        Squared length of the move of a step that is to be remembered.
    square : array, optional
        Of the argument A as it is now, ``A^T A`` (n, n), a triangular R with ``R^T R`` the same, or with a basis V
        (n, w), ``V^T A^T A V`` (w, w).
    image : array, shape (n, w), optional
        ``A^T A V``.
    """

    violated: float = 0.0
    kept: float = 0.0
    length: float = 0.0
    square: Any = None
    image: Any = None


class Steps:
    """Steps in one precision.

    The argument before a step is the present one plus ``moved``, so a step needs no second matrix.

    Parameters
    ----------
    passes : Passes
        Of the model on these rows.
    argument, moved : array, shape (m, n)
    """

    def __init__(self, passes: Passes, argument: np.ndarray, moved: np.ndarray) -> None:
        self.passes, self.argument, self.moved = passes, argument, moved
        height = passes.blocks[0].stop
        step = max(1, GROUP // (height * argument.shape[1] * argument.itemsize))
        blocks = passes.blocks
        groups = [blocks[k : k + step] for k in range(0, len(blocks), step)]
        self.groups = [(group, slice(group[0].start, group[-1].stop)) for group in groups]
        self.past: Past | None = None

    def room(self) -> np.ndarray:
        """Memory for the rows of a group."""
        return np.empty((self.groups[0][1].stop, self.argument.shape[1]), self.argument.dtype)

    def before(self, rows: Any) -> np.ndarray:
        """Some rows of the argument of the last step, as a copy."""
        found: np.ndarray = self.argument[rows] + self.moved[rows]
        return found

    def step(self, low: LowRank, mu: float, mu_next: float, relax: float, weigh: bool, memory: int, wish: Wish) -> Seen:
        """Take one step, and look at the argument; keep the move in full precision where steps are remembered."""
        look, a, room, violated, kept, length = _Look(self, wish), self.argument, self.room(), 0.0, 0.0, 0.0
        moved = np.empty_like(a) if memory else self.moved
        for group, rows in self.groups:
            were = room[: rows.stop - rows.start]
            np.copyto(were, a[rows])
            sums = self.passes.step(a, a, low, mu, mu_next, relax, weigh, group)
            violated, kept = violated + sums.violated, kept + sums.kept
            np.subtract(were, a[rows], out=self.moved[rows], casting="same_kind")
            if memory:
                length += square_length(np.subtract(a[rows], were, out=moved[rows]))
            look.add(a[rows])
        if memory:
            self.past = self.past or Past(memory)
            self.past.moved = moved.reshape(-1)
        return look.seen()._replace(violated=violated, kept=kept, length=length)

    def remember(self, place: int | None, asked: tuple[list[int], int] | None) -> Any:
        """Remember the last step, see `rpca_affect.acceleration.Past`; return the products that are asked for."""
        assert self.past is not None
        self.past.keep(self.argument.reshape(-1).copy(), place)
        found: Any = np.zeros(0) if asked is None else self.past.products(*asked)
        return found

    def extrapolate(self, weights: np.ndarray | None, wish: Wish) -> Seen:
        """Combine the remembered steps with weights; without weights, return to the result of the last of them."""
        assert self.past is not None
        reached: Any = self.past.kept if weights is None else self.past.extrapolated(weights)
        np.copyto(self.argument, reached.reshape(self.argument.shape))
        return self.look(wish)

    def look(self, wish: Wish) -> Seen:
        """Look at the argument."""
        look = _Look(self, wish)
        for _, rows in self.groups:
            look.add(self.argument[rows])
        return look.seen()

    def dual(self, low: LowRank, mu: float, mu_next: float) -> tuple[float, float, float, np.ndarray]:
        """Return the addends of `rpca_affect.engine.cells.blocks.Passes.weighed` for the last step, and ``Y^T Y``."""
        parts, room, look = [], self.room(), _Look(self, GRAM)
        for group, rows in self._back():
            y = room[: rows.stop - rows.start]
            parts += self.passes.dual(self.argument, low, mu, mu_next, y, group)
            look.add(y)
        return (*self.passes.weighed(parts), look.square)

    def rest(self, low: LowRank, mu: float) -> np.ndarray:
        """Return the Gram matrix of ``mu (A - L)`` of the last step."""
        room, look = self.room(), _Look(self, GRAM)
        for group, rows in self._back():
            rest = room[: rows.stop - rows.start]
            self.passes.rest(self.argument, low, mu, rest, group)
            look.add(rest)
        return look.square

    def start(self, low: LowRank, mu: float, mu_next: float, first: float, out: np.ndarray) -> None:
        """Write ``L + Y / first`` of the last step to ``out``, which may be the argument, and is lost otherwise."""
        room = self.room()
        for group, rows in self.groups:
            y, a = room[: rows.stop - rows.start], self.argument
            a[rows] += self.moved[rows]
            self.passes.dual(a, low, mu, mu_next, y, group)
            y *= 1 / first
            y += low.of(a[rows])
            np.copyto(out[rows], y, casting="same_kind")

    def _back(self) -> Iterator[tuple[list[slice], slice]]:
        """Go through the rows, with the argument of the last step in them meanwhile."""
        room = self.room()
        for group, rows in self.groups:
            now = room[: rows.stop - rows.start]
            np.copyto(now, self.argument[rows])
            self.argument[rows] += self.moved[rows]
            yield group, rows
            self.argument[rows] = now


class _Look:
    """Adds up the sums that were asked for, block by block."""

    def __init__(self, steps: Steps, wish: Wish) -> None:
        self.steps, self.wish, self.basis = steps, wish, wish if isinstance(wish, np.ndarray) else None
        columns = steps.argument.shape[1]
        self.square = np.zeros((columns, columns) if self.basis is None else (self.basis.shape[1],) * 2, order="F")
        if self.basis is not None:
            self.image = np.zeros(self.basis.shape)
            self.room = np.empty((steps.groups[0][1].stop, self.basis.shape[1]), self.basis.dtype)
            self.part = np.empty(self.basis.shape, self.basis.dtype)

    def add(self, x: np.ndarray) -> None:
        """Add rows up."""
        if self.basis is not None:
            thin = np.matmul(x, self.basis, out=self.room[: len(x)])
            self.image += np.matmul(x.T, thin, out=self.part)
            x = thin
        elif self.wish != GRAM:
            return
        # Of the lower triangle, and without a second matrix: those for the sum of every group cost page faults.
        blas.dsyrk(1.0, x.astype(np.float64, copy=False).T, beta=1.0, c=self.square, lower=1, overwrite_c=1)

    def seen(self) -> Seen:
        """Return the sums."""
        if self.wish is None:
            return Seen()
        if self.basis is None and self.wish == TRIANGLE:
            return Seen(square=triangle_of(self.steps.argument, ALONE))
        return Seen(square=self.square) if self.basis is None else Seen(square=self.square, image=self.image)
