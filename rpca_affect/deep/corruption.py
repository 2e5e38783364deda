"""Broken frames on purpose: dropped, zeroed, spiked or frozen, to measure the loss of a model."""

from collections.abc import Sequence

import numpy as np

KINDS = ("dropped", "zeroed", "spiked", "frozen")


def corrupt(
    sequences: Sequence[np.ndarray], share: float, kind: str = "mixed", random_state: int = 0, size: float = 5.0
) -> list[np.ndarray]:
    """Break a share of the frames of every sequence; nothing marks which, but for dropped ones.

    Parameters
    ----------
    sequences : sequence of ndarray (T_i, D)
        Never modified.
    share : float
        Between 0 and 1.
    kind : {"dropped", "zeroed", "spiked", "frozen", "mixed"}
        A dropped frame is missing (NaN); a zeroed one silently reads 0 in every feature, as some trackers write
        when they lose the face; a spiked one gets noise of ``size`` standard deviations of each feature; a
        frozen run repeats the frame before it (up to 5 frames long). "mixed" draws one of these for each
        sequence.
    random_state : int
    size : float

    Returns
    -------
    list of ndarray (T_i, D)

    Examples
    --------
    >>> import numpy as np
    >>> broken = corrupt([np.ones((10, 2))], 0.3, "zeroed")
    >>> int((broken[0] == 0).all(1).sum())
    3
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share}; give a number between 0 and 1.")
    if kind not in (*KINDS, "mixed"):
        raise ValueError(f"kind is {kind!r}; give one of {', '.join(KINDS)} or mixed.")
    rng = np.random.default_rng(random_state)
    spread = np.nanstd(np.concatenate(list(sequences)), axis=0)
    broken = []
    for sequence in sequences:
        out = np.array(sequence)
        count = round(share * len(out))
        chosen = rng.choice(KINDS) if kind == "mixed" else kind
        if chosen == "frozen":
            for frame in _runs(len(out), count, rng):
                out[frame] = out[max(frame - 1, 0)]
        else:
            frames = rng.permutation(len(out))[:count]
            noise = size * spread * rng.standard_normal((count, out.shape[1]))
            out[frames] = {"dropped": np.nan, "zeroed": 0.0}.get(chosen, out[frames] + noise)
        broken.append(out)
    return broken


def _runs(length: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Frames in runs of up to five, ``count`` in all."""
    hit = np.zeros(length, dtype=bool)
    while hit.sum() < count:
        start = rng.integers(length)
        run = min(5, count - int(hit.sum()))
        hit[start : start + run] = True
    return np.flatnonzero(hit)
