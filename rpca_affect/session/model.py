"""The noise-aware model of one sequence: features scaled by their noise, solved, and what may be doubted about it."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rpca_affect.decomposition import Decomposition, Status
from rpca_affect.doubts import Doubt, merged
from rpca_affect.noise import ColumnScale, noise_level
from rpca_affect.recordings import Recording
from rpca_affect.session.prediction import Prediction
from rpca_affect.solvers import available_solvers
from rpca_affect.solving import solve

__all__ = ["SequenceSplit", "split_sequence", "status_of"]

ROUNDING = 64  # noise below this many rounding errors of a typical value is rounding
SHORT = 30  # frames below which first differences say little about the noise


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
        What was subtracted and divided by before the solve.
    decomposition : Decomposition or None
        The solve in scaled units; None for a sequence without any observed cell.
    """

    rows: np.ndarray
    sigma: np.ndarray
    scale: ColumnScale
    decomposition: Decomposition | None

    @property
    def stretch(self) -> slice | np.ndarray:
        """Rows as a slice where they stand side by side, as nearly always: no copy is made of what it takes."""
        first, last = int(self.rows[0]), int(self.rows[-1])
        return slice(first, last + 1) if last - first + 1 == len(self.rows) else self.rows


def split_sequence(
    values: np.ndarray,
    known: np.ndarray,
    whole: ColumnScale,
    rows: np.ndarray,
    model: dict,
    floor: float,
    options: dict,
) -> SequenceSplit:
    """Scale one sequence, solve it, and keep what undoes the scale."""
    if not known.any():
        return SequenceSplit(rows, whole.scale, whole, None)
    noisy = _noise_scale(values, known, floor)
    scale = noisy if model["scale"] == "noise" else ColumnScale.fit(values, known, by=model["scale"])
    # A feature that this sequence never shows rests where it rests in the others.
    scale = replace(scale, center=np.where(known.any(axis=0), scale.center, whole.center))
    sigma = noisy.scale
    if model["noise"] is not None and not isinstance(model["noise"], str):
        sigma = np.broadcast_to(np.asarray(model["noise"], dtype=np.float64), sigma.shape)
        if not (sigma >= 0).all():
            raise ValueError("noise must be at least 0 everywhere")
    elif model["noise"] not in (None, "auto"):
        raise ValueError(f"noise is {model['noise']!r}: give a standard deviation, one per feature, 'auto' or None")
    scaled = np.where(known, scale.apply(values), 0.0)
    answer = solve(scaled, mask=known, **_weights(known, sigma / scale.scale, model, options), **options)
    return SequenceSplit(rows, sigma, scale, answer)


def _noise_scale(values: np.ndarray, known: np.ndarray, floor: float) -> ColumnScale:
    """Noise of every feature, at least ``floor`` of its standard deviation between its half-percent quantiles.

    The robust spread would be no floor for a feature that rests most of the time (a tongue that comes out once): its
    few moves would count as thousands of standard deviations and outweigh all others. The quantiles keep glitches out.
    """
    some = slice(None, None, max(1, len(values) // 5000))
    seen = known[some].any(axis=0)
    table = np.where(known[some], values[some], np.nan)[:, seen]
    low, high = np.nanquantile(table, (0.005, 0.995), axis=0)
    deviation, size = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    unit = np.maximum(np.abs(low), np.abs(high))
    unit = np.where(unit > 0, unit, 1.0)  # the squares of gigantic values would overflow
    deviation[seen] = unit * np.nanstd(np.clip(table, low, high) / unit, axis=0)
    size[seen] = np.nanmedian(np.abs(table), axis=0)
    scale = np.maximum(noise_level(values, known), floor * deviation)
    # A feature that is constant up to rounding is left alone: dividing would turn rounding into signal.
    scale = np.where(scale > ROUNDING * np.finfo(float).eps * size, scale, 1.0)
    return replace(ColumnScale.fit(values, known, by="none"), scale=scale)


def bridged(base: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Lay the base of frames without any observation on the line between their neighbours.

    Nothing speaks for a value there, and the least nuclear norm would put the median. A line between two frames of the
    base stays in the space that its frames span, so the rank does not grow.
    """
    if seen.all() or not seen.any():
        return base
    places = np.arange(len(base))
    lost = ~seen
    before = np.maximum.accumulate(np.where(seen, places, -1))[lost]
    after = np.minimum.accumulate(np.where(seen, places, len(base))[::-1])[::-1][lost]
    before, after = np.where(before < 0, after, before), np.where(after == len(base), before, after)
    share = ((places[lost] - before) / np.maximum(after - before, 1))[:, None]
    filled = base.copy()
    filled[lost] = (1 - share) * base[before] + share * base[after]
    return filled


def _weights(known: np.ndarray, sigma: np.ndarray, model: dict, options: dict) -> dict[str, Any]:
    """What `solve` is told about one sequence whose noise, in scaled units, is ``sigma``."""
    features = known.shape[1]
    share = known.mean()
    solver, lam, sparse = model["solver"], model["lam"], model["sparse"]
    words = {"solver": solver, "lam": lam, "sparse": sparse}
    kind = available_solvers().get(solver) if isinstance(solver, str) else solver
    if model["noise"] is None or not sigma.any():
        return words
    # Solvers that are given the rank have no noise part of this form; for them the scaling is all there is.
    if (solver == "auto" and "rank" in options) or (kind is not None and not hasattr(kind, "slack")):
        return words
    reach = model["threshold"]
    if sparse == "frames":
        # One noise level per frame, and a frame of pure noise has length sqrt(p n) +- 0.7.
        sigma = np.sqrt(np.mean(sigma**2, keepdims=True))
        reach = math.sqrt(share * features) + model["threshold"]
    # as in solve: p max(m, n) over the frames and features that were observed at all
    unit = math.sqrt(2 * known.sum() / min(known.any(axis=1).sum(), known.any(axis=0).sum()))
    words["lam"] = reach / unit if lam is None else lam
    words["noise"] = float(sigma[0]) if np.ptp(sigma) == 0 else sigma
    return words


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
    lost = int((~recording.mask.any(axis=1)).sum())
    if lost:
        doubts += (Doubt("lost_frames", {"lost": lost, "frames": recording.n_frames}),)
    if not solved:
        return Status(True, "nothing", doubts)
    good = [status for _, status in solved if status.converged]
    telling = next((status for _, status in solved if not status.converged), good[0] if good else None)
    assert telling is not None
    measure = telling.measure if total == 1 else {**telling.measure, "sequences": [len(good), len(solved)]}
    return Status(telling.converged, telling.reason, doubts, measure)
