"""The compiled form of the stacks' iteration: a few matrices in lock-step, warm-started Jacobi sweeps; needs numba.

One long file: numba notices changes of a function's own file only, and would go on using stale machine code.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from rpca_affect.engine import jit
from rpca_affect.penalty import MARKS, NOTCHES, SMALLEST, STILL, lines

__all__ = ["iterate", "kernel", "suits"]

LANES = 8  # matrices whose eigenproblems advance together: more would not fit a core's own cache
SMALLER_SIDE = 48  # beyond, LAPACK is faster than Jacobi sweeps
SWEEPS = 40
SLOW = 6  # sweeps after which a lane is diagonalised whole: beside a block that is only split off, progress can be slow
EXACT = 1e-12  # of a matrix: how far off diagonal its Gram matrix may stay
LOOSE = 3e-2  # of the level: the same for eigenvalues below the threshold; so small, it does not slow the others down
UNSURE = 1e-9  # of the level: a pivot so close to zero says nothing about eigenvalues above it


def suits(side: int, frames: bool) -> bool:
    """Tell whether the compiled form covers matrices of this smaller side: small ones, with sparse cells."""
    return side <= SMALLER_SIDE and not frames and jit.available()


def iterate(group: Any, answer: Any, tol: float, max_iter: int) -> Any:
    """Compute the iteration of `rpca_affect.engine.cells.batch`, matrix by matrix in a few lanes.

    ``group`` is a `rpca_affect.engine.cells.batch.Group`; ``answer``, an empty `rpca_affect.engine.cells.batch.Answer`,
    is filled and returned.
    """
    nothing = np.empty((0, 0, 0))
    slack = nothing if group.slack is None else np.broadcast_to(group.slack, group.values.shape).copy()
    numbers = (np.ascontiguousarray(x[:, 0, 0]) for x in (group.lam, group.cap, group.growth, group.relax, group.size))
    answer.mu[:] = group.mu[:, 0, 0]
    errors, penalties = np.zeros(max_iter), np.zeros(max_iter)
    known = nothing if group.known is None else group.known
    noise = nothing if answer.noise is None else answer.noise
    data = (group.values, group.argument, known, slack, *numbers, group.two_sided)
    parts = (answer.low_rank, answer.sparse, noise, answer.dual)
    ends = (answer.error, answer.steps, answer.mu, answer.rank, answer.nuclear, answer.violation)
    marks = np.array([(step, *bounds) for step, bounds in MARKS.items()] if group.travels else np.empty((0, 3)))
    pace = lines(group.values.shape[-1]).step
    kernel()(*data, tol, max_iter, *parts, *ends, errors, penalties, marks, pace, NOTCHES, STILL, SMALLEST)
    last = int(answer.steps.max())
    return answer._replace(errors=errors[:last], penalties=penalties[:last])


@cache
def kernel() -> Callable:
    """Compile on first use; the machine code is kept on disk where there is a place for it."""
    return jit.built((_hides, _diagonalise, _basis, _cell, _cells, _parts, _travelled, _steps), globals())


def _diagonalise(gram, vectors, allowed, levels):
    """Cyclic Jacobi sweeps on all lanes; rows of ``vectors`` become the eigenvectors of eigenvalues above the level.

    Eigenvalues below the level of their lane are split off, not diagonalised: the threshold sets them to 0. A lane
    where that block may hide an eigenvalue above the level is diagonalised whole. ``allowed`` bounds the squared
    entries off the diagonal of each lane. A lane applies only its own rotations, so its answer does not depend on its
    neighbours.
    """
    d = gram.shape[0]
    own_p, own_q, left = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    cosine, sine = np.empty(LANES), np.empty(LANES)
    hidden = (LOOSE * levels) ** 2
    floor = levels.copy()  # pairs whose diagonal entries are both below it are left alone
    lanes = cosine.size  # unknown to the compiler, which would unroll the short loops and leave them scalar
    for sweep in range(SWEEPS):
        done = True
        if sweep == SLOW:
            for p in range(d - 1):
                for q in range(p + 1, d):
                    for b in range(lanes):
                        matters = (gram[p, p * LANES + b] > floor[b]) | (gram[q, q * LANES + b] > floor[b])
                        busy = gram[p, q * LANES + b] ** 2 > (allowed[b] if matters else hidden[b])
                        floor[b] = -1.0 if busy else floor[b]
        for p in range(d - 1):
            for q in range(p + 1, d):
                at_p, at_q = p * LANES, q * LANES
                needed = 0
                for b in range(lanes):
                    matters = (gram[p, at_p + b] > floor[b]) | (gram[q, at_q + b] > floor[b])
                    limit = allowed[b] if matters else hidden[b]
                    needed += gram[p, at_q + b] * gram[p, at_q + b] > limit
                if needed == 0:
                    continue
                done = False
                for b in range(lanes):
                    whole = gram[p, at_q + b]
                    matters = (gram[p, at_p + b] > floor[b]) | (gram[q, at_q + b] > floor[b])
                    off = whole if whole * whole > (allowed[b] if matters else hidden[b]) else 0.0
                    apart = gram[q, at_q + b] - gram[p, at_p + b]
                    tangent = 2 * off / (abs(apart) + np.sqrt(apart * apart + 4 * off * off) + 1e-300)
                    tangent = tangent if apart >= 0 else -tangent
                    own_p[b] = gram[p, at_p + b] - tangent * off
                    own_q[b] = gram[q, at_q + b] + tangent * off
                    left[b] = whole - off
                    cosine[b] = 1 / np.sqrt(1 + tangent * tangent)
                    sine[b] = tangent * cosine[b]
                for i in range(0, d * lanes, lanes):
                    for b in range(lanes):
                        x, y = vectors[p, i + b], vectors[q, i + b]
                        vectors[p, i + b] = cosine[b] * x - sine[b] * y
                        vectors[q, i + b] = sine[b] * x + cosine[b] * y
                for i in range(d):  # of the symmetric matrix only entries on and above the diagonal are kept
                    if i not in (p, q):
                        row_p, at_i = (i, at_p) if i < p else (p, i * lanes)
                        row_q, at_j = (i, at_q) if i < q else (q, i * lanes)
                        for b in range(lanes):
                            x, y = gram[row_p, at_i + b], gram[row_q, at_j + b]
                            gram[row_p, at_i + b] = cosine[b] * x - sine[b] * y
                            gram[row_q, at_j + b] = sine[b] * x + cosine[b] * y
                for b in range(LANES):
                    gram[p, at_p + b] = own_p[b]
                    gram[q, at_q + b] = own_q[b]
                    gram[p, at_q + b] = left[b]
        if done and not _hides(gram, levels, floor):
            break


def _hides(gram, levels, floor):
    """Tell whether a lane may have more eigenvalues above its level than diagonal entries; lower the floor of those.

    By Sylvester's law of inertia the negative pivots of ``level I - gram`` count the eigenvalues above the level.
    """
    d = gram.shape[0]
    rest = -gram
    surplus, doubtful, inverse = np.zeros(LANES), np.zeros(LANES), np.empty(LANES)
    lanes = inverse.size
    for p in range(d):
        at_p = p * lanes
        for b in range(lanes):
            pivot = rest[p, at_p + b] + levels[b]
            surplus[b] += (1.0 if pivot < 0 else 0.0) - (1.0 if gram[p, at_p + b] > levels[b] else 0.0)
            doubtful[b] = max(doubtful[b], 1.0 if abs(pivot) < UNSURE * levels[b] else 0.0)
            inverse[b] = 1 / pivot
        for i in range(p + 1, d):
            for j in range(i, d):
                at_i, at_j = i * lanes, j * lanes
                for b in range(lanes):
                    rest[i, at_j + b] -= rest[p, at_i + b] * inverse[b] * rest[p, at_j + b]
    hidden = False
    for b in range(LANES):
        if (surplus[b] != 0 or doubtful[b] > 0) and floor[b] >= 0:
            floor[b] = -1.0
            hidden = True
    return hidden


def _basis(square):
    """Rows are the eigenvectors of a symmetric matrix."""
    return np.linalg.eigh(square)[1].T


def _cell(values, known, slack, argument, base, i, j, lam, ratio, mu):
    """Of one cell: its mask, ``e``, ``M - L + e``, the part of that which S does not take, and ``1 + mu slack``."""
    seen = known[i, j] if known.size else 1.0
    loosening = 1 + mu * slack[i, j] if slack.size else 1.0
    level = lam * loosening / mu
    carried = (argument[i, j] - base[i, j]) * ratio
    wanted = seen * (values[i, j] - base[i, j] + carried)
    return seen, carried, wanted, min(max(wanted, -level), level), loosening


def _cells(values, known, slack, argument, base, following, lam, ratio, mu, relax):
    """Shrink ``M - L + e``, write the next argument; return the squared lengths of violation and kept part."""
    violated, held = 0.0, 0.0
    over = relax - 1
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            seen, carried, _, loose, loosening = _cell(values, known, slack, argument, base, i, j, lam, ratio, mu)
            kept = loose / loosening
            change = kept - carried
            violated += seen * change * change
            held += kept * kept
            following[i, j] = base[i, j] + kept + over * change
    return violated, held


def _parts(values, known, slack, argument, base, lam, ratio, mu, sparse, noise, dual):
    """Write the parts that belong to a step, with the same arithmetic as the step."""
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            _, _, wanted, loose, loosening = _cell(values, known, slack, argument, base, i, j, lam, ratio, mu)
            sparse[i, j] = wanted - loose
            dual[i, j] = mu * loose / loosening
            if noise.size:
                noise[i, j] = loose - loose / loosening


def _travelled(step, marks, notches, still, smallest, total, a, base, following, ratio, relax, mu, before):
    """Factor on the penalty of `rpca_affect.penalty.factor`; ``before`` holds L and Y, and receives those of now."""
    multiplier, low, size, dual_size = 0.0, 0.0, 0.0, 0.0
    pace = -(-a.shape[1] // before.shape[2])
    for i in range(before.shape[1]):
        for k in range(before.shape[2]):
            j = k * pace
            carried = (a[i, j] - base[i, j]) * ratio
            dual = mu * (carried + (following[i, j] - base[i, j] - carried) / relax)
            low += (base[i, j] - before[0, i, k]) ** 2
            size += base[i, j] ** 2
            dual_size += dual * dual
            multiplier += (dual - before[1, i, k]) ** 2
            before[0, i, k], before[1, i, k] = base[i, j], dual
    for m in range(marks.shape[0]):
        if step == marks[m, 0] and low > 0 and (low > still**2 * size or multiplier > 100 * still**2 * dual_size):
            lowest = max(smallest, min(1.0, marks[m, 1] / total))
            found = min(max(np.sqrt(multiplier / low) / mu, lowest), max(marks[m, 2], 1 / total))
            return 2 ** (np.round(notches * np.log2(found)) / notches)
    return 1.0


def _steps(
    values, start, known, slack, lam, cap, growth, relax, size, two_sided, tol, max_iter,
    low_rank, sparse, noise, dual, error, steps, mu, rank, nuclear, violation, errors, penalties,
    marks, pace, notches, still, smallest,
):  # fmt: skip
    """Run every matrix to its end; a lane that is done takes the next matrix."""
    count, d, n = values.shape
    lanes = min(LANES, count)
    clip = np.arange(lanes)
    waiting = lanes
    # one buffer more than lanes: a step writes into the buffer that the step before it has read
    argument, spare = np.zeros((lanes + 1, d, n)), lanes
    place = np.arange(lanes)
    base = np.zeros((d, n))
    own, square = np.empty((lanes, d, d)), np.zeros((lanes, d, d))
    turned, part = np.empty((d, d)), np.empty((d, d))
    gram, vectors = np.zeros((d, d * LANES)), np.zeros((d, d * LANES))
    allowed, levels = np.ones(LANES), np.ones(LANES)
    looks = np.zeros(max_iter + 1, dtype=np.bool_)
    looks[1] = marks.shape[0] > 0
    for m in range(marks.shape[0]):
        if marks[m, 0] <= max_iter:
            looks[int(marks[m, 0])] = True
    before = np.zeros((lanes, 2, d, -(-n // pace)))
    change, grown = np.ones(lanes), np.ones(lanes)
    for b in range(lanes):
        argument[b] = start[b]
        np.dot(argument[b], argument[b].T, square[b])
        own[b] = _basis(square[b])
    while waiting < count + lanes:
        for b in range(lanes):
            if clip[b] < 0:
                continue
            # an entry g off the diagonal shifts the thresholded matrix by at most about g / level
            levels[b] = 1 / mu[clip[b]] ** 2
            allowed[b] = EXACT**2 * levels[b] * np.trace(square[b])
            np.dot(own[b], square[b], turned)
            np.dot(turned, own[b].T, part)
            for i in range(d):
                for j in range(d):
                    gram[i, j * LANES + b] = 0.5 * (part[i, j] + part[j, i])
                    vectors[i, j * LANES + b] = own[b, i, j]
        _diagonalise(gram, vectors, allowed, levels)
        for b in range(lanes):
            c = clip[b]
            if c < 0:
                continue
            total, above = 0.0, 0
            for i in range(d):
                singular = np.sqrt(max(gram[i, i * LANES + b], 0.0))
                left = max(singular - 1 / mu[c], 0.0)
                total += left
                above += left > 0
                share = left / singular if left > 0 else 0.0
                for j in range(d):
                    own[b, i, j] = vectors[i, j * LANES + b]
                    turned[i, j] = share * own[b, i, j]
            np.dot(own[b].T, turned, part)
            a, following = argument[place[b]], argument[spare]
            mu_next = min(growth[c] * change[b] * mu[c], cap[c])
            change[b] = 1.0
            ratio = mu[c] / mu_next
            seen = known[c] if known.size else known[:0].reshape(0, 0)
            loosen = slack[c] if slack.size else slack[:0].reshape(0, 0)
            np.dot(part, a, base)
            violated, held = _cells(values[c], seen, loosen, a, base, following, lam[c], ratio, mu_next, relax[c])
            violation[c], held = np.sqrt(violated), np.sqrt(held)
            scale = min(size[c], held) if two_sided and held > 0 else size[c]
            error[c] = violation[c] / scale if scale > 0 else violation[c]
            mu[c] = mu_next
            errors[steps[c]] = max(errors[steps[c]], error[c])
            penalties[steps[c]] = max(penalties[steps[c]], mu_next)
            steps[c] += 1
            if looks[steps[c]]:
                change[b] = _travelled(
                    steps[c],
                    marks,
                    notches,
                    still,
                    smallest,
                    grown[b],
                    a,
                    base,
                    following,
                    ratio,
                    relax[c],
                    mu_next,
                    before[b],
                )
                grown[b] *= change[b]
            if error[c] <= tol or steps[c] == max_iter:
                hidden = noise[c] if noise.size else noise[:0].reshape(0, 0)
                _parts(values[c], seen, loosen, a, base, lam[c], ratio, mu_next, sparse[c], hidden, dual[c])
                low_rank[c] = base
                rank[c], nuclear[c] = above, total
                clip[b], change[b], grown[b] = -1, 1.0, 1.0
                if waiting < count:
                    clip[b] = waiting
                    a[:] = start[waiting]
                    np.dot(a, a.T, square[b])
                    own[b] = _basis(square[b])
                else:
                    for i in range(d):
                        for j in range(d):
                            gram[i, j * LANES + b] = 0.0
                waiting += 1
            else:
                np.dot(following, following.T, square[b])
                place[b], spare = spare, place[b]
