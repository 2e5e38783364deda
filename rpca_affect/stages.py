"""A solve as a plan of stages: one loop, in which each goes on from the answer before it where that is not good enough.

Inexact ALM goes ahead, ADMM closes the gap that it leaves, and Newton's method proves an answer that is nearly right.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rpca_affect import engine, loop, newton
from rpca_affect.arrays import Array, Observed, array_namespace
from rpca_affect.chosen import merged, numbers_of, of_stack, rows_of, some_of
from rpca_affect.decomposition import ABSENT, Decomposition, Factors, Status, largest
from rpca_affect.extremes import certified
from rpca_affect.request import Progress, Request
from rpca_affect.solvers.ialm import InexactALM

__all__ = ["Stage", "by_itself", "masked", "proved", "quick_first", "run"]

AHEAD_TOL = 1e-5  # beyond it the growing penalty of inexact ALM only makes the answer feasible, not better
AHEAD_MASKED = 1e-2  # the same with missing cells, which it fills from an answer that is not yet right
AHEAD_STEPS = 100
NEAR = 1e-3  # duality gap from which Newton's method takes over from ADMM
SLOWER = 1.1  # growth of the penalty of inexact ALM that takes three times the steps and leaves a fortieth of the gap
WITHIN = 30.0  # so a gap of up to this many wanted ones may become one


Run = Callable[[Any, Decomposition | None, Request], Decomposition]


class Stage(NamedTuple):
    """One solver in a plan, and when it runs.

    Attributes
    ----------
    solver : solver object or None
        None: Newton's method.
    tol : float
        Error below which it need not go, whatever the solve asks for.
    gap : float or None
        Duality gap that is enough for the next stage, where one is wanted at all.
    steps : int or None
        Most steps; None: as many as the solve has left.
    above, below : float
        It is for answers whose gap lies above the one and not above the other.
    anew : bool
        Whether it begins from nothing, and not from the answer before it.
    """

    solver: Any
    tol: float = 0.0
    gap: float | None = None
    steps: int | None = None
    above: float = -math.inf
    below: float = math.inf
    anew: bool = False

    def takes(self, answer: Decomposition) -> list[int] | None:
        """Places in a stack (of one matrix: 0) of the answers that it is for; None for all, of whatever gap."""
        if answer.gap is None or (math.isinf(self.above) and math.isinf(self.below)):
            return None
        if isinstance(answer.gap, float):
            return [0] if self.above < answer.gap <= self.below else []
        xp = array_namespace(answer.gap)
        wanted = (answer.gap > self.above) & (answer.gap <= self.below)
        if not bool(xp.any(wanted)):  # one number from the device, in the common case
            return []
        flat = xp.reshape(wanted, (-1,))
        return [k for k in range(flat.shape[0]) if bool(flat[k])]


def by_itself(solver: Any, init: Decomposition | None) -> list[Stage]:
    """One solver, after a head start where it takes one.

    ADMM needs hundreds of steps to forget a start from nothing, and tens from where inexact ALM ends. The optimum it
    converges to is the same. A solver whose penalty was chosen by hand, and a noise part, start on their own.
    """
    wanted = getattr(solver, "head_start", False) and solver.mu is None and solver.sparse_kind != "custom"
    if init is not None or not wanted or not (isinstance(solver.slack, float) and solver.slack == 0.0):
        return [Stage(solver)]
    ahead = InexactALM(lam=solver.lam, shrink=solver.shrink, lowrank=solver.lowrank)
    return [Stage(ahead, AHEAD_TOL, steps=AHEAD_STEPS), Stage(solver)]


def masked(plan: list[Stage]) -> list[Stage]:
    """The same plan for a matrix with missing cells: a head start hands over early."""
    first, *others = plan
    return [first._replace(tol=AHEAD_MASKED), *others] if others else plan


def proved(solver: Any, data: Observed, init: Decomposition | None, gap: float | None) -> list[Stage]:
    """ADMM; where a gap is wanted, only until Newton's method may take over, and again where that fails."""
    plan = by_itself(solver, init)
    if data.mask is not None and data.given.ndim == 2:  # in a stack they may only pad it
        plan = masked(plan)
    if gap is None or gap >= NEAR or solver.sparse_kind != "cells" or data.given.ndim > 2:
        return plan
    return [*plan[:-1], Stage(solver, gap=NEAR), Stage(None, above=gap), Stage(solver, above=gap)]


