"""The iteration, as the one who asks the shards sees it: one small message out, sums back, in every step."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.acceleration import Rule, anderson
from rpca_affect.arrays import Observed
from rpca_affect.decomposition import Decomposition, Status
from rpca_affect.distributed.journal import Answer, Journal
from rpca_affect.distributed.steps import GRAM, Seen
from rpca_affect.distributed.thresholding import Argument, OnShards, added
from rpca_affect.engine.answer import Proof
from rpca_affect.engine.monitor import Monitor, in_single_precision
from rpca_affect.engine.spectrum.gram import exact_norm, norm_bound, norm_is_below
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.threads import Crew
from rpca_affect.engine.tuning import MISSED, MIXED
from rpca_affect.extremes import certified
from rpca_affect.penalty import Travel, lines
from rpca_affect.request import Request

__all__ = ["Matrix", "Run"]


class Matrix(NamedTuple):
    """Facts of the data that the steps need.

    Attributes
    ----------
    like : array, shape (m, n)
        One number broadcast to the shape of the data: only shape and precision are read.
    cells : int
        Number of observed cells.
    unit, magnitude : float
        The data are divided by ``unit``; size of their largest cell after that.
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


class Last(NamedTuple):
    """A step that was taken.

    Attributes
    ----------
    low, told : LowRank
        Singular values above the threshold and their vectors, and the form of them that the shards use.
    mu, mu_next : float
    violated, error : float
    """

    low: LowRank
    told: LowRank
    mu: float
    mu_next: float
    violated: float = 0.0
    error: float = 0.0


class Run:
    """Runs of one solver after another on the same shards, whose model is set."""

    def __init__(self, journal: Journal, matrix: Matrix) -> None:
        self.journal, self.matrix = journal, matrix
        nothing = LowRank(np.empty((matrix.like.shape[1], 0), matrix.like.dtype), np.empty(0), 1.0, True)
        self.last = Last(nothing, nothing, 1.0, 1.0)

    def one(self, solver: Any, before: Decomposition | None, request: Request) -> Decomposition:
        """Repeat the step until the run ends, from nothing or from the last step of the run before."""
        stage = _Stage(self.journal, self.matrix, solver, None if before is None else (before, self.last), request)
        answer, self.last = stage.answer()
        return answer

    @property
    def told(self) -> tuple[LowRank, float, float]:
        """Numbers and factors of the last step that the shards need."""
        return self.last.told, self.last.mu, self.last.mu_next


