"""py-feat output, versions 0.6 and 2: one row for each face in each frame."""

import numpy as np
import pandas as pd

from ..assemble import Layout, listed
from ..groups import PYFEAT, group_of
from ..recording import RecordingError
from ..tables import Table

NAME = "pyfeat"
TITLE = "py-feat"
_KEYS = {"frame", "input", "approx_time", "Identity", "FaceScore", "FrameHeight", "FrameWidth"}


def score(table: Table) -> float:
    """Sure when py-feat's face box stands next to any of its features."""
    known = {group_of(name, PYFEAT) for name in table.names}
    return float("FaceScore" in table.names and bool(known & {"AU", "landmarks_2d", "emotions"}))


def layout(table: Table) -> Layout:
    """`FaceScore` is the confidence; frames without a face are rows of NaN.

    There is no time: `approx_time` counts whole seconds only.  Several videos in one table (`input`) and several
    faces in one frame are sequences of their own; a table of single images is one sequence.
    """
    groups = {i: group for i, name in enumerate(table.names) if (group := group_of(name, PYFEAT))}
    if not groups:
        raise RecordingError(
            f"{table.source} has none of py-feat's feature columns (FaceRectX, x_0, AU01, ...); "
            f"found {listed(table.names)}."
        )
    notices = ["py-feat writes no exact time; set fps to get seconds."]
    others = [name for i, name in enumerate(table.names) if i not in groups and name not in _KEYS]
    if others:
        notices.append(f"Columns that py-feat does not write are passed through: {listed(others)}.")
    return Layout(
        NAME,
        groups,
        frame_number=table.number_column("frame"),
        confidence=table.number_column("FaceScore"),
        sequence=_sequence(table, notices),
        notices=tuple(notices),
        suggested=("AU", "blendshapes", "pose"),
    )


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
