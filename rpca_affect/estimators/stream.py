"""Updates of a stream: frames are split on the current base, directions admitted, the noise level tracked."""

import math
from typing import NamedTuple

from rpca_affect.arrays import Array, Observed, array_namespace
from rpca_affect.estimators.estimator import oriented
from rpca_affect.estimators.outliers import distances
from rpca_affect.estimators.sketch import MEMORY, SPARE, Callers, Sketch, excess_of, leading
from rpca_affect.lags import averaged, embedded
from rpca_affect.projection import KNEE, split_rest

__all__ = ["Past", "followed", "joined", "read", "rows_of"]

ADMISSIONS = 3  # readings of a block in which directions ask to be let in
MIDDLE = 0.6744897501960817  # half of normal noise lies within so many standard deviations
SLOPE = 0.4286  # by how much that share changes with the logarithm of the deviation
ROUGHLY = 0.03  # accuracy of the scores of an update, in units of the noise
STEPS = 20  # steps of the fit of an update, at most
LEAST_SHARE = 0.6  # of the cells within the knee: below, a step as long as this share asks for may overshoot
SPREADS = 4.0  # deviations of a feature at which its cells are clipped for a start


class Block(NamedTuple):
    """A block of frames as the base sees it; the first ``lags - 1`` frames belong to the block before.

    Attributes
    ----------
    cleaned : array, shape (lags - 1 + m, n)
        Centred frames without their sparse part; a missing cell holds the prediction.
    rest : array, shape (lags - 1 + m, n)
        Remainder ``M - L``; 0 where a cell is missing.
    """

    cleaned: Array
    rest: Array


def read(
    values: Array,
    mask: Array | None,
    base: Array,
    spread: Array,
    scale: Array,
    reach: Array,
    sparse: str,
    lags: int,
) -> Block:
    """Split centred frames on a base held fixed: a Huber fit of their windows, and S from the cells out of its reach.

    Parameters
    ----------
    values, mask : array, shape (lags - 1 + m, n)
        0 where a cell is missing.
    base : array, shape (k, lags * n)
        Orthonormal rows.
    spread, scale, reach : array, shape (n,)
        Deviation of a feature, unit of the fit, and size from which a cell is none of the base.
    sparse : {"cells", "frames"}
    lags : int

    Returns
    -------
    Block
    """
    xp = array_namespace(values)
    known = None if mask is None else embedded(mask, lags)
    near = xp.clip(values, -SPREADS * spread, SPREADS * spread) if sparse == "cells" else values
    wide = scale if lags == 1 else xp.concat([scale] * lags)
    knee = KNEE if sparse == "cells" else math.inf
    scores = quick_scores(embedded(values, lags) / wide, embedded(near, lags) / wide, known, base / wide, knee)
    low_rank = averaged(scores @ base, lags)
    rest = values - low_rank
    if mask is not None:
        rest = xp.where(mask, rest, xp.zeros_like(rest))
    away = split_rest(rest, reach, sparse, whole=True)
    cleaned = values - away
    if mask is not None:
        cleaned = xp.where(mask, cleaned, low_rank)
    return Block(cleaned, rest)


def quick_scores(target: Array, near: Array, known: Array | None, design: Array, knee: float) -> Array:
    """Fit frames as `rpca_affect.projection.robust_scores` does, to the accuracy of an update, by thin products alone.

    A step fits what is left within the knee (Huber's method of modified residuals), lengthened by the share of cells
    that lie there: one factorisation serves all frames and steps.

    Parameters
    ----------
    target, near : array, shape (m, n)
        Frames in units of the noise, and the same without what no frame can be, to start from.
    known : array of bool, shape (m, n), or None
    design : array, shape (k, n)
        The base in units of the noise.
    knee : float

    Returns
    -------
    array, shape (m, k)

    References
    ----------
    Huber & Ronchetti (2009), Robust Statistics, section 7.8.
    """
    xp = array_namespace(target)
    turned = xp.matrix_transpose(design)
    inverse = xp.matrix_transpose(xp.linalg.solve(design @ turned, design))
    zero = xp.zeros_like(target[:1, :1])
    scores = (near if known is None else xp.where(known, near, zero)) @ inverse
    for _ in range(STEPS):
        rest = target - scores @ design
        if known is not None:
            rest = xp.where(known, rest, zero)
        inside = xp.abs(rest) <= knee
        if known is not None:
            inside = inside & known
        share = xp.mean(xp.astype(inside, target.dtype), axis=1, keepdims=True)
        move = (xp.clip(rest, -knee, knee) @ inverse) / xp.clip(share, LEAST_SHARE, 1.0)
        scores = scores + move
        if float(xp.max(xp.abs(move @ design))) <= ROUGHLY:
            break
    return scores


