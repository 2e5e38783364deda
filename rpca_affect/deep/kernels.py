"""The products of a matrix function and of its gradient, one matrix of a stack after the other, compiled by numba.

While a matrix is in the cache it goes through all of them; sixteen products of rows at a time use each number that
was fetched four times. `rpca_affect.deep.recompose` has the formulas, for whole stacks.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from rpca_affect.deep import parallel

LONGEST = 2**13  # numbers in a row: beyond, four of one matrix and four of another leave the cache between two uses

prange = range  # numba's, where it compiles for several threads


@cache
def forward() -> tuple[Callable, Callable]:
    """Compile on first use; the machine code is kept on disk where there is a place for it."""
    return parallel.built((_times, _weighted, _forward), _shared_forward, globals())


@cache
def backward() -> tuple[Callable, Callable]:
    """The same for the gradient."""
    tools = (_times, _dots, _weighted, _divide, _add_transpose, _inner_thin, _inner_full)
    return parallel.built((*tools, _backward), _shared_backward, globals())


def _times(a, x, out):
    """``out += a @ x``."""
    rows, inner = a.shape
    whole_rows, whole = rows - rows % 4, inner - inner % 4
    for i in range(0, whole_rows, 4):
        p, q, u, v = out[i], out[i + 1], out[i + 2], out[i + 3]
        for j in range(0, whole, 4):
            e, f, g, h = x[j], x[j + 1], x[j + 2], x[j + 3]
            pe, pf, pg, ph = a[i, j], a[i, j + 1], a[i, j + 2], a[i, j + 3]
            qe, qf, qg, qh = a[i + 1, j], a[i + 1, j + 1], a[i + 1, j + 2], a[i + 1, j + 3]
            ue, uf, ug, uh = a[i + 2, j], a[i + 2, j + 1], a[i + 2, j + 2], a[i + 2, j + 3]
            ve, vf, vg, vh = a[i + 3, j], a[i + 3, j + 1], a[i + 3, j + 2], a[i + 3, j + 3]
            for t in range(x.shape[1]):
                et, ft, gt, ht = e[t], f[t], g[t], h[t]
                p[t] += pe * et + pf * ft + pg * gt + ph * ht
                q[t] += qe * et + qf * ft + qg * gt + qh * ht
                u[t] += ue * et + uf * ft + ug * gt + uh * ht
                v[t] += ve * et + vf * ft + vg * gt + vh * ht
    for i in range(rows):
        p = out[i]
        for j in range(whole if i < whole_rows else 0, inner):
            pe, e = a[i, j], x[j]
            for t in range(x.shape[1]):
                p[t] += pe * e[t]


def _dots(x, y, out):
    """``out = x @ y.T``; a tile beyond the last row repeats it."""
    rows, columns = len(x), len(y)
    for i in range(0, rows, 4):
        i1, i2, i3 = min(i + 1, rows - 1), min(i + 2, rows - 1), min(i + 3, rows - 1)
        a, b, c, d = x[i], x[i1], x[i2], x[i3]
        for j in range(0, columns, 4):
            j1, j2, j3 = min(j + 1, columns - 1), min(j + 2, columns - 1), min(j + 3, columns - 1)
            e, f, g, h = y[j], y[j1], y[j2], y[j3]
            out[i, j] = 0
            ae = af = ag = ah = be = bf = bg = bh = out[i, j]
            ce = cf = cg = ch = de = df = dg = dh = out[i, j]
            for t in range(x.shape[1]):
                at, bt, ct, dt, et, ft, gt, ht = a[t], b[t], c[t], d[t], e[t], f[t], g[t], h[t]
                ae += at * et
                af += at * ft
                ag += at * gt
                ah += at * ht
                be += bt * et
                bf += bt * ft
                bg += bt * gt
                bh += bt * ht
                ce += ct * et
                cf += ct * ft
                cg += ct * gt
                ch += ct * ht
                de += dt * et
                df += dt * ft
                dg += dt * gt
                dh += dt * ht
            out[i, j], out[i, j1], out[i, j2], out[i, j3] = ae, af, ag, ah
            out[i1, j], out[i1, j1], out[i1, j2], out[i1, j3] = be, bf, bg, bh
            out[i2, j], out[i2, j1], out[i2, j2], out[i2, j3] = ce, cf, cg, ch
            out[i3, j], out[i3, j1], out[i3, j2], out[i3, j3] = de, df, dg, dh


def _weighted(vectors, weights, out):
    """``out = U diag(weights)``, given the rows of ``U^T``."""
    for j in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, j] = vectors[j, i] * weights[j]


def _forward(x, vectors, phi, thin, half, out):
    """``half`` is ``y``, the rows of ``x`` along the kept directions, if thin, and the kernel otherwise."""
    k, side = phi.shape[1], x.shape[1]
    weighted = np.empty((side, k), x.dtype)
    for b in range(len(x)):
        half[b] = 0
        out[b] = 0
        _weighted(vectors[b], phi[b], weighted)
        if thin:
            _times(vectors[b, :k], x[b], half[b])
            _times(weighted, half[b], out[b])
        else:
            _times(weighted, vectors[b, :k], half[b])
            _times(half[b], x[b], out[b])


def _shared_forward(x, vectors, phi, thin, half, out, edges):
    """The same in parts; numba turns the loop over these into one over threads."""
    for part in prange(len(edges) - 1):
        own = slice(edges[part], edges[part + 1])
        _forward(x[own], vectors[own], phi[own], thin, half[own], out[own])


def _divide(both, phi, slope, s, tie):
    """Times the divided differences of ``phi`` in ``s^2``; half where both directions are kept: these are met twice."""
    k, side = both.shape
    for i in range(k):
        for j in range(side):
            total = s[i] + s[j]
            apart = (s[i] - s[j]) * total
            if abs(apart) <= tie * total * total:
                share = both[i, j] * 0
                if s[i] > 0:
                    share += (slope[i] - phi[i]) / (4 * s[i] * s[i])
                if s[j] > 0:
                    share += (slope[j] - phi[j]) / (4 * s[j] * s[j])
            else:
                share = (phi[i] - phi[j]) / apart
            both[i, j] *= share / 2 if j < k else share


def _add_transpose(square):
    for i in range(len(square)):
        for j in range(i + 1):
            square[i, j] = square[j, i] = square[i, j] + square[j, i]


def _inner_thin(grad, x, y, z, vectors, along, rows, inner):
    """``inner = (y G^T + z X^T) U`` with ``z = U^T G``, both along the kept directions; ``along`` is ``<y_i, z_i>``."""
    k, side = inner.shape
    z[:] = 0
    _times(vectors[:k], grad, z)
    for i in range(k):
        along[i] = 0
        for t in range(z.shape[1]):
            along[i] += y[i, t] * z[i, t]
    _dots(y, grad, rows)
    _dots(z, x, inner)
    for i in range(k):
        for j in range(side):
            rows[i, j] += inner[i, j]
    _dots(rows, vectors, inner)


def _inner_full(grad, x, square, vectors, along, rows, inner):
    """The same as ``U^T (X G^T + G X^T) U``."""
    k = len(inner)
    _dots(x, grad, square)
    _add_transpose(square)
    rows[:] = 0
    _times(vectors[:k], square, rows)
    _dots(rows, vectors, inner)
    for i in range(k):
        along[i] = inner[i, i] / 2


def _backward(grad, x, half, vectors, phi, slope, s, tie, thin, along, grad_x):
    """Gradient at ``x``, and ``along[i] = u_i^T G X^T u_i`` for the kept directions."""
    k, side, length = along.shape[1], x.shape[1], x.shape[2]
    rows, inner = np.empty((k, side), x.dtype), np.empty((k, side), x.dtype)
    turned, square = np.empty((side, k), x.dtype), np.empty((side, side), x.dtype)
    z = np.empty((k, length if thin else 0), x.dtype)
    ones = np.ones(k, x.dtype)
    for b in range(len(x)):
        grad_x[b] = 0
        if thin:
            _inner_thin(grad[b], x[b], half[b], z, vectors[b], along[b], rows, inner)
        else:
            _inner_full(grad[b], x[b], square, vectors[b], along[b], rows, inner)
        _divide(inner, phi[b], slope[b], s[b], tie)
        rows[:] = 0
        _times(inner, vectors[b], rows)
        if thin:
            for i in range(k):
                for t in range(length):
                    z[i, t] *= phi[b, i]
            _times(rows, x[b], z)
            _weighted(vectors[b], ones, turned)
            _times(turned, z, grad_x[b])
            _weighted(rows, ones, turned)
            _times(turned, half[b], grad_x[b])
        else:
            _weighted(vectors[b], ones, turned)
            square[:] = 0
            _times(turned, rows, square)
            _add_transpose(square)
            _times(half[b], grad[b], grad_x[b])
            _times(square, x[b], grad_x[b])


def _shared_backward(grad, x, half, vectors, phi, slope, s, tie, thin, along, grad_x, edges):
    """The same in parts."""
    for part in prange(len(edges) - 1):
        own = slice(edges[part], edges[part + 1])
        stacks = (half[own], vectors[own], phi[own], slope[own], s[own])
        _backward(grad[own], x[own], *stacks, tie, thin, along[own], grad_x[own])
