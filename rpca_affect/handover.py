"""One solver's answer as the start of another: inexact ALM goes ahead, ADMM finishes what it left open."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rpca_affect.arrays import Observed, array_namespace
from rpca_affect.decomposition import Decomposition, largest
from rpca_affect.protocol import Progress, Request
from rpca_affect.solvers.ialm import InexactALM

__all__ = ["continued", "finish", "head_start_of", "run_ahead", "with_penalty_of"]

AHEAD_TOL = 1e-5  # beyond it the growing penalty of inexact ALM only makes the answer feasible, not better
AHEAD_MASKED = 1e-2  # the same with missing cells, which it fills from an answer that is not yet right
AHEAD_STEPS = 100

Run = Callable[[Any, Decomposition | None, Request], Decomposition]


def head_start_of(solver: Any) -> InexactALM | None:
    """Return the inexact ALM that goes ahead of a solver, or None where nothing does.

    ADMM needs hundreds of steps to forget a start from nothing, and tens from where inexact ALM ends. The optimum it
    converges to is the same. A solver whose penalty was chosen by hand, and a noise part, start on their own.
    """
    wanted = getattr(solver, "head_start", False) and solver.mu is None and solver.sparse_kind != "custom"
    if not wanted or not (isinstance(solver.slack, float) and solver.slack == 0.0):
        return None
    return InexactALM(lam=solver.lam, shrink=solver.shrink, lowrank=solver.lowrank)


def with_penalty_of(before: Decomposition | None, solver: Any) -> Any:
    """The solver with the penalty that its earlier answer ended with; itself where there is none."""
    if before is None or before.mu is None or before.solver != solver.name or not solver.moves_penalty:
        return solver
    return replace(solver, mu=before.mu if isinstance(before.mu, float) else before.mu[..., None, None])


def run_ahead(run: Run, solver: Any, ahead: InexactALM, request: Request, masked: bool) -> Decomposition:
    """Run inexact ALM for a few tens of steps, then the solver from there; steps and history are those of both."""
    told, stopped = request.callback, False

    def watch(progress: Progress) -> bool:
        nonlocal stopped
        stopped = told is not None and bool(told(progress))
        return stopped

    loose = replace(
        request,
        tol=max(request.tol, AHEAD_MASKED if masked else AHEAD_TOL),
        max_iter=min(AHEAD_STEPS, request.max_iter),
        callback=None if told is None else watch,  # without one, a GPU need not report every step
        keep_dual=True,
        start_above=-1.0,
        gap=None,
        calm=None,
    )
    first = run(ahead, None, loose)
    spent = int(largest(first.n_iter))
    if stopped or spent >= request.max_iter:
        status = replace(first.status, converged=False)
        return replace(first, solver=solver.name, status=status, dual=first.dual if request.keep_dual else None)
    return continued(first, run(solver, first, later(request, spent)))


def later(request: Request, spent: int) -> Request:
    """The same request after ``spent`` steps: fewer are left, the callback counts on, and the start may be spent."""
    callback = request.callback
    if callback is not None:
        told = callback
        callback = lambda progress: told(progress._replace(n_iter=progress.n_iter + spent))  # noqa: E731
    left = max(request.max_iter - spent, 1) if request.max_iter else 0  # 0: the solver's own default
    return replace(request, max_iter=left, callback=callback, spend_init=True)


def continued(first: Decomposition, second: Decomposition) -> Decomposition:
    """The second answer, with the steps and the history of both."""
    history = {name: [*first.history.get(name, []), *values] for name, values in second.history.items()}
    return replace(second, n_iter=first.n_iter + second.n_iter, history=history)


def finish(
    data: Observed, quick: Decomposition, solve_more: Callable[..., Decomposition], limit: float
) -> Decomposition:
    """Go on with the matrices whose duality gap is too large, and leave the others of a stack as they are.

    Parameters
    ----------
    data : Observed
    quick : Decomposition
        With its dual matrix.
    solve_more : callable ``(data, start, chosen) -> Decomposition``
        ``chosen`` lists the matrices of a stack that are left, or is None.
    limit : float
        Largest duality gap of an answer that is left as it is.

    Returns
    -------
    Decomposition
    """
    if data.given.ndim == 2:
        return continued(quick, solve_more(data, quick, None)) if largest(quick.gap) > limit else quick
    xp = array_namespace(data.given)
    cells = tuple(data.given.shape[-2:])
    if not bool(xp.any(quick.gap > limit)):  # one number from the device, in the common case
        return quick
    gaps = xp.reshape(quick.gap, (-1,))
    bad = [k for k in range(gaps.shape[0]) if float(gaps[k]) > limit]

    def chosen(x: Any) -> Any:
        flat = xp.reshape(x, (-1, *cells))
        return xp.stack([flat[k, ...] for k in bad])

    def numbers(x: Any) -> Any:
        flat = xp.reshape(x, (-1,))
        return xp.stack([flat[k] for k in bad])

    matrices: tuple[str, ...] = ("low_rank", "sparse", "noise", "dual")
    counts = ("n_iter", "rank", "sparsity", "residual", "gap", "mu")
    part = Observed(chosen(data.values), None if data.mask is None else chosen(data.mask))
    start = replace(
        quick,
        **{name: chosen(getattr(quick, name)) for name in matrices},
        **{name: numbers(getattr(quick, name)) for name in counts},
    )
    more = continued(start, solve_more(part, start, bad))
    matrices = tuple(name for name in matrices if getattr(more, name) is not None)  # the dual only if it was asked for
    merged = {}
    for names, shape in ((matrices, (-1, *cells)), (counts, (-1,))):
        for name in names:
            old, new = getattr(quick, name), getattr(more, name)
            rows = xp.reshape(old, shape)
            flat = [rows[k, ...] for k in range(rows.shape[0])]
            for place, k in enumerate(bad):
                flat[k] = new[place, ...]
            merged[name] = xp.reshape(xp.stack(flat), old.shape)
    history = {name: [*quick.history.get(name, []), *values] for name, values in more.history.items()}
    return replace(quick, **merged, history=history, status=more.status, solver=more.solver)
