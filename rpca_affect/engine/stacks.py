"""Stacks of small NumPy matrices: groups that fit the cache, one thread each, and the smaller Gram matrix."""

from dataclasses import replace
from typing import Any

import numpy as np

from rpca_affect.arrays import Observed, largest_cell
from rpca_affect.decomposition import Decomposition
from rpca_affect.engine.cells import compiled
from rpca_affect.engine.cells.batch import Answer, Group, empty, gap, gram, iterate, length, shrink
from rpca_affect.engine.threads import hired
from rpca_affect.engine.tuning import COMPILED_CLIPS, GROUP_CELLS, SMALLER_SIDE
from rpca_affect.prox import singular_value_threshold
from rpca_affect.request import Request
from rpca_affect.solvers.admm import ADMM
from rpca_affect.solvers.ialm import InexactALM
from rpca_affect.solvers.solver import Splitting
from rpca_affect.stopping import ended

__all__ = ["accepts", "run"]

NUMBERS = ("lam", "slack", "mu", "growth", "relax")


def accepts(data: Observed, solver: Any) -> bool:
    """Tell whether this is a NumPy stack of matrices, small on one side, and a convex solver with its own operators."""
    return (
        isinstance(data.values, np.ndarray)
        and data.values.ndim > 2
        and min(data.values.shape[-2:]) <= SMALLER_SIDE
        and type(solver) in (InexactALM, ADMM)
        and solver.lowrank is singular_value_threshold
        and solver.sparse_kind != "custom"
        and all(isinstance(getattr(solver, name), (int, float, np.ndarray, np.generic, type(None))) for name in NUMBERS)
    )


