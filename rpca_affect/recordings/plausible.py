"""Plausible numbers: what the values of features say against their unit, their range or the way they were written."""

from collections.abc import Iterator

import numpy as np

from rpca_affect.refusals import Notice, Setting

from .lost import COLUMNS, chunks, ends_of
from .phrases import counted, listed

# Feature group -> lowest and highest value that its program writes.
RANGES = {"AU_r": (0.0, 5.0), "AU_c": (0.0, 1.0), "blendshapes": (0.0, 1.0)}
_SLACK = 0.02  # trackers overshoot by rounding and filters
_TURNS = ((360.0, "360 degrees"), (2 * np.pi, "two pi"))
_WHOLE = 0.02  # share of whole numbers among fractions, beyond which they are no chance
_SAMPLE = 1000  # frames that tell whether numbers are a rotation
_APART = 20  # times that the median of 987 and its like is that of 1.234 and its like, at least
_AWAY, _TIMES = 0.5, 10  # spreads that a number keeps from all others, and times that it comes back


def codes_outside(values: np.ndarray, known: np.ndarray, group: str, limits: tuple[float, float], notices: list[str]):
    """Cells of a feature group that all hold one number which its program cannot write, such as -1 for an intensity.

    `values` and `known` (n_frames, n_members) are those of the group.  Numbers a little above the highest are left:
    they may be measurements in another unit.
    """
    low, high = limits
    out = known & ((values < low) | (values > high))
    numbers, counts = np.unique(values[out], return_counts=True)
    code = numbers[np.argmax(counts)] if len(numbers) else 0.0
    alone = len(numbers) and counts.max() >= 3 and counts.max() >= 0.9 * counts.sum()
    if not alone or code != np.floor(code) or low <= code <= max(2 * high, 9):
        return np.zeros_like(known)
    found = known & (values == code)
    notices.append(
        f"{counted(int(found.sum()), 'cell')} of {group} hold {code:g}, outside what is usual "
        f"({_usual(group, limits)}), and count as missing."
    )
    return found


def _usual(group: str, limits: tuple[float, float]) -> str:
    return "0 or 1" if group == "AU_c" else f"from {limits[0]:g} to {limits[1]:g}"


def implausible(values: np.ndarray, known: np.ndarray, group: str, limits: tuple[float, float], names, place):
    """Sentence about the cells of a feature group outside what its program writes; None where there are none.

    `values`, `known` and `names` are those of the group, `place` says where a row stands.
    """
    low, high = limits
    slack = _SLACK * (high - low)
    out = known & ((values < low - slack) | (values > high + slack))
    if group == "AU_c":
        out |= known & (values != 0) & (values != 1)
    if not out.any():
        return None
    row, column = np.argwhere(out)[0]
    return (
        f"{counted(int(out.sum()), 'cell')} of {group} ({listed(np.asarray(names)[out.any(axis=0)], 3)}) outside what "
        f"is usual ({_usual(group, limits)}), the first at {place(int(row))}: {values[row, column]:g}; check "
        "decimal mark and units."
    )


def oddities(values: np.ndarray, known: np.ndarray, names, place) -> list[str]:
    """Sentences about features that no unit or way of writing explains: nothing is changed.

    Parameters
    ----------
    values, known : ndarray, shape (n_frames, n_features)
        And which cells are observed.
    names : sequence of str, shape (n_features,)
    place : callable
        Says where a row stands.
    """
    low, high = ends_of(values, known)
    with np.errstate(over="ignore"):  # the width of the largest numbers is infinite, which is no turn
        return [
            *_turns(values, known, low, high, names, place),
            *_signs(values, known, names, place),
            *_thousands(values, known, low, high, names, place),
            *_set_apart(values, known, low, high, names),
        ]


def _turns(values, known, low, high, names, place) -> list[str]:
    """Angles that go on at the other end of their range."""
    said: list[str] = []
    for turn, called in _TURNS:
        width = high - low
        found, first = [], len(values)
        for k in np.flatnonzero((width > 0.8 * turn) & (width <= 1.001 * turn)):
            steps = np.diff(values[:, k])
            both = known[1:, k] & known[:-1, k]
            over = both & (np.abs(steps) > 0.8 * turn)
            usual = np.abs(steps[both & ~over])
            if not over.any() or not len(usual) or over.mean() > 0.2:
                continue
            # Less the turn, such a step is like all others.
            left, far = np.abs(np.abs(steps[over]) - turn), np.quantile(usual, 0.9)
            if far < 0.1 * turn and np.median(left) <= 3 * far:
                found.append(names[k])
                first = min(first, int(np.flatnonzero(over)[0]) + 1)
        if found:
            jumps = f"{listed(found)} jump{'s' if len(found) == 1 else ''} by {called} ({place(first)}): an angle that "
            base = "starts again at the end of its range is no slow base; unwrap it first, or leave it out ("
            said.append(Notice(jumps, base, Setting("drop"), ")."))
    return said


