"""The front door of the solvers: from a matrix and a few words to a `Decomposition` that knows how good it is."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from rpca_affect import checks, engine, extremes, handover, loop, newton
from rpca_affect.arrays import (
    Observed,
    array_namespace,
    observe,
    observed_extent,
    observed_share,
    pad_clips,
    power_of_two,
)
from rpca_affect.decomposition import Decomposition, Factors, Status, doubts_about, gap_limit, largest
from rpca_affect.doubts import Doubt
from rpca_affect.measuring import measured_levels, noise_weight
from rpca_affect.protocol import Progress, Request
from rpca_affect.solvers import available_solvers
from rpca_affect.solvers.base import framewise

__all__ = ["configured", "lambda_path", "solve", "status_of"]

NEAR = 1e-3  # duality gap from which Newton's method takes over from ADMM


def solve(
    observed: Any,
    solver: Any = "auto",
    *,
    lam: Any = None,
    noise: Any = None,
    mask: Any = None,
    sparse: str = "cells",
    rank: int | None = None,
    cardinality: float | None = None,
    tol: float | None = None,
    gap: float | None = None,
    max_iter: int | None = None,
    init: Decomposition | None = None,
    factored: bool = False,
    keep_dual: bool = False,
    callback: Callable[[Progress], Any] | None = None,
    random_state: Any = None,
) -> Decomposition:
    """Split a matrix, or a stack of matrices, into low-rank, sparse and noise parts.

    Convex solvers solve ``argmin_{L,S,N} ||L||_* + lam g(S) + ||N||_F^2 / (2 slack)  subject to  L + S + N = M`` on the
    observed cells, with ``g(S) = ||S||_1`` or the sum of row lengths and ``slack = (sqrt(m) + sqrt(n)) sqrt(p) noise``,
    p the observed share (no N without ``noise``).

    Parameters
    ----------
    observed : array-like, shape (..., m, n)
        Frames x features, a stack of such matrices, or a list of them (padded with missing frames to the longest,
        which changes no answer); NaN marks a missing cell. NumPy, CuPy or torch: the result is
        of the same library and on the same device. Never modified.
    solver : str or solver object, default "auto"
        ``"ialm"``, ``"admm"``, ``"godec"``, ``"altproj"``, or a configured instance. ``"auto"``: GoDec when ``rank``
        and ``cardinality`` are given, alternating projections when only ``rank`` is, ADMM when there is noise, a
        missing cell or frame-wise sparsity; otherwise inexact ALM, continued by ADMM when its duality gap exceeds 1e-3
        (5e-3 in single precision).
    lam : float or array (..., 1, 1), optional
        Weight of the sparse part; default ``1 / sqrt(p max(m, n))`` with p the observed share.
    noise : float, array (n,), "auto" or None
        Standard deviation of dense noise, in the units of the input. ``"auto"`` measures it per feature from first
        differences over frames, or, where the frames show no order in time (a doubt says so), from the bulk of the
        singular values; None means no noise part.
    mask : array-like of bool, broadcastable to ``observed``, optional
        True where a cell may be trusted.
    sparse : {"cells", "frames"}
        Whether single cells or whole frames are outliers.
    rank, cardinality : optional
        For the solvers that need them: rank of L; cells in S (a float below 1 is a share).
    tol : float, optional
        Stop when the solver's relative error is at most this; default 1e-7. In single precision a ``tol`` that rounding
        hides (below 3e-6, for ADMM 1e-4) is raised to what can be seen.
    gap : float, optional
        Stop as soon as the relative duality gap is proved to be at most this, too (convex models). Without it, ADMM on
        one matrix also ends where the base stands still: it has moved by less than 2 ``tol`` in a third of all steps,
        and its gap is at most 10 ``tol``. Where ``"auto"`` has called ADMM without a ``tol``, 3e-4 and the gap that
        called it are enough after 1,000 steps, once the parts add up. The status tells.
    max_iter : int, optional
        Largest number of steps; the default is the solver's own.
    init : Decomposition, optional
        An earlier answer for similar data to start from (a lambda path, a sliding window).
    factored : bool, default False
        Keep the low-rank part as ``factors`` only and leave ``low_rank`` None (one matrix at a time).
    keep_dual : bool, default False
        Keep the dual matrix: for an outside check of the certificate, and for the best warm start.
    callback : callable, optional
        Called with a `rpca_affect.protocol.Progress` after every step; a true return value stops the solve.
    random_state : int or numpy.random.Generator, optional
        Seed of the solvers that draw.

    Returns
    -------
    Decomposition
        Unpacks as ``low_rank, sparse``.

    Raises
    ------
    TypeError, ValueError
        With one sentence, for data or parameters that cannot be used.

    References
    ----------
    Candes, Li, Ma & Wright (2011), Robust principal component analysis?; Zhou, Li, Wright, Candes & Ma (2010), Stable
    principal component pursuit.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> base = np.outer(np.linspace(1, 2, 60), np.linspace(-1, 1, 40))
    >>> bursts = np.zeros((60, 40)); bursts[10:14, 5] = 3.0
    >>> low_rank, sparse = ra.solve(base + bursts)
    >>> bool(np.allclose(low_rank, base, atol=1e-5)), int((abs(sparse) > 1).sum())
    (True, 4)
    """
    if isinstance(observed, (list, tuple)) and all(getattr(clip, "ndim", 0) == 2 for clip in observed) and observed:
        observed = pad_clips(observed)
    data = observe(observed, mask)
    calm = tol is None
    tol = 1e-7 if tol is None else tol
    checks.of_solve(tol, gap, max_iter, sparse, lam)
    if rank is not None:
        checks.whole("rank", rank, least=0, most=min(data.given.shape[-2:]))
    if cardinality is not None:
        checks.number("cardinality", cardinality, least=0)
    if factored and data.given.ndim > 2:
        raise ValueError("factored=True is for one matrix at a time: loop over the stack")
    if init is not None and tuple(init.sparse.shape) != tuple(data.given.shape):
        raise ValueError(
            f"init belongs to a matrix of shape {tuple(init.sparse.shape)}, not {tuple(data.given.shape)}: "
            "start from an answer of the same shape"
        )
    weight, unsure = (None, ()) if noise is None else _slack(data, noise, sparse)
    numbers = {
        "lam": lam,
        "slack": weight,
        "shrink": framewise if sparse == "frames" else None,
        "rank": rank,
        "cardinality": cardinality,
        "random_state": random_state,
    }
    numbers = {name: value for name, value in numbers.items() if value is not None}
    request = Request(tol, max_iter or 0, callback, factored, keep_dual, gap=gap)
    if solver == "auto" and calm and gap is None:
        request = replace(request, calm=gap_limit(data.given))
    if isinstance(solver, str) and solver == "auto":
        answer = _solve_auto(data, numbers, init, request)
    else:
        answer = _solve_with(data, configured(solver, numbers), init, request)
    if not unsure:
        return answer
    return replace(answer, status=replace(answer.status, doubts=(*unsure, *answer.status.doubts)))


def lambda_path(observed: Any, lams: Iterable[float], solver: Any = "admm", **options: Any) -> list[Decomposition]:
    """Solve for a sequence of weights of the sparse part, each from the answer before.

    Parameters
    ----------
    observed : array-like, shape (..., m, n)
    lams : iterable of float
        In the order of solution; neighbouring values should be close.
    solver, **options
        As in `solve`.

    Returns
    -------
    list of Decomposition
        In the order of ``lams``.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> M = np.outer(np.arange(1.0, 31.0), np.ones(20)); M[3, 5] += 100.0
    >>> [split.rank for split in ra.lambda_path(M, [0.03, 0.2])]
    [0, 1]
    """
    answers: list[Decomposition] = []
    for lam in lams:
        before = answers[-1] if answers else options.get("init")
        answers.append(solve(observed, solver, **{**options, "lam": lam, "init": before, "keep_dual": True}))
    return answers if options.get("keep_dual") else [replace(answer, dual=None) for answer in answers]


def _slack(data: Observed, noise: Any, sparse: str) -> tuple[Any, tuple[Doubt, ...]]:
    """Weight of the noise part, from a standard deviation, one per feature, or the data; and what may be doubted."""
    shape: Any = tuple(data.given.shape)
    share: Any = 1.0
    if data.mask is not None:  # frames and features without an observed cell have no influence
        rows, columns = observed_extent(data)
        share = observed_share(data) * (shape[-2] * shape[-1]) / (rows * columns)
        shape = (*shape[:-2], rows, columns)
    return noise_weight(noise, sparse, data.given, shape, share, lambda: measured_levels(data))


def configured(solver: Any, numbers: dict[str, Any]) -> Any:
    """Turn a name into a solver, and write what the call gives over the numbers of the instance."""
    if isinstance(solver, str):
        known = available_solvers()
        if solver not in known:
            raise ValueError(f"solver {solver!r} is not known: give one of {', '.join(sorted(known))} or 'auto'")
        solver = known[solver]()
    if not (hasattr(solver, "step") and hasattr(solver, "init")) or isinstance(solver, type):
        raise TypeError(f"solver is {solver!r}: give a name, or an object with init(observed) and step(...)")
    words = {"slack": "noise", "shrink": "sparse='frames'"}
    misplaced = [words.get(name, name) for name in numbers if not hasattr(solver, name) and name != "random_state"]
    if misplaced:
        raise ValueError(f"solver {solver.name!r} does not take {', '.join(misplaced)}: use another solver, or 'auto'")
    return replace(solver, **{name: value for name, value in numbers.items() if hasattr(solver, name)})


def _solve_auto(data: Observed, numbers: dict[str, Any], init: Any, request: Request) -> Decomposition:
    if "rank" in numbers:
        name = "godec" if "cardinality" in numbers else "altproj"
        return _solve_with(data, configured(name, numbers), init, request)
    if "slack" in numbers or "shrink" in numbers or data.mask is not None:
        return _proved_by_admm(data, configured("admm", numbers), init, replace(request, calm=None))
    limit = request.gap or gap_limit(data.given)
    # A wanted gap is proved by others: here it is enough to find rank and support.
    tol = request.tol if request.gap is None else max(request.tol, handover.AHEAD_TOL)
    quick = _solve_with(data, configured("ialm", numbers), init, replace(request, start_above=limit, tol=tol))

    def more(part: Observed, start: Decomposition, chosen: list[int] | None) -> Decomposition:
        spent = int(largest(quick.n_iter))
        found = None if chosen is not None else _by_newton(part, start, 0.0, request, spent)
        if found is not None:
            return found
        left = {name: _of_matrices(value, chosen) for name, value in numbers.items()}
        return _solve_with(part, configured("admm", left), start, handover.later(request, spent), spent)

    if quick.converged:
        quick = handover.finish(data, quick, more, limit)
    return quick if request.keep_dual else replace(quick, dual=None)


def _proved_by_admm(data: Observed, solver: Any, init: Any, request: Request) -> Decomposition:
    """Run ADMM; where a gap is wanted, only until Newton's method may take over."""
    if request.gap is None or request.gap >= NEAR or solver.sparse_kind != "cells":
        return _solve_with(data, solver, init, request)
    near = _solve_with(data, solver, init, replace(request, gap=NEAR, keep_dual=True, factored=False))
    answer, spent = near, int(largest(near.n_iter))
    if near.converged and largest(near.gap) > request.gap:
        found = _by_newton(data, near, solver.slack, request, spent)
        if found is None:
            found = _solve_with(data, solver, near, handover.later(request, spent), spent)
        answer = handover.continued(near, found)
    answer = _factored(answer) if request.factored and answer.factors is None else answer
    return answer if request.keep_dual else replace(answer, dual=None)