def quick_first(quick: Any, exact: Any, gap: float | None, limit: float, patient: bool) -> list[Stage]:
    """Inexact ALM; where its gap is too large, Newton's method for a wanted gap, and in the end ADMM.

    Parameters
    ----------
    quick, exact : solver objects
    gap : float or None
        Wanted gap: then it is enough if inexact ALM finds rank and support.
    limit : float
        Gap of an answer that is good enough.
    patient : bool
        Whether a gap at the limit is enough, so that a penalty that grows more slowly may get there.
    """
    plan = [Stage(quick, 0.0 if gap is None else AHEAD_TOL)]
    if gap is not None:  # an error of 1e-5 proves no smaller gap
        plan.append(Stage(None, above=limit if gap > AHEAD_TOL else -1.0))
    elif patient:
        plan.append(Stage(replace(quick, growth=SLOWER), above=limit, below=WITHIN * limit, anew=True))
    return [*plan, Stage(exact, above=limit)]


def run(
    plan: Sequence[Stage],
    data: Observed,
    unit: Array,
    init: Decomposition | None,
    request: Request,
    one: Run | None = None,
) -> Decomposition:
    """Run the stages of a plan, as far as the answer asks for them.

    Parameters
    ----------
    plan : sequence of Stage
    data : Observed
    unit : array, shape (..., 1, 1)
        See `rpca_affect.loop.run`.
    init : Decomposition or None
        Start of the first stage.
    request : Request
        Its ``max_iter`` 0 stands for the default of the solver.
    one : callable ``(solver, start, request) -> Decomposition``, optional
        Runs one solver; default the tuned engine where there is one, else the reference loop.

    Returns
    -------
    Decomposition
        Steps and history are those of all stages. Its status names the rule that ended it, without doubts.
    """
    budget = request.max_iter or plan[-1].solver.default_max_iter
    watch = _Callback(request.callback)
    answer, chosen = None, None
    tol = request.tol
    for place, stage in enumerate(plan):
        spent = 0 if answer is None else int(largest(answer.n_iter))
        if answer is not None:
            chosen = stage.takes(answer)
            if chosen == []:
                continue
            if watch.stopped or spent >= budget:
                if chosen is None:  # the last answer was to be a start only
                    unfinished = replace(answer.status, converged=False)
                    answer = replace(answer, status=unfinished, solver=plan[-1].solver.name)
                break
        if stage.solver is None:
            answer = _proved(data, answer, plan, request) if budget - spent >= newton.MOST else answer
            continue
        asked, tol = _asked(stage, plan[place + 1 :], request, data, budget - spent)
        asked = replace(asked, callback=watch.after(spent), spend_init=answer is not None)
        if answer is not None and chosen is not None and data.given.ndim > 2:
            answer = _of_some(stage, data, unit, answer, chosen, asked)
            continue
        start = init if answer is None else None if stage.anew else answer
        if stage.anew and answer is not None:  # only its steps count from here on
            answer = replace(answer, low_rank=ABSENT, sparse=ABSENT, noise=ABSENT, dual=None, factors=None)
        asked = replace(asked, spend_init=asked.spend_init and start is not None)
        found = _tuned(data, unit, stage.solver, start, asked) if one is None else one(stage.solver, start, asked)
        # A scaled dual loses a share of the gigantic cells: the next stage needs the gap of the data as they are.
        found = found if request.limits is None else certified(data, found, getattr(stage.solver, "slack", 0.0))
        answer = found if answer is None else _continued(answer, found)
        del found  # a stage that begins anew may have the memory of this answer
    assert answer is not None
    if request.factored and answer.factors is None:
        answer = _factored(answer)
    answer = answer if request.keep_dual else replace(answer, dual=None)
    return replace(answer, status=_status(answer, replace(request, tol=tol), watch.stopped))


