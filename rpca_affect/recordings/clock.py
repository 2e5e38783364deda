"""Clock: seconds from a column of times, in any unit and any spelling."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from .names import unit_in

_RATES = (24, 25, 30, 48, 50, 60, 100, 120, 240)
_DAY = 86400.0
SHUFFLED = 0.2  # steps back, beyond which rows are in no order of time
_TIMECODE = r"(\d{1,3})[:;](\d{1,2})[:;](\d{1,2})[:;](\d{1,3}(?:\.\d*)?)"
_DATED = (
    r"(?:(\d{1,4}[-./]\d{1,2}[-./]\d{2,4})[T ,]*)?"
    r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d*)?)\s*([AaPp])?(?:\.?[Mm]\.?)?\s*(?:Z|UTC|([-+])(\d{2}):?(\d{2}))?"
)
# Seconds since 1970 and milliseconds without leading zeros; the readers keep only such columns as text.
UNPADDED = re.compile(r"(\d{9,10})\.(\d{1,3})")
_AMOUNT = r"([-+]?\d+(?:[.,]\d*)?(?:[eE][-+]?\d+)?)\s*(ns|us|µs|ms|msec|s|sec|seconds?)"
# Typical step of time stamps -> seconds in one unit.  Features come at more than one frame in five seconds.
_UNITS = (
    (5.0, 1.0, "seconds"),
    (5e3, 1e-3, "milliseconds"),
    (5e6, 1e-6, "microseconds"),
    (np.inf, 1e-9, "nanoseconds"),
)
_CALLED = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds", 60.0: "minutes",
           3600.0: "hours", 86400.0: "days", 1e-7: "ticks of 100 nanoseconds"}  # fmt: skip
# Where a clock of each unit stands between 2000 and 2040.
_EPOCHS = (
    (9.4e8, 2.3e9, 1.0),
    (9.4e11, 2.3e12, 1e-3),
    (9.4e14, 2.3e15, 1e-6),
    (9.4e17, 2.3e18, 1e-9),
    (1.25e17, 1.4e17, 1e-7),  # Windows counts from 1601,
    (6.3e17, 6.5e17, 1e-7),  # and .NET from the year 1
)


class Times(NamedTuple):
    """Seconds for each row (NaN where the cell is empty), and what was taken for granted."""

    seconds: np.ndarray
    notices: tuple[str, ...] = ()


def step_of(stamps: np.ndarray, sequence: np.ndarray | None = None) -> float | None:
    """Typical positive step of time stamps or frame numbers: the mean of the steps near their median."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.concatenate([np.diff(stamps[rows]) for rows in sequence_rows(sequence, len(stamps))])
    steps = steps[np.isfinite(steps) & (steps > 0)]
    if not len(steps):
        return None
    median = np.median(steps)
    # Stamps rounded to milliseconds alternate (33, 33, 34): the mean is right where the median is not.
    near = steps[(steps > 0.5 * median) & (steps < 1.5 * median)]
    return float(median * np.mean(near / median))  # of ratios, so that stamps of 1e300 do not overflow


def sequence_rows(sequence: np.ndarray | None, n_rows: int) -> list[np.ndarray]:
    """Row positions of each sequence, in the order in which the sequences first appear."""
    if sequence is None:
        return [np.arange(n_rows)]
    codes = pd.factorize(sequence, use_na_sentinel=False)[0]
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def from_numbers(stamps: np.ndarray, name: str, sequence: np.ndarray | None = None, unit: float | None = None) -> Times:
    """Seconds from numbers: the unit by where a clock stands, by the column's name, and by the step, unless given."""
    stamps = np.where(np.isfinite(stamps), stamps, np.nan)  # an infinite time is none
    known = stamps[np.isfinite(stamps)]
    falls = (np.diff(known) < 0).mean() if len(known) > 1 else 0.0
    step = (step_of(np.sort(known)) if sequence is None and falls > SHUFFLED else step_of(stamps, sequence)) or 0.0
    if not len(known):
        return Times(stamps)
    first = float(np.median(known))
    known_unit = unit is not None
    unit = unit or next((unit for low, high, unit in _EPOCHS if low < np.min(known) and np.max(known) < high), None)
    if unit is None and (2e4 < first < 6e4 or 7e5 < first < 8e5) and 0 < step < 5 / _DAY and unit_in(name) is None:
        unit = _DAY  # serial dates of spreadsheets and MATLAB count days
    by_step, called = next((unit, called) for limit, unit, called in _UNITS if step < limit)
    said = []
    if unit is None:
        named = unit_in(name)
        unit = by_step if named is None else named
        if named is not None and step and not 5e-4 <= named * step <= 60 and 5e-4 <= by_step * step <= 60:
            said.append(f"The column {name} steps by {step:.4g}, which fits {called}, not its name; read as {called}.")
            unit = by_step
        ones = len(known) > 20 and step == 1 and named is None and bool((np.diff(stamps) == 1).all())
        if ones and known[0] in (0, 1):
            said.append("The time stamps count 0, 1, 2, ...: read as seconds; if they count frames, set fps.")
    if unit != 1.0 and not said and not known_unit:
        said.append(f"The time stamps step by {step:.4g} and were read as {_CALLED[unit]}.")
    if abs(first) * unit > 1e8:  # years: a clock, not a stop watch
        said.append("The time stamps are a clock's; the time is counted from the first.")
        stamps = stamps - np.min(known)
    elif unit == _DAY:
        stamps = stamps - np.min(known)
    with np.errstate(over="ignore"):
        return Times(stamps * unit, tuple(said))


