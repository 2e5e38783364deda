"""Computational sequences of the CMU multimodal SDK (CMU-MOSEI): features with an interval, video by video."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "mosei"
TITLE = "CMU computational sequences (.csd)"
CONVENTION = Convention(
    groups=(("features", r"(?s).*"),), roles=(("key", r"video"), ("time", r"start")), unit=1.0, suggested=("features",)
)


def score(table: Table) -> float:
    """Sure for every computational sequence."""
    return float("csd" in table.form)


def layout(table: Table) -> Layout:
    """Each video is a sequence; the time is where each interval begins."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """Two videos, ten intervals a second; needs h5py."""
    import h5py

    rng = np.random.default_rng(random_state)
    parts = {video: wandering([f"visual_{i}" for i in range(6)], 60, rng) for video in ("a1", "b2")}
    path = folder / "visual.csd"
    with h5py.File(path, "w") as file:
        for video, part in parts.items():
            group = file.create_group(f"visual/data/{video}")
            group["features"] = part.to_numpy()
            starts = np.arange(60) / 10
            group["intervals"] = np.column_stack([starts, starts + 0.1])
    return Example(path, pd.concat(parts.values(), ignore_index=True), 10.0, np.zeros(120, dtype=bool), n_sequences=2)
