"""Spectra of a stack's Gram matrices: compiled where numba is installed, LAPACK through torch elsewhere."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rpca_affect.deep import parallel

EPS = float(np.finfo(np.float64).eps)
TINY = 1e-280  # a square that is nothing beside a trace of one, and whose inverse is still a number

prange = range  # numba's, where it compiles for several threads


def gram_spectrum(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, largest first, and eigenvectors (as columns) of ``rows @ rows.mT``, in float64.

    Parameters
    ----------
    rows : Tensor of shape (..., r, n)
        One matrix or a stack; no gradient passes.

    Returns
    -------
    tuple of Tensor
        Shapes (..., r) and (..., r, r).

    Examples
    --------
    >>> import torch
    >>> gram_spectrum(torch.diag(torch.tensor([1.0, 3.0])))[0].tolist()
    [9.0, 1.0]
    """
    array = _as_array(rows) if parallel.suits(rows) else None
    if array is not None:
        values, vectors = np.empty(array.shape[:2]), np.empty((*array.shape[:2], array.shape[1]))
        if parallel.in_parts(kernels(), array, values, vectors):
            return (
                torch.from_numpy(values).reshape(rows.shape[:-1]),
                torch.from_numpy(vectors).mT.reshape(*rows.shape[:-1], rows.shape[-2]),
            )
    rows = rows.double()
    squares, basis = _eigh(rows @ rows.mT)
    return squares.flip(-1), basis.flip(-1)


@cache
def kernels() -> tuple[Callable, Callable]:
    """Compile on first use; the machine code is kept on disk where there is a place for it."""
    return parallel.built((_gram, _tridiagonal, _product, _iterate, _spectra), _shared_spectra, globals())


def _gram(rows, gram):
    """Products of two rows with two others at a time, accumulated in float64; a last row without a mate is its own."""
    side, length = rows.shape
    for i in range(0, side, 2):
        k = min(i + 1, side - 1)
        a, b = rows[i], rows[k]
        for j in range(0, i + 1, 2):
            m = min(j + 1, side - 1)
            p, q = rows[j], rows[m]
            ap = aq = bp = bq = 0.0
            for t in range(length):
                at, bt, pt, qt = np.float64(a[t]), np.float64(b[t]), np.float64(p[t]), np.float64(q[t])
                ap += at * pt
                aq += at * qt
                bp += bt * pt
                bq += bt * qt
            gram[i, j] = gram[j, i] = ap
            gram[i, m] = gram[m, i] = aq
            gram[k, j] = gram[j, k] = bp
            gram[k, m] = gram[m, k] = bq


def _tridiagonal(a, diagonal, beside, scales):
    """Householder reflections ``I - scale v v^T`` from the last row on; ``v`` stays left of the diagonal of ``a``."""
    side = diagonal.size
    work = np.empty(side)
    for k in range(side - 1, 0, -1):
        v, w = a[k, :k], work[:k]
        rest = 0.0
        for i in range(k - 1):
            rest += v[i] * v[i]
        scales[k] = 0.0
        beside[k - 1] = pivot = v[k - 1]
        if rest < TINY:
            continue
        length = np.sqrt(pivot * pivot + rest)
        beside[k - 1] = -length if pivot > 0 else length
        v[k - 1] -= beside[k - 1]
        scale = scales[k] = 2 / (v[k - 1] * v[k - 1] + rest)
        share = 0.0
        for i in range(k):
            row, along = a[i, :k], 0.0
            for j in range(k):
                along += row[j] * v[j]
            w[i] = scale * along
            share += w[i] * v[i]
        share *= scale / 2
        for j in range(k):
            w[j] -= share * v[j]
        for i in range(k):
            row, p, q = a[i, :k], v[i], w[i]
            for j in range(k):
                row[j] -= p * w[j] + q * v[j]
    beside[side - 1] = 0.0
    for k in range(side):
        diagonal[k] = a[k, k]


def _product(a, scales, rows):
    """Transpose of the product of the reflections."""
    side = scales.size
    rows[:] = 0.0
    for i in range(side):
        rows[i, i] = 1.0
    for k in range(2, side):
        v = a[k, :k]
        if scales[k] == 0.0:
            continue
        for i in range(k):
            row = rows[i, :k]
            share = 0.0
            for j in range(k):
                share += row[j] * v[j]
            share *= scales[k]
            for j in range(k):
                row[j] -= share * v[j]


