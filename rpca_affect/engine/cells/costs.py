"""What a sparse and a noise part cost together, once the best of both is taken."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Bound", "huber", "shortening"]


class Bound(NamedTuple):
    """What the sparse operator does at one penalty: ``kept = clip(give * wanted)``, or ``wanted * factor * give``."""

    limit: float  # lam / mu+, the largest length of a kept cell or frame
    give: Any  # 1 / (1 + mu+ slack), None for 1
    factor: np.ndarray | None = None  # per column, where frames are columns


def huber(size: np.ndarray, lam: float, slack: Any) -> float:
    """Sum of ``min_n lam |s - n| + n^2 / (2 slack)`` over lengths s, which are overwritten; n is 0 without slack."""
    slack = np.asarray(slack, dtype=size.dtype)
    plain = slack == 0
    linear = lam * float(np.sum(size, where=plain, dtype=np.float64)) if np.any(plain) else 0.0
    part = np.minimum(size, lam * slack)  # of the noise; s part - part^2 / 2 is the value times slack
    size *= 2
    size -= part
    size *= part
    size /= np.where(plain, 1, 2 * slack)
    return linear + float(np.sum(size, dtype=np.float64))


def shortening(length: np.ndarray, level: Any) -> np.ndarray:
    """Share that stays of frames of these lengths when none may be longer than the level."""
    return np.minimum(1.0, level / np.where(length > 0, length, 1)).astype(length.dtype)
