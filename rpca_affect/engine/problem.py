"""One matrix prepared for the tuned form: its unit and orientation, open numbers, memory and first argument."""

from dataclasses import replace
from typing import Any

import numpy as np

from rpca_affect.arrays import Observed
from rpca_affect.decomposition import Decomposition
from rpca_affect.engine.cells.blocks import Passes
from rpca_affect.engine.cells.reader import RowReader, patches_of
from rpca_affect.engine.spectrum.gram import largest_singular_value
from rpca_affect.engine.threads import Crew
from rpca_affect.engine.tuning import MIXED, PLAIN
from rpca_affect.prox import singular_value_threshold
from rpca_affect.request import Request
from rpca_affect.solvers.admm import ADMM
from rpca_affect.solvers.ialm import InexactALM
from rpca_affect.solvers.solver import cellwise, default_lam, framewise

__all__ = ["Problem", "accepts", "in_unit", "safe_unit"]


def safe_unit(unit: float) -> float:
    """Return a power of two to divide the data by, or 1, for which no copy is needed.

    Division by a power of two changes no digit, so an iteration in other units is the same one: their squares only have
    to stay in range.
    """
    return 1.0 if 1 / PLAIN <= unit <= PLAIN else unit


def in_unit(values: np.ndarray, unit: float, known: np.ndarray | None = None) -> np.ndarray:
    """Divide the data by their unit, 0 where they are missing; the caller's own array where the unit is 1."""
    if unit == 1.0:
        return values
    out = np.zeros(values.shape, values.dtype)  # a missing cell could overflow
    return np.multiply(values, 1 / unit, out=out, where=True if known is None else known)


def accepts(data: Observed, solver: Any) -> bool:
    """Tell whether the tuned form covers this solver: stock operators, scalar numbers, slack per row or column."""
    if type(solver) not in (InexactALM, ADMM) or solver.lowrank is not singular_value_threshold:
        return False
    if solver.shrink not in (cellwise, framewise):
        return False
    if any(np.size(x) != 1 for x in (solver.growth, solver.relax, *_given(solver.lam, solver.mu))):
        return False
    shape = np.shape(solver.slack)
    rows, columns = data.given.shape
    if np.size(solver.slack) == 1:
        return True
    if solver.shrink is framewise:
        return shape == (rows, 1)
    return shape in ((columns,), (1, columns), (rows, 1))


def _given(*numbers: Any) -> list[Any]:
    return [number for number in numbers if number is not None]


