"""One row of measures for each feature of a split, for mixed models and for people."""

from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.lags import stretches

__all__ = ["FEATURES", "feature_table"]

FEATURES = "features.csv"


def feature_table(split: Any) -> pd.DataFrame:
    """One row of measures for each feature of a split, in the units of the input, as mixed models need them.

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
        base_mean, residual_mean = (_moments(part, known)[0] for part in (split.base_values, split.residual_values))
        table = {
            "feature": recording.feature_names,
            "group": [groups.get(i, "") for i in range(recording.n_features)],
            "frames": frames,
            "missing": (~known).mean(axis=0),
            "base_mean": base_mean,
            "base_sd": np.sqrt(_moments(split.base_values, known, base_mean)[1]),
            "transient_density": _moments(split.transient_values != 0, known)[0],
            "transient_rms": np.sqrt(_moments(split.transient_values, known)[1]),
            "residual_sd": np.sqrt(_moments(split.residual_values, known, residual_mean)[1]),
            "noise_sd": sigma,
            "events": events,
            "events_per_minute": events / minutes,
        }
    return pd.DataFrame(table)


def _moments(values: np.ndarray, known: np.ndarray, center: np.ndarray | float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Mean of a part over the observed cells of every feature, and of its square about a centre."""
    total, square = np.zeros((2, values.shape[1]))
    for rows in stretches(*values.shape):
        seen = known[rows]
        total += np.sum(values[rows], axis=0, where=seen)
        square += np.sum((values[rows] - center) ** 2, axis=0, where=seen)
    count = known.sum(axis=0)
    return total / count, square / count