class _Stage:
    """One solver on the shards: the counterpart of `rpca_affect.engine.splitting` for a matrix in memory."""

    def __init__(self, journal: Journal, matrix: Matrix, solver: Any, init: Any, request: Request) -> None:
        self.journal, self.matrix, self.init = journal, matrix, init
        self.like = matrix.like
        request = replace(request, max_iter=request.max_iter or solver.default_max_iter)
        if self.like.dtype == np.float32:
            request = replace(request, tol=max(request.tol, solver.float32_tol))
        self.request = request
        self.near = init is not None and init[0].solver == solver.name
        self.mixed = not self.near and self.like.dtype == np.float64 and self.like.size >= MIXED
        self.moves = solver.moves_penalty
        self.solver, self.top = self.tuned(solver)
        self.guessed = self.stopped = False
        self.reason = ""
        self.last: Last

    def answer(self) -> tuple[Decomposition, Last]:
        """Iterate and check."""
        history, proof = self.iterate(exact=False), self.prove()
        if not self.is_complete(proof):
            self.init, self.reason = None, ""  # the steps of the run before are gone
            history, proof = self.iterate(exact=True), self.prove()
        matrix, last = self.matrix, self.last
        low, shrunk = last.low, last.low.shrunk
        floor = 10 * max(self.like.shape) * np.finfo(self.like.dtype).eps
        nothing: Any = None
        answer = Decomposition(
            low_rank=nothing,
            sparse=nothing,
            noise=nothing,
            n_iter=len(history["error"]),
            status=Status(last.error <= self.request.tol or self.reason != "", self.reason),
            rank=int(np.count_nonzero(shrunk > floor * shrunk[0])) if low.rank else 0,
            sparsity=0.0,
            residual=last.violated / (matrix.norm or 1.0),
            gap=proof.gap,
            dual_norm=proof.dual_norm,
            lam=float(self.solver.lam),
            mu=last.mu_next / matrix.unit,
            history=history,
            solver=self.solver.name,
        )
        return (certified(Observed(self.like), answer) if matrix.clipped else answer), last

    def tuned(self, solver: Any) -> tuple[Any, float]:
        """Fill in the first penalty, in the unit of the data; return the largest singular value too, where needed."""
        unit, top = self.matrix.unit, 0.0
        mu = None if solver.mu is None else float(np.asarray(solver.mu).reshape(())) * unit
        solver = replace(solver, slack=solver.slack / unit, mu=mu)
        if solver.name == "ialm" and (mu is None or self.init is None):
            top = float(self.journal.ask(_norm, "look_at_values", GRAM)["norm"])
        if mu is None:
            mean = np.full((1, 1), self.matrix.total / self.matrix.cells)
            mu = 1.25 / (top or 1.0) if solver.name == "ialm" else float(solver.penalty(mean)[0, 0])
        return replace(solver, mu=mu), top

    def iterate(self, exact: bool) -> dict[str, list]:
        """Repeat the step until its error is at most ``tol``; begin in single precision where that pays."""
        history: dict[str, list] = {"error": [], "rank": [], "mu": []}
        request, travel = self.request, Travel() if self.moves else None
        if exact or not self.mixed:
            argument, threshold = self.first(self.like), OnShards(self.like, exact)
            mu = self.solver.mu
        else:
            loose = in_single_precision(request, self.solver)
            rounded = np.broadcast_to(np.float32(0), self.like.shape)
            threshold = OnShards(rounded)
            self.advance(self.first(rounded), threshold, self.solver.mu, history, loose, travel)
            finished = self.stopped or self.last.error <= request.tol or len(history["error"]) == request.max_iter
            if finished:  # the answer has to come from double precision: take the last step once more
                for values in history.values():
                    del values[-1]
                request, travel = replace(request, callback=None, max_iter=len(history["error"]) + 1), None
            mu = self.last.mu if finished else self.last.mu_next
            basis = None if threshold.basis is None else threshold.basis.astype(np.float64)
            threshold = OnShards(self.like, basis=basis)
            argument = Argument(self.journal, self.like, "widen", finished, error=self.last.error)
        if self.advance(argument, threshold, mu, history, request, travel):
            return history
        self.init = None
        return self.iterate(exact=True)

    def first(self, like: np.ndarray) -> Argument:
        """Argument of the first singular-value threshold, in the precision of ``like``."""
        rough, solver, error = like.dtype != self.like.dtype, self.solver, float(not self.near)
        if self.init is not None:
            last = self.init[1]
            told = last.told, last.mu, last.mu_next
            return Argument(self.journal, like, "hand_over", rough, *told, solver.mu, error=error)
        largest_multiple = max(self.top, self.matrix.top / solver.lam) or 1.0
        stretch = 0.0 if solver.name == "admm" else 1 + 1 / (solver.mu * largest_multiple)
        return Argument(self.journal, like, "begin", rough, stretch, solver.mu, error=error)

    def advance(
        self,
        argument: Argument,
        threshold: OnShards,
        mu: float,
        history: dict[str, list],
        request: Request,
        travel: Travel | None,
    ) -> bool:
        """Step on from an argument; return False where values were missed that only exact steps would have found."""
        rough = argument.dtype != self.like.dtype
        monitor = Monitor(self.solver, request, self.matrix.norm, history, self.matrix.magnitude, travel, rough)
        accelerate = None if rough else anderson(self.solver, self.like.shape)
        rule = None if accelerate is None else accelerate.rule
        low = threshold(argument, 1 / mu)
        while True:
            self.guessed |= not low.exact
            mu_next = monitor.mu_after(mu)
            remembers = rule is not None and rule.near
            last = Last(low, threshold.told, mu, mu_next)
            argument = self._following(argument, monitor, last, rule.memory if rule is not None and remembers else 0)
            # Where the next threshold is beyond squares every step will be exact: the ones before may not have been.
            extreme = threshold.is_extreme(1 / mu_next)
            if extreme or remembers:
                argument.made()
            else:
                low = threshold(argument, 1 / mu_next)
            last = self.last
            changes = self._look(monitor, last)
            if monitor.ended or (extreme and rough and not last.low.exact):
                break
            if extreme and not last.low.exact and not self._misses_nothing(last):
                return False
            if rule is not None:
                argument = self._accelerated(rule, argument, changes)
            if extreme or remembers:
                low = threshold(argument, 1 / mu_next)
            mu = mu_next
        self.stopped |= monitor.stopped
        self.reason = monitor.reason
        return True

    def _following(self, argument: Argument, monitor: Monitor, last: Last, memory: int) -> Argument:
        """Argument after a step; the step is computed when the argument is looked at."""

        def judge(sums: Any) -> float:
            violated, error = monitor.judge(sums, last.low.rank, last.mu_next)
            self.last = last._replace(violated=violated, error=error)
            return error

        words = last.told, last.mu, last.mu_next, monitor.relax, monitor.two_sided, memory
        like = np.broadcast_to(argument.dtype.type(0), argument.shape)
        return Argument(self.journal, like, "step", *words, judge=judge)

    def _accelerated(self, rule: Rule, argument: Argument, changes: bool) -> Argument:
        """The argument of the next step, as `rpca_affect.acceleration.Anderson` has it: the lengths decide."""
        if changes:
            rule.forget()
            return argument
        if rule.waits():
            return argument
        words: dict[str, Any] = {"error": argument.error}
        if rule.failed(argument.length):
            return Argument(self.journal, self.like, "extrapolate", None, **words)
        place, asked = rule.place(), rule.asked() if rule.due else None
        found = self.journal.ask(lambda parts: {"products": sum(parts)}, "remember", place, asked)
        weights = None if asked is None else rule.weights(found["products"], argument.length)
        return argument if weights is None else Argument(self.journal, self.like, "extrapolate", weights, **words)

    def _look(self, monitor: Monitor, last: Last) -> bool:
        """Let penalty and stopping follow the step, where they want to see it; return whether the penalty changes."""
        if not (monitor.looks or monitor.watches):
            return False
        rows = np.arange(self.like.shape[0])[lines(self.like.shape[0])]
        seen = self.journal.ask(_joined, "sample", rows)
        changes = monitor.follow(seen["argument"], last.low, seen["following"], last.mu, last.mu_next)
        if monitor.watches:
            monitor.ends(seen["argument"], last.low, lambda: self.prove().gap)
        return changes

    def prove(self) -> Proof:
        """Certificate of the last step."""
        last = self.last

        def digest(answers: list[Any]) -> Answer:
            *sums, squares = zip(*answers)
            norm = norm_bound(added(list(squares)), last.low.basis, Crew())
            return dict(zip(("loss", "linear", "quadratic"), map(sum, sums))) | {"norm": norm}

        found = self.journal.ask(digest, "dual", last.told, last.mu, last.mu_next)
        sums = (float(found[name]) for name in ("loss", "linear", "quadratic", "norm"))
        return Proof(float(np.sum(last.low.shrunk)), *sums)

    def is_complete(self, proof: Proof) -> bool:
        """Decide whether no singular value above the threshold was missed, as the core does."""
        last, tol = self.last, self.request.tol
        if (self.reason and self.solver.growth == 1) or proof.gap <= 10 * tol:
            return True
        if last.low.exact:
            return last.error <= tol or self.solver.growth == 1 or not self.guessed
        largest = proof.dual_norm + last.mu_next * last.violated
        return largest <= 1 + MISSED + 10 * tol * last.mu * self.matrix.norm or self._misses_nothing(last)

    def _misses_nothing(self, last: Last) -> bool:
        """See `rpca_affect.engine.answer.complete`."""

        def digest(answers: list[Any]) -> Answer:
            return {"below": np.array(norm_is_below(added(answers), 1 + MISSED))}

        return bool(self.journal.ask(digest, "rest", last.told, last.mu)["below"])


def _joined(answers: list[Any]) -> Answer:
    argument, following = (np.concatenate(rows) for rows in zip(*answers))
    return {"argument": argument, "following": following}


def _norm(answers: list[Seen]) -> Answer:
    return {"norm": exact_norm(added([seen.square for seen in answers]))}
