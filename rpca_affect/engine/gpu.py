"""Inexact ALM and ADMM on CuPy arrays: one fused pass and one batched eigenproblem per step, few synchronisations."""

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from rpca_affect.arrays import Observed, is_cupy_array, is_numpy_array
from rpca_affect.certificate import gap_of, loss
from rpca_affect.decomposition import Decomposition
from rpca_affect.engine.cells.gpu import Cells, Work, advanced, held_square, kept_and_carried, violated_square
from rpca_affect.engine.spectrum.gpu import GramThreshold, SubspaceThreshold, gram, largest
from rpca_affect.engine.tuning import BATCH_SIDE, CHECK_EVERY, GRAM_SIDE
from rpca_affect.penalty import Travel, lines
from rpca_affect.prox import singular_value_threshold
from rpca_affect.request import Progress, Request
from rpca_affect.solvers.admm import ADMM
from rpca_affect.solvers.ialm import InexactALM
from rpca_affect.solvers.solver import cellwise, default_lam
from rpca_affect.stopping import FIRST, LATER, ended

__all__ = ["accepts", "namespace", "run"]

Array = Any  # of CuPy, which has no types for a checker, or of NumPy

NUMBERS = ("lam", "slack", "mu", "growth", "relax")


def namespace() -> Any:
    """Import CuPy, or name the package to install.

    Raises
    ------
    ImportError
        With one sentence, when CuPy or a GPU is missing.
    """
    try:
        import cupy
    except ImportError as error:
        raise ImportError(
            "CuPy is not installed: `pip install 'rpca-affect[gpu]'`, or for CUDA 12 `pip install cupy-cuda12x`"
        ) from error
    try:
        found = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise ImportError(f"CuPy is installed but finds no GPU: check the NVIDIA driver ({error})") from error
    if not found:
        raise ImportError("CuPy is installed but finds no GPU: check the NVIDIA driver")
    return cupy


def accepts(data: Observed, solver: Any) -> bool:
    """Tell whether these are CuPy arrays and a convex solver with its own operators for sparse cells."""
    return is_cupy_array(data.values) and fits(data, solver)


def fits(data: Observed, solver: Any) -> bool:
    """Tell whether the iteration covers this shape and solver, whatever the array library."""
    return (
        (data.values.ndim == 2 or min(data.values.shape[-2:]) <= BATCH_SIDE)
        and type(solver) in (InexactALM, ADMM)
        and solver.lowrank is singular_value_threshold
        and solver.shrink is cellwise
    )


def run(data: Observed, unit: Array, solver: Any, init: Decomposition | None, request: Request) -> Decomposition:
    """Compute the answer of `rpca_affect.loop.run`; the host looks at the errors every few steps only.

    A matrix that has met ``tol`` is frozen on the device in that step, so its answer is that of the reference
    whenever the host notices; when half of a stack has finished, it leaves. NumPy arrays take the same path (that is
    how it is tested where there is no GPU).
    """
    with nullcontext() if is_numpy_array(data.values) else data.values.device:  # new arrays belong beside the data
        solve = _Solve(request.limited(data), unit, solver, init, request)
        pieces, course = solve.iterate()
        return solve.decomposition(pieces, course)


