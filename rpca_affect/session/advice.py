"""Which features of a recording are worth splitting together: tried out, so that nobody is sent to an empty result."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rpca_affect.doubts import Doubt
from rpca_affect.recordings import Recording
from rpca_affect.session.decomposing import decompose
from rpca_affect.session.prediction import LIMIT

__all__ = ["Advice", "advise"]

CELLS = 1_500_000  # that a trial may look at
MARGIN = 0.1  # above the limit, where only a part of the recording was tried


class Advice(NamedTuple):
    """The features to split, and how well their base predicted hidden cells.

    Attributes
    ----------
    features : tuple of str or None
        Names of feature groups; empty: all features. None where no choice gave a base that predicts anything.
    predicted, line : float or None
        As in `rpca_affect.session.prediction.Prediction`; of the first choice where none was good.
    doubt : Doubt or None
        Doubts about the first choice, where none was good.
    """

    features: tuple[str, ...] | None
    predicted: float | None
    line: float | None
    doubt: Doubt | None = None


def advise(recording: Recording) -> Advice:
    """Try the features that the format suggests, then each group alone, and name the first whose base is worth reading.

    Parameters
    ----------
    recording : Recording

    Returns
    -------
    Advice

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from rpca_affect.recordings import from_frame
    >>> rng = np.random.default_rng(0)
    >>> smile = np.outer(np.sin(np.arange(300) / 20), [1.0, 0.5, 0.8])
    >>> table = pd.DataFrame(smile + rng.normal(0, 0.05, smile.shape), columns=["AU06_r", "AU12_r", "AU25_r"])
    >>> advise(from_frame(table)).features
    ()
    """
    suggested = tuple(recording.meta["suggested"])
    everything: tuple[str, ...] = ()
    first = suggested if suggested and set(suggested) != set(recording.groups) else everything
    presence = set(recording.meta["presence"])  # 0 or 1: nothing to split
    several = [
        name
        for name, members in recording.groups.items()
        if len(members) > 1 and not presence.issuperset(recording.feature_names[i] for i in members)
    ]
    choices = dict.fromkeys([first, *((name,) for name in [*suggested, *several] if len(recording.groups) > 1)])
    tried, whole = _part(recording)
    refused: Advice | None = None
    for choice in choices:
        split = decompose(tried if not choice else tried.select(list(choice)))
        found = split.prediction
        if found is None or not found.says_something:
            return Advice(choice, None, None)
        severe = next((doubt for doubt in split.status.doubts if doubt.severe), None)
        if severe is None and found.predicted >= LIMIT + (0.0 if whole else MARGIN):
            return Advice(choice, found.predicted, found.line)
        refused = refused or Advice(None, found.predicted, found.line, severe or found.doubt(np.inf))
    return refused or Advice(first, None, None)


def _part(recording: Recording) -> tuple[Recording, bool]:
    """The middle of a long recording, and whether that is all of it."""
    frames = max(CELLS // max(recording.n_features, 1), 300)
    if recording.n_frames <= frames:
        return recording, True
    start = (recording.n_frames - frames) // 2
    rows = slice(start, start + frames)
    meta = recording.meta | {
        "index": recording.meta["index"][rows],
        "passthrough": recording.meta["passthrough"].iloc[rows],
    }
    part = replace(
        recording,
        values=recording.values[rows],
        mask=recording.mask[rows],
        time=None if recording.time is None else recording.time[rows],
        sequence_id=None if recording.sequence_id is None else recording.sequence_id[rows],
        meta=meta,
    )
    return part, False
