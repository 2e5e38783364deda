"""GoDec and alternating projections on one NumPy matrix: the same steps as the reference, in three matrices."""

import math
from typing import Any

import numpy as np

from rpca_affect.arrays import Array, Observed
from rpca_affect.decomposition import ABSENT, Decomposition, Factors, Status
from rpca_affect.engine.cells.blocks import square_length
from rpca_affect.engine.cells.selection import kth_largest, median_size
from rpca_affect.engine.problem import in_unit, safe_unit
from rpca_affect.engine.threads import Crew, hired
from rpca_affect.engine.tuning import PROJECTED
from rpca_affect.request import Progress, Request
from rpca_affect.solvers.altproj import AltProj
from rpca_affect.solvers.godec import GROSS, GoDec

__all__ = ["accepts", "run"]


def accepts(data: Observed, solver: Any) -> bool:
    """Tell whether the tuned form knows this solver."""
    if type(solver) in (GoDec, AltProj) and solver.offset:
        return False
    if type(solver) is GoDec:
        return solver.level is None or np.size(solver.level) == 1
    return type(solver) is AltProj and np.size(solver.floor) == 1


def run(data: Observed, unit: Array, solver: Any, init: Decomposition | None, request: Request) -> Decomposition:
    """Compute the answer of `rpca_affect.loop.run` for one matrix; see `accepts`."""
    with hired() as crew:
        kind = _GoDec if type(solver) is GoDec else _AltProj
        return kind(data, float(unit[0, 0]), solver, request, crew).answer(init)