def _signs(values, known, names, place) -> list[str]:
    """Rotations as four numbers whose squares add up to 1, of which all change their sign from a frame to the next."""
    some = np.linspace(0, len(values) - 1, min(len(values), _SAMPLE)).astype(np.intp)
    squares = np.where(known[some], values[some], np.nan) ** 2
    if squares.shape[1] < 4:
        return []
    sums = squares[:, :-3] + squares[:, 1:-2] + squares[:, 2:-1] + squares[:, 3:]
    said: list[str] = []
    last = -4
    for k in np.flatnonzero((np.abs(sums - 1) < 0.01).mean(axis=0) > 0.9):
        if k < last + 4:
            continue
        last = int(k)
        part = np.where(known[:, k : k + 4], values[:, k : k + 4], np.nan)
        turned = np.flatnonzero((part[1:] * part[:-1]).sum(axis=1) < -0.5)
        if len(turned):
            said.append(
                Notice(
                    f"{listed(names[k : k + 4])} are a rotation as a quaternion, and all change their sign "
                    f"{counted(len(turned), 'time')} ({place(int(turned[0]) + 1)} first): q and -q are the same "
                    "rotation, and the jump is no movement; give all the sign of the frame before, or leave them out (",
                    Setting("drop"),
                    ").",
                )
            )
    return said


def _thousands(values, known, low, high, names, place) -> list[str]:
    """Numbers such as 1.234 beside 987: the point may separate thousands."""
    found, first = [], 0
    possible = (low >= 0) & (_APART * low < high) & (high < 1000) & (high >= 100)
    for k, column, seen in _columns(values, known, np.flatnonzero(possible)):
        cells = column[seen]
        whole = cells == np.floor(cells)
        if not _WHOLE < whole.mean() < 1 or cells[~whole].min() < 1:
            continue
        parts = 1000 * cells[~whole]
        three = np.abs(parts - np.round(parts)) < 1e-6 * parts
        if three.all() and np.median(cells[whole]) > _APART * np.median(cells[~whole]):
            first = int(np.flatnonzero(seen & (column != np.floor(column)))[0])
            found.append(names[k])
    if not found:
        return []
    return [
        f"{listed(found)} hold{'s' if len(found) == 1 else ''} whole numbers up to 999 and fractions of three decimals "
        f"({place(first)}): if the point separates thousands, export without it."
    ]


def _columns(values, known, which: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Some columns one by one, each laid in one piece: walking down the rows of a wide table takes far longer."""
    for first in range(0, len(which), COLUMNS):
        some = which[first : first + COLUMNS]
        yield from zip(some.tolist(), np.ascontiguousarray(values[:, some].T), np.ascontiguousarray(known[:, some].T))


def _set_apart(values, known, low, high, names) -> list[str]:
    """Numbers that come back exactly, with nothing between them and all others."""
    found: dict[float, list[int]] = {}
    for end in (low, high):
        times = sum(np.count_nonzero((values[rows] == end) & known[rows], axis=0) for rows in chunks(values))
        for k, column, seen in _columns(values, known, np.flatnonzero((times >= _TIMES) & (times < 0.5 * len(values)))):
            rest = column[seen & (column != end[k])]
            if len(np.unique(rest[:500])) < 20:
                continue
            if min(abs(rest.min() - end[k]), abs(rest.max() - end[k])) > _AWAY * np.ptp(rest):
                found.setdefault(float(end[k]), []).append(int(k))
    return [
        f"{listed([names[k] for k in columns])} hold{'s' if len(columns) == 1 else ''} {number:g} in "
        f"{counted(int(((values[:, columns] == number) & known[:, columns]).sum()), 'cell')} and nothing between it "
        "and all other values: if it stands for a missing cell, name it among the words for missing ones."
        for number, columns in found.items()
    ]
