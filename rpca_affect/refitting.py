"""Base and transients without the shrinkage of the convex model: robust least squares on the space it found."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from rpca_affect.arrays import Array, Observed, array_namespace, observed_extent, observed_share
from rpca_affect.decomposition import Decomposition
from rpca_affect.gaps import bridged, carry_over
from rpca_affect.lags import Windows, embedded, stretches
from rpca_affect.noise import spread
from rpca_affect.projection import Predictor, squared_scores

__all__ = ["base_rows", "refitted"]

ROUNDS = 4  # of predicting the base, the last without its transients
FAR = 20.0  # times its reach from which a cell says nothing about its missing neighbours
TILT = 0.01  # share of missing cells from which the space is turned; with fewer, hidden cells are predicted as well


def refitted(
    scaled: Array,
    trusted: Array | None,
    answer: Decomposition,
    sigma: Array,
    model: Any,
    windows: Windows,
    lengths: Sequence[int] | None = None,
) -> tuple[Array, Array]:
    """Base and transients without the shrinkage of the convex model.

    On the space of the base, every frame is the best linear prediction from its observed cells, those far from the
    base weighing less the farther they are and in the end, as transients, nothing. With lags they weigh nothing from
    the first round on: enough cells of other frames are left to predict them from, and however little they weigh, they
    would pull a base that knows time after every burst. A transient lies more than ``threshold`` standard deviations of
    the noise off; where the convex optimum calls it one, of what the base leaves. Everything is made a few frames at a
    time.

    A missing cell takes the prediction from the other cells, transients included as far as Huber's weight lets them: a
    movement that lasts does not end where a cell is missing. What the base leaves of its neighbours in time is carried
    over (`rpca_affect.gaps`). Frames that are lost for longer than a window lie on a line between their neighbours.

    Parameters
    ----------
    scaled : array, shape (m, n)
        Frames in the units of the solve; the transients are written over them.
    trusted : array of bool, shape (m, n), or None
    answer : Decomposition
        The convex optimum (of the embedded matrix where there are lags).
    sigma : array, shape (n,)
        Noise in the units of the solve.
    model : NoiseModel
    windows : Windows
    lengths : sequence of int, optional
        Frames of every sequence.

    Returns
    -------
    base, transient : array, shape (m, n)
    """
    xp = array_namespace(scaled)
    frames = scaled.shape[0]
    reach = model.threshold * sigma
    base = windows.mean_of(lambda rows: base_rows(answer, rows), frames, scaled)
    convex = _beyond(scaled, base, reach)
    refits = model.refit and int(answer.rank) > 0
    right = _space(answer) if refits else sigma[None, :]
    turns = refits and trusted is not None and _missing(Observed(scaled, trusted), windows) > TILT
    for count in range(ROUNDS if refits else 0):
        far = 1.0 if windows.lags > 1 or count == ROUNDS - 1 else math.inf
        cells = _Cells(scaled, trusted, base, reach, far, windows)
        base = _predicted(cells, right, answer, sigma)
        if turns and count < ROUNDS - 1:
            right = _turned(cells._replace(base=base, far=1.0), right, base)
    filled, missed = base, None
    if trusted is not None and refits and windows.lags > 1:
        filled = _predicted(_Cells(scaled, trusted, base, reach, FAR, windows), right, answer, sigma)
        missed = scaled - filled
    rest = scaled
    for rows in stretches(frames, scaled.shape[1]):
        rest[rows, :] = scaled[rows, :] - base[rows, :]
    if trusted is not None:
        if refits:
            carry_over(filled, rest, rest if missed is None else missed, trusted, lengths)
        base = base if missed is None else xp.where(trusted, base, filled)
        base = bridged(base, _reached(trusted, windows), lengths)
        del filled, missed
    left = xp.minimum(reach, model.threshold * spread(rest, trusted)) if refits else reach
    for rows in stretches(frames, scaled.shape[1]):
        away = rest[rows, :]
        size = xp.abs(away)
        chosen = (size > reach) | (convex[rows, :] & (size > left))
        if trusted is not None:
            chosen = chosen & trusted[rows, :]
        rest[rows, :] = xp.where(chosen, away, xp.zeros_like(reach))
    return base, rest


def _reached(trusted: Array, windows: Windows) -> Array:
    """Frames of which every window has seen something, shape (m,): the others are lost for longer than it spans."""
    xp = array_namespace(trusted)
    seen = xp.any(trusted, axis=1)
    nothing = ~xp.any(embedded(seen[:, None], windows.lags), axis=1)
    lost = xp.zeros_like(seen)
    for k in range(windows.lags):
        place = slice(k, k + nothing.shape[0])
        lost[place] = lost[place] | nothing
    return ~lost


def base_rows(answer: Decomposition, rows: slice) -> Array:
    """Some rows of the low-rank part, which may be known by its factors only."""
    return answer.factors.matrix(rows) if answer.factors is not None else answer.low_rank[rows, :]


class _Cells(NamedTuple):
    """Frames (windows of them, with lags) and the weights of their cells, as far as the base before speaks for them."""

    scaled: Array
    trusted: Array | None
    base: Array
    reach: Array
    far: float
    windows: Windows

    def __call__(self, rows: slice) -> tuple[Array, Array]:
        lags, inside = self.windows
        frames = slice(rows.start, rows.stop + lags - 1)
        part = self.scaled[frames, :]
        known = None if self.trusted is None else self.trusted[frames, :]
        weights = embedded(_weight(part - self.base[frames, :], known, self.reach, self.far), lags)
        if inside is not None:
            weights = weights * array_namespace(part).astype(inside[rows], part.dtype)[:, None]
        return embedded(part, lags), weights


def _predicted(cells: _Cells, right: Array, answer: Decomposition, sigma: Array) -> Array:
    """Every cell predicted on the space of the base, for scores that spread as those of the frames do, (m, n)."""
    xp, windows = array_namespace(sigma), cells.windows
    frames = cells.scaled.shape[0]
    count = frames - windows.lags + 1
    square = 0.0 * right[:, 0]
    for rows in stretches(count, right.shape[1]):
        square = square + squared_scores(*cells(rows), right, base_rows(answer, rows))
    noise = xp.concat([sigma] * windows.lags) if windows.lags > 1 else sigma
    predict = Predictor(right, noise, square / (windows.number or count))
    return windows.mean_of(lambda rows: predict(*cells(rows)), frames, cells.scaled)


def _missing(data: Observed, windows: Windows) -> float:
    """Share of missing cells in the rows of the solve: without lags, a frame that is lost as a whole is no row."""
    share = observed_share(data)
    if windows.lags == 1:
        share = share * data.given.shape[0] / observed_extent(data)[0]
    return 1.0 - float(share[0, 0])


def _turned(cells: _Cells, right: Array, base: Array) -> Array:
    """The space after one power step on frames completed by the base, (r, n).

    The convex optimum is shrunk where cells are missing, which tilts the space that it spans.
    """
    xp, (lags, inside) = array_namespace(base), cells.windows
    total = xp.zeros_like(right)
    for rows in stretches(base.shape[0] - lags + 1, right.shape[1]):
        values, weights = cells(rows)
        rest = embedded(base[rows.start : rows.stop + lags - 1, :], lags)
        part = rest + weights * (values - rest)
        if inside is not None:
            part = part[inside[rows], :]
        total = total + xp.matrix_transpose(part @ xp.matrix_transpose(right)) @ part
    return xp.matrix_transpose(xp.linalg.qr(xp.matrix_transpose(total))[0])


def _beyond(scaled: Array, base: Array, reach: Array) -> Array:
    """Cells farther than their reach from the base."""
    xp = array_namespace(scaled)
    beyond = xp.zeros_like(scaled, dtype=xp.bool)
    for rows in stretches(scaled.shape[0], scaled.shape[1]):
        beyond[rows, :] = xp.abs(scaled[rows, :] - base[rows, :]) > reach
    return beyond


def _space(answer: Decomposition) -> Array:
    """Orthonormal rows that span the base, shape (r, n)."""
    if answer.factors is not None:
        values, right = answer.factors.values, answer.factors.right
    else:
        _, values, right = array_namespace(answer.low_rank).linalg.svd(answer.low_rank, full_matrices=False)
    xp = array_namespace(values)
    return right[: int(xp.sum(xp.astype(values > 1e-9 * values[0], xp.int64))), :]


def _weight(rest: Array, known: Array | None, reach: Array, far: float) -> Array:
    """Huber's weight of every cell, 1 up to its reach and then falling, and 0 from ``far`` times its reach on."""
    xp = array_namespace(rest)
    size = xp.abs(rest)
    weight = reach / xp.maximum(size, reach + xp.zeros_like(size[:1, :]))
    if far < math.inf:
        weight = xp.where(size <= far * reach, weight, xp.zeros_like(reach))
    return weight if known is None else xp.where(known, weight, xp.zeros_like(reach))
