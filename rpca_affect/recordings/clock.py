"""Clock: seconds from a column of times, in any unit and any spelling."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from rpca_affect.refusals import Notice, Setting

from .names import unit_in

DAY = 86400.0
_FASTEST = 1 / 400  # seconds between frames of a camera, at least
SHUFFLED = 0.2  # steps back, beyond which rows are in no order of time
# Typical step of time stamps -> seconds in one unit.  Features come at more than one frame in five seconds.
_UNITS = (
    (5.0, 1.0, "seconds"),
    (5e3, 1e-3, "milliseconds"),
    (5e6, 1e-6, "microseconds"),
    (np.inf, 1e-9, "nanoseconds"),
)
_CALLED = {1.0: "seconds", 1e-2: "hundredths of a second", 1e-3: "milliseconds", 1e-6: "microseconds",
           1e-9: "nanoseconds", 60.0: "minutes",
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
    # Stamps rounded to a clock's ticks alternate (33, 33, 34; 31, 31, 47): the mean is right, the median is not.
    near = steps[(steps > 0.4 * median) & (steps < 1.75 * median)]
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
    if not known_unit and (packed := _packed(stamps, known)) is not None:
        shown = f"The time stamps write hours, minutes and seconds as one number, {known[0]:.17g}"
        return Times(packed, (f"{shown}, and were read so.",))
    unit = unit or next((unit for low, high, unit in _EPOCHS if low < np.min(known) and np.max(known) < high), None)
    if unit is None and (2e4 < first < 6e4 or 7e5 < first < 8e5) and 0 < step < 5 / DAY and unit_in(name) is None:
        unit = DAY  # serial dates of spreadsheets and MATLAB count days
    if unit is None and np.min(known) >= 0 and np.max(known) < 1 and _FASTEST < step * DAY < 5 and step < 1e-4:
        unit = DAY  # a time of day without its date
    by_step, called = next((unit, called) for limit, unit, called in _UNITS if step < limit)
    said = []
    if unit is None:
        named = unit_in(name)
        unit = by_step if named is None else named
        if named is not None and step and not 5e-4 <= named * step <= 60 and 5e-4 <= by_step * step <= 60:
            said.append(f"The column {name} steps by {step:.4g}, which fits {called}, not its name; read as {called}.")
            unit = by_step
        ones = len(known) > 20 and step == 1 and named is None and bool((np.diff(stamps) == 1).all())
        share = len(known) > 20 and unit == 1.0 and known[0] == 0 and known[-1] == np.max(known) in (1, 100)
        if share:
            run = f"The time stamps run from 0 to {known[-1]:g}, as a share of the whole does: if so, set "
            said.append(Notice(run, Setting("fps"), "."))
        if ones and known[0] in (0, 1):
            counts = "The time stamps count 0, 1, 2, ...: read as seconds; if they count frames, set "
            said.append(Notice(counts, Setting("fps"), "."))
    if unit != 1.0 and not said and not known_unit:
        said.append(f"The time stamps step by {step:.4g} and were read as {_CALLED[unit]}.")
    if abs(first) * unit > 1e8:  # years: a clock, not a stop watch
        said.append("The time stamps are a clock's; the time is counted from the first.")
        stamps = stamps - np.min(known)
    elif unit == DAY:
        stamps = stamps - np.min(known)
    with np.errstate(over="ignore"):
        return Times(stamps * unit, tuple(said))


def _packed(stamps: np.ndarray, known: np.ndarray) -> np.ndarray | None:
    """Seconds of stamps such as 105950.033, with or without the date before them; None where they are no such clock.

    They skip from 59 to 100, which no count does.
    """
    scale = 1e3 if np.min(known) > 1.9e16 else 1.0  # milliseconds behind the seconds
    dated = np.min(known) / scale > 1.9e13 and np.max(known) / scale < 2.1e13
    if not dated and (np.max(known) >= 240000 or np.min(known) < 0):
        return None
    whole = stamps / scale
    second, minute, hour = whole % 100, whole // 100 % 100, whole // 10000 % 100
    with np.errstate(invalid="ignore"):
        if not (np.nanmax(second) < 60 and np.nanmax(minute) < 60 and np.nanmax(hour) < 24):
            return None
        seconds = 3600 * hour + 60 * minute + second
        steps = np.diff(seconds)
        skips = np.abs(np.diff(whole) - steps) >= 39
        # 40000, 80000 may count anything: a skip is a step like all others.
        alike = skips.any() and skips.mean() < 0.2 and np.nanmax(np.abs(steps[skips])) < 3 * np.nanmedian(steps)
    if not dated and not alike:
        return None
    if dated:
        day = pd.to_datetime(pd.Series(whole // 1e6).astype("Int64").astype("string"), format="%Y%m%d", errors="coerce")
        seconds = seconds + DAY * (day - day.min()).dt.days.to_numpy(np.float64, na_value=np.nan)
        return seconds - np.nanmin(seconds)
    return seconds


def is_rounding(step: float) -> bool:
    """Whether stamps that repeat may be rounded to a step: 0.1, 1, or the 128 s of a clock in single precision."""
    tens, twos = np.log10(step), np.log2(step)
    return bool(abs(tens - round(tens)) < 1e-3 or (step >= 2 and abs(twos - round(twos)) < 1e-6))


def spread(seconds: np.ndarray) -> Times:
    """Stamps rounded so far that several rows share one (0.0, 0.0, 0.0, 0.1): spread evenly, in the order of the rows.

    Rounding shows in steps that `is_rounding` knows, with two rows or more for most stamps.
    """
    steps = np.diff(seconds)
    if len(seconds) < 10 or not np.isfinite(steps).all() or (steps < 0).any():
        return Times(seconds)
    starts = np.flatnonzero(np.concatenate([[True], steps > 0]))
    if len(starts) < 3 or len(seconds) < 1.5 * len(starts):
        return Times(seconds)
    jumps = np.diff(seconds[starts])
    step = float(np.median(jumps))
    if not is_rounding(step) or (jumps < 0.5 * step).any():
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
