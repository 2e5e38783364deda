r"""Newton's method on the active cells: from an answer that is nearly right to one whose optimality is proved.

Once a first solver has found the rank and most of the support, hardly anything of the convex problem is left to decide.
A proximal step with parameter nu, whose multiplier Y is carried along, asks for A = M' - S with M' = M + nu Y:

    L = singular-value threshold of A at nu,   A - L = clip(M' - L, -lam nu, lam nu),   0 on missing cells.

On the cells O where the clip is active, or nothing was observed, its value stands still, so Newton's equation is
``(I - D_A) x = rhs`` on O, with D_A the derivative of the threshold; a few conjugate-gradient steps solve it. A step
that does not help is followed by one of the fixed-point iteration, which settles the support. With a noise part nothing
is carried: nu is its weight, M' is M, and one round suffices.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.decomposition import Decomposition

__all__ = ["polished", "suits"]

SUPPORT = 0.2  # of the cells: with more active ones every conjugate-gradient step is as dear as a step of the solver
RANK = 0.25  # of the smaller side: beyond it a subspace costs as much as all vectors
START = 1e-2  # largest duality gap from which the support is known well enough
FIRST = (20.0, 2.0)  # the first nu is the penalty of ADMM, inverted, over this; the second where the support moves
INNER = (1e-4, 1e-6, 1e-7)  # relative residual at which a round ends; nu falls to a tenth after each
FINER = (1e-5, 1e-6, 1e-7)  # the same with a noise part, where nu stays
STEPS = 15  # of each round, at most
HELPS = 0.7  # a step that does not bring the residual below this share of the best is followed by a plain one
CONJUGATE, CAP = 1e-2, 40  # accuracy and most steps of conjugate gradients
GUARD = 5  # fresh directions of the subspace, at least
TINY = float(np.finfo(np.float64).tiny)


class _Spectrum(NamedTuple):
    """Singular triplets above a level, and the mean square of the singular values below it."""

    left: Array
    values: Array
    right: Array
    below: float


def suits(data: Observed, answer: Decomposition, slack: Any) -> bool:
    """Tell whether Newton's method may go on from an answer: one matrix, few active cells, low rank, nearly optimal."""
    if data.given.ndim != 2 or answer.dual is None or answer.gap is None or answer.low_rank is None:
        return False
    xp = array_namespace(data.given)
    scalar = isinstance(slack, (int, float))
    small = 0 < int(answer.rank) <= RANK * min(data.given.shape)
    return data.given.dtype == xp.float64 and scalar and small and float(answer.gap) <= START


def polished(data: Observed, answer: Decomposition, lam: float, slack: float, gap: float) -> Decomposition | None:
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
    if slack > 0:
        return _from(data, answer, lam, slack, gap, slack, FINER)
    xp = array_namespace(data.given)
    size = float(xp.mean(xp.abs(answer.low_rank))) / 0.625
    tries = (_from(data, answer, lam, slack, gap, size / share, INNER) for share in FIRST)
    return next((found for found in tries if found is not None), None)


def _from(
    data: Observed, answer: Decomposition, lam: float, slack: float, gap: float, nu: float, tols: tuple[float, ...]
) -> Decomposition | None:
    """Take proximal steps from the first ``nu`` down until the gap is proved; None where one fails."""
    xp = array_namespace(data.given)
    values, known = data.values, data.mask
    low, dual, errors = answer.low_rank, answer.dual, []
    basis = _row_space(xp, low, int(answer.rank))
    for tol in tols:
        shifted = values if slack > 0 else values + nu * dual
        if known is not None:
            shifted = xp.where(known, shifted, low)
        found = _round(xp, shifted, known, low + nu * dual, lam, nu, basis, tol)
        if found is None:
            return None
        spectrum, low, rest, active, steps = found
        errors += steps
        dual, basis = rest / nu, spectrum.right
        proved = _gap(xp, data, low, float(xp.sum(spectrum.values - nu)), dual, lam, slack, gap)
        if proved <= gap:
            return _answer(xp, data, answer, low, dual, spectrum, active, lam, slack, nu, proved, errors)
        nu = nu if slack > 0 else nu / 10
    return None