def _factored(answer: Decomposition) -> Decomposition:
    """The same answer with its low-rank part in factors only."""
    left, values, right = array_namespace(answer.low_rank).linalg.svd(answer.low_rank, full_matrices=False)
    kept = slice(0, int(answer.rank))
    return replace(answer, low_rank=None, factors=Factors(left[:, kept], values[kept], right[kept, :]))


def _by_newton(data: Observed, start: Decomposition, slack: Any, request: Request, spent: int) -> Decomposition | None:
    """Go on by Newton's method from an answer that is nearly right; None where it may not, or does not get there."""
    if request.gap is None or not newton.suits(data, start, slack):
        return None
    found = newton.polished(data, start, float(largest(start.lam)), float(slack), request.gap)
    if found is None:
        return None
    found = _factored(found) if request.factored else found
    return replace(found, status=status_of(found, data, request, (), spent, slack > 0))


def _of_matrices(value: Any, chosen: list[int] | None) -> Any:
    """The part of a number, given one per matrix of a stack, that belongs to the chosen matrices."""
    if chosen is None or getattr(value, "ndim", 0) < 3:
        return value
    xp = array_namespace(value)
    flat = xp.reshape(value, (-1, *value.shape[-2:]))
    return xp.stack([flat[k if flat.shape[0] > 1 else 0, ...] for k in chosen])