def _iterate(diagonal, beside, rows):
    """Implicit QL with Wilkinson's shift; every rotation turns two neighbouring rows. False: no convergence.

    The root and the quotient of a rotation start at the same time, so neither waits for the other.
    """
    side = diagonal.size
    nothing = EPS * diagonal.max()  # beside the largest eigenvalue
    for first in range(side):
        for _ in range(60):
            last = first
            while last < side - 1 and abs(beside[last]) > nothing:
                last += 1
            if last == first:
                break
            g = (diagonal[first + 1] - diagonal[first]) / (2 * beside[first])
            root = np.sqrt(g * g + 1)
            g = diagonal[last] - diagonal[first] + beside[first] / (g + (root if g >= 0 else -root))
            sine, cosine, shift, i = 1.0, 1.0, 0.0, last - 1
            while i >= first:
                f, b = sine * beside[i], cosine * beside[i]
                square = f * f + g * g
                if square < TINY:
                    break
                inverse, root = 1 / square, np.sqrt(square)
                beside[i + 1] = root
                both, difference, sine_square = f * g * inverse, (g * g - f * f) * inverse, f * f * inverse
                sine, cosine = f * (root * inverse), g * (root * inverse)
                g = diagonal[i + 1] - shift
                gap = diagonal[i] - g
                shift = sine_square * gap + 2 * (both * b)
                diagonal[i + 1] = g + shift
                g = both * gap + difference * b
                x, y = rows[i], rows[i + 1]
                for j in range(side):
                    t = y[j]
                    y[j] = sine * x[j] + cosine * t
                    x[j] = cosine * x[j] - sine * t
                i -= 1
            if i >= first:  # the matrix split on the way: go on with its parts
                beside[i + 1] = 0.0
                diagonal[i + 1] -= shift
            else:
                diagonal[first] -= shift
                beside[first] = g
            beside[last] = 0.0
        else:
            return False
    return True


def _spectra(stack, values, vectors):
    """Spectrum of every Gram matrix, scaled to trace one meanwhile. False: a number is not finite."""
    side = stack.shape[1]
    a, rows = np.empty((side, side)), np.empty((side, side))
    diagonal, beside, scales = np.empty(side), np.empty(side), np.empty(side)
    for b in range(stack.shape[0]):
        _gram(stack[b], a)
        trace = 0.0
        for i in range(side):
            trace += a[i, i]
        if not trace < np.inf:
            return False
        size = trace if trace > 0 else 1.0
        for i in range(side):
            for j in range(side):
                a[i, j] /= size
        _tridiagonal(a, diagonal, beside, scales)
        _product(a, scales, rows)
        if not _iterate(diagonal, beside, rows):
            return False
        order = np.argsort(-diagonal)
        for i in range(side):
            values[b, i] = diagonal[order[i]] * size
            vectors[b, i] = rows[order[i]]
    return True


def _shared_spectra(stack, values, vectors, edges):
    """Spectra of a stack in parts; numba turns the loop over these into one over threads."""
    done = np.ones(len(edges) - 1, np.bool_)
    for part in prange(len(done)):
        own = slice(edges[part], edges[part + 1])
        done[part] = _spectra(stack[own], values[own], vectors[own])
    return done.all()


def _as_array(rows: Tensor) -> Any:
    """The stack as an array (b, r, n); None where its numbers are out of reach (torch.vmap)."""
    if rows.dtype not in (torch.float32, torch.float64):
        rows = rows.double()
    try:
        return rows.unsqueeze(0).flatten(0, -3).contiguous().numpy()
    except RuntimeError:
        return None


def _eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Eigen-decomposition of a stack; on a CPU torch takes the matrices one by one, so its threads share them here."""
    threads = torch.get_num_threads()
    if gram.device.type != "cpu" or threads == 1 or gram.ndim < 3 or gram.numel() < 2**15:
        return torch.linalg.eigh(gram)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(torch.linalg.eigh, gram.reshape(-1, *gram.shape[-2:]).chunk(threads)))
    values, vectors = (torch.cat(part) for part in zip(*parts))
    return values.reshape(gram.shape[:-1]), vectors.reshape(gram.shape)
