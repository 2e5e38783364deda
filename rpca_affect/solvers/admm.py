"""ADMM with a penalty that comes to rest: it finds the true optimum, with noise, masks and whole frames."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rpca_affect.arrays import Array, Observed, array_namespace, frobenius, observed_share
from rpca_affect.solvers.solver import Splitting, State

__all__ = ["ADMM"]


@dataclass(frozen=True)
class ADMM(Splitting):
    """Over-relaxed alternating direction method of multipliers (as relaxed Douglas-Rachford splitting).

    Solves ``argmin ||L||_* + lam g(S) + ||N||_F^2 / (2 slack)  subject to  L + S + N = M`` on the observed cells, with
    ``g`` the sum of absolute cells or of row lengths. The penalty is kept after a few bounded changes, so the iteration
    converges to an optimum of the convex problem from anywhere; it stops when the constraint *and* the multipliers
    agree.

    Attributes
    ----------
    head_start : bool
        Let `rpca_affect.solve` begin with a few tens of steps of inexact ALM, without a noise part or a given ``mu``:
        the same optimum in a fraction of the steps.
    adaptive : bool
        Let the penalty change at steps 5, 10, 20, 40, 80 and 160, without a noise part or a given ``mu``: by how far
        the multiplier has travelled relative to the base. The good penalty differs by a factor of a hundred between
        data sets. See `rpca_affect.penalty.factor`.
    memory : int
        Steps that a solve of more than 100 steps is extrapolated from; 0 for the plain iteration. Single matrices of
        at most 839,000 cells (from 210,000 on fewer steps), and not on CuPy; they take 64 MB at most, whatever the
        input. See `rpca_affect.acceleration.Anderson`.
    lam, slack, mu, growth, relax, lowrank, shrink
        As in `rpca_affect.solvers.solver.Splitting`; ``mu`` defaults to `first_mu`, ``relax`` to 1.6.

    References
    ----------
    Boyd, Parikh, Chu, Peleato & Eckstein (2011), section 3.4.3; Candes, Li, Ma & Wright (2011), algorithm 1, whose
    penalty constant is a tenth of the fastest here.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> M = np.outer(np.arange(1.0, 41.0), np.ones(30)); M[3, 5] += 100.0; M[7, 7] = np.nan
    >>> split = ra.solve(M, "admm")
    >>> split.rank, round(float(split.low_rank[7, 7]), 3)
    (1, 8.0)
    """

    relax: Any = 1.6
    head_start: bool = True
    adaptive: bool = True
    memory: int = 20

    name: ClassVar[str] = "admm"
    two_sided: ClassVar[bool] = True
    # The error is relative to the multiplier, which is small against the rounding of the data.
    float32_tol: ClassVar[float] = 1e-4

    @property
    def moves_penalty(self) -> bool:
        """Whether the penalty follows the distances travelled: nobody has chosen it, and no noise part decides it."""
        if not self.adaptive or self.mu is not None or self.sparse_kind == "custom":
            return False
        return _all_equal(self.slack, 0.0) and _all_equal(self.growth, 1.0)

    def first_mu(self, observed: Observed) -> Array:
        """Return ``2.5 p m n / (4 sum |M|)``, shape (..., 1, 1); p is the observed share.

        With a noise part it is ``1 / (8 slack)``: on noise-scaled face recordings the number of steps is a bowl around
        that (47 to 57 there, 167 to 228 at four times as much).
        """
        xp = array_namespace(observed.values)
        mean = xp.mean(xp.abs(observed.values), axis=(-2, -1), keepdims=True) / observed_share(observed)
        return self.penalty(mean)

    def penalty(self, mean: Array) -> Array:
        """Return the first penalty for data whose observed cells have this mean absolute value, shape (..., 1, 1)."""
        xp = array_namespace(mean)
        mu = 0.625 / xp.where(mean > 0, mean, xp.ones_like(mean))
        slack = self.slack + xp.zeros_like(mean)
        slack = xp.sqrt(xp.mean(slack * slack, axis=(-2, -1), keepdims=True))
        noisy = slack > 0
        return xp.where(noisy, xp.minimum(1000 * mu, 0.125 / xp.where(noisy, slack, xp.ones_like(slack))), mu)

    def init(self, observed: Observed) -> State:
        """Start from L = S = Y = 0: the first argument is M itself.

        Parameters
        ----------
        observed : Observed

        Returns
        -------
        State
        """
        return self.starting_from(observed.values, observed)

    def error(self, observed: Observed, violated: Array, kept: Array) -> Array:
        """Larger of the constraint violation relative to M and the disagreement relative to the multiplier."""
        xp = array_namespace(violated)
        size, scale = frobenius(observed.values), frobenius(kept)
        smaller = xp.where(scale > 0, xp.minimum(size, scale), size)
        return frobenius(violated) / xp.where(smaller > 0, smaller, xp.ones_like(smaller))


def _all_equal(number: Any, value: float) -> bool:
    if isinstance(number, int | float):
        return number == value
    return bool(array_namespace(number).all(number == value))
