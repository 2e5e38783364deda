"""When a run may end before its error says so: on a proved duality gap, or because the base stands still."""

import math
from typing import Any

from rpca_affect.arrays import Array, array_namespace, frobenius
from rpca_affect.decomposition import Status
from rpca_affect.request import Request

__all__ = ["Watch", "ended", "proved", "standing"]

FIRST = 20  # steps before the first look
LATER = 1.5  # from one look to the next
SOONER = 1.25  # the same with a wanted gap
CLOSEST = 5  # steps from one look to the next, at least
STANDS = 2.0  # tolerances that a base which stands still may have moved between two looks
PROOF = 10.0  # tolerances that its gap may have
CALM = 1.5e-4  # tolerance of a base whose tolerance nobody has given
LOOSE = 1e-5  # with a larger tolerance, the gap may not be larger than either


def standing(low_rank: Array, before: Array, tol: float) -> Array:
    """Tell whether the base, or a sample of it, stands still between two looks, shape (..., 1, 1)."""
    return frobenius(low_rank - before) <= STANDS * tol * frobenius(low_rank)


def ended(errors: Array, gaps: Array, request: Request) -> Status:
    """Tell whether every matrix of a stack has met its error or the wanted gap."""
    met = errors <= request.tol
    if request.gap is None or bool(met.all()):
        return Status(bool(met.all()), "")
    every = bool((met | (gaps <= request.gap)).all())
    return Status(every, "gap" if every else "")


def proved(tol: float) -> float:
    """Return the largest relative duality gap with which a base that stands still is an answer."""
    return min(PROOF * tol, max(tol, LOOSE))


class Watch:
    """Looks at a run after 20, 30, 45, 68 ... steps and says whether a proof is worth its price, and whether it ends.

    A proof costs about a step. With a wanted ``gap`` every look asks for one, looks are closer together, and the next
    is no later than where the best one would be small enough if it fell with one over the number of steps, or where the
    last two say that it could be. Without, only a base that stands still asks:
    its error may fall for thousands of steps more (small outliers: the multiplier drifts), and nobody would see a
    difference.

    Parameters
    ----------
    tol : float
        Of the run.
    gap : float, optional
        Largest relative duality gap to stop at.
    calm : float, optional
        With a gap of at most this, a base that moves by less than 3e-4 stands still, where the parts add up to ten
        tolerances.

    Examples
    --------
    >>> import numpy as np
    >>> watch, base = Watch(1e-7), np.ones((3, 2))
    >>> watch.asks(20, base), watch.asks(30, base), watch.verdict(30, 1e-3), watch.asks(45, base)
    (False, True, '', True)
    >>> watch.verdict(45, 5e-7)
    'still'
    """

    def __init__(self, tol: float, gap: float | None = None, calm: float | None = None) -> None:
        self.tol, self.gap, self.calm = tol, gap, calm
        self.next, self.proof = FIRST, proved(tol)
        self.base: Array | None = None
        self.still: Any = False
        self.last: tuple[int, float] | None = None
        self.best = math.inf
        self.reason = ""

    def looks(self, step: int) -> bool:
        """Tell whether this step is to be shown to `asks`."""
        return step >= self.next

    def asks(self, step: int, low_rank: Array, residual: float = math.inf) -> bool:
        """Compare the base, or a sample of it, with that of the last look; tell whether the gap has to be known."""
        self.next = math.ceil((LATER if self.gap is None else SOONER) * step)
        tol, self.proof = self.tol, proved(self.tol)
        if self.calm is not None and residual <= PROOF * tol:
            tol, self.proof = max(tol, CALM), self.calm
        self.still = self.base is not None and standing(low_rank, self.base, tol)
        self.base = low_rank + 0
        if not isinstance(self.still, bool):
            self.still = bool(array_namespace(self.still).all(self.still))
        return self.gap is not None or self.still

    def verdict(self, step: int, gap: float) -> str:
        """Return ``"gap"`` or ``"still"`` where a run with this proved gap ends, otherwise an empty string."""
        if self.gap is not None and gap <= self.gap:
            return "gap"
        if self.still and gap <= self.proof:
            return "still"
        if self.gap is not None and math.isfinite(gap):
            self.best = min(gap, self.best)
            met = step * self.best / self.gap
            if self.last is not None and 0 < gap < self.last[1]:
                rate = math.log(self.last[1] / gap) / (step - self.last[0])
                met = min(met, step + math.log(gap / self.gap) / rate)
            self.next = min(max(math.ceil(met), step + CLOSEST), self.next)
        self.last = (step, gap)
        return ""