def followed(scale: Array, rest: Array, mask: Array | None, gain: float) -> Array:
    """Move a scale towards the median absolute deviation of the remainder, in proportion to ``gain``.

    The share of cells within ``0.67 scale`` is one half where the scale is right, whatever the outliers are: a step of
    Newton's method on its logarithm, which a small block takes without bias.

    Parameters
    ----------
    scale : array, shape (n,)
    rest : array, shape (m, n)
    mask : array of bool, shape (m, n), or None
    gain : float
        Share of this block in the memory.

    Returns
    -------
    array, shape (n,)

    References
    ----------
    Robbins & Monro (1951), A stochastic approximation method.
    """
    xp = array_namespace(rest)
    beyond = xp.astype(xp.abs(rest) > MIDDLE * scale, rest.dtype)
    if mask is None:
        return scale * xp.exp(gain * (xp.mean(beyond, axis=0) - 0.5) / SLOPE)
    known = xp.astype(mask, rest.dtype)
    count = xp.sum(known, axis=0)
    away = xp.sum(beyond * known, axis=0) - 0.5 * count
    return scale * xp.exp(gain * away / (SLOPE * max(rest.shape[0], 1)))


class Past:
    """All that a stream knows after its warm-up.

    Parameters
    ----------
    block : Observed
        Frames of the warm-up (m, n).
    cleaned : array, shape (m, n)
        The same without their sparse part, missing cells filled from the base.
    rank, lags : int
    scale, share : array, shape (n,)
        Deviation of the remainder ``M - L``, and of the noise as a share of it.

    Attributes
    ----------
    sketch : Sketch
    components : array, shape (rank, lags * n)
        The sign of a component is kept over updates.
    scale : array, shape (n,)
    near : tuple of two arrays
        Score and orthogonal distances of the last frames, as the base saw them before it learned from them.
    places : array, shape (1000 at most, rank)
        Scores of every ``every``-th frame of all that count, seen from the mean of the warm-up: what drifts takes the
        mean along.
    every : int
    travelled : array, shape (rank,)
        How far the mean has moved from there.
    tail : Observed or None
        The last ``lags - 1`` frames; None at the start of a sequence.
    norm : float
        Operator norm of noise of the shape of the warm-up.
    """

    def __init__(self, block: Observed, cleaned: Array, rank: int, lags: int, scale: Array, share: Array) -> None:
        self.rank, self.lags, self.scale, self.share = rank, lags, scale, share
        shape = (cleaned.shape[0], cleaned.shape[1])
        self.excess = excess_of(shape, lags)
        self.norm = math.sqrt(shape[0] - lags + 1) + self.excess
        self.sketch = Sketch(cleaned[0, :], lags, rank + SPARE)
        self.sketch.absorb(cleaned, 1.0)
        self.callers = Callers(cleaned, lags * shape[1])
        self.components = oriented(self.sketch.directions[:rank, :])
        mean = self.sketch.mean
        scores, rest = self._seen(cleaned - mean, block.values - mean, block.mask)
        grown = math.sqrt((1 + rank / shape[0]) / max(1 - rank / shape[0], 0.5))  # these frames were fitted
        known = None if block.mask is None else block.mask[lags - 1 :, :]
        inside, beside = distances(scores, rest, known, self.variance, scale)
        self.near = (grown * inside, grown * beside)
        self.places, self.travelled, self.every = scores, 0.0 * scores[0, :], 1
        self.tail = self._ending(block)

    @property
    def variance(self) -> Array:
        """Of the scores on every component, shape (rank,)."""
        xp = array_namespace(self.sketch.values)
        size = xp.maximum(self.sketch.values[: self.rank], xp.finfo(self.scale.dtype).eps * self.sketch.values[0])
        return xp.where(size > 0, size, xp.ones_like(size)) ** 2 / max(self.sketch.weight - 1.0, 1.0)

    def learn(self, block: Observed, reach: float, sparse: str, half_life: float | None) -> None:
        """Split a block on the base so far, admit new components, and merge the frames without their sparse part.

        Parameters
        ----------
        block : Observed
            Frames (m, n) that follow.
        reach : float
            Deviations of the noise from which a cell is none of the base.
        sparse : {"cells", "frames"}
        half_life : float or None
        """
        xp = array_namespace(block.values)
        whole = self._with_tail(block)
        values, mask = whole.values - self.sketch.mean, whole.mask
        if mask is not None:
            values = xp.where(mask, values, xp.zeros_like(values))
        cleaned = self._cleaned(values, mask, reach, sparse)
        scores, rest = self._seen(cleaned, values, mask)
        new = distances(scores, rest, block.mask, self.variance, self.scale)
        self.near = (self._last(self.near[0], new[0]), self._last(self.near[1], new[1]))
        self._keep(scores + self.travelled)
        frames, mean = block.values.shape[0], self.sketch.mean
        self.sketch.absorb(cleaned, 1.0 if half_life is None else 0.5 ** (frames / half_life))
        components = self.sketch.directions[: self.rank, :]
        agree = xp.sum(components * self.components, axis=1, keepdims=True)
        self.components = xp.where(agree < 0, -components, components)
        moved = xp.concat([self.sketch.mean - mean] * self.lags)
        self.travelled = self.travelled + self.components @ moved
        self.scale = followed(self.scale, rest, block.mask, min(1.0, frames / min(self.sketch.weight, MEMORY)))
        self.tail = self._ending(whole)

    def _cleaned(self, values: Array, mask: Array | None, reach: float, sparse: str) -> Array:
        """Centred frames without their sparse part, read again with every direction that asks to be let in."""
        xp = array_namespace(values)
        sigma = self.share * self.scale
        for _ in range(ADMISSIONS):
            count = max(self.rank, self.sketch.above(sigma, self.excess))
            base, spread = self.sketch.directions[:count, :], self.sketch.spread(self.scale)
            seen = read(values, mask, base, spread, self.scale, reach * sigma, sparse, self.lags)
            noise = (seen.rest - split_rest(seen.rest, reach * sigma, sparse)) / sigma
            asking = self.callers.heard(noise, self.lags, self.excess)
            if not asking.shape[0]:
                break
            _, admitted = leading(asking * xp.concat([sigma] * self.lags), asking.shape[0])
            self.sketch.admit(admitted, 1.01 * (math.sqrt(self.sketch.weight) + self.excess) * float(xp.max(sigma)))
        return seen.cleaned

    def _seen(self, cleaned: Array, values: Array, mask: Array | None) -> tuple[Array, Array]:
        """Scores of centred frames on the components, and the remainder; without the frames of the tail."""
        xp = array_namespace(values)
        scores = embedded(cleaned, self.lags) @ xp.matrix_transpose(self.components)
        rest = values - averaged(scores @ self.components, self.lags)
        if mask is not None:
            rest = xp.where(mask, rest, xp.zeros_like(rest))
        return scores, rest[-scores.shape[0] :, :]

    def _with_tail(self, block: Observed) -> Observed:
        """The block after the last frames of the one before; at the start of a sequence after missing ones."""
        if self.lags == 1:
            return block
        if self.tail is None:
            xp = array_namespace(block.values)
            nothing = xp.zeros((self.lags - 1, block.values.shape[1]), dtype=block.values.dtype)
            self.tail = Observed(nothing, xp.zeros_like(nothing, dtype=xp.bool))
        return joined([self.tail, block])

    def _ending(self, frames: Observed) -> Observed | None:
        last = slice(frames.values.shape[0] - self.lags + 1, None)
        return rows_of(frames, last) if self.lags > 1 else None

    def _keep(self, places: Array) -> None:
        """Add where frames were to the places; twice as far apart once there are too many, none that has faded."""
        known = array_namespace(places).concat([self.places, places[:: self.every, :]], axis=0)
        while known.shape[0] > 2 * MEMORY:
            known, self.every = known[::2, :], 2 * self.every
        self.places = known[-math.ceil(self.sketch.weight / self.every) - places.shape[0] :, :]

    @staticmethod
    def _last(old: Array, new: Array) -> Array:
        return array_namespace(old).concat([old, new], axis=0)[-MEMORY:]


def rows_of(observed: Observed, rows: slice) -> Observed:
    """Some frames of many."""
    return _complete(observed.values[rows, :], None if observed.mask is None else observed.mask[rows, :])


def joined(parts: list[Observed]) -> Observed:
    """Frames that follow each other, in one table."""
    if len(parts) == 1:
        return _complete(*parts[0])
    xp = array_namespace(parts[0].values)
    values = xp.concat([part.values for part in parts], axis=0)
    if all(part.mask is None for part in parts):
        return Observed(values)
    masks = [xp.ones_like(part.values, dtype=xp.bool) if part.mask is None else part.mask for part in parts]
    return _complete(values, xp.concat(masks, axis=0))


def _complete(values: Array, mask: Array | None) -> Observed:
    """Frames without a mask where no cell is missing: how they were handed over is not to be seen."""
    return Observed(values, None if mask is None or bool(array_namespace(mask).all(mask)) else mask)
