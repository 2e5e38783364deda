"""A recording at several time scales: each level a base and transients of the remainder of the slower levels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.arrays import Observed
from rpca_affect.cascade import cascade
from rpca_affect.noise import ColumnScale
from rpca_affect.noise_model import ModelSplit, NoiseModel, split_frames
from rpca_affect.recordings import Recording
from rpca_affect.session.sequence import LevelParts, SequenceSplit, split_sequence

__all__ = ["Level", "checked_widths", "level_notices", "levels_of", "split_levels"]

FEWEST = 8  # blocks in a sequence, below which it has no such level: so few say nothing about their noise


@dataclass(frozen=True, eq=False, repr=False)
class Level:
    """One time scale of a split.

    Attributes
    ----------
    recording : Recording
        The input.
    width : int
        Frames in a block; 1 is the quickest level.
    seconds : float or None
        The same in seconds, where the recording has a frame rate.
    rank : tuple of int
        Rank of the base in each sequence; 0 in one that is too short for this level.
    base_values, transient_values : ndarray, shape (n_frames, n_features)
        In the units of the input. The centre of every feature belongs to the slowest level of a sequence.
    """

    recording: Recording
    width: int
    seconds: float | None
    rank: tuple[int, ...]
    base_values: np.ndarray
    transient_values: np.ndarray

    def __repr__(self) -> str:
        return f"<Level of {self.name}>"

    @property
    def name(self) -> str:
        """The time scale in words."""
        frames = "single frames" if self.width == 1 else f"{self.width} frames"
        return frames if self.seconds is None else f"{frames} ({self.seconds:.3g} s)"

    @property
    def base(self) -> pd.DataFrame:
        """The base of this level, with the input's rows and columns."""
        return self.recording.frame(self.base_values, left_out="keep")

    @property
    def transient(self) -> pd.DataFrame:
        """The transients of this level, with the input's rows and columns."""
        return self.recording.frame(self.transient_values, left_out="zero")


def checked_widths(levels: Any, longest: int) -> tuple[int, ...]:
    """Widths as whole numbers that fall and end with 1, the first short enough for the longest sequence."""
    try:
        widths = tuple(int(width) for width in levels)
        whole = all(width == given for width, given in zip(widths, levels))
    except (TypeError, ValueError):
        widths, whole = (), False
    if not whole or widths[-1:] != (1,) or any(a <= b for a, b in pairwise(widths)):
        raise ValueError(f"levels is {levels!r}: give falling numbers of frames that end with 1, such as (32, 8, 1)")
    if longest < FEWEST * widths[0] and widths[0] > 1:
        raise ValueError(
            f"levels is {levels!r}: the longest sequence has {longest} frames, fewer than {FEWEST} blocks of "
            f"{widths[0]}; give smaller widths"
        )
    return widths


def split_levels(
    values: np.ndarray,
    known: np.ndarray,
    center: np.ndarray | None,
    rows: np.ndarray,
    model: NoiseModel,
    *,
    widths: Sequence[int],
) -> tuple[SequenceSplit, tuple[np.ndarray, np.ndarray] | None]:
    """Split one sequence level by level, as `rpca_affect.session.sequence.split_sequence` does on one level.

    Medians over blocks of frames are split like frames, their noise measured from neighbouring blocks: it is what
    moves more quickly. The rest goes to the next level.
    """
    if not known.any():
        return split_sequence(values, known, center, rows, model)
    slower = replace(model, noise=None if model.noise is None else "auto", lags=1, max_transient=None)

    def split(blocks: Any, there: Any, width: int) -> tuple[Any, Any, ModelSplit]:
        mask = None if there is None or bool(there.all()) else there
        found = split_frames(Observed(blocks, mask), model if width == 1 else slower)
        return found.base, found.transient, found

    used = [width for width in widths if width == 1 or len(values) >= FEWEST * width]
    whole = bool(known.all())
    found: Any = cascade(values if whole else np.where(known, values, 0.0), None if whole else known, used, split)
    base, transient = found.base, found.transient
    unseen = ~known.any(axis=0)
    base[:, unseen] = found.bases[0][:, unseen] = 0.0 if center is None else center[unseen]
    for slow in found.bases[1:]:
        slow[:, unseen] = 0.0
    quickest = found.answers[-1]
    # One solve stands for all: the first that did not converge, or that of single frames.
    solves = [answer.decomposition for answer in found.answers]
    telling = next((solve for solve in solves if not solve.status.converged), solves[-1])
    parts = tuple(
        LevelParts(width, level, brief, answer.rank)
        for width, level, brief, answer in zip(used, found.bases, found.transients, found.answers)
    )
    scale = ColumnScale(found.answers[0].scale.center, quickest.scale.scale)
    rank = min(sum(part.rank for part in parts), values.shape[1])
    return SequenceSplit(rows, quickest.sigma, scale, telling, quickest.lags, rank, parts), (base, transient)


def levels_of(recording: Recording, sequences: Sequence[SequenceSplit]) -> tuple[Level, ...]:
    """The levels of all sequences put together, slowest first; () for a split on one level."""
    widths = sorted({part.width for sequence in sequences for part in sequence.levels}, reverse=True)
    if not widths:
        return ()
    center = ColumnScale.fit(recording.values, recording.mask, by="none").center
    found = []
    for width in widths:
        base, transient = np.zeros_like(recording.values), np.zeros_like(recording.values)
        ranks = []
        for sequence in sequences:
            part = next((part for part in sequence.levels if part.width == width), None)
            ranks.append(0 if part is None else part.rank)
            if part is not None:
                base[sequence.rows], transient[sequence.rows] = part.base, part.transient
            elif not sequence.levels and width == widths[0]:
                base[sequence.rows] = center  # nothing was observed: the base rests
        seconds = None if not recording.fps else width / float(recording.fps)
        found.append(Level(recording, width, seconds, tuple(ranks), base, transient))
    return tuple(found)


def level_notices(sequences: Sequence[SequenceSplit], widths: Sequence[int]) -> tuple[str, ...]:
    """Notices about the cost of several levels, and about sequences that are too short for one."""
    if len(widths) < 2:
        return ()
    notices = ["Several levels: bursts are cut at the edges of blocks, so take events from a split on one level."]
    short = [part for part in sequences if part.levels and len(part.levels) < len(widths)]
    if short:
        notices.append(
            f"{len(short)} of {len(sequences)} sequences are shorter than {FEWEST} blocks of {widths[0]} frames: their "
            "slow levels are empty."
        )
    return tuple(notices)
