"""GoDec: low rank plus given cardinality plus noise, by randomised projections; fast when both numbers are known."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

from rpca_affect.arrays import Array, Observed, array_namespace, frobenius
from rpca_affect.prox import keep_largest, soft_threshold
from rpca_affect.solvers.altproj import median_size
from rpca_affect.solvers.solver import Solver, projected, random_basis

__all__ = ["GROSS", "GoDec", "GoDecState"]

GROSS = 10.0  # medians of the observed sizes: cells above are no part of the first projection


class GoDecState(NamedTuple):
    """Where GoDec stands.

    Attributes
    ----------
    low_rank, sparse, noise : array, shape (..., m, n)
        The parts after the last step.
    basis : array, shape (..., n, r)
        Right factor that the next projection starts from.
    error : array, shape (..., 1, 1)
        Relative change of ``low_rank + sparse`` in the last step.
    """

    low_rank: Array
    sparse: Array
    noise: Array
    basis: Array
    error: Array


@dataclass(frozen=True)
class GoDec(Solver):
    """Go Decomposition: alternate a rank-r projection and the largest cells of the remainder.

    Seeks ``argmin ||M - L - S||_F^2  subject to  rank(L) <= rank, ||S||_0 <= cardinality``; with ``level`` given, the
    soft form ``argmin ||M - L - S||_F^2 / 2 + level ||S||_1  subject to  rank(L) <= rank``. Both are non-convex: the
    answer is a stationary point, found when rank and cardinality are about right. Cells above ten medians are kept out
    of the first projection, so that gross errors do not rule it. There is no optimality certificate.

    Attributes
    ----------
    rank : int
        Rank of the low-rank part; needed.
    cardinality : int or float, optional
        Cells in the sparse part of one matrix; a float below 1 is a share of its cells.
    level : float, optional
        Soft threshold, in the units of the input; replaces ``cardinality``.
    power : int
        Power steps of the bilateral random projection; 0 is inaccurate where singular values decay slowly.
    offset : bool, default False
        As in `AltProj`.
    random_state : int or numpy.random.Generator, default 0
        Seed of the first projection.

    References
    ----------
    Zhou & Tao (2011), GoDec: randomized low-rank and sparse matrix decomposition in noisy case, algorithm 2. Here the
    random test matrix is replaced, after the first step, by the factor found in the step before.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> M = np.outer(np.arange(1.0, 41.0), np.ones(30)); M[3, 5] += 100.0
    >>> split = ra.solve(M, ra.GoDec(rank=1, cardinality=1))
    >>> np.argwhere(split.sparse).tolist()
    [[3, 5]]
    """

    rank: int | None = None
    cardinality: float | None = None
    level: Any = None
    power: int = 2
    offset: bool = False
    random_state: Any = 0

    name: ClassVar[str] = "godec"

    def rescaled(self, unit: Array) -> Self:
        """Return the same solver for data divided by ``unit``."""
        return self if self.level is None else replace(self, level=self.level / unit)

    def tuned(self, observed: Observed) -> Self:
        """Return the same solver with the cardinality counted in cells, and both numbers checked."""
        frames, features = observed.values.shape[-2:]
        if self.rank is None:
            raise ValueError(f"GoDec needs rank: it must lie between 1 and {min(frames, features)}")
        if not 1 <= self.rank <= min(frames, features):
            raise ValueError(f"GoDec's rank is {self.rank}: it must lie between 1 and {min(frames, features)}")
        if self.level is not None:
            return self
        if self.cardinality is None:
            raise ValueError("GoDec needs cardinality (cells in the sparse part, or their share) or a soft level")
        cells = frames * features
        count = round(self.cardinality * cells) if 0 < self.cardinality < 1 else int(self.cardinality)
        if not 0 <= count <= cells:
            raise ValueError(
                f"GoDec's cardinality is {self.cardinality}: give a number of cells, from 0 to {cells} here"
            )
        return replace(self, cardinality=count)

    def init(self, observed: Observed) -> GoDecState:
        """Start from a random Gaussian basis, with the gross errors taken out: cells above ten medians.

        They would otherwise rule the first projections, and be thresholded against a base made of them. Only cells that
        the sparse part has room for count.

        Parameters
        ----------
        observed : Observed

        Returns
        -------
        GoDecState
        """
        values = observed.values
        xp = array_namespace(values)
        basis = random_basis(observed, self.rank or 1, self.random_state)
        zero = xp.zeros_like(values)
        known = values if observed.mask is None else xp.where(observed.mask, values, zero)
        gross = xp.where(xp.abs(known) > GROSS * median_size(known), self.outliers(known), zero)
        return GoDecState(zero, gross, zero, basis, xp.full_like(values[..., :1, :1], xp.inf))

    def outliers(self, rest: Array) -> Array:
        """Sparse part of ``rest = M - L``: its largest cells, or its soft threshold."""
        if self.level is not None:
            return soft_threshold(rest, self.level)
        return keep_largest(rest, int(self.cardinality or 0))

    def resume(self, observed: Observed, before: Any, unit: Array) -> GoDecState:
        """State that continues an earlier `rpca_affect.Decomposition`, given in the units of the input."""
        xp = array_namespace(observed.values)
        low_rank = before.factors.matrix() if before.low_rank is None else before.low_rank
        _, _, rows = xp.linalg.svd(low_rank, full_matrices=False)
        start = self.init(observed)
        basis = xp.matrix_transpose(rows[..., : self.rank, :])
        return start._replace(low_rank=low_rank / unit, sparse=before.sparse / unit, basis=basis)

    def step(self, observed: Observed, state: GoDecState) -> GoDecState:
        """Project ``M - S`` on rank r, then keep the largest cells of ``M - L``.

        Parameters
        ----------
        observed : Observed
        state : GoDecState

        Returns
        -------
        GoDecState
        """
        xp = array_namespace(observed.values)
        filled = observed.values - state.sparse
        if observed.mask is not None:
            filled = xp.where(observed.mask, filled, state.low_rank)
        low_rank, basis = self.project(filled, state.basis)
        rest = observed.values - low_rank
        if observed.mask is not None:
            rest = xp.where(observed.mask, rest, xp.zeros_like(rest))
        sparse = self.outliers(rest)
        size = frobenius(observed.values)
        change = frobenius(low_rank - state.low_rank + sparse - state.sparse)
        error = change / xp.where(size > 0, size, xp.ones_like(size))
        return GoDecState(low_rank, sparse, rest - sparse, basis, error)

    def project(self, x: Array, basis: Array) -> tuple[Array, Array]:
        """Projection of ``x`` on rank r, by power steps from ``basis``; returns it and its right factor."""
        return projected(x, basis, self.power, self.offset)
