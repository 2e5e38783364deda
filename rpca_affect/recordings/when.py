"""When: the columns that are times, and those that count frames or rows."""

import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from . import names as vocabulary
from .clock import DAY, Times, from_numbers
from .evidence import Evidence, Role, regular, shape_of
from .names import unit_in, words_of
from .phrases import listed
from .recording import RecordingError
from .spelled import from_text, odd_cell

_RATE = re.compile(
    r"\b(?:fps|(?:frame|sampling|sample|video)[ _-]?(?:rate|frequency)|bildrate|abtastrate)\b[^\w\n]*(\d+(?:[.,]\d+)?)",
    re.I,
)
_STEP = re.compile(
    r"\b(?:(?:frame|sample)[ _-]?time|(?:sampling|sample)[ _-]?(?:interval|period))\b[^\w\n]*(\d+[.,]\d+)", re.I
)


def stated_rate(lines: Iterable[str]) -> tuple[float, str] | None:
    """Frames per second that one line above a table states, and that line; None where there is none or they differ."""
    lines = list(lines)
    found = {float(match[1].replace(",", ".")): line.strip() for line in lines if (match := _RATE.search(line))}
    steps = {float(match[1].replace(",", ".")): line.strip() for line in lines if (match := _STEP.search(line))}
    found |= {round(1 / step, 3): line for step, line in steps.items() if 0 < step < 1}
    return next(iter(found.items())) if len(found) == 1 and 0 < next(iter(found)) <= 1000 else None


def find_time(seen: Evidence) -> Times | None:
    """Times of the best clock among the columns; every clock gets its role."""
    index = seen.table.frame.index
    found: list[tuple[tuple, int, Times]] = []
    parts, clock = _clock_in_parts(seen)
    if clock is not None:
        found.append(((False, True, True, 1.0, False, True, -parts[0]), parts[0], clock))
        for i in parts:
            seen.of[i] = Role("time", "a part of the clock")
    for i in seen.open():
        name = seen.table.names[i]
        words = words_of(name)
        given = seen.given.get(i)
        if given not in (None, "time"):
            continue
        named = given == "time" or _says_when(words)
        quick = seen.quick.get(i)
        if quick is not None and not named and not (quick[2] and quick[0] < quick[1]):
            continue
        counts = bool(set(words) & vocabulary.COUNTER) and seen.shape(i).integer
        if not named and (i in seen.table.codes or counts):
            continue
        times, why = _clock(seen, i, name, words, named)
        if times is not None:
            known = times.seconds[np.isfinite(times.seconds)]
            rank = (
                given == "time",
                named,
                not set(words) & vocabulary.SPAN,
                round(len(np.unique(known)) / max(seen.n, 1), 1),
                bool(set(words) & {"timestamp", "stamp", "time", "timecode"}),
                len(set(words) - vocabulary.CONTEXT) <= 1,
                -i,
            )
            found.append((rank, i, times))
            seen.of[i] = Role("time", why)
        elif named and (given == "time" or (not _only_a_unit(words) and words[-1] in _ENDS)):
            seen.of[i] = Role("time", why)
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) or (
        not found and words_of(str(index.name or "")) and _says_when(words_of(str(index.name)))
    ):
        times = _index_time(index)
        if times is not None:
            seen.notices.append("The index of the table is its time.")
            return times
    if not found:
        return None
    _, best, times = max(found, key=lambda one: one[0])
    role = seen.of[best]
    for i in parts if times is clock else (best,):
        seen.of[i] = Role("time", role.reason if role else "", used=True)
    for _, i, _ in found:
        if i != best and i not in parts and (other := seen.of[i]) is not None:
            seen.of[i] = replace(other, reason=f"{other.reason}; another column is the time")
    seen.notices += times.notices
    return times


# Words that a name ends in which says when: a start_x is a place, and the strength of an onset a strength.
_ENDS = vocabulary.CLOCK | vocabulary.SPAN | set(vocabulary.UNITS) | vocabulary.CONTEXT - {"x"} | {"t"}
_PARTS = {3600.0: DAY, 60.0: 3600.0, 1.0: 60.0, 1e-3: 1.0, 1e-6: 1.0, 1e-9: 1.0}  # unit -> where it starts again


