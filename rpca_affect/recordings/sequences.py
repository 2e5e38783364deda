"""Sequences: one for each key and each unbroken time; small disorder is put in order, gaps and repeats are said."""

import numpy as np
import pandas as pd

from rpca_affect.refusals import Notice, Setting

from .clock import SHUFFLED, sequence_rows, spread, step_of
from .phrases import counted

_FRAMES_PER_SECOND_UNKNOWN = 25.0  # what one second counts as where frames are numbered but not timed


def in_order(stamps: np.ndarray | None, key: np.ndarray | None, usual: float, limit: float):
    """Order of the rows in which the time runs forward, or None where it does already, with the number of moved rows.

    Rows are sorted where that leaves the time as regular as it was; a time that starts again (two recordings one
    below the other) is left, because sorting would mix them.
    """
    if stamps is None:
        return None, 0
    order = np.arange(len(stamps))
    for rows in sequence_rows(key, len(stamps)):
        known = np.isfinite(stamps[rows])
        if not known.all():
            continue
        for part in _stretches(stamps, rows, usual, limit):
            here = stamps[part]
            if (np.diff(here) < 0).any():
                # The places stay with the key, so that rows of other keys keep theirs.
                order[part] = part[np.argsort(here, kind="stable")]
    moved = int((order != np.arange(len(order))).sum())
    return (order, moved) if moved else (None, 0)


def _stretches(stamps: np.ndarray, rows: np.ndarray, usual: float, limit: float) -> list[np.ndarray]:
    """Parts of the rows of one key whose time may be sorted."""
    here = stamps[rows]
    steps = np.diff(here)
    falls = np.flatnonzero(steps < 0)
    if not len(falls):
        return []
    if _sortable(here, usual):
        return [rows]
    # The time starts again where it falls far for good, not for a single stamp.
    cuts = [
        at + 1
        for at in falls[steps[falls] < -limit]
        if np.median(here[at + 1 : at + 6]) < np.median(here[max(0, at - 4) : at + 1]) - limit
    ]
    if not cuts:
        cuts = [at + 1 for at in falls if np.median(here[at + 1 : at + 6]) < np.median(here[max(0, at - 4) : at + 1])]
    parts = np.split(rows, cuts)
    return [part for part in parts if len(part) > 1 and _sortable(stamps[part], usual)]


def _sortable(here: np.ndarray, usual: float) -> bool:
    """Whether sorting keeps the stamps apart as they were."""
    steps = np.diff(here)
    crowded = int((np.diff(np.sort(here)) < 0.25 * usual).sum()) - int((np.abs(steps) < 0.25 * usual).sum())
    return crowded <= min(int((steps < 0).sum()) - 1, 0.02 * len(here))


def usual_step(stamps: np.ndarray | None, key: np.ndarray | None) -> float:
    """Typical step, for stamps in any order: shuffled frames have it once sorted."""
    if stamps is None:
        return 0.0
    steps = []
    for rows in sequence_rows(key, len(stamps)):
        here = stamps[rows]
        falls = (np.diff(here) < 0).mean() if len(here) > 1 else 0.0
        step = step_of(np.sort(here[np.isfinite(here)]) if falls > SHUFFLED else here)
        if step is not None:
            steps.append((step, len(rows)))
    if not steps:
        return 0.0
    return sorted(steps)[len(steps) // 2][0] if len(steps) > 2 else max(steps, key=lambda one: one[1])[0]


def spread_evenly(time: np.ndarray, key: np.ndarray | None, notices: list[str]) -> np.ndarray:
    """Time whose stamps were rounded so far that rows share them, spread within each sequence."""
    done = time.copy()
    for rows in sequence_rows(key, len(time)):
        part = spread(time[rows])
        done[rows] = part.seconds
        notices += [notice for notice in part.notices if notice not in notices]
    return done


def unbroken(stamps, key, numbered: bool, max_gap: float, observed: np.ndarray, notices: list[str]):
    """Number of the unbroken sequence of each row; None for a single one.

    Rows of a key without any feature (an eye tracker's, among those of a camera) are a sequence apart.
    """
    n_rows = len(observed)
    keys = sequence_rows(key, n_rows)
    step = usual_step(stamps, key)
    limit = np.inf
    if step:
        limit = max(max_gap, 5 * step) if not numbered else step * max(max_gap * _FRAMES_PER_SECOND_UNKNOWN, 5)
    sequence_id = np.zeros(n_rows, dtype=np.int64)
    n_sequences = gaps = back = repeated = 0
    longest = 0.0
    for rows in keys:
        starts = np.zeros(len(rows), dtype=bool)
        if stamps is not None:
            with np.errstate(invalid="ignore", over="ignore"):
                steps = np.diff(stamps[rows])
                far, before = steps > limit, steps < 0
            starts[1:] = far | before
            gaps += int(far.sum())
            back += int(before.sum())
            repeated += int((steps == 0).sum())
            longest = max([longest, *steps[far]])
        sequence_id[rows] = n_sequences + np.cumsum(starts)
        n_sequences = int(sequence_id[rows[-1]]) + 1
    unit = "frame numbers" if numbered else "s"
    if gaps:
        notices.append(
            f"Split at {counted(gaps, 'gap')} longer than {limit:.3g} {unit} (longest {longest:.4g} {unit})."
        )
    if back:
        notices.append(f"The time runs backwards {counted(back, 'time')}; a new sequence starts there.")
    if repeated:
        notices.append(f"{counted(repeated, 'row')} with the time stamp of the row before.")
    if n_sequences > n_rows // 4 and n_sequences > 20:
        said = f"{n_sequences} sequences in {n_rows} rows: check which columns tell them apart ("
        notices.append(Notice(said, Setting("key"), ")."))
    return sequence_id if n_sequences > 1 else None


def without_features(key: np.ndarray | None, observed: np.ndarray) -> np.ndarray:
    """Rows of those keys that hold no feature at all."""
    if key is None or observed.all():
        return np.zeros(len(observed), dtype=bool)
    some = pd.Series(observed).groupby(pd.factorize(key, use_na_sentinel=False)[0]).transform("any")
    return ~some.to_numpy()


def missing_rows(numbers: np.ndarray | None, keys: list[np.ndarray]) -> str | None:
    """Sentence about frame numbers that are not in the table."""
    if numbers is None:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        positive = np.concatenate([np.diff(numbers[rows]) for rows in keys])
    positive = positive[(positive > 0) & np.isfinite(positive)]
    if not len(positive):
        return None
    usual = np.median(positive)
    jumps = positive[positive > 1.5 * usual]
    said = [f"The frame numbers step by {usual:g}."] if usual > 1 else []
    if len(jumps):
        n_missing = int(np.sum(np.round(jumps / usual)) - len(jumps))
        said.append(f"{counted(n_missing, 'frame')} missing in {counted(len(jumps), 'place')}; no rows were added.")
    return " ".join(said) or None
