"""The time-delay embedding of a table, without a copy, and the mean over the copies of a cell."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import numpy as np

from rpca_affect.arrays import Array, Observed, array_namespace, device, is_numpy_array

__all__ = [
    "Windows",
    "apart",
    "averaged",
    "chosen_lags",
    "embedded",
    "embedded_norm",
    "stretches",
    "surrounded",
    "windows_of",
]

WIDE = 400  # columns of the embedded matrix to aim at, at most
NARROW = 150  # features from which on they vouch for each other, and time is not needed
LONGEST = 15  # frames: half a second of video
CELLS = 1 << 17  # of windows that are made at a time: they stay in the cache
ROWS = 3000  # frames of the noise that the norm is measured on

A = TypeVar("A", bound=Array)  # the array library of the input


class Windows(NamedTuple):
    """The windows of a table of sequences that lie below each other; no window holds frames of two of them.

    Attributes
    ----------
    lags : int
        Frames in a window.
    inside : array of bool, shape (m - lags + 1,), or None
        Which stretches of ``lags`` rows lie within one sequence; None where all do.
    """

    lags: int = 1
    inside: Array | None = None

    @property
    def number(self) -> int | None:
        """Number of windows within a sequence; None where all are."""
        return None if self.inside is None else _count(self.inside)

    def mask(self, trusted: Array | None, shape: tuple[int, int]) -> Array | None:
        """Cells of the embedded matrix that count, of a table of this shape; a view where no cell is missing."""
        if self.inside is None:
            return None if trusted is None else embedded(trusted, self.lags)
        xp = array_namespace(self.inside)
        if trusted is None:
            return xp.broadcast_to(self.inside[:, None], (self.inside.shape[0], self.lags * shape[1]))
        return embedded(trusted, self.lags) & self.inside[:, None]

    def mean(self, embedding: Array) -> Array:
        """Mean over the copies of every cell, shape (m, n)."""
        if self.lags == 1:
            return embedding
        features = embedding.shape[1] // self.lags
        return self.mean_of(
            lambda rows: embedding[rows, :], embedding.shape[0] + self.lags - 1, embedding[:1, :features]
        )

    def mean_of(self, some: Callable[[slice], Array], frames: int, like: Array) -> Array:
        """The same of windows that ``some`` makes a few at a time, shape (rows, lags * n), for frames of ``like``."""
        xp, features = array_namespace(like), like.shape[1]
        if self.lags == 1:
            alone = xp.empty_like(like)
            for rows in stretches(frames, features):
                alone[rows, :] = some(rows)
            return alone
        total = xp.zeros((frames, features), dtype=like.dtype, device=device(like))
        copies = xp.zeros((frames, 1), dtype=like.dtype, device=device(like))
        for rows in stretches(frames - self.lags + 1, self.lags * features):
            answers, counted = some(rows), xp.ones_like(copies[rows, :])
            if self.inside is not None:
                answers = xp.where(self.inside[rows][:, None], answers, xp.zeros_like(answers[:1, :]))
                counted = xp.astype(self.inside[rows][:, None], like.dtype)
            for k in range(self.lags):
                place = slice(rows.start + k, rows.stop + k)
                total[place, :] = total[place, :] + answers[:, k * features : (k + 1) * features]
                copies[place, :] = copies[place, :] + counted
        total /= xp.maximum(copies, xp.ones_like(copies))
        return total

    def rows(self, x: Array) -> Array:
        """The windows of a table, shape (windows, lags * n); a view for a single sequence."""
        return embedded(x, self.lags) if self.inside is None else embedded(x, self.lags)[self.inside]

    def unrolled(self, rows: Array) -> Array:
        """Mean over the copies of every cell, of windows as `rows` gives them, shape (m, n)."""
        if self.inside is None:
            return averaged(rows, self.lags)
        xp = array_namespace(rows)
        place = xp.cumulative_sum(xp.astype(self.inside, xp.int64)) - 1
        return self.mean(xp.take(rows, xp.where(place < 0, xp.zeros_like(place), place), axis=0))


def windows_of(lags: int, lengths: Sequence[int] | None, like: Array) -> Windows:
    """Windows of sequences of these lengths, on the device of ``like``; ``lengths`` None is a single sequence."""
    if lags == 1 or lengths is None or len(lengths) == 1:
        return Windows(lags)
    number = np.repeat(np.arange(len(lengths)), lengths)
    inside = number[lags - 1 :] == number[: number.shape[0] - lags + 1]
    return Windows(lags, array_namespace(like).asarray(inside, device=device(like)))


def apart(observed: Observed, lengths: Sequence[int] | None, gap: int) -> Observed:
    """Put ``gap`` missing frames between sequences, so that no window reaches into another sequence."""
    if lengths is None or len(lengths) == 1:
        return observed
    values = observed.values
    xp = array_namespace(values)
    total = values.shape[0] + gap * (len(lengths) - 1)
    places = np.arange(values.shape[0]) + gap * np.repeat(np.arange(len(lengths)), lengths)
    source, real = np.zeros(total, dtype=np.int64), np.zeros((total, 1), dtype=bool)
    source[places], real[places] = np.arange(values.shape[0]), True
    there, known = xp.asarray(source, device=device(values)), xp.asarray(real, device=device(values))
    spread_out = xp.take(values, there, axis=0)
    if observed.mask is not None:
        known = known & xp.take(observed.mask, there, axis=0)
    known = xp.broadcast_to(known, spread_out.shape)
    return Observed(xp.where(known, spread_out, xp.zeros_like(spread_out)), known)


def chosen_lags(model: Any, shape: tuple[int, int], ordered: bool, lengths: Sequence[int] | None = None) -> int:
    """Number of frames to stack, from ``model.lags``, shape and order of the frames.

    ``"auto"``: 1 for wide tables, for frames without order and for short recordings; otherwise about 400 columns, at
    most half a second (15 frames where the rate is not known), at least twice the longest transient where that is
    given. Of several sequences the shortest decides, as each needs a window of its own.
    """
    frames, features = shape
    lags = model.lags
    shortest = frames if lengths is None else min(lengths)
    if lags != "auto":
        if lags > max(1, frames // 2):
            raise ValueError(f"lags is {lags} for {frames} frames: give at most half of the frames")
        if lags > shortest:
            raise ValueError(
                f"lags is {lags}, and a sequence has {shortest} frames: give at most {shortest}, or leave it out"
            )
        return int(lags)
    plain = model.noise is None or model.sparse == "frames" or model.options.get("rank") is not None
    if plain or not ordered or features > NARROW or frames < 60:
        return 1
    longest = longest_transient(model)
    if model.max_transient is not None and model.fps is not None:
        longest = max(2, math.ceil(2 * model.max_transient * model.fps))
    return max(1, min(longest, WIDE // features, frames // 20, shortest))


def longest_transient(model: Any) -> int:
    """Frames that a transient takes at most: ``max_transient``, or half a second (15 frames without a rate)."""
    if model.fps is None:
        return LONGEST
    if model.max_transient is not None:
        return max(1, math.ceil(model.max_transient * model.fps))
    return max(2, round(model.fps / 2))


def embedded(x: A, lags: int) -> A:
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
    given: Any = x
    if is_numpy_array(given):
        given = np.ascontiguousarray(given)
        # Strides of an axis of length 1 are arbitrary: those of a row of one feature may be 0.
        steps = (features * given.itemsize, given.itemsize)
        view: Any = np.lib.stride_tricks.as_strided(given, (rows, lags * features), steps, writeable=False)
        return view
    if hasattr(given, "as_strided"):
        return given.contiguous().as_strided((rows, lags * features), (features, 1))
    if hasattr(given, "strides") and hasattr(given, "data"):
        whole = given if given.flags.c_contiguous else given.copy()
        return type(given)((rows, lags * features), dtype=given.dtype, memptr=whole.data, strides=whole.strides)
    return array_namespace(given).concat([given[k : k + rows, :] for k in range(lags)], axis=1)


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


def averaged(windows: Array, lags: int, inside: Array | None = None) -> Array:
    """Mean over the copies of every cell: the least-squares inverse of `embedded`.

    Parameters
    ----------
    windows : array, shape (m - lags + 1, lags * n)
    lags : int
    inside : array of bool, shape (m - lags + 1,), optional
        Windows that count; default all.

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
    return Windows(lags, inside).mean(windows)


def stretches(rows: int, width: int, least: int = 1) -> list[slice]:
    """Rows a few at a time: as many as make about so many cells of this width."""
    step = max(least, CELLS // max(width, 1))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


@lru_cache(maxsize=64)
def embedded_norm(shape: tuple[int, int], lags: int, count: int | None = None) -> float:
    """Operator norm of embedded white noise of standard deviation 1, measured on one seeded draw.

    Windows overlap, so the norm is larger than that of independent noise of the embedded shape. Beyond a few thousand
    frames it grows as the root of the number of windows, which is ``count`` where not all rows begin one.
    """
    frames, features = min(shape[0], ROWS), shape[1]
    noise = np.random.default_rng(0).standard_normal((frames, features))
    gram = _gram(noise, lags)
    rows = frames - lags + 1
    excess = math.sqrt(float(np.linalg.eigvalsh(gram)[-1])) - math.sqrt(rows)
    return math.sqrt(shape[0] - lags + 1 if count is None else count) + excess


def _gram(x: np.ndarray, lags: int) -> np.ndarray:
    windows = embedded(x, lags)
    return windows.T @ windows


def _count(chosen: Array) -> int:
    xp = array_namespace(chosen)
    return int(xp.sum(xp.astype(chosen, xp.int64)))