class _Projections:
    """Common part of both: the data, the projection on rank r, the loop, and the answer."""

    def __init__(self, data: Observed, unit: float, solver: Any, request: Request, crew: Crew) -> None:
        self.unit, self.request, self.crew, self.known = safe_unit(unit), request, crew, data.mask
        self.values = np.ascontiguousarray(in_unit(data.values, self.unit))
        self.borrowed = np.shares_memory(self.values, data.values)
        self.solver = solver.rescaled(self.unit).tuned(data)
        rows, columns = data.values.shape
        height = max(1, min(rows, PROJECTED // columns))
        self.blocks = [slice(i, min(i + height, rows)) for i in range(0, rows, height)]
        if len(self.blocks) < 4 * crew.size:
            self.blocks = [slice(0, rows)]
        self.norm = math.sqrt(self.total(lambda rows: square_length(self.values[rows])))
        self.filled = np.empty_like(self.values)  # argument of the next projection; the low-rank part in the end
        self.rest = np.empty_like(self.values)
        self.left = np.zeros((rows, solver.rank), self.values.dtype)
        self.basis = np.zeros((columns, solver.rank), self.values.dtype)
        self.level = 0.0
        self.last = -1
        self.before: np.ndarray | None = np.zeros((1, columns), self.values.dtype)  # L + S before the first step

    def total(self, work: Any) -> float:
        """Sum of ``work(rows)`` over the blocks."""
        return sum(self.crew.run(lambda _, rows: work(rows), self.blocks))

    def observed(self, x: np.ndarray, rows: slice) -> np.ndarray:
        """Put 0 on missing cells, in place."""
        if self.known is not None:
            x *= self.known[rows]
        return x

    def project(self) -> None:
        """Power steps on the filled matrix: it becomes ``left @ basis.T``."""
        x, basis = self.filled, self.basis
        shares = self.crew.shares(x.shape[0]) if len(self.blocks) > 1 else [slice(0, x.shape[0])]
        left = np.empty((x.shape[0], basis.shape[1]), x.dtype)

        def forward() -> None:
            self.crew.run(lambda _, rows: np.matmul(x[rows], basis, out=left[rows]), shares)

        for _ in range(self.solver.power + 1):
            forward()
            left[:] = np.linalg.qr(left)[0]
            back = self.crew.run(lambda _, rows: x[rows].T @ left[rows], shares)
            basis = np.linalg.qr(sum(back[1:], start=back[0]))[0]
        forward()
        self.left, self.basis = left, basis

    def begin(self, init: Decomposition | None) -> None:
        """Fill the first argument."""
        raise NotImplementedError

    def move(self) -> float:
        """Take one step; return its error."""
        raise NotImplementedError

    def part(self, rows: slice, rest: np.ndarray) -> np.ndarray:
        """Sparse part of ``rest = M - L``."""
        raise NotImplementedError

    def answer(self, init: Decomposition | None) -> Decomposition:
        """Iterate, then write the parts over the working memory."""
        request = self.request
        history: dict[str, list] = {"error": [], "mu": []}
        self.begin(init)
        for count in range(1, request.max_iter + 1):
            error = self.move()
            history["error"].append(error)
            history["mu"].append(None)
            stop = request.callback is not None and request.callback(Progress(count, error, self.solver.rank, None))
            if stop or error <= request.tol:
                break
        noisy = self.has_noise()
        values, low_rank, rest = self.values, self.filled, self.rest
        sparse = rest
        if noisy:
            sparse = np.empty_like(values) if self.borrowed else values

        def finish(rows: slice) -> tuple[int, float]:
            np.matmul(self.left[rows], self.basis.T, out=low_rank[rows])
            left = self.observed(np.subtract(values[rows], low_rank[rows], out=rest[rows]), rows)
            outliers = self.part(rows, left)
            left -= outliers
            sums = int(np.count_nonzero(outliers)), 0.0 if noisy else square_length(left)
            sparse[rows] = outliers
            if self.unit != 1.0:
                for x in (sparse, low_rank, *([rest] if noisy else [])):
                    x[rows] *= self.unit
            return sums

        sums = self.crew.run(lambda _, rows: finish(rows), self.blocks)
        cells = values.size if self.known is None else int(np.count_nonzero(self.known))
        factors = self._factors()
        return Decomposition(
            low_rank=ABSENT if request.factored else low_rank,
            sparse=sparse,
            noise=rest if noisy else np.broadcast_to(np.zeros((1, 1), values.dtype), values.shape),
            n_iter=count,
            status=Status(error <= request.tol, ""),
            rank=len(factors.values),
            sparsity=sum(s[0] for s in sums) / cells,
            residual=math.sqrt(sum(s[1] for s in sums)) / (self.norm or 1.0),
            history=history,
            solver=self.solver.name,
            factors=factors if request.factored else None,
        )

    def has_noise(self) -> bool:
        """Whether the model has a noise part ``M - L - S``."""
        return True

    def _factors(self) -> Factors:
        left, triangle = np.linalg.qr(self.left)
        u, s, vt = np.linalg.svd(triangle)
        keep = s > 10 * max(self.values.shape) * np.finfo(s.dtype).eps * s[0]
        return Factors(left @ u[:, keep], s[keep] * self.unit, vt[keep] @ self.basis.T)

    def _low_rank_of(self, init: Decomposition) -> np.ndarray:
        low_rank = init.factors.matrix() if init.low_rank is None and init.factors is not None else init.low_rank
        return np.asarray(low_rank) / self.unit


class _GoDec(_Projections):
    """S holds the largest cells of ``M - L``, or these less a soft level."""

    def begin(self, init: Decomposition | None) -> None:
        if init is None:
            for rows in self.blocks:
                np.copyto(self.rest[rows], self.values[rows])
                self.observed(self.rest[rows], rows)
            self.find_level()
            gross = GROSS * median_size(self.rest, self.crew, self.blocks)
            for rows in self.blocks:
                cells = self.rest[rows]
                taken = self.part(rows, cells)
                taken[np.abs(cells) <= gross] = 0
                np.subtract(cells, taken, out=self.filled[rows])
            self.before = None  # L = 0, and S = M - filled
            draw = np.random.default_rng(self.solver.random_state).standard_normal(self.basis.shape)
            self.basis = np.asarray(draw, dtype=self.values.dtype)
            return
        low_rank = self._low_rank_of(init)
        _, _, turned = np.linalg.svd(low_rank, full_matrices=False)
        self.basis = np.ascontiguousarray(turned[: self.solver.rank].T)
        self.before = low_rank + np.asarray(init.sparse) / self.unit
        np.subtract(self.values, np.asarray(init.sparse) / self.unit, out=self.filled)
        if self.known is not None:
            np.copyto(self.filled, low_rank, where=~self.known)

    def find_level(self) -> None:
        """Find the absolute value above which a cell of ``M - L`` belongs to S."""
        if self.solver.level is not None:
            self.level = float(np.asarray(self.solver.level).reshape(()))
        else:
            self.level, self.last = kth_largest(self.rest, int(self.solver.cardinality), self.crew, self.blocks)

    def move(self) -> float:
        old_left, old_basis = self.left, self.basis
        self.project()
        values, filled, rest = self.values, self.filled, self.rest
        self.crew.run(
            lambda _, rows: self.observed(
                np.subtract(values[rows], np.matmul(self.left[rows], self.basis.T, out=rest[rows]), out=rest[rows]),
                rows,
            ),
            self.blocks,
        )
        self.find_level()

        def work(rows: slice) -> float:
            new = self.left[rows] @ self.basis.T
            sparse = self.part(rows, rest[rows])
            change = new + sparse
            if self.before is not None:
                change -= self.before[rows] if len(self.before) > 1 else self.before
            else:
                change -= old_left[rows] @ old_basis.T
                change -= self.observed(values[rows] - filled[rows], rows)
            np.subtract(values[rows], sparse, out=filled[rows])
            if self.known is not None:
                np.copyto(filled[rows], new, where=~self.known[rows])
            return square_length(change)

        change = math.sqrt(self.total(work))
        self.before = None
        return change / (self.norm or 1.0)

    def part(self, rows: slice, rest: np.ndarray) -> np.ndarray:
        if self.solver.level is not None:
            return rest - np.clip(rest, -self.level, self.level)
        size = np.abs(rest)
        kept = size > self.level
        ties = np.flatnonzero(size == self.level)
        kept.reshape(-1)[ties[ties + rows.start * rest.shape[1] <= self.last]] = True
        return np.where(kept, rest, rest.dtype.type(0))


class _AltProj(_Projections):
    """S holds the cells of ``M - L`` above a falling threshold; here ``rest`` holds the last filled matrix."""

    def begin(self, init: Decomposition | None) -> None:
        low_rank = np.zeros((1, 1), self.values.dtype) if init is None else self._low_rank_of(init)
        low_rank = np.broadcast_to(low_rank, self.values.shape)
        filled = self.filled
        for rows in self.blocks:
            self.observed(np.subtract(self.values[rows], low_rank[rows], out=filled[rows]), rows)
        self.level = self.solver.start * median_size(filled, self.crew, self.blocks)
        for rows in self.blocks:
            filled[rows][np.abs(filled[rows]) > self.level] = 0
            filled[rows] += low_rank[rows]
        np.copyto(self.rest, filled)
        self.basis = np.ascontiguousarray(self.solver.first_basis(Observed(self.values)))

    def move(self) -> float:
        self.project()
        values, argument, filled, solver = self.values, self.filled, self.rest, self.solver
        floor = float(np.asarray(solver.floor).reshape(()))
        self.level = max(solver.decay * self.level, floor)

        def work(rows: slice) -> float:
            low_rank = self.left[rows] @ self.basis.T
            left = self.observed(values[rows] - low_rank, rows)
            left[np.abs(left) > self.level] = 0
            low_rank += left
            change = np.subtract(low_rank, filled[rows], out=argument[rows])
            error = square_length(change if floor > 0 else left)
            change *= solver.momentum
            change += low_rank
            filled[rows] = low_rank
            return error

        error = math.sqrt(self.total(work)) / (self.norm or 1.0)
        return math.inf if floor > 0 and self.level > floor else error

    def part(self, rows: slice, rest: np.ndarray) -> np.ndarray:
        return np.where(np.abs(rest) > self.level, rest, rest.dtype.type(0))

    def has_noise(self) -> bool:
        return float(np.asarray(self.solver.floor).reshape(())) > 0
