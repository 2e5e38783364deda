"""How far frames are from a learned base: the outlier map, typicality, and held-out cells."""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2, norm

from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.noise import MAD_TO_SIGMA, spread
from rpca_affect.projection import KNEE, standardised_size

__all__ = [
    "OutlierMap",
    "absolute_skill",
    "cell_folds",
    "cell_score",
    "cutoffs",
    "distances",
    "limits",
    "outlier_map",
    "under_drift",
]

QUANTILE = 0.975
CLEAN = 4.0  # units of ``noise_scale_`` beyond which a cell is none of a clean frame
DRIFTS = 1.2  # times the cutoff from which stretches lie too far from each other for chance
FEW = 40  # frames from which on their own distances say where the cutoffs lie


class OutlierMap(NamedTuple):
    """Two distances per frame, and the values beyond which a frame stands out.

    Attributes
    ----------
    score_distance : array, shape (m,)
        Mahalanobis distance inside the base: an unusual, but well described, frame.
    orthogonal_distance : array, shape (m,)
        Root mean square of the remainder ``M - L``, in units of ``noise_scale_``: large where the base does not fit.
    score_cutoff, orthogonal_cutoff : float
        Values that 97.5 % of the frames of a Gaussian model stay below.
    typical : array, shape (m,)
        Minus the mean Huber loss of the observed cells.
    """

    score_distance: Array
    orthogonal_distance: Array
    score_cutoff: float
    orthogonal_cutoff: float
    typical: Array


def outlier_map(model: Any, observed: Observed, together: Any) -> OutlierMap:
    """Distances of frames to the base of a fitted model; see `OutlierMap`."""
    xp = array_namespace(observed.values)
    scores, low_rank = model._model(observed, together)
    rest = observed.values - low_rank
    if observed.mask is not None:
        rest = xp.where(observed.mask, rest, xp.zeros_like(rest))
    size = xp.abs(rest / model.noise_scale_)
    loss = xp.where(size <= KNEE, size * size / 2, KNEE * (size - KNEE / 2))
    count = float(rest.shape[1])
    if observed.mask is not None:
        count = xp.maximum(xp.sum(xp.astype(observed.mask, rest.dtype), axis=1), xp.ones_like(rest[:, 0]))
    score_cutoff, orthogonal_cutoff = model._cutoffs
    return OutlierMap(
        score_distance=_score_distance(model.explained_variance_, scores),
        orthogonal_distance=standardised_size(rest, observed.mask, model.noise_scale_),
        score_cutoff=score_cutoff,
        orthogonal_cutoff=orthogonal_cutoff,
        typical=-xp.sum(loss, axis=1) / count,
    )


def _score_distance(variance: Array, scores: Array) -> Array:
    xp = array_namespace(scores)
    return xp.sqrt(xp.sum(scores * scores / _positive(variance), axis=1))


def _positive(variance: Array) -> Array:
    """Variances without those that are rounding."""
    xp = array_namespace(variance)
    floor = xp.max(variance) * xp.finfo(variance.dtype).eps
    return xp.where(variance > floor, variance, xp.ones_like(variance) * (floor if float(floor) > 0 else 1.0))


def cutoffs(model: Any, observed: Observed, together: Any) -> tuple[float, float]:
    """Values that 97.5 % of clean frames stay below: score distance and orthogonal distance.

    Parameters
    ----------
    model : fitted estimator
    observed : Observed
        The frames it was fitted to, outliers included.
    together : Together
        Which of them belong to one sequence.

    Returns
    -------
    score_cutoff, orthogonal_cutoff : float
        The orthogonal one as in ROBPCA: distances to the power 2/3 are about normal, so median and median absolute
        deviation tell their quantile whatever the outliers do. The scores of a recording are not normal; their cutoff
        is the quantile among the frames whose orthogonal distance is not conspicuous, or how far movements that drift
        wander, see `wandered`. Too few frames, or frames that the base explains exactly, leave those of a Gaussian
        model.
    """
    xp = array_namespace(observed.values)
    scores, low_rank = model._model(observed, together)
    inside, beside = distances(
        scores, observed.values - low_rank, observed.mask, model.explained_variance_, model.noise_scale_
    )
    # Fitted frames lie closer than later ones, by a share of components and features per frame.
    rank, frames = model.components_.shape[0], max(1, inside.shape[0])
    drawn = math.sqrt((1 + rank / frames) / max(1 - rank / frames, 0.5))
    score_cutoff, orthogonal_cutoff = limits(model, drawn * inside, drawn * beside)
    places = scores / xp.sqrt(_positive(model.explained_variance_))
    return under_drift(score_cutoff, places), orthogonal_cutoff


def under_drift(cutoff: float, places: Array) -> float:
    """Score cutoff where movements drift: how far they wander, if that is clearly farther than the cutoff."""
    far = wandered(places)
    return far if far > DRIFTS * cutoff else cutoff


