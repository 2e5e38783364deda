r"""Newton's method on the active cells: from an answer that is nearly right to one whose optimality is proved.

Once a first solver has found the rank and most of the support, hardly anything of the convex problem is left to decide.
A proximal step with parameter nu, whose multiplier Y is carried along, asks for A = M' - S with M' = M + nu Y:

    L = singular-value threshold of A at nu,   A - L = clip(M' - L, -lam nu, lam nu),   0 on missing cells.

On the cells O where the clip is active, or nothing was observed, its value stands still, so Newton's equation is
``(I - D_A) x = rhs`` on O, with D_A the derivative of the threshold; a few conjugate-gradient steps solve it. A step
that does not help is followed by one of the fixed-point iteration, which settles the support. With a noise part nothing
is carried: nu is its weight, M' is M, and one round suffices.
"""

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Array, Observed, array_namespace, device, is_numpy_array, small_parts
from rpca_affect.certificate import gap_of, loss
from rpca_affect.decomposition import Decomposition
from rpca_affect.tangent import Cells, Spectrum, above, derivative_at, row_space

__all__ = ["MOST", "polished", "suits"]

SUPPORT = 0.2  # of the cells: with more active ones every conjugate-gradient step is as dear as a step of the solver
RANK = 0.25  # of the smaller side: beyond it a subspace costs as much as all vectors
START = 1e-2  # largest duality gap from which the support is known well enough
FIRST = (20.0, 2.0)  # the first nu is the penalty of ADMM, inverted, over this; the second where the support moves
INNER = (1e-4, 1e-6, 1e-7)  # relative residual at which a round ends; nu falls to a tenth after each
FINER = (1e-5, 1e-6, 1e-7)  # the same with a noise part, where nu stays
STEPS = 15  # of each round, at most
MOST = STEPS * len(INNER)
HELPS = 0.7  # a step that does not bring the residual below this share of the best is followed by a plain one
BLOCK = 1 << 16  # cells of the rows that a pass takes at a time
TINY = float(np.finfo(np.float64).tiny)


def suits(data: Observed, answer: Decomposition, slack: Any) -> bool:
    """Tell whether Newton's method may go on from an answer: one matrix of low rank, nearly optimal or unproved."""
    if data.given.ndim != 2 or answer.dual is None or answer.low_rank is None:
        return False
    xp = array_namespace(data.given)
    scalar = math.prod(getattr(slack, "shape", ())) == 1
    small = 0 < int(answer.rank) <= RANK * min(data.given.shape)
    return data.given.dtype == xp.float64 and scalar and small and (answer.gap is None or float(answer.gap) <= START)


def polished(
    data: Observed, answer: Decomposition, lam: float, slack: float, gap: float, spend: bool = False
) -> Decomposition | None:
    """Go on from an answer by Newton's method until its duality gap is at most ``gap``.

    Parameters
    ----------
    data : Observed
        Frames x features (m, n), in double precision.
    answer : Decomposition
        With its dual matrix; see `suits`.
    lam, slack : float
        Weights of the sparse part and of the noise part (0: none), in the units of the data.
    gap : float
        Relative duality gap to reach.
    spend : bool, default False
        Whether the memory of the answer may be overwritten by the one to come. Where there is none, its base is written
        anew from its factors.

    Returns
    -------
    Decomposition or None
        Steps and history are its own. None where it did not get there, or `suits` says that it should not be tried:
        then the answer given is as good as before, and the first solver goes on from it.

    References
    ----------
    Rockafellar (1976), Augmented Lagrangians and applications of the proximal point algorithm in convex programming.
    """
    if not suits(data, answer, slack):
        return None
    xp = array_namespace(data.given)
    problem = _Problem(xp, data.values, data.mask, lam, slack)
    low, tols = answer.low_rank, FINER if slack > 0 else INNER
    nus = [slack]
    if slack == 0:
        size = sum(float(xp.sum(xp.abs(low[rows, :]))) for rows in small_parts(low, axis=0))
        nus = [size / (0.625 * math.prod(data.given.shape) * share) for share in FIRST]
    basis = row_space(low, int(answer.rank))
    spend = spend and is_numpy_array(low) and low.flags.c_contiguous
    thin: Any = low @ basis if spend else None
    for nu in nus:
        found = _from(problem, answer, gap, nu, tols, basis, spend)
        if found is not None:
            return found
        for rows in problem.blocks if thin is not None else ():
            low[rows, :] = thin[rows, :] @ basis.T
    return None


