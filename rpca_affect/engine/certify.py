"""What is known about an answer afterwards: that no singular value was missed, and how far from the optimum it is."""

from typing import NamedTuple

import numpy as np

from rpca_affect.engine.passes import LowRank, Passes
from rpca_affect.engine.spectra import gram, norm_bound, norm_is_below

__all__ = ["Proof", "complete", "prove"]

MISSED = 1e-3  # share by which a missed singular value may exceed the threshold


class Proof(NamedTuple):
    """Certificate of one answer.

    Attributes
    ----------
    primal, bound : float
        Value of the convex model at the low-rank part, and a lower bound of its minimum.
    dual_norm : float
        Upper bound of the spectral norm of the dual matrix.
    """

    primal: float
    bound: float
    dual_norm: float

    @property
    def gap(self) -> float:
        """Relative duality gap, at least 0; see `rpca_affect.certificate.relative_gap`."""
        return max((self.primal - self.bound) / self.primal, 0.0) if self.primal > 0 else 0.0


def prove(
    passes: Passes, a: np.ndarray, low: LowRank, mu: float, mu_next: float, dual: np.ndarray, extra: float
) -> Proof:
    """Write the dual matrix of the step from ``a``, and bound the minimum of the model with it.

    Parameters
    ----------
    passes : Passes
    a, low, mu, mu_next
        The step.
    dual : array, shape (m, n)
        Receives Y, which respects the bound of the sparse norm by construction.
    extra : float
        Sparse norm of what was clipped from the data beforehand: it adds to both sides alike.
    """
    loss, linear, quadratic = passes.prove(a, low, mu, mu_next, dual)
    norm = norm_bound(gram(dual, passes.crew), low.basis)
    shrink = 1 / max(norm, 1.0)
    value = shrink * (linear + passes.lam * extra) - shrink * shrink * quadratic / 2
    return Proof(float(np.sum(low.shrunk)) + loss + passes.lam * extra, value, norm)


def complete(passes: Passes, a: np.ndarray, low: LowRank, mu: float, spare: np.ndarray) -> bool:
    """Decide whether ``low`` holds every singular value of ``a`` above the threshold.

    L is the singular-value threshold of A at ``1 / mu`` if and only if ``||mu (A - L)||_2 <= 1``; one Cholesky
    factorisation decides that, with a tolerance of 1e-3.
    """
    if low.exact:
        return True
    passes.rest(a, low, mu, spare)
    return norm_is_below(gram(spare, passes.crew), 1 + MISSED)
