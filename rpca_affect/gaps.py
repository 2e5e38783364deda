"""Missing cells, from their neighbours in time: lines between frames or cells, and what the base leaves nearby."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from rpca_affect.arrays import ABREAST, Array, array_namespace, device, to_numpy
from rpca_affect.lags import stretches
from rpca_affect.noise import FARTHEST

__all__ = ["bridged", "carry_over", "lined"]

REACH = 60  # frames from which something is carried over, at most: two seconds of video
SURE = 4.0  # squared standard errors below which a correlation counts as chance
BESIDE = 0.1  # share of exceptions: of cells of a slow feature that have a neighbour, of steps longer than usual
STEPS = 10  # between observed cells, at least, that tell what is usual
FRAMES = 4000  # that the covariances are measured on


def bridged(base: Array, seen: Array | None, lengths: Sequence[int] | None = None) -> Array:
    """Lay the base of frames without any observation on the line between their neighbours in the same sequence.

    They are written over.
    Nothing speaks for a value there, and the least nuclear norm would put the median. A line between two frames of the
    base stays in the space that its frames span, so the rank does not grow.
    """
    xp = array_namespace(base)
    if seen is None or bool(xp.all(seen)) or not bool(xp.any(seen)):
        return base
    if lengths is not None and len(lengths) > 1:
        ends = [0, *accumulate(lengths)]
        return xp.concat([bridged(base[i:j, :], seen[i:j]) for i, j in pairwise(ends)], axis=0)
    frames = base.shape[0]
    places = xp.arange(frames, device=device(base))
    before = xp.cumulative_sum(xp.astype(seen, xp.int64)) - 1  # position among the seen frames
    there = places[seen]
    last = there.shape[0] - 1
    left = xp.take(there, xp.clip(before, 0, last))
    right = xp.take(there, xp.clip(before + xp.astype(~seen, xp.int64), 0, last))
    gap = xp.astype(xp.maximum(right - left, xp.ones_like(left)), base.dtype)
    share = xp.clip(xp.astype(places - left, base.dtype) / gap, 0.0, 1.0)[:, None]
    for rows in stretches(*base.shape):
        if bool(xp.all(seen[rows])):
            continue
        one, other = xp.take(base, left[rows], axis=0), xp.take(base, right[rows], axis=0)
        line = (1 - share[rows, :]) * one + share[rows, :] * other
        base[rows, :] = xp.where(seen[rows][:, None], base[rows, :], line)
    return base


def lined(values: Array, trusted: Array | None, lengths: Sequence[int] | None, lags: int) -> Array | None:
    """Lay the cells between the observed ones of slow features, those seen every few frames only, on straight lines.

    Streams of different rates in one table leave cells empty in a pattern that repeats. Windows of frames (or frames,
    without lags) then fall into groups of which none observes what the others do: nothing relates them, and the least
    nuclear norm puts the median where nothing was observed. A slow base goes straight from one cell to the next.
    Without lags, the features that are no slow ones relate the frames, unless there are hardly any.

    Parameters
    ----------
    values : array, shape (m, n)
        Changed in place, where lines are laid.
    trusted : array of bool, shape (m, n), or None
    lengths : sequence of int, optional
        Frames of every sequence; no line goes from one to the next.
    lags : int

    Returns
    -------
    array of bool, shape (m, n), or None
        Cells that take part: those trusted, and those on lines.
    """
    if trusted is None:
        return None
    xp = array_namespace(values)
    count = to_numpy(xp.count_nonzero(trusted, axis=0))
    beside = to_numpy(xp.count_nonzero(trusted[1:, :] & trusted[:-1, :], axis=0))
    slow = np.flatnonzero((count > STEPS) & (beside < BESIDE * count))
    if not len(slow) or (lags == 1 and len(slow) < (1 - BESIDE) * np.count_nonzero(count)):
        return trusted
    frames = np.arange(values.shape[0])
    number = np.repeat(np.arange(len(lengths or [0])), lengths or len(frames))
    taken = xp.asarray(trusted, copy=True)
    for k in slow.tolist():
        seen = np.flatnonzero(to_numpy(trusted[:, k]))
        between = _between(seen, number)
        if len(between):
            cells = to_numpy(values[:, k])
            index = xp.asarray(between, device=device(values))
            line = np.interp(frames[between], seen, cells[seen])
            values[index, k] = xp.asarray(line, dtype=values.dtype, device=device(values))
            taken[index, k] = True
    return taken


def _between(seen: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Frames between those seen, but where they are further apart than nearly always, or in two sequences."""
    steps = np.where(np.diff(number[seen]) == 0, np.diff(seen), 0)
    inner = steps[steps > 0]
    usual = min(FARTHEST, float(np.quantile(inner, 1 - BESIDE))) if len(inner) >= STEPS else 0.0
    between = [seen[k] + np.arange(1, steps[k]) for k in np.flatnonzero((steps > 1) & (steps <= usual))]
    return np.concatenate(between) if between else np.zeros(0, dtype=np.int64)


