"""From a Table and its Layout to a Recording: numbers, mask, time, sequences and notices, the same for all formats."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .recording import Recording, RecordingError
from .tables import Table

_FRAMES_PER_SECOND_UNKNOWN = 25.0  # what one second counts as where frames are numbered but not timed


@dataclass(frozen=True)
class Layout:
    """What a format says about the columns of a table; the rows are as in the table."""

    format: str
    features: dict[int, str]  # column position -> feature group
    time: np.ndarray | None = None  # seconds
    frame_number: np.ndarray | None = None
    confidence: np.ndarray | None = None  # per row; NaN where the tracker found no face
    failed: np.ndarray | None = None  # per row; True where the tracker says that it failed
    sequence: np.ndarray | None = None  # per row; a key for each face, file or clip
    notices: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()


def counted(number: int, what: str) -> str:
    """Number and noun: ``counted(1, "frame")`` is "1 frame", ``counted(2, "frame")`` is "2 frames"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def listed(names, most: int = 5) -> str:
    """First few names in a sentence."""
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def step_of(stamps: np.ndarray, sequence: np.ndarray | None = None) -> float | None:
    """Typical positive step of time stamps or frame numbers: the mean of the steps near their median."""
    steps = np.concatenate([np.diff(stamps[rows]) for rows in sequence_rows(sequence, len(stamps))])
    steps = steps[np.isfinite(steps) & (steps > 0)]
    if not len(steps):
        return None
    median = np.median(steps)
    # Stamps rounded to milliseconds alternate (33, 33, 34): the mean is right where the median is not.
    return float(np.mean(steps[(steps > 0.5 * median) & (steps < 1.5 * median)]))


def sequence_rows(sequence: np.ndarray | None, n_rows: int) -> list[np.ndarray]:
    """Row positions of each sequence, in the order in which the sequences first appear."""
    if sequence is None:
        return [np.arange(n_rows)]
    codes = pd.factorize(sequence, use_na_sentinel=False)[0]
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)


def assemble(table: Table, layout: Layout, *, min_confidence=0.8, mask=None, max_gap=1.0, fps=None) -> Recording:
    """Make a Recording of a table whose columns are known."""
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence is {min_confidence}, expected a number from 0 to 1.")
    if not max_gap > 0:
        raise ValueError(f"max_gap is {max_gap}, expected seconds above 0.")
    if fps is not None and not 0 < fps < np.inf:
        raise ValueError(f"fps is {fps}, expected frames per second above 0.")
    notices = [*table.notices, *layout.notices]
    values, positions, left_out = _values(table, layout, notices)
    infinite = np.isinf(values)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        name = table.names[positions[column]]
        notices.append(
            f"{counted(int(infinite.sum()), 'infinite cell')} masked, the first at {table.place(row)}, column {name!r}."
        )
        values[infinite] = np.nan
    observed = np.isfinite(values)
    observed &= _trusted_rows(table, layout, min_confidence, notices)[:, None]
    names = tuple(table.names[i] for i in positions)
    if mask is not None:
        observed &= _given_mask(mask, observed.shape, names)
    if not observed.any():
        raise RecordingError(f"{table.source}: no cell is observed; the mask given leaves nothing to decompose.")
    time = _time(table, layout, fps, notices)
    sequence_id = _sequences(table, layout, time, max_gap, notices)
    rate = fps
    if rate is None and time is not None and (step := step_of(time, layout.sequence)) is not None:
        rate = 1.0 / step
        if rate > 400:
            notices.append(f"The time stamps step by {step:.3g} s ({rate:.0f} fps), which no camera does; set fps.")
    groups: dict[str, list[int]] = {}
    for column, position in enumerate(positions):
        groups.setdefault(layout.features[position], []).append(column)
    labels = table.frame.columns
    others = [i for i in range(len(labels)) if i not in set(positions)]
    return Recording(
        values=values,
        feature_names=names,
        groups={name: np.array(members, dtype=np.intp) for name, members in groups.items()},
        time=time,
        mask=observed,
        sequence_id=sequence_id,
        meta={
            "format": layout.format,
            "source": table.source,
            "fps": rate,
            "notices": tuple(notices),
            "index": table.frame.index,
            "columns": tuple(labels),
            "feature_columns": tuple(labels[i] for i in positions),
            "passthrough": table.frame.iloc[:, others].copy(),
            "left_out": tuple(labels[i] for i in left_out),
            "suggested": tuple(group for group in layout.suggested if group in groups),
            "max_gap": max_gap,
            "min_confidence": min_confidence,
            **table.form,
        },
    )


