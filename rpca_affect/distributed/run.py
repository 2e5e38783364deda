"""The iteration, as the one who asks the shards sees it: one small message out, sums back, in every step."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Observed
from rpca_affect.decomposition import Decomposition, Status
from rpca_affect.distributed.journal import Answer, Journal
from rpca_affect.engine.answer import Proof, proof_of
from rpca_affect.engine.cells.blocks import Sums
from rpca_affect.engine.rules import Course
from rpca_affect.engine.spectrum.gram import exact_norm, norm_bound
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.spectrum.threshold import GRAM_RANGE, eigen_pairs
from rpca_affect.engine.threads import Crew
from rpca_affect.extremes import certified
from rpca_affect.penalty import Travel, lines
from rpca_affect.request import Request

__all__ = ["Matrix", "Run"]


class Matrix(NamedTuple):
    """What the steps have to know of the data.

    Attributes
    ----------
    like : array, shape (m, n)
        One number in the place of all: for who asks for shape and precision.
    cells : int
        Observed ones.
    unit, magnitude : float
        The data are divided by their unit; what is left of their largest cell then.
    norm, total, top : float
        Length, sum and largest of the absolute values, in this unit.
    clipped : bool
        Whether gigantic cells are read as if they were smaller.
    """

    like: np.ndarray
    cells: int
    unit: float
    magnitude: float
    norm: float
    total: float
    top: float
    clipped: bool


class Run:
    """Runs of one solver after another on the same shards, whose model is set."""

    def __init__(self, journal: Journal, matrix: Matrix) -> None:
        self.journal, self.matrix = journal, matrix
        self.columns, self.dtype = matrix.like.shape[1], matrix.like.dtype
        self.rank, self.top = 0, 0.0
        nothing = LowRank(np.empty((self.columns, 0), self.dtype), np.empty(0), 1.0, True)
        self.last = nothing, 1.0, 1.0  # what the last step was made of

    def one(self, solver: Any, before: Decomposition | None, request: Request) -> Decomposition:
        """Repeat the step until the run ends, from nothing or from the last step of the run before."""
        request = replace(request, max_iter=request.max_iter or solver.default_max_iter)
        if self.dtype == np.float32:
            request = replace(request, tol=max(request.tol, solver.float32_tol))
        matrix, moves = self.matrix, solver.moves_penalty
        solver, top = self.tuned(solver, before)
        history: dict[str, list] = {"error": [], "rank": [], "mu": []}
        course = Course(solver, request, matrix.norm, history, matrix.magnitude, Travel() if moves else None)
        mu = solver.mu
        low = self.first(solver, before, mu, top)
        while True:
            mu_next = course.mu_after(mu)
            following, sums = self.step(low, mu, mu_next, course)
            violated, error = course.judge(sums, low.rank, mu_next)
            self.last = (low, mu, mu_next)
            if course.looks or course.watches:
                rows = np.arange(matrix.like.shape[0])[lines(matrix.like.shape[0])]
                seen = self.journal.ask(_joined, "sample", rows)
                course.follow(seen["argument"], low, seen["following"], mu, mu_next)
                if course.watches:
                    course.ends(seen["argument"], low, lambda: self.prove().gap)
            if course.ended:
                break
            low, mu = following, mu_next
        proof, shrunk = self.prove(), low.shrunk
        floor = 10 * max(matrix.like.shape) * np.finfo(self.dtype).eps
        nothing: Any = None
        answer = Decomposition(
            low_rank=nothing,
            sparse=nothing,
            noise=nothing,
            n_iter=len(history["error"]),
            status=Status(error <= request.tol or course.reason != "", course.reason),
            rank=int(np.count_nonzero(shrunk > floor * shrunk[0])) if low.rank else 0,
            sparsity=0.0,
            residual=violated / (matrix.norm or 1.0),
            gap=proof.gap,
            dual_norm=proof.dual_norm,
            lam=float(solver.lam),
            mu=mu_next / matrix.unit,
            history=history,
            solver=solver.name,
        )
        return certified(Observed(matrix.like), answer) if matrix.clipped else answer

    def tuned(self, solver: Any, before: Decomposition | None) -> tuple[Any, float]:
        """Fill in the first penalty, in the unit of the data; return the largest singular value too, where needed."""
        unit, top = self.matrix.unit, 0.0
        mu = None if solver.mu is None else float(np.asarray(solver.mu).reshape(())) * unit
        solver = replace(solver, slack=solver.slack / unit, mu=mu)
        if solver.name == "ialm" and (mu is None or before is None):
            top = float(self.journal.ask(_norm, "gram_of_values")["norm"])
        if mu is None:
            mean = np.full((1, 1), self.matrix.total / self.matrix.cells)
            mu = 1.25 / (top or 1.0) if solver.name == "ialm" else float(solver.penalty(mean)[0, 0])
        return replace(solver, mu=mu), top

    def first(self, solver: Any, before: Decomposition | None, mu: float, top: float) -> LowRank:
        """Let the shards make the first argument; return what is above its threshold."""
        if before is not None:
            return self.threshold(mu, "hand_over", *self.last, mu)[0]
        if solver.name == "admm":
            return self.threshold(mu, "begin", 0.0, mu)[0]
        largest_multiple = max(top, self.matrix.top / solver.lam) or 1.0
        return self.threshold(mu, "begin", 1 + 1 / (mu * largest_multiple), mu)[0]

    def step(self, low: LowRank, mu: float, mu_next: float, course: Course) -> tuple[LowRank, Sums]:
        """Take one step; return what is above the threshold of the next one, and the sums of this one."""
        following, found = self.threshold(mu_next, "step", low, mu, mu_next, course.relax, course.two_sided)
        return following, Sums(float(found["violated"]), float(found["kept"]))

    def threshold(self, mu: float, command: str, *arguments: Any) -> tuple[LowRank, Answer]:
        """Let the shards make an argument, and find its singular values above ``1 / mu``, with their vectors."""
        level = 1 / mu
        extreme = self.top > GRAM_RANGE * level

        def digest(answers: list[Any]) -> Answer:
            squares = [answer[-1] if isinstance(answer, tuple) else answer for answer in answers]
            sums = [answer[:2] for answer in answers if isinstance(answer, tuple)]
            named = dict(zip(("violated", "kept"), map(sum, zip(*sums))))
            return named if extreme else named | self.above(sum(squares), level)

        found = self.journal.ask(digest, command, *arguments)
        vectors = (
            self.journal.ask(lambda answers: self.above_of_triangles(answers, level), "triangle") if extreme else found
        )
        low = LowRank(vectors["basis"], vectors["values"], level, True)
        self.rank, self.top = low.rank, float(low.values[0]) if low.rank else self.top
        return low, found

    def above(self, square: np.ndarray, level: float) -> Answer:
        """Singular values above a level and their right vectors, from a Gram matrix."""
        squares, vectors = eigen_pairs(lambda: np.array(square, order="F"), self.columns, self.rank, level)
        count = int(np.count_nonzero(squares > level * level))
        return {"basis": np.array(vectors[:, :count], self.dtype, order="C"), "values": np.sqrt(squares[:count])}

    def above_of_triangles(self, triangles: list[np.ndarray], level: float) -> Answer:
        """The same from triangular factors, which lose nothing that is small."""
        _, values, right = np.linalg.svd(np.linalg.qr(np.concatenate(triangles), mode="r"))
        count = int(np.count_nonzero(values > level))
        return {"basis": np.array(right[:count].T, self.dtype, order="C"), "values": values[:count]}

    def prove(self) -> Proof:
        """Certificate of the last step."""
        low, mu, mu_next = self.last

        def digest(answers: list[Any]) -> Answer:
            loss, linear, quadratic, square = (sum(column) for column in zip(*answers))
            norm = norm_bound(np.asfortranarray(square), low.basis, Crew(1))
            return {"loss": loss, "linear": linear, "quadratic": quadratic, "norm": norm}

        found = self.journal.ask(digest, "dual", low, mu, mu_next)
        sums = (float(found[name]) for name in ("loss", "linear", "quadratic", "norm"))
        return proof_of(float(np.sum(low.shrunk)), *sums)


def _joined(answers: list[Any]) -> Answer:
    argument, following = (np.concatenate(rows) for rows in zip(*answers))
    return {"argument": argument, "following": following}


def _norm(answers: list[Any]) -> Answer:
    return {"norm": exact_norm(np.array(sum(answers), order="F"))}