def _clock_in_parts(seen: Evidence) -> tuple[list[int], Times | None]:
    """Columns that hold hours, minutes, seconds and their parts of one clock, and the seconds that they make."""
    clocks: dict[tuple[str, ...], dict[float, int]] = {}
    for i in seen.open():
        words = words_of(seen.table.names[i])
        unit = vocabulary.UNITS.get(words[-1]) if words else None
        if unit in _PARTS and i not in seen.given and seen.is_number(i):
            stem = tuple(word for word in words[:-1] if word not in vocabulary.CLOCK)
            clocks.setdefault(stem, {}).setdefault(unit, i)
    for parts in clocks.values():
        units = sorted(parts, reverse=True)
        if len(units) < 2 or units[-1] > 1 or (seconds := _sum_of_parts(seen, parts, units)) is None:
            continue
        columns = [parts[unit] for unit in units]
        said = f"The clock stands in several columns, read as one time: {listed(seen.table.names[i] for i in columns)}."
        return columns, Times(seconds, (said,))
    return [], None


def _sum_of_parts(seen: Evidence, parts: dict[float, int], units: list[float]) -> np.ndarray | None:
    """Seconds of a clock in parts; None where a part passes the next larger one, or the sum does not run forward.

    The largest part may count on, as seconds since 1970 do: then the time is counted from the first of them.
    """
    seconds = np.zeros(seen.n)
    for larger, unit in zip((None, *units), units):
        shape, numbers = seen.shape(parts[unit]), seen.numbers(parts[unit])
        whole = shape.integer or unit == units[-1]
        if numbers is None or not shape.known or shape.low < 0 or not whole:
            return None
        most = _PARTS[unit] if larger is None else larger
        if unit * shape.high >= most * (1 - 1e-12):
            if larger is not None or shape.constant or unit > 60.0:
                return None
            numbers = numbers - shape.low if shape.low > 1e8 else numbers
        seconds += unit * numbers
    steps = np.diff(seconds)
    if not ((steps >= 0) | (steps < -DAY / 2)).mean() > 0.95 or not (steps > 0).any():
        return None
    return seconds + DAY * np.cumsum(np.diff(seconds, prepend=seconds[0]) < -DAY / 2)


def _says_when(words: tuple[str, ...]) -> bool:
    some = set(words)
    if some & vocabulary.CLOCK and not some & {"response", "reaction", "dwell"}:
        return True
    if not some or some == {"s"} or some == {"h"} or some == {"min"}:
        return False
    if some <= {"t"} | set(vocabulary.UNITS) | vocabulary.CONTEXT and some & ({"t"} | set(vocabulary.UNITS) - {"s"}):
        return True
    return bool(some & vocabulary.SPAN) and not some & {"offset", "length", "begin", "from", "dur"} - {words[-1]}


def _only_a_unit(words: tuple[str, ...]) -> bool:
    """Whether a name may mean something else than a time as well: hr is a heart rate, min a minimum."""
    return not set(words) & (vocabulary.CLOCK | vocabulary.SPAN | {"t"})


def _index_time(index: pd.Index) -> Times | None:
    column = pd.Series(index)
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        return from_text(column)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    if np.isnan(numbers).all():
        return from_text(column)
    return from_numbers(numbers, str(index.name)) if shape_of(numbers).rises > 0.7 else None