def wandered(scores: Array) -> float:
    """Score distance that 97.5 % of the frames of a stretch stay below, seen from the others; the largest of four.

    Movements that drift leave the range of what was fitted. The first and last third, seen from the rest, and each half
    from the other say how far; stretches of frames that do not drift lie no farther than all others.

    Parameters
    ----------
    scores : array, shape (m, k)
        In deviations, as score distances count them.

    Returns
    -------
    float
        0 for fewer than 80 frames.
    """
    frames = scores.shape[0]
    if frames < 2 * FEW:
        return 0.0
    xp = array_namespace(scores)
    third, half, farthest = frames // 3, frames // 2, 0.0
    whole = _positive(xp.mean((scores - xp.mean(scores, axis=0)) ** 2, axis=0))
    for cut, later in ((frames - third, True), (third, False), (half, True), (half, False)):
        sides = scores[:cut, :], scores[cut:, :]
        seen, other = sides if later else sides[::-1]
        center = xp.mean(seen, axis=0)
        distance = _score_distance(xp.mean((seen - center) ** 2, axis=0) / whole, other - center)
        farthest = max(farthest, _quantile(distance, QUANTILE))
    return farthest


def distances(scores: Array, rest: Array, mask: Array | None, variance: Array, scale: Array) -> tuple[Array, Array]:
    """Score and orthogonal distance of frames without their outlying cells; one with few other cells is left out."""
    xp = array_namespace(rest)
    near = xp.abs(rest) <= CLEAN * scale  # a frame without its outlying cells is a clean frame
    if mask is not None:
        near = near & mask
    enough = 2 * xp.sum(xp.astype(near, xp.int64), axis=1) > rest.shape[1]
    return _score_distance(variance, scores)[enough], standardised_size(rest, near, scale)[enough]


def limits(model: Any, inside: Array, beside: Array) -> tuple[float, float]:
    """Cutoffs of the distances of clean frames; see `cutoffs`."""
    rank, features = model.components_.shape[0], model.noise_scale_.shape[0]
    free = max(1, features - min(rank, features - 1))
    if inside.shape[0] < FEW:
        return math.sqrt(chi2.ppf(QUANTILE, rank)), math.sqrt(chi2.ppf(QUANTILE, free) / free)
    xp = array_namespace(beside)
    root = beside ** (2 / 3)
    middle = _quantile(root, 0.5)
    # At least as wide as independent features make it.
    least = middle * float(chi2.ppf(QUANTILE, free) / chi2.ppf(0.5, free)) ** (1 / 3) - middle
    size = max(MAD_TO_SIGMA * _quantile(xp.abs(root - middle), 0.5), least / float(norm.ppf(QUANTILE)))
    clean = inside[root <= middle + float(norm.ppf(0.999)) * size]
    return _quantile(clean, QUANTILE), (middle + float(norm.ppf(QUANTILE)) * size) ** 1.5


def _quantile(x: Array, share: float) -> float:
    """Quantile of a vector in its own library, interpolated; one number from the device."""
    xp = array_namespace(x)
    place = share * (x.shape[0] - 1)
    low = int(place)
    ordered = xp.sort(x)
    high = min(low + 1, x.shape[0] - 1)
    return float(ordered[low]) + (place - low) * (float(ordered[high]) - float(ordered[low]))


def cell_folds(shape: tuple[int, ...], folds: int, seed: Any) -> np.ndarray:
    """Assign every cell of a matrix to one of ``folds`` parts of equal size, at random; shape (m, n), int."""
    order = np.arange(math.prod(shape)) % folds
    return np.random.default_rng(0 if seed is None else seed).permuted(order).reshape(shape)


def absolute_skill(truth: Array, prediction: Array, cells: Array, unit: Array, center: Array) -> float:
    """Return ``1 - sum |truth - prediction| / sum |truth - center|`` over ``cells``, features in units of ``unit``."""
    xp = array_namespace(truth)
    zero = xp.zeros_like(truth)
    unit = xp.where(unit > 0, unit, xp.ones_like(unit))
    error = float(xp.sum(xp.where(cells, xp.abs(truth - prediction) / unit, zero)))
    plain = float(xp.sum(xp.where(cells, xp.abs(truth - center) / unit, zero)))
    return 1.0 - error / plain if plain > 0 else (1.0 if error == 0 else -math.inf)


def cell_score(model: Any, observed: Observed, together: Any, seed: Any, folds: int = 5) -> float:
    """Predict every cell of frames from the others of its frame and compare; see `rpca_affect.RobustPCA.score`."""
    values = observed.values
    xp = array_namespace(values)
    known = xp.ones(values.shape, dtype=xp.bool, device=device(values)) if observed.mask is None else observed.mask
    fold = xp.asarray(cell_folds(tuple(values.shape), folds, seed), device=device(values))
    prediction = xp.zeros_like(values)
    for number in range(folds):
        hidden = known & (fold == number)
        kept = known & ~hidden
        shown = Observed(xp.where(kept, values, xp.zeros_like(values)), kept)
        prediction = xp.where(hidden, model._model(shown, together)[1], prediction)
    return absolute_skill(values, prediction, known, spread(values, known), model.mean_)
