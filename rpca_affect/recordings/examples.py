"""Examples: small files as each program writes them, generated, with what reading them must give."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class Example:
    """A generated file and what is in it.

    Attributes
    ----------
    path : Path
        The file.
    values : DataFrame of shape (n_frames, n_features)
        The features in the order of the file, as they are written there.
    fps : float or None
        Frames per second; None where the file does not tell.
    masked : ndarray of bool, shape (n_frames,)
        Frames in which the program saw nothing.
    n_sequences : int
        People, faces or clips in the file.
    """

    path: Path
    values: pd.DataFrame
    fps: float | None
    masked: np.ndarray
    n_sequences: int = 1


def wandering(
    names: Sequence[str],
    n_frames: int,
    rng: np.random.Generator,
    low: float = 0.0,
    high: float = 1.0,
    digits: int = 5,
) -> pd.DataFrame:
    """Features that drift between two bounds, each in its own way and with a little noise, as those of a face do."""
    time = np.linspace(0, 2 * np.pi, n_frames)[:, None]
    speed, phase = rng.uniform(0.5, 3, len(names)), rng.uniform(0, 2 * np.pi, len(names))
    level = 0.5 + 0.35 * np.sin(speed * time + phase) + rng.uniform(-0.1, 0.1, (n_frames, len(names)))
    return pd.DataFrame((low + (high - low) * level).round(digits), columns=pd.Index(list(names), dtype=object))


def some_frames(n_frames: int, rng: np.random.Generator, most: int = 6) -> np.ndarray:
    """A few frames in a row, in the middle, in which the face is lost."""
    lost = np.zeros(n_frames, dtype=bool)
    first = int(rng.integers(n_frames // 4, n_frames // 2))
    lost[first : first + int(rng.integers(1, most + 1))] = True
    return lost
