"""The check of a base by prediction: observed cells are hidden, predicted by the base, and compared."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from rpca_affect.doubts import Doubt

__all__ = ["KNOWN", "LIMIT", "Prediction", "hidden_stretches", "looked_at", "predict_hidden", "straight_lines"]

LIMIT = 0.15  # a base that predicts less knows no more than unrelated columns would say (benchmarks.doubt_curve)
KNOWN = 0.5  # a base that predicts as much is one, however many outliers lie on it
LENGTH = 60  # frames of a hidden stretch: two seconds, which no neighbour in time can bridge
SHARE = 0.05  # of the cells that are hidden at a time, in a long recording
WANTED = 1000  # hidden cells; a small table is asked several times
ROUNDS = 4  # at most
SHORT = 20  # frames below which stretches would be single frames
LEAST = 30  # cells below which nothing can be said
CELLS = 400_000  # that the check may look at: more would cost time and say the same
FEW = 100_000  # that it looks at first, which is enough where their base predicts clearly more than KNOWN
LONG = 2000  # frames that it looks at first at least: a base of fewer knows less, and its answer would not be the same
CLEARLY = 0.1  # by how much; with so many frames it predicts up to 0.06 more or less


class Prediction(NamedTuple):
    """How well hidden cells were predicted; the sums of several add up.

    Attributes
    ----------
    base, lines, medians : float
        Sums of squared errors, each feature in units of its spread: of the base, of straight lines in time between the
        cells around the gap, and of the median of the feature.
    cells : int
        Hidden cells that counted.
    """

    base: float
    lines: float
    medians: float
    cells: int

    @property
    def predicted(self) -> float:
        """1 - error of the base / error of the median: 1 knows everything, 0 no more than the median."""
        return _gain(self.base, self.medians)

    @property
    def line(self) -> float:
        """The same for straight lines in time."""
        return _gain(self.lines, self.medians)

    @property
    def says_something(self) -> bool:
        """Whether enough cells that vary were hidden."""
        return self.cells >= LEAST and self.medians > 0

    @property
    def clear(self) -> bool:
        """Whether more frames would not change the doubts."""
        return self.says_something and self.predicted >= KNOWN + CLEARLY

    def plus(self, other: "Prediction") -> "Prediction":
        """Both together."""
        return Prediction(
            self.base + other.base, self.lines + other.lines, self.medians + other.medians, self.cells + other.cells
        )

    def doubt(self, limit: float = LIMIT) -> Doubt | None:
        """Return the doubt that a base which predicts nothing, or less than another limit, raises."""
        if not self.says_something or self.predicted >= limit:
            return None
        found = {"predicted": self.predicted, "line": self.line, "lost": 1 - self.predicted, "cells": self.cells}
        return Doubt("predicts_nothing", {**found}, severe=True)

    def added_to(self, doubts: tuple[Doubt, ...]) -> tuple[Doubt, ...]:
        """The doubts about a split, with those that the prediction adds or removes."""
        empty = self.doubt()
        if empty is not None:
            return (empty, *doubts)
        if not self.says_something or self.predicted < KNOWN:
            return doubts
        # Many outliers on a low rank are no noise: the measured prediction counts for more than their number.
        many = [doubt.kind == "dense" and "rank" not in doubt.measure for doubt in doubts]
        return tuple(replace(doubt, severe=doubt.severe and not few) for doubt, few in zip(doubts, many))


def _gain(error: float, reference: float) -> float:
    return 1 - math.sqrt(error / reference) if reference > 0 else 0.0


def straight_lines(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Interpolate every feature in time between its known cells.

    Parameters
    ----------
    values : ndarray, shape (n_frames, n_features)
    known : ndarray of bool, shape (n_frames, n_features)

    Returns
    -------
    ndarray, shape (n_frames, n_features)
        Known cells as they are; level before the first and after the last; features without a known cell as they are.
    """
    frames = np.arange(len(values))
    lines = np.array(values, dtype=np.float64)
    for column, seen, line in zip(values.T, known.T, lines.T):
        if not seen.all() and seen.any():
            line[~seen] = np.interp(frames[~seen], frames[seen], column[seen])
    return lines


