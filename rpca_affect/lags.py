"""Frames beside their neighbours: the time-delay embedding, without a copy, and the mean over the copies of a cell."""

import math
from functools import lru_cache
from typing import Any

import numpy as np

from rpca_affect.arrays import Array, array_namespace, device, is_numpy_array

__all__ = ["averaged", "chosen_lags", "embedded", "embedded_norm", "surrounded"]

WIDE = 400  # columns of the embedded matrix to aim at, at most
NARROW = 150  # features from which on they vouch for each other, and time is not needed
LONGEST = 15  # frames: half a second of video
ROWS = 3000  # frames of the noise that the norm is measured on


def chosen_lags(model: Any, shape: tuple[int, int], ordered: bool) -> int:
    """Number of frames to stack, from ``model.lags``, shape and order of the frames.

    ``"auto"``: 1 for wide tables, for frames without order and for short recordings; otherwise about 400 columns, at
    most half a second (15 frames where the rate is not known), at least twice the longest transient where that is
    given.
    """
    frames, features = shape
    lags = model.lags
    if lags != "auto":
        if lags > max(1, frames // 2):
            raise ValueError(f"lags is {lags} for {frames} frames: give at most half of the frames")
        return int(lags)
    plain = model.noise is None or model.sparse == "frames" or model.options.get("rank") is not None
    if plain or not ordered or features > NARROW or frames < 60:
        return 1
    longest = LONGEST if model.fps is None else max(2, round(model.fps / 2))
    if model.max_transient is not None and model.fps is not None:
        longest = max(2, math.ceil(2 * model.max_transient * model.fps))
    return max(1, min(longest, WIDE // features, frames // 20))


def embedded(x: Array, lags: int) -> Array:
    """Stack every frame with those that follow it, ``[x(t), x(t + 1), ..., x(t + lags - 1)]``, as a view.

    Parameters
    ----------
    x : array, shape (m, n)
        Row-major.
    lags : int

    Returns
    -------
    array, shape (m - lags + 1, lags * n)
        A read-only view where the library has strided views; its rows overlap in memory.

    Examples
    --------
    >>> import numpy as np
    >>> embedded(np.arange(8.0).reshape(4, 2), 2)
    array([[0., 1., 2., 3.],
           [2., 3., 4., 5.],
           [4., 5., 6., 7.]])
    """
    if lags == 1:
        return x
    rows, features = x.shape[0] - lags + 1, x.shape[1]
    if is_numpy_array(x):
        x = np.ascontiguousarray(x)
        return np.lib.stride_tricks.as_strided(x, (rows, lags * features), x.strides, writeable=False)
    if hasattr(x, "as_strided"):
        return x.contiguous().as_strided((rows, lags * features), (features, 1))
    if hasattr(x, "strides") and hasattr(x, "data"):
        whole = x if x.flags.c_contiguous else x.copy()
        return type(x)((rows, lags * features), dtype=x.dtype, memptr=whole.data, strides=whole.strides)
    xp = array_namespace(x)
    return xp.concat([x[k : k + rows, :] for k in range(lags)], axis=1)


def surrounded(values: Array, mask: Array | None, lags: int) -> tuple[Array, Array | None]:
    """Window of every frame, with about as many neighbours before as after it; none beyond the ends.

    Parameters
    ----------
    values : array, shape (m, n)
    mask : array of bool, shape (m, n), or None
    lags : int

    Returns
    -------
    windows, mask : array, shape (m, lags * n)
        Cells before the first and after the last frame are missing.
    """
    if lags == 1:
        return values, mask
    xp = array_namespace(values)
    known = xp.ones_like(values, dtype=xp.bool) if mask is None else mask

    def padded(x: Array) -> Array:
        ends = xp.zeros((lags - 1, x.shape[1]), dtype=x.dtype, device=device(x))
        return xp.concat([ends[: lags // 2, :], x, ends[lags // 2 :, :]], axis=0)

    return embedded(padded(values), lags), embedded(padded(known), lags)


def averaged(windows: Array, lags: int) -> Array:
    """Mean over the copies of every cell: the least-squares inverse of `embedded`.

    Parameters
    ----------
    windows : array, shape (m - lags + 1, lags * n)
    lags : int

    Returns
    -------
    array, shape (m, n)

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(8.0).reshape(4, 2)
    >>> bool(np.allclose(averaged(embedded(x, 3), 3), x))
    True
    """
    if lags == 1:
        return windows
    xp = array_namespace(windows)
    rows, features = windows.shape[0], windows.shape[1] // lags
    total = xp.zeros((rows + lags - 1, features), dtype=windows.dtype, device=device(windows))
    for k in range(lags):
        total[k : k + rows, :] = total[k : k + rows, :] + windows[:, k * features : (k + 1) * features]
    places = np.arange(rows + lags - 1)
    copies = np.minimum(np.minimum(places + 1, places[::-1] + 1), min(lags, rows))
    return total / xp.asarray(copies[:, None], dtype=windows.dtype, device=device(windows))


@lru_cache(maxsize=64)
def embedded_norm(shape: tuple[int, int], lags: int) -> float:
    """Operator norm of embedded white noise of standard deviation 1, measured on one seeded draw.

    Windows overlap, so the norm is larger than that of independent noise of the embedded shape. Beyond a few thousand
    frames it grows as the root of their number.
    """
    frames, features = min(shape[0], ROWS), shape[1]
    noise = np.random.default_rng(0).standard_normal((frames, features))
    gram = _gram(noise, lags)
    rows = frames - lags + 1
    excess = math.sqrt(float(np.linalg.eigvalsh(gram)[-1])) - math.sqrt(rows)
    return math.sqrt(shape[0] - lags + 1) + excess


def _gram(x: np.ndarray, lags: int) -> np.ndarray:
    windows = embedded(x, lags)
    return windows.T @ windows
