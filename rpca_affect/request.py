"""The request of a caller to a run, and the progress that a run reports."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from rpca_affect.arrays import Array, Observed, array_namespace, largest_cell, small_parts

__all__ = ["Limits", "Progress", "Request"]


class Progress(NamedTuple):
    """Progress of a run, given to the callback after every step.

    Attributes
    ----------
    n_iter : int
        Steps taken so far.
    error : float
        Compared with ``tol`` (for a stack: of the worst matrix).
    rank : int or None
        Rank of the low-rank part, where the solver knows it.
    mu : float or None
        Penalty, relative to data whose largest cell lies between 1 and 2.
    """

    n_iter: int
    error: float
    rank: int | None = None
    mu: float | None = None


class Limits(NamedTuple):
    """How large a cell may be.

    Attributes
    ----------
    by_row, by_column : array, shapes (m, 1) and (1, n)
        Largest cells that may stay as they are: the larger of the two decides.
    """

    by_row: Array
    by_column: Array

    def applied(self, data: Observed) -> Observed:
        """The same data with clipped values, in memory of their own."""
        clipped = array_namespace(data.values).asarray(data.values, copy=True)
        for part in small_parts(clipped, axis=0):
            clipped[part, :] = self.near(clipped[part, :], part)
        return Observed(clipped, data.mask)

    def near(self, values: Array, rows: slice) -> Array:
        """Some rows of the data with their gigantic cells clipped."""
        xp = array_namespace(values)
        limit = xp.maximum(self.by_row[rows, :], self.by_column)
        far = (xp.abs(values) > limit) & (limit > 0)
        return xp.where(far, xp.sign(values) * limit, values)

    def largest(self, data: Observed) -> Array:
        """Largest absolute value after clipping, shape (1, 1)."""
        xp = array_namespace(data.given)
        parts = ((data.part(rows), rows) for rows in small_parts(data.given, axis=0))
        return xp.max(xp.concat([largest_cell(self.near(part, rows)) for part, rows in parts]), axis=0, keepdims=True)


@dataclass(frozen=True)
class Request:
    """Everything about a solve but the data and the solver.

    Attributes
    ----------
    tol : float
        Largest error to stop at.
    max_iter : int
        Largest number of steps.
    gap : float or None
        Relative duality gap, once proved, to stop at as well.
    calm : float or None
        Gap with which a base that hardly moves is an answer; None: the tolerance decides, see `rpca_affect.stopping`.
    callback : callable or None
        Called with a `Progress` after every step; a true return value stops the run.
    factored : bool
        Leave the low-rank part in factored form.
    keep_dual : bool
        Return the dual matrix as well.
    start_above : float or None
        With a duality gap above this (-1: whatever it is), a converged answer is only the start of another solver. The
        dual matrix and the low-rank part then say enough: a run that spares memory so may leave out the rest.
    spend_init : bool
        Whether the memory of the start may be overwritten: nobody will look at it again.
    limits : Limits or None
        Cells of the one matrix beyond these are to be read as if they were at them.
    """

    tol: float
    max_iter: int
    callback: Callable[[Progress], Any] | None = None
    factored: bool = False
    keep_dual: bool = False
    start_above: float | None = None
    spend_init: bool = False
    limits: Limits | None = None
    gap: float | None = None
    calm: float | None = None

    def limited(self, data: Observed) -> Observed:
        """Return the data with no cell beyond the limits: themselves, or a copy."""
        return data if self.limits is None else self.limits.applied(data)

    @property
    def needs_dual(self) -> bool:
        """Whether the answer may have to hold its dual matrix."""
        return self.keep_dual or self.start_above is not None
