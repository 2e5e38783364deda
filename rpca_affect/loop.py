"""The reference loop: a solver's own ``step``, repeated on any array library, one matrix or a stack."""

from typing import Any

from rpca_affect.arrays import Array, Observed, array_namespace, frobenius, observed_share
from rpca_affect.certificate import relative_gap
from rpca_affect.decomposition import Decomposition, Factors, Status
from rpca_affect.protocol import Progress, Request

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
    observed = Observed(data.values / unit, data.mask)
    solver = solver.rescaled(unit).tuned(observed)
    state = solver.init(observed) if init is None else solver.resume(observed, init, unit)
    finished = xp.zeros_like(unit, dtype=xp.bool)
    steps = xp.zeros_like(unit, dtype=xp.int64)
    history: dict[str, list] = {"error": [], "mu": []}
    for count in range(1, request.max_iter + 1):
        moved = solver.step(observed, state)
        # A finished matrix of a stack keeps its answer, so that it does not depend on its neighbours.
        state = type(state)(*(xp.where(finished, old, new) for old, new in zip(state, moved))) if count > 1 else moved
        steps = xp.where(finished, steps, xp.full_like(steps, count))
        finished = state.error <= request.tol
        history["error"].append(float(xp.max(state.error)))
        history["mu"].append(float(xp.max(state.mu)) if hasattr(state, "mu") else None)
        stop = request.callback is not None and request.callback(
            Progress(count, history["error"][-1], None, history["mu"][-1])
        )
        if stop or bool(xp.all(finished)):
            break
    return _decomposition(observed, unit, solver, state, steps, history, request)


def _decomposition(
    observed: Observed, unit: Array, solver: Any, state: Any, steps: Array, history: dict, request: Request
) -> Decomposition:
    xp = array_namespace(observed.values)
    values = observed.values
    dual = getattr(state, "dual", None)
    gap = None
    if solver.convex and solver.sparse_kind != "custom":
        gap = relative_gap(observed, state.low_rank, dual, solver.lam, solver.slack, solver.sparse_kind)
    rest = values - state.low_rank - state.sparse - state.noise
    if observed.mask is not None:
        rest = xp.where(observed.mask, rest, xp.zeros_like(rest))
    size = frobenius(values)
    cells = values.shape[-1] * values.shape[-2] * observed_share(observed)
    nonzero = xp.sum(xp.astype(state.sparse != 0, values.dtype), axis=(-2, -1), keepdims=True)
    has_noise = bool(xp.any(state.noise != 0))
    zero = xp.broadcast_to(xp.zeros_like(values[..., :1, :1]), values.shape)
    return Decomposition(
        low_rank=None if request.factored else state.low_rank * unit,
        sparse=state.sparse * unit,
        noise=state.noise * unit if has_noise else zero,
        n_iter=_plain(steps, int),
        status=Status(bool(xp.all(state.error <= request.tol)), ""),
        rank=_plain(_rank(state.low_rank), int),
        sparsity=_plain(nonzero / cells, float),
        residual=_plain(frobenius(rest) / xp.where(size > 0, size, xp.ones_like(size)), float),
        gap=None if gap is None else _plain(xp.maximum(gap, xp.zeros_like(gap)), float),
        lam=_plain(solver.lam + xp.zeros_like(unit), float) if solver.convex else None,
        history=history,
        solver=solver.name,
        factors=_factors(state.low_rank, unit) if request.factored else None,
        dual=dual if request.keep_dual else None,
    )


def _rank(low_rank: Array) -> Array:
    xp = array_namespace(low_rank)
    s = xp.linalg.svdvals(low_rank)
    floor = 10 * max(low_rank.shape[-2:]) * xp.finfo(low_rank.dtype).eps * s[..., :1]
    return xp.sum(xp.astype(s > floor, xp.int64), axis=-1)[..., None, None]


def _factors(low_rank: Array, unit: Array) -> Factors:
    xp = array_namespace(low_rank)
    u, s, vt = xp.linalg.svd(low_rank, full_matrices=False)
    rank = int(_rank(low_rank)[0, 0])
    return Factors(u[:, :rank], s[:rank] * unit[0, 0], vt[:rank, :])


def _plain(x: Array, kind: type) -> Any:
    """A number for one matrix, an array over the stack otherwise."""
    return kind(x[0, 0]) if x.ndim == 2 else x[..., 0, 0]