def _from(
    problem: "_Problem",
    answer: Decomposition,
    gap: float,
    nu: float,
    tols: tuple[float, ...],
    basis: Array,
    spend: bool,
) -> Decomposition | None:
    """Take proximal steps from the first ``nu`` down until the gap is proved; None where one fails."""
    xp, low, errors = problem.xp, answer.low_rank, []
    dual: Any = answer.dual
    shifted, argument, free = problem.room(), low if spend else problem.room(), problem.room(xp.bool)
    for tol in tols:
        problem.start(low, dual, nu, shifted, argument)
        found = _round(problem, shifted, argument, free, nu, basis, tol)
        if found is None:
            return None
        spectrum, residuals = found
        errors += residuals
        basis = spectrum.right
        losses = problem.end(argument, shifted, spectrum, nu)
        low, dual = argument, shifted
        proved = _gap(problem, float(xp.sum(spectrum.values - nu)), dual, losses, gap)
        if proved <= gap:
            rank = int(spectrum.values.shape[0])
            sparse = answer.dual if spend and answer.dual is not None else problem.room()
            history: dict[str, list] = {"error": errors, "rank": [rank] * len(errors), "mu": [1 / nu] * len(errors)}
            found = replace(answer, low_rank=low, dual=dual, rank=rank, gap=proved, history=history)
            return _whole(problem, found, free, sparse)
        nu = nu if problem.slack > 0 else nu / 10
    return None


