"""The solver protocol: numbers and callables in a frozen dataclass, a start and one step; the loop is elsewhere."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from rpca_affect.arrays import Array, Observed, array_namespace, device, frobenius, observed_extent, observed_share
from rpca_affect.prox import group_threshold, singular_value_threshold, soft_threshold

__all__ = [
    "Solver",
    "Splitting",
    "State",
    "cellwise",
    "default_lam",
    "default_lam_of",
    "framewise",
    "larger_side",
    "projected",
    "random_basis",
]


class State(NamedTuple):
    """Where a splitting iteration stands; ``argument`` alone decides the next step.

    Attributes
    ----------
    argument : array, shape (..., m, n)
        Argument of the next singular-value threshold: L plus the scaled multiplier.
    low_rank, sparse, noise : array, shape (..., m, n)
        The parts after the last step.
    dual : array, shape (..., m, n)
        Multiplier Y, feasible for the sparse norm.
    mu : array, shape (..., 1, 1)
        Penalty.
    error : array, shape (..., 1, 1)
        Compared with ``tol`` by the loop.
    """

    argument: Array
    low_rank: Array
    sparse: Array
    noise: Array
    dual: Array
    mu: Array
    error: Array


def cellwise(argument: Array, level: Any, base: Array | None = None) -> Array:
    """Shrink single cells: `rpca_affect.prox.soft_threshold`, blind to the base."""
    return soft_threshold(argument, level)


def framewise(argument: Array, level: Any, base: Array | None = None) -> Array:
    """Shrink whole frames (rows): `rpca_affect.prox.group_threshold`, blind to the base."""
    return group_threshold(argument, level, axis=-1)


def default_lam(observed: Observed, sparse: str = "cells") -> Array:
    """Weight of the sparse part, shape (..., 1, 1); frames and features without any observation do not count.

    Cells: ``1 / sqrt(p max(m, n))`` with p the observed share (Candes, Li, Ma & Wright 2011, theorem 1.2). Frames:
    ``0.8 sqrt(min(m, n) / m)``, just below the row lengths of a dense orthonormal dual (McCoy & Tropp 2011, section 6):
    frames like all the others then stay in the base.
    """
    xp = array_namespace(observed.given)
    if sparse == "frames":
        frames, features = observed_extent(observed)
        return 0.8 * xp.sqrt(xp.minimum(frames, features) / frames)
    return 1 / xp.sqrt(larger_side(observed))


def default_lam_of(frames: int, features: int, cells: int, sparse: str = "cells") -> float:
    """`default_lam` of a matrix of which so many frames, features and cells were observed."""
    smaller = min(frames, features)
    return 0.8 * math.sqrt(smaller / frames) if sparse == "frames" else 1 / math.sqrt(cells / smaller)


def random_basis(observed: Observed, rank: int, random_state: Any) -> Array:
    """Random Gaussian directions to start from, the same for every matrix of a stack, shape (..., n, r)."""
    values = observed.values
    xp = array_namespace(values)
    draw = np.random.default_rng(random_state).standard_normal((values.shape[-1], rank))
    basis = xp.asarray(draw, dtype=values.dtype, device=device(values))
    return xp.broadcast_to(basis, (*values.shape[:-2], *basis.shape))


def projected(x: Array, basis: Array, power: int, offset: bool) -> tuple[Array, Array]:
    """Project matrices on the rank of a basis, around the mean row where ``offset`` says so.

    Parameters
    ----------
    x : array, shape (..., m, n)
    basis : array, shape (..., n, r)
        Right factor to start from.
    power : int
        Power steps.
    offset : bool

    Returns
    -------
    low_rank : array, shape (..., m, n)
    basis : array, shape (..., n, r)
    """
    xp = array_namespace(x)
    mean = xp.mean(x, axis=-2, keepdims=True) if offset else xp.zeros_like(x[..., :1, :])
    x = x - mean
    transposed = xp.matrix_transpose(x)
    for _ in range(power + 1):
        left, _ = xp.linalg.qr(x @ basis)
        basis, _ = xp.linalg.qr(transposed @ left)
    return (x @ basis) @ xp.matrix_transpose(basis) + mean, basis


def larger_side(observed: Observed) -> Array:
    """``p max(m, n)`` over the frames and features that were observed at all, shape (..., 1, 1)."""
    xp, values = array_namespace(observed.given), observed.given
    if observed.mask is None:
        side = float(max(values.shape[-2:]))
        return xp.full((*values.shape[:-2], 1, 1), side, dtype=values.dtype, device=device(values))
    frames, features = observed_extent(observed)
    cells = observed_share(observed) * (values.shape[-2] * values.shape[-1])
    return cells / xp.minimum(frames, features)


@dataclass(frozen=True)
class Solver:
    """Base class of every solver: a subclass adds ``name``, `init` and `step`, and its numbers as dataclass fields.

    A state is a NamedTuple of arrays with at least ``low_rank, sparse, noise`` (..., m, n) and ``error`` (..., 1, 1),
    which `rpca_affect.solve` compares with ``tol``; of a convex solver also ``dual``.

    Attributes
    ----------
    name : str
        Short name, as in ``solve(M, "admm")``.
    convex : bool
        Whether its answers come with a duality gap; then it needs ``lam``, ``slack`` and ``sparse_kind`` too.
    two_sided : bool
        Whether the error also looks at the multiplier, so that a kept penalty ends at an optimum.
    default_max_iter : int
    float32_tol : float
        Smaller errors drown in single-precision rounding.

    Examples
    --------
    A solver that clips the cells at a share of the largest, and calls the excess sparse:

    >>> from dataclasses import dataclass
    >>> from typing import NamedTuple
    >>> import numpy as np, rpca_affect as ra
    >>> class Parts(NamedTuple):
    ...     low_rank: np.ndarray
    ...     sparse: np.ndarray
    ...     noise: np.ndarray
    ...     error: np.ndarray
    >>> @dataclass(frozen=True)
    ... class Clip(ra.solvers.Solver):
    ...     name = "clip"
    ...     share: float = 0.5
    ...     def init(self, observed):
    ...         nothing = np.zeros_like(observed.values)
    ...         return Parts(nothing, nothing, nothing, np.ones((1, 1)))
    ...     def step(self, observed, state):
    ...         level = self.share * abs(observed.values).max()
    ...         low_rank = np.clip(observed.values, -level, level)
    ...         return Parts(low_rank, observed.values - low_rank, state.noise, np.zeros((1, 1)))
    >>> ra.solve(np.eye(4) * 8, Clip()).sparsity
    0.25
    """

    name: ClassVar[str]
    convex: ClassVar[bool] = False
    two_sided: ClassVar[bool] = False
    default_max_iter: ClassVar[int] = 500
    float32_tol: ClassVar[float] = 3e-6

    @property
    def moves_penalty(self) -> bool:
        """Whether the penalty follows the distances travelled, see `rpca_affect.penalty`."""
        return False

    def rescaled(self, unit: Array) -> Self:
        """Return the same solver for data divided by ``unit``: with no numbers in the units of the data, itself."""
        return self

    def tuned(self, observed: Observed) -> Self:
        """Return the same solver with every open number filled in for these data, and checked."""
        return self

    def init(self, observed: Observed) -> Any:
        """State to start from."""
        raise NotImplementedError(f"{type(self).__name__} lacks init(observed)")

    def resume(self, observed: Observed, before: Any, unit: Array) -> Any:
        """State that continues an earlier `rpca_affect.Decomposition`: a start of its own, where nothing is known."""
        return self.init(observed)

    def step(self, observed: Observed, state: Any) -> Any:
        """State after one step."""
        raise NotImplementedError(f"{type(self).__name__} lacks step(observed, state)")


@dataclass(frozen=True)
class Splitting(Solver):
    """One step shared by inexact ALM and ADMM, as a relaxed Douglas-Rachford splitting.

    Minimises ``||L||_* + lam g(S) + ||N||_F^2 / (2 slack)`` subject to ``L + S + N = M`` on the observed cells.
    Numbers left None are filled from the data by `tuned`. All numbers may be arrays of shape (..., 1, 1), one per
    matrix of a stack, or tensors that need a gradient.

    Attributes
    ----------
    lam : float or array, optional
        Weight of the sparse part.
    slack : float or array that broadcasts to (..., m, n)
        Weight of the noise part; 0 means no noise part.
    mu : float or array, optional
        First penalty.
    growth : float or array
        Factor on the penalty after every step.
    relax : float or array
        Relaxation of the step, in (0, 2).
    lowrank : callable ``(argument, level) -> low_rank``
        Proximal operator of the low-rank part.
    shrink : callable ``(argument, level, base) -> sparse``
        Proximal operator of the sparse part; ``base`` is the current low-rank part, which classical operators ignore.
    """

    lam: Any = None
    slack: Any = 0.0
    mu: Any = None
    growth: Any = 1.0
    relax: Any = 1.0
    lowrank: Callable[..., Array] = singular_value_threshold
    shrink: Callable[..., Array] = cellwise

    convex: ClassVar[bool] = True
    default_max_iter: ClassVar[int] = 5000
    # How far the penalty may outgrow its start before floating point has nothing left to give.
    mu_range: ClassVar[float] = 1e7

    @property
    def sparse_kind(self) -> str:
        """``"cells"``, ``"frames"``, or ``"custom"`` for an operator of the user's."""
        return {cellwise: "cells", framewise: "frames"}.get(self.shrink, "custom")

    def rescaled(self, unit: Array) -> Self:
        """Return the same solver for data divided by ``unit``."""
        mu = None if self.mu is None else self.mu * unit
        return replace(self, mu=mu, slack=self.slack / unit)

    def first_mu(self, observed: Observed) -> Array:
        """Penalty to start with, shape (..., 1, 1)."""
        raise NotImplementedError(f"{type(self).__name__} lacks first_mu(observed)")

    def tuned(self, observed: Observed) -> Self:
        """Return the same solver with every open number filled in for these data."""
        lam = default_lam(observed, self.sparse_kind) if self.lam is None else self.lam
        solver = replace(self, lam=lam)
        return replace(solver, mu=solver.first_mu(observed)) if self.mu is None else solver

    def starting_from(self, argument: Array, observed: Observed) -> State:
        """State whose next step thresholds ``argument``, everything else still empty."""
        xp = array_namespace(argument)
        zero = xp.zeros_like(argument)
        mu = self.mu + xp.zeros_like(argument[..., :1, :1])
        return State(argument, zero, zero, zero, zero, mu, xp.full_like(mu, xp.inf))

    def resume(self, observed: Observed, before: Any, unit: Array) -> State:
        """State that continues an earlier `rpca_affect.Decomposition`, given in the units of the input.

        Without its dual matrix, the multiplier is taken from where the parts determine it: ``lam sign(S)`` on the
        support of S and ``N / slack`` elsewhere.
        """
        xp = array_namespace(observed.values)
        low_rank = (before.factors.matrix() if before.low_rank is None else before.low_rank) / unit
        if before.dual is not None:
            dual = before.dual
        else:
            sparse = before.sparse / unit
            length = xp.abs(sparse)
            if self.sparse_kind == "frames":
                length = xp.sqrt(xp.sum(sparse * sparse, axis=-1, keepdims=True))
            support = length > 0
            known = self.lam * sparse / xp.where(support, length, xp.ones_like(length))
            slack = self.slack + xp.zeros_like(length)
            free = before.noise / unit / xp.where(slack > 0, slack, xp.full_like(slack, xp.inf))
            dual = xp.where(support, known, free)
        return self.starting_from(low_rank + dual / self.mu, observed)

    def step(self, observed: Observed, state: State, judged: bool = True) -> State:
        """Threshold the argument to L, shrink ``M - L + e`` to S, and carry the violation of the constraint on.

        Parameters
        ----------
        observed : Observed
            Values (..., m, n) and mask; a missing cell costs nothing, so it takes the low-rank prediction.
        state : State
        judged : bool
            Whether noise part and error are computed; otherwise they stay those of ``state``.

        Returns
        -------
        State
        """
        xp = array_namespace(observed.values)
        low_rank = self.lowrank(state.argument, 1 / state.mu)
        mu = xp.minimum(self.growth * state.mu, self.mu_range * self.mu * xp.ones_like(state.mu))
        carried = (state.argument - low_rank) * (state.mu / mu)
        wanted = observed.values - low_rank + carried
        if observed.mask is not None:
            wanted = xp.where(observed.mask, wanted, xp.zeros_like(wanted))
        give = 1 / (1 + mu * self.slack)
        sparse = self.shrink(wanted, self.lam / (mu * give), low_rank)
        left = wanted - sparse
        kept = left * give
        change = kept - carried
        argument = low_rank + carried + self.relax * change
        if not judged:
            return State(argument, low_rank, sparse, state.noise, mu * kept, mu, state.error)
        # A missing cell has no constraint to violate: only the fade-out of its multiplier is left there.
        violated = change if observed.mask is None else xp.where(observed.mask, change, xp.zeros_like(change))
        error = self.error(observed, violated, kept)
        return State(argument, low_rank, sparse, left * (1 - give), mu * kept, mu, error)

    def error(self, observed: Observed, violated: Array, kept: Array) -> Array:
        """Relative violation of the constraint, ``||M - L - S - N||_F / ||M||_F``, shape (..., 1, 1)."""
        xp = array_namespace(violated)
        size = frobenius(observed.values)
        return frobenius(violated) / xp.where(size > 0, size, xp.ones_like(size))
