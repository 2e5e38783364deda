"""Jumps: frames that leave the others and come back within one frame, further than any movement of a face goes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rpca_affect.arrays import Array, array_namespace, device, to_numpy
from rpca_affect.lags import stretches

__all__ = ["JUMP", "believed", "excursions", "restless", "without_jumps"]

JUMP = 20.0  # standard deviations of the noise off the running median that no value of the feature is
BESIDE = 2  # frames before and after of which the running median is taken: it ignores what lasts as long
SHARE, LEAST = 1 / 3, 3  # cells of a frame that jump together, beyond which none of them is believed
SUDDEN = 3.0  # times that a step into another face is as large as the steps beside it: a quick movement gathers speed
FARTHEST = 300  # frames after which what comes back may as well have come by itself
NEXT, MANY = 3, 8  # frames from jump to jump, and jumps, of a stretch without rest
MOST = 1 / 3  # of a sequence that such stretches take, beyond which jumping is what the features do
COMMON = 0.1  # share of steps that jump, beyond which jumping is what the features do


def believed(
    values: Array, trusted: Array | None, sigma: Array, lengths: Sequence[int] | None, brief: int
) -> tuple[Array | None, list[tuple[int, int]]]:
    """Take frames that jump, and stretches between jumps, from the trusted cells.

    Parameters
    ----------
    values, trusted, sigma, lengths
        As of `without_jumps`.
    brief : int
        Frames that a transient lasts at most. Longer stretches may be what the base does: they stay trusted.

    Returns
    -------
    trusted : array of bool, shape (m, n), or None
    longer : list of (int, int)
        First frame of each longer stretch, and the first after it.
    """
    left = without_jumps(values, trusted, sigma, lengths)
    found = [] if left is trusted else restless(values, trusted, sigma, lengths)
    for start, stop in excursions(values, left, sigma, lengths):
        if all(stop <= first or last <= start for first, last in found):
            found.append((start, stop))
    short = [place for place in found if place[1] - place[0] <= brief]
    if short and left is trusted:
        xp = array_namespace(values)
        left = xp.ones_like(values, dtype=xp.bool) if trusted is None else xp.asarray(trusted, copy=True)
    for start, stop in short:
        left[start:stop, :] = False  # type: ignore[index]
    return left, sorted(set(found) - set(short))


def without_jumps(values: Array, trusted: Array | None, sigma: Array, lengths: Sequence[int] | None) -> Array | None:
    """Take the frames that jump from the trusted cells.

    A tracker that takes another face for one frame moves many features at once. Many such frames look like a component
    of low rank, and no weight of the sparse part keeps them out of the base; but a base that knows time does not go
    there and come back within two frames. Jumps of a few features are left to the sparse part.

    Parameters
    ----------
    values : array, shape (m, n)
        Frames in the order of their time.
    trusted : array of bool, shape (m, n), or None
        Cells that count; None: all.
    sigma : array, shape (n,)
        Standard deviation of the noise; a feature without noise has no jumps.
    lengths : sequence of int, optional
        Frames of every sequence; default one.

    Returns
    -------
    array of bool, shape (m, n), or None
        `trusted` itself where nothing jumps.
    """
    xp = array_namespace(values)
    reach, ends = _reach(sigma), _ends(values, lengths)
    left: Any = None
    for first, last in zip([0, *ends], ends):
        for part in stretches(last - first, values.shape[1]):
            start, stop = first + part.start, first + part.stop
            rows = slice(max(first, start - BESIDE), min(last, stop + BESIDE))
            jump = _jumps(values[rows, :], None if trusted is None else trusted[rows, :], reach)
            if jump is None:
                continue
            if left is None:
                left = xp.ones_like(values, dtype=xp.bool) if trusted is None else xp.asarray(trusted, copy=True)
            inside = jump[start - rows.start : stop - rows.start]
            left[start:stop, :] = left[start:stop, :] & ~inside[:, None]
    return trusted if left is None else left


def excursions(
    values: Array, trusted: Array | None, sigma: Array, lengths: Sequence[int] | None
) -> list[tuple[int, int]]:
    """Find stretches of frames that many features enter in one step and leave in another, back to where they were.

    A tracker that takes another face keeps it for a while. No single frame leaves its neighbours then, but a face does
    not move in one step, stay, and come back in one.

    Parameters
    ----------
    values, trusted, sigma, lengths
        As of `without_jumps`, whose jumps are not trusted any more.

    Returns
    -------
    list of (int, int)
        First frame, and the first after it, of stretches longer than `BESIDE` and at most `FARTHEST` frames.
    """
    found = []
    reach, ends = _reach(sigma), _ends(values, lengths)
    for first, last in zip([0, *ends], ends):
        places = _steps(values, trusted, reach, first, last)
        if len(places) > max(2, COMMON * (last - first)):
            continue
        free = first
        for k, start in enumerate(places):
            if start < free:
                continue
            later = (stop for stop in places[k + 1 : k + 1 + FARTHEST] if BESIDE < stop - start <= FARTHEST)
            back = (stop for stop in later if _comes_back(values, trusted, reach, start, stop, range(first, last)))
            if (stop := next(back, None)) is not None:
                found.append((start, stop))
                free = stop + 1  # what ends one stretch begins no other
    return found


def restless(
    values: Array, trusted: Array | None, sigma: Array, lengths: Sequence[int] | None
) -> list[tuple[int, int]]:
    """Find stretches in which one jump of many features follows the other: a tracker has lost the face and guesses.

    Parameters
    ----------
    values, trusted, sigma, lengths
        As of `without_jumps`.

    Returns
    -------
    list of (int, int)
        First frame, and the first after it; none in a sequence of which such stretches take more than `MOST`.
    """
    found = []
    reach, ends = _reach(sigma), _ends(values, lengths)
    for first, last in zip([0, *ends], ends):
        places = _steps(values, trusted, reach, first, last)
        groups = np.split(places, np.flatnonzero(np.diff(places) > NEXT) + 1)
        here = [(int(group[0]), int(group[-1])) for group in groups if len(group) >= MANY]
        if sum(stop - start for start, stop in here) <= MOST * (last - first):
            found += here
    return found


def _reach(sigma: Array) -> Array:
    xp = array_namespace(sigma)
    return xp.where(sigma > 0, JUMP * sigma, xp.full_like(sigma, xp.inf))


def _ends(values: Array, lengths: Sequence[int] | None) -> list[int]:
    return np.cumsum([values.shape[0]] if lengths is None else lengths).tolist()


def _steps(values: Array, trusted: Array | None, reach: Array, first: int, last: int) -> list[int]:
    """Frames of one sequence that many features enter in a jump."""
    xp = array_namespace(values)
    found: list[int] = []
    for part in stretches(last - first, values.shape[1]):
        rows = slice(max(first, first + part.start - 1), first + part.stop)
        jumps = xp.abs(values[rows, :][1:, :] - values[rows, :][:-1, :]) > reach
        if not bool(xp.any(jumps)):
            continue
        both = xp.ones_like(jumps)
        if trusted is not None:
            both = trusted[rows, :][1:, :] & trusted[rows, :][:-1, :]
        jumping, counting = (xp.sum(xp.astype(x, values.dtype), axis=1) for x in (jumps & both, both))
        found += (rows.start + 1 + np.flatnonzero(to_numpy((jumping >= LEAST) & (jumping > SHARE * counting)))).tolist()
    return found


def _comes_back(values: Array, trusted: Array | None, reach: Array, start: int, stop: int, sequence: range) -> bool:
    """Whether most features that jump into a stretch jump out of it, all at once and nearly to where they were."""
    xp = array_namespace(values)
    edge = [start - 1, start, stop - 1, stop]
    before, inside, end, after = (values[k, :] for k in edge)
    away = xp.abs(inside - before)
    moved = away > reach
    for k in edge if trusted is not None else ():
        moved = moved & trusted[k, :]  # type: ignore[index]
    back = moved & (xp.abs(after - end) > reach / 2) & (xp.abs(after - before) < away / 2)
    for k in (start, stop):
        back = back & _sudden(values, trusted, k, sequence)
    moving, returning = (int(xp.count_nonzero(x)) for x in (moved, back))
    return returning >= LEAST and 3 * returning >= 2 * moving


def _sudden(values: Array, trusted: Array | None, k: int, sequence: range) -> Array:
    """Which features step into frame `k` much further than into the frames before and after it."""
    xp = array_namespace(values)
    step = xp.abs(values[k, :] - values[k - 1, :])
    found = xp.ones_like(step, dtype=xp.bool)
    for near, far in ((k - 1, k - 2), (k, k + 1)):
        if far in sequence:
            slow = SUDDEN * xp.abs(values[near, :] - values[far, :]) < step
            found = found & (slow if trusted is None else slow | ~trusted[far, :])
    return found


def _jumps(values: Array, known: Array | None, reach: Array) -> Array | None:
    """Which of some frames jump; None where none does."""
    xp = array_namespace(values)
    steps = xp.abs(values[1:, :] - values[:-1, :]) > reach / 2  # what jumps steps there and back
    some = xp.nonzero(xp.any(steps, axis=0))[0]
    if some.shape[0] < LEAST:
        return None
    seen = xp.ones_like(values, dtype=xp.bool) if known is None else known
    cells, counts = xp.take(values, some, axis=1), xp.take(seen, some, axis=1)
    around = xp.sort(xp.stack([_moved(xp, cells, counts, by) for by in range(-BESIDE, BESIDE + 1)]), axis=0)
    far = counts & (xp.abs(cells - around[BESIDE, ...]) > xp.take(reach, some))
    jumping, counting = (xp.sum(xp.astype(x, values.dtype), axis=1) for x in (far, seen))
    found = (jumping >= LEAST) & (jumping > SHARE * counting)
    return found if bool(xp.any(found)) else None


def _moved(xp: Any, cells: Array, counts: Array, by: int) -> Array:
    """Every cell's neighbour so many frames on, and the cell itself where that is missing or beyond the ends."""
    rows = cells.shape[0]
    source = xp.clip(xp.arange(rows, device=device(cells)) + by, 0, rows - 1)
    return xp.where(xp.take(counts, source, axis=0), xp.take(cells, source, axis=0), cells)
