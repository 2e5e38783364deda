"""Measures of the recordings of a study: a row for each recording, and those that stand out from the others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["COUNTS", "MEASURES", "outliers", "row_of"]

# Measures by which the recordings of a study are compared, and the name of each on the page.
MEASURES = {
    "missing": "missing cells",
    "rank": "rank",
    "predicted": "predicted share",
    "density": "transient cells",
    "residual": "residual",
    "events_per_minute": "events a minute",
}
COUNTS = ("frames", "features", "sequences", "rank", "events")
_STANDS_OUT = 3.5  # robust standard deviations
_FEWEST = 5  # recordings among which one can stand out


def row_of(outcome: Any) -> dict[str, Any]:
    """The row of a recording in study.csv.

    Parameters
    ----------
    outcome : Outcome

    Returns
    -------
    dict
        Plain values; those of a recording that could not be split are None, and ``error`` says why.
    """
    job, summary = outcome.job, outcome.summary or {}
    frames, fps, events = summary.get("frames"), summary.get("fps"), summary.get("events")
    minutes = frames / fps / 60 if frames and fps else None
    doubts = [doubt["kind"] for doubt in summary.get("doubts", [])]
    return {
        "recording": job.name,
        "file": str(job.shown or job.source),
        "format": summary.get("format"),
        "frames": frames,
        "features": summary.get("features"),
        "fps": fps,
        "minutes": None if minutes is None else round(minutes, 4),
        "sequences": summary.get("sequences"),
        "missing": summary.get("missing_share"),
        "rank": max(summary.get("rank") or [0]) if summary else None,
        "predicted": _predicted(summary),
        "density": summary.get("density"),
        "residual": summary.get("residual"),
        "events": events,
        "events_per_minute": None if minutes is None or events is None else round(events / minutes, 4),
        "converged": summary.get("converged"),
        "doubts": "; ".join(dict.fromkeys(doubts)),
        "severe": any(doubt["severe"] for doubt in summary.get("doubts", [])) if summary else None,
        "error": outcome.failure.sentence if outcome.failure else "",
    }


def _predicted(summary: dict[str, Any]) -> float | None:
    """Share of hidden cells' variation that the base predicts, where the split measured it."""
    for name in ("predicted_share", "predicted"):
        if isinstance(summary.get(name), (int, float)):
            return float(summary[name])
    return None


def outliers(table: pd.DataFrame, measures: Sequence[str] = tuple(MEASURES)) -> list[list[str]]:
    """Measures by which each recording stands out among the others.

    Parameters
    ----------
    table : DataFrame
        One row for each recording.
    measures : sequence of str

    Returns
    -------
    list of list of str
        For each recording, the measures that lie more than 3.5 robust standard deviations (from the median of the
        absolute deviations, at least a twentieth of the median, and half a unit of a count) off the median; none among
        fewer than five.  Missing cells stand out where there are many, not where there are none.

    Examples
    --------
    >>> outliers(pd.DataFrame({"rank": [4, 5, 5, 4, 6, 40]}), ["rank"])[-1]
    ['rank']
    """
    found: list[list[str]] = [[] for _ in range(len(table))]
    for name in measures:
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
        seen = values[np.isfinite(values)]
        if len(seen) < _FEWEST:
            continue
        middle = np.median(seen)
        spread = 1.4826 * np.median(np.abs(seen - middle))
        least = max(spread, 0.05 * abs(middle), 0.5 if name in COUNTS else 1e-3)
        away = values - middle if name == "missing" else np.abs(values - middle)
        for row in np.flatnonzero(away > _STANDS_OUT * least):
            found[row].append(name)
    return found
