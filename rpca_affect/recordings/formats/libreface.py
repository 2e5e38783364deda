"""LibreFace video output: mesh landmarks, head pose, action units with detection and intensity."""

from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "libreface"
TITLE = "LibreFace"
CONVENTION = Convention(
    groups=(
        ("pose", r"pitch|yaw|roll"),
        ("landmarks", r"lm_mp_\d+_[xyz]"),
        ("AU_r", r"au_\d+_intensity"),
        ("AU_c", r"au_\d+"),
        ("emotions", r"facial_expression_\w+"),
    ),
    roles=(("time", r"frame_time_in_ms"), ("index", r"frame_idx"), ("aside", r"path_to_frame")),
    unit=1e-3,
    ranges={"AU_r": (0.0, 5.0), "AU_c": (0.0, 1.0)},
    presence=("AU_c",),
    suggested=("pose", "AU_r"),
)


def score(table: Table) -> float:
    """Sure when its mesh landmarks or intensities stand next to its time."""
    own = {CONVENTION.group(name) for name in table.names} & {"landmarks", "AU_r"}
    return float("frame_time_in_ms" in table.names and bool(own))


def layout(table: Table) -> Layout:
    """The time is in milliseconds."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """A video of 30 frames a second."""
    rng = np.random.default_rng(random_state)
    points = [f"lm_mp_{i}_{axis}" for i in range(4) for axis in "xyz"]
    values = wandering(["pitch", "yaw", "roll", *points, "au_1_intensity", "au_12_intensity"], 90, rng)
    written = values.copy()
    written.insert(0, "frame_idx", np.arange(90))
    written.insert(1, "frame_time_in_ms", np.round(np.arange(90) * 1000 / 30, 3))
    written.insert(2, "path_to_frame", [f"frames/{i:06d}.png" for i in range(90)])
    path = folder / "video.csv"
    written.to_csv(path, index=False)
    return Example(path, values, 30.0, np.zeros(90, dtype=bool))
