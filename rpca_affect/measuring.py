"""What a recording says about its own noise: gross cells, order in time, and how noisy every feature is."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.doubts import Doubt, merged
from rpca_affect.lags import apart
from rpca_affect.noise import MAD_TO_SIGMA, ColumnScale, noise_level, spread

__all__ = ["Measured", "measured_levels", "measured_noise"]

WINDOW = 9  # frames of a running median: isolated outliers, one cell in ten, hardly ever fill half of it
WINDOWS = 1000  # running medians that the deviation is measured from, evenly spread over the recording
FAR = 20.0  # spreads from the median beyond which a stretch of a feature is looked at twice
ROUGH = 0.3  # a stretch is garbage where it jumps, from frame to frame, by this share of its distance
HELD = 3  # equal neighbours, in a stretch far away, that give a sentinel away
GROSS = 30.0  # deviations from the median beyond which a cell is no value of its feature
SHORT = 30  # frames below which order cannot be told
UNORDERED = 0.9  # first differences of frames in order are small against those of the same frames shuffled
PASSES = 8  # rounds in which components are taken out until nothing rises above noise
BULK_ROWS = 2000  # frames that the singular values are taken of


class Measured(NamedTuple):
    """What a recording says about its noise.

    Attributes
    ----------
    center : array, shape (n,)
        Median of every feature.
    deviation : array, shape (n,)
        Standard deviation about it without outliers: movements that last count, glitches and sentinels do not.
    trusted : array of bool, shape (m, n), or None
        Observed cells that are not gross; None where all cells are.
    gross : int
        Number of gross cells.
    level : array, shape (n,)
        Standard deviation of the noise.
    ratio : float
        First differences over those of shuffled frames, mean over the features that move; 1 without order in time.
    ordered : bool
    """

    center: Array
    deviation: Array
    trusted: Array | None
    gross: int
    level: Array
    ratio: float
    ordered: bool

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Say so where the frames show no order in time."""
        return () if self.ordered else (Doubt("unordered", {"ratio": round(self.ratio, 3)}),)


def measured_noise(observed: Observed, lengths: Sequence[int] | None = None) -> Measured:
    """Measure the noise of every feature of one recording, with a breakdown point far above its share of outliers.

    Cells further than 30 deviations from their median are gross: they are no values of the feature, and differences
    with them are not counted. Frames in time order show the noise in their first differences
    (`rpca_affect.noise_level`); where the frames show no order it is what is left when all components are taken
    out that rise above the singular values of noise, ``sqrt(m) + sqrt(n)``.

    Parameters
    ----------
    observed : Observed
        One matrix (m, n).
    lengths : sequence of int, optional
        Frames of every sequence that it holds; default one. Neighbours in time are those of the same sequence.

    Returns
    -------
    Measured

    References
    ----------
    Davidson & Szarek (2001), Local operator theory, random matrices and Banach spaces (singular values of noise).

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).standard_normal((400, 20))
    >>> signal = np.outer(np.sin(np.arange(400) / 20), np.linspace(5, 9, 20))
    >>> frames = signal + noise; frames[::40] = -999.0
    >>> found = measured_noise(Observed(frames))
    >>> found.ordered, found.gross, bool(abs(found.level - 1).max() < 0.3)
    (True, 200, True)
    """
    xp = array_namespace(observed.values)
    values, mask = observed
    center = ColumnScale.fit(values, mask, by="none").center
    size = spread(values, mask)
    deviation = xp.maximum(size, _deviation(apart(observed, lengths, WINDOW - 1), center, size))
    far = xp.abs(values - center) > GROSS * xp.where(deviation > 0, deviation, xp.full_like(deviation, math.inf))
    if mask is not None:
        far = far & mask
    gross = int(xp.sum(xp.astype(far, xp.int64)))
    trusted = mask if not gross else (~far if mask is None else mask & ~far)
    level = noise_level(*apart(Observed(values, trusted), lengths, 1))
    # What the differences are once the order is gone, whatever the distribution of the values.
    mixed = xp.asarray(np.random.default_rng(0).permutation(values.shape[0]), device=device(values))
    loose = noise_level(xp.take(values, mixed, axis=0), None if trusted is None else xp.take(trusted, mixed, axis=0))
    moving = loose > 0
    count = float(xp.sum(xp.astype(moving, size.dtype)))
    shares = xp.where(moving, level / xp.where(moving, loose, xp.ones_like(loose)), xp.zeros_like(loose))
    ratio = float(xp.sum(shares)) / count if count else 0.0
    ordered = ratio <= UNORDERED or values.shape[0] < SHORT
    if not ordered:
        level = _bulk_level(values, trusted, center, size)
    # A norm of noise fluctuates by about 1, and so does what is measured: better a little too much than components.
    level = level * (1 + 1 / (math.sqrt(values.shape[0]) + math.sqrt(values.shape[1])))
    return Measured(center, deviation, trusted, gross, level, ratio, ordered)


def measured_levels(observed: Observed) -> tuple[Array, tuple[Doubt, ...]]:
    """Noise of every feature of a matrix (n,) or of every matrix of a stack (..., n), and where no order was found."""
    xp = array_namespace(observed.given)
    shape = tuple(observed.given.shape)
    if len(shape) == 2:
        found = measured_noise(observed)
        return found.level, found.doubts
    flat = (math.prod(shape[:-2]), *shape[-2:])
    values = xp.reshape(observed.values, flat)
    masks = None if observed.mask is None else xp.reshape(observed.mask, flat)
    clips = [measured_noise(Observed(values[k, ...], None if masks is None else masks[k, ...])) for k in range(flat[0])]
    doubts = merged([(k, doubt) for k, clip in enumerate(clips) for doubt in clip.doubts], flat[0])
    return xp.reshape(xp.stack([clip.level for clip in clips]), (*shape[:-2], shape[-1])), doubts


