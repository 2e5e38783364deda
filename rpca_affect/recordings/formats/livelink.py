"""Live Link Face CSV from an iPhone: 52 ARKit blendshapes, head and eye rotations, SMPTE timecode."""

from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, some_frames, wandering
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


def example(folder: Path, random_state: int) -> Example:
    """A take of an iPhone at 60 frames a second, the face lost for a moment."""
    rng = np.random.default_rng(random_state)
    sided = ("EyeBlink", "EyeWide", "MouthSmile", "BrowDown", "CheekSquint", "NoseSneer")
    names = [f"{name}{side}" for name in sided for side in ("Left", "Right")]
    values = wandering([*names, "JawOpen", "HeadYaw", "HeadPitch"], 180, rng)
    lost = some_frames(180, rng)
    written = values.copy()
    written.insert(0, "Timecode", [f"13:13:{4 + i // 60:02d}:{i % 60:02d}.000" for i in range(180)])
    written.insert(1, "BlendShapeCount", np.where(lost, 0, 61))
    path = folder / "MySlate_1_iPhone.csv"
    written.to_csv(path, index=False)
    return Example(path, values, 60.0, lost)
