"""Lost cells by evidence: numbers that trackers write where they saw nothing, and frames that stand still."""

import numpy as np
import pandas as pd

from .phrases import counted
from .slower import edges_of, leave_out_repeats

_CELLS = 1 << 18  # that are looked at together: nothing as large as the table is made
COLUMNS = 32  # likewise
_MOST = 20  # candidates for a number that means "missing"
_TOGETHER = 3  # features that hold a number in the same frames
_KINDS = 20  # different numbers beside it that a measurement has
_FILLED, _EDGES = 0.03, 6  # share of a feature that a filler takes, and values beside it
_INSIDE = 0.05  # share of the different numbers of a feature that lie on either side of a filler
_FROZEN, _HELD = 2, 0.4  # repeats of a frame that stands still, and share of repeats where frames are held
_HELD_FOR = 4  # repeats of a value in features that are held together
_SAMPLE = 1000  # frames that are looked at first


def leave_out_lost(values: np.ndarray, known: np.ndarray, notices: list[str], sequence=None) -> None:
    """Take cells of `values` (n_frames, n_features) that hold no measurement out of `known`, said with their count.

    A number means "missing" when it fills every feature of a frame (0 or -1 throughout), when it is a whole number
    far outside everything else in its column and comes back exactly, in many columns of a frame or often in one, or
    when it is 0 or -1 in the same frames of several features and nowhere else in them, or when it stands within the
    range of its column again and again, between values far from it.  Frozen frames show nothing behind their first, and
    neither do features that hold every number for about as many frames.
    Frames stand still within their own sequence, of which `sequence` (n_frames,) gives the key, if there are several.
    """
    if len(values) < 10:
        return
    lowest, highest = ends_of(values, known)
    varies = np.flatnonzero(lowest < highest)
    _same_throughout(values, known, varies, notices)
    _far_outside(values, known, notices)
    _in_the_same_frames(values, known, varies, notices)
    codes = np.zeros(len(values), np.intp) if sequence is None else pd.factorize(sequence, use_na_sentinel=False)[0]
    order = np.argsort(codes, kind="stable") if (np.diff(codes) < 0).any() else None
    _filled_in(values, known, varies, order, notices)
    leave_out_repeats(values, known, varies, codes, order, notices)
    _standing_still(values, known, varies, codes, order, notices)
    _held_together(values, known, varies, codes, order, notices)


