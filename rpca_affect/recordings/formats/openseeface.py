"""OpenSeeFace logs: head pose, landmarks in the picture and in space, eyes, brows and mouth, with confidences."""

from pathlib import Path
from typing import Any

import numpy as np

from ..convention import Convention
from ..examples import Example, some_frames, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "openseeface"
TITLE = "OpenSeeFace"
CONVENTION = Convention(
    groups=(
        ("pose", r"(?i:(rotationquat|euler|rvec|tvec)\.[wxyz])"),
        ("eyes", r"(?i:(right|left)open|eye_[lr])"),
        ("landmarks_2d", r"(?i:landmark\[\d+\]\.[xy])"),
        ("landmarks_3d", r"(?i:point3d\[\d+\]\.[xyz])"),
        ("expressions", r"(?i:(eyebrow|mouth)_\w+)"),
    ),
    roles=(
        ("time", r"time"),
        ("index", r"frame"),
        ("key", r"faceid"),
        ("quality", r"averageconfidence"),
        ("status", r"success3d"),
        ("aside", r"width|height|fps|face|pnperror"),
    ),
    unit=1.0,
    suggested=("pose", "expressions"),
)


def score(table: Table) -> float:
    """Sure when the error of the fit stands next to the angles of the head."""
    folded = {name.casefold() for name in table.names}
    return float({"pnperror", "averageconfidence"} <= folded and "euler.x" in folded)


def layout(table: Table) -> Layout:
    """Each face is a sequence; a landmark with a low confidence of its own is missing there."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """A log of one face at 24 frames a second, lost for a moment."""
    rng = np.random.default_rng(random_state)
    pose = [f"{name}.{axis}" for name in ("Euler", "TVec") for axis in "XYZ"]
    points = [f"Landmark[{i}].{axis}" for i in range(3) for axis in "XY"]
    values = wandering(["RightOpen", "LeftOpen", *pose, *points, "eyebrow_quirk_l", "mouth_open"], 96, rng)
    lost = some_frames(96, rng)
    written = values.copy()
    before: dict[str, Any] = {
        "Frame": np.arange(1, 97),
        "Time": (1.7e9 + np.arange(96) / 24).round(4),
        "Width": 640,
        "Height": 480,
        "FPS": 24,
        "Face": 0,
        "FaceID": 0,
    }
    for place, (name, column) in enumerate(before.items()):
        written.insert(place, name, column)
    written.insert(9, "AverageConfidence", np.where(lost, 0.2, rng.uniform(0.9, 1, 96)).round(4))
    written.insert(10, "Success3D", ~lost)
    written.insert(11, "PnPError", rng.uniform(1, 9, 96).round(4))
    path = folder / "log.csv"
    written.to_csv(path, index=False)
    return Example(path, values, 24.0, lost)
