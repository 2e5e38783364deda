"""What is known about an answer afterwards: that no singular value was missed, and how far from the optimum it is."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.engine.lowrank import LowRank
from rpca_affect.engine.panels import Panels, norm_bound_of
from rpca_affect.engine.passes import Passes
from rpca_affect.engine.spectra import SMALL, gram, norm_bound, norm_is_below

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
    crew = passes.crew
    if _crowded(dual):
        norm = _with_room(passes, refill, lambda: norm_bound_of(dual, low.basis, crew))
    else:
        norm = norm_bound(gram(dual, crew), low.basis, crew)
    shrink = 1 / max(norm, 1.0)
    value = shrink * linear - shrink * shrink * quadratic / 2
    return Proof(float(np.sum(low.shrunk)) + loss, value, norm)


def complete(passes: Passes, a: np.ndarray, low: LowRank, mu: float, spare: np.ndarray, refill: Callable) -> bool:
    """Decide whether ``low`` holds every singular value of ``a`` above the threshold; overwrites ``spare``.

    L is the singular-value threshold of A at ``1 / mu`` if and only if ``||mu (A - L)||_2 <= 1``; one Cholesky
    factorisation decides that, with a tolerance of 1e-3.
    """
    passes.rest(a, low, mu, spare)
    if not _crowded(spare):
        return norm_is_below(gram(spare, passes.crew), 1 + MISSED)
    return _with_room(passes, refill, lambda: Panels(spare, passes.crew).norm_is_below((1 + MISSED) ** 2))


def _crowded(x: np.ndarray) -> bool:
    """Whether the Gram matrix of ``x`` is so large beside it that half of it is worth saving."""
    return 4 * x.shape[1] > x.shape[0] and x.shape[1] > SMALL


def _with_room(passes: Passes, refill: Callable, question: Callable) -> Any:
    """Ask while a copy of the data makes room."""
    passes.values = np.empty((0, 0))
    answer = question()
    passes.values = refill()
    return answer
