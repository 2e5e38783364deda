"""Agreement of two lists of events: overlap, one-to-one matching, precision and recall."""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["EventScores", "interval_iou", "match_events", "precision_recall_f1"]


class EventScores(NamedTuple):
    """Agreement of two lists of events.

    Attributes
    ----------
    precision, recall, f1 : float
        Shares of matched events.
    pairs : ndarray of int, shape (n_matches, 2)
        Index of the found event, index of the true event.
    iou : ndarray, shape (n_matches,)
        Intersection over union of each pair.

    Examples
    --------
    >>> from rpca_affect.metrics import match_events
    >>> scores = match_events([[0, 10], [40, 50]], [[1, 10]])
    >>> scores.precision, scores.recall, scores.pairs.tolist()
    (0.5, 1.0, [[0, 0]])
    """

    precision: float
    recall: float
    f1: float
    pairs: np.ndarray
    iou: np.ndarray


def interval_iou(first: Any, second: Any) -> np.ndarray:
    """Return intersection over union of every pair of intervals.

    Parameters
    ----------
    first, second : array-like, shape (k, 2) and (l, 2)
        Start and end (end excluded), in frames or seconds.

    Returns
    -------
    ndarray, shape (k, l)

    Raises
    ------
    ValueError
        If an array has another shape, or an interval ends before it starts.

    Examples
    --------
    >>> interval_iou([[0, 4]], [[2, 6], [8, 9]]).round(3)
    array([[0.333, 0.   ]])
    """
    a, b = _intervals(first), _intervals(second)
    shared = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    shared = np.maximum(shared, 0.0)
    union = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match_events(found: Any, truth: Any, *, iou: float = 0.5) -> EventScores:
    """Match found to true events one to one, and score precision and recall.

    Pairs are chosen to match as many events as possible, and among those for the largest sum of overlaps.

    Parameters
    ----------
    found, truth : array-like, shape (k, 2) and (l, 2)
        Start and end (end excluded), in the same unit.
    iou : float, default 0.5
        Smallest intersection over union of a match, above 0.

    Returns
    -------
    EventScores
        Precision is 1 when nothing was found, recall 1 when there was nothing to find.

    Raises
    ------
    ValueError
        If ``iou`` is not in (0, 1], or as :func:`interval_iou` does.

    Examples
    --------
    >>> match_events([[0, 10], [50, 60]], [[1, 10], [30, 40]])[:3]
    (0.5, 0.5, 0.5)
    """
    if not 0 < iou <= 1:
        raise ValueError(f"iou={iou} is not an overlap: give a number above 0, at most 1")
    overlap = interval_iou(found, truth)
    allowed = overlap >= iou
    # One more match always outweighs any gain in overlap, which is at most 1 for each of min(k, l) pairs.
    worth = np.where(allowed, overlap + min(overlap.shape) + 1.0, 0.0)
    row, column = linear_sum_assignment(worth, maximize=True)
    keep = allowed[row, column]
    pairs = np.stack([row[keep], column[keep]], axis=1)
    return EventScores(*precision_recall_f1(len(pairs), *overlap.shape), pairs, overlap[pairs[:, 0], pairs[:, 1]])


def precision_recall_f1(hits: int, found: int, wanted: int) -> tuple[float, float, float]:
    """Return the three scores from counts; nothing found has precision 1, nothing to find recall 1."""
    precision = hits / found if found else 1.0
    recall = hits / wanted if wanted else 1.0
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else float(found == wanted == 0)


def _intervals(x: Any) -> np.ndarray:
    x = np.asarray(x, dtype=float)
    if x.size == 0:
        return np.empty((0, 2))
    if x.ndim != 2 or x.shape[1] != 2:
        raise ValueError(f"events have shape {x.shape}: give one row of start and end for each event")
    if not (x[:, 1] >= x[:, 0]).all():
        row = int(np.argmin(x[:, 1] >= x[:, 0]))
        raise ValueError(f"event {row} ends at {x[row, 1]:g} before it starts at {x[row, 0]:g}: give start, end")
    return x
