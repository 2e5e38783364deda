"""Muse recordings by Mind Monitor and muse-lsl: band powers, raw channels, motion."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..convention import Convention
from ..examples import Example, some_frames, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "muse"
TITLE = "Muse"
_SENSORS = ("TP9", "AF7", "AF8", "TP10")
CONVENTION = Convention(
    groups=(
        ("bands", r"(Delta|Theta|Alpha|Beta|Gamma)_(TP9|AF7|AF8|TP10)"),
        ("EEG", r"(RAW_)?(TP9|AF7|AF8|TP10)"),
        ("motion", r"(Accelerometer|Gyro)_[XYZ]"),
    ),
    roles=(
        ("time", r"timestamps?"),
        ("status", r"headbandon"),
        ("aside", r"right aux|aux.*|hsi_.*|battery|elements|optics.*|ppg.*|heart_rate"),
    ),
    suggested=("bands", "EEG"),
)


def score(table: Table) -> float:
    """Sure when the four sensors are there."""
    names = {name.removeprefix("RAW_") for name in table.names}
    return float(set(_SENSORS) <= names or sum(CONVENTION.group(name) == "bands" for name in table.names) > 3)


def layout(table: Table) -> Layout:
    """Rows while the headband is off are masked."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """A Mind Monitor recording, ten rows a second, with the headband off for a moment."""
    rng = np.random.default_rng(random_state)
    bands = [f"{band}_{sensor}" for band in ("Alpha", "Beta") for sensor in _SENSORS]
    values = wandering([*bands, *(f"RAW_{sensor}" for sensor in _SENSORS)], 120, rng, 0, 900, digits=4)
    lost = some_frames(120, rng)
    written = values.copy()
    stamps = pd.Timestamp(2026, 1, 1, 12) + pd.to_timedelta(np.arange(120) * 100, unit="ms")
    written.insert(0, "TimeStamp", stamps.strftime("%Y-%m-%d %H:%M:%S.%f").str[:-3])
    written["HeadBandOn"] = 1 - lost
    path = folder / "mindMonitor.csv"
    written.to_csv(path, index=False)
    return Example(path, values, 10.0, lost)
