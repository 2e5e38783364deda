"""Live Link Face CSV from an iPhone: 52 ARKit blendshapes, head and eye rotations, SMPTE timecode."""

import re

import numpy as np

from ..assemble import Layout, listed
from ..groups import LIVELINK, group_of
from ..recording import RecordingError
from ..tables import Table

NAME = "livelink"
TITLE = "Live Link Face"
_TIMECODE = re.compile(r"\s*(\d{1,2})[:;](\d{1,2})[:;](\d{1,2})[:;](\d{1,3}(?:\.\d*)?)\s*")
_RATES = (24, 25, 30, 48, 50, 60, 100, 120, 240)
_DAY = 86400.0


def score(table: Table) -> float:
    """Sure when a timecode stands next to blendshapes."""
    folded = {name.casefold() for name in table.names}
    blendshapes = sum(group_of(name) == "blendshapes" for name in table.names)
    return float("timecode" in folded and blendshapes > 10)


def layout(table: Table) -> Layout:
    """Time is counted from the first frame; a count of 0 blendshapes means that no face was tracked."""
    groups = {i: group for i, name in enumerate(table.names) if (group := group_of(name, LIVELINK))}
    timecode = table.column("Timecode")
    if not groups or timecode is None:
        raise RecordingError(
            f"{table.source} is no Live Link recording, expected the columns Timecode, EyeBlinkLeft, ...; "
            f"found {listed(table.names)}."
        )
    keys = {"timecode", "blendshapecount"}
    others = [name for i, name in enumerate(table.names) if i not in groups and name.casefold() not in keys]
    notices = [f"Columns that Live Link does not write are passed through: {listed(others)}."] if others else []
    time = _seconds(table, timecode.astype(str).tolist(), notices)
    count = table.number_column("BlendShapeCount")
    return Layout(
        NAME,
        groups,
        time=time,
        failed=None if count is None else ~(count > 0),
        notices=tuple(notices),
        suggested=("blendshapes", "pose"),
    )


def _seconds(table: Table, stamps: list[str], notices: list[str]) -> np.ndarray:
    """Seconds since the first frame from HH:MM:SS:FF.sub.

    FF counts frames within the second at a rate that the file does not tell.  It is the smallest usual rate above
    every FF seen, which is certain only if the recording spans a whole second.  Rates of 29.97 and 59.94 count as
    30 and 60: the timecode itself stays within 0.1 % of the clock.
    """
    parts = np.empty((len(stamps), 4))
    for row, stamp in enumerate(stamps):
        match = _TIMECODE.fullmatch(stamp)
        if match is None:
            raise RecordingError(
                f"{table.source}: {table.place(row)}, column 'Timecode' holds {stamp!r}, "
                "expected hours:minutes:seconds:frames such as 13:13:04:31.652."
            )
        parts[row] = [float(part) for part in match.groups()]
    frames = parts[:, 3]
    whole = parts[:, :3] @ (3600.0, 60.0, 1.0)
    rate = next((rate for rate in _RATES if rate > np.floor(frames.max())), None)
    if rate is None:
        raise RecordingError(
            f"{table.source}: {table.place(int(frames.argmax()))}, column 'Timecode' counts {frames.max():g} frames in "
            f"one second, expected fewer than {_RATES[-1]}."
        )
    if len(np.unique(whole)) < 3:
        notices.append(f"Too short to tell the rate of the timecode; {rate} frames per second assumed.")
    seconds = whole + frames / rate
    midnight = np.cumsum(np.diff(seconds, prepend=seconds[0]) < -_DAY / 2)
    if midnight[-1]:
        notices.append("The timecode passes midnight; the time goes on.")
    return seconds + midnight * _DAY - seconds[0]
