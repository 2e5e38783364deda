"""py-feat output, versions 0.6 and 2: one row for each face in each frame."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rpca_affect.refusals import Notice, Setting

from ..convention import Convention
from ..examples import Example, some_frames, wandering
from ..groups import PYFEAT, group_of
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "pyfeat"
TITLE = "py-feat"
CONVENTION = Convention(
    groups=(("blendshapes", "blendshapes"), *PYFEAT),
    roles=(("index", "frame"), ("quality", "facescore"), ("aside", "input|approx_time|identity|frame(height|width)")),
    suggested=("AU", "blendshapes", "pose"),
)


def score(table: Table) -> float:
    """Sure when py-feat's face box stands next to any of its features."""
    known = {group_of(name, PYFEAT) for name in table.names}
    return float("FaceScore" in table.names and bool(known & {"AU", "landmarks_2d", "emotions"}))


def layout(table: Table) -> Layout:
    """`FaceScore` is the confidence; frames without a face are rows of NaN.

    There is no time: `approx_time` counts whole seconds only.  Several videos in one table (`input`) and several
    faces in one frame are sequences of their own; a table of single images is one sequence.
    """
    notices: list[str] = [Notice("py-feat writes no exact time; set ", Setting("fps"), " to get seconds.")]
    sequence = _sequence(table, notices)
    return replace(lay_out(table, NAME, CONVENTION, TITLE, notices=notices), sequence=sequence)


def _sequence(table: Table, notices: list[str]) -> np.ndarray | None:
    """A key for each video and each face in it."""
    keys = pd.DataFrame(index=range(len(table)))
    files, frames, identity = (table.column(name) for name in ("input", "frame", "Identity"))
    images = files is not None and files.nunique() == len(table) > 1
    if files is not None and not images:
        keys["input"] = files.to_numpy()
    if frames is not None and not images:
        keys["frame"] = frames.to_numpy()
        if keys.duplicated().any():
            if identity is not None and identity.notna().any():
                keys["face"] = identity.to_numpy()
                notices.append("Several faces in one frame; the column Identity tells them apart.")
            else:
                keys["face"] = keys.groupby([*keys.columns], dropna=False).cumcount()
                notices.append("Several faces in one frame without an Identity; they are told apart by their order.")
        keys = keys.drop(columns="frame")
    codes = keys.groupby([*keys.columns], dropna=False, sort=False).ngroup().to_numpy() if len(keys.columns) else None
    return codes if codes is not None and codes.max() > 0 else None


def example(folder: Path, random_state: int) -> Example:
    """A video of which every second frame was analysed; the face is not found for a moment."""
    rng = np.random.default_rng(random_state)
    values = wandering(["FaceRectX", "x_0", "y_0", "Pitch", "Roll", "Yaw", "AU01", "AU12", "happiness"], 70, rng)
    lost = some_frames(70, rng)
    values[lost] = np.nan
    written = values.copy()
    written.insert(1, "FaceScore", np.where(lost, np.nan, 0.99))
    written["input"] = "video.mp4"
    written["frame"] = np.arange(70) * 2
    path = folder / "fex.csv"
    written.to_csv(path, index=False)
    return Example(path, values, None, lost)
