"""From the last step to the parts: written over the memory that the steps needed."""

from typing import NamedTuple

import numpy as np

from rpca_affect.engine.lowrank import LowRank
from rpca_affect.engine.passes import Passes
from rpca_affect.engine.spectra import eigh_descending

__all__ = ["Parts", "Step", "factors_of", "low_rank_of", "parts_of"]


class Step(NamedTuple):
    """A step from ``argument`` to ``spare``: everything about the parts, but not the parts themselves."""

    argument: np.ndarray
    spare: np.ndarray
    low: LowRank
    mu: float
    mu_next: float
    violated: float
    error: float


class Parts(NamedTuple):
    """What the data are split into, and the share of non-zeros in the sparse part."""

    low_rank: np.ndarray | None
    sparse: np.ndarray | None = None
    noise: np.ndarray | None = None
    sparsity: float = 0.0


def parts_of(passes: Passes, step: Step, factored: bool, unused: list[np.ndarray]) -> Parts:
    """Write the parts over the argument and what else is unused, or where that does not suffice, over new memory."""
    argument = step.argument
    # Where nobody asks for L as a matrix, another part takes its place.
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