def from_text(column: pd.Series) -> Times | None:
    """Seconds from cells such as 00:01:02.5, 01:02.5, 13:13:04:31, 01.03.2024 10:00:00 AM or "33 ms"; None if not.

    Empty cells become NaN; a single cell of another form makes the whole column no time, `odd_cell` finds it.
    """
    if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
        return Times(_elapsed(column))
    cells = column.astype("string").str.strip().str.strip("'\"")
    filled = cells.notna() & (cells != "")
    if not filled.any():
        return None
    cells = cells.where(filled)
    for form, read in (
        (_TIMECODE, _timecode), (_DATED, _dated), (_AMOUNT, _amount), (UNPADDED.pattern, _milliseconds),
    ):  # fmt: skip
        if _fits(cells, filled, form):
            return read(cells.str.extract(f"^{form}$", expand=True))
    for parse in (pd.to_timedelta, lambda x: pd.to_datetime(x, format="ISO8601", utc=True)):
        try:
            return Times(_elapsed(pd.Series(parse(cells.astype(object).where(filled, None)))))
        except (ValueError, TypeError, OverflowError, pd.errors.OutOfBoundsDatetime):
            continue
    return None


def odd_cell(column: pd.Series) -> int | None:
    """Row of the first cell of a column of times that is none, where nearly all others are; None otherwise."""
    cells = column.astype("string").str.strip().str.strip("'\"").fillna("")
    for form in (_TIMECODE, _DATED, _AMOUNT):
        fits = cells.str.fullmatch(form).to_numpy(bool)
        if fits.mean() > 0.5 and not fits.all():
            return int(np.flatnonzero(~fits)[0])
    return None


def _fits(cells: pd.Series, filled: pd.Series, form: str) -> bool:
    head = cells[filled].iloc[:20]
    return bool(head.str.fullmatch(form).all() and cells[filled].str.fullmatch(form).all())


