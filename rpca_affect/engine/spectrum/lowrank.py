"""The low-rank part as the engine holds it: thin factors, never a matrix."""

from dataclasses import dataclass, replace

import numpy as np

from rpca_affect.cached import cached_property
from rpca_affect.engine.tuning import ROWS, SQUARE

__all__ = ["LowRank", "is_thin", "weighed_square"]


@dataclass(frozen=True)
class LowRank:
    """The low-rank part: ``A @ basis @ diag(weights) @ basis.T``, A being the matrix it is thresholded from.

    Attributes
    ----------
    basis : array, shape (n, r)
        Right singular vectors of A above the threshold.
    values : array, shape (r,)
        Their singular values, decreasing.
    level : float
        The threshold.
    exact : bool
        Whether they come from a full decomposition, so that none can be missing.
    left : array, shape (m, k), optional
        Orthonormal columns that span ``A @ basis``; with them the low-rank part is ``left @ right``, one product less.
    factor : array, shape (k, n) or (n, n), optional
        Right factor of L: ``L = left @ factor``. Without ``left`` it is the square matrix W with ``L = A W``, kept
        where W is no larger than the factors (of ``basis`` only the first columns are kept then).
    """

    basis: np.ndarray
    values: np.ndarray
    level: float
    exact: bool
    left: np.ndarray | None = None
    factor: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """Number of singular values above the threshold."""
        return len(self.values)

    @property
    def shrunk(self) -> np.ndarray:
        """Singular values of the low-rank part."""
        return self.values - self.level

    @cached_property
    def right(self) -> np.ndarray:
        """Right factor of L: ``left @ right``, ``(A basis) @ right`` where `thin`, else ``A @ right``."""
        if self.factor is not None:
            return self.factor
        weights = (self.shrunk / self.values).astype(self.basis.dtype, copy=False)
        if self.thin:
            return np.multiply(self.basis.T, weights[:, None], order="C")
        return weighed_square(self.basis, weights, np.empty((len(self.basis),) * 2, self.basis.dtype))

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows of the low-rank part that belong to these rows of A; without ``left`` only."""
        return (rows @ self.basis) @ self.right if self.thin else rows @ self.right

    def alone(self) -> "LowRank":
        """The same part without ``left``, to be computed from A and ``basis``."""
        return self if self.left is None else replace(self, left=None, factor=None)

    def after(self, written: np.ndarray) -> "LowRank":
        """The same part after ``written`` was overwritten, without ``left`` where that lay in it."""
        return self.alone() if self.left is not None and np.may_share_memory(self.left, written) else self

    def release(self) -> None:
        """Give the memory of `right` back until it is asked for again."""
        self.__dict__.pop("right", None)

    @property
    def thin(self) -> bool:
        """Whether, without ``left``, two products with the factors are cheaper than one with a square matrix."""
        return is_thin(self.rank, len(self.basis))


def is_thin(rank: int, columns: int) -> bool:
    """Whether two products with factors (columns, rank) are cheaper than one with a square matrix."""
    return columns > SQUARE and 2 * rank < columns


def weighed_square(vectors: np.ndarray, weights: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Write ``vectors @ diag(weights) @ vectors.T``, a few rows at a time."""
    for start in range(0, len(vectors), ROWS):
        rows = slice(start, start + ROWS)
        out[rows] = (vectors[rows] * weights) @ vectors.T
    return out
