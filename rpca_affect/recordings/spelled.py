"""Times written as text: hours, minutes and seconds, timecodes, dates and amounts with a unit, as seconds."""

import re

import numpy as np
import pandas as pd

from .clock import DAY, Times
from .names import unit_in

_RATES = (24, 25, 30, 48, 50, 60, 100, 120, 240)
_TIMECODE = r"(\d{1,3})[:;](\d{1,2})[:;](\d{1,2})[:;](\d{1,3}(?:\.\d*)?)"
_POINTED = r"\d{1,3}:\d{2}:\d{2}\.\d{2}"  # frames of a timecode, or hundredths of a second
_AMOUNT = r"([-+]?\d+(?:[.,]\d*)?(?:[eE][-+]?\d+)?)\s*(ns|us|µs|ms|msec|s|sec|seconds?)"
_DATED = (
    r"(?:(\d{1,4}[-./]\d{1,2}[-./]\d{2,4})[T ,]*)?"
    r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d*)?)\s*([AaPp])?(?:\.?[Mm]\.?)?\s*(?:Z|UTC|([-+])(\d{2}):?(\d{2}))?"
)
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b", re.I)
# Seconds since 1970 and milliseconds without leading zeros; the readers keep only such columns as text.
UNPADDED = re.compile(r"(\d{9,10})\.(\d{1,3})")


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
    if _fits(cells, filled, _POINTED) and _counts_frames(cells[filled]):
        cells = cells.str.replace(".", ":", regex=False)
    for form, read in (
        (_TIMECODE, _timecode), (_DATED, _dated), (_AMOUNT, _amount), (UNPADDED.pattern, _milliseconds),
    ):  # fmt: skip
        if _fits(cells, filled, form):
            return read(cells.str.extract(f"^{form}$", expand=True))
    # 01-May-2024: of a month in letters no part can be taken for another.
    named = "mixed" if _MONTH.search(cells[filled].iloc[0]) else "ISO8601"
    for parse in (pd.to_timedelta, lambda x: pd.to_datetime(x, format=named, utc=True)):
        try:
            return Times(_elapsed(pd.Series(parse(cells.astype(object).where(filled, None)))))
        except (ValueError, TypeError, OverflowError, pd.errors.OutOfBoundsDatetime):
            continue
    return None


def _counts_frames(cells: pd.Series) -> bool:
    """Whether two digits behind the seconds count frames: over whole seconds they go up by one, and never to 99."""
    last = cells.str[-2:].astype(int).to_numpy()
    seconds = cells.str[:-3].nunique()
    return bool(seconds > 2 and last.max() + 1 in _RATES and (np.diff(last) == 1).mean() > 0.8)


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
        seconds = seconds + DAY * (days - np.nanmin(days))
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
        midnight = np.cumsum(steps < -DAY / 2)
        # 12:59 is followed by 1:00 where the clock counts to twelve.
        twelve = np.nanmin(seconds) >= 3600 and np.nanmax(seconds) < 13 * 3600
        noon = np.cumsum((steps > -DAY / 2) & (steps < 60 - DAY / 2)) if twelve else np.zeros_like(midnight)
    if midnight[-1]:
        notices.append("The time passes midnight; it goes on.")
    if noon[-1]:
        notices.append("The clock counts to twelve hours and starts again; the time goes on.")
    return seconds + midnight * DAY + noon * DAY / 2


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