def hidden_stretches(known: np.ndarray, length: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Choose observed cells to hide: stretches of single features, each feature about as often as the others.

    Parameters
    ----------
    known : ndarray of bool, shape (n_frames, n_features)
    length : int
        Frames of a stretch; at most a quarter of the recording.
    share : float
        Of the cells.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n_frames, n_features)
    """
    frames, features = known.shape
    length = max(1, min(length, frames // 4))
    hidden = np.zeros((frames, features), dtype=bool)
    count = max(1, round(share * frames * features / length))
    columns = np.concatenate([rng.permutation(features) for _ in range(math.ceil(count / features))])[:count]
    for column, start in zip(columns, rng.integers(0, frames - length + 1, count)):
        hidden[start : start + length, column] = True
    return hidden & known


def looked_at(frames: int, features: int, length: int = LENGTH, cells: int = CELLS) -> slice:
    """Frames of a recording that are enough to say it: the middle of a long one, all of a short one."""
    count = min(frames, max(cells // max(features, 1), 4 * length))
    start = (frames - count) // 2
    return slice(start, start + count)


def predict_hidden(
    values: np.ndarray,
    known: np.ndarray,
    usual: np.ndarray,
    base_of: Callable[[np.ndarray, np.ndarray, slice], np.ndarray],
    *,
    length: int = LENGTH,
    random_state: int = 0,
) -> Prediction:
    """Hide cells, predict them by the base, and compare it with the median and with straight lines.

    Of a long recording, some of the frames are asked first, and all only where their answer is not `Prediction.clear`.

    Parameters
    ----------
    values : ndarray, shape (n_frames, n_features)
        One sequence.
    known : ndarray of bool, shape (n_frames, n_features)
        Observed cells.
    usual : ndarray of bool, shape (n_frames, n_features)
        Cells that count: the base is not asked for what the split calls transient.
    base_of : callable (values, known, rows) -> ndarray, shape (len(rows), n_features)
        The base of some rows, of which only the known cells may be looked at.
    length : int
        Frames that are hidden at a stretch. Longer than a neighbour in time can bridge: unrelated smooth features
        would otherwise be predicted, each from itself.
    random_state : int, default 0

    Returns
    -------
    Prediction
    """
    frames, features = values.shape
    cells = (min(max(FEW, LONG * features), CELLS), CELLS)
    few, all_of_them = (looked_at(frames, features, length, count) for count in cells)
    found = _asked(values, known, usual, base_of, few, length, random_state)
    if found.clear or few == all_of_them:
        return found
    return _asked(values, known, usual, base_of, all_of_them, length, random_state)


def _asked(
    values: np.ndarray,
    known: np.ndarray,
    usual: np.ndarray,
    base_of: Callable[[np.ndarray, np.ndarray, slice], np.ndarray],
    rows: slice,
    length: int,
    random_state: int,
) -> Prediction:
    """The same for some frames."""
    values, known, usual = values[rows], known[rows], usual[rows] & known[rows]
    rng = np.random.default_rng(random_state)
    share = min(max(SHARE, WANTED / max(values.size, 1)), 0.15)
    rounds = int(min(max(math.ceil(WANTED / max(share * values.size, 1)), 1), ROUNDS))
    unit = _spread(values, known)
    total = Prediction(0.0, 0.0, 0.0, 0)
    if len(values) < SHORT:
        return total
    for _ in range(rounds):
        hidden = hidden_stretches(known, length, share, rng)
        left, asked = known & ~hidden, hidden & usual
        medians = np.array([np.median(column[seen]) if seen.any() else 0.0 for column, seen in zip(values.T, left.T)])
        guesses = (base_of(values, left, rows), straight_lines(values, left), medians[None, :])
        base, lines, level = (float(np.sum(np.where(asked, (values - guess) / unit, 0.0) ** 2)) for guess in guesses)
        total = total.plus(Prediction(base, lines, level, int(asked.sum())))
    return total


def _spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Standard deviation of every feature over its observed cells; infinite for those that do not vary.

    Over all of them: what the split calls usual in a feature that mostly rests is its rest, next to which everything
    else would weigh without measure.
    """
    spread = np.array([_deviation(column[seen]) if seen.any() else 0.0 for column, seen in zip(values.T, known.T)])
    return np.where(spread > 0, spread, np.inf)


def _deviation(cells: np.ndarray) -> float:
    top = float(np.max(np.abs(cells)))  # the squares of gigantic cells would overflow
    return top * float(np.std(cells / top)) if top > 0 else 0.0
