"""Inexact ALM and ADMM on one NumPy matrix: the same steps as the reference, in place and in blocks."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from rpca_affect.acceleration import anderson
from rpca_affect.arrays import Array, Observed
from rpca_affect.decomposition import Decomposition, Factors, Status
from rpca_affect.engine import answer as ending
from rpca_affect.engine import small
from rpca_affect.engine.answer import Step
from rpca_affect.engine.cells.blocks import Passes
from rpca_affect.engine.monitor import Monitor, in_single_precision
from rpca_affect.engine.problem import Problem, accepts
from rpca_affect.engine.spectrum.gram import crowded
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.spectrum.threshold import Thresholder
from rpca_affect.engine.threads import Crew, hired
from rpca_affect.penalty import Travel
from rpca_affect.request import Request

__all__ = ["accepts", "run"]


def run(data: Observed, unit: Array, solver: Any, init: Decomposition | None, request: Request) -> Decomposition:
    """Compute the answer of `rpca_affect.loop.run` for one matrix; see `accepts`."""
    with hired() as crew:
        return _Solve(data, float(unit[0, 0]), solver, init, request, crew).answer()


class _Solve(Problem):
    """One solve, from the data to the answer."""

    def __init__(
        self, data: Observed, unit: float, solver: Any, init: Decomposition | None, request: Request, crew: Crew
    ) -> None:
        super().__init__(data, unit, solver, init, request, crew)
        self.travel: Travel | None = None
        self.moves_penalty = solver.moves_penalty
        self.guessed = False  # whether a step trusted a subspace
        self.holds_dual = False  # whether the spare memory does
        self.proof: ending.Proof | None = None  # of the last step, where that was to be known
        self.stopped = False  # whether the callback said so
        self.reason = ""

    def iterate(self, exact: bool) -> tuple[Step, dict[str, list]]:
        """Repeat the step until its error is at most ``tol``; begin in single precision where that pays."""
        history: dict[str, list] = {"error": [], "rank": [], "mu": []}
        passes, mu, request = self.passes, self.solver.mu, self.request
        self.travel = Travel() if self.moves_penalty else None
        if exact or not self.mixed:
            threshold = Thresholder(passes, exact)
            self.first_argument(passes, self.room)
        else:
            mu, threshold, finished = self._rough_start(history)
            if finished:  # the answer has to come from double precision: take the last step once more
                for values in history.values():
                    del values[-1]
                request = replace(request, callback=None, max_iter=len(history["error"]) + 1)
                self.travel = None
        self.proof, self.holds_dual = None, False
        step = self._advance(passes, threshold, self.room, self.spare, mu, history, request)
        del threshold  # holds a subspace
        if step is None:
            return self.iterate(exact=True)
        if passes.noisy:  # three parts need the memory: drop the factors that the argument gives again
            step = step._replace(low=step.low.alone())
        return step, history

    def _rough_start(self, history: dict[str, list]) -> tuple[float, Thresholder, bool]:
        """Take steps in single precision, in the memory of the later steps; write their last argument to ``room``.

        Returns the penalty reached, a thresholder that holds the subspace reached, and whether the iteration is over.
        """
        halves = self.spare.reshape(-1).view(np.float32).reshape(2, *self.spare.shape)
        if self.spends:  # the start lies where the rounded data and the halves will lie
            self.first_argument(self.passes, self.room)
            np.copyto(halves[0], self.room, casting="same_kind")
        passes, self.rough = self.rough or self.rounded(), None
        passes.set_model(self.passes.lam, self.passes.slack)
        if not self.spends:
            self.first_argument(passes, halves[0])
        threshold = Thresholder(passes, lean=True)
        loose = in_single_precision(self.request, self.solver)
        step = self._advance(passes, threshold, halves[0], halves[1], self.solver.mu, history, loose)
        finished = self.stopped or step.error <= self.request.tol or len(history["error"]) == self.request.max_iter
        last, mu = (step.argument, step.mu) if finished else (step.spare, step.mu_next)
        np.copyto(self.room, last)
        basis = None if threshold.basis is None else threshold.basis.astype(np.float64)
        return mu, Thresholder(self.passes, basis=basis), finished

    def _advance(
        self,
        passes: Passes,
        threshold: Thresholder,
        argument: np.ndarray,
        spare: np.ndarray,
        mu: float,
        history: dict[str, list],
        request: Request,
    ) -> Any:
        """Step on from ``argument`` to ``spare`` and back; return the last step, see `_in_blocks`."""
        rough = passes is not self.passes
        monitor = Monitor(self.solver, request, passes.norm, history, self.magnitude, self.travel, rough)
        accelerate = None if rough else anderson(self.solver, argument.shape)
        advance = small.advance if small.suits(passes) else self._in_blocks
        step = advance(passes, threshold, monitor, argument, spare, mu, accelerate)
        self.stopped |= monitor.stopped
        self.reason = monitor.reason
        return step

    def _in_blocks(
        self,
        passes: Passes,
        threshold: Thresholder,
        monitor: Monitor,
        argument: np.ndarray,
        spare: np.ndarray,
        mu: float,
        accelerate: Any,
    ) -> Any:
        """Step as `rpca_affect.engine.small.advance` does, for every matrix and model.

        The last step is None where values were missed that only exact steps would have found. A lean threshold that
        gives up ends the steps too.
        """
        step, errors = None, monitor.history["error"]
        error = errors[-1] if errors else float(not self.near)
        while True:
            # From here on every step will be exact; that must not hide that the ones before were not.
            if step is not None and not step.low.exact and threshold.is_extreme(1 / mu):
                if passes is not self.passes:
                    return step
                room = np.empty_like(spare)
                if not ending.complete(passes, step.argument, step.low, step.mu, room):
                    return None
            step = low = None  # their factors may be half as large as the data
            low = threshold(argument, 1 / mu, spare, error)
            if low is None:  # so this is a step from nowhere to the argument
                nothing = LowRank(np.empty((argument.shape[1], 0), argument.dtype), np.empty(0), 1 / mu, True)
                return Step(spare, argument, nothing, mu, mu, math.inf, math.inf)
            self.guessed |= not low.exact
            mu_next = monitor.mu_after(mu)
            sums = passes.step(argument, spare, low, mu, mu_next, monitor.relax, monitor.two_sided)
            low = low.after(spare)
            violated, error = monitor.judge(sums, low.rank, mu_next)
            step = Step(argument, spare, low, mu, mu_next, violated, error)
            changes = monitor.follow(argument, low, spare, mu, mu_next)
            proved = monitor.watches and self._proves(monitor, step, passes)
            if monitor.ended and passes is self.passes:
                return step
            if proved:  # the next argument was written over
                passes.step(argument, spare, low, mu, mu_next, monitor.relax, monitor.two_sided)
            if monitor.ended:
                return step
            self.proof, self.holds_dual = None, False
            if accelerate is not None and changes:
                accelerate.forget()
            elif accelerate is not None:
                np.copyto(spare, accelerate(argument, spare))
            argument, spare, mu = spare, argument, mu_next

    def _proves(self, monitor: Monitor, step: Step, passes: Passes) -> bool:
        """Let a proof end the run; return whether the next argument has been written over."""

        def gap() -> float:
            self.proof = self.prove(step, passes)
            return self.proof.gap

        return monitor.ends(step.argument, step.low, gap)

    def answer(self) -> Decomposition:
        """Iterate, check, and write the parts over the working memory."""
        passes, request = self.passes, self.request
        step, history = self.iterate(exact=False)
        proof = None
        if request.start_above is None or request.start_above >= 0 or not self._is_over(step, history):
            proof = self.proof or self.prove(step)
            if not self.is_complete(step, proof):
                del step  # its factors may be twice as large as the data
                self.reason, self.proof = "", None
                step, history = self.iterate(exact=True)
                proof = self.prove(step)
        low, converged = step.low, step.error <= request.tol or self.reason != ""
        is_start = request.start_above is not None and (proof is None or proof.gap > request.start_above)
        is_start &= self._is_over(step, history)
        dual = step.spare if request.keep_dual or is_start else None
        if dual is not None and not self.holds_dual:
            passes.dual(step.argument, low, step.mu, step.mu_next, dual, passes.blocks)
        factored = request.factored and not is_start
        factors = self._factors(step) if factored else None
        if is_start:
            found = ending.low_rank_of(passes, step)
        else:
            found = ending.parts_of(passes, step, factored, self._unused(step, dual))
        low_rank, sparse, noise = (self._back(part) for part in found[:3])
        shape, dtype = self.data.given.shape, passes.values.dtype
        floor = 10 * max(shape) * np.finfo(dtype).eps
        shrunk = low.shrunk
        return Decomposition(
            low_rank=low_rank,
            sparse=sparse,
            noise=np.broadcast_to(np.zeros((1, 1), dtype), shape) if noise is None else noise,
            n_iter=len(history["error"]),
            status=Status(converged, self.reason),
            rank=int(np.count_nonzero(shrunk > floor * shrunk[0])) if low.rank else 0,
            sparsity=found.sparsity,
            residual=step.violated / (passes.norm or 1.0),
            gap=None if proof is None else proof.gap,
            dual_norm=None if proof is None else proof.dual_norm,
            lam=passes.lam,
            mu=step.mu_next / self.unit,
            history=history,
            solver=self.solver.name,
            factors=factors,
            dual=None if dual is None else self.turned(dual),
        )

    def _is_over(self, step: Step, history: dict[str, list]) -> bool:
        """Whether the steps ended because they have arrived, and more may follow."""
        converged = step.error <= self.request.tol or self.reason != ""
        return converged and not self.stopped and len(history["error"]) < self.request.max_iter

    def _unused(self, step: Step, dual: np.ndarray | None) -> list[np.ndarray]:
        """Matrices that a part may overwrite."""
        free = [] if dual is not None else [step.spare]
        own = not np.shares_memory(self.passes.values, self.data.given)
        return [*free, self.passes.values] if own else free

    def _back(self, part: np.ndarray | None) -> Any:
        """A part in the unit and the orientation of the data."""
        if part is not None and self.unit != 1.0:
            self.passes.scale(part, self.unit)
        return None if part is None else self.turned(part)

    def prove(self, step: Step, passes: Passes | None = None) -> ending.Proof:
        """Certificate of a step; overwrites ``step.spare``."""
        proof = ending.prove(passes or self.passes, step.argument, step.low, step.mu, step.mu_next, step.spare)
        self.holds_dual = not crowded(step.spare)
        return proof

    def is_complete(self, step: Step, proof: ending.Proof) -> bool:
        """Decide whether no singular value above the threshold was missed.

        The dual matrix differs from ``mu (A - L)`` by the violated constraint. So its norm, known already, usually
        decides: a missed value could change L by at most ten times the tolerance.
        """
        # A base at rest proves an optimum where the penalty is kept; under a growing one every base comes to rest.
        if (self.reason and self.solver.growth == 1) or proof.gap <= 10 * self.request.tol:
            return True
        if step.low.exact:
            # Under a growing penalty a value that an earlier step missed stays missed: then the run has not converged.
            return step.error <= self.request.tol or self.solver.growth == 1 or not self.guessed
        largest = proof.dual_norm + step.mu_next * step.violated
        if largest <= 1 + ending.MISSED + 10 * self.request.tol * step.mu * self.passes.norm:
            return True
        self.holds_dual = False
        return ending.complete(self.passes, step.argument, step.low, step.mu, step.spare)

    def _factors(self, step: Step) -> Factors:
        left, values, right = ending.factors_of(self.passes, step)
        values = (values * self.unit).astype(left.dtype)
        return Factors(right.T, values, left.T) if self.wide else Factors(left, values, right)
