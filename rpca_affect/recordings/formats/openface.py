"""OpenFace 1 and 2 output: FeatureExtraction, FaceLandmarkVidMulti and FaceLandmarkImg."""

from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, some_frames, wandering
from ..groups import OPENFACE
from ..layout import Layout, lay_out
from ..names import plain
from ..tables import Table

NAME = "openface"
TITLE = "OpenFace"
CONVENTION = Convention(
    groups=OPENFACE,
    roles=(
        ("time", "timestamp"),
        ("index", "frame"),
        ("key", "face_id|face"),
        ("quality", "confidence"),
        ("status", "success"),
    ),
    ranges={"AU_r": (0.0, 5.0), "AU_c": (0.0, 1.0)},
    presence=("AU_c",),
    suggested=("gaze", "pose", "AU_r"),
)
_OWN = {"gaze", "pose", "AU_r", "shape", "eye_landmarks_2d"}


def score(table: Table) -> float:
    """Sure when the confidence stands next to any of OpenFace's own features."""
    own = {CONVENTION.group(name) for name in table.names} & _OWN
    # R writes X.confidence for a name that begins with a blank.
    return float("confidence" in map(plain, table.names) and bool(own))


def layout(table: Table) -> Layout:
    """Failed frames hold numbers, so `success` and `confidence` decide what was observed.

    The faces of a video with several people alternate row by row; each `face_id` is a sequence.  Frames without a
    face have no row there: the time stamps tell.
    """
    unsure = not any(CONVENTION.columns(role, table.names) for role in ("quality", "status"))
    said = ["There is no confidence and no success column: every frame counts as observed."] if unsure else []
    return lay_out(table, NAME, CONVENTION, TITLE, notices=said)


def example(folder: Path, random_state: int) -> Example:
    """FeatureExtraction of a video in which the face is lost for a moment."""
    rng = np.random.default_rng(random_state)
    values = wandering(["gaze_0_x", "gaze_angle_x", "pose_Tx", "pose_Rz", "AU01_r", "AU12_r", "AU45_r"], 90, rng)
    lost = some_frames(90, rng)
    written = values.rename(columns=lambda name: f" {name}")
    written.insert(0, "frame", np.arange(1, 91))
    written.insert(1, " timestamp", np.round(np.arange(90) / 30, 3))
    written.insert(2, " confidence", np.where(lost, 0.1, 0.98))
    written.insert(3, " success", 1 - lost)
    path = folder / "session.csv"
    written.to_csv(path, index=False)
    return Example(path, values, 30.0, lost)