def carry_over(guess: Array, left: Array, missed: Array, known: Array, lengths: Sequence[int] | None = None) -> None:
    r"""Add to the guesses of missing cells what the observed neighbours in time of their feature say of the error.

    A feature of its own leaves the base for a while: what the base leaves of a cell, x, comes true in part d frames
    away. Of the nearest observed cells before and after, p and q frames away, the best linear prediction is
    :math:`w_1 x_1 + w_2 x_2` with

    .. math::

        \begin{pmatrix} c(0) & c(p+q) \\ c(p+q) & c(0) \end{pmatrix} w
        = \begin{pmatrix} b(p) \\ b(q) \end{pmatrix}, \qquad
        c(d) = \mathrm{E}\, x_t x_{t+d}, \quad b(d) = \mathrm{E}\, y_t x_{t+d},

    y the error of the guess; both covariances are measured on the observed cells of the feature. Where x is noise they
    vanish, and nothing is added.

    Parameters
    ----------
    guess : array, shape (m, n)
        Changed in place, in missing cells only.
    left : array, shape (m, n)
        What the base leaves of observed cells.
    missed : array, shape (m, n)
        What the guess leaves of observed cells.
    known : array of bool, shape (m, n)
    lengths : sequence of int, optional
        Frames of every sequence; nothing is carried from one to the next.

    References
    ----------
    N. Cressie, "Statistics for spatial data" (1993), section 3.2 (simple kriging).
    """
    xp = array_namespace(guess)
    frames = guess.shape[0]
    ends = [0, *accumulate(lengths or [frames])]
    number = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    start, stop = (xp.asarray(np.asarray(some)[number], device=device(guess)) for some in (ends[:-1], ends[1:]))
    for some in stretches(guess.shape[1], frames, least=ABREAST):
        seen = known[:, some]
        if bool(xp.all(seen)) or not bool(xp.any(seen)):
            continue
        x = xp.where(seen, left[:, some], xp.zeros_like(left[:1, some]))
        y = xp.where(seen, missed[:, some], xp.zeros_like(x[:1, :]))
        own, error = _covariances(x, y, seen, ends)
        sides = _neighbours(seen, start, stop)
        near, far = (_at(error, side.feature, side.distance) for side in sides)
        both = _at(own, sides[0].feature, sides[0].distance + sides[1].distance)
        one, other = (xp.take(_by_feature(x), side.place) for side in sides)
        # Where both neighbours say the same, each says half: the determinant must not vanish.
        least = 1 + 8 * xp.finfo(both.dtype).eps ** 0.5 - both * both
        found = ((near - both * far) * one + (far - both * near) * other) / least
        flat = _by_feature(seen)
        place = xp.clip(xp.cumulative_sum(xp.astype(~flat, xp.int64)) - 1, 0, found.shape[0] - 1)
        added = xp.where(flat, xp.zeros_like(guess[0, 0]), xp.take(found, place))
        guess[:, some] = guess[:, some] + xp.matrix_transpose(xp.reshape(added, (seen.shape[1], frames)))


