"""One row for each feature of a split: what its parts come to, for mixed models and for people."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["FEATURES", "feature_table"]

FEATURES = "features.csv"


def feature_table(split: Any) -> pd.DataFrame:
    """One row for each feature of a split, in the units of the input: what mixed models are fitted to.

    Parameters
    ----------
    split : Split

    Returns
    -------
    DataFrame
        ``feature``, ``group``, ``frames`` (observed), ``missing`` (share), ``base_mean``, ``base_sd``,
        ``transient_density`` (share of the observed frames), ``transient_rms``, ``residual_sd``, ``noise_sd`` (that the
        model assumes), ``events`` (with the feature among theirs) and ``events_per_minute``.
    """
    recording = split.recording
    known = recording.mask
    frames = known.sum(axis=0)
    groups = {int(i): name for name, members in recording.groups.items() for i in members}
    counts = pd.Series([name for names in split.events()["features"] for name in names.split(";")], dtype=object)
    counts = counts.value_counts()
    events = np.array([int(counts.get(name, 0)) for name in recording.feature_names])
    minutes = recording.n_frames / recording.fps / 60 if recording.fps else np.nan
    sigma = np.mean([part.sigma for part in split.sequences], axis=0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        table = {
            "feature": recording.feature_names,
            "group": [groups.get(i, "") for i in range(recording.n_features)],
            "frames": frames,
            "missing": (~known).mean(axis=0),
            "base_mean": _mean(split.base_values, known),
            "base_sd": _sd(split.base_values, known),
            "transient_density": _mean(split.transient_values != 0, known),
            "transient_rms": np.sqrt(_mean(split.transient_values**2, known)),
            "residual_sd": _sd(split.residual_values, known),
            "noise_sd": sigma,
            "events": events,
            "events_per_minute": events / minutes,
        }
    return pd.DataFrame(table)


def _mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.sum(values, axis=0, where=known, dtype=np.float64) / known.sum(axis=0)


def _sd(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    return np.sqrt(_mean((values - _mean(values, known)) ** 2, known))
