"""Gigantic cells: taken in for the solve, given back after it, so that one broken number cannot ruin a split."""

from rpca_affect.arrays import Array, Observed, array_namespace, largest_cell
from rpca_affect.decomposition import Decomposition

__all__ = ["limited", "restored"]

# Only matrices whose largest cell exceeds this many mean cells are looked at: the test costs one pass.
SUSPICIOUS = 50.0
PARTS, PART_CELLS = 16, 1 << 16
# A cell is taken in when it exceeds this many medians of its row and of its column.
EXTREME = 50.0


def limited(data: Observed) -> Observed | None:
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
    Observed or None
    """
    values = data.values
    rows = _parts(values, axis=0)
    xp = array_namespace(values)
    total = sum(xp.sum(xp.abs(values[part, :])) for part in rows)
    if not bool(largest_cell(values)[0, 0] > SUSPICIOUS * total / (values.shape[0] * values.shape[1])):
        return None
    middle, center = values.shape[0] // 2, values.shape[1] // 2
    by_row = xp.concat([xp.sort(xp.abs(values[part, :]), axis=1)[:, center] for part in rows])
    columns = _parts(values, axis=1)
    by_column = xp.concat([xp.sort(xp.abs(values[:, part]), axis=0)[middle, :] for part in columns])[None, :]
    clipped = None
    for part in rows:
        limit = EXTREME * xp.maximum(by_row[part, None], by_column)
        far = (xp.abs(values[part, :]) > limit) & (limit > 0)
        if bool(xp.any(far)):
            clipped = xp.asarray(values, copy=True) if clipped is None else clipped
            clipped[part, :] = xp.where(far, xp.sign(values[part, :]) * limit, values[part, :])
    return None if clipped is None else Observed(clipped, data.mask)


def _parts(values: Array, axis: int) -> list[slice]:
    """Slices of rows or columns, so that what is computed of one is small beside the whole."""
    length, across = values.shape[axis], values.shape[1 - axis]
    step = max(-(-length // PARTS), PART_CELLS // across)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def restored(data: Observed, clipped: Observed, answer: Decomposition) -> Decomposition | None:
    """Give the clipped part back to S, or return None where a clipped cell did not stay an outlier of its sign.

    Parameters
    ----------
    data, clipped : Observed
        Before and after `limited`.
    answer : Decomposition
        Of the clipped matrix.

    Returns
    -------
    Decomposition or None
        The answer, its sparse part completed in place. The gap is that of the clipped problem: the excess adds the
        same ``lam |excess|`` to both sides of it.
    """
    if answer.sparse is None:
        return answer  # a start for another solver, whose own answer will be looked at
    xp = array_namespace(data.values)
    rows, sparse = _parts(data.values, axis=0), answer.sparse

    def excess(part: slice) -> Array:
        return data.values[part, :] - clipped.values[part, :]

    if not all(bool(xp.all((excess(part) == 0) | (excess(part) * sparse[part, :] > 0))) for part in rows):
        return None
    for part in rows:
        # M - (M - clipped) does not always give clipped back: where it rounds, S absorbs the difference.
        more = excess(part)
        sparse[part, :] = xp.where(more == 0, sparse[part, :], sparse[part, :] + more)
    return answer
