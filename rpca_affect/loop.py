"""The reference loop: a solver's own ``step``, repeated on any array library, one matrix or a stack."""

import math
from dataclasses import fields, replace
from typing import Any, NamedTuple

from rpca_affect.acceleration import anderson
from rpca_affect.arrays import Array, Observed, array_namespace, device, frobenius, is_array_api_obj, observed_share
from rpca_affect.certificate import relative_gap
from rpca_affect.decomposition import Decomposition, Status
from rpca_affect.penalty import Travel, lines
from rpca_affect.request import Progress, Request
from rpca_affect.solvers.solver import Solver
from rpca_affect.stopping import Watch

__all__ = ["run"]


def run(data: Observed, unit: Array, solver: Any, init: Decomposition | None, request: Request) -> Decomposition:
    """Repeat ``solver.step`` until its error is at most ``tol``.

    Parameters
    ----------
    data : Observed
        In the units of the input.
    unit : array, shape (..., 1, 1)
        Power of two that brings the largest cell between 1 and 2: the steps run on ``data / unit``.
    solver : solver object
    init : Decomposition or None
        Earlier answer to start from.
    request : Request

    Returns
    -------
    Decomposition
        With ``error`` as its last history entry; its status only says whether ``tol`` was met.
    """
    xp = array_namespace(data.values)
    data = request.limited(data)
    observed = Observed(data.values / unit, data.mask)
    solver = solver.rescaled(unit)
    travel = Travel() if isinstance(solver, Solver) and solver.moves_penalty else None
    solver = solver.tuned(observed)
    state = solver.init(observed) if init is None else solver.resume(observed, init, unit)
    unfinished = xp.zeros_like(unit, dtype=xp.bool)
    work = _Work(observed, solver, state, xp.zeros_like(unit, dtype=xp.int64), unfinished)
    departed = _Departed(unit)
    accelerate = anderson(solver, tuple(data.values.shape))
    watch = _watch_of(solver, request, unit.ndim > 2)
    history: dict[str, list] = {"error": [], "mu": []}
    for count in range(1, request.max_iter + 1):
        before = work.state
        work = _stepped(work, count, request.tol, None if travel is None else travel.taken())
        _look(travel, count, work)
        if watch is not None and watch.looks(count):
            work = _watched(watch, count, work)
        progress = _noted(history, work, departed)
        stop = request.callback is not None and request.callback(progress)
        if stop or bool(xp.all(work.finished)):
            break
        if accelerate is not None and travel is not None and _changes(travel):
            accelerate.forget()
        elif accelerate is not None:
            argument = accelerate(before.argument, work.state.argument)
            work = work._replace(state=work.state._replace(argument=argument))
        if unit.ndim > 2:
            work = departed.leaving(work, travel, watch)
    state, steps = departed.joined(work)
    answer = _decomposition(observed, unit, solver, state, steps, history, request)
    if watch is not None and watch.reason and bool(xp.all(work.finished)):
        answer = replace(answer, status=Status(True, watch.reason))
    return answer


class _Work(NamedTuple):
    """The matrices still at work: data, solver with its numbers for them, state, steps taken, and who has finished."""

    observed: Observed
    solver: Any
    state: Any
    steps: Array
    finished: Array

    def done(self) -> Array:
        """Entries of the first axis that have nothing left to do, shape (b,)."""
        xp = array_namespace(self.finished)
        return xp.all(xp.reshape(self.finished, (self.finished.shape[0], -1)), axis=-1)

    def rows(self, which: Array) -> "_Work":
        """Keep some entries of the first axis, with the solver's numbers for them."""
        count, ndim = self.finished.shape[0], self.finished.ndim
        xp = array_namespace(self.finished)

        def taken(x: Any) -> Any:
            own = is_array_api_obj(x) and x.ndim == ndim and x.shape[0] == count
            return xp.take(x, which, axis=0) if own else x

        numbers = {field.name: taken(getattr(self.solver, field.name)) for field in fields(self.solver)}
        return _Work(
            Observed(*(taken(x) for x in self.observed)),
            replace(self.solver, **numbers),
            type(self.state)(*(taken(x) for x in self.state)),
            taken(self.steps),
            taken(self.finished),
        )


