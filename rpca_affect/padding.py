"""Clips of different length as one stack, whose missing frames are NaN."""

from collections.abc import Sequence
from typing import Any

from rpca_affect.arrays import Array, array_namespace, as_floating, device

__all__ = ["pad_clips"]


def pad_clips(clips: Sequence[Any]) -> Array:
    """Stack clips of different length: frames that a clip does not have are NaN, that is missing.

    Parameters
    ----------
    clips : sequence of arrays, each of shape (frames_i, features)
        Of one array library, device and number of features.

    Returns
    -------
    array, shape (clips, max(frames_i), features)
        Cut an answer back with ``x[i, : len(clips[i])]``.

    Raises
    ------
    ValueError
        If there is no clip, or the clips do not have the same features.

    Examples
    --------
    >>> import numpy as np
    >>> pad_clips([np.ones((2, 3)), np.ones((4, 3))]).shape
    (2, 4, 3)
    """
    arrays = [as_floating(clip) for clip in clips]
    if not arrays:
        raise ValueError("there is no clip to stack: give at least one")
    features = {x.shape[-1] if x.ndim == 2 else None for x in arrays}
    if len(features) > 1 or None in features:
        shapes = ", ".join(str(tuple(x.shape)) for x in arrays[:4])
        raise ValueError(f"clips of shapes {shapes} do not stack: each must be frames x the same features")
    xp = array_namespace(*arrays)
    longest = max(x.shape[0] for x in arrays)

    def padded(x: Array) -> Array:
        missing = xp.full((longest - x.shape[0], x.shape[1]), xp.nan, dtype=x.dtype, device=device(x))
        return xp.concat([x, missing]) if x.shape[0] < longest else x

    return xp.stack([padded(x) for x in arrays])
