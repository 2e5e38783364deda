"""Tables of unknown origin: numeric columns are features, well-known names are time, frame number, confidence."""

import re
from functools import partial

import numpy as np
import pandas as pd

from ..assemble import Layout, listed, step_of
from ..groups import group_of
from ..tables import Table

NAME = "table"
TITLE = "tables of any origin"
_TIME = ("timestamp", "time", "t", "seconds", "sec", "time_s", "timestamp_s", "ms", "time_ms", "timestamp_ms")
_FRAME = ("frame", "frame_number", "frameno", "frame_id", "frame_idx")
_SEQUENCE = ("sequence_id", "face_id", "track_id", "clip", "clip_id")
# Numbers that describe a row and are no measurements.
_KEYS = {*_TIME, *_FRAME, *_SEQUENCE, "", "index", "id", "confidence", "success", "label", "class", "target"} | {
    "participant",
    "subject",
    "session",
    "trial",
    "frametime",
    "timecode",
    "mediatime",
    "exportdate",
    "blendshapecount",
    "frameheight",
    "framewidth",
}
# Typical step of time stamps -> seconds in one unit.  Features come at more than one frame in five seconds.
_UNITS = (
    (5.0, 1.0, "seconds"),
    (5e3, 1e-3, "milliseconds"),
    (5e6, 1e-6, "microseconds"),
    (np.inf, 1e-9, "nanoseconds"),
)


def score(table: Table) -> float:
    """Takes what no other format wants."""
    return 0.1


def layout(table: Table) -> Layout:
    """Columns of text are passed through; a few texts among numbers are damage and refused."""
    notices: list[str] = []
    features, text = {}, []
    for i, name in enumerate(table.names):
        if name.casefold() in _KEYS:
            continue
        if table.numbers(i, required=False) is None:
            text.append(name)
        else:
            features[i] = group_of(name) or "features"
    if text:
        notices.append(f"Columns of text are passed through: {listed(text)}.")
    if {"StudyName", "EventSource"} <= set(table.names):
        notices.append("This looks like an iMotions export; it is read as a table of unknown origin.")
    keys = [name for name in table.names if name and name.casefold() in _KEYS]
    if keys:
        notices.append(f"Columns taken as keys, not as features: {listed(keys, 8)}.")
    confidence, success = table.number_column("confidence", False), table.number_column("success", False)
    if confidence is not None and (np.nanmin(confidence) < 0 or np.nanmax(confidence) > 1):
        notices.append("The column confidence is not between 0 and 1 and was not used.")
        confidence = None
    sequence = next((table.column(name) for name in _SEQUENCE if table.column(name) is not None), None)
    groups = set(features.values())
    return Layout(
        NAME,
        features,
        time=_time(table, notices),
        frame_number=next((x for name in _FRAME if (x := table.number_column(name, False)) is not None), None),
        confidence=confidence,
        failed=None if success is None else ~(success > 0),
        sequence=None if sequence is None or sequence.nunique(dropna=False) < 2 else sequence.to_numpy(),
        notices=tuple(notices),
        suggested=tuple(sorted(groups)) if groups - {"features"} else (),
    )


def _time(table: Table, notices: list[str]) -> np.ndarray | None:
    """Seconds from a time column, a time index, or an unnamed first column that rises by fractions."""
    index = table.frame.index
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        return _elapsed(pd.Series(index))
    for name in _TIME:
        column = table.column(name)
        if column is None or column.isna().all():
            continue
        if pd.api.types.is_datetime64_any_dtype(column) or pd.api.types.is_timedelta64_dtype(column):
            return _elapsed(column)
        position = [known.casefold() for known in table.names].index(name)
        numbers = table.numbers(position, required=False)
        if numbers is not None:
            return _in_seconds(numbers, name, notices)
        stamps = column.astype(str).str.strip()
        for parse in (pd.to_timedelta, partial(pd.to_datetime, format="ISO8601")):
            try:
                return _elapsed(pd.Series(parse(stamps)))
            except (ValueError, pd.errors.OutOfBoundsDatetime):
                continue
        notices.append(f"The column {name} holds text that is no time; it is passed through.")
    if table.names[0] == "" and (numbers := table.numbers(0, required=False)) is not None:
        steps = np.diff(numbers)
        if len(steps) and (steps >= 0).all() and (numbers % 1 != 0).any():
            notices.append("The first column has no name and rises steadily: it is taken as the time.")
            return _in_seconds(numbers, "", notices)
    return None


def _elapsed(column: pd.Series) -> np.ndarray:
    elapsed = column - column.dropna().iloc[0] if pd.api.types.is_datetime64_any_dtype(column) else column
    return elapsed.dt.total_seconds().to_numpy(np.float64)


def _in_seconds(stamps: np.ndarray, name: str, notices: list[str]) -> np.ndarray:
    step = step_of(stamps) or 0.0
    unit, called = next((unit, called) for limit, unit, called in _UNITS if step < limit)
    if re.search(r"(^|_)ms$", name):
        unit, called = 1e-3, "milliseconds"
    if unit != 1.0:
        notices.append(f"The time stamps step by {step:.4g} and were read as {called}.")
    seconds = stamps * unit
    first = np.nanmin(seconds)
    if first > 1e8:  # years: a clock, not a stop watch
        notices.append("The time stamps are a clock's; the time is counted from the first.")
        seconds = (stamps - np.nanmin(stamps)) * unit
    return seconds