class _Departed:
    """Finished matrices of a stack that have left the working set."""

    def __init__(self, unit: Array) -> None:
        xp = array_namespace(unit)
        self.staying = xp.arange(unit.shape[0], device=device(unit))  # places in the input of those still at work
        self.pieces: list[tuple[Array, Any, Array]] = []  # places, states and steps of those that have left
        self.error = self.mu = 0.0  # largest among those that have left

    def leaving(self, work: _Work, travel: Travel | None, watch: Watch | None) -> _Work:
        """Let the finished matrices leave once they are half of the working set: every departure copies the rest."""
        xp = array_namespace(work.finished)
        done = work.done()
        left = done.shape[0] - int(xp.sum(xp.astype(done, xp.int64)))
        if 2 * left > done.shape[0]:
            return work
        order = xp.argsort(xp.astype(done, xp.int64), stable=True)
        stay, leave = order[:left], order[left:]
        ended = work.rows(leave)
        self.pieces.append((xp.take(self.staying, leave), ended.state, ended.steps))
        self.staying = xp.take(self.staying, stay)
        self.error = max(self.error, float(xp.max(ended.state.error)))
        if hasattr(ended.state, "mu"):
            self.mu = max(self.mu, float(xp.max(ended.state.mu)))
        if watch is not None:
            watch.base = None
        if travel is not None:
            travel.rows(stay)
        return work.rows(stay)

    def joined(self, work: _Work) -> tuple[Any, Array]:
        """States and steps of all matrices, in the order of the input."""
        if not self.pieces:
            return work.state, work.steps
        xp = array_namespace(work.finished)
        places, states, steps = zip(*self.pieces, (self.staying, work.state, work.steps))
        order = xp.argsort(xp.concat(places))
        state = type(work.state)(*(xp.take(xp.concat(parts), order, axis=0) for parts in zip(*states)))
        return state, xp.take(xp.concat(steps), order, axis=0)


def _noted(history: dict[str, list], work: _Work, departed: _Departed) -> Progress:
    """Note error and penalty of a step: the largest of the stack, those that have left included."""
    state, xp = work.state, array_namespace(work.finished)
    history["error"].append(max(departed.error, float(xp.max(state.error))))
    history["mu"].append(max(departed.mu, float(xp.max(state.mu))) if hasattr(state, "mu") else None)
    return Progress(len(history["error"]), history["error"][-1], None, history["mu"][-1])


def _look(travel: Travel | None, count: int, work: _Work) -> None:
    """Let the penalty follow the distances that base and multiplier have moved."""
    if travel is not None and travel.looks(count):
        state = work.state
        travel(count, _sample(state.low_rank), _sample(state.dual), state.mu)


def _watch_of(solver: Any, request: Request, stack: bool) -> Watch | None:
    """Rule that ends a run before its error does; a stack ends on its errors and a wanted gap."""
    if not solver.convex or solver.sparse_kind == "custom":
        return None
    keeps = solver.two_sided and not stack
    return Watch(request.tol, request.gap, request.calm) if keeps or request.gap is not None else None


def _watched(watch: Watch, count: int, work: _Work) -> _Work:
    """Mark the matrices as finished whose gap, or whose base at rest, says so."""
    observed, solver, state, _, finished = work
    xp = array_namespace(finished)
    if bool(xp.all(finished)):
        return work
    residual = math.inf
    if watch.calm is not None:
        residual = float(xp.max(frobenius(_rest(observed, state)) / frobenius(observed.values)))
    if not watch.asks(count, _sample(state.low_rank), residual):
        return work
    gaps = relative_gap(observed, state.low_rank, state.dual, solver.lam, solver.slack, solver.sparse_kind)
    if finished.ndim == 2:
        watch.reason = watch.verdict(count, float(gaps[0, 0]))
        return work._replace(finished=xp.ones_like(finished)) if watch.reason else work
    met = ~finished & (gaps <= watch.gap)
    watch.reason = "gap" if bool(xp.any(met)) else watch.reason
    return work._replace(finished=finished | met)


