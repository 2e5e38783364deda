"""OpenFace 3: faces, gaze, emotions and the eight action units of its network, as its Python wrappers write them.

OpenFace 3 (https://github.com/CMU-MultiComp-Lab/OpenFace-3.0) is a Python library without a table of its own; whoever
calls it names the columns.  Its outputs are fixed: a box with its score, 98 landmarks, eight emotions of AffectNet,
yaw and pitch of the gaze, and the action units 1, 2, 4, 6, 9, 12, 25 and 26 of DISFA.
"""

import re
from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, some_frames, wandering
from ..layout import Layout, lay_out
from ..names import plain
from ..tables import Table

NAME = "openface3"
TITLE = "OpenFace 3"
_UNITS = frozenset((1, 2, 4, 6, 9, 12, 25, 26))
_EMOTION = "neutral|happy|happiness|sad|sadness|surprise|fear|disgust|anger|contempt"
_SCORE = "pct|prob|probability|score"
CONVENTION = Convention(
    groups=(
        ("gaze", r"(?i:gaze[_. ]?(yaw|pitch)([_. ]?rad)?)"),
        ("gaze_degrees", r"(?i:gaze[_. ]?(yaw|pitch)[_. ]?deg(rees)?)"),
        ("AU", r"(?i:au[_. ]?\d+([_. ]?intensity)?)"),
        ("emotions", rf"(?i:((emotions?|emo)[_. ])?(({_SCORE})[_. ])?({_EMOTION})([_. ]({_SCORE}))?)"),
        (
            "face_box",
            r"(?i:((face|bbox|box)[_. ]?)?(x[12]|y[12])|(face|bbox|box)[_. ]?([xywh0-3]|width|height|left|top))",
        ),
        ("landmarks", r"[xy]_\d+|(?i:(landmarks?|lmk?)[_. ]?\d+[_. ]?[xy01])"),
        ("pose", r"(?i:((head|pose)[_. ]?)?(pitch|yaw|roll))"),
    ),
    roles=(
        ("time", r"timestamp|(timestamp|time)_(s|sec|seconds|ms)|time"),
        ("index", r"frame|frame_?(idx|index|id|number|num)"),
        ("key", r"face_?(id|idx|index)|face|track_?id"),
        ("quality", r"confidence|(face|det|detection)_?(confidence|conf|score)"),
        ("status", r"face_?detected|success|detected"),
        ("aside", r"(emotion|emo)(_(predicted|label|name|class|idx|index|id|conf|confidence))?|dominant_emotion"),
    ),
    suggested=("gaze", "AU"),
)


def score(table: Table) -> float:
    """Sure when both angles of the gaze stand next to action units that are the network's, and to no others."""
    names = [plain(name) for name in table.names]
    angles = [name.casefold() for name in names if CONVENTION.group(name) == "gaze"]
    gaze = {angle for name in angles for angle in ("yaw", "pitch") if angle in name}
    return float(len(gaze) == 2 and (_units(names) <= _UNITS or _by_place(names)) and len(_units(names)) > 2)


def layout(table: Table) -> Layout:
    """Frames without a face have an empty row, or none: the numbers and the score of the detector tell."""
    said = []
    if _by_place([plain(name) for name in table.names]):
        said.append("The action units are numbered by their place in the network's output, not as in FACS.")
    return lay_out(table, NAME, CONVENTION, TITLE, notices=said)


def _units(names: list[str]) -> set[int]:
    """Numbers of the action units."""
    return {int(re.findall(r"\d+", name)[0]) for name in names if CONVENTION.group(name) == "AU"}


def _by_place(names: list[str]) -> bool:
    """Whether the eight action units are counted from 0."""
    return _units(names) == set(range(len(_UNITS)))


def example(folder: Path, random_state: int) -> Example:
    """A video in which the face is lost for a moment: its rows are empty but for the time."""
    rng = np.random.default_rng(random_state)
    boxes = wandering([f"face_{corner}" for corner in ("x1", "y1", "x2", "y2")], 90, rng, 100, 300, 0)
    emotions = wandering([f"emotion_prob_{name}" for name in ("Neutral", "Happiness", "Anger")], 90, rng)
    rest = ["gaze_yaw", "gaze_pitch", *(f"AU{unit:02d}_intensity" for unit in sorted(_UNITS))]
    values = boxes.join(emotions).join(wandering(rest, 90, rng))
    lost = some_frames(90, rng)
    values[lost] = np.nan
    written = values.copy()
    written.insert(0, "frame_index", np.arange(90))
    written.insert(1, "timestamp_sec", np.round(np.arange(90) / 30, 4))
    written.insert(2, "face_detected", ~lost)
    written.insert(3, "face_confidence", np.where(lost, np.nan, 0.9981))
    written.insert(11, "emotion_predicted", [None if gone else "Neutral" for gone in lost])
    path = folder / "video.csv"
    written.to_csv(path, index=False)
    return Example(path, values, 30.0, lost)
