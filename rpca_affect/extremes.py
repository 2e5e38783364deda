"""Gigantic cells: taken in for the solve, given back after it, so that one broken number cannot ruin a split."""

from dataclasses import replace

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
    xp = array_namespace(data.values)
    values = data.values
    rows, columns = values.shape
    part = max(-(-rows // PARTS), PART_CELLS // columns)  # a copy of all sizes at once would cost more than the sum
    total = sum(xp.sum(xp.abs(values[i : min(i + part, rows), :])) for i in range(0, rows, part))
    if not bool(largest_cell(values)[0, 0] > SUSPICIOUS * total / (rows * columns)):
        return None
    size = xp.abs(values)
    by_row = xp.sort(size, axis=1)[:, size.shape[1] // 2][:, None]
    by_column = xp.sort(size, axis=0)[size.shape[0] // 2, :][None, :]
    limit = EXTREME * xp.maximum(by_row, by_column)
    far = (size > limit) & (limit > 0)
    if not bool(xp.any(far)):
        return None
    return Observed(xp.where(far, xp.sign(values) * limit, values), data.mask)


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
        The gap is that of the clipped problem: the excess adds the same ``lam |excess|`` to both sides of it.
    """
    if answer.sparse is None:
        return answer  # a start for another solver, whose own answer will be looked at
    xp = array_namespace(data.values)
    excess: Array = data.values - clipped.values
    if not bool(xp.all((excess == 0) | (excess * answer.sparse > 0))):
        return None
    # M - (M - clipped) does not always give clipped back: where it rounds, S absorbs the difference.
    sparse = xp.where(excess == 0, answer.sparse, answer.sparse + excess)
    return replace(answer, sparse=sparse)