def _values(table: Table, layout: Layout, notices: list[str]) -> tuple[np.ndarray, list[int], list[int]]:
    """Feature columns as float64, their positions, and the positions of features without any number."""
    columns, positions, empty = [], [], []
    for position in layout.features:
        numbers = table.numbers(position, required=True)
        if numbers is None or np.isnan(numbers).all():
            empty.append(position)
        else:
            columns.append(numbers)
            positions.append(position)
    if empty:
        names = listed(table.names[i] for i in empty)
        notices.append(f"{counted(len(empty), 'feature column')} without any number left out: {names}.")
    if not columns:
        raise RecordingError(
            f"{table.source} has no feature column with numbers, expected at least one; found {listed(table.names)}."
        )
    return np.column_stack(columns), positions, empty


def _trusted_rows(table: Table, layout: Layout, min_confidence: float, notices: list[str]) -> np.ndarray:
    """Rows where the tracker found a face and was confident enough."""
    n_rows = len(table)
    failed = np.zeros(n_rows, dtype=bool) if layout.failed is None else layout.failed
    unsure = np.zeros(n_rows, dtype=bool)
    if layout.confidence is not None:
        unsure = ~(layout.confidence >= min_confidence)  # NaN, no face, counts as unsure
    trusted = ~(failed | unsure)
    n_masked = n_rows - int(trusted.sum())
    if n_masked == n_rows:
        best = "" if layout.confidence is None else f" (highest confidence {np.nanmax(layout.confidence):.3g})"
        raise RecordingError(
            f"{table.source}: all {counted(n_rows, 'frame')} failed or are below min_confidence={min_confidence:g}"
            f"{best}; lower min_confidence to use them."
        )
    if n_masked:
        notices.append(
            f"{n_masked} of {counted(n_rows, 'frame')} ({n_masked / n_rows:.1%}) masked: tracking failed in "
            f"{int(failed.sum())}, confidence below {min_confidence:g} in {int(unsure.sum())}."
        )
    return trusted


def _given_mask(mask, shape: tuple[int, int], names: tuple[str, ...]) -> np.ndarray:
    if isinstance(mask, pd.DataFrame):
        mask = mask.rename(columns=lambda label: str(label).strip())
        missing = [name for name in names if name not in mask.columns]
        if missing:
            raise ValueError(f"mask lacks the column {missing[0]!r}, expected one for each feature.")
        mask = mask[list(names)]
    mask = np.asarray(mask)
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError("mask holds values other than True and False (1 and 0); True means observed.")
    if mask.shape not in (shape, shape[:1]):
        raise ValueError(f"mask has shape {mask.shape}, expected {shape} (n_frames, n_features) or {shape[:1]}.")
    mask = mask.astype(bool)
    return mask[:, None] if mask.ndim == 1 else mask


def _time(table: Table, layout: Layout, fps: float | None, notices: list[str]) -> np.ndarray | None:
    """Seconds; from the frame numbers (or the rows) where `fps` is given."""
    if fps is None:
        return layout.time
    if layout.frame_number is not None:
        return (layout.frame_number - np.nanmin(layout.frame_number)) / fps
    time = np.empty(len(table))
    for rows in sequence_rows(layout.sequence, len(table)):
        time[rows] = np.arange(len(rows)) / fps
    return time


def _sequences(table, layout: Layout, time, max_gap: float, notices: list[str]) -> np.ndarray | None:
    """Number of the unbroken sequence of each row; None for a single one."""
    n_rows = len(table)
    numbered = time is None
    stamps = layout.frame_number if numbered else time
    sequence_id = np.zeros(n_rows, dtype=np.int64)
    keys = sequence_rows(layout.sequence, n_rows)
    if len(keys) > 1:
        notices.append(f"{len(keys)} sequences (faces, files or clips) in one table; each is kept apart.")
    step = None if stamps is None else step_of(stamps, layout.sequence)
    limit = np.inf
    if step is not None:
        limit = max(max_gap, 5 * step) if not numbered else step * max(max_gap * _FRAMES_PER_SECOND_UNKNOWN, 5)
    n_sequences = gaps = back = repeated = 0
    longest = 0.0
    for rows in keys:
        starts = np.zeros(len(rows), dtype=bool)
        if stamps is not None:
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
    missing = _missing_rows(layout.frame_number, keys)
    if missing:
        notices.append(missing)
    return sequence_id if n_sequences > 1 else None


def _missing_rows(numbers: np.ndarray | None, keys: list[np.ndarray]) -> str | None:
    """Sentence about frame numbers that are not in the table."""
    if numbers is None:
        return None
    steps = [np.diff(numbers[rows]) for rows in keys]
    positive = np.concatenate(steps)
    positive = positive[positive > 0]
    if not len(positive):
        return None
    usual = np.median(positive)
    jumps = positive[positive > 1.5 * usual]
    said = [f"The frame numbers step by {usual:g}."] if usual > 1 else []
    if len(jumps):
        n_missing = int(np.sum(np.round(jumps / usual)) - len(jumps))
        said.append(f"{counted(n_missing, 'frame')} missing in {counted(len(jumps), 'place')}; no rows were added.")
    return " ".join(said) or None