def _clock(seen: Evidence, i: int, name: str, words: tuple[str, ...], named: bool) -> tuple[Times | None, str]:
    """Seconds of a column that may be a clock, or None and why not."""
    numbers = seen.numbers(i)
    if numbers is None or i in seen.table.codes:
        column = seen.table.frame.iloc[:, i]
        if not named and not (column.notna().all() and column.nunique() > 0.2 * seen.n and seen.n > 9):
            return None, ""
        times = from_text(column)
        if times is None:
            if not named:
                return None, ""
            row = odd_cell(column)
            if row is not None:
                cell = column.iloc[row]
                said = "is empty" if pd.isna(cell) else f"holds {str(cell)!r}"
                raise RecordingError(
                    f"{seen.table.source}: {seen.table.place(row)}, column {name!r} {said}, expected a time "
                    f"such as {next(str(c) for c in column if pd.notna(c) and str(c) != str(cell))!r}."
                )
            if column.notna().any():
                seen.notices.append(f"The column {name} holds text that is no time; it is passed through.")
            return None, "named like a time, but holds text that is none"
        if not named and shape_of(times.seconds).falls > 0.02:
            return None, ""
        return times, "times of day" if not named else "named like a time, and holds times"
    shape = seen.shape(i)
    if not shape.known or (shape.constant and seen.n > 1):
        return None, "named like a time, but holds one value"
    if not named:
        unnamed = not name and not shape.integer and shape.falls == 0
        if shape.even and not (shape.integer and shape.ones > 0.9) and shape.known > 0.9 * seen.n:
            return from_numbers(numbers, name), "rises in equal steps, as a clock does"
        if unnamed:
            seen.notices.append("The first column has no name and rises steadily: it is taken as the time.")
            return from_numbers(numbers, name), "has no name and rises steadily"
        return None, ""
    counts = shape.integer and shape.ones > 0.9 and set(words) & vocabulary.COUNTER and unit_in(name) is None
    if counts:
        return None, "counts the rows"
    numbers = seen.table.numbers(i, required=True)
    assert numbers is not None
    # Frames may be shuffled, and clocks start again with every clip: what counts is that values hardly repeat.
    if _only_a_unit(words):
        forward = regular(numbers) or (shape.rises > 0.5 and shape.falls < 0.01)
    else:
        forward = regular(numbers) or shape.rises + shape.stays > 0.9 or (words[-1] in _ENDS and _repeats(seen, i))
    if seen.given.get(i) != "time" and (set(words) & {"duration", "dur"} or not forward):
        return None, "named like a time, but does not run forward"
    unit = seen.convention.unit if seen.given.get(i) == "time" else None
    return from_numbers(numbers, name, unit=unit), "named like a time, and runs forward"


def _repeats(seen: Evidence, i: int) -> bool:
    """Whether a clock that falls back runs forward within every value of some key."""
    return seen.shape(i).rises > 0.45 or seen.shape(i).falls < 0.35


_FRAME = {"frame", "frames"}
_OF_FRAMES = _FRAME | {"index", "idx", "bild", "fotograma", "cuadro", "trame", "image"}  # names of their numbers


def find_counter(seen: Evidence) -> np.ndarray | None:
    """Frame numbers of the best counter of frames among the columns; every counter gets its role."""
    found: list[tuple[tuple, int]] = []
    for i in seen.open():
        given = seen.given.get(i)
        if not seen.is_number(i) or given not in (None, "index"):
            continue
        if given == "index":
            if seen.shape(i).known:
                seen.of[i] = Role("index", f"the frame number of {seen.foreign}")
                found.append(((True, 1.0, -i), i))
            continue
        seen.of[i], of_frames = _counter(seen, i)
        if of_frames:
            numbers = seen.numbers(i)
            assert numbers is not None
            named = not _FRAME.isdisjoint(words_of(seen.table.names[i]))
            found.append(((named, len(np.unique(numbers)) / seen.n, -i), i))
    if not found:
        return None
    best = max(found)[1]
    role = seen.of[best]
    seen.of[best] = replace(role, used=True) if role else None
    numbers = seen.table.numbers(best, required=True)
    return None if numbers is None else np.where(np.isfinite(numbers), numbers, np.nan)  # an infinite count is none


