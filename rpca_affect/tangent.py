"""The derivative of the singular-value threshold, and Newton's equation with it on some of the cells."""

from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Array, array_namespace, device, is_cupy_array, is_numpy_array

__all__ = ["Cells", "Spectrum", "above", "derivative_at", "row_space"]

CONJUGATE, CAP = 1e-2, 40  # accuracy and most steps of conjugate gradients
GUARD = 5  # fresh directions of the subspace, at least


class Spectrum(NamedTuple):
    """Singular triplets above a level."""

    left: Array
    values: Array
    right: Array


def _directions(xp: Any, like: Any, rows: int, count: int) -> Any:
    """Random directions, the same in every run."""
    drawn = np.random.default_rng(count).standard_normal((rows, count))
    return xp.asarray(drawn, dtype=like.dtype, device=device(like))


def row_space(low: Any, rank: int) -> Any:
    """An orthonormal basis of the rows of a matrix of known rank."""
    xp = array_namespace(low)
    basis, _ = xp.linalg.qr(xp.matrix_transpose(low) @ _directions(xp, low, low.shape[0], rank))
    return basis


def above(a: Any, nu: float, right: Any, most: float) -> Spectrum | None:
    """Singular triplets of ``a`` above ``nu``, from those of a matrix nearby; None if more than ``most`` of all."""
    xp = array_namespace(a)
    n, limit = a.shape[1], min(a.shape)
    while True:
        fresh = max(GUARD, limit // 50)
        width = right.shape[1] + fresh
        if width > most * limit + fresh:
            return None
        # Directions that nothing before has favoured, so that no value can hide from the subspace for long.
        left, _ = xp.linalg.qr(a @ xp.concat([right, _directions(xp, a, n, fresh)], axis=1))
        image = xp.matrix_transpose(a) @ left
        squares, turn = xp.linalg.eigh(xp.matrix_transpose(image) @ image)
        values = xp.sqrt(xp.clip(xp.flip(squares), 0.0, None))
        turn = xp.flip(turn, axis=1)
        rank = int(xp.sum(xp.astype(values > nu, xp.int64)))
        if rank == 0:
            return None
        if rank <= width - 2:
            break
        right = (image @ turn) / values
    turn, values = turn[:, :rank], values[:rank]
    return Spectrum(left @ turn, values, (image @ turn) / values)


def derivative_at(spectrum: Spectrum, nu: float, below: float) -> Callable[[Array], tuple[Array, Array]]:
    """The derivative of the threshold, in single precision; the values up to ``nu`` count by their mean square.

    Its value in a direction H (m, n) has twice the rank of L and is returned as factors (m, 2 r) and (2 r, n).
    """
    xp = array_namespace(spectrum.left)
    left, values, right = (xp.astype(part, xp.float32) for part in spectrum)
    across = values * (values - nu) / (values * values - below)
    skew = 1 - 2 * nu / (values[:, None] + values[None, :])
    left_t, right_t = xp.matrix_transpose(left), xp.matrix_transpose(right)

    def derivative(h: Array) -> tuple[Array, Array]:
        rows, columns = left_t @ h, h @ right
        core = rows @ right
        inner = (1 + skew) / 2 * core + (1 - skew) / 2 * xp.matrix_transpose(core)
        over = across[:, None] * (rows - core @ right_t) + inner @ right_t
        return xp.concat([left, (columns - left @ core) * across], axis=1), xp.concat([over, right_t], axis=0)

    return derivative


class Cells(NamedTuple):
    """Some cells of a matrix, and Newton's equation on them.

    Attributes
    ----------
    flat : array of int, shape (k,)
        Places in C order.
    key : array
        The same for writing to: the array API standard knows masks only there.
    starts : list of int
        The first of each block of rows, and the number of all.
    blocks : list of slice
        All rows.
    """

    flat: Array
    key: Array
    starts: list[int]
    blocks: list[slice]

    @classmethod
    def of(cls, free: Array, blocks: list[slice]) -> "Cells":
        """Cells where ``free`` (m, n) is true."""
        xp = array_namespace(free)
        cells = xp.reshape(free, (-1,))
        (flat,) = xp.nonzero(cells)
        counts = (int(xp.count_nonzero(free[rows, :])) for rows in blocks)
        key = flat if is_numpy_array(flat) or is_cupy_array(flat) else cells
        return cls(flat, key, [0, *accumulate(counts)], blocks)

    def taken(self, x: Array) -> Array:
        """Values of a matrix on the cells."""
        xp = array_namespace(x)
        return xp.take(xp.reshape(x, (-1,)), self.flat)

    def written(self, x: Array, values: Array) -> None:
        """Write values to the cells of a matrix that lies together in memory."""
        array_namespace(x).reshape(x, (-1,), copy=False)[self.key] = values

    def product(self, tall: Array, wide: Array) -> Array:
        """Values of ``tall @ wide`` on the cells, block by block."""
        xp, columns = array_namespace(tall), wide.shape[1]
        parts = []
        for rows, start, stop in zip(self.blocks, self.starts, self.starts[1:]):
            part = xp.reshape(tall[rows, :] @ wide, (-1,))
            parts.append(xp.take(part, self.flat[start:stop] - rows.start * columns))
        return xp.concat(parts)

    def conjugate(self, derivative: Callable[[Array], tuple[Array, Array]], r: Array, room: Array) -> Array:
        """Solve ``(I - D) x = r`` on the cells by conjugate gradients, as far as they get; overwrites r and room."""
        xp = array_namespace(r)
        room *= 0.0
        x, p, size = xp.zeros_like(r), r + 0.0, float(xp.sum(r * r))
        goal = CONJUGATE**2 * size
        for _ in range(CAP):
            if size <= goal:
                break
            self.written(room, p)
            image = p - self.product(*derivative(room))
            curvature = float(xp.sum(p * image))
            if not curvature > 0:
                break
            step = size / curvature
            x += step * p
            r -= step * image
            size, before = float(xp.sum(r * r)), size
            p = r + (size / before) * p
        return x
