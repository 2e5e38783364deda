"""The state of the iteration on some rows of the matrix: the memory of a worker, and its commands."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from rpca_affect.acceleration import Past
from rpca_affect.distributed.placement import Placement
from rpca_affect.distributed.shard_data import ShardData
from rpca_affect.distributed.steps import ALONE, MOVE, Seen, Steps, Wish
from rpca_affect.engine.cells.blocks import Passes
from rpca_affect.engine.cells.reader import RowReader
from rpca_affect.engine.spectrum.lowrank import LowRank

__all__ = ["DRAFT", "PARTS", "Shard"]

DRAFT = ".npy.part"  # ending of a file of parts that is not complete
PARTS = ("low_rank", "sparse", "noise")


class Shard(ShardData):
    """Rows of one matrix, their argument of the singular-value threshold, and how far the last step moved it.

    Every method answers with sums that are added up over the shards. The mathematics of a step is that of
    `rpca_affect.engine.cells.blocks`. First steps may be taken in single precision: data and argument then lie in the
    memory of the argument.
    """

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement)
        self.a = placement.room(placement.dtype)
        self.moved = placement.room(MOVE.str)
        self.steps: Any = None
        self.last: Any = None  # the step whose parts are the answer

    def __sizeof__(self) -> int:
        return sum(x.nbytes for x in (self.values, self.a, self.moved))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "passes": None, "steps": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """State for another worker; only once `last` says which step the parts come from."""
        self.__dict__.update(state)
        self.passes = self._passes(self.values)
        self.steps = self._exact()

    def model(self, unit: float, kind: str, lam: float, slack: Any) -> float:
        """Set the unit of the data and the weights of the model; return the sum of squares."""
        if unit != self.unit:
            for rows in self.strips():
                self.values[rows] *= self.unit / unit
            self.unit = unit
        self.weights = kind, lam, slack
        self.passes = self._passes(self.values)
        return self.passes.norm**2

    def _passes(self, values: np.ndarray, rows: Any = slice(None)) -> Passes:
        """Passes over some rows of these values, with the weights of the model."""
        kind, lam, slack = self.weights
        found = Passes(RowReader(values), None if self.known is None else self.known[rows], kind, ALONE)
        found.set_model(lam, slack)
        return found

    def begin(self, rough: bool, stretch: float, mu: float, wish: Wish) -> Seen:
        """Set the first argument, the data (``stretch`` 0) or the kept part of a multiple."""
        self.steps = self._rough() if rough else self._exact()
        if stretch:
            self.steps.passes.start(self.steps.argument, stretch, mu)
        else:
            np.copyto(self.steps.argument, self.steps.passes.values)
        return self.steps.look(wish)

    def hand_over(self, rough: bool, low: LowRank, mu: float, mu_next: float, first: float, wish: Wish) -> Seen:
        """Make ``L + Y / first`` of the last step the next argument."""
        self.steps.start(low, mu, mu_next, first, self.moved if rough else self.a)
        if rough:
            self.steps = self._rough()
            np.copyto(self.steps.argument, self.moved)
        return self.steps.look(wish)

    def widen(self, back: bool, wish: Wish) -> Seen:
        """Go on in double precision, from the argument or from that of the last step."""
        if back:
            self.moved += self.steps.argument
        else:
            np.copyto(self.moved, self.steps.argument)
        np.copyto(self.a, self.moved)
        self.steps = self._exact()
        return self.steps.look(wish)

    def _exact(self) -> Steps:
        return Steps(self.passes, self.a, self.moved)

    def _rough(self) -> Steps:
        values, argument = self.a.reshape(-1).view(np.float32).reshape(2, *self.a.shape)
        np.copyto(values, self.values, casting="same_kind")
        return Steps(self._passes(values), argument, self.moved)

    def look_at_values(self, wish: Wish) -> Seen:
        """Look at the data, as if they were the argument."""
        return Steps(self.passes, self.values, self.moved).look(wish)

    def step(self, *words: Any) -> Seen:
        """Go on by one step, see `rpca_affect.distributed.steps.Steps`."""
        seen: Seen = self.steps.step(*words)
        return seen

    def remember(self, place: int | None, asked: tuple[list[int], int] | None) -> Any:
        """Remember the last step."""
        return self.steps.remember(place, asked)

    def extrapolate(self, weights: np.ndarray | None, wish: Wish) -> Seen:
        """Go where remembered steps lead."""
        seen: Seen = self.steps.extrapolate(weights, wish)
        return seen

    def look(self, wish: Wish) -> Seen:
        """Look at the argument."""
        seen: Seen = self.steps.look(wish)
        return seen

    def sample(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return those of some rows that are here, of the argument of the last step and of the next one."""
        mine = self.mine(rows)
        return self.steps.before(mine), self.steps.argument[mine]

    def dual(self, low: LowRank, mu: float, mu_next: float) -> Any:
        """Look at the dual matrix of the last step."""
        return self.steps.dual(low, mu, mu_next)

    def rest(self, low: LowRank, mu: float) -> Any:
        """Look at ``A - L`` for the argument A of the last step."""
        return self.steps.rest(low, mu)

    def stays(self, low: LowRank, mu: float, mu_next: float) -> bool:
        """Whether every gigantic cell has a sparse part of its sign in the last step."""
        rows, place = np.unique(self.far[0], return_inverse=True)
        if not len(rows):
            return True
        sparse = self._parts(rows, low, mu, mu_next)[1]
        return bool(np.all(np.sign(self.were - self.read) * sparse[place, self.far[1]] > 0))

    def finish(self, low: LowRank, mu: float, mu_next: float, folder: str | None) -> int:
        """Note the step whose parts are the answer, and write them to files where asked; count the non-zeros of S."""
        self.last = low, mu, mu_next
        names = () if folder is None else PARTS[: 2 + self.passes.noisy]
        nonzero = 0
        with ExitStack() as stack:
            files = [stack.enter_context(Path(str(folder), name + DRAFT).open("r+b")) for name in names]
            for file in files:
                line = self.placement.columns * self.values.itemsize
                file.seek(-line * (self.placement.rows - self.placement.start), os.SEEK_END)
            for rows in self.strips():
                parts = self._parts(rows, low, mu, mu_next)
                nonzero += int(np.count_nonzero(parts[1]))
                self._restore(parts, rows)
                for file, part in zip(files, parts):
                    part.tofile(file)  # mapped, its pages would count as memory
        return nonzero

    def rows_of(self, name: str, start: int, stop: int) -> np.ndarray:
        """Some rows of a part of the answer."""
        rows = slice(start, stop)
        if name == PARTS[0]:
            low: LowRank = self.last[0]
            return low.of(self.steps.before(rows)) * self.values.dtype.type(self.unit)
        parts = self._parts(rows, *self.last)
        self._restore(parts, rows)
        return parts[PARTS.index(name)]

    def _parts(self, rows: Any, low: LowRank, mu: float, mu_next: float) -> tuple[np.ndarray, ...]:
        """Rows of L, S and, where there is one, N, in the unit of the steps, without the excess of gigantic cells."""
        some = self._passes(self.values[rows], rows)
        low_rank = self.steps.before(rows)
        sparse = np.empty_like(low_rank)
        noise = np.empty_like(low_rank) if some.noisy else None
        some.finish(low_rank, low, mu, mu_next, sparse, noise)
        return (low_rank, sparse) if noise is None else (low_rank, sparse, noise)

    def _restore(self, parts: tuple[np.ndarray, ...], rows: slice) -> None:
        """Bring parts into the unit of the data, and gigantic cells to their size."""
        for part in parts:
            part *= self.unit
        here = slice(*np.searchsorted(self.far[0], (rows.start, rows.stop)))
        places = self.far[0][here] - rows.start, self.far[1][here]
        parts[1][places] += self.were[here] - self.read[here]

    def save(self, folder: str) -> None:
        """Write the argument, the move of the last step, and the remembered steps to a folder."""
        past = {} if self.steps.past is None else vars(self.steps.past)
        found = {name: x for name, x in past.items() if x is not None}
        for name, x in {**found, "argument": self.steps.argument, "last": self.moved}.items():
            with self._file(folder, name).open("wb") as file:
                np.save(file, x)

    def load(self, folder: str) -> None:
        """Restore the state from a folder."""
        argument = np.load(self._file(folder, "argument"), mmap_mode="r")
        self.steps = self._exact() if argument.dtype == self.a.dtype else self._rough()
        np.copyto(self.steps.argument, argument)
        np.copyto(self.moved, np.load(self._file(folder, "last"), mmap_mode="r"))
        if self._file(folder, "memory").exists():
            past = self.steps.past = Past(int(np.load(self._file(folder, "memory"))))
            for name in vars(past).keys() - {"memory"}:
                path = self._file(folder, name)
                setattr(past, name, np.load(path) if path.exists() else None)

    def _file(self, folder: str, name: str) -> Path:
        return Path(folder, f"{self.placement.start}-{name}.npy")