def _asked(stage: Stage, later: Sequence[Stage], request: Request, data: Observed, left: int) -> tuple[Request, float]:
    """Request for a stage, and the tolerance that holds for the whole solve."""
    tol = request.tol
    if data.given.dtype == array_namespace(data.given).float32:
        tol = max(tol, stage.solver.float32_tol)
    only_start = bool(later) and math.isinf(later[0].above)
    return replace(
        request,
        tol=max(tol, stage.tol),
        max_iter=left if stage.steps is None else min(stage.steps, left),
        gap=None if only_start else request.gap if stage.gap is None or request.gap is None else stage.gap,
        calm=None if later else request.calm,
        start_above=max(later[0].above, -1.0) if later else None,
    ), tol


def _of_some(
    stage: Stage, data: Observed, unit: Array, answer: Decomposition, chosen: list[int], request: Request
) -> Decomposition:
    """Run a stage on some matrices of a stack, and put its answers among those of all."""
    some, places = some_of(answer, chosen), rows_of(array_namespace(unit), unit, chosen)
    solver = numbers_of(stage.solver, chosen, unit)
    found = _tuned(of_stack(data, chosen), places, solver, None if stage.anew else some, request)
    return merged(answer, _continued(some, found), chosen, tuple(data.given.shape[-2:]))


def _tuned(data: Observed, unit: Array, solver: Any, start: Decomposition | None, request: Request) -> Decomposition:
    """Run a solver, on the tuned engine where there is one, with the penalty that its earlier answer ended with."""
    if start is not None and start.mu is not None and start.solver == solver.name and solver.moves_penalty:
        solver = replace(solver, mu=start.mu if isinstance(start.mu, float) else start.mu[..., None, None])
    return (engine if engine.accepts(data, solver) else loop).run(data, unit, solver, start, request)


def _proved(
    data: Observed, answer: Decomposition | None, plan: Sequence[Stage], request: Request
) -> Decomposition | None:
    """The answer with the proof of Newton's method where that succeeds, else as it is."""
    found = _by_newton(data, answer, plan, request)
    if found is None:
        return answer
    if request.limits is not None:
        found = certified(data, found, getattr(plan[-1].solver, "slack", 0.0))
    return _continued(answer, found)


def _by_newton(
    data: Observed, start: Decomposition | None, plan: Sequence[Stage], request: Request
) -> Decomposition | None:
    """Go on by Newton's method from an answer that is nearly right; None where it may not, or does not get there."""
    slack = getattr(plan[-1].solver, "slack", 0.0)
    if start is None or request.gap is None or not newton.suits(data, start, slack):
        return None
    lam, weight = float(largest(start.lam)), float(largest(slack))
    return newton.polished(request.limited(data), start, lam, weight, request.gap, True)


class _Callback:
    """The callback of a solve, which counts the steps of all stages, and remembers that it wanted to stop."""

    def __init__(self, told: Callable[[Progress], Any] | None) -> None:
        self.told, self.stopped = told, False

    def after(self, spent: int) -> Callable[[Progress], Any] | None:
        """Callback of a stage after ``spent`` steps; None without one: a GPU need not report every step then."""
        if self.told is None:
            return None
        told = self.told

        def tell(progress: Progress) -> bool:
            self.stopped = bool(told(progress._replace(n_iter=progress.n_iter + spent)))
            return self.stopped

        return tell


def _continued(first: Decomposition | None, second: Decomposition) -> Decomposition:
    """The second answer, with the steps and the history of both."""
    assert first is not None
    history = {name: [*first.history.get(name, []), *values] for name, values in second.history.items()}
    return replace(second, n_iter=first.n_iter + second.n_iter, history=history)


def _factored(answer: Decomposition) -> Decomposition:
    """The same answer with its low-rank part in factors only."""
    left, values, right = array_namespace(answer.low_rank).linalg.svd(answer.low_rank, full_matrices=False)
    kept = slice(0, int(answer.rank))
    return replace(answer, low_rank=ABSENT, factors=Factors(left[:, kept], values[kept], right[kept, :]))


def _status(answer: Decomposition, request: Request, stopped: bool) -> Status:
    steps = int(largest(answer.n_iter))
    reason = "tol" if answer.status.converged else "callback" if stopped else "max_iter"
    error = answer.history["error"][-1] if answer.history["error"] else 0.0
    gap = None if answer.gap is None else largest(answer.gap)
    measure = {"steps": steps, "error": error, "gap": gap, "tol": request.tol}
    return Status(answer.status.converged, answer.status.reason or reason, (), measure)