def _round(xp: Any, shifted: Any, known: Any, a: Any, lam: float, nu: float, basis: Any, tol: float) -> Any:
    """One proximal step by Newton's method, from the argument ``a`` of the threshold; None where it fails."""
    best, plain, residuals = float("inf"), False, []
    for step in range(STEPS):
        spectrum = _above(xp, a, nu, basis)
        if spectrum is None:
            return None
        basis = spectrum.right
        low = (spectrum.left * (spectrum.values - nu)) @ xp.matrix_transpose(spectrum.right)
        rest, departure = a - low, shifted - low
        target = xp.clip(departure, -lam * nu, lam * nu)
        active = xp.abs(departure) > lam * nu
        if known is not None:
            target, active = xp.where(known, target, xp.zeros_like(target)), active & known
        wrong = target - rest
        residual = float(xp.linalg.vector_norm(wrong)) / max(float(xp.linalg.vector_norm(rest)), TINY)
        residuals.append(residual)
        # Where singular values crowd around nu, the derivative is rough and the last digits come slowly.
        if residual <= tol or (step == STEPS - 1 and residual <= 10 * tol):
            return spectrum, low, rest, active, residuals
        if not residual < 1.0 or float(xp.mean(xp.astype(active, a.dtype))) > SUPPORT:
            return None
        if residual > HELPS * best and not plain:
            a, plain = low + target, True
            continue
        best, plain = min(best, residual), False
        free = active if known is None else active | ~known
        derivative = _derivative(xp, spectrum, nu)
        outside = xp.astype(xp.where(free, xp.zeros_like(a), shifted - a), xp.float32)
        rhs = xp.astype(wrong, xp.float32) + derivative(outside)
        change = _conjugate(xp, derivative, free, xp.where(free, rhs, xp.zeros_like(rhs)))
        a = xp.where(free, a + xp.astype(change, a.dtype), shifted)
    return None


def _directions(xp: Any, like: Any, rows: int, count: int) -> Any:
    """Random directions, the same in every run."""
    drawn = np.random.default_rng(count).standard_normal((rows, count))
    return xp.asarray(drawn, dtype=like.dtype, device=device(like))


def _row_space(xp: Any, low: Any, rank: int) -> Any:
    """An orthonormal basis of the rows of a matrix of known rank."""
    basis, _ = xp.linalg.qr(xp.matrix_transpose(low) @ _directions(xp, low, low.shape[0], rank))
    return basis