def _sample(x: Array) -> Array:
    """A few lines across the longer side, the same as the tuned forms look at."""
    rows, columns = x.shape[-2:]
    every = lines(max(rows, columns))
    return x[..., every, :] if rows >= columns else x[..., every]


def _changes(travel: Travel) -> bool:
    return travel.change is not None and bool(array_namespace(travel.change).any(travel.change != 1))


def _stepped(work: _Work, count: int, tol: float, change: Array | None = None) -> _Work:
    """One step; a finished matrix keeps its answer, so that it does not depend on its neighbours."""
    observed, solver, state, steps, finished = work
    if change is not None:
        solver = replace(solver, growth=change)
    xp = array_namespace(finished)
    moved = solver.step(observed, state)
    state = type(state)(*(xp.where(finished, old, new) for old, new in zip(state, moved))) if count > 1 else moved
    steps = xp.where(finished, steps, xp.full_like(steps, count))
    return _Work(observed, work.solver, state, steps, finished | (state.error <= tol))


def _decomposition(
    observed: Observed, unit: Array, solver: Any, state: Any, steps: Array, history: dict, request: Request
) -> Decomposition:
    xp = array_namespace(observed.values)
    values = observed.values
    dual: Any = getattr(state, "dual", None)
    gap = None
    if solver.convex and solver.sparse_kind != "custom":
        gap = relative_gap(observed, state.low_rank, dual, solver.lam, solver.slack, solver.sparse_kind)
    rest = _rest(observed, state)
    size = frobenius(values)
    cells = values.shape[-1] * values.shape[-2] * observed_share(observed)
    nonzero = xp.sum(xp.astype(state.sparse != 0, values.dtype), axis=(-2, -1), keepdims=True)
    has_noise = bool(xp.any(state.noise != 0))
    zero = xp.broadcast_to(xp.zeros_like(values[..., :1, :1]), values.shape)
    return Decomposition(
        low_rank=state.low_rank * unit,
        sparse=state.sparse * unit,
        noise=state.noise * unit if has_noise else zero,
        n_iter=_plain(steps, int),
        status=Status(bool(xp.all(state.error <= request.tol)), ""),
        rank=_plain(_rank(state.low_rank), int),
        sparsity=_plain(nonzero / cells, float),
        residual=_plain(frobenius(rest) / xp.where(size > 0, size, xp.ones_like(size)), float),
        gap=None if gap is None else _plain(xp.maximum(gap, xp.zeros_like(gap)), float),
        mu=_plain(state.mu / unit, float) if hasattr(state, "mu") else None,
        lam=_plain(solver.lam + xp.zeros_like(unit), float) if solver.convex else None,
        history=history,
        solver=solver.name,
        dual=dual if request.needs_dual else None,
    )


def _rest(observed: Observed, state: Any) -> Array:
    xp = array_namespace(observed.values)
    rest = observed.values - state.low_rank - state.sparse - state.noise
    return rest if observed.mask is None else xp.where(observed.mask, rest, xp.zeros_like(rest))


def _rank(low_rank: Array) -> Array:
    xp = array_namespace(low_rank)
    s = xp.linalg.svdvals(low_rank)
    floor = 10 * max(low_rank.shape[-2:]) * xp.finfo(low_rank.dtype).eps * s[..., :1]
    return xp.sum(xp.astype(s > floor, xp.int64), axis=-1)[..., None, None]


def _plain(x: Array, kind: type) -> Any:
    """A number for one matrix, an array over the stack otherwise."""
    return kind(x[0, 0]) if x.ndim == 2 else x[..., 0, 0]