class _Problem(NamedTuple):
    """The model, and passes over a few rows at a time, whose temporary arrays stay in the cache."""

    xp: Any
    values: Array
    known: Array | None
    lam: float
    slack: float

    @property
    def blocks(self) -> list[slice]:
        """Runs of rows."""
        rows, columns = self.values.shape
        height = max(1, BLOCK // columns)
        return [slice(start, min(start + height, rows)) for start in range(0, rows, height)]

    def room(self, dtype: Any = None) -> Array:
        """Memory of the size of the data, in C order."""
        shape, dtype = self.values.shape, self.values.dtype if dtype is None else dtype
        return self.xp.empty(shape, dtype=dtype, device=device(self.values))

    def seen(self, x: Array, rows: slice) -> Array:
        """Some rows with 0 on the missing cells."""
        return x if self.known is None else self.xp.where(self.known[rows, :], x, self.xp.zeros_like(x))

    def start(self, low: Array, dual: Array, nu: float, shifted: Array, argument: Array) -> None:
        """Write M' and the first argument of the threshold; these may be where Y and L are."""
        for rows in self.blocks:
            part, carried = low[rows, :], nu * dual[rows, :]
            aim = self.values[rows, :] if self.slack > 0 else self.values[rows, :] + carried
            shifted[rows, :] = aim if self.known is None else self.xp.where(self.known[rows, :], aim, part)
            argument[rows, :] = part + carried

    def look(self, shifted: Array, argument: Array, scaled: Array, right: Array, nu: float, rows: slice) -> Any:
        """L, the remainder ``A - L``, its clipped target, and the cells where the clip is active."""
        xp = self.xp
        low = scaled[rows, :] @ right
        target = shifted[rows, :] - low
        active = xp.abs(target) > self.lam * nu
        target = self.seen(xp.clip(target, -self.lam * nu, self.lam * nu), rows)
        if self.known is not None:
            active = active & self.known[rows, :]
        return low, argument[rows, :] - low, target, active

    def end(self, argument: Array, shifted: Array, spectrum: Spectrum, nu: float) -> tuple[float, float, float]:
        """Write L over the argument and Y over M'; return the loss of L, ``<M, Y>`` and ``slack ||Y||_F^2``."""
        xp = self.xp
        scaled, right = spectrum.left * (spectrum.values - nu), xp.matrix_transpose(spectrum.right)
        total = linear = square = 0.0
        for rows in self.blocks:
            values, part = self.values[rows, :], scaled[rows, :] @ right
            y = self.seen(xp.clip((argument[rows, :] - part) / nu, -self.lam, self.lam), rows)
            rest = xp.abs(self.seen(values - part, rows))
            cost = loss(rest, self.lam, self.slack) if self.slack > 0 else self.lam * rest
            argument[rows, :], shifted[rows, :] = part, y
            total, linear = total + float(xp.sum(cost)), linear + float(xp.sum(values * y))
            square += float(xp.sum(y * y))
        return total, linear, self.slack * square


def _round(problem: _Problem, shifted: Array, a: Array, free: Array, nu: float, basis: Array, tol: float) -> Any:
    """One proximal step by Newton's method, from the argument ``a`` of the threshold, which is overwritten.

    Returns the spectrum of the last argument and the residuals; None where it fails. Writes to ``free`` which cells are
    active or missing.
    """
    xp, blocks = problem.xp, problem.blocks
    cells = a.shape[0] * a.shape[1]
    wrong = problem.room(xp.float32)
    best, plain, residuals = float("inf"), False, []
    for step in range(STEPS):
        spectrum = above(a, nu, basis, RANK)
        if spectrum is None:
            return None
        basis = spectrum.right
        scaled, right = spectrum.left * (spectrum.values - nu), xp.matrix_transpose(spectrum.right)
        off = size = count = 0.0
        rank = int(spectrum.values.shape[0])
        for rows in blocks:
            _, rest, target, active = problem.look(shifted, a, scaled, right, nu, rows)
            count += int(xp.count_nonzero(active))
            free[rows, :] = active if problem.known is None else active | ~problem.known[rows, :]
            target -= rest
            off, size = off + float(xp.sum(target * target)), size + float(xp.sum(rest * rest))
            wrong[rows, :] = xp.astype(target, xp.float32)
        residual = math.sqrt(off / max(size, TINY))
        residuals.append(residual)
        # Where singular values crowd around nu, the derivative is rough and the last digits come slowly.
        if residual <= tol or (step == STEPS - 1 and residual <= 10 * tol):
            return spectrum, residuals
        if not residual < 1.0 or count > SUPPORT * cells:
            return None
        if residual > HELPS * best and not plain:
            for rows in blocks:
                low, _, target, _ = problem.look(shifted, a, scaled, right, nu, rows)
                a[rows, :] = low + target
            plain = True
            continue
        best, plain = min(best, residual), False
        # Beside nu, r times, the rest of the argument holds the singular values that the threshold leaves out.
        below = max(size - rank * nu * nu, 0.0) / max(min(a.shape) - rank, 1)
        derivative = derivative_at(spectrum, nu, below)
        on = Cells.of(free, blocks)
        rest = on.taken(wrong)
        on.written(wrong, xp.zeros_like(rest))  # off the cells the argument goes back to M'
        rest += on.product(*derivative(wrong))
        moved = xp.astype(on.conjugate(derivative, rest, wrong), a.dtype)
        moved += on.taken(a)
        for rows in blocks:
            a[rows, :] = shifted[rows, :]
        on.written(a, moved)
    return None


def _gap(problem: _Problem, nuclear: float, dual: Array, losses: tuple[float, float, float], wanted: float) -> float:
    """Duality gap of L, as in `rpca_affect.certificate.relative_gap`, without a singular-value decomposition.

    Y within its bound on every cell is divided by an upper bound of its norm; the norm is at most 1 but for what the
    inner problem has left. So the gap with 1 in its place says whether a proof can succeed, and by how much the bound
    may exceed 1.
    """
    cost, linear, quadratic = losses
    best = float(gap_of(nuclear + cost, linear, quadratic, 1.0))
    left = wanted - best
    if not left >= 0:
        return best
    norm = _norm_bound(problem.xp, dual, [share * left for share in (0.5, 0.95)])
    return float("inf") if norm is None else float(gap_of(nuclear + cost, linear, quadratic, norm))


def _norm_bound(xp: Any, x: Any, excesses: list[float]) -> float | None:
    """An upper bound of the spectral norm: the least of a few above 1 that one Cholesky factorisation confirms."""
    x = xp.matrix_transpose(x) if x.shape[0] < x.shape[1] else x
    gram = xp.matrix_transpose(x) @ x
    order, shift = gram.shape[0], 0.0
    gram *= -1
    for excess in excesses:
        cells = xp.reshape(gram, (-1,))
        cells[:: order + 1] += (1 + excess) ** 2 - shift
        gram, shift = xp.reshape(cells, (order, order)), (1 + excess) ** 2
        try:
            factor = xp.linalg.cholesky(gram)
        except Exception as error:  # each library has its own class for a matrix that is not positive definite
            if "inAlg" not in type(error).__name__:
                raise
            continue
        if bool(xp.all(xp.isfinite(factor))):
            return 1 + excess
    return None


def _whole(problem: _Problem, answer: Decomposition, free: Array, sparse: Array) -> Decomposition:
    """The answer with its other parts: S on the active cells, or the clip of ``M - L`` as N and the rest as S."""
    low = answer.low_rank
    xp, known = problem.xp, problem.known
    knee = problem.lam * problem.slack
    noise = problem.room() if problem.slack > 0 else answer.noise
    nonzero = off = whole = 0.0
    for rows in problem.blocks:
        rest = problem.seen(problem.values[rows, :] - low[rows, :], rows)
        if problem.slack > 0:
            noise[rows, :] = xp.clip(rest, -knee, knee)
            part = rest - noise[rows, :]
        else:
            part = xp.where(free[rows, :], rest, 0.0)
            off += float(xp.sum((rest - part) ** 2))
        sparse[rows, :] = part
        nonzero += int(xp.count_nonzero(part))
        whole += float(xp.sum(problem.seen(problem.values[rows, :], rows) ** 2))
    observed = low.shape[0] * low.shape[1] if known is None else int(xp.count_nonzero(known))
    return replace(
        answer,
        sparse=sparse,
        noise=noise,
        n_iter=len(answer.history["error"]),
        sparsity=nonzero / max(observed, 1),
        residual=math.sqrt(off / whole) if whole else 0.0,
        dual_norm=None,
        status=replace(answer.status, converged=True, reason="gap"),
        solver="newton",
    )
