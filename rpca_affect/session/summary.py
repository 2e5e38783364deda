"""The summary of a split: plain numbers and sentences, which print as a short table."""

import math
from typing import Any

import numpy as np

from rpca_affect import words

__all__ = ["Summary", "summarise"]

CELLS = 1 << 19  # that are summed up at a time


class Summary(dict):
    """Plain numbers and sentences about a split: a dict that JSON can hold and that prints as a short table."""

    def __str__(self) -> str:
        return "\n".join(
            f"{key.replace('_', ' '):<22}{_shown(value)}"
            for key, value in self.items()
            if value not in ([], None) and key != "doubts"
        )


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items() if item is not None)
    if isinstance(value, (list, tuple)) and len(value) > 8 and all(isinstance(item, (int, float)) for item in value):
        return f"{_shown(min(value))} to {_shown(max(value))} ({len(value)} sequences)"
    if isinstance(value, (list, tuple)):
        return " ".join(_shown(item) for item in value)
    return str(value)


def summarise(split: Any) -> Summary:
    """Sum a split up; see `rpca_affect.Split.summary`."""
    recording, known = split.recording, split.recording.mask
    solved = split.decompositions
    ranks = [part.rank for part in split.sequences if part.decomposition is not None]
    gaps = [float(part.gap) for part in solved if part.gap is not None]
    asked = split.prediction if split.prediction is not None and split.prediction.says_something else None
    residual, in_units = _residual_shares(split)
    return Summary(
        source=str(recording.meta["source"]),
        format=recording.meta["format"],
        frames=recording.n_frames,
        features=recording.n_features,
        fps=None if recording.fps is None else round(float(recording.fps), 3),
        sequences=len(split.sequences),
        missing_share=float((~known).mean()),
        rank=ranks,
        lags=[part.lags for part in split.sequences],
        rank_with_lags=[int(part.rank) for part in solved],
        **({"levels": _levels(split)} if split.levels else {}),
        rank_share=max(ranks, default=0) / recording.n_features,
        density=float(np.count_nonzero(split.transient_values) / np.count_nonzero(known)),
        residual=residual,
        residual_in_units=in_units,
        predicted=None if asked is None else round(asked.predicted, 3),
        predicted_by_lines=None if asked is None else round(asked.line, 3),
        duality_gap=max(gaps) if gaps else None,
        steps=[int(part.n_iter) for part in solved],
        events=len(split.events()),
        converged=split.status.converged,
        status=split.status.sentence,
        doubts=[words.record(doubt) for doubt in split.status.doubts],
        warnings=list(split.status.warnings),
        notices=list(recording.notices),
        parameters=split.parameters,
        versions=split.versions,
        seconds=round(split.seconds, 3),
    )


def _levels(split: Any) -> list[dict[str, Any]]:
    """Of every time scale the rank, how much of the movement of all bases it holds, and the share of transients."""
    moved = [_movement(level, split) for level in split.levels]
    known = np.count_nonzero(split.recording.mask)
    return [
        {
            "frames": level.width,
            "seconds": None if level.seconds is None else round(level.seconds, 3),
            "rank": list(level.rank),
            "movement": own / sum(moved) if sum(moved) else 0.0,
            "density": float(np.count_nonzero(level.transient_values) / known),
        }
        for level, own in zip(split.levels, moved)
    ]


def _movement(level: Any, split: Any) -> float:
    """Sum of squares of a base around its mean, sequence by sequence, each feature divided by its scale."""
    total = 0.0
    for part in split.sequences:
        base = level.base_values[part.stretch] / part.scale.scale
        total += float(np.square(base - base.mean(axis=0)).sum())
    return total


def _residual_shares(split: Any) -> tuple[float, float]:
    """Norm of the residual relative to that of the centred input, with and without dividing by the scale."""
    recording = split.recording
    step = max(1, CELLS // recording.n_features)
    # Residual and input, scaled and not, block by block; hypot cannot overflow where the squares would.
    norms = [[0.0], [0.0], [0.0], [0.0]]
    for part in split.sequences:
        for start in range(0, len(part.rows), step):
            rows = part.rows[start : start + step]
            centred = np.where(recording.mask[rows], recording.values[rows] - part.scale.center, 0.0)
            rest = split.residual_values[rows]
            for sums, matrix in zip(norms, (rest / part.scale.scale, centred / part.scale.scale, rest, centred)):
                sums.append(_norm(matrix))
    scaled_rest, scaled, rest, whole = (math.hypot(*sums) for sums in norms)
    return (scaled_rest / scaled if scaled else 0.0), (rest / whole if whole else 0.0)


def _norm(x: np.ndarray) -> float:
    """Frobenius norm that neither overflows nor underflows."""
    top = float(np.max(np.abs(x), initial=0.0))
    return top * float(np.linalg.norm(x / top)) if top > 0 else 0.0