def run(data: Observed, unit: np.ndarray, solver: Any, init: Decomposition | None, request: Request) -> Decomposition:
    """Compute the answer of `rpca_affect.loop.run`, in groups of matrices that fit the cache.

    Every matrix has its own penalty, stopping and certificate, and leaves its group when it is done. Its answer is the
    same whatever its neighbours are. Single precision is iterated in double: in the cache that costs little.
    """
    stack = _Stack(data, unit, solver, init)
    fast = (
        stack.count >= COMPILED_CLIPS
        and request.callback is None
        and request.gap is None
        and compiled.suits(min(stack.shape[-2:]), solver.sparse_kind != "cells")
    )
    together = max(1, (2 if fast else 1) * GROUP_CELLS // (stack.frames * stack.features))
    together = stack.count if request.callback else together
    blocks = [slice(i, min(i + together, stack.count)) for i in range(0, stack.count, together)]
    result = _Result(stack, request)
    if fast:
        compiled.kernel()  # once, before the threads ask for it

    def work(_: int, block: slice) -> None:
        group = stack.group(block)
        answer = result.room(block, group)
        if fast:
            answer = compiled.iterate(group, answer, request.tol, request.max_iter)
        else:
            answer = iterate(group, answer, request)
        result.take(block, group, answer)

    with hired() as crew:
        crew.run(work, blocks)
    return result.decomposition()


class _Stack:
    """The matrices as a flat list, and the solver's numbers for any part of it."""

    def __init__(self, data: Observed, unit: np.ndarray, solver: Splitting, init: Decomposition | None) -> None:
        self.shape = data.values.shape
        self.frames, self.features = self.shape[-2:]
        self.values = self.flat(data.values)
        self.count = len(self.values)
        self.mask = None if data.mask is None else self.flat(data.mask)
        self.unit = self.flat(unit).astype(np.float64)
        solver = solver.rescaled(np.asarray(unit, dtype=np.float64))
        self.numbers = {name: self.spread(getattr(solver, name)) for name in NUMBERS}
        self.solver, self.init = solver, init
        self.wide = self.frames <= self.features

    def flat(self, x: np.ndarray) -> np.ndarray:
        """All leading axes in one."""
        return np.reshape(x, (-1, *x.shape[-2:]))

    def spread(self, number: Any) -> Any:
        """A number as an array whose first axis counts the matrices, or has length 1."""
        if number is None:
            return None
        number = np.asarray(number, dtype=np.float64)
        number = np.reshape(number, (1,) * (3 - number.ndim) + number.shape)
        if len(self.shape) > 3 and number.ndim > 3:
            number = self.flat(np.broadcast_to(number, (*self.shape[:-2], *number.shape[-2:])))
        return number

    def turned(self, x: Any) -> np.ndarray:
        """Matrices with their smaller side first (or back)."""
        return x if self.wide else np.swapaxes(x, -1, -2)

    def group(self, block: slice) -> Group:
        """Cut out, scale and turn some matrices, and fill in the solver's open numbers for them."""
        unit = self.unit[block]
        mask = None if self.mask is None else self.mask[block]
        if mask is not None and mask.all():
            mask = None
        observed = Observed(self.values[block] / unit, mask)
        values = np.ascontiguousarray(self.turned(observed.values))
        numbers = {name: x if x is None or len(x) == 1 else x[block] for name, x in self.numbers.items()}
        solver = replace(self.solver, **numbers)
        top = None
        if solver.name == "ialm":  # the largest singular value by the Gram matrix, where first_mu would take an SVD
            top = np.sqrt(np.maximum(np.linalg.eigvalsh(gram(values))[:, -1:, None], 0))
            top = np.where(top > 0, top, 1.0)
            solver = solver if solver.mu is not None else replace(solver, mu=1.25 / top)
        travels = solver.moves_penalty
        solver = solver.tuned(observed)
        slack = self.turned(solver.slack) if np.any(solver.slack != 0) else None
        axis = None if solver.sparse_kind == "cells" else (-1 if self.wide else -2)
        column = np.ones((len(values), 1, 1))
        mu = solver.mu * column
        group = Group(
            values=values,
            argument=values,
            known=None if mask is None else self.turned(mask).astype(np.float64, order="C"),
            lam=solver.lam * column,
            mu=mu,
            cap=solver.mu_range * mu,
            growth=solver.growth * column,
            relax=solver.relax * column,
            size=length(values)[:, None, None],
            slack=slack,
            axis=axis,
            two_sided=solver.two_sided,
            travels=travels,
        )
        return group._replace(argument=self.start(block, observed, solver, group, top))

    def start(self, block: slice, observed: Observed, solver: Splitting, group: Group, top: Any) -> np.ndarray:
        """First argument: that of an earlier answer, of IALM's multiplier, or the data."""
        if self.init is not None:
            before = {name: getattr(self.init, name) for name in ("low_rank", "sparse", "noise", "dual")}
            before = {name: None if x is None else self.flat(x)[block].astype(np.float64) for name, x in before.items()}
            state = solver.resume(observed, replace(self.init, **before), self.unit[block])
            return np.ascontiguousarray(self.turned(state.argument))
        if top is None:
            return group.values.copy()
        # InexactALM.init, with the norm that is known already
        values = group.values
        top = np.maximum(top, largest_cell(values) / group.lam)
        kept, _, _ = shrink(group, values + values / (group.mu * top), group.lam, group.mu, group.slack)
        return np.ascontiguousarray(kept)


class _Result:
    """The answer for the whole stack, in the units and the shape of the input."""

    def __init__(self, stack: _Stack, request: Request) -> None:
        self.stack, self.request = stack, request
        shape, dtype = stack.values.shape, stack.values.dtype
        self.low_rank, self.sparse = np.empty(shape, dtype), np.empty(shape, dtype)
        noisy = bool(np.any(stack.numbers["slack"] != 0))
        self.noise = np.empty(shape, dtype) if noisy else None
        self.dual = np.empty(shape, dtype) if request.needs_dual else None
        count = stack.count
        self.steps, self.rank = np.empty(count, np.int64), np.empty(count, np.int64)
        names = ("error", "mu", "gap", "residual", "sparsity", "lam")
        self.numbers = {name: np.empty(count) for name in names}
        self.penalty = np.empty(count)  # in units of one over the input's
        self.courses: list[tuple[np.ndarray, np.ndarray]] = []

    def room(self, block: slice, group: Group) -> Answer:
        """An empty answer for some matrices; where its parts look like those of the result, they are the result's."""
        answer = empty(group)
        if not self.stack.wide or self.low_rank.dtype != answer.low_rank.dtype:
            return answer
        return answer._replace(**{name: part[block] for name, part in self.parts() if part is not None})

    def parts(self) -> list[tuple[str, np.ndarray | None]]:
        """The matrices of the result that are in the units of the data."""
        return [(name, getattr(self, name)) for name in ("low_rank", "sparse", "noise")]

    def take(self, block: slice, group: Group, answer: Answer) -> None:
        """Write the answer for some matrices, with their certificates."""
        stack, unit = self.stack, self.stack.unit[block]
        gaps = gap(group, answer)
        for name, part in self.parts():
            if part is not None:
                np.multiply(stack.turned(getattr(answer, name)), unit, out=part[block], casting="unsafe")
        if self.dual is not None:
            self.dual[block] = stack.turned(answer.dual)
        self.steps[block], self.rank[block] = answer.steps, answer.rank
        size = group.size[:, 0, 0]
        cells = stack.frames * stack.features if group.known is None else group.known.sum(axis=(-2, -1))
        found = {
            "error": answer.error,
            "mu": answer.mu,
            "gap": gaps,
            "residual": answer.violation / np.where(size > 0, size, 1),
            "sparsity": np.count_nonzero(answer.sparse, axis=(-2, -1)) / cells,
            "lam": group.lam[:, 0, 0],
        }
        for name, value in found.items():
            self.numbers[name][block] = value
        self.penalty[block] = answer.mu / unit[:, 0, 0]
        self.courses.append((answer.errors, answer.penalties))

    def decomposition(self) -> Decomposition:
        """Put the shape of the stack back."""
        stack = self.stack
        outer, dtype = stack.shape[:-2], stack.values.dtype

        def shaped(x: Any) -> Any:
            return None if x is None else np.reshape(x, (*outer, *x.shape[1:]))

        numbers = {name: shaped(value.astype(dtype)) for name, value in self.numbers.items()}
        noise = self.noise if self.noise is not None and self.noise.any() else None
        return Decomposition(
            low_rank=shaped(self.low_rank),
            sparse=shaped(self.sparse),
            noise=np.broadcast_to(np.zeros((), dtype), stack.shape) if noise is None else shaped(noise),
            n_iter=shaped(self.steps),
            status=ended(self.numbers["error"], self.numbers["gap"], self.request),
            rank=shaped(self.rank),
            sparsity=numbers["sparsity"],
            residual=numbers["residual"],
            gap=numbers["gap"],
            lam=numbers["lam"],
            mu=shaped(self.penalty),
            history={"error": self._worst(0, "error"), "mu": self._worst(1, "mu")},
            solver=stack.solver.name,
            dual=shaped(self.dual),
        )

    def _worst(self, which: int, final: str) -> list[float]:
        """Per step the largest value of the whole stack: matrices at work by their course, others by their last."""
        length = int(self.steps.max())
        worst = np.zeros(length + 1)
        np.maximum.at(worst, self.steps, self.numbers[final])
        worst = np.maximum.accumulate(worst)[1:]
        for course in self.courses:
            values = course[which]
            worst[: len(values)] = np.maximum(worst[: len(values)], values)
        return worst.tolist()