class _Side(NamedTuple):
    """For every missing cell: its feature, the place of the observed cell on one side, and how many frames it is away.

    `REACH` frames away where the sequence has none.
    """

    feature: Array
    place: Array
    distance: Array


def _neighbours(seen: Array, start: Array, stop: Array) -> tuple[_Side, _Side]:
    """Before and after, places counted feature after feature; sequences begin at ``start`` and end before ``stop``."""
    xp, frames = array_namespace(seen), seen.shape[0]
    flat = _by_feature(seen)
    lost, there = xp.nonzero(~flat)[0], xp.nonzero(flat)[0]
    feature, row = lost // frames, lost % frames
    first, end = feature * frames + xp.take(start, row), feature * frames + xp.take(stop, row)
    count = xp.take(xp.cumulative_sum(xp.astype(flat, xp.int64)), lost)  # of the observed cells up to each
    sides = []
    for step in (-1, 0):
        place = xp.take(there, xp.clip(count + step, 0, there.shape[0] - 1))
        inside = (place >= first) & (place < lost) if step else (place > lost) & (place < end)
        far = xp.full_like(lost, REACH)
        sides.append(_Side(feature, place, xp.where(inside, xp.minimum(xp.abs(lost - place), far), far)))
    return sides[0], sides[1]


def _at(table: Array, feature: Array, distance: Array) -> Array:
    """Correlation of a feature at a distance."""
    xp = array_namespace(table)
    return xp.take(xp.reshape(table, (-1,)), feature * (REACH + 1) + xp.clip(distance, 0, REACH))


def _by_feature(x: Array) -> Array:
    """All cells, feature after feature."""
    xp = array_namespace(x)
    return xp.reshape(xp.matrix_transpose(x), (-1,))


def _covariances(x: Array, y: Array, known: Array, ends: Sequence[int]) -> tuple[Array, Array]:
    """Covariances c and b over c(0) for distances up to `REACH`, from 0 to 1 and 0 from there on, (n, REACH + 1)."""
    xp = array_namespace(x)
    totals = [xp.zeros((REACH, x.shape[1]), dtype=x.dtype, device=device(x)) for _ in range(3)]
    possible = np.zeros(REACH)
    for first, last in pairwise(ends):
        skipped = max(0, last - first - FRAMES) // 2
        rows = slice(first + skipped, last - skipped)
        length = rows.stop - rows.start
        size = length + REACH
        spectra = [xp.fft.rfft(part[rows, :], n=size, axis=0) for part in (x, y, xp.astype(known, x.dtype))]
        for k, (one, other) in enumerate([(0, 0), (1, 0), (2, 2)]):
            product = xp.fft.irfft(xp.conj(spectra[one]) * spectra[other], n=size, axis=0)
            totals[k] = totals[k] + product[:REACH, :]
        possible += np.maximum(length - np.arange(REACH), 0)
        if possible[0] >= FRAMES:
            break
    squares, products, pairs = totals
    # A mean over few pairs says as much less: distances near the length of a sequence count for little.
    weight = xp.asarray(possible / possible[0], dtype=x.dtype, device=device(x))[:, None]
    weight = weight / xp.maximum(pairs, xp.ones_like(pairs))
    unit = weight[:1, :] * squares[:1, :]
    unit = xp.where(unit > 0, unit, xp.ones_like(unit))
    chance = SURE / xp.maximum(pairs, xp.ones_like(pairs))  # square of a correlation that noise shows

    def correlation(total: Array) -> Array:
        found = xp.clip(weight * total / unit, 0.0, 1.0)
        square = xp.maximum(found * found, chance)
        return xp.matrix_transpose(xp.concat([found * (1 - chance / square), xp.zeros_like(unit)], axis=0))

    return correlation(squares), correlation(products)
