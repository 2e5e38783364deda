"""Generated sessions whose valence and arousal are known: the base drives valence, bursts drive arousal."""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

TOUCHED = 3  # features of a burst


class Planted(NamedTuple):
    """Generated sessions with their parts: each attribute a list with one array (T_i, ...) per sequence.

    Attributes
    ----------
    sequences, bases, bursts : list of ndarray of shape (T_i, n_features)
        ``sequences = bases + bursts + noise``.
    ratings : list of ndarray of shape (T_i, 2)
        Valence and arousal.
    """

    sequences: list[np.ndarray]
    bases: list[np.ndarray]
    bursts: list[np.ndarray]
    ratings: list[np.ndarray]


def planted_affect(
    n_sequences: int = 60,
    n_frames: int = 100,
    n_features: int = 24,
    rank: int = 3,
    noise: float = 0.3,
    random_state: int = 0,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Per-frame features with known ratings.

    Valence is the first score of a slow low-rank base (scores drift over seconds). Arousal is the smoothed
    energy of sparse bursts that touch a few features for a few frames. What is asked for is the split: the
    energy of the raw features is dominated by the base, and single cells by noise.

    Parameters
    ----------
    n_sequences, n_frames, n_features, rank : int
        Lengths vary between two thirds of ``n_frames`` and ``n_frames``. The feature loadings are shared by all
        sequences.
    noise : float
        Standard deviation of the sensor noise; the base has about 1.
    random_state : int

    Returns
    -------
    sequences : list of ndarray of shape (T_i, n_features), float32
    ratings : list of ndarray of shape (T_i, 2), float32
        Valence and arousal, about in [-1, 1].

    Examples
    --------
    >>> X, y = planted_affect(2, 30)
    >>> [len(x) == len(r) for x, r in zip(X, y)], y[0].shape[1]
    ([True, True], 2)
    """
    found = planted_parts(n_sequences, n_frames, n_features, rank, noise, random_state)
    return found.sequences, found.ratings


def planted_parts(
    n_sequences: int = 60,
    n_frames: int = 100,
    n_features: int = 24,
    rank: int = 3,
    noise: float = 0.3,
    random_state: int = 0,
) -> Planted:
    """The same sessions as `planted_affect`, and the parts they were made of.

    Parameters
    ----------
    n_sequences, n_frames, n_features, rank, noise, random_state
        As in `planted_affect`.

    Returns
    -------
    Planted

    Examples
    --------
    >>> found = planted_parts(2, 30)
    >>> round(float(abs(found.sequences[0] - found.bases[0] - found.bursts[0]).mean()), 1)
    0.2
    """
    if n_features < 3 * TOUCHED:
        raise ValueError(
            f"n_features is {n_features}: give at least {3 * TOUCHED}, a burst touches {TOUCHED} of a third."
        )
    rng = np.random.default_rng(random_state)
    # The loadings belong to the task, not to the draw: train and test share them.
    loadings = np.random.default_rng(12345).normal(size=(rank, n_features)) / np.sqrt(rank)
    touched = np.random.default_rng(54321).permutation(n_features)[: n_features // 3]
    out = Planted([], [], [], [])
    for _ in range(n_sequences):
        length = int(rng.integers(2 * n_frames // 3, n_frames + 1))
        scores = gaussian_filter1d(rng.normal(size=(length + 60, rank)), 12, axis=0)[30:-30]
        scores = 1.5 * scores / 0.155  # a Gaussian of 12 frames leaves white noise this standard deviation
        bursts = np.zeros((length, n_features))
        pace = rng.uniform(0.02, 0.15)
        for start in np.flatnonzero(rng.random(length) < pace):
            features = rng.choice(touched, TOUCHED, replace=False)
            bursts[start : start + rng.integers(1, 4), features] += rng.choice([-1, 1], TOUCHED) * rng.uniform(
                2, 5, TOUCHED
            )
        base = scores @ loadings
        x = base + bursts + noise * rng.normal(size=(length, n_features))
        energy = gaussian_filter1d(np.sqrt((bursts**2).sum(1)), 6)
        rating = np.stack([np.tanh(scores[:, 0] / 1.5), np.tanh(energy / 1.5) * 2 - 1], 1)
        for rows, part in zip(out, (x, base, bursts, rating)):
            rows.append(part.astype(np.float32))
    return out
