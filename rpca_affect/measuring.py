"""The noise of a recording, measured: gross cells, order in time, and the standard deviation of every feature."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.deviation import WINDOW, Frames, lasting_deviation, upper_median
from rpca_affect.doubts import Doubt, merged
from rpca_affect.lags import apart, stretches
from rpca_affect.noise import MAD_TO_SIGMA, center_and_spread, noise_level, slack
from rpca_affect.refusals import Refusal, Setting

__all__ = ["Frames", "Measured", "measured_in_parts", "measured_levels", "measured_noise", "noise_weight"]

GROSS = 30.0  # deviations from the median beyond which a cell is no value of its feature
SHORT = 30  # frames below which order cannot be told
UNORDERED = 0.9  # first differences of frames in order are small against those of the same frames shuffled
SHUFFLED = 5000  # frames that show the differences without order to about 1 %
PASSES = 8  # rounds in which components are taken out until nothing rises above noise
BULK_ROWS = 2000  # frames that the singular values are taken of


class Measured(NamedTuple):
    """Noise of a recording, as measured from it.

    Attributes
    ----------
    center : array, shape (n,)
        Median of every feature.
    size : array, shape (n,)
        Its spread about the median (`rpca_affect.spread`).
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
    size: Array
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
    spaced = apart(observed, lengths, WINDOW - 1)
    return measured_in_parts(lambda: [observed], Frames.of(observed), Frames.of(spaced), lengths)


