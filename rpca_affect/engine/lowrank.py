"""The low-rank part as the engine holds it: thin factors, never a matrix."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["LowRank"]

ROWS = 256  # of a square factor that are weighted at a time: a weighted copy of all vectors would be as large again


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
    turn : array, shape (k, r), optional
        Left singular vectors of A above the threshold, in terms of ``left``.
    """

    basis: np.ndarray
    values: np.ndarray
    level: float
    exact: bool
    left: np.ndarray | None = None
    turn: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """Number of singular values above the threshold."""
        return self.basis.shape[1]

    @property
    def shrunk(self) -> np.ndarray:
        """Singular values of the low-rank part."""
        return self.values - self.level

    @cached_property
    def right(self) -> np.ndarray:
        """Last factor of the low-rank part, multiplied out with as much as makes the rest fewer operations."""
        if self.turn is not None:
            return (self.turn * self.shrunk).astype(self.basis.dtype, copy=False) @ self.basis.T
        weights = (self.shrunk / self.values).astype(self.basis.dtype, copy=False)
        if self.thin:
            return np.ascontiguousarray(self.basis.T * weights[:, None])
        if len(self.basis) <= ROWS:
            return (self.basis * weights) @ self.basis.T
        right = np.empty((len(self.basis),) * 2, self.basis.dtype)
        for start in range(0, len(right), ROWS):
            rows = slice(start, start + ROWS)
            np.matmul(self.basis[rows] * weights, self.basis.T, out=right[rows])
        return right

    def release(self) -> None:
        """Give the memory of `right` back until it is asked for again."""
        self.__dict__.pop("right", None)

    @property
    def thin(self) -> bool:
        """Whether, without ``left``, two products with the factors are cheaper than one with a square matrix."""
        columns = self.basis.shape[0]
        return columns > 32 and 2 * self.rank < columns
