"""Gigantic cells: taken in for the solve, given back after it, so that one broken number cannot ruin a split."""

from typing import NamedTuple

from rpca_affect.arrays import Array, Observed, array_namespace, largest_cell
from rpca_affect.decomposition import Decomposition

__all__ = ["Limited", "limited", "restored"]

# Only matrices whose largest cell exceeds this many mean cells are looked at: the test costs one pass.
SUSPICIOUS = 50.0
PARTS, PART_CELLS = 16, 1 << 14
# A cell is taken in when it exceeds this many medians of its row and of its column.
EXTREME = 50.0


class Limited(NamedTuple):
    """A matrix without gigantic cells.

    Attributes
    ----------
    data : Observed
        With clipped values, in memory of their own.
    by_row, by_column : array, shapes (m, 1) and (1, n)
        Largest cells that may stay as they are: the larger of the two decides.
    """

    data: Observed
    by_row: Array
    by_column: Array


def limited(data: Observed) -> Limited | None:
    """Clip cells far outside their row and column, or return None where there are none.

    At the optimum a cell with a non-zero sparse part acts on the low-rank part through its sign alone: an outlier may
    be made smaller without any effect on the answer, as long as it stays an outlier (`restored` checks that). It does
    have an effect on the solve: the first penalty, the rounding and the number of steps depend on the largest cell.

    Parameters
    ----------
    data : Observed
        One matrix, values (m, n).

    Returns
    -------
    Limited or None
    """
    values = data.values
    rows = _parts(values, axis=0)
    xp = array_namespace(values)
    total = sum(xp.sum(xp.abs(values[part, :])) for part in rows)
    if not bool(largest_cell(values)[0, 0] > SUSPICIOUS * total / (values.shape[0] * values.shape[1])):
        return None
    middle, center = values.shape[0] // 2, values.shape[1] // 2
    by_row = EXTREME * xp.concat([xp.sort(xp.abs(values[part, :]), axis=1)[:, center] for part in rows])[:, None]
    columns = _parts(values, axis=1)
    by_column = xp.concat([xp.sort(xp.abs(values[:, part]), axis=0)[middle, :] for part in columns])[None, :]
    by_column = EXTREME * by_column
    clipped = None
    for part in rows:
        near = _near(values[part, :], by_row[part, :], by_column)
        if bool(xp.any(near != values[part, :])):
            clipped = xp.asarray(values, copy=True) if clipped is None else clipped
            clipped[part, :] = near
    return None if clipped is None else Limited(Observed(clipped, data.mask), by_row, by_column)


def _near(values: Array, by_row: Array, by_column: Array) -> Array:
    """Some rows with their gigantic cells clipped."""
    xp = array_namespace(values)
    limit = xp.maximum(by_row, by_column)
    far = (xp.abs(values) > limit) & (limit > 0)
    return xp.where(far, xp.sign(values) * limit, values)


def _parts(values: Array, axis: int) -> list[slice]:
    """Slices of rows or columns, so that what is computed of one is small beside the whole."""
    length, across = values.shape[axis], values.shape[1 - axis]
    step = max(-(-length // PARTS), PART_CELLS // across)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def restored(data: Observed, limits: Limited, answer: Decomposition) -> Decomposition | None:
    """Give the clipped part back to S, or return None where a clipped cell did not stay an outlier of its sign.

    Parameters
    ----------
    data : Observed
        Before `limited`.
    limits : Limited
        Its bounds; the clipped values are not looked at, for the answer may lie in their memory.
    answer : Decomposition
        Of the clipped matrix.

    Returns
    -------
    Decomposition or None
        The answer, its sparse part completed in place (half of it, and of no use, where None is returned). The gap is
        that of the clipped problem: the excess adds the same ``lam |excess|`` to both sides of it.
    """
    if answer.sparse is None:
        return answer  # a start for another solver, whose own answer will be looked at
    xp = array_namespace(data.values)
    for part in _parts(data.values, axis=0):
        values, sparse = data.values[part, :], answer.sparse[part, :]
        excess = values - _near(values, limits.by_row[part, :], limits.by_column)
        if not bool(xp.all((excess == 0) | (excess * sparse > 0))):
            return None
        # M - (M - clipped) does not always give clipped back: where it rounds, S absorbs the difference.
        answer.sparse[part, :] = xp.where(excess == 0, sparse, sparse + excess)
    return answer
