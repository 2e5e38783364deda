"""MediaPipe Face Landmarker results: 52 blendshapes, side by side or one a row, as a table, JSON or JSON lines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..convention import Convention
from ..examples import Example, wandering
from ..groups import BLENDSHAPES, SPELLINGS
from ..layout import Layout, lay_out
from ..long import widened
from ..tables import Table

NAME = "mediapipe"
TITLE = "MediaPipe"
CONVENTION = Convention(
    groups=(("blendshapes", "blendshapes"), *SPELLINGS),
    ranges={"blendshapes": (0.0, 1.0)},
    suggested=("blendshapes",),
)


def score(table: Table) -> float:
    """Fairly sure when many blendshapes are written in MediaPipe's way; the app of the iPhone writes a timecode."""
    own = sum(name[:1] in "_bcejmnt" and name.casefold() in BLENDSHAPES for name in table.names if name)
    return 0.5 * (own > 5 and table.position("Timecode") is None)


prepare = widened


def layout(table: Table) -> Layout:
    """People write the time and other columns beside the blendshapes themselves: those are known by their values."""
    return replace(lay_out(table, NAME), suggested=CONVENTION.suggested)


def example(folder: Path, random_state: int) -> Example:
    """One blendshape in each row, with the time in milliseconds."""
    rng = np.random.default_rng(random_state)
    names = ["_neutral", "browDownLeft", "browDownRight", "browInnerUp", "eyeBlinkLeft", "jawOpen", "mouthSmileLeft"]
    values = wandering(names, 60, rng)
    written = pd.DataFrame(
        {
            "frame": np.repeat(np.arange(60), len(names)),
            "blendshape": np.tile(names, 60),
            "score": values.to_numpy().ravel(),
        }
    )
    written.insert(1, "timestamp_ms", written["frame"] * 1000 // 30)
    path = folder / "blendshapes.csv"
    written.to_csv(path, index=False)
    return Example(path, values, 30.0, np.zeros(60, dtype=bool))
