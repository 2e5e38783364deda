"""The derivative of the singular-value threshold, and Newton's equation with it on some of the cells."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Array, array_namespace, device, small_parts

__all__ = ["Spectrum", "above", "conjugate", "derivative_at", "row_space"]

CONJUGATE, CAP = 1e-2, 40  # accuracy and most steps of conjugate gradients
GUARD = 5  # fresh directions of the subspace, at least


class Spectrum(NamedTuple):
    """Singular triplets above a level, and the mean square of the singular values below it."""

    left: Array
    values: Array
    right: Array
    below: float


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
    left, right = left @ turn, (image @ turn) / values
    size = sum(float(xp.linalg.vector_norm(a[rows, :])) ** 2 for rows in small_parts(a, axis=0))
    rest = max(size - float(xp.sum(values * values)), 0.0)
    return Spectrum(left, values, right, rest / max(limit - rank, 1))


def derivative_at(spectrum: Spectrum, nu: float) -> Callable[[Array], tuple[Array, Array]]:
    """The derivative of the threshold, in single precision; the values below ``nu`` count by their mean square.

    Its value in a direction H (m, n) has twice the rank of L and is returned as factors (m, 2 r) and (2 r, n).
    """
    xp = array_namespace(spectrum.left)
    left, values, right = (xp.astype(part, xp.float32) for part in spectrum[:3])
    across = values * (values - nu) / (values * values - spectrum.below)
    skew = 1 - 2 * nu / (values[:, None] + values[None, :])
    left_t, right_t = xp.matrix_transpose(left), xp.matrix_transpose(right)

    def derivative(h: Array) -> tuple[Array, Array]:
        rows, columns = left_t @ h, h @ right
        core = rows @ right
        inner = (1 + skew) / 2 * core + (1 - skew) / 2 * xp.matrix_transpose(core)
        over = across[:, None] * (rows - core @ right_t) + inner @ right_t
        return xp.concat([left, (columns - left @ core) * across], axis=1), xp.concat([over, right_t], axis=0)

    return derivative


def conjugate(derivative: Any, blocks: list[slice], free: Array, r: Array, x: Array, p: Array, q: Array) -> None:
    """Solve ``(I - D) x = r`` on the free cells by conjugate gradients, as far as they get; overwrites all but free."""
    xp = array_namespace(r)
    size = 0.0
    for rows in blocks:
        x[rows, :], p[rows, :] = 0.0, r[rows, :]
        size += float(xp.sum(r[rows, :] * r[rows, :]))
    goal = CONJUGATE**2 * size
    for _ in range(CAP):
        if size <= goal:
            break
        (tall, wide), curvature = derivative(p), 0.0
        for rows in blocks:
            image = xp.where(free[rows, :], p[rows, :] - tall[rows, :] @ wide, 0.0)
            curvature += float(xp.sum(p[rows, :] * image))
            q[rows, :] = image
        if not curvature > 0:
            break
        step, size, before = size / curvature, 0.0, size
        for rows in blocks:
            x[rows, :] += step * p[rows, :]
            r[rows, :] -= step * q[rows, :]
            size += float(xp.sum(r[rows, :] * r[rows, :]))
        for rows in blocks:
            p[rows, :] = r[rows, :] + (size / before) * p[rows, :]
