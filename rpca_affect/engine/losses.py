"""What a sparse and a noise part cost together, once the best of both is taken."""

from typing import Any

import numpy as np

__all__ = ["huber"]


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
