"""Gram matrices, spectral norms and bounds on them, in double precision whatever the data."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.linalg import lapack

from rpca_affect.engine.threads import Crew
from rpca_affect.engine.tuning import CHUNK, MODERATE, RESIDUAL, SMALL

__all__ = [
    "beginning",
    "carved",
    "crowded",
    "eigh_descending",
    "exact_norm",
    "gram",
    "largest_singular_value",
    "likely_bounds",
    "norm_bound",
    "norm_is_below",
    "triangle_of",
]


def gram(x: np.ndarray, crew: Crew, memory: np.ndarray | None = None) -> np.ndarray:
    """Return ``x.T @ x`` in double precision.

    Parameters
    ----------
    x : array, shape (m, n), C-ordered
    crew : Crew
    memory : array, optional
        Cells that may be overwritten with the result and the partial sums.

    Returns
    -------
    array, shape (n, n), Fortran-ordered
        Both triangles are filled.
    """
    columns = x.shape[1]
    if x.size <= CHUNK:
        x = x.astype(np.float64, copy=False)
        return (x.T @ x).T
    memory = np.empty(0) if memory is None else memory
    summed = columns <= SMALL or (columns <= MODERATE and x.dtype == np.float64)
    return (_summed if summed else _tiled)(x, crew, memory)


def _summed(x: np.ndarray, crew: Crew, memory: np.ndarray) -> np.ndarray:
    """`gram` as a sum over row blocks, one total for each worker: for few columns."""
    rows, columns = x.shape
    # Large against the product of a block, so that adding them up costs little.
    height = max(CHUNK // columns, 4 * columns)
    shares = [share for share in crew.shares(rows) if share.start < share.stop]
    first, memory = carved((columns, columns), memory)
    totals = [first, *carved((len(shares) - 1, columns, columns), memory)[0]]

    def part(_: int, k: int) -> None:
        share, total = shares[k], totals[k]
        for start in range(share.start, share.stop, height):
            block = x[start : min(start + height, share.stop)].astype(np.float64, copy=False)
            if start == share.start:  # symmetric: NumPy computes one triangle only, and lets others run
                np.matmul(block.T, block, out=total)
            else:
                total += block.T @ block

    crew.run(part, range(len(shares)))
    for total in totals[1:]:
        first += total
    return first.T


def _tiled(x: np.ndarray, crew: Crew, memory: np.ndarray) -> np.ndarray:
    """`gram` in three tiles of the lower triangle, which the workers share: for many columns."""
    rows, columns = x.shape
    total = carved((columns, columns), memory)[0].T
    half = columns // 2
    tiles = [(slice(half, columns), slice(0, half)), (slice(0, half),) * 2, (slice(half, columns),) * 2]
    # The rows converted at a time should be small beside the data too.
    height = rows if x.dtype == np.float64 else max(1, min(CHUNK // columns, max(rows // 16, 64)))

    def tile(_: int, place: tuple[slice, slice]) -> None:
        for start in range(0, rows, height):
            part = x[start : start + height].astype(np.float64, copy=False)
            if start == 0:
                np.matmul(part[:, place[0]].T, part[:, place[1]], out=total.T[place])
            else:
                total.T[place] += part[:, place[0]].T @ part[:, place[1]]

    crew.run(tile, tiles)
    for start in range(half, columns, SMALL):  # all at once NumPy would copy it first
        stop = start + SMALL
        total[start:stop, :half] = total[:half, start:stop].T
    return total


def beginning(memory: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A matrix at the beginning of some memory, of its precision."""
    return memory.reshape(-1)[: rows * columns].reshape(rows, columns)


