"""Small tables in the forms that face trackers write, for the tests of the readers."""

import numpy as np
import pandas as pd

from rpca_affect.recordings.groups import BLENDSHAPES


def openface_table(n=60, fps=30.0, seed=0):
    """A small table as OpenFace's FeatureExtraction writes it, blanks before the names included."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "frame": np.arange(1, n + 1),
            " timestamp": np.round(np.arange(n) / fps, 3),
            " confidence": np.full(n, 0.98),
            " success": np.ones(n, dtype=int),
        }
    )
    names = ["gaze_0_x", "gaze_angle_x", "eye_lmk_x_0", "eye_lmk_X_0", "pose_Tx", "pose_Rz", "x_0", "y_0", "X_0"]
    for name in [*names, "Z_0", "p_scale", "p_rx", "p_0", "AU01_r", "AU45_r", "AU01_c", "AU28_c"]:
        table[f" {name}"] = (rng.random(n) > 0.5) * 1.0 if name.endswith("_c") else rng.random(n).round(4)
    return table


def pyfeat_table(n=12, seed=0):
    """A small table as py-feat writes it."""
    rng = np.random.default_rng(seed)
    names = ["FaceRectX", "FaceScore", "x_0", "y_0", "Pitch", "X", "AU01", "AU43", "happiness", "Neutral", "valence"]
    names += ["gaze_pitch", "Identity_1", "mesh_x_0", "_neutral", "jawOpen"]
    table = pd.DataFrame(rng.random((n, len(names))), columns=names)
    table["FaceScore"] = 0.99
    table["Identity_1"] = np.nan
    return table.assign(FrameHeight=1080.0, input="a.mp4", frame=np.arange(n) * 2, approx_time="00:00")


def livelink_table(stamps, seed=0):
    """A small table as the Live Link Face app writes it."""
    rng = np.random.default_rng(seed)
    names = [name for name in sorted(BLENDSHAPES) if name != "_neutral"]
    table = pd.DataFrame(rng.random((len(stamps), len(names))), columns=[name.title() for name in names])
    table.insert(0, "Timecode", stamps)
    table.insert(1, "BlendShapeCount", 61)
    return table.assign(HeadYaw=0.0, LeftEyePitch=rng.random(len(stamps)))


def timecode(frame, rate=60, start=0):
    """SMPTE timecode of a frame number."""
    seconds = (start + frame // rate) % 86400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame % rate:02d}.000"


FRAMES = 120
NAMES = ["brow", "cheek", "jaw", "lips"]


def measured(frames=FRAMES, seed=0):
    """Features between 0 and 1 without order in time, four decimals each."""
    values = np.random.default_rng(seed).uniform(0.2, 0.9, (frames, len(NAMES)))
    return pd.DataFrame(values.round(4), columns=NAMES)


def said(recording):
    return " ".join(recording.notices)


def written(table, path, **options):
    table.to_csv(path, index=False, **options)
    return path


def noticed(recording, part):
    return any(part in notice for notice in recording.notices)


def smooth(n=120, names=("AU01", "AU02", "AU04", "AU06", "AU12"), seed=0):
    """Features that wander, as faces do."""
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(0, 0.05, (n, len(names))), axis=0) + rng.uniform(1, 2, len(names))
    return pd.DataFrame(values.round(5), columns=list(names))
