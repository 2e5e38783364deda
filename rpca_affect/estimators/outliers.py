"""How far frames are from a learned base: the outlier map, typicality, and held-out cells."""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2

from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.estimators.projection import KNEE, standardised_size
from rpca_affect.noise import spread

__all__ = ["OutlierMap", "absolute_skill", "cell_folds", "cell_score", "outlier_map"]

QUANTILE = 0.975


class OutlierMap(NamedTuple):
    """Two distances per frame, and the values beyond which a frame stands out.

    Attributes
    ----------
    score_distance : array, shape (m,)
        Mahalanobis distance inside the base: an unusual, but well described, frame.
    orthogonal_distance : array, shape (m,)
        Root mean square of what the base leaves over, in units of ``noise_scale_``: a frame the base does not describe.
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


def outlier_map(model: Any, observed: Observed) -> OutlierMap:
    """Distances of frames to the base of a fitted model; see `OutlierMap`."""
    xp = array_namespace(observed.values)
    scores, low_rank = model._model(observed)
    rest = observed.values - low_rank
    if observed.mask is not None:
        rest = xp.where(observed.mask, rest, xp.zeros_like(rest))
    variance = model.explained_variance_
    floor = xp.max(variance) * xp.finfo(variance.dtype).eps
    variance = xp.where(variance > floor, variance, xp.ones_like(variance) * (floor if float(floor) > 0 else 1.0))
    features, rank = rest.shape[1], scores.shape[1]
    size = xp.abs(rest / model.noise_scale_)
    loss = xp.where(size <= KNEE, size * size / 2, KNEE * (size - KNEE / 2))
    count = float(features)
    if observed.mask is not None:
        count = xp.maximum(xp.sum(xp.astype(observed.mask, rest.dtype), axis=1), xp.ones_like(rest[:, 0]))
    free = max(1, features - rank)
    return OutlierMap(
        score_distance=xp.sqrt(xp.sum(scores * scores / variance, axis=1)),
        orthogonal_distance=standardised_size(rest, observed.mask, model.noise_scale_),
        score_cutoff=math.sqrt(chi2.ppf(QUANTILE, rank)),
        orthogonal_cutoff=math.sqrt(chi2.ppf(QUANTILE, free) / free),
        typical=-xp.sum(loss, axis=1) / count,
    )


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


def cell_score(model: Any, observed: Observed, seed: Any, folds: int = 5) -> float:
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
        prediction = xp.where(hidden, model._model(shown)[1], prediction)
    return absolute_skill(values, prediction, known, spread(values, known), model.mean_)