def carved(shape: tuple[int, ...], memory: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take an array in double precision from ``memory``, of whatever precision; return it and the memory behind it.

    Where the memory does not suffice, the array is new and the memory is left whole.
    """
    memory = memory.reshape(-1)
    cells = math.prod(shape) * np.dtype(np.float64).itemsize // memory.itemsize
    if cells <= memory.size:
        found = memory[:cells].view(np.float64).reshape(shape)
        if found.flags.aligned:  # half of an odd number of cells is not
            return found, memory[cells:]
    return np.empty(shape), memory


def crowded(x: np.ndarray) -> bool:
    """Whether the Gram matrix of ``x`` is so large that it finds room only in place of ``x`` itself."""
    return 4 * x.shape[1] > x.shape[0] and x.shape[1] > SMALL


def triangle_of(x: np.ndarray, crew: Crew) -> np.ndarray:
    """Return a triangular R with ``R.T @ R = x.T @ x``, as accurate as ``x`` itself at every scale.

    Factors of row blocks are factored again, so that no copy of ``x`` is needed (Demmel, Grigori, Hoemmen & Langou
    2012, Communication-optimal parallel and sequential QR and LU factorizations).
    """
    rows, columns = x.shape
    height = max(CHUNK // columns, columns)
    if rows <= 2 * height:
        return np.asarray(np.linalg.qr(x.astype(np.float64, copy=False), mode="r"))

    def part(_: int, share: slice) -> np.ndarray:
        stacked = np.zeros((columns + height, columns), order="F")
        for start in range(share.start, share.stop, height):
            block = x[start : min(start + height, share.stop)]
            stacked[columns : columns + len(block)] = block
            stacked[columns + len(block) :] = 0
            lapack.dgeqrf(stacked, lwork=64 * columns, overwrite_a=1)  # room for blocks; the default has none
            stacked[:columns] = np.triu(stacked[:columns])
        return stacked[:columns].copy()

    return np.asarray(np.linalg.qr(np.concatenate(crew.run(part, crew.shares(rows))), mode="r"))


def eigh_descending(square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of a symmetric matrix, which is overwritten, largest first."""
    if len(square) <= MODERATE:
        values, vectors, info = lapack.dsyevd(square, lower=1, overwrite_a=1)
    else:  # hardly slower, and needs no room of twice the matrix
        values, vectors, _, _, info = lapack.dsyevr(square, lower=1, overwrite_a=1)
    _must_have_converged(info)
    return values[::-1], vectors[:, ::-1]


def _must_have_converged(info: int) -> None:
    if info != 0:
        raise np.linalg.LinAlgError("the eigenvalues of a Gram matrix did not converge")


def exact_norm(square: np.ndarray) -> float:
    """``||Y||_2`` from the lower triangle of ``Y^T Y``, which is overwritten, by all of its eigenvalues."""
    values, _, info = lapack.dsyevd(square, compute_v=0, lower=1, overwrite_a=1)
    _must_have_converged(info)
    return float(np.sqrt(max(values[-1], 0.0)))


def largest_singular_value(x: np.ndarray, product: Any, inner: Any, crew: Crew) -> float:
    """Largest singular value to about 1e-6, as a first penalty needs it, by a Gram matrix or Golub-Kahan steps.

    Parameters
    ----------
    x : array, shape (m, n)
    product, inner : callable
        ``product(x, v) = x @ v`` and ``inner(x, u) = x.T @ u``.
    crew : Crew
    """
    columns = x.shape[1]
    if columns <= SMALL:
        return exact_norm(gram(x, crew))
    most = min(columns, 150)
    right = np.zeros((most + 1, columns))  # Golub-Kahan vectors of the right side
    right[0] = np.random.default_rng(0).standard_normal(columns)
    right[0] /= np.linalg.norm(right[0])
    alphas: list[float] = []
    betas: list[float] = []
    left = np.zeros(len(x))
    for k in range(most):
        image = product(x, right[k][:, None].astype(x.dtype, copy=False))[:, 0]
        left = image.astype(np.float64, copy=False) - (betas[-1] if betas else 0.0) * left
        alphas.append(float(np.linalg.norm(left)))
        left /= alphas[-1] or 1.0
        v = inner(x, left[:, None].astype(x.dtype, copy=False))[:, 0].astype(np.float64, copy=False)
        known = right[: k + 1]
        for _ in range(2):
            v = v - known.T @ (known @ v)
        betas.append(float(np.linalg.norm(v)))
        done = k + 1 == most or betas[-1] <= 1e-14 * max(alphas)
        if done or k % 4 == 3:
            vectors, values, _ = np.linalg.svd(np.diag(alphas) + np.diag(betas[:-1], 1))
            if done or betas[-1] * abs(vectors[-1, 0]) <= RESIDUAL * values[0]:
                break
        right[k + 1] = v / betas[-1]
    return float(values[0])


def norm_is_below(square: np.ndarray, bound: float) -> bool:
    """Decide ``||Y||_2 < bound`` from a full ``Y^T Y``: one Cholesky factorisation of ``bound^2 I - Y^T Y``.

    ``square`` is overwritten where the answer is yes, and left as it was where it is no.
    """
    diagonal = square.diagonal().copy()
    np.negative(square, out=square)
    square[np.diag_indices_from(square)] += bound * bound
    # The factor takes the place of the lower triangle, which is restored from the upper one.
    info = lapack.dpotrf(square, lower=1, clean=0, overwrite_a=1)[1]
    if info == 0:
        return True
    np.negative(square, out=square)
    for start in range(0, len(square), SMALL):
        stop = start + SMALL
        square[stop:, start:stop] = square[start:stop, stop:].T
        tile = square[start:stop, start:stop]
        tile[:] = np.triu(tile, 1) + np.triu(tile, 1).T
    square[np.diag_indices_from(square)] = diagonal
    return False


def likely_bounds(times: Callable[[np.ndarray], np.ndarray], basis: np.ndarray) -> Iterator[float]:
    """Two guesses just above ``||Y||_2``, by block power steps from ``basis``; ``times(x) = Y.T @ Y @ x``."""
    columns = basis.shape[0]
    block = np.random.default_rng(0).standard_normal((columns, 8)) / np.sqrt(columns)
    image = times(np.hstack([basis[:, : columns // 16], block]))
    for _ in range(2):
        block = np.linalg.qr(image)[0]
        image = times(block)
        top = float(np.sqrt(max(float(np.linalg.eigvalsh(block.T @ image).max()), 0.0)))
        yield top + max(1e-7 * top, (top - 1) / 10) + 1e-300


def norm_bound(square: np.ndarray, basis: np.ndarray, crew: Crew) -> float:
    """Upper bound of ``||Y||_2`` from ``Y^T Y``, which is overwritten.

    Parameters
    ----------
    square : array, shape (n, n)
        As from `gram`.
    basis : array, shape (n, r)
        Where the largest singular vectors are expected; a wrong guess costs time, never the bound.
    crew : Crew

    Returns
    -------
    float
        Exceeds the norm by at most a tenth of ``||Y||_2 - 1``, or by 1e-7.
    """
    columns = square.shape[0]
    if columns > SMALL:
        symmetric = square.T  # C-ordered: rows lie together

        def times(x: np.ndarray) -> np.ndarray:
            return np.concatenate(crew.run(lambda _, rows: symmetric[rows] @ x, crew.shares(columns)))

        for bound in likely_bounds(times, basis):
            if norm_is_below(square, bound):
                return bound
    return exact_norm(square)
