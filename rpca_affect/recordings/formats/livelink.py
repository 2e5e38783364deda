"""Live Link Face CSV from an iPhone: 52 ARKit blendshapes, head and eye rotations, SMPTE timecode."""

import numpy as np

from ..convention import Convention
from ..groups import LIVELINK, group_of
from ..layout import Layout, lay_out
from ..phrases import listed
from ..recording import RecordingError
from ..tables import Table

NAME = "livelink"
TITLE = "Live Link Face"
CONVENTION = Convention(
    groups=(("blendshapes", "blendshapes"), *LIVELINK),
    roles=(("time", "timecode"), ("status", "blendshapecount")),
    suggested=("blendshapes", "pose"),
)
_TIMECODE = r"\s*\d{1,2}[:;]\d{1,2}[:;]\d{1,2}[:;]\d{1,3}(?:\.\d*)?\s*"


def score(table: Table) -> float:
    """Sure when a timecode stands next to blendshapes."""
    folded = {name.casefold() for name in table.names}
    blendshapes = sum(group_of(name) == "blendshapes" for name in table.names)
    return float("timecode" in folded and blendshapes > 10)


def layout(table: Table) -> Layout:
    """Time is counted from the first frame; a count of 0 blendshapes means that no face was tracked."""
    timecode = table.column("Timecode")
    if timecode is None:
        raise RecordingError(
            f"{table.source} is no Live Link recording, expected the columns Timecode, EyeBlinkLeft, ...; "
            f"found {listed(table.names)}."
        )
    stamps = timecode.astype("string").fillna("")
    bad = np.flatnonzero(~stamps.str.fullmatch(_TIMECODE).to_numpy(bool))
    if len(bad):
        held = stamps.iloc[bad[0]]
        raise RecordingError(
            f"{table.source}: {table.place(int(bad[0]))}, column 'Timecode' "
            f"{f'holds {held!r}' if held else 'is empty'}, "
            "expected hours:minutes:seconds:frames such as 13:13:04:31.652."
        )
    return lay_out(table, NAME, CONVENTION, TITLE)