def _above(xp: Any, a: Any, nu: float, right: Any) -> _Spectrum | None:
    """Singular triplets of ``a`` above ``nu``, from those of a matrix nearby; None where there are too many."""
    n, limit = a.shape[1], min(a.shape)
    while True:
        fresh = max(GUARD, limit // 50)
        width = right.shape[1] + fresh
        if width > RANK * limit + fresh:
            return None
        # Directions that nothing before has favoured, so that no value can hide from the subspace for long.
        left, _ = xp.linalg.qr(a @ xp.concat([right, _directions(xp, a, n, fresh)], axis=1))
        image = xp.matrix_transpose(a) @ left
        squares, turn = xp.linalg.eigh(xp.matrix_transpose(image) @ image)
        values = xp.sqrt(xp.clip(xp.flip(squares), 0.0, None))
        turn = xp.flip(turn, axis=1)
        rank = int(xp.sum(xp.astype(values > nu, xp.int64)))
        if rank == 0:
            return None
        if rank <= width - 2:
            break
        right = (image @ turn) / values
    turn, values = turn[:, :rank], values[:rank]
    left, right = left @ turn, (image @ turn) / values
    rest = max(float(xp.linalg.vector_norm(a)) ** 2 - float(xp.sum(values * values)), 0.0)
    return _Spectrum(left, values, right, rest / max(limit - rank, 1))


def _derivative(xp: Any, spectrum: _Spectrum, nu: float) -> Any:
    """The derivative of the threshold, in single precision; the values below ``nu`` count by their mean square."""
    left, values, right = (xp.astype(part, xp.float32) for part in spectrum[:3])
    across = values * (values - nu) / (values * values - spectrum.below)
    skew = 1 - 2 * nu / (values[:, None] + values[None, :])
    left_t, right_t = xp.matrix_transpose(left), xp.matrix_transpose(right)

    def derivative(h: Any) -> Any:
        rows, columns = left_t @ h, h @ right
        core = rows @ right
        inner = (1 + skew) / 2 * core + (1 - skew) / 2 * xp.matrix_transpose(core)
        return (
            left @ (across[:, None] * (rows - core @ right_t) + inner @ right_t)
            + ((columns - left @ core) * across) @ right_t
        )

    return derivative


def _conjugate(xp: Any, derivative: Any, free: Any, rhs: Any) -> Any:
    """Solve ``(I - D) x = rhs`` on the free cells by conjugate gradients, as far as they get."""
    x, r, p = xp.zeros_like(rhs), rhs, rhs
    size = goal = float(xp.sum(r * r))
    goal *= CONJUGATE**2
    for _ in range(CAP):
        if size <= goal:
            break
        q = p - xp.where(free, derivative(p), xp.zeros_like(p))
        curvature = float(xp.sum(p * q))
        if not curvature > 0:
            break
        x, r = x + (size / curvature) * p, r - (size / curvature) * q
        size, before = float(xp.sum(r * r)), size
        p = r + (size / before) * p
    return x


def _gap(
    xp: Any, data: Observed, low: Any, nuclear: float, dual: Any, lam: float, slack: float, wanted: float
) -> float:
    """Duality gap of L, as in `rpca_affect.certificate.relative_gap`, without a singular-value decomposition."""
    dual = _known(xp, data, xp.clip(dual, -lam, lam))
    norm = _norm_bound(xp, dual, wanted)
    if norm is None:
        return float("inf")
    dual = dual / norm
    rest = xp.abs(_known(xp, data, data.values - low))
    knee = lam * slack
    linear = lam * (rest - knee / 2)
    loss = linear if slack == 0 else xp.where(rest > knee, linear, rest * rest / (2 * slack))
    primal = nuclear + float(xp.sum(loss))
    value = float(xp.sum(data.values * dual)) - slack * float(xp.sum(dual * dual)) / 2
    return max((primal - value) / primal, 0.0) if primal > 0 else 0.0


def _norm_bound(xp: Any, x: Any, wanted: float) -> float | None:
    """An upper bound of the spectral norm: the least of a few that one Cholesky factorisation confirms."""
    x = xp.matrix_transpose(x) if x.shape[0] < x.shape[1] else x
    gram = xp.matrix_transpose(x) @ x
    eye = xp.eye(gram.shape[0], dtype=gram.dtype, device=device(gram))
    for excess in (0.0, wanted / 4, wanted, 1e-5, 1e-4, 1e-3):
        try:
            factor = xp.linalg.cholesky((1 + excess) ** 2 * eye - gram)
        except Exception as error:  # each library has its own class for a matrix that is not positive definite
            if "inAlg" not in type(error).__name__:
                raise
            continue
        if bool(xp.all(xp.isfinite(factor))):
            return 1 + excess
    return None


def _known(xp: Any, data: Observed, x: Any) -> Any:
    return x if data.mask is None else xp.where(data.mask, x, xp.zeros_like(x))


def _answer(
    xp: Any,
    data: Observed,
    start: Decomposition,
    low: Any,
    dual: Any,
    spectrum: _Spectrum,
    active: Any,
    lam: float,
    slack: float,
    nu: float,
    gap: float,
    errors: list[float],
) -> Decomposition:
    """The parts: S on the active cells; with a noise part, what the model leaves; 0 where nothing is known."""
    rest = _known(xp, data, data.values - low)
    zero = xp.zeros_like(rest)
    if slack > 0:
        noise = xp.clip(rest, -lam * slack, lam * slack)
        sparse, residual = rest - noise, 0.0
    else:
        sparse, noise = xp.where(active, rest, zero), start.noise
        whole = float(xp.linalg.vector_norm(data.values))
        residual = float(xp.linalg.vector_norm(rest - sparse)) / whole if whole else 0.0
    observed = rest.shape[0] * rest.shape[1] if data.mask is None else int(xp.sum(xp.astype(data.mask, xp.int64)))
    rank = int(spectrum.values.shape[0])
    history: dict[str, list] = {"error": errors, "rank": [rank] * len(errors), "mu": [1 / nu] * len(errors)}
    return replace(
        start,
        low_rank=low,
        sparse=sparse,
        noise=noise,
        n_iter=len(errors),
        rank=rank,
        sparsity=float(xp.sum(xp.astype(sparse != 0, xp.float64))) / max(observed, 1),
        residual=residual,
        gap=gap,
        history=history,
        dual=_known(xp, data, xp.clip(dual, -lam, lam)),
        status=replace(start.status, converged=True, reason="gap"),
        solver="newton",
    )
