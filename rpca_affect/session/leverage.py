"""How far noise alone leaves a cell from the base: less where the base was fitted to it, more where it was not."""

from typing import Any

import numpy as np

from rpca_affect.lags import averaged, embedded, stretches
from rpca_affect.session.chance import Noise, measure_noise
from rpca_affect.session.remainder import Remainder, StandardErrors
from rpca_affect.session.sequence import SequenceSplit

__all__ = ["measured_chance", "standard_errors"]

CELLS = 1 << 18  # of the largest array at a time: it stays in the cache
LEAST = 0.05  # smallest variance that is believed: a cell that the base follows nearly exactly shows no noise


def measured_chance(split: Any, part: SequenceSplit) -> tuple[StandardErrors | None, Noise]:
    """Standard errors of the cells of one sequence of a split, and what noise alone does in their units."""
    parts = split.base_values, split.transient_values, split.residual_values, split.recording.mask
    base, brief, rest, known = (whole[part.stretch] for whole in parts)
    errors = None
    if split.parameters.get("refit"):
        errors = standard_errors(part, base, brief, known, split.parameters["threshold"])
    left = Remainder(brief, rest, split.recording.values[part.stretch], errors, known)
    return errors, measure_noise(left, sigma=part.sigma, fps=split.recording.fps)


def standard_errors(
    part: SequenceSplit, base: np.ndarray, transient: np.ndarray, known: np.ndarray, threshold: float
) -> StandardErrors | None:
    r"""Standard errors of the cells of one sequence, from the space of its base.

    With the noise of every feature as unit, rows :math:`v_j` of the space and scores of variance S, the base of a frame
    is its best linear prediction from the cells that are not held out, :math:`G = \sum_j w_j v_j v_j^T + S^{-1}`. Noise
    leaves the variance :math:`1 - h_j` of a fitted cell and :math:`1 + h_j` of a held-out one,
    :math:`h_j = v_j^T G^{-1} v_j`. With lags the base is the mean over the windows that hold a cell, whose errors
    average out in part: how far is read from a frame without held-out cells.

    Parameters
    ----------
    part : SequenceSplit
    base, transient : ndarray, shape (frames, n_features)
        In the units of the input.
    known : ndarray of bool, shape (frames, n_features)
        Observed cells.
    threshold : float
        Standard deviations of the noise beyond which the fit holds a cell out; transients that only the convex optimum
        calls so lie nearer, and were fitted.

    Returns
    -------
    StandardErrors or None
        None where the parts are those of the convex model or of several levels, or there is no base.

    References
    ----------
    R. D. Cook and S. Weisberg, "Residuals and influence in regression" (1982), chapter 2.
    """
    solved = part.decomposition
    if part.levels or solved is None or solved.sparse is not None or solved.factors is None:
        return None
    values, right = solved.factors.values, solved.factors.right
    if not len(values):
        return None
    right = right[: int(np.sum(values > 1e-9 * values[0]))]
    sigma = part.sigma / part.scale.scale
    count, square = len(base) - part.lags + 1, np.zeros(len(right))
    for rows in stretches(count, right.shape[1]):
        frames = part.scale.apply(base[rows.start : rows.stop + part.lags - 1])
        square += np.sum(np.square(embedded(frames, part.lags) @ right.T), axis=0)
    spread = np.sqrt(square / count)
    # Scores of variance 1: G = identity + ..., which no component can make singular.
    design = right * spread[:, None] / np.tile(np.where(sigma > 0, sigma, np.inf), part.lags)
    leverage, shared = _fitted(design, part.lags)
    fitted = np.sqrt(np.maximum(1 - (2 - shared) * leverage, LEAST))
    frame, feature = np.nonzero(transient)
    beyond = np.abs(transient[frame, feature]) > (threshold * part.sigma)[feature]
    out = np.zeros(transient.shape, dtype=bool)
    out[frame[beyond], feature[beyond]] = True
    errors = fitted[feature]
    away = _held_out(design, out, known & ~out, part.lags)
    errors[beyond] = np.sqrt(1 + shared[feature[beyond]] * away)
    return StandardErrors(fitted, errors, np.searchsorted(frame, np.arange(len(transient) + 1)))


def _fitted(design: np.ndarray, lags: int) -> tuple[np.ndarray, np.ndarray]:
    """Leverage of every feature where no cell is held out, and what averaging over windows leaves of it, (n,)."""
    features = design.shape[1] // lags
    pull = design.T @ np.linalg.solve(np.eye(len(design)) + design @ design.T, design)
    leverage = np.mean(np.diag(pull).reshape(lags, features), axis=0)
    if lags == 1:
        return leverage, np.ones(features)
    alone = np.mean(np.sum(np.square(pull), axis=1).reshape(lags, features), axis=0)
    copies = pull.reshape(lags, features, lags, features)
    together = np.zeros(features)
    for step in range(1 - lags, lags):  # what a cell gives to that of another frame, mean over the windows of both
        given = np.trace(copies, offset=step, axis1=0, axis2=2) / lags
        together += np.sum(np.square(given), axis=1)
    return leverage, np.where(alone > 0, together / np.where(alone > 0, alone, 1.0), 1.0)


def _held_out(design: np.ndarray, support: np.ndarray, weights: np.ndarray, lags: int) -> np.ndarray:
    """Variance of the prediction of held-out cells, mean over their windows, in units of the noise."""
    rank, width = design.shape
    windows, held = embedded(weights, lags), embedded(support, lags)
    some = np.flatnonzero(held.any(axis=1))
    outer = (design[:, None, :] * design[None, :, :]).reshape(rank * rank, width)
    errors = np.zeros((len(windows), width)) if lags > 1 else np.zeros(0)
    found = []
    step = max(1, CELLS // (rank * max(rank, width)))
    for first in range(0, len(some), step):
        rows = some[first : first + step]
        gram = (windows[rows].astype(np.float64) @ outer.T).reshape(-1, rank, rank) + np.eye(rank)
        variance = np.sum(design * np.linalg.solve(gram, np.broadcast_to(design, (len(rows), rank, width))), axis=1)
        if lags > 1:
            errors[rows] = variance
        else:
            found.append(variance[support[rows]])
    if lags > 1:
        return np.asarray(averaged(errors, lags))[support]
    return np.concatenate(found) if found else np.zeros(0)
