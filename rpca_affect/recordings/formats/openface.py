"""OpenFace 2 output: FeatureExtraction, FaceLandmarkVidMulti and FaceLandmarkImg."""

import numpy as np

from ..assemble import Layout, listed
from ..files import COLUMNAR, load_columns
from ..groups import OPENFACE, group_of
from ..recording import RecordingError
from ..tables import Table

NAME = "openface"
_KEYS = {"frame", "face", "face_id", "timestamp", "confidence", "success"}


def score(kind: str, names: tuple[str, ...]) -> float:
    """Sure when the confidence stands next to any of OpenFace's own features."""
    known = {group_of(name, OPENFACE) for name in names}
    own = known & {"gaze", "pose", "AU_r", "shape", "eye_landmarks_2d"}
    return float(kind in COLUMNAR and "confidence" in names and bool(own))


def load(path, kind, key=None) -> Table:
    """Columns of the file."""
    return load_columns(path, kind)


def layout(table: Table) -> Layout:
    """Failed frames hold numbers, so `success` and `confidence` decide what was observed.

    The faces of a video with several people alternate row by row; each `face_id` is a sequence.  Frames without a
    face have no row there: the time stamps tell.
    """
    groups = {i: group for i, name in enumerate(table.names) if (group := group_of(name, OPENFACE))}
    if not groups:
        raise RecordingError(
            f"{table.source} has none of OpenFace's feature columns (gaze_0_x, pose_Tx, x_0, AU01_r, ...); "
            f"found {listed(table.names)}."
        )
    notices = []
    others = [name for i, name in enumerate(table.names) if i not in groups and name not in _KEYS]
    if others:
        notices.append(f"Columns that OpenFace does not write are passed through: {listed(others)}.")
    success = table.number_column("success")
    if success is None and table.number_column("confidence") is None:
        notices.append("There is no confidence and no success column: every frame counts as observed.")
    face = table.number_column("face_id")
    return Layout(
        NAME,
        groups,
        time=table.number_column("timestamp"),
        frame_number=table.number_column("frame"),
        confidence=table.number_column("confidence"),
        failed=None if success is None else ~(success > 0),
        sequence=face if face is not None and len(np.unique(face)) > 1 else None,
        notices=tuple(notices),
        suggested=("gaze", "pose", "AU_r"),
    )