def measured_in_parts(
    parts: Callable[[], Iterable[Observed]], frames: Frames, spaced: Frames, lengths: Sequence[int] | None = None
) -> Measured:
    """Compute `measured_noise` of a matrix that is seen a few features at a time, or some frames of it.

    Parameters
    ----------
    parts : callable
        Returns all features, in order, a few at a time, each with all frames; called twice.
    frames, spaced : Frames
        As they are, and with missing frames between sequences.
    lengths : sequence of int, optional

    Returns
    -------
    Measured
        With ``trusted`` only where all features came in one part.
    """
    count = frames.total
    center, size = _joined([_about_the_median(part) for part in parts()])
    xp = array_namespace(center)
    deviation = xp.maximum(size, lasting_deviation(spaced, center, size))
    reach = GROSS * xp.where(deviation > 0, deviation, xp.full_like(deviation, math.inf))
    trusted, gross, found, start = None, 0, [], 0
    for part in parts():
        some = slice(start, start + part.given.shape[-1])
        known, wrong = _without_gross(part, center[some], reach[some])
        found.append(_differences(Observed(part.values, known), lengths))
        trusted = known if known is not None and known.shape[-1] == size.shape[0] else None
        gross, start = gross + wrong, some.stop
    level, loose = _joined(found)
    moving = loose > 0
    number = float(xp.sum(xp.astype(moving, size.dtype)))
    shares = xp.where(moving, level / xp.where(moving, loose, xp.ones_like(loose)), xp.zeros_like(loose))
    ratio = float(xp.sum(shares)) / number if number else 0.0
    ordered = ratio <= UNORDERED or count < SHORT
    if not ordered:
        some_frames = frames.take(np.arange(0, count, -(-count // BULK_ROWS)))
        level = _bulk_level(some_frames.values, _without_gross(some_frames, center, reach)[0], center, size)
    # A norm of noise fluctuates by about 1, and its measurement too: better a little too much than components.
    level = level * (1 + 1 / (math.sqrt(count) + math.sqrt(size.shape[0])))
    return Measured(center, size, deviation, trusted, gross, level, ratio, ordered)


def _joined(pieces: Sequence[tuple[Array, ...]]) -> list[Array]:
    xp = array_namespace(pieces[0][0])
    return [xp.concat(columns) if len(columns) > 1 else columns[0] for columns in zip(*pieces)]


def _unseen(part: Observed) -> bool:
    """Whether no cell of some features was observed."""
    return part.mask is not None and not bool(array_namespace(part.mask).any(part.mask))


def _about_the_median(part: Observed) -> tuple[Array, Array]:
    """Median and spread of every feature."""
    values, mask = part
    if _unseen(part):
        return array_namespace(values).zeros_like(values[0, :]), array_namespace(values).zeros_like(values[0, :])
    return center_and_spread(values, mask)


def _without_gross(part: Observed, center: Array, reach: Array) -> tuple[Array | None, int]:
    """The observed cells that are not gross, None where all cells are, and how many are gross."""
    values, mask = part
    xp = array_namespace(values)
    far = xp.empty_like(values, dtype=xp.bool)
    for rows in stretches(*values.shape):
        far[rows, :] = xp.abs(values[rows, :] - center) > reach
    if mask is not None:
        far = far & mask
    gross = int(xp.count_nonzero(far))
    return (mask if not gross else (~far if mask is None else mask & ~far)), gross


def _differences(part: Observed, lengths: Sequence[int] | None) -> tuple[Array, Array]:
    """Noise of every feature in its first differences, and the same of shuffled frames."""
    values, trusted = part
    xp = array_namespace(values)
    if _unseen(part):
        return xp.zeros_like(values[0, :]), xp.zeros_like(values[0, :])
    level = noise_level(*apart(part, lengths, 1))
    mixed = xp.asarray(np.random.default_rng(0).permutation(values.shape[0])[:SHUFFLED], device=device(values))
    loose = noise_level(xp.take(values, mixed, axis=0), None if trusted is None else xp.take(trusted, mixed, axis=0))
    return level, loose


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


def noise_weight(
    noise: Any,
    sparse: str,
    like: Any,
    shape: tuple[Any, ...],
    share: Any,
    measure: Callable[[], tuple[Any, tuple[Doubt, ...]]],
) -> tuple[Any, tuple[Doubt, ...]]:
    """Weight of the noise part, and doubts about it.

    Parameters
    ----------
    noise, sparse
        As in `rpca_affect.solve`.
    like : array, shape (..., m, n)
        Whose library, precision, device and number of features the weight has.
    shape : tuple
        Frames and features that were observed at all, last.
    share : float or array
        Observed share of these.
    measure : callable
        Returns the noise of every feature, and doubts about it.
    """
    xp, features = array_namespace(like), like.shape[-1]
    if isinstance(noise, str):
        if noise != "auto":
            raise ValueError(f"noise is {noise!r}: give a standard deviation, an array of them, 'auto' or None")
        sigma, doubts = measure()
        sigma = sigma[..., None, :]
        if sparse == "frames":  # one level per frame keeps the proximal operator closed: take the root mean square
            sigma = xp.sqrt(xp.mean(sigma * sigma, axis=-1, keepdims=True))
        return slack(sigma, shape, share=share), doubts
    sigma = xp.asarray(noise, dtype=like.dtype, device=device(like))
    if not bool(xp.all(sigma >= 0)):
        raise ValueError("noise must be at least 0 everywhere")
    if sigma.ndim and sparse == "frames":
        level = Setting("noise", 1.0)
        raise Refusal("frame-wise sparsity needs one noise level: scale the columns by their noise, then give ", level)
    if sigma.ndim and sigma.shape[-1] not in (1, features):
        raise ValueError(f"noise has {sigma.shape[-1]} values for {features} features: give one per feature, or one")
    return slack(sigma, shape, share=share), ()


def _bulk_level(values: Array, trusted: Array | None, center: Array, size: Array) -> Array:
    """Noise of every feature from singular values: scale, clip, cut off those above the noise, measure the rest."""
    xp = array_namespace(values)
    x, known = values - center, trusted
    reach = 4 * size
    x = xp.minimum(xp.maximum(x, -reach), reach)
    if known is not None:
        x = xp.where(known, x, xp.zeros_like(x))
    m, n = x.shape
    edge = 1.02 * (math.sqrt(m) + math.sqrt(n))
    rank, rest, level, leverage = 0, x, size, xp.zeros_like(size)
    for _ in range(PASSES):
        # Every feature in units of its remainder: a feature of mere noise makes no component that explains it.
        unit = xp.where(level > 0, level, xp.ones_like(level))
        u, s, vt = xp.linalg.svd(rest / unit, full_matrices=False)
        more = min(int(xp.sum(xp.astype(s > edge, xp.int64))), min(m, n) // 2 - rank)
        if more <= 0:
            break
        rank += more
        rest = rest - ((u[:, :more] * s[:more]) @ vt[:more, :]) * unit
        # The share of a feature that it explains itself, its leverage, is no sign of little noise.
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
    return upper_median(xp, x[None, ...], seen[None, ...])[0, :]
