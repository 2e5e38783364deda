"""What a sparse and a noise part cost together, once the best of both is taken."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Bound", "shortening"]


class Bound(NamedTuple):
    """What the sparse operator does at one penalty: ``kept = clip(give * wanted)``, or ``wanted * factor * give``."""

    limit: float  # lam / mu+, the largest length of a kept cell or frame
    give: Any  # 1 / (1 + mu+ slack), None for 1
    factor: np.ndarray | None = None  # per column, where frames are columns


def shortening(length: np.ndarray, level: Any) -> np.ndarray:
    """Share that stays of frames of these lengths when none may be longer than the level."""
    return np.minimum(1.0, level / np.where(length > 0, length, 1)).astype(length.dtype)