def _solve_with(
    data: Observed, solver: Any, init: Decomposition | None, request: Request, spent: int = 0
) -> Decomposition:
    """Run one solver, on the tuned engine where there is one; ``spent`` steps were taken before."""
    request = replace(request, max_iter=request.max_iter or solver.default_max_iter)
    if data.given.dtype == array_namespace(data.given).float32:
        request = replace(request, tol=max(request.tol, solver.float32_tol))
    ahead = handover.head_start_of(solver) if init is None else None
    top = data.largest()

    def run(request: Request) -> Decomposition:
        unit = power_of_two(top if request.limits is None else request.limits.largest(data))

        def run_one(one: Any, start: Decomposition | None, asked: Request) -> Decomposition:
            return (engine if engine.accepts(data, one) else loop).run(data, unit, one, start, asked)

        if ahead is None:
            return run_one(handover.with_penalty_of(init, solver), init, request)
        return handover.run_ahead(run_one, solver, ahead, request, data.mask is not None)

    answer = None
    if data.given.ndim == 2 and solver.convex and solver.sparse_kind == "cells":
        limits = extremes.limits_of(data, top)
        if limits is not None:
            # Should an outlier not stay one, then the start is needed again.
            # The gap of the clipped matrix may be smaller than that of this one; the engine knows enough without Y.
            keep = request.needs_dual or not engine.accepts(data, solver)
            answer = run(replace(request, limits=limits, spend_init=False, keep_dual=keep))
            answer = extremes.restored(data, limits, answer)
            if answer is not None:
                answer = extremes.certified(data, answer, getattr(solver, "slack", 0.0))
                answer = answer if request.needs_dual else replace(answer, dual=None)
    answer = run(request) if answer is None else answer
    own = solver.doubts(data, answer) if hasattr(solver, "doubts") else ()
    noisy = not (isinstance(slack := getattr(solver, "slack", 0.0), float) and slack == 0.0)
    return replace(answer, status=status_of(answer, data, request, own, spent, noisy))


def status_of(
    answer: Decomposition, data: Observed, request: Request, own: tuple[Doubt, ...], spent: int, noisy: bool
) -> Status:
    error = answer.history["error"][-1] if answer.history["error"] else 0.0
    steps = int(largest(answer.n_iter)) + spent
    reason = "tol" if answer.status.converged else "callback" if steps < request.max_iter + spent else "max_iter"
    found = doubts_about(answer, tuple(data.given.shape), noisy=noisy, limit=gap_limit(data.given))
    gap = None if answer.gap is None else largest(answer.gap)
    measure = {"steps": steps, "error": error, "gap": gap, "tol": request.tol}
    return Status(answer.status.converged, answer.status.reason or reason, (*found, *own), measure)
