"""Singular-value thresholds without a singular value decomposition: Gram matrices, or a warm-started subspace."""

from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import is_cupy_array
from rpca_affect.engine.tuning import GUARD, MISSED, MOVED, POWER_STEPS, SHIFT, TOGETHER

__all__ = ["GramThreshold", "SubspaceThreshold", "Thresholded", "eigen", "gram", "largest"]

Array = Any  # of CuPy, which has no types for a checker, or of NumPy


class Thresholded(NamedTuple):
    """``low_rank`` (b, d, n), and its singular values (b, k) in float64."""

    low_rank: Array
    shrunk: Array


def gram(xp: Any, x: Array) -> Array:
    """``x @ x.T`` of every matrix, in double precision whatever the data."""
    x = x.astype(xp.float64, copy=False)
    if x.ndim == 3 and len(x) == 1:  # a product of two axes takes a transposed view as it is, one of three copies it
        return (x[0] @ x[0].T)[None]
    return x @ x.swapaxes(-1, -2)


def eigen(xp: Any, square: Array) -> tuple[Array, Array]:
    """Eigenvalues (b, d), increasing, and eigenvectors (b, d, d); one matrix takes the routine for a large one."""
    if len(square) == 1:
        power, vectors = xp.linalg.eigh(square[0])
        return power[None], vectors[None]
    parts = [xp.linalg.eigh(part) for part in _parts(square)]
    if len(parts) == 1:
        return parts[0]
    return xp.concatenate([part[0] for part in parts]), xp.concatenate([part[1] for part in parts])


def largest(xp: Any, square: Array) -> Array:
    """Largest eigenvalue of every matrix, shape (b, 1, 1); one matrix takes the routine for a large one."""
    if len(square) == 1:
        return xp.linalg.eigvalsh(square[0])[-1:].reshape(1, 1, 1)
    return xp.concatenate([xp.linalg.eigvalsh(part)[:, -1:, None] for part in _parts(square)])


def _parts(square: Array) -> list[Array]:
    """Matrices (b, d, d) in runs that a batched routine takes at once."""
    together = max(2, TOGETHER // (square.shape[-1] ** 2 + 1024))
    return [square[i : i + together] for i in range(0, len(square), together)]


class GramThreshold:
    """All matrices at once by the eigenvectors of the smaller Gram matrix."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def __call__(self, argument: Array, mu: Array) -> Thresholded:
        xp = self.xp
        power, vectors = eigen(xp, gram(xp, argument))
        singular = xp.sqrt(xp.maximum(power, 0))
        shrunk = xp.maximum(singular - 1 / mu[:, 0], 0)
        share = shrunk / xp.where(singular > 0, singular, 1)
        weights = (vectors * share[:, None, :]) @ vectors.swapaxes(-1, -2)
        return Thresholded(weights.astype(argument.dtype) @ argument, shrunk)

    def complete(self, argument: Array, low_rank: Array, mu: Array) -> bool:
        """Nothing is missed here."""
        return True


class SubspaceThreshold:
    """One large matrix (1, d, n): block power steps from the singular vectors of the step before.

    Each power step is two thin products, two Cholesky factorisations with triangular solves, and one small
    eigenproblem. ``complete`` proves afterwards that no singular value above the threshold was missed.
    """

    def __init__(self, xp: Any, side: int) -> None:
        self.xp, self.side = xp, side
        self.random = np.random.default_rng(0)
        self.basis: Array | None = None

    def __call__(self, argument: Array, mu: Array) -> Thresholded:
        xp = self.xp
        matrix, level = argument[0], 1 / float(mu[0, 0, 0])
        if self.basis is None:
            self.basis = self.drawn(2 * GUARD, matrix.dtype)
        before = None
        for _ in range(POWER_STEPS):
            right = _orthonormal(xp, matrix.T @ self.basis)
            image = matrix @ right
            power, turn = xp.linalg.eigh(gram(xp, image.T))
            singular = xp.sqrt(xp.maximum(power[::-1], 0))
            left = image @ turn[:, ::-1].astype(matrix.dtype)
            right = right @ turn[:, ::-1].astype(matrix.dtype)
            self.basis = left / xp.where(singular > 0, singular, 1).astype(matrix.dtype)
            wanted = int((singular > level).sum())
            if wanted + GUARD // 2 > singular.shape[0] < self.side:
                more = self.drawn(min(wanted + GUARD, self.side - singular.shape[0]), matrix.dtype)
                self.basis, before = xp.concatenate([self.basis, more], axis=1), None
                continue
            top = singular[:wanted]
            settled = before is not None and before.shape == top.shape
            if settled and (wanted == 0 or float(xp.max(xp.abs(top - before) / top)) < MOVED):
                break
            before = top
        shrunk = xp.maximum(singular - level, 0)
        share = (shrunk / xp.where(singular > 0, singular, 1))[:wanted].astype(matrix.dtype)
        low_rank = (left[:, :wanted] * share) @ right[:, :wanted].T
        keep = min(self.side, wanted + max(GUARD, wanted // 10))
        fresh = self.drawn(2, matrix.dtype)  # so that a direction the basis has lost can come back
        self.basis = xp.concatenate([self.basis[:, :keep], fresh], axis=1)[:, : self.side]
        return Thresholded(low_rank[None], shrunk[None])

    def drawn(self, count: int, dtype: Any) -> Array:
        """Random directions."""
        return self.xp.asarray(self.random.standard_normal((self.side, count)) / self.side**0.5, dtype=dtype)

    def complete(self, argument: Array, low_rank: Array, mu: Array) -> bool:
        """Decide whether every singular value above the threshold was found: ``||mu (A - L)||_2 <= 1``."""
        rest = gram(self.xp, (argument - low_rank) * mu.astype(argument.dtype))
        return bool(largest(self.xp, rest)[0, 0, 0] <= (1 + MISSED) ** 2)


def _orthonormal(xp: Any, x: Array) -> Array:
    """Columns made orthonormal by shifted Cholesky-QR, twice; deficient columns become small instead of failing."""
    length = xp.sqrt((x.astype(xp.float64) ** 2).sum(axis=0))
    q = (x / xp.where(length > 0, length, 1)).astype(xp.float64)
    unit = xp.eye(x.shape[1])
    for _ in range(2):
        square = q.T @ q
        factor = xp.linalg.cholesky(square + SHIFT * (1 + xp.trace(square)) * unit)
        q = _solved(factor, q.T).T
    return q.astype(x.dtype)


def _solved(lower: Array, right: Array) -> Array:
    if is_cupy_array(lower):
        from cupyx.scipy.linalg import solve_triangular
    else:
        from scipy.linalg import solve_triangular
    return solve_triangular(lower, right, lower=True)