def _float(part: pd.Series) -> np.ndarray:
    return pd.to_numeric(part.str.replace(",", ".", regex=False), errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _elapsed(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_datetime64_any_dtype(column):
        column = column - column.dropna().iloc[0]
    return column.dt.total_seconds().to_numpy(np.float64)


def _amount(parts: pd.DataFrame) -> Times:
    units = parts[1].map(lambda word: unit_in(word) if isinstance(word, str) else np.nan).to_numpy(np.float64)
    return Times(_float(parts[0]) * units)


def _milliseconds(parts: pd.DataFrame) -> Times:
    seconds = _float(parts[0]) + _float(parts[1]) / 1000
    return Times(
        seconds - seconds[np.isfinite(seconds)][0],
        ("The time stamps write milliseconds without leading zeros, 5.47 for 5.047, and were read so.",),
    )


def _dated(parts: pd.DataFrame) -> Times:
    """Date, hours, minutes, seconds and offset from UTC; hours may be missing (01:02.5 are minutes and seconds)."""
    hours = np.nan_to_num(_float(parts[1]))
    late = parts[4].str.lower().fillna("").to_numpy(object)
    hours = np.where(late == "p", hours % 12 + 12, np.where(late == "a", hours % 12, hours))
    east = np.nan_to_num(3600 * _float(parts[6]) + 60 * _float(parts[7]))  # the clock is put forward or back on the way
    east = np.where(parts[5].eq("-").fillna(False), -east, east)
    seconds = 3600 * hours + 60 * _float(parts[2]) + _float(parts[3]) - east
    notices: list[str] = []
    if parts[0].notna().any():
        days = _days(parts[0])
        seconds = seconds + _DAY * (days - np.nanmin(days))
        return Times(seconds - np.nanmin(seconds))
    return Times(_past_midnight(seconds, notices), tuple(notices))


def _days(dates: pd.Series) -> np.ndarray:
    """Day number of each date; of 3/1/2024 the month comes first where AM or PM is written or a day is above 12."""
    codes, unique = pd.factorize(dates)
    parts = pd.Series(unique).str.extract(r"(\d+)([-./])(\d+)[-./](\d+)")
    one, two, three = (parts[i].astype(int) for i in (0, 2, 3))
    if (one > 31).any():  # 2024-03-01
        year, month, day = one, two, three
    else:
        month_first = (two > 12).any() or (parts[1].iloc[0] == "/" and not (one > 12).any())
        year, month, day = (three, one, two) if month_first else (three, two, one)
    year = year.where(year > 99, year + 2000)
    days = pd.to_datetime({"year": year, "month": month, "day": day}, errors="coerce")
    numbers = (days - pd.Timestamp(2000, 1, 1)).dt.days.to_numpy(np.float64)
    return np.where(codes < 0, np.nan, numbers[codes])


def _past_midnight(seconds: np.ndarray, notices: list[str]) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        steps = np.diff(seconds, prepend=seconds[0])
        midnight = np.cumsum(steps < -_DAY / 2)
        # 12:59 is followed by 1:00 where the clock counts to twelve.
        twelve = np.nanmin(seconds) >= 3600 and np.nanmax(seconds) < 13 * 3600
        noon = np.cumsum((steps > -_DAY / 2) & (steps < 60 - _DAY / 2)) if twelve else np.zeros_like(midnight)
    if midnight[-1]:
        notices.append("The time passes midnight; it goes on.")
    if noon[-1]:
        notices.append("The clock counts to twelve hours and starts again; the time goes on.")
    return seconds + midnight * _DAY + noon * _DAY / 2


def _timecode(parts: pd.DataFrame) -> Times:
    """Seconds since the first frame from HH:MM:SS:FF.

    FF counts frames within the second at a rate that the file does not tell.  It is the smallest usual rate above
    every FF seen, which is certain only if the recording spans a whole second.  Rates of 29.97 and 59.94 count as
    30 and 60: the timecode itself stays within 0.1 % of the clock.
    """
    hours, minutes, whole, frames = (_float(parts[i]) for i in range(4))
    whole = 3600 * hours + 60 * minutes + whole
    notices = []
    odd = _misplaced(1000 * whole + frames)
    most = int(np.floor(np.nanmax(np.where(odd, -np.inf, frames))))
    rate = next((rate for rate in _RATES if rate > most), most + 1)
    bad = odd & (frames >= rate)
    if bad.any():
        frames = np.where(bad, np.nan, frames)
        some = f"{bad.sum()} timecodes do" if bad.sum() > 1 else "1 timecode does"
        notices.append(f"{some} not fit between the one before and the one after (row {bad.argmax() + 1}); not used.")
    if len(np.unique(whole)) < 3 and most < _RATES[-1]:
        notices.append(f"Too short to tell the rate of the timecode; {rate} frames per second assumed.")
    if most >= _RATES[-1]:  # no camera is so fast: 10:00:00:967 ends in thousandths
        rate = 1000
        notices.append(f"The last part of the times counts to {most}: it is read as milliseconds.")
    seconds = _past_midnight(whole + frames / rate, notices)
    return Times(seconds - seconds[0], tuple(notices))


def _misplaced(stamps: np.ndarray) -> np.ndarray:
    """True for single stamps outside of their neighbours, which agree with each other; none where that is common."""
    odd = np.zeros(len(stamps), dtype=bool)
    before, here, after = stamps[:-2], stamps[1:-1], stamps[2:]
    with np.errstate(invalid="ignore"):
        odd[1:-1] = (before < after) & ((here < before) | (here > after))
    return odd if odd.mean() < 0.05 else np.zeros_like(odd)


def spread(seconds: np.ndarray) -> Times:
    """Stamps rounded so far that several rows share one (0.0, 0.0, 0.0, 0.1): spread evenly, in the order of the rows.

    Rounding shows in steps of 0.1, 0.01 or 1 exactly, with two rows or more for most stamps.
    """
    steps = np.diff(seconds)
    if len(seconds) < 10 or not np.isfinite(steps).all() or (steps < 0).any():
        return Times(seconds)
    starts = np.flatnonzero(np.concatenate([[True], steps > 0]))
    if len(starts) < 3 or len(seconds) < 1.5 * len(starts):
        return Times(seconds)
    jumps = np.diff(seconds[starts])
    step = float(np.median(jumps))
    if not np.isclose(np.log10(step), round(np.log10(step)), atol=1e-3) or (jumps < 0.5 * step).any():
        return Times(seconds)
    share = len(seconds) / len(starts)
    ends = np.append(seconds[starts][1:], seconds[-1] + step * min(1.0, (len(seconds) - starts[-1]) / share))
    # A gap after a stamp is no reason to stretch its rows.
    ends = np.minimum(ends, seconds[starts] + step)
    run = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(seconds))))
    within = np.arange(len(seconds)) - starts[run]
    size = np.bincount(run)[run]
    spaced = seconds + (ends[run] - seconds) * within / size
    return Times(
        spaced, (f"The time stamps are rounded to {step:g} s; rows that share one are spread evenly between them.",)
    )
