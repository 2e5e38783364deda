"""Features slower than their table: a number is written again until the next one comes."""

import numpy as np

from .phrases import counted

_SAMPLE = 1000  # steps that are looked at first
_HELD = 0.4  # share of steps that repeat a number, at least: half of them where every number comes twice
_TIMES = 10  # that a slow feature is held, at least
_EVEN, _ALONE = 0.8, 0.1  # share of numbers that are held for about as long, and share of those that are not held


def leave_out_repeats(values, known, varies, codes, order, notices) -> None:
    """Take what features that hold every number for about as many frames repeat out of `known`, said with its count.

    They come at another rate and were filled forward, or every frame is there twice.  What rests, or moves within its
    rounding, stands still for any time.

    Parameters
    ----------
    values, known : ndarray, shape (n_frames, n_features)
    varies : ndarray of int
        Features that are not constant.
    codes, order : ndarray of int, shape (n_frames,)
        Sequence of each row, and the rows in the order of their time; `order` None: as they are.
    notices : list of str
    """
    rows = np.arange(len(values)) if order is None else order
    apart = np.diff(codes[rows]) != 0
    places = np.linspace(0, len(rows) - 2, min(len(rows) - 1, _SAMPLE)).astype(np.intp)
    alike = (values[rows[places + 1]] == values[rows[places]]).mean(axis=0)
    columns, cells = 0, 0
    for k in varies[alike[varies] > _HELD]:
        column, seen = values[rows, k], known[rows, k]
        again = (column[1:] == column[:-1]) & seen[1:] & seen[:-1] & ~apart
        repeats = _repeats(again, int(seen.sum()))
        if len(repeats):
            known[rows[repeats], k] = False
            columns, cells = columns + 1, cells + len(repeats)
    if columns:
        notices.append(
            f"{counted(cells, 'cell')} of {counted(columns, 'feature')} repeat the cell before, as a new number comes "
            "every few frames only: they count as missing."
        )


def _repeats(again: np.ndarray, seen: int) -> np.ndarray:
    """Frames that repeat the number of a slow feature; none where it is not slow."""
    starts, ends = edges_of(again)
    lengths = ends - starts
    usual = np.median(lengths) if len(lengths) >= _TIMES else 0.0
    alone = seen - lengths.sum() - len(lengths)  # numbers that stand in one frame
    if not usual or alone > _ALONE * len(lengths) or np.mean(np.abs(lengths - usual) <= 1) <= _EVEN:
        return np.zeros(0, dtype=np.intp)
    even = lengths <= 2 * usual  # a longer one may be rest
    return np.concatenate([np.arange(start, end) + 1 for start, end in zip(starts[even], ends[even])])


def edges_of(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First place of every run of true flags, and the first behind it."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
