"""A large Gram matrix as the panels of its lower triangle: half the memory, and workers share its factorisation."""

from itertools import pairwise

import numpy as np
from scipy.linalg import blas, lapack

from rpca_affect.engine.spectra import exact_norm, gram, likely_bounds
from rpca_affect.engine.threads import Crew

__all__ = ["Panels", "norm_bound_of"]

WIDTH = 128  # columns of a panel
HEIGHT = 1 << 8  # rows of single-precision data that are converted at a time


class Panels:
    """``x.T @ x`` in double precision.

    Panel k holds the columns ``edges[k]`` to ``edges[k + 1]`` from the diagonal down. A factorisation takes their
    place; they are formed again when they are asked for after it.

    Parameters
    ----------
    x : array, shape (m, n)
    crew : Crew
    """

    def __init__(self, x: np.ndarray, crew: Crew) -> None:
        self.x, self.crew = x, crew
        self.edges = [*range(0, x.shape[1], WIDTH), x.shape[1]]
        self.panels = self._formed()

    def _formed(self) -> list[np.ndarray]:
        x, columns = self.x, self.x.shape[1]
        panels = [np.empty((columns - a, b - a)) for a, b in pairwise(self.edges)]

        def fill(_: int, k: int) -> None:
            a, b = self.edges[k : k + 2]
            panel = panels[k]
            if x.dtype == np.float64:
                np.matmul(x[:, a:].T, x[:, a:b], out=panel)
                return
            panel[:] = 0
            for start in range(0, len(x), HEIGHT):
                rows = x[start : start + HEIGHT, a:].astype(np.float64)
                panel += rows.T @ rows[:, : b - a]

        self.crew.run(fill, range(len(panels)))
        return panels

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        """Product with a matrix (n, r)."""
        out = np.zeros_like(other)
        self.panels = self.panels or self._formed()
        for panel, (a, b) in zip(self.panels, pairwise(self.edges)):
            out[a:] += panel @ other[a:b]
            out[a:b] += panel[b - a :].T @ other[b:]
        return out

    def norm_is_below(self, bound: float) -> bool:
        """Decide whether all eigenvalues lie below ``bound``: ``bound I`` less the matrix has a Cholesky factor."""
        panels, self.panels = self.panels or self._formed(), []
        for panel in panels:
            np.negative(panel, out=panel)
            panel[np.diag_indices(panel.shape[1])] += bound
        for k, panel in enumerate(panels):
            width = panel.shape[1]
            factor, info = lapack.dpotrf(panel[:width], lower=1)
            if info != 0:
                return False
            below = panel[width:]
            if not len(below):
                return True
            # A C-ordered X with X L^T = B is a Fortran-ordered X^T with L X^T = B^T.
            below[:] = blas.dtrsm(1.0, factor, below.T, lower=1).T

            def update(_: int, j: int, k: int = k, below: np.ndarray = below) -> None:
                start = self.edges[j] - self.edges[k + 1]
                panels[j] -= below[start:] @ below[start : start + panels[j].shape[1]].T

            self.crew.run(update, range(k + 1, len(panels)))
        return True


def norm_bound_of(x: np.ndarray, basis: np.ndarray, crew: Crew) -> float:
    """Upper bound of ``||x||_2``; see `rpca_affect.engine.spectra.norm_bound`."""
    square = Panels(x, crew)
    for bound in likely_bounds(square.__matmul__, basis):
        if square.norm_is_below(bound * bound):
            return bound
    return exact_norm(gram(x, crew))
