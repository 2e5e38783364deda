"""What is known about an answer afterwards: that no singular value was missed, and how far from the optimum it is."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.engine.lowrank import LowRank
from rpca_affect.engine.panels import Panels, norm_bound_of
from rpca_affect.engine.passes import Passes
from rpca_affect.engine.spectra import beginning, crowded, gram, norm_bound, norm_is_below

__all__ = ["Proof", "complete", "proof_of", "prove"]

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


def prove(passes: Passes, a: np.ndarray, low: LowRank, mu: float, mu_next: float, memory: np.ndarray) -> Proof:
    """Bound the minimum of the model by the dual matrix Y of a step, which respects the bound of the sparse norm.

    Parameters
    ----------
    passes : Passes
    a, low, mu, mu_next
        The step.
    memory : array, shape (m, n)
        Receives Y, unless its Gram matrix is `crowded`: then this is where that is formed.
    """
    parts: list[Any] = []
    nuclear = _nuclear_bound(passes, a, low, memory)

    def fill(blocks: Sequence[slice], out: np.ndarray) -> None:
        if blocks[0].start == 0:
            parts.clear()
        parts.extend(passes.dual(a, low, mu, mu_next, out, blocks))
        if blocks[-1] is passes.blocks[-1]:
            passes.release()  # what comes next needs some memory of its own
            low.release()

    if crowded(memory):
        norm = norm_bound_of(Panels(fill, passes.blocks, memory, passes.crew), low.basis)
    else:
        fill(passes.blocks, memory)
        norm = norm_bound(gram(memory, passes.crew), low.basis, passes.crew)
    return proof_of(nuclear, *passes.weighed(parts), norm)


def proof_of(nuclear: float, loss: float, linear: float, quadratic: float, norm: float) -> Proof:
    """Certificate from ``||L||_*``, what `rpca_affect.engine.passes.Passes.weighed` returns, and ``||Y||_2``."""
    shrink = 1 / max(norm, 1.0)
    return Proof(nuclear + loss, shrink * linear - shrink * shrink * quadratic / 2, norm)


def _nuclear_bound(passes: Passes, a: np.ndarray, low: LowRank, memory: np.ndarray) -> float:
    """Upper bound of ``||L||_*``; L is ``A V W V^T`` without ``left``, and V may not quite have settled."""
    if low.exact or low.left is not None or low.rank == 0:
        return float(np.sum(low.shrunk))
    image = passes.product(a, low.basis, beginning(memory, len(a), low.rank))
    lengths = np.sqrt(np.einsum("ij,ij->j", image, image, dtype=np.float64))
    return float(lengths @ (low.shrunk / low.values))


def complete(passes: Passes, a: np.ndarray, low: LowRank, mu: float, memory: np.ndarray) -> bool:
    """Decide whether ``low`` holds every singular value of ``a`` above the threshold; overwrites ``memory`` (m, n).

    L is the singular-value threshold of A at ``1 / mu`` if and only if ``||mu (A - L)||_2 <= 1``; one Cholesky
    factorisation decides that, with a tolerance of 1e-3.
    """

    def fill(blocks: Sequence[slice], out: np.ndarray) -> None:
        passes.rest(a, low, mu, out, blocks)

    if crowded(memory):
        return Panels(fill, passes.blocks, memory, passes.crew).norm_is_below((1 + MISSED) ** 2)
    fill(passes.blocks, memory)
    return norm_is_below(gram(memory, passes.crew), 1 + MISSED)
