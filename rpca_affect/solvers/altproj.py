"""Accelerated alternating projections: the fast non-convex solver for a known rank."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

from rpca_affect.arrays import Array, Observed, array_namespace, device, frobenius
from rpca_affect.doubts import Doubt
from rpca_affect.solvers.solver import Solver, projected, random_basis

__all__ = ["AltProj", "AltProjState"]


class AltProjState(NamedTuple):
    """Where alternating projections stand.

    Attributes
    ----------
    low_rank, sparse, noise : array, shape (..., m, n)
        The parts after the last step; noise is 0 while ``floor`` is 0.
    argument : array, shape (..., m, n)
        Argument of the next projection on rank r.
    filled : array, shape (..., m, n)
        The data where they are trusted, the low-rank part elsewhere.
    basis : array, shape (..., n, r)
        Right factor that the next projection starts from.
    level : array, shape (..., 1, 1)
        Threshold of the last step.
    error : array, shape (..., 1, 1)
        Compared with ``tol`` by the loop.
    """

    low_rank: Array
    sparse: Array
    noise: Array
    argument: Array
    filled: Array
    basis: Array
    level: Array
    error: Array


@dataclass(frozen=True)
class AltProj(Solver):
    """Alternate a rank-r projection and a hard threshold that falls geometrically.

    Seeks ``L, S`` with ``rank(L) = rank``, S sparse and ``L + S = M`` on the observed cells. A cell whose distance from
    L exceeds the threshold counts as an outlier and is filled from L; the others are filled from the data. The filled
    matrix, pushed on by ``momentum`` times its last change, is projected on rank r by warm-started power steps. The
    first threshold is ``start`` times the median observed size, which a few outliers, however large, do not move.

    **When it fails.** The problem is not convex and there is no optimality certificate. With too large a ``rank`` the
    surplus directions take up outliers; with too small a rank the rest of L goes into S. If the threshold falls faster
    than L improves (about a third of the cells outlying, few frames for the rank, singular values that fall over
    decades) the error of L is declared sparse and the residual still goes to 0: the sign is a dense S. Then raise
    ``decay``, or use `ADMM`, whose duality gap decides. In return a correct split may be found where the convex model
    itself has another optimum, as for short clips.

    Attributes
    ----------
    rank : int
        Rank of the low-rank part; needed.
    floor : float
        Smallest threshold, in the units of the input; about 3 standard deviations of dense noise. 0: no noise part,
        and the solve ends when ``||M - L - S||_F <= tol ||M||_F``; otherwise when the threshold has reached the floor
        and the filled matrix rests.
    decay : float
        Factor on the threshold after every step, in (0, 1).
    momentum : float
        Share of the last change of the filled matrix that is added to it, in [0, 1).
    start : float
        First threshold, in medians of the observed sizes that are not 0.
    power : int
        Power steps per projection.
    offset : bool, default False
        Whether every feature has an offset of its own beside the rank: ``L`` is then an offset and ``rank`` movements,
        and its rank may be one more. Frames around a median need it: the error of the median is one more direction,
        too faint to be found as one.
    random_state : int or numpy.random.Generator, default 0
        Seed of the first projection.

    References
    ----------
    Netrapalli, Niranjan, Sanghavi, Anandkumar & Jain (2014), Non-convex robust PCA; Cai, Cai & Wei (2019), Accelerated
    alternating projections for robust principal component analysis.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> M = np.outer(np.arange(1.0, 41.0), np.ones(30)); M[3, 5] += 100.0
    >>> split = ra.solve(M, "altproj", rank=1)
    >>> np.argwhere(abs(split.sparse) > 1).tolist(), round(float(split.low_rank[3, 5]), 3)
    ([[3, 5]], 4.0)
    """

    rank: int | None = None
    floor: Any = 0.0
    decay: float = 0.85
    momentum: float = 0.5
    start: float = 10.0
    power: int = 1
    offset: bool = False
    random_state: Any = 0

    name: ClassVar[str] = "altproj"

    def rescaled(self, unit: Array) -> Self:
        """Return the same solver for data divided by ``unit``."""
        return replace(self, floor=self.floor / unit)

    def tuned(self, observed: Observed) -> Self:
        """Return the same solver after checking its numbers against the data."""
        smaller = min(observed.values.shape[-2:])
        if self.rank is None:
            raise ValueError(f"AltProj needs rank: it must lie between 1 and {smaller}; or use a convex solver")
        if not 1 <= self.rank <= smaller:
            raise ValueError(f"AltProj's rank is {self.rank}: it must lie between 1 and {smaller}")
        if not 0 < self.decay < 1:
            raise ValueError(f"AltProj's decay is {self.decay}: it must lie between 0 and 1")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"AltProj's momentum is {self.momentum}: it must be at least 0 and below 1")
        return self

    def first_basis(self, observed: Observed) -> Array:
        """Random Gaussian directions, shape (..., n, r)."""
        return random_basis(observed, self.rank or 1, self.random_state)

    def init(self, observed: Observed) -> AltProjState:
        """Start from L = 0: cells above the first threshold are filled with 0.

        Parameters
        ----------
        observed : Observed

        Returns
        -------
        AltProjState
        """
        return self._around(observed, array_namespace(observed.values).zeros_like(observed.values))

    def resume(self, observed: Observed, before: Any, unit: Array) -> AltProjState:
        """State that continues an earlier `rpca_affect.Decomposition`, given in the units of the input."""
        low_rank = before.factors.matrix() if before.low_rank is None else before.low_rank
        return self._around(observed, low_rank / unit)

    def _around(self, observed: Observed, low_rank: Array) -> AltProjState:
        xp = array_namespace(low_rank)
        rest = self._rest(observed, low_rank)
        level = self.start * median_size(rest) + 0 * rest[..., :1, :1]
        sparse = xp.where(xp.abs(rest) > level, rest, xp.zeros_like(rest))
        filled = low_rank + rest - sparse
        infinite = xp.full_like(level, xp.inf)
        basis = self.first_basis(observed)
        return AltProjState(low_rank, sparse, xp.zeros_like(rest), filled, filled, basis, level, infinite)

    def step(self, observed: Observed, state: AltProjState) -> AltProjState:
        """Project the argument on rank r, lower the threshold, and replace the cells of M beyond it by the projection.

        Parameters
        ----------
        observed : Observed
        state : AltProjState

        Returns
        -------
        AltProjState
        """
        xp = array_namespace(observed.values)
        low_rank, basis = self.project(state.argument, state.basis)
        level = xp.maximum(self.decay * state.level, self.floor * xp.ones_like(state.level))
        rest = self._rest(observed, low_rank)
        sparse = xp.where(xp.abs(rest) > level, rest, xp.zeros_like(rest))
        left = rest - sparse
        filled = low_rank + left
        change = filled - state.filled
        size = frobenius(observed.values)
        size = xp.where(size > 0, size, xp.ones_like(size))
        noisy = self.floor > xp.zeros_like(level)
        resting = xp.where(level > self.floor, xp.full_like(level, xp.inf), frobenius(change) / size)
        error = xp.where(noisy, resting, frobenius(left) / size)
        noise = xp.where(noisy, left, xp.zeros_like(left))
        return AltProjState(low_rank, sparse, noise, filled + self.momentum * change, filled, basis, level, error)

    def project(self, x: Array, basis: Array) -> tuple[Array, Array]:
        """Projection of ``x`` on rank r, by power steps from ``basis``; returns it and its right factor."""
        return projected(x, basis, self.power, self.offset)

    def _rest(self, observed: Observed, low_rank: Array) -> Array:
        rest = observed.values - low_rank
        if observed.mask is None:
            return rest
        xp = array_namespace(rest)
        return xp.where(observed.mask, rest, xp.zeros_like(rest))

    def doubts(self, observed: Observed, answer: Any) -> tuple[Doubt, ...]:
        """List the frames and features that do not determine an answer (of one matrix, in the units of the input).

        Parameters
        ----------
        observed : Observed
        answer : Decomposition

        Returns
        -------
        tuple of Doubt
            A frame or feature with fewer than ``rank + 1`` cells outside S does not determine its part of L.
        """
        if observed.values.ndim > 2:
            return ()
        xp = array_namespace(observed.values)
        largest = xp.maximum(xp.max(observed.values), -xp.min(observed.values))
        trusted = xp.abs(answer.sparse) <= 1e-6 * largest
        if observed.mask is not None:
            trusted = trusted & observed.mask
        found, rank = [], int(self.rank or 0)
        for axis, name in ((-1, "frames"), (-2, "features")):
            left = xp.sum(xp.astype(trusted, xp.int64), axis=axis)
            bare = int(xp.sum(xp.astype(left <= rank, xp.int64)))
            if bare and observed.values.shape[axis] > rank:
                found.append(Doubt("too_few_cells", {"lines": name, "count": bare, "rank": rank}))
        return tuple(found)


def median_size(x: Array) -> Array:
    """Median absolute value of the cells that are not 0 of each matrix, shape (..., 1, 1); 0 for a zero matrix."""
    xp = array_namespace(x)
    cells = x.shape[-1] * x.shape[-2]
    ordered = xp.sort(xp.reshape(xp.abs(x), (*x.shape[:-2], 1, cells)), axis=-1)
    zeros = xp.sum(xp.astype(ordered == 0, xp.int64), axis=-1, keepdims=True)
    place = zeros + (cells - zeros) // 2
    at = xp.arange(cells, device=device(x)) == xp.where(place < cells, place, xp.full_like(place, cells - 1))
    return xp.sum(xp.where(at, ordered, xp.zeros_like(ordered)), axis=-1, keepdims=True)
