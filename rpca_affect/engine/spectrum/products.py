"""Products of tall matrices, shared among workers."""

import numpy as np

from rpca_affect.engine.spectrum.gram import crowded
from rpca_affect.engine.threads import Crew
from rpca_affect.engine.tuning import QUICK

__all__ = ["Products"]


class Products:
    """Products with a matrix.

    Attributes
    ----------
    crew : Crew
    workers : int
        Number of workers that share a product.
    """

    crew: Crew
    workers: int

    def shares(self, rows: int, effort: int) -> list[slice]:
        """One run of rows per worker, or all rows where the effort (multiplications x bytes) is below `QUICK`."""
        return self.crew.shares(rows) if self.workers > 1 and effort >= QUICK else [slice(0, rows)]

    def product(self, a: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return ``a @ right``."""
        out = np.empty((a.shape[0], right.shape[1]), a.dtype) if out is None else out
        shares = self.shares(len(a), a.size * right.shape[1] * a.itemsize)
        self.crew.run(lambda _, rows: np.matmul(a[rows], right, out=out[rows]), shares)
        return out

    def inner(self, a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return ``a.T @ b``."""
        out = np.empty((a.shape[1], b.shape[1]), a.dtype) if out is None else out
        effort = a.size * b.shape[1] * a.itemsize
        if crowded(a):  # partial sums would be large
            columns = self.shares(len(out), effort)
            self.crew.run(lambda _, part: np.matmul(a[:, part].T, b, out=out[part]), columns)
            return out
        first, *others = self.shares(len(a), effort)
        places = [(first, out), *((rows, np.empty_like(out)) for rows in others)]
        self.crew.run(lambda _, place: np.matmul(a[place[0]].T, b[place[0]], out=place[1]), places)
        for _, part in places[1:]:
            out += part
        return out