def _counter(seen: Evidence, i: int) -> tuple[Role | None, bool]:
    """Role of a column of numbers that counts something, and whether it may number the frames."""
    name = seen.table.names[i]
    words = words_of(name)
    some = set(words)
    if not some and not name.strip():
        return Role("index", "has no name" if seen.shape(i).known else "empty"), False
    quick = seen.quick.get(i)
    named = bool(some & vocabulary.COUNTER) and not some & vocabulary.PICTURE
    unnamed = not some or name.startswith("Unnamed")
    if quick is not None and not named and not unnamed and not quick[2]:
        return None, False
    shape = seen.shape(i)
    if not shape.integer or _mostly_denied(seen, i, words):
        return None, False
    counted = some & vocabulary.COUNTED - {"of"}
    if counted and some & {"no", "number", "num", "count", "n"}:
        return Role("quality", f"counts {' '.join(sorted(counted))}", counts=True), False
    whole = some <= vocabulary.COUNTER | vocabulary.CONTEXT | {"id", "of"}
    if shape.constant:
        return Role("index", "named like a counter") if named and whole and seen.n < 10 else None, False
    why = _why_counter(seen, i, unnamed, named, some if whole else None)
    if why is None:
        return None, False
    return Role("index", why), whole and not some.isdisjoint(_OF_FRAMES)


def _mostly_denied(seen: Evidence, i: int, words: tuple[str, ...]) -> bool:
    """Whether a column of 0 and 1 says that there is no face in a few frames, rather than the number of faces."""
    if not seen.shape(i).binary or not vocabulary.denied(words):
        return False
    numbers = seen.numbers(i)
    return numbers is not None and bool(np.nanmedian(numbers) == 0)


def _why_counter(seen: Evidence, i: int, unnamed: bool, named: bool, whole: set[str] | None) -> str | None:
    """Reason to take whole numbers for a counter; ``whole`` holds the words of a name that says nothing else."""
    shape = seen.shape(i)
    rising = shape.falls < 0.1 and shape.rises + shape.stays > 0.9
    if shape.ones > 0.95 and seen.n > 9:
        return "counts the rows one by one"
    if unnamed and rising:
        return "a saved row number"
    if named and (rising or (whole is not None and (regular(seen.numbers(i)) or _repeats(seen, i)))):
        return "named like a counter, and counts up"
    if named and whole is not None and not whole & {"sample", "image", "position", "order"}:
        return "named like a counter"
    return None


def index_count(seen: Evidence) -> np.ndarray | None:
    """Frame numbers of an index that is no more 0, 1, 2, ...: tables were joined, or rows left out or shuffled."""
    index = seen.table.frame.index
    if isinstance(index, pd.MultiIndex) or not pd.api.types.is_integer_dtype(index.dtype) or len(index) < 10:
        return None
    numbers = index.to_numpy(np.float64)
    ones = (np.diff(numbers) == 1).mean()
    if ones == 1 or not (ones > 0.5 or regular(numbers)):
        return None
    seen.notices.append("The index does not count the rows one by one: it is taken as the number of the frame.")
    return numbers


_NUMBERED = r"^(.*?)(\d+)(\D*)$"
_STEM = 10  # rows that one clip has at least, on average


def numbered_names(seen: Evidence) -> np.ndarray | None:
    """Frame numbers of a column that names a picture in each row, ``clip1_0001.png``; what comes before names clips."""
    for i in seen.open():
        if seen.n < _STEM or seen.is_number(i) or seen.values(i).max() + 1 <= seen.n // 2:
            continue
        parts = seen.table.frame.iloc[:, i].astype("string").str.strip().str.extract(_NUMBERED)
        if parts[1].isna().any():
            continue
        clips = parts.groupby([0, 2], sort=False).ngroup().to_numpy()
        numbers = parts[1].astype(float).to_numpy()
        several = clips.max() + 1
        if several > seen.n // _STEM or not regular(numbers[clips == np.bincount(clips).argmax()]):
            continue
        seen.of[i] = Role("index", "names a picture with its number", used=True)
        seen.notices.append(f"The column {seen.table.names[i]} names pictures: their numbers are those of the frames.")
        if several > 1:
            seen.clips[i] = clips
            seen.of[i] = Role("key", f"names the pictures of {several} clips with their numbers", used=True)
        return numbers
    return None
