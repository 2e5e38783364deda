"""From the last step to the answer: its proof, and its parts, written over the memory that the steps needed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.certificate import gap_of
from rpca_affect.engine.cells.blocks import Passes
from rpca_affect.engine.spectrum.gram import beginning, crowded, eigh_descending, gram, norm_bound, norm_is_below
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.spectrum.panels import Panels, norm_bound_of
from rpca_affect.engine.tuning import MISSED

__all__ = ["Parts", "Proof", "Step", "complete", "factors_of", "low_rank_of", "parts_of", "prove"]


class Proof(NamedTuple):
    """Certificate of one answer.

    Attributes
    ----------
    nuclear, loss : float
        Value of the convex model at the low-rank part: ``||L||_*`` and the loss of ``M - L``.
    linear, quadratic : float
        ``<M, Y>`` and ``sum slack Y^2`` of the dual matrix.
    dual_norm : float
        Upper bound of the spectral norm of the dual matrix.
    """

    nuclear: float
    loss: float
    linear: float
    quadratic: float
    dual_norm: float

    @property
    def gap(self) -> float:
        """Relative duality gap; see `rpca_affect.certificate.gap_of`."""
        return float(gap_of(self.nuclear + self.loss, self.linear, self.quadratic, max(self.dual_norm, 1.0)))


def prove(passes: Passes, a: np.ndarray, low: LowRank, mu: float, mu_next: float, memory: np.ndarray) -> Proof:
    """Bound the minimum of the model by the dual matrix Y of a step, whose cells (or frames) are at most ``lam`` long.

    Parameters
    ----------
    passes : Passes
    a, low, mu, mu_next
        The step.
    memory : array, shape (m, n)
        Receives Y; where the Gram matrix of Y is `crowded`, it receives that matrix instead.
    """
    parts: list[Any] = []
    nuclear = _nuclear_bound(passes, a, low, memory)

    def fill(blocks: Sequence[slice], out: np.ndarray) -> None:
        if blocks[0].start == 0:
            parts.clear()
        parts.extend(passes.dual(a, low, mu, mu_next, out, blocks))
        if blocks[-1] is passes.blocks[-1]:
            passes.release()  # the norm of Y needs working memory of its own
            low.release()

    if crowded(memory):
        norm = norm_bound_of(Panels(fill, passes.blocks, memory, passes.crew), low.basis)
    else:
        fill(passes.blocks, memory)
        norm = norm_bound(gram(memory, passes.crew), low.basis, passes.crew)
    return Proof(nuclear, *passes.weighed(parts), norm)


def _nuclear_bound(passes: Passes, a: np.ndarray, low: LowRank, memory: np.ndarray) -> float:
    """Upper bound of ``||L||_*``: L is ``A V W V^T`` where ``left`` is None, and V may be a subspace still moving."""
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


class Step(NamedTuple):
    """A step from ``argument`` to ``spare``: the numbers and factors that determine the parts."""

    argument: np.ndarray
    spare: np.ndarray
    low: LowRank
    mu: float
    mu_next: float
    violated: float
    error: float


class Parts(NamedTuple):
    """The parts of the data, and the share of non-zeros in the sparse part."""

    low_rank: np.ndarray | None
    sparse: np.ndarray | None = None
    noise: np.ndarray | None = None
    sparsity: float = 0.0


def parts_of(passes: Passes, step: Step, factored: bool, unused: list[np.ndarray]) -> Parts:
    """Write the parts over the argument and the unused matrices, and into new memory where these do not suffice."""
    argument = step.argument
    # Where L is returned as factors, another part takes the memory of the argument.
    free = [*([argument] if factored else []), *unused]
    sparse = free.pop() if free else np.empty_like(argument)
    noise = None
    if passes.noisy:
        passes.refine()
        noise = free.pop() if free else np.empty_like(argument)
    nonzero = passes.finish(argument, step.low, step.mu, step.mu_next, sparse, noise)
    cells = passes.values.size if passes.known is None else np.count_nonzero(passes.known)
    return Parts(None if factored else argument, sparse, noise, nonzero / cells)


def low_rank_of(passes: Passes, step: Step) -> Parts:
    """Write the low-rank part over the argument, and no other."""
    passes.low_rank(step.argument, step.low)
    return Parts(step.argument)


def factors_of(passes: Passes, step: Step) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U (m, r), s (r,) and V^T (r, n) of the low-rank part."""
    low = step.low
    passes.release()  # orthogonal factors take copies
    if low.left is not None:
        u, values, vt = np.linalg.svd(low.right, full_matrices=False)
        return low.left @ u[:, : low.rank], values[: low.rank], vt[: low.rank]
    basis, weights = low.basis, low.shrunk / low.values
    if low.factor is not None:  # the vectors are known by their product only
        weights, basis = eigh_descending(np.array(low.factor, dtype=np.float64, order="F"))
        weights, basis = weights[: low.rank], np.array(basis[:, : low.rank], dtype=low.factor.dtype, order="C")
    left, triangle = np.linalg.qr(passes.product(step.argument, basis))
    u, values, vt = np.linalg.svd(triangle * weights)
    return left @ u.astype(left.dtype), values, vt.astype(left.dtype) @ basis.T
