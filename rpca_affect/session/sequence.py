"""One unbroken sequence of a recording under the noise-aware model, and how the solves of all of them ended."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rpca_affect.arrays import Observed
from rpca_affect.decomposition import Decomposition, Status
from rpca_affect.doubts import Doubt, merged
from rpca_affect.noise import ColumnScale
from rpca_affect.noise_model import NoiseModel, split_frames
from rpca_affect.recordings import Recording
from rpca_affect.session.prediction import Prediction

__all__ = ["LevelParts", "SequenceSplit", "frame_numbers", "split_sequence", "status_of"]

MISSING = 0.4  # share of the cells of seen frames, beyond which the base is a prediction
SHORT = 30  # frames below which first differences say little about the noise


@dataclass(frozen=True, eq=False)
class LevelParts:
    """One time scale of one sequence: frames in a block, and base and transients in the units of the input."""

    width: int
    base: np.ndarray
    transient: np.ndarray
    rank: int


@dataclass(frozen=True, eq=False)
class SequenceSplit:
    """The split of one unbroken sequence.

    Attributes
    ----------
    rows : ndarray of int, shape (frames,)
        Rows of the recording that belong to the sequence.
    sigma : ndarray, shape (n_features,)
        Standard deviation of the noise that the model assumes, in the units of the input.
    scale : ColumnScale
        Subtracted, and divided by, before the solve.
    decomposition : Decomposition or None
        The solve in scaled units, of the embedded matrix where ``lags`` exceeds 1; None for a sequence without any
        observed cell. After a refit it holds its base in ``factors`` and no other part: what is reported is the split.
    lags : int
        Frames stacked beside each other for the solve.
    rank : int
        Rank of the base over frames and features; of several levels the sum of theirs, at most the features.
    levels : tuple of LevelParts
        Slowest first; empty for a split on one level.
    """

    rows: np.ndarray
    sigma: np.ndarray
    scale: ColumnScale
    decomposition: Decomposition | None
    lags: int = 1
    rank: int = 0
    levels: tuple[LevelParts, ...] = ()

    @property
    def stretch(self) -> slice | np.ndarray:
        """Rows as a slice where they stand side by side, as nearly always: a slice takes a view, no copy."""
        first, last = int(self.rows[0]), int(self.rows[-1])
        return slice(first, last + 1) if last - first + 1 == len(self.rows) else self.rows


def split_sequence(
    values: np.ndarray, known: np.ndarray, center: np.ndarray | None, rows: np.ndarray, model: NoiseModel
) -> tuple[SequenceSplit, tuple[np.ndarray, np.ndarray] | None]:
    """Split one sequence; return its record, and base and transients in the units of the input.

    Parameters
    ----------
    values, known : ndarray, shape (frames, n_features)
    center : ndarray, shape (n_features,), or None
        Where a feature rests that this sequence never shows: its median over the recording, of which None says that
        this sequence is all there is.
    rows : ndarray of int, shape (frames,)
    model : NoiseModel

    Returns
    -------
    SequenceSplit
    (base, transient) : arrays, shape (frames, n_features), or None
        None for a sequence without any observed cell.
    """
    if not known.any():
        unit = np.ones(values.shape[1])
        return SequenceSplit(rows, unit, ColumnScale(0 * unit if center is None else center, unit), None), None
    found = split_frames(Observed(values) if known.all() else Observed(values, known, holes=True), model)
    base, transient = np.asarray(found.base), np.asarray(found.transient)
    never = ~known.any(axis=0)
    base[:, never] = (found.scale.center if center is None else center)[never]
    part = SequenceSplit(rows, np.asarray(found.sigma), found.scale, found.decomposition, found.lags, found.rank)
    return part, (base, transient)


def status_of(recording: Recording, sequences: list[SequenceSplit], prediction: Prediction | None = None) -> Status:
    """How the solves of all sequences ended, every doubt said once, however many sequences share it."""
    solved = [(k, part.decomposition.status) for k, part in enumerate(sequences) if part.decomposition is not None]
    total = len(sequences)
    found = [(k, doubt) for k, status in solved for doubt in status.doubts]
    found += [
        (k, Doubt("short", {"frames": len(part.rows), "least": SHORT}))
        for k, part in enumerate(sequences)
        if len(part.rows) < SHORT
    ]
    doubts = merged(found, total)
    if prediction is not None:
        doubts = prediction.added_to(doubts)
    seen: np.ndarray = recording.mask.any(axis=1)  # type: ignore[assignment]
    lost = int((~seen).sum())
    missing = 1 - float(recording.mask.sum()) / max(int(seen.sum()) * recording.n_features, 1)
    if seen.any() and missing > MISSING:
        doubts += (Doubt("missing", {"share": missing}),)
    if lost:
        doubts += (Doubt("lost_frames", {"lost": lost, "frames": recording.n_frames}),)
    if not solved:
        return Status(True, "nothing", doubts)
    good = [status for _, status in solved if status.converged]
    telling = next((status for _, status in solved if not status.converged), good[0] if good else None)
    assert telling is not None
    measure = telling.measure if total == 1 else {**telling.measure, "sequences": [len(good), len(solved)]}
    return Status(telling.converged, telling.reason, doubts, measure)


def frame_numbers(recording: Recording) -> np.ndarray:
    """Numbers of the frames in the input: its ``frame`` column, or rows counted from 0."""
    rest = recording.meta["passthrough"]
    for label in rest.columns:
        if str(label).strip().casefold() == "frame" and pd.api.types.is_numeric_dtype(rest[label]):
            numbers = rest[label].to_numpy(dtype=np.float64, na_value=np.nan)
            if np.isfinite(numbers).all() and (numbers == np.round(numbers)).all():
                return numbers.astype(np.int64)
    return np.arange(recording.n_frames)
