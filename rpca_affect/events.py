"""Transient events: runs of cells in the sparse part, joined over the features that move together."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

__all__ = ["COLUMNS", "find_events"]

COLUMNS = (
    "tier",
    "label",
    "start",
    "end",
    "duration",
    "onset",
    "apex",
    "offset",
    "onset_frame",
    "apex_frame",
    "offset_frame",
    "n_frames",
    "n_features",
    "leading_feature",
    "peak",
    "peak_sigma",
    "energy",
    "features",
    "sequence",
)


class Run(NamedTuple):
    """A stretch of one feature: first, strongest and last frame, feature, peak and energy in noise units."""

    first: int
    apex: int
    last: int
    feature: int
    peak: float
    energy: float


def find_events(
    transient: Any,
    sigma: Any = 1.0,
    *,
    feature_names: Sequence[str] | None = None,
    time: Any = None,
    frame_numbers: Any = None,
    fps: float | None = None,
    min_peak: float = 2.0,
    min_frames: int = 2,
    max_gap: int = 2,
    sequence: int = 0,
) -> pd.DataFrame:
    """List the transient events of one sequence.

    In each feature, the non-zero cells of the sparse part are joined to runs. A run counts when it is long enough and
    somewhere strong enough: a low threshold finds its extent, a high one decides whether it exists. The strongest run
    then collects the runs of other features that lie at least half inside it; together they are one event. The rest
    follow in the same way, so that events never chain into one long event.

    Parameters
    ----------
    transient : array, shape (n_frames, n_features)
        Sparse part, in the units of the input.
    sigma : float or array, shape (n_features,), default 1.0
        Standard deviation of the noise of every feature, in the same units.
    feature_names : sequence of str, optional
    time : array, shape (n_frames,), optional
        Time of each frame in seconds; without it the columns in seconds are empty.
    frame_numbers : array, shape (n_frames,), optional
        What the input calls its frames; rows counted from 0 when left out.
    fps : float, optional
        Frames per second: how long the last frame of an event lasts. Measured from ``time`` when left out.
    min_peak : float, default 2.0
        Smallest peak of a run, in standard deviations of the noise. It adds to the threshold that the cells have
        already passed.
    min_frames : int, default 2
        Shortest run, in frames.
    max_gap : int, default 2
        Runs of one feature with at most this many zero frames between them are joined.
    sequence : int, default 0
        Number to write in the column ``sequence``.

    Returns
    -------
    DataFrame
        One row per event in the order of their onset, with the columns

        - ``tier`` ("transient") and ``label``: what an annotation program shows,
        - ``start``, ``end``, ``duration``: seconds; ``end`` is when the last frame is over,
        - ``onset``, ``apex``, ``offset`` (seconds) and ``onset_frame``, ``apex_frame``, ``offset_frame``: first,
          strongest and last frame,
        - ``n_frames``, ``n_features``,
        - ``leading_feature`` with its ``peak`` (input's units, signed) and ``peak_sigma`` (noise units, signed),
        - ``energy``: sum of squares of the event's cells in noise units,
        - ``features``: all of them, strongest first, separated by ``;``, and ``sequence``.

    Raises
    ------
    ValueError
        If ``transient`` is not a matrix, or a threshold makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> transient = np.zeros((100, 3)); transient[40:46, 1] = 3.0; transient[41:45, 2] = -2.0
    >>> events = find_events(transient, feature_names=["AU01", "AU12", "AU45"], time=np.arange(100) / 25)
    >>> events[["start", "end", "n_frames", "features"]].values.tolist()
    [[1.6, 1.84, 6, 'AU12;AU45']]
    """
    transient = np.asarray(transient, dtype=np.float64)
    if transient.ndim != 2:
        raise ValueError(f"transient has {transient.ndim} axes, expected frames x features")
    if min_frames < 1 or max_gap < 0 or min_peak < 0:
        raise ValueError(
            f"min_frames={min_frames}, max_gap={max_gap} and min_peak={min_peak} must be at least 1, 0 and 0"
        )
    frames, features = transient.shape
    names = [f"feature_{i}" for i in range(features)] if feature_names is None else list(map(str, feature_names))
    sigma = np.broadcast_to(np.asarray(sigma, dtype=np.float64), (features,))
    strength = transient / np.where(sigma > 0, sigma, 1.0)
    numbers = np.arange(frames) if frame_numbers is None else np.asarray(frame_numbers)
    seconds = np.full(frames, np.nan) if time is None else np.asarray(time, dtype=np.float64)
    period = 1.0 / fps if fps else _period(seconds)
    rows = []
    for members in _joined(_runs(strength, min_peak, min_frames, max_gap)):
        lead = members[0]
        first, last = min(run.first for run in members), max(run.last for run in members)
        # The exclusive end of the last frame; without it a one-frame event would last no time at all.
        end = seconds[last] + period
        called = list(dict.fromkeys(names[run.feature] for run in members))
        rows.append(
            {
                "tier": "transient",
                "label": called[0] if len(called) == 1 else f"{called[0]} +{len(called) - 1}",
                "start": seconds[first],
                "end": end,
                "duration": end - seconds[first],
                "onset": seconds[first],
                "apex": seconds[lead.apex],
                "offset": seconds[last],
                "onset_frame": numbers[first],
                "apex_frame": numbers[lead.apex],
                "offset_frame": numbers[last],
                "n_frames": last - first + 1,
                "n_features": len(called),
                "leading_feature": called[0],
                "peak": transient[lead.apex, lead.feature],
                "peak_sigma": strength[lead.apex, lead.feature],
                "energy": sum(run.energy for run in members),
                "features": ";".join(called),
                "sequence": sequence,
                "_order": first,
            }
        )
    table = pd.DataFrame(rows, columns=[*COLUMNS, "_order"])
    table = table.sort_values("_order", kind="stable", ignore_index=True)[list(COLUMNS)]
    seconds_columns = ["start", "end", "duration", "onset", "apex", "offset"]
    return table.astype(dict.fromkeys(seconds_columns, float)).round(dict.fromkeys(seconds_columns, 6))


def _period(seconds: np.ndarray) -> float:
    steps = np.diff(seconds)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.median(steps)) if len(steps) else np.nan


def _runs(strength: np.ndarray, min_peak: float, min_frames: int, max_gap: int) -> list[Run]:
    """Runs of every feature, gaps joined, weak and short ones left out."""
    found = []
    for feature in np.flatnonzero(np.abs(strength).max(axis=0, initial=0.0) >= max(min_peak, np.finfo(float).tiny)):
        column = strength[:, feature]
        active = np.flatnonzero(column)
        breaks = np.flatnonzero(np.diff(active) > max_gap + 1)
        for first, last in zip(active[np.r_[0, breaks + 1]], active[np.r_[breaks, len(active) - 1]]):
            part = column[first : last + 1]
            apex = int(np.argmax(np.abs(part)))
            peak = float(abs(part[apex]))
            if last - first + 1 >= min_frames and peak >= min_peak:
                found.append(Run(int(first), int(first) + apex, int(last), int(feature), peak, float(part @ part)))
    return found


def _joined(runs: list[Run]) -> list[list[Run]]:
    """Groups of runs, the leading one first: greedy, from the highest peak down."""
    if not runs:
        return []
    # By peak, not energy: a long weak run must not swallow the strong short ones inside it.
    runs = sorted(runs, key=lambda run: -run.peak)
    first, last = (np.array([getattr(run, name) for run in runs]) for name in ("first", "last"))
    free = np.ones(len(runs), dtype=bool)
    groups = []
    for lead in range(len(runs)):
        if not free[lead]:
            continue
        inside = np.minimum(last, last[lead]) - np.maximum(first, first[lead]) + 1
        mine = np.flatnonzero(free & (2 * inside >= last - first + 1))  # the lead itself comes first
        free[mine] = False
        groups.append([runs[i] for i in mine])
    return groups
