"""A large Gram matrix as the panels of its lower triangle: half the memory, and workers share its factorisation."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from scipy.linalg import blas, lapack

from rpca_affect.engine.spectrum.gram import carved, exact_norm, likely_bounds
from rpca_affect.engine.threads import Crew
from rpca_affect.engine.tuning import HEIGHT, WIDTH

__all__ = ["Panels", "norm_bound_of"]


Fill = Callable[[Sequence[slice], np.ndarray], object]


class Panels:
    """``x.T @ x`` in double precision, of a matrix x that is computed a few rows at a time and never kept.

    Panel k holds the columns ``edges[k]`` to ``edges[k + 1]`` from the diagonal down. A factorisation overwrites the
    panels; they are formed again when they are needed after it.

    Parameters
    ----------
    fill : callable (blocks, rows)
        Writes the rows of x in some consecutive blocks.
    blocks : sequence of slice
        All rows.
    memory : array, shape (m, n)
        Of the precision of x; overwritten with the panels, and behind them with rows of x.
    crew : Crew
    """

    def __init__(self, fill: Fill, blocks: Sequence[slice], memory: np.ndarray, crew: Crew) -> None:
        self.fill, self.blocks, self.memory, self.crew = fill, blocks, memory, crew
        self.columns = memory.shape[1]
        self.edges = [*range(0, self.columns, WIDTH), self.columns]
        self.panels: list[np.ndarray] = []

    def _formed(self) -> list[np.ndarray]:
        panels, room = [], self.memory.reshape(-1)
        for a, b in pairwise(self.edges):
            panel, room = carved((self.columns - a, b - a), room)
            panels.append(panel)
        self._sum_up(panels, room)
        return panels

    def _sum_up(self, panels: list[np.ndarray], room: np.ndarray) -> None:
        """Write ``x.T @ x`` to the panels; rows of x are made in ``room`` where that suffices."""
        for panel in panels:
            panel[:] = 0
        height = self.blocks[0].stop
        if room.size < height * self.columns:  # in single precision the sums may fill more than all of the memory
            room = np.empty(height * self.columns, self.memory.dtype)
        step = room.size // (height * self.columns)
        for first in range(0, len(self.blocks), step):
            blocks = self.blocks[first : first + step]
            rows = blocks[-1].stop - blocks[0].start
            x = room[: rows * self.columns].reshape(rows, self.columns)
            self.fill(blocks, x)
            self._add(panels, x)

    def _add(self, panels: list[np.ndarray], x: np.ndarray) -> None:
        """Add ``x.T @ x``."""

        def work(_: int, k: int) -> None:
            a, b = self.edges[k : k + 2]
            height = len(x) if x.dtype == np.float64 else HEIGHT
            for start in range(0, len(x), height):
                rows = x[start : start + height, a:].astype(np.float64, copy=False)
                for top in range(0, len(panels[k]), HEIGHT):
                    panels[k][top : top + HEIGHT] += rows[:, top : top + HEIGHT].T @ rows[:, : b - a]

        self.crew.run(work, range(len(panels)))

    def __matmul__(self, other: np.ndarray) -> np.ndarray:
        """Product with a matrix (n, r)."""
        out = np.zeros_like(other)
        panels = self.panels = self.panels or self._formed()

        def work(_: int, part: slice) -> None:
            mine, theirs = out[:, part], other[:, part]
            for panel, (a, b) in zip(panels, pairwise(self.edges)):
                mine[a:] += panel @ theirs[a:b]
                mine[a:b] += panel[b - a :].T @ theirs[b:]

        self.crew.run(work, self.crew.shares(other.shape[1]))
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
            # A C-ordered X with X L^T = B is a Fortran-ordered X^T with L X^T = B^T: in place.
            blas.dtrsm(1.0, factor, below.T, lower=1, overwrite_b=1)

            def update(_: int, j: int, k: int = k, below: np.ndarray = below) -> None:
                start = self.edges[j] - self.edges[k + 1]
                across = below[start : start + panels[j].shape[1]].T
                for top in range(0, len(panels[j]), HEIGHT):
                    part = panels[j][top : top + HEIGHT]
                    part -= below[start + top : start + top + len(part)] @ across

            self.crew.run(update, range(k + 1, len(panels)))
        return True

    def square(self) -> np.ndarray:
        """The lower triangle of the whole, in Fortran order."""
        self.panels = []
        square, room = carved((self.columns, self.columns), self.memory)
        self._sum_up([square.T[a:, a:b] for a, b in pairwise(self.edges)], room)
        return square.T

    def norm(self) -> float:
        """``||x||_2``, by all eigenvalues."""
        return exact_norm(self.square())


def norm_bound_of(square: Panels, basis: np.ndarray) -> float:
    """Upper bound of ``||x||_2``; see `rpca_affect.engine.spectrum.gram.norm_bound`."""
    for bound in likely_bounds(square.__matmul__, basis):
        if square.norm_is_below(bound * bound):
            return bound
    return square.norm()
