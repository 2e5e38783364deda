"""Transient events: runs of cells in the sparse part, joined over the features that move together."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.session.chance import Noise, measure_noise, scored_runs
from rpca_affect.session.remainder import Remainder, StandardErrors
from rpca_affect.session.runs import Runs, cells_of, groups_of, join_cells

__all__ = ["COLUMNS", "find_events"]

RATES = 120.0  # per minute: runs that noise shows more often are never events

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
    "chance",
)


def find_events(
    transient: Any,
    sigma: Any = None,
    *,
    feature_names: Sequence[str] | None = None,
    time: Any = None,
    frame_numbers: Any = None,
    fps: float | None = None,
    residual: Any = None,
    false_alarms: float | None = 0.1,
    fdr: float | None = None,
    min_peak: float | None = None,
    min_frames: int = 1,
    max_gap: int = 2,
    sequence: int = 0,
    noise: Noise | None = None,
    errors: StandardErrors | None = None,
) -> pd.DataFrame:
    """List the transient events of one sequence.

    In each feature, the non-zero cells of the sparse part are joined to runs. A run counts when it is somewhere so
    strong that noise alone shows one like it less often than asked: a low threshold finds its extent, a high one
    decides whether it exists. The strongest run then collects the runs of other features that lie at least half inside
    it; together they are one event. The rest follow in the same way, so that events never chain into one long event.

    The high threshold is measured where the ``residual`` is given: from the bulk of the deviations from the base, their
    tails and their correlations over time and between features (`rpca_affect.session.chance.measure_noise`).

    Parameters
    ----------
    transient : array, shape (n_frames, n_features)
        Sparse part, in the units of the input.
    sigma : float or array, shape (n_features,), optional
        Standard deviation of the noise of every feature, in the same units; 1 when left out.
    feature_names : sequence of str, optional
    time : array, shape (n_frames,), optional
        Time of each frame in seconds; without it the columns in seconds are empty.
    frame_numbers : array, shape (n_frames,), optional
        Numbers of the frames in the input; rows counted from 0 when left out.
    fps : float, optional
        Frames per second: how long the last frame of an event lasts. Measured from ``time`` when left out.
    residual : array, shape (n_frames, n_features), optional
        Noise, in the units of the input. Without it only ``min_peak`` decides.
    false_alarms : float, default 0.1
        How many events per minute noise alone may add to the list. Half of them go to runs of one frame, which noise
        makes most, so that these do not raise the threshold of the others.
    fdr : float, optional
        Largest expected share of noise among the listed events; replaces ``false_alarms``.
    min_peak : float, optional
        Smallest peak of a run, in standard deviations of the noise (``sigma``); replaces both. 2.0 without residual.
    min_frames : int, default 1
        Shortest run, in frames.
    max_gap : int, default 2
        Runs of one feature with at most this many zero frames between them are joined.
    sequence : int, default 0
        Number to write in the column ``sequence``.
    noise : Noise, optional
        Result of `measure_noise`, where it is known already.
    errors : StandardErrors, optional
        How far noise alone leaves each cell from the base; ``sigma`` where left out.

    Returns
    -------
    DataFrame
        One row per event in the order of their onset, with the columns

        - ``tier`` ("transient") and ``label``: shown by an annotation program,
        - ``start``, ``end``, ``duration``: seconds; ``end`` is when the last frame is over,
        - ``onset``, ``apex``, ``offset`` (seconds) and ``onset_frame``, ``apex_frame``, ``offset_frame``: first,
          strongest and last frame,
        - ``n_frames``, ``n_features``,
        - ``leading_feature`` with its ``peak`` (input's units, signed) and ``peak_sigma`` (noise units, signed),
        - ``energy``: sum of squares of the event's cells in noise units,
        - ``features``: all of them, strongest first, separated by ``;``, and ``sequence``,
        - ``chance``: events per minute, at least as strong, that noise alone would show; empty where it is not known.

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
    if min_frames < 1 or max_gap < 0:
        raise ValueError(f"min_frames={min_frames} and max_gap={max_gap} must be at least 1 and 0")
    for name, value in (("min_peak", min_peak), ("false_alarms", false_alarms), ("fdr", fdr)):
        if value is not None and not value >= 0:
            raise ValueError(f"{name}={value} must be at least 0")
    frames, features = transient.shape
    names = [f"feature_{i}" for i in range(features)] if feature_names is None else list(map(str, feature_names))
    given = sigma
    sigma = np.broadcast_to(np.asarray(1.0 if given is None else given, dtype=np.float64), (features,))
    unit = np.where(sigma > 0, sigma, 1.0)
    numbers = np.arange(frames) if frame_numbers is None else np.asarray(frame_numbers)
    seconds = np.full(frames, np.nan) if time is None else np.asarray(time, dtype=np.float64)
    period = 1.0 / fps if fps else _period(seconds)
    if residual is None or min_peak is not None:
        runs, chance = _by_peak(transient, unit, 2.0 if min_peak is None else min_peak, min_frames, max_gap), None
    else:
        left = Remainder(transient, np.asarray(residual, dtype=np.float64), errors=errors)
        if noise is None:
            level = None if given is None else sigma
            noise = measure_noise(left, sigma=level, fps=fps, min_frames=min_frames, max_gap=max_gap)
        limit = math.inf if false_alarms is None else false_alarms
        runs, chance = _by_chance(left, noise, limit, fdr, min_frames, max_gap)
    rows = []
    for members in groups_of(runs):
        lead = members[0]
        first, last = runs.first[members].min(), runs.last[members].max()
        # The exclusive end of the last frame; without it a one-frame event would last no time at all.
        end = seconds[last] + period
        called = list(dict.fromkeys(names[i] for i in runs.feature[members]))
        rows.append(
            {
                "tier": "transient",
                "label": called[0] if len(called) == 1 else f"{called[0]} +{len(called) - 1}",
                "start": seconds[first],
                "end": end,
                "duration": end - seconds[first],
                "onset": seconds[first],
                "apex": seconds[runs.apex[lead]],
                "offset": seconds[last],
                "onset_frame": numbers[first],
                "apex_frame": numbers[runs.apex[lead]],
                "offset_frame": numbers[last],
                "n_frames": last - first + 1,
                "n_features": len(called),
                "leading_feature": called[0],
                "peak": transient[runs.apex[lead], runs.feature[lead]],
                "peak_sigma": transient[runs.apex[lead], runs.feature[lead]] / unit[runs.feature[lead]],
                "energy": sum(_energy(transient, unit, runs, k) for k in members),
                "features": ";".join(called),
                "sequence": sequence,
                "chance": np.nan if chance is None else chance[lead],
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


def _energy(transient: np.ndarray, unit: np.ndarray, runs: Runs, k: int) -> float:
    """Sum of squares of the cells of a run in noise units."""
    cells = transient[runs.first[k] : runs.last[k] + 1, runs.feature[k]] / unit[runs.feature[k]]
    return float(np.sum(cells**2))


def _by_peak(transient: np.ndarray, unit: np.ndarray, min_peak: float, min_frames: int, max_gap: int) -> Runs:
    """Runs above a given peak, the highest first: a long weak run must not swallow the strong short ones inside it."""
    feature, frame = cells_of(transient)
    runs = join_cells(feature, frame, np.abs(transient[frame, feature]) / unit[feature], min_frames, max_gap)
    chosen = np.flatnonzero(runs.peak >= min_peak)
    return runs.take(chosen[np.argsort(-runs.peak[chosen], kind="stable")])


def _by_chance(
    left: Remainder, noise: Noise, false_alarms: float, fdr: float | None, min_frames: int, max_gap: int
) -> tuple[Runs, np.ndarray]:
    """Runs that noise shows less often than asked, and how often; the rarest first."""
    runs = scored_runs(left, noise, min_frames, max_gap)
    chance = noise.rate(runs.peak, runs.frames)
    order = np.lexsort((-runs.peak, chance))
    if fdr is not None:
        order = order[chance[order] <= RATES]
        leaders = chance[order[[group[0] for group in groups_of(runs.take(order))]]] if len(order) else chance[order]
        minutes = noise.per_frame * len(left.transient)
        few = np.flatnonzero(leaders * minutes <= fdr * np.arange(1, len(leaders) + 1))
        false_alarms = leaders[few[-1]] if len(few) else -1.0
    order = order[chance[order] <= false_alarms]
    return runs.take(order), chance[order]
