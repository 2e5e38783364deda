"""`solve`: a matrix and a few options in, a `Decomposition` with its certificate out."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from rpca_affect import checks, engine, extremes, stages
from rpca_affect.apart import doubts as doubts_about_frames
from rpca_affect.apart import without
from rpca_affect.arrays import Observed, observe, observed_extent, observed_share, power_of_two
from rpca_affect.decomposition import Decomposition, Status, doubts_about, gap_limit
from rpca_affect.doubts import Doubt
from rpca_affect.lazy import is_lazy
from rpca_affect.measuring import measured_levels, noise_weight
from rpca_affect.padding import pad_clips
from rpca_affect.refusals import Refusal, Setting
from rpca_affect.request import Progress, Request
from rpca_affect.solvers import available_solvers
from rpca_affect.solvers.solver import framewise

__all__ = ["configured", "lambda_path", "solve", "with_doubts"]


def solve(
    observed: Any,
    solver: Any = "auto",
    *,
    lam: Any = None,
    noise: Any = None,
    mask: Any = None,
    sparse: str = "cells",
    apart: bool = False,
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
        of the same library and on the same device. Never modified. One lazy matrix (dask, zarr, xarray over dask) is
        never loaded: `rpca_affect.distributed.solve` solves it, and its parts are dask arrays.
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
        Whether single cells or whole frames are outliers. Outlying frames that are alike are low rank themselves and
        pass for base; a doubt says so.
    apart : bool, default False
        With ``sparse="frames"``, one matrix: solve again without the frames that have a direction of the base to
        themselves, outliers that are alike or a rare expression, until no others have. They cost nothing then: S takes
        them whole, and the duality gap is that of the model of the others. A doubt says how many they are.
    rank, cardinality : optional
        For the solvers that need them: rank of L; cells in S (a float below 1 is a share).
    tol : float, optional
        Stop when the solver's relative error is at most this; default 1e-7. In single precision a ``tol`` that rounding
        hides (below 3e-6, for ADMM 1e-4) is raised to that limit.
    gap : float, optional
        Stop as soon as the relative duality gap is proved to be at most this, too (convex models). Newton's method,
        which takes over near the optimum, needs about five times the memory of the input, where that is square seven.
        Without a gap, ADMM on one matrix also ends where the base stands still: it has moved by less than 2 ``tol`` in
        a third of all steps, and its gap is at most 10 ``tol``. Where ``"auto"`` is told neither ``tol`` nor ``gap``,
        the gap that calls for ADMM is all that has to be proved: inexact ALM with a slower penalty may do that, and
        ADMM ends once the parts add up and the base moves by less than 3e-4. The status tells.
    max_iter : int, optional
        Largest number of steps; the default is the solver's own.
    init : Decomposition, optional
        An earlier answer for similar data to start from (a lambda path, a sliding window).
    factored : bool, default False
        Keep the low-rank part as ``factors`` only and leave ``low_rank`` None (one matrix at a time).
    keep_dual : bool, default False
        Keep the dual matrix: for an outside check of the certificate, and for the best warm start.
    callback : callable, optional
        Called with a `rpca_affect.request.Progress` after every step; a true return value stops the solve.
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
    if is_lazy(observed):
        kept = {"factored": factored or None, "keep_dual": keep_dual or None, "apart": apart or None}
        _refuse_for_shards({"rank": rank, "cardinality": cardinality, "init": init} | kept)
        from rpca_affect import distributed

        words = {"lam": lam, "noise": noise, "mask": mask, "sparse": sparse, "tol": tol, "gap": gap}
        return distributed.solve(observed, solver, **words, max_iter=max_iter, callback=callback)
    if isinstance(observed, (list, tuple)) and all(getattr(clip, "ndim", 0) == 2 for clip in observed) and observed:
        observed = pad_clips(observed)
    data = observe(observed, mask)
    calm = tol is None
    tol = 1e-7 if tol is None else tol
    checks.of_solve(tol, gap, max_iter, sparse, lam, callback)
    if rank is not None:
        checks.whole("rank", rank, least=0, most=min(data.given.shape[-2:]))
    if cardinality is not None:
        checks.number("cardinality", cardinality, least=0)
    if factored and data.given.ndim > 2:
        raise ValueError("factored=True is for one matrix at a time: loop over the stack")
    if init is not None and not isinstance(init, Decomposition):
        raise TypeError(f"init is {type(init).__name__}: give the Decomposition that an earlier solve returned")
    if init is not None and tuple(init.sparse.shape) != tuple(data.given.shape):
        raise ValueError(
            f"init belongs to a matrix of shape {tuple(init.sparse.shape)}, not {tuple(data.given.shape)}: "
            "start from an answer of the same shape"
        )
    if apart:
        if sparse != "frames" or data.given.ndim > 2:
            raise Refusal(
                Setting("apart", True),
                " is for one matrix with ",
                Setting("sparse", "frames"),
                ": set both, or neither.",
            )
        given = {
            "lam": lam,
            "noise": noise,
            "rank": rank,
            "cardinality": cardinality,
            "tol": None if calm else tol,
            "gap": gap,
            "max_iter": max_iter,
            "init": init,
            "factored": factored,
            "keep_dual": keep_dual,
            "callback": callback,
            "random_state": random_state,
        }
        return without(data, lambda known: solve(data.given, solver, mask=known, sparse="frames", **given))
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
    auto = isinstance(solver, str) and solver == "auto"
    if auto:
        request = replace(request, calm=gap_limit(data.given) if calm and gap is None else None)
        plan, request = _auto(data, numbers, init, request)
    else:
        plan = stages.by_itself(configured(solver, numbers), init)
    answer = _solved(plan, data, init, request)
    last = plan[-1].solver
    own = last.doubts(data, answer) if hasattr(last, "doubts") else ()
    own = (*own, *doubts_about_frames(answer)) if sparse == "frames" else own
    noisy = not (isinstance(slack := getattr(last, "slack", 0.0), float) and slack == 0.0)
    return replace(answer, status=with_doubts(answer, data, (*unsure,), own, noisy))


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


def _refuse_for_shards(words: dict[str, Any]) -> None:
    """Refuse the options that do not exist for a matrix that is never loaded."""
    given = [name for name, value in words.items() if value is not None]
    if given:
        raise ValueError(
            f"{', '.join(given)}: not for a lazy matrix, which rpca_affect.distributed.solve solves: leave that out, "
            "or load the matrix"
        )


def _slack(data: Observed, noise: Any, sparse: str) -> tuple[Any, tuple[Doubt, ...]]:
    """Weight of the noise part, from a standard deviation, one per feature, or the data; and doubts about it."""
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


def with_doubts(
    answer: Decomposition, data: Observed, before: tuple[Doubt, ...], own: tuple[Doubt, ...], noisy: bool
) -> Status:
    """The status of an answer with its doubts: those known before the solve, those it raises, those of its solver."""
    found = doubts_about(answer, tuple(data.given.shape), noisy=noisy, limit=gap_limit(data.given))
    return replace(answer.status, doubts=(*before, *found, *own))


def _auto(data: Observed, numbers: dict[str, Any], init: Any, request: Request) -> tuple[list[stages.Stage], Request]:
    """The plan of ``"auto"``, and the request without the options that the plan does not use."""
    if "rank" in numbers:
        name = "godec" if "cardinality" in numbers else "altproj"
        return stages.by_itself(configured(name, numbers), init), replace(request, calm=None)
    exact = configured("admm", numbers)
    if "slack" in numbers or "shrink" in numbers or data.mask is not None:
        return stages.proved(exact, data, init, request.gap), replace(request, calm=None)
    limit = request.gap or gap_limit(data.given)
    return stages.quick_first(configured("ialm", numbers), exact, request.gap, limit, bool(request.calm)), request


def _solved(plan: list[stages.Stage], data: Observed, init: Decomposition | None, request: Request) -> Decomposition:
    """Run a plan, on the data without their gigantic cells if these stay outliers in the answer."""
    top, last = data.largest(), plan[-1].solver
    if data.given.ndim == 2 and last.convex and last.sparse_kind == "cells":
        limits = extremes.limits_of(data, top)
        if limits is not None:
            # The gap of the clipped matrix may be smaller than that of this one; the engine knows enough without Y.
            keep = request.keep_dual or len(plan) > 2 or not engine.accepts(data, last)
            unit = power_of_two(limits.largest(data))
            answer = stages.run(plan, data, unit, init, replace(request, limits=limits, keep_dual=keep))
            whole = extremes.restored(data, limits, answer)
            if whole is not None:
                return whole if request.keep_dual else replace(whole, dual=None)
    return stages.run(plan, data, power_of_two(top), init, request)
