"""Many sequences of different length: taken apart, put together again, and worked on in parallel."""

import sys
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.utils._set_output import _wrap_data_with_container
from threadpoolctl import threadpool_limits

from rpca_affect.arrays import Array, Observed, array_namespace, device

__all__ = ["Together", "contained", "in_parallel", "is_collection", "numbered", "split_rows", "stacked"]


class Together(NamedTuple):
    """Sequences of a table laid one below the other.

    Attributes
    ----------
    order : ndarray of int, shape (m,), or None
        Rows of the table in the order of the sequences; None where they lie so already.
    lengths : tuple of int, or None
        Frames of every sequence; None for a single one.
    """

    order: np.ndarray | None = None
    lengths: tuple[int, ...] | None = None

    @classmethod
    def by(cls, sequence_id: Any, n_rows: int) -> "Together":
        """Read from one value for every row: rows with the same value belong to one sequence; None is one sequence."""
        if sequence_id is None:
            return cls()
        rows = split_rows(sequence_id, n_rows)
        order = np.concatenate(rows)
        return cls(None if (np.diff(order) == 1).all() else order, tuple(len(part) for part in rows))

    @property
    def slices(self) -> list[slice]:
        """Where every sequence lies; the whole table for a single one."""
        return (
            [slice(None)]
            if self.lengths is None
            else [slice(*ends) for ends in pairwise((0, *accumulate(self.lengths)))]
        )

    def lay(self, observed: Observed) -> Observed:
        """Rows in the order of the sequences."""
        if self.order is None:
            return observed
        return Observed(
            _rows(observed.values, self.order), None if observed.mask is None else _rows(observed.mask, self.order)
        )

    def back(self, x: Array) -> Array:
        """Rows of a result in the order of the table."""
        return x if self.order is None else _rows(x, np.argsort(self.order))


def is_collection(X: Any) -> bool:
    """True for sequences given one by one (list, tuple, 3-D array) instead of rows of one table."""
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and all(np.ndim(part) == 2 for part in X)
    return getattr(X, "ndim", 2) == 3


def split_rows(sequence_id: Any, n_rows: int) -> list[np.ndarray]:
    """Row numbers of every sequence, in the order in which the sequences first appear.

    Parameters
    ----------
    sequence_id : array-like, shape (n_rows,), or None
        Rows with the same value belong together; None makes one sequence of all rows.
    n_rows : int

    Returns
    -------
    list of ndarray of int

    Raises
    ------
    ValueError
        If the length does not fit.

    Examples
    --------
    >>> split_rows(["b", "a", "b"], 3)
    [array([0, 2]), array([1])]
    """
    if sequence_id is None:
        return [np.arange(n_rows)]
    labels = np.asarray(sequence_id)
    if labels.shape != (n_rows,):
        raise ValueError(f"sequence_id has shape {labels.shape}: give one value for each of the {n_rows} rows")
    names: dict[Any, int] = {}
    codes = np.array([-1 if _missing(label) else names.setdefault(label, len(names)) for label in labels.tolist()])
    if (codes < 0).any():
        raise ValueError("sequence_id holds missing values: every row needs the name of its sequence")
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=len(names)))[:-1])


def numbered(rows: list[np.ndarray]) -> np.ndarray:
    """Number of the sequence that every row belongs to."""
    numbers = np.empty(sum(len(part) for part in rows), dtype=np.int64)
    for number, part in enumerate(rows):
        numbers[part] = number
    return numbers


def _rows(x: Array, order: np.ndarray) -> Array:
    xp = array_namespace(x)
    return xp.take(x, xp.asarray(order, device=device(x)), axis=0)


def _missing(label: Any) -> bool:
    """True for None, NaN and the missing values of other libraries, which are not equal to themselves."""
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas.NA compares to neither true nor false
        return True


def stacked(sequences: Any) -> tuple[Any, np.ndarray]:
    """Put sequences below each other; tables keep their column names.

    Parameters
    ----------
    sequences : list of array or DataFrame (n_frames_i, n_features), or array (n_sequences, n_frames, n_features)

    Returns
    -------
    table : ndarray or DataFrame, shape (sum of n_frames, n_features)
    number : ndarray of int
        Which sequence a row belongs to.

    Raises
    ------
    ValueError
        If a sequence is empty, or the widths or the names of the columns of tables differ.
    """
    empty = [number for number, part in enumerate(sequences) if not len(part)]
    if empty:  # left out, what comes back would belong to other sequences
        raise ValueError(f"sequence {empty[0]} has no frames: leave it out, and its label")
    widths = {np.shape(part)[1] for part in sequences}
    if len(widths) > 1:
        raise ValueError(f"the sequences have {sorted(widths)} features: they must agree")
    number = np.repeat(np.arange(len(sequences)), [len(part) for part in sequences])
    pd = sys.modules.get("pandas")  # there is no DataFrame where nobody has imported pandas
    if pd is not None and all(isinstance(part, pd.DataFrame) for part in sequences):
        for place, part in enumerate(sequences):
            if list(part.columns) != list(sequences[0].columns):
                own, first = _shown(part.columns), _shown(sequences[0].columns)
                raise ValueError(
                    f"sequence {place} has the columns {own}, sequence 0 {first}: give the same in the same order"
                )
        return pd.concat(list(sequences), ignore_index=True), number
    return np.concatenate([np.asarray(part) for part in sequences]), number


def _shown(names: Any) -> str:
    return ", ".join(map(str, names[:4])) + (", ..." if len(names) > 4 else "")


def contained(estimator: Any, result: np.ndarray, original: Any) -> Any:
    """Put a result in the container that ``set_output`` asks for, with the index of the frames that it belongs to."""
    return _wrap_data_with_container("transform", result, original, estimator)


def in_parallel(work: Callable[[Any], Any], sequences: Sequence[Any], n_jobs: int | None) -> list[Any]:
    """Apply ``work`` to every sequence, each on one BLAS thread: two threads on a short clip are slower than one."""
    # In parts, not one by one: finding the BLAS libraries takes longer than a short clip.
    n_parts = 1 if n_jobs in (None, 1) else 4 * effective_n_jobs(n_jobs)
    step = max(1, -(-len(sequences) // n_parts))
    parts = [sequences[first : first + step] for first in range(0, len(sequences), step)]
    done = Parallel(n_jobs=n_jobs)(delayed(_one_by_one)(work, part) for part in parts)
    return [result for part in done for result in part]


def _one_by_one(work: Callable[[Any], Any], sequences: Sequence[Any]) -> list[Any]:
    with threadpool_limits(limits=1, user_api="blas"):
        return [work(sequence) for sequence in sequences]
