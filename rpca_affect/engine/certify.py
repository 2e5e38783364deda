"""What is known about an answer afterwards: that no singular value was missed, and how far from the optimum it is."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.engine.lowrank import LowRank
from rpca_affect.engine.passes import Passes
from rpca_affect.engine.spectra import gram, norm_bound, norm_is_below

__all__ = ["Proof", "complete", "prove"]

CROWDED = 512  # columns from which a Gram matrix as large as the data is worth making room for
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
    passes: Passes, a: np.ndarray, low: LowRank, mu: float, mu_next: float, dual: np.ndarray, refill: Callable
) -> Proof:
    """Write the dual matrix of the step from ``a``, and bound the minimum of the model with it.

    Parameters
    ----------
    passes : Passes
    a, low, mu, mu_next
        The step.
    dual : array, shape (m, n)
        Receives Y, which respects the bound of the sparse norm by construction.
    refill : callable
        Makes the data again, which may have to leave for a while.
    """
    loss, linear, quadratic = passes.prove(a, low, mu, mu_next, dual)
    norm = _with_room(passes, dual, refill, lambda square: norm_bound(square, low.basis, passes.crew))
    shrink = 1 / max(norm, 1.0)
    value = shrink * linear - shrink * shrink * quadratic / 2
    return Proof(float(np.sum(low.shrunk)) + loss, value, norm)


def complete(passes: Passes, a: np.ndarray, low: LowRank, mu: float, spare: np.ndarray, refill: Callable) -> bool:
    """Decide whether ``low`` holds every singular value of ``a`` above the threshold; overwrites ``spare``.

    L is the singular-value threshold of A at ``1 / mu`` if and only if ``||mu (A - L)||_2 <= 1``; one Cholesky
    factorisation decides that, with a tolerance of 1e-3.
    """
    passes.rest(a, low, mu, spare)
    return _with_room(passes, spare, refill, lambda square: norm_is_below(square, 1 + MISSED))


def _with_room(passes: Passes, x: np.ndarray, refill: Callable, question: Callable) -> Any:
    """Ask about ``x.T @ x``; next to a square matrix a copy of the data makes room for it meanwhile."""
    crowded = 4 * x.shape[1] > x.shape[0] and x.shape[1] > CROWDED
    if crowded:
        passes.values = np.empty((0, 0))
    answer = question(gram(x, passes.crew))
    if crowded:
        passes.values = refill()
    return answer