def _deviation(observed: Observed, center: Array, size: Array) -> Array:
    """Root mean square distance of running medians from the median of their feature, without garbage, (n,)."""
    values, mask = observed
    xp = array_namespace(values)
    frames = values.shape[0]
    if frames < 4 * WINDOW:
        return size
    starts = np.unique(np.linspace(0, frames - WINDOW, min(WINDOWS, frames - WINDOW + 1)).astype(np.int64))
    rows = xp.asarray((starts[:, None] + np.arange(WINDOW)).reshape(-1), device=device(values))

    def stretches(x: Array) -> Array:
        return xp.reshape(xp.take(x, rows, axis=0), (len(starts), WINDOW, x.shape[1]))

    seen = stretches(values)
    known = xp.ones(seen.shape, dtype=xp.bool, device=device(values)) if mask is None else stretches(mask)
    middle = _middle(xp, seen, known)
    steps = xp.abs(seen[:, 1:, :] - seen[:, :-1, :])
    both = known[:, 1:, :] & known[:, :-1, :]
    held = xp.sum(xp.astype(both & (steps == 0), xp.int64), axis=1)
    away = xp.abs(middle - center)
    far = away > FAR * size
    enough = 2 * xp.sum(xp.astype(known, xp.int64), axis=1) > WINDOW
    # Far away, a movement is smooth; garbage jumps, and a sentinel is the same number again and again.
    garbage = far & ((_middle(xp, steps, both) > ROUGH * away) | (held >= HELD))
    # Most features far away at the same time: a lost or broken frame.
    count = xp.sum(xp.astype(enough, xp.int64), axis=1, keepdims=True)
    broken = 2 * xp.sum(xp.astype(far & enough, xp.int64), axis=1, keepdims=True) > count
    kept = enough & ~garbage & ~broken
    away = xp.where(kept, away, xp.zeros_like(away))
    top = xp.max(away, axis=0)
    unit = xp.where(top > 0, top, xp.ones_like(top))  # the squares of gigantic values would overflow
    number = xp.sum(xp.astype(kept, away.dtype), axis=0)
    return unit * xp.sqrt(xp.sum((away / unit) ** 2, axis=0) / xp.where(number > 0, number, xp.ones_like(number)))


def _middle(xp: Any, x: Array, known: Array) -> Array:
    """Upper median over the known cells of axis 1; 0 where none is known."""
    count = xp.sum(xp.astype(known, xp.int64), axis=1, keepdims=True)
    ordered = xp.sort(xp.where(known, x, xp.full_like(x, math.inf)), axis=1)
    place = xp.reshape(xp.arange(x.shape[1], device=device(x)), (1, -1, 1))
    chosen = xp.where((place == count // 2) & (count > 0), ordered, xp.zeros_like(ordered))
    return xp.sum(chosen, axis=1)


def _bulk_level(values: Array, trusted: Array | None, center: Array, size: Array) -> Array:
    """Noise of every feature from singular values: scale, clip, cut off what rises above noise, look at the rest."""
    xp = array_namespace(values)
    rows = slice(None, None, -(-values.shape[0] // BULK_ROWS))
    x = values[rows, :] - center
    known = None if trusted is None else trusted[rows, :]
    reach = 4 * size
    x = xp.minimum(xp.maximum(x, -reach), reach)
    if known is not None:
        x = xp.where(known, x, xp.zeros_like(x))
    m, n = x.shape
    edge = 1.02 * (math.sqrt(m) + math.sqrt(n))
    rank, rest, level, leverage = 0, x, size, xp.zeros_like(size)
    for _ in range(PASSES):
        # Every feature in units of what is left of it: a feature of mere noise makes no component that explains it.
        unit = xp.where(level > 0, level, xp.ones_like(level))
        u, s, vt = xp.linalg.svd(rest / unit, full_matrices=False)
        more = min(int(xp.sum(xp.astype(s > edge, xp.int64))), min(m, n) // 2 - rank)
        if more <= 0:
            break
        rank += more
        rest = rest - ((u[:, :more] * s[:more]) @ vt[:more, :]) * unit
        # What a feature explains of itself, its leverage, is no sign of little noise.
        leverage = xp.clip(leverage + xp.sum(vt[:more, :] ** 2, axis=0), 0.0, 0.95)
        level = MAD_TO_SIGMA * _known_median(xp, xp.abs(rest), known) / xp.sqrt((1 - rank / m) * (1 - leverage))
    return xp.minimum(_steadied(xp, level, m), size)


def _steadied(xp: Any, level: Array, frames: int) -> Array:
    """Levels drawn towards their mean as far as their differences are those of chance, on a logarithmic scale."""
    if bool(xp.any(level <= 0)):
        return level
    log = xp.log(level)
    differ = float(xp.mean((log - xp.mean(log)) ** 2))
    chance = 1.36 / frames  # variance of the logarithm of a median absolute deviation
    return xp.exp(xp.mean(log) + max(0.0, 1 - chance / differ) * (log - xp.mean(log))) if differ > 0 else level


def _known_median(xp: Any, x: Array, known: Array | None) -> Array:
    seen = xp.ones(x.shape, dtype=xp.bool, device=device(x)) if known is None else known
    return _middle(xp, x[None, ...], seen[None, ...])[0, :]