class Problem:
    """One matrix and its model, ready for the steps: data, unit, memory, open numbers and the first argument.

    Tall matrices only: a wide one is transposed on the way in and out.

    Attributes
    ----------
    passes : Passes
        Over the data in their unit.
    solver : solver object
        With every number filled in, in that unit.
    room, spare : array, shape (m, n)
        Memory of the arguments.
    near : bool
        Whether ``init`` is an answer of the same solver, so that rounding it would lose digits.
    mixed : bool
        Whether the first steps are taken in single precision.
    """

    def __init__(
        self, data: Observed, unit: float, solver: Any, init: Decomposition | None, request: Request, crew: Crew
    ) -> None:
        rows, columns = data.given.shape
        self.unit = safe_unit(unit)
        self.magnitude = unit / self.unit  # of the data in their unit
        self.data, self.init, self.request = data, init, request
        self.wide = rows < columns
        known = None if data.mask is None else np.ascontiguousarray(self.turned(data.mask))
        frames = ("columns" if self.wide else "rows") if solver.shrink is framewise else "cells"
        self.passes = Passes(self.reader(known), known, frames, crew)
        # The start may be nearly the answer: rounding or a coarse first subspace would undo that.
        self.near = init is not None and init.solver == solver.name
        self.mixed = not self.near and data.given.dtype == np.float64 and data.given.size >= MIXED
        # Memory of the two arguments; the first holds the data in single precision while the steps are.
        start = (init.dual, init.low_rank) if init is not None and request.spend_init else ()
        shape, dtype = self.passes.values.shape, data.given.dtype
        memory: list[np.ndarray] = [self.turned(x) for x in start if x is not None and x.dtype == dtype]
        self.spends = len(memory) == 2 and all(x.flags.c_contiguous for x in memory)
        if not self.spends:
            memory = [np.empty(shape, dtype) for _ in range(2)]
        self.room, self.spare = memory
        self.rough = self.rounded() if self.mixed and not self.spends else None
        self.solver = self.tuned(solver)
        self.passes.set_model(float(np.asarray(self.solver.lam).reshape(())), self._slack(self.solver.slack))

    def turned(self, x: Any) -> np.ndarray:
        """Transpose where the matrix is wide; its own inverse."""
        return x.T if self.wide else x

    def reader(self, known: np.ndarray | None) -> RowReader:
        """Reader of the data in their unit: of the caller's own array, unless the unit differs or a copy is cheap."""
        values = in_unit(self.turned(self.data.given), self.unit, known)
        values = np.ascontiguousarray(values) if values.size < MIXED else values
        limits = self.request.limits
        patches = None if limits is None else patches_of(self.data.given, limits, self.unit, self.wide)
        return RowReader(values, patches, known)

    def rounded(self) -> Passes:
        """The data in single precision, in the memory of the first argument."""
        room = self.room
        return self.passes.rounded(room.reshape(-1).view(np.float32)[: room.size].reshape(room.shape))

    def _slack(self, slack: Any) -> Any:
        if np.size(slack) == 1:
            return float(np.asarray(slack).reshape(()))
        slack = np.asarray(slack, dtype=self.data.given.dtype)
        slack = slack[None, :] if slack.ndim == 1 else slack
        return self.turned(slack)

    def tuned(self, solver: Any) -> Any:
        """Fill in the open numbers, as ``solver.tuned`` does."""
        solver = replace(
            solver,
            slack=solver.slack / self.unit,
            mu=None if solver.mu is None else float(np.asarray(solver.mu).reshape(())) * self.unit,
        )
        if solver.lam is None:
            solver = replace(solver, lam=float(default_lam(self.data, solver.sparse_kind)[0, 0]))
        self.top: float | None = None
        if solver.name == "ialm" and (solver.mu is None or self.init is None):
            passes = self.rough or self.passes  # a first penalty needs no more digits
            whole = passes.whole(np.empty_like(self.room) if self.spends else self.room)
            self.top = largest_singular_value(whole, passes.product, passes.inner, passes.crew)
        if solver.mu is None:
            if solver.name == "ialm":
                solver = replace(solver, mu=1.25 / (self.top or 1.0))
            else:
                values, known = self.passes.values, self.passes.known
                mean = self.passes.sizes()[0] / (values.size if known is None else np.count_nonzero(known))
                solver = replace(solver, mu=float(solver.penalty(np.full((1, 1), mean))[0, 0]))
        return solver

    def first_argument(self, passes: Passes, out: np.ndarray) -> None:
        """Write the argument of the first singular-value threshold."""
        solver = self.solver
        if self.init is not None:
            self._resume(self.init, passes, out)
            self.init = None if self.spends else self.init
        elif solver.name == "admm":
            if passes.whole(out) is not out:
                np.copyto(out, passes.values)
        else:
            top = max(self.top or 0.0, passes.sizes()[1] / passes.lam)
            passes.start(out, 1 + 1 / (solver.mu * (top or 1.0)), solver.mu)

    def _resume(self, before: Decomposition, passes: Passes, out: np.ndarray) -> None:
        if before.dual is None:
            data = self.request.limited(self.data)
            observed = Observed(data.values / self.unit, data.mask)
            state = self.solver.resume(observed, before, np.full((1, 1), self.unit, observed.values.dtype))
            np.copyto(out, self.turned(state.argument), casting="same_kind")
            return
        np.multiply(self.turned(before.dual), 1 / self.solver.mu, out=out, casting="same_kind")
        if before.low_rank is None and before.factors is not None:
            left, right = before.factors.left * (before.factors.values / self.unit), before.factors.right
            left, right = (right.T, left.T) if self.wide else (left, right)
            passes.crew.run(lambda _, rows: np.add(out[rows], left[rows] @ right, out=out[rows]), passes.blocks)
            return
        low_rank = self.turned(before.low_rank)
        for rows in passes.blocks:
            out[rows] += low_rank[rows] / self.unit
