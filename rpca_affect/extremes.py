"""Gigantic cells: clipped for the solve and restored after it, so that one broken number cannot ruin a split."""

from dataclasses import replace
from typing import Any

from rpca_affect.arrays import Array, Observed, array_namespace, small_parts
from rpca_affect.certificate import relative_gap
from rpca_affect.decomposition import Decomposition
from rpca_affect.request import Limits

__all__ = ["certified", "limits_of", "restored"]

# Only matrices whose largest cell exceeds this many mean cells are looked at: the test costs one pass.
SUSPICIOUS = 50.0
# A cell is taken in when it exceeds this many medians of its row and of its column.
EXTREME = 50.0


def limits_of(data: Observed, top: Array) -> Limits | None:
    """Say which cells lie far outside their row and column, or return None where there are none.

    At the optimum a cell with a non-zero sparse part acts on the low-rank part through its sign alone: an outlier may
    be made smaller without any effect on the answer, as long as it stays an outlier (`restored` checks that). It does
    have an effect on the solve: the first penalty, the rounding and the number of steps depend on the largest cell.

    Parameters
    ----------
    data : Observed
        One matrix, values (m, n).
    top : array, shape (1, 1)
        Its largest absolute value.

    Returns
    -------
    Limits or None
    """
    frames, features = data.given.shape
    rows, columns = small_parts(data.given, axis=0), small_parts(data.given, axis=1)
    xp = array_namespace(data.given)
    total = sum(xp.sum(xp.abs(data.part(part))) for part in rows)
    if not bool(top[0, 0] > SUSPICIOUS * total / (frames * features)):
        return None
    by_row = xp.concat([xp.sort(xp.abs(data.part(part)), axis=1)[:, features // 2] for part in rows])
    by_column = xp.concat([xp.sort(xp.abs(data.part(columns=part)), axis=0)[frames // 2, :] for part in columns])
    limits = Limits(EXTREME * by_row[:, None], EXTREME * by_column[None, :])
    changed = (bool(xp.any(limits.near(values := data.part(part), part) != values)) for part in rows)
    return limits if any(changed) else None


def restored(data: Observed, limits: Limits, answer: Decomposition) -> Decomposition | None:
    """Give the clipped part back to S, or return None where a clipped cell did not stay an outlier of its sign.

    Parameters
    ----------
    data : Observed
        As they were.
    limits : Limits
    answer : Decomposition
        Of the clipped matrix.

    Returns
    -------
    Decomposition or None
        The answer, its sparse part completed in place (half of it, and of no use, where None is returned). Its gap is
        that of the clipped problem: see `certified`.
    """
    if answer.sparse is None:
        return answer  # a start for another solver, whose own answer will be looked at
    xp = array_namespace(data.given)
    for part in small_parts(data.given, axis=0):
        values, sparse = data.part(part), answer.sparse[part, :]
        excess = values - limits.near(values, part)
        if not bool(xp.all((excess == 0) | (xp.sign(excess) * sparse > 0))):
            return None
        # M - (M - clipped) does not always give clipped back: where it rounds, S absorbs the difference.
        answer.sparse[part, :] = xp.where(excess == 0, sparse, sparse + excess)
    return answer


def certified(data: Observed, answer: Decomposition, slack: Any = 0.0) -> Decomposition:
    """Give an answer whose gigantic cells were given back the duality gap that an outside check finds for it.

    A dual that leaves its feasible set by rounding is divided by its norm, and then pays only that share of a gigantic
    cell. The relative gap of the whole matrix is a weighted mean of this loss and of the gap of the clipped one, so the
    larger of the two bounds it. Where the norm is not known, the gap is computed from the dual.

    Parameters
    ----------
    data : Observed
    answer : Decomposition
        With the norm of its dual, or the dual itself.
    slack : float or array
        Of the noise part.

    Returns
    -------
    Decomposition
    """
    if answer.gap is None or answer.lam is None:
        return answer
    if answer.dual_norm is not None:
        return replace(answer, gap=max(answer.gap, 1 - 1 / max(answer.dual_norm, 1.0)))
    if answer.dual is None:
        return answer
    low_rank = answer.low_rank if answer.factors is None else answer.factors.matrix()
    xp = array_namespace(low_rank)
    gap = xp.reshape(relative_gap(data, low_rank, answer.dual, answer.lam, slack), ())
    worse = bool(xp.isfinite(gap)) and bool(gap > answer.gap)
    return replace(answer, gap=type(answer.gap)(gap) if isinstance(answer.gap, float) else gap) if worse else answer