class _Solve:
    def __init__(self, data: Observed, unit: Array, solver: Any, init: Any, request: Request) -> None:
        self.shape, self.request = tuple(data.values.shape), request
        self.xp = xp = np if is_numpy_array(data.values) else namespace()
        self.wide = self.shape[-2] <= self.shape[-1]
        self.unit = self.flat(unit)
        mask = None if data.mask is None else self.flat(data.mask)
        self.observed = Observed(self.flat(data.values) / self.unit, mask)
        self.given, self.init = solver.rescaled(unit), init
        self.work, self.solver = self.first()
        self.travels = self.given.moves_penalty
        single = len(self.unit) == 1 and min(self.shape[-2:]) > GRAM_SIDE
        self.threshold: Any = SubspaceThreshold(xp, min(self.shape[-2:])) if single else GramThreshold(xp)

    def flat(self, x: Array) -> Array:
        """All leading axes in one (or a first axis of length 1)."""
        return x.reshape(-1, *x.shape[-2:])

    def turned(self, x: Array) -> Array:
        """Matrices with their smaller side first (or back)."""
        return x if self.wide else x.swapaxes(-1, -2)

    def number(self, x: Any) -> Any:
        """A number of the solver as float64 on the device, its first axis counting matrices (or of length 1)."""
        x = self.xp.asarray(x, dtype=self.xp.float64)
        if x.ndim > 3:
            x = self.flat(self.xp.broadcast_to(x, (*self.shape[:-2], *x.shape[-2:])))
        return x.reshape((1,) * (3 - x.ndim) + x.shape)

    def first(self) -> tuple[Work, Any]:
        """Fill in the solver's open numbers, and the argument of the first threshold."""
        xp, observed, solver, init = self.xp, self.observed, self.given, self.init
        given = {name: getattr(solver, name) for name in NUMBERS}
        solver = replace(solver, **{name: self.number(x) for name, x in given.items() if x is not None})
        if solver.lam is None:
            solver = replace(solver, lam=self.number(default_lam(observed)))
        values = xp.ascontiguousarray(self.turned(observed.values))
        top = None
        if solver.name == "ialm":  # the spectral norm by the Gram matrix, where first_mu would take an SVD
            top = xp.sqrt(xp.maximum(largest(xp, gram(xp, values)), 0))
            top = xp.where(top > 0, top, 1.0)
            solver = solver if solver.mu is not None else replace(solver, mu=1.25 / top)
        elif solver.mu is None:
            solver = replace(solver, mu=self.number(solver.first_mu(observed)))
        column = xp.ones((len(values), 1, 1), dtype=xp.float64)
        mu = solver.mu * column
        slack = self.turned(solver.slack)
        if not bool((slack != 0).any()):
            slack = None
        if init is not None:
            before = {name: getattr(init, name) for name in ("low_rank", "sparse", "noise", "dual")}
            before = {name: None if x is None else self.flat(x) for name, x in before.items()}
            if before["low_rank"] is None:
                before["low_rank"] = self.flat(init.factors.matrix())
            start = solver.resume(observed, replace(init, **before), self.unit).argument
            argument = xp.array(self.turned(start), dtype=values.dtype, order="C")
        elif top is None:
            argument = values.copy()
        else:  # InexactALM.init, with the norm that is known already: one shrinkage of M + Y / mu
            top = xp.maximum(top, abs(values).max(axis=(-2, -1), keepdims=True) / solver.lam)
            shift = (1 / (mu * top)).astype(values.dtype)
            nothing = xp.zeros_like(values)
            cells = Cells(values, values * shift, nothing, self.seen(), slack, solver.lam * column, mu / mu, mu)
            argument = kept_and_carried(cells)[0]
        flags = xp.zeros((len(values), 1, 1), dtype=bool)
        work = Work(
            values,
            xp.ascontiguousarray(argument),
            self.seen(),
            slack,
            solver.lam * column,
            mu,
            solver.mu_range * mu,
            solver.growth * column,
            solver.relax * column,
            xp.sqrt((values.astype(xp.float64) ** 2).sum(axis=(1, 2), keepdims=True)),
            xp.full_like(column, xp.inf),
            xp.zeros((len(values), 1, 1), dtype=xp.int64),
            flags,
            xp.arange(len(values)),
        )
        return work, solver

    def seen(self) -> Array | None:
        mask = self.observed.mask
        return None if mask is None else self.xp.ascontiguousarray(self.turned(mask))

    def iterate(self) -> tuple[list[dict], list[tuple[Array, Array]]]:
        """Step until everything is frozen; return the finished parts, and the course of error and penalty."""
        xp, request, work = self.xp, self.request, self.work
        pieces: list[dict] = []
        course: list[tuple[Array, Array]] = []
        past = [xp.zeros(()), xp.zeros(())]
        travel = Travel() if self.travels else None
        across = lines(work.values.shape[-1])
        pace, look = work.growth, FIRST
        for count in range(1, request.max_iter + 1):
            low = self.threshold(work.argument, work.mu)
            change = None if travel is None else travel.taken()
            # A frozen matrix keeps the factor of its last step too.
            pace = xp.where(work.done, pace, work.growth if change is None else change)
            mu = xp.minimum(pace * work.mu, work.cap)
            cells = work.cells(low.low_rank, mu)
            violation = xp.sqrt(violated_square(cells))
            scale = work.size
            if self.solver.two_sided:
                own = xp.sqrt(held_square(cells))
                scale = xp.where(own > 0, xp.minimum(scale, own), scale)
            error = violation / xp.where(scale > 0, scale, 1.0)
            work = work._replace(
                error=xp.where(work.done, work.error, error), steps=work.steps + (~work.done).astype(xp.int64)
            )
            work = work._replace(done=work.done | (work.error <= request.tol))
            if request.gap is not None and count >= look:
                look = math.ceil(LATER * count)
                gaps = self.gap(work, low, (mu * kept_and_carried(cells)[0]).astype(work.values.dtype))
                work = work._replace(done=work.done | (gaps <= request.gap))
            course.append((xp.maximum(past[0], work.error.max()), xp.maximum(past[1], mu.max())))
            if travel is not None and travel.looks(count):
                travel(count, low.low_rank[..., across], mu * kept_and_carried(cells)[0][..., across], mu)
            last = count == request.max_iter
            looks = last or request.callback is not None or count % CHECK_EVERY == 0
            if request.callback is not None:
                progress = Progress(count, float(course[-1][0]), None, float(course[-1][1]))
                last = bool(request.callback(progress)) or last
            if looks:
                ended = int(work.done.sum())
                if last or ended == len(work.values):
                    if last or self.threshold.complete(work.argument, low.low_rank, work.mu):
                        pieces.append(self.parts(work, low, mu, violation))
                        return pieces, course
                    # A singular value was missed, and a grown penalty would keep that: again, by the sure route.
                    self.threshold = GramThreshold(xp)
                    self.work, self.solver = self.first()
                    return self.iterate()
            work = work._replace(
                argument=advanced(work.cells(low.low_rank, mu), work.relax, work.done),
                mu=xp.where(work.done, work.mu, mu),
            )
            if looks and 2 * ended >= len(work.values):
                order = xp.argsort(work.done[:, 0, 0].astype(xp.int8))  # those at work first
                leave, stay = order[len(order) - ended :], order[: len(order) - ended]
                some = type(low)(low.low_rank[leave], low.shrunk[leave])
                pieces.append(self.parts(work.rows(leave), some, mu[leave], violation[leave]))
                past = [xp.maximum(past[0], work.error[leave].max()), xp.maximum(past[1], mu[leave].max())]
                work, pace = work.rows(stay), pace[stay]
                if travel is not None:
                    travel.rows(stay)
        raise AssertionError("the last step returns")

    def parts(self, work: Work, low: Any, mu: Array, violation: Array) -> dict:
        """The parts of matrices whose argument is that of their last step, with their certificates."""
        xp = self.xp
        cells = work.cells(low.low_rank, mu)
        kept, carried = kept_and_carried(cells)
        dtype = kept.dtype
        wanted = work.values - low.low_rank + carried
        loosening = 1 if work.slack is None else (1 + mu * work.slack).astype(dtype)
        loose, level = kept * loosening, (work.lam / mu).astype(dtype) * loosening
        sparse = xp.where(abs(wanted) > level, wanted - loose, xp.zeros_like(kept))
        if work.seen is not None:
            sparse = sparse * work.seen
        dual = kept * mu.astype(dtype)
        size = work.size
        count = work.values[0].size if work.seen is None else work.seen.sum(axis=(1, 2), keepdims=True)
        return {
            "place": work.place,
            "low_rank": low.low_rank,
            "sparse": sparse,
            "noise": None if work.slack is None else loose - kept,
            "dual": dual,
            "mu": mu / self.unit[work.place],
            "steps": work.steps,
            "error": work.error,
            "rank": (low.shrunk > 0).sum(axis=-1)[:, None, None],
            "residual": violation / xp.where(size > 0, size, 1.0),
            "sparsity": (sparse != 0).sum(axis=(1, 2), keepdims=True) / count,
            "gap": self.gap(work, low, dual),
            "lam": work.lam,
        }

    def gap(self, work: Work, low: Any, dual: Array) -> Array:
        """Relative duality gap, as `rpca_affect.certificate.relative_gap`, without a singular value decomposition."""
        xp = self.xp
        top = xp.sqrt(xp.maximum(largest(xp, gram(xp, dual)), 1))
        linear = (work.values * dual).sum(axis=(1, 2), keepdims=True, dtype=xp.float64)
        size = abs(work.values - low.low_rank)
        if work.seen is not None:
            size = size * work.seen
        slack = 0.0 if work.slack is None else work.slack
        cells = xp.sum(loss(size, work.lam, slack), axis=(1, 2), keepdims=True, dtype=xp.float64)
        square = xp.sum(slack * dual * dual, axis=(1, 2), keepdims=True, dtype=xp.float64)
        return gap_of(low.shrunk.sum(axis=-1)[:, None, None] + cells, linear, square, top)

    def decomposition(self, pieces: list[dict], course: list[tuple[Array, Array]]) -> Decomposition:
        """Put order, orientation, units and shape back."""
        xp, request, outer = self.xp, self.request, self.shape[:-2]
        order = xp.argsort(xp.concatenate([piece["place"] for piece in pieces]))
        dtype = self.observed.values.dtype

        def joined(name: str) -> Any:
            parts = [piece[name] for piece in pieces]
            return parts[0][order] if len(parts) == 1 else xp.concatenate(parts)[order]

        def matrices(name: str, scale: Any) -> Any:
            return (self.turned(joined(name)) * scale).astype(dtype, copy=False).reshape(self.shape)

        def numbers(name: str, kind: type) -> Any:
            x = joined(name).reshape(outer)
            return kind(x) if not outer else x.astype(dtype if kind is float else xp.int64)

        noise = None if pieces[0]["noise"] is None else matrices("noise", self.unit)
        if noise is None or not bool((noise != 0).any()):
            noise = xp.broadcast_to(xp.zeros((), dtype=dtype), self.shape)
        # one transfer at the end; the host may have noticed the end some steps late
        history = xp.stack([xp.stack(pair) for pair in course])[: int(joined("steps").max())]
        return Decomposition(
            low_rank=matrices("low_rank", self.unit),
            sparse=matrices("sparse", self.unit),
            noise=noise,
            n_iter=numbers("steps", int),
            status=ended(joined("error"), joined("gap"), request),
            rank=numbers("rank", int),
            sparsity=numbers("sparsity", float),
            residual=numbers("residual", float),
            gap=numbers("gap", float),
            lam=numbers("lam", float),
            mu=numbers("mu", float),
            history={"error": history[:, 0].tolist(), "mu": history[:, 1].tolist()},
            solver=self.solver.name,
            dual=matrices("dual", 1.0) if request.needs_dual else None,
        )
