"""What a caller asks of a run, and what a run reports while it goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Progress", "Request"]


class Progress(NamedTuple):
    """What a callback sees after every step.

    Attributes
    ----------
    n_iter : int
        Steps taken so far.
    error : float
        What is compared with ``tol`` (for a stack: of the worst matrix).
    rank : int or None
        Rank of the low-rank part, where the solver knows it.
    mu : float or None
        Penalty, relative to data whose largest cell lies between 1 and 2.
    """

    n_iter: int
    error: float
    rank: int | None = None
    mu: float | None = None


@dataclass(frozen=True)
class Request:
    """Everything about a solve but the data and the solver.

    Attributes
    ----------
    tol : float
        Largest error to stop at.
    max_iter : int
        Largest number of steps.
    callback : callable or None
        Called with a `Progress` after every step; a true return value stops the run.
    factored : bool
        Leave the low-rank part in factored form.
    keep_dual : bool
        Return the dual matrix as well.
    start_above : float or None
        With a duality gap above this, a converged answer is only the start of another solver. The dual matrix and the
        low-rank part then say enough: a run that spares memory so may leave out the rest.
    spend_init : bool
        Whether the memory of the start may be overwritten: nobody will look at it again.
    spend_data : bool
        The same for the memory of the data.
    """

    tol: float
    max_iter: int
    callback: Callable[[Progress], Any] | None = None
    factored: bool = False
    keep_dual: bool = False
    start_above: float | None = None
    spend_init: bool = False
    spend_data: bool = False

    @property
    def needs_dual(self) -> bool:
        """Whether the answer may have to hold its dual matrix."""
        return self.keep_dual or self.start_above is not None
