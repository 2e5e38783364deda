"""How ADMM's penalty follows the distances that base and multiplier have travelled: one rule for every executor."""

from typing import Any

from rpca_affect.arrays import Array, array_namespace, frobenius

__all__ = ["MARKS", "NOTCHES", "SMALLEST", "STILL", "Travel", "factor", "lines", "multiplier"]

# Steps after which the penalty may change; how far it may fall below the first one, and the largest factor. The first
# steps, after inexact ALM, ask for too low a penalty; raised late, it slows hard data down.
MARKS = {5: (0.35, 8.0), 10: (0.35, 8.0), 20: (0.35, 8.0), 40: (1 / 8, 1.0), 80: (1 / 8, 1.0), 160: (1 / 8, 1.0)}
SMALLEST = 1 / 8  # factor
STILL = 1e-6  # of the base, ten times that of the multiplier: where both move less, their ratio says nothing
NOTCHES = 2  # per octave: factors are rounded, so that rounding errors do not lead every executor its own way
SAMPLE = 64  # rows or columns of the longer side whose distances stand for all
CLIP = 256  # beyond, a sixteenth of the longer side is sampled, 32 to 64 lines: they are kept in memory


def factor(step: int, ratio: Array, total: Array) -> Array:
    """Factor on the penalty after a step, 1 at most steps.

    After k steps the duality gap of ADMM is at most ``(||Y0 - Y*||^2 / mu + mu ||L0 - L*||^2) / 2k``, so the best
    penalty is ``||Y0 - Y*|| / ||L0 - L*||``. Neither is known; the distances that Y and L have travelled since the
    last change stand for them. Few bounded changes: from step 160 on the penalty rests, and the iteration converges as
    with any penalty.

    Parameters
    ----------
    step : int
        Steps taken, counted from 1.
    ratio : array
        ``||Y - Y'|| / (mu ||L - L'||)``, the distances since the first step or the last mark.
    total : array
        The penalty relative to the first one: late, it may rise to that again.

    Returns
    -------
    array

    References
    ----------
    Lorenz & Tran-Dinh (2019), Non-stationary Douglas-Rachford and alternating direction method of multipliers: adaptive
    step-sizes and convergence, for convergence under summable changes.

    Examples
    --------
    >>> import numpy as np
    >>> ratios = np.array([0.01, 0.5, 1.1, 3.0, 50.0])
    >>> start = np.ones(5)
    >>> factor(5, ratios, start).tolist(), factor(40, ratios, start).tolist(), factor(40, ratios, start / 2).tolist()
    ([0.3535533905932738, 0.5, 1.0, 2.8284271247461903, 8.0], [0.125, 0.5, 1.0, 1.0, 1.0], [0.25, 0.5, 1.0, 2.0, 2.0])
    """
    xp = array_namespace(ratio)
    rest = xp.ones_like(ratio)
    if step not in MARKS:
        return rest
    floor, highest = MARKS[step]
    lowest = xp.maximum(SMALLEST * rest, xp.minimum(rest, floor / total))
    found = xp.minimum(xp.maximum(ratio, lowest), xp.maximum(highest * rest, 1 / total))
    found = 2 ** (xp.round(NOTCHES * xp.log2(found)) / NOTCHES)
    return xp.where(xp.isnan(found), rest, found)  # not a number where nothing has moved


def lines(length: int) -> slice:
    """Return the rows (or columns) of the longer side whose distances are measured: at most 64, evenly spread."""
    count = SAMPLE if length <= CLIP else min(SAMPLE, max(SAMPLE // 2, length // 16))
    return slice(None, None, -(-length // count))


def multiplier(argument: Array, low_rank: Array, following: Array, mu: Any, mu_next: Any, relax: Any) -> Array:
    """Return Y of the step from ``argument`` to ``following``, any rows of it.

    With ``e = (A - L) mu / mu+`` and c = Y / mu+ the step was ``A+ = L + e + relax (c - e)``.
    """
    carried = (argument - low_rank) * (mu / mu_next)
    return mu_next * (carried + (following - low_rank - carried) / relax)


class Travel:
    """Where a run was at its last mark, and the factor on the penalty from there.

    Examples
    --------
    >>> import numpy as np
    >>> travel, here = Travel(), np.ones((4, 3))
    >>> travel(1, 0 * here, 0 * here, np.ones((1, 1))), travel(2, here, here, np.ones((1, 1)))
    (None, None)
    >>> travel(5, here, 3 * here, np.ones((1, 1))).tolist()
    [[2.8284271247461903]]
    """

    def __init__(self) -> None:
        self.low_rank: Array | None = None
        self.dual: Array | None = None
        self.change: Array | None = None
        self.total: Array | None = None

    @staticmethod
    def looks(step: int) -> bool:
        """Tell whether this step is the first or a mark."""
        return step == 1 or step in MARKS

    def __call__(self, step: int, low_rank: Array, dual: Array, mu: Array) -> Array | None:
        """Return the factor on the penalty for the step to come, shape (..., 1, 1); None where it stays.

        Parameters
        ----------
        step : int
            Steps taken, counted from 1.
        low_rank, dual : array, shape (..., k, n)
            Some rows (or columns), always the same ones, of L and Y after the step.
        mu : array, shape (..., 1, 1)
            Penalty of Y.
        """
        if not self.looks(step):
            return None
        change = None
        if step > 1:
            xp = array_namespace(low_rank)
            low, other = frobenius(low_rank - self.low_rank), frobenius(dual - self.dual)
            moves = (low > STILL * frobenius(low_rank)) | (other > 10 * STILL * frobenius(dual))
            ratio = other / xp.where(moves & (low > 0), mu * low, xp.full_like(low, xp.nan))
            change = factor(step, ratio, xp.ones_like(ratio) if self.total is None else self.total)
            self.total = change if self.total is None else self.total * change
        self.low_rank, self.dual = low_rank + 0, dual + 0  # copies: the arrays are overwritten by the next step
        self.change = change
        return change

    def taken(self) -> Array | None:
        """Return the last factor, once."""
        change, self.change = self.change, None
        return change

    def rows(self, which: Array) -> None:
        """Keep some entries of the first axis of a stack."""
        xp = array_namespace(which)
        self.low_rank, self.dual, self.change, self.total = (
            None if x is None else xp.take(x, which, axis=0)
            for x in (self.low_rank, self.dual, self.change, self.total)
        )
