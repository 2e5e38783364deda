"""A large Gram matrix as the panels of its lower triangle: half the memory, and workers share its factorisation."""

from itertools import pairwise

import numpy as np
from scipy.linalg import blas, lapack

from rpca_affect.engine.spectra import gram, likely_bounds, norm_bound
from rpca_affect.engine.threads import Crew

__all__ = ["Panels", "norm_bound_of"]

WIDTH = 128  # columns of a panel
HEIGHT = 1 << 8  # rows of single-precision data that are converted at a time


class Panels:
    """``x.T @ x`` in double precision.

    Panel k holds the columns ``edges[k]`` to ``edges[k + 1]`` from the diagonal down.

    Parameters
    ----------
    x : array, shape (m, n)
    crew : Crew
    """

    def __init__(self, x: np.ndarray, crew: Crew) -> None:
        columns = x.shape[1]
        self.crew = crew
        self.edges = [*range(0, columns, WIDTH), columns]
        self.panels = [np.empty((columns - a, b - a)) for a, b in pairwise(self.edges)]

        def fill(_: int, k: int) -> None:
            a, b = self.edges[k : k + 2]
            panel = self.panels[k]
            if x.dtype == np.float64:
                np.matmul(x[:, a:].T, x[:, a:b], out=panel)
                return
            panel[:] = 0
            for start in range(0, len(x), HEIGHT):
                rows = x[start : start + HEIGHT, a:].astype(np.float64)
                panel += rows.T @ rows[:, : b - a]

        crew.run(fill, range(len(self.panels)))

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        """Product with a matrix (n, r)."""
        out = np.zeros_like(other)
        for panel, (a, b) in zip(self.panels, pairwise(self.edges)):
            out[a:] += panel @ other[a:b]
            out[a:b] += panel[b - a :].T @ other[b:]
        return out

    def norm_is_below(self, bound: float) -> bool:
        """Decide whether all eigenvalues lie below ``bound``: ``bound I`` less the matrix has a Cholesky factor.

        The panels are used up.
        """
        panels, self.panels = self.panels, []
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
    square = [Panels(x, crew)]
    for bound in likely_bounds(lambda block: square[0] @ block, basis):
        if square[0].norm_is_below(bound * bound):
            return bound
        square[0] = Panels(x, crew)
    square.clear()
    return norm_bound(gram(x, crew), basis, crew)