def ends_of(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Lowest and highest known value of each column."""
    return np.stack(
        [np.min(values, axis=0, where=known, initial=np.inf), np.max(values, axis=0, where=known, initial=-np.inf)]
    )


def _same_throughout(values, known, varies, notices) -> None:
    """Frames with one number in every feature.  Where that number is common anyway, it is said and kept."""
    if len(varies) < 3:
        return
    first = values[:, varies[0]]
    rows = _by_rows(lambda part, seen: seen.all(axis=1) & (part == part[:, :1]).all(axis=1), values, known, varies)
    lost = np.zeros(len(values), dtype=bool)
    for number in np.unique(first[rows])[:_MOST] + 0.0:  # no -0 in a sentence
        here = rows & (first == number)
        rest = ~here & known[:, varies].any(axis=1)
        if not rest.any():
            continue
        alike = _by_rows(lambda part, _: (part == number).sum(axis=1), values, known, varies)  # noqa: B023
        common = float(alike[rest].sum() / max(known[rest][:, varies].sum(), 1))
        n_rows = int(here.sum())
        if len(varies) < 6 and number not in (0, -1) and n_rows < 3:
            continue  # a few columns of whole numbers meet by chance
        frames = (
            f"{counted(n_rows, 'frame')} of {len(values)} hold{'s' if n_rows == 1 else ''} {number:g} in every feature"
        )
        if common < 0.2 and n_rows < 0.9 * len(values):
            lost |= here
            notices.append(f"{frames} and count{'s' if n_rows == 1 else ''} as lost.")
        elif common < 0.9:
            notices.append(f"{frames}; {number:g} is common elsewhere, so they count as observed.")
    known[lost] = False


def _repeats(part: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """True for every row but the first that repeats the row before it."""
    return seen[1:].any(axis=1) & ((part[1:] == part[:-1]) | ~(seen[1:] | seen[:-1])).all(axis=1)


def _by_rows(test, values, known, columns, before: int = 0, order: np.ndarray | None = None) -> np.ndarray:
    """What a test of some columns says of every row, a few rows (and ``before`` rows before them) at a time."""
    step = max(1, _CELLS // max(len(columns), 1))
    whole = len(columns) == values.shape[1]
    found = []
    for start in range(before, len(values), step):
        near = slice(start - before, min(start + step, len(values)))
        rows = near if order is None else order[near]
        some = (values[rows], known[rows]) if whole else (values[rows][:, columns], known[rows][:, columns])
        found.append(test(*some))
    return np.concatenate(found)


def _by_columns(test, values, known, columns) -> np.ndarray:
    """What a test of all rows says of some columns, a few of them at a time; they are its last axis."""
    parts = [columns[first : first + COLUMNS] for first in range(0, max(len(columns), 1), COLUMNS)]
    return np.concatenate([test(values[:, some], known[:, some]) for some in parts], axis=-1)


def chunks(values) -> list[slice]:
    """Slices of rows that hold so many cells as are looked at together."""
    step = max(1, _CELLS // max(values.shape[1], 1))
    return [slice(first, first + step) for first in range(0, len(values), step)]


def _far_outside(values, known, notices) -> None:
    """Whole numbers that stand alone, far below or above everything else in their columns."""
    n_features = values.shape[1]
    found: list[tuple[np.ndarray, np.ndarray]] = []
    lows, highs = ends_of(values, known)
    for number, columns in _candidates(lows, highs, n_features):
        equal = _by_columns(lambda part, seen: seen & (part == number), values, known, columns)  # noqa: B023
        times = equal.sum(axis=0)
        low, high = _by_columns(lambda part, seen: ends_of(part, seen & (part != number)), values, known, columns)  # noqa: B023
        with np.errstate(over="ignore", invalid="ignore"):
            away = np.maximum(low - number, number - high)
            width = high - low
        usable = np.isfinite(width) & (width > 0) & (times > 0)
        near, far = usable & (away > 0.5 * width), usable & (away > 5 * width)
        for k in np.flatnonzero(near):  # the highest of a scale of few grades is one grade above the others
            grades = np.unique(values[known[:, columns[k]] & ~equal[:, k], columns[k]])
            near[k] = len(grades) >= _KINDS or away[k] > 1.5 * np.diff(grades).max(initial=0.0)
        together = equal[:, near].sum(axis=1) >= max(2, 0.5 * n_features)
        many = near & (equal[together].sum(axis=0) > 0.5 * times) & together.any()
        often = far & (far & (times >= 3)).any()  # what is a code in one column is one in the others
        chosen = columns[many | often]
        if not len(chosen):
            continue
        cells = equal[:, many | often]
        found.append((chosen, cells))
        n_rows = int(cells.any(axis=1).sum())
        notices.append(
            f"{counted(int(cells.sum()), 'cell')} in {counted(n_rows, 'frame')} "
            f"{'holds' if cells.sum() == 1 else 'hold'} {number:.6g}, far outside everything else in "
            f"{'its' if len(chosen) == 1 else 'their'} column{'s' * (len(chosen) > 1)}, and count as missing."
        )
    for chosen, cells in found:
        known[:, chosen] &= ~cells


def _candidates(lows, highs, n_features: int):
    """Whole numbers that are the lowest or highest of columns, those of most columns first."""
    found = []
    for ends in (lows, highs):
        numbers, which = np.unique(ends, return_inverse=True)
        counts = np.bincount(which)
        for k in np.argsort(-counts, kind="stable")[:_MOST]:
            number = numbers[k]
            if np.isfinite(number) and number == np.floor(number) and number != 0:
                found.append((float(number), np.flatnonzero(which == k)))
    return found


def _in_the_same_frames(values, known, varies, notices) -> None:
    """Features that all hold 0 (or -1) in the same frames and nowhere else: a part of the tracker saw nothing there."""
    marks = np.random.default_rng(0).integers(1 << 62, size=len(values), dtype=np.int64)  # of frames: a sum tells a set
    for number in (0.0, -1.0):
        times = np.zeros(values.shape[1], dtype=np.intp)
        for rows in chunks(values):
            here = values[rows] == number
            times += here.sum(axis=0) if here.any() else 0
        columns = varies[(times[varies] > 1) & (times[varies] < 0.5 * len(values))]
        if len(columns) < _TOGETHER:
            continue
        held = _by_columns(lambda part, seen: marks @ ((part == number) & seen), values, known, columns)  # noqa: B023
        sets, which, size = np.unique(held, return_inverse=True, return_counts=True)
        for k in np.flatnonzero((size >= _TOGETHER) & (sets != 0)):
            some = columns[which == k]
            rows = (values[:, some[0]] == number) & known[:, some[0]]
            kinds = [len(np.unique(values[~rows & known[:, j], j][:500])) for j in some]
            if rows.sum() < 2 or min(kinds) < _KINDS:  # a few whole numbers meet by chance
                continue
            known[np.ix_(rows, some)] = False
            notices.append(
                f"{counted(len(some), 'feature')} hold {number:g} in the same {int(rows.sum())} frames and nowhere "
                "else: these cells count as missing."
            )


def _filled_in(values, known, varies, order, notices) -> None:
    """Numbers within the range of a feature that come back exactly, between values as far from them as any.

    A mean or a neutral number was put where nothing was seen.  Where a feature rests, values beside it are near it.
    """
    sample = np.linspace(0, len(values) - 1, min(len(values), _SAMPLE)).astype(np.intp)
    often = max(3, int(_FILLED * len(sample)))
    by_time = slice(None) if order is None else order
    columns, cells = [], 0
    for first in range(0, len(varies), COLUMNS):
        some = varies[first : first + COLUMNS]
        at = np.ix_(sample, some)
        part = np.sort(np.where(known[at], values[at], np.nan), axis=0)
        for k in some[(part[often:] == part[:-often]).any(axis=0)]:
            rows = np.flatnonzero(_filler(values[by_time, k], known[by_time, k]))
            if len(rows):
                known[rows if order is None else order[rows], k] = False
                columns.append(k)
                cells += len(rows)
    if columns:
        notices.append(
            f"{counted(cells, 'cell')} of {counted(len(columns), 'feature')} hold one number of the feature's own "
            "range again and again, between values far from it: filled in where nothing was seen, they are missing."
        )


def _filler(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Rows of a feature that hold its filler; none where it has none."""
    none = np.zeros(len(values), dtype=bool)
    numbers, counts = np.unique(values[known], return_counts=True)
    best = int(np.argmax(counts))
    if len(numbers) < _KINDS or not _FILLED * counts.sum() <= counts[best] <= 0.5 * counts.sum():
        return none
    if not _INSIDE * len(numbers) < best < (1 - _INSIDE) * (len(numbers) - 1):  # a level at which a feature rests
        return none
    if 5 * np.delete(counts, best).max() > counts[best]:  # of a measurement in few grades every number comes back
        return none
    here = known & (values == numbers[best])
    rest = known & ~here
    beside = np.zeros_like(here)
    beside[1:] |= here[:-1]
    beside[:-1] |= here[1:]
    beside &= rest
    away = np.abs(values - numbers[best])
    steps = np.abs(np.diff(values))[rest[1:] & rest[:-1]]
    if beside.sum() < _EDGES or not len(steps) or np.median(steps) > 0.2 * np.median(away[rest]):
        return none
    nearer = (away[rest] < np.median(away[beside])).mean()
    return here if nearer > 1 / 3 else none


def _standing_still(values, known, varies, codes, order, notices) -> None:
    """Frames that repeat the frame before in every feature: said, because a camera sees noise.

    They show nothing new where features stand still that hardly ever repeat a number otherwise, and count as missing;
    where every frame is there several times it is a matter of the frame rate, and they are kept.
    """
    if len(varies) < 3:
        return
    same = _by_rows(_repeats, values, known, varies, before=1, order=order)
    same &= np.diff(codes if order is None else codes[order]) == 0
    if not same.any():
        return
    starts, ends = edges_of(same)
    lengths = ends - starts
    if lengths.max() < 4 and same.mean() < 0.02:
        return
    said = (
        f"{counted(int(same.sum()), 'frame')} of {len(values)} repeat{'s' if same.sum() == 1 else ''} the frame before "
        f"in every feature (longest run {int(lengths.max()) + 1}): "
    )
    rows = np.arange(len(values)) if order is None else order
    alike = len(lengths) > 4 and (lengths == np.median(lengths)).mean() > 0.5
    if (alike and same.mean() > _HELD) or not _fine(values, known, varies, rows, same):
        notices.append(f"{said}frozen or doubled frames; they count as observed.")
        return
    for start, end in zip(starts, ends):
        if end - start >= _FROZEN:
            known[rows[start + 1 : end + 1]] = False
    notices.append(f"{said}runs of {_FROZEN + 1} and more frozen frames count as missing behind their first.")


def _held_together(values, known, varies, codes, order, notices) -> None:
    """Features that stand still from the same frame to the same frame, and hardly ever else: a part saw nothing there.

    A feature that rests or is cut off is measured: it stands at an end of its range, or at a number that comes back.
    """
    rows = np.arange(len(values)) if order is None else order
    apart = np.diff(codes[rows]) != 0
    low, high = ends_of(values, known)
    runs: dict[tuple[int, int], list[int]] = {}
    for first in range(0, len(varies), COLUMNS):
        some = varies[first : first + COLUMNS]
        at = (slice(None), some) if order is None else np.ix_(rows, some)
        part, seen = values[at], known[at]
        same = (part[1:] == part[:-1]) & seen[1:] & seen[:-1] & ~apart[:, None]
        inside = same & (part[1:] != low[some]) & (part[1:] != high[some])
        for k in np.flatnonzero(inside.any(axis=0) & (same.mean(axis=0) < _HELD)):
            starts, ends = edges_of(inside[:, k])
            long = ends - starts >= _HELD_FOR
            if same[:, k].sum() - (ends - starts)[long].sum() > 0.1 * len(same):
                continue
            for start, end in zip(starts[long], ends[long]):
                if np.count_nonzero(part[:, k] == part[start, k]) == end - start + 1:
                    runs.setdefault((int(start), int(end)), []).append(int(some[k]))
    found = {run: columns for run, columns in runs.items() if len(columns) >= _TOGETHER}
    for (start, end), columns in found.items():
        known[np.ix_(rows[start + 1 : end + 1], np.array(columns))] = False
    if found:
        n_frames = sum(end - start for start, end in found)
        n_columns = len({column for columns in found.values() for column in columns})
        notices.append(
            f"{counted(n_columns, 'feature')} stand still in the same {n_frames} frames and hardly ever else: their "
            "last values were held, and these cells count as missing."
        )


def _fine(values, known, varies, rows, same) -> bool:
    """Whether some features hardly ever repeat a number where the frames do not stand still."""
    moving = np.flatnonzero(~same)
    moving = moving[np.linspace(0, len(moving) - 1, min(len(moving), _SAMPLE)).astype(np.intp)]
    now, then = rows[moving + 1], rows[moving]
    fine = 0
    for first in range(0, len(varies), COLUMNS):
        some = varies[first : first + COLUMNS]
        both = known[np.ix_(now, some)] & known[np.ix_(then, some)]
        again = both & (values[np.ix_(now, some)] == values[np.ix_(then, some)])
        fine += int((again.sum(axis=0) < 0.1 * both.sum(axis=0)).sum())
    return fine >= _TOGETHER


def presence_of(values: np.ndarray, known: np.ndarray, groups: dict[str, list[int]], presence: tuple[str, ...]):
    """True for features that only say whether something is there: 0 in some frames, 1 in others, nothing else.

    Resting ones of a group that holds nothing but 0 and 1 are presence as well, and those of the groups in `presence`.
    """
    two = np.ones(values.shape[1], dtype=bool)
    zero, one = np.zeros((2, *two.shape), dtype=bool)
    for rows in chunks(values):
        part, seen = values[rows], known[rows]
        two &= ((part == 0) | (part == 1) | ~seen).all(axis=0)
        if not two.any():
            return two
        zero |= ((part == 0) & seen).any(axis=0)
        one |= ((part == 1) & seen).any(axis=0)
    both = two & zero & one
    for group, members in groups.items():
        alike = two[members].all() and both[members].any() and len(members) < len(two)
        if alike or group in presence:
            both[members] = two[members]
    return both if len(values) > 3 else np.zeros_like(both)
