"""The monitor of a run of steps: the penalty, the error of a step, when to stop, the history."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rpca_affect.engine.cells.blocks import Sums
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.tuning import COARSE, PATIENCE, ROUNDED
from rpca_affect.penalty import Travel, lines, multiplier
from rpca_affect.request import Progress, Request
from rpca_affect.stopping import Watch

__all__ = ["Monitor", "in_single_precision"]


def in_single_precision(request: Request, solver: Any) -> Request:
    """Request for the steps in single precision that double precision goes on from: looser ``tol``, half the steps."""
    looks = request.gap is not None  # without proofs of a gap only the error can end them
    tol = max(request.tol, COARSE) if solver.two_sided and not looks else request.tol
    return replace(request, tol=tol, max_iter=max(1, request.max_iter // 2))


class Monitor:
    """Sequence of penalties, error of a step, and rule for stopping.

    Attributes
    ----------
    relax : float
        Relaxation of a step; 1 is the plain step.
    two_sided : bool
        Whether the error is relative to the kept part where that is smaller than the data.
    floor, near : float
        Violation, relative to the data, that ends steps in single precision, and error from which they are looked at.
    history : dict of lists
        Grows by every step; penalties are written down times ``unit``.
    stopped : bool
        Whether the callback asked to stop.
    ended : bool
        Whether the iteration stops after the step judged last.
    reason : str
        Why the run ended, where it was not its error: a gap, or a base that stands still.
    """

    def __init__(
        self,
        solver: Any,
        request: Request,
        norm: float,
        history: dict[str, list],
        unit: float = 1.0,
        travel: Travel | None = None,
        rough: bool = False,
    ) -> None:
        self.growth, self.relax = (float(np.asarray(x).reshape(())) for x in (solver.growth, solver.relax))
        self.largest_mu, self.two_sided = solver.mu_range * solver.mu, solver.two_sided
        self.request, self.norm, self.history = request, norm, history
        self.travel, self.unit = travel, unit
        # Where a subspace is small a proof costs several steps: none is asked for before single precision is so far.
        self.floor, self.near = (ROUNDED, COARSE) if rough else (0.0, math.inf)
        # A base at rest proves something only under a kept penalty; a growing one forces it to rest. Single precision
        # says when a wanted gap is met, so that double precision may prove it.
        wanted = request.gap is not None
        watches = self.two_sided and wanted if rough else self.two_sided or wanted
        self.watch = Watch(request.tol, request.gap, request.calm) if watches else None
        self.stopped = self.ended = False
        self.reason, self.residual = "", math.inf

    def mu_after(self, mu: float) -> float:
        """Return the next penalty."""
        change = None if self.travel is None else self.travel.taken()
        return min(self.growth * (1.0 if change is None else float(change[0, 0])) * mu, self.largest_mu)

    @property
    def looks(self) -> bool:
        """Whether `follow` wants to see the last step."""
        return self.travel is not None and self.travel.looks(len(self.history["error"]))

    @property
    def watches(self) -> bool:
        """Whether `ends` wants to see the last step."""
        if self.ended or self.watch is None:
            return False
        errors = self.history["error"]
        return errors[-1] <= self.near and self.watch.looks(len(errors))

    def ends(self, argument: np.ndarray, low: LowRank, prove: Callable[[], float]) -> bool:
        """Let a proved gap or a base that stands still end the run; ``prove`` returns the gap of the last step."""
        assert self.watch is not None
        step = len(self.history["error"])
        if not self.watch.asks(step, low.alone().of(argument[lines(len(argument))]), self.residual):
            return False
        self.reason = self.watch.verdict(step, prove())
        self.ended = bool(self.reason)
        return True

    def follow(self, argument: np.ndarray, low: LowRank, following: np.ndarray, mu: float, mu_next: float) -> bool:
        """Let the penalty follow the distances that base and multiplier moved; return whether it will change."""
        if not self.looks:
            return False
        assert self.travel is not None
        step = len(self.history["error"])
        some = lines(len(argument))
        base = low.alone().of(argument[some])
        dual = multiplier(argument[some], base, following[some], mu, mu_next, self.relax)
        change = self.travel(step, base, dual, np.full((1, 1), mu_next))
        return change is not None and float(change[0, 0]) != 1.0

    def judge(self, sums: Sums, rank: int, mu: float) -> tuple[float, float]:
        """Note a step; return the length of the violated constraint, and the error of the step."""
        violated = math.sqrt(sums.violated)
        scale = min(self.norm, math.sqrt(sums.kept) or self.norm) if self.two_sided else self.norm
        error = violated / (scale or 1.0)
        self.residual = violated / (self.norm or 1.0)
        errors = self.history["error"]
        errors.append(error)
        self.history["rank"].append(rank)
        self.history["mu"].append(mu * self.unit)
        if self.request.callback is not None:
            self.stopped = bool(self.request.callback(Progress(len(errors), error, rank, mu * self.unit)))
        met = error <= self.request.tol or self.residual <= self.floor
        self.ended = self.stopped or met or len(errors) >= self.request.max_iter
        # A penalty that has grown to its limit without an end: rounding has the last word.
        grown = self.growth > 1 and mu >= self.largest_mu and len(errors) > PATIENCE
        if grown and not self.ended and error > errors[-1 - PATIENCE] / 2:
            self.ended, self.reason = True, "still"
        return violated, error
