"""The progress display: which recording, which stage, step and error of the solve, and the time that is left."""

import math
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rpca_affect.cli.console import harmless

__all__ = ["Display"]


class Display:
    """Progress of a run as a context; its `stage` is told where a recording is.

    Parameters
    ----------
    console : Console
    total : int
        Recordings.
    tol : float
        Error at which a solve ends.
    hidden : bool
    """

    def __init__(self, console: Console, total: int, tol: float, hidden: bool):
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[stage]}", markup=False),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=hidden or not console.is_terminal,
        )
        self.tol = tol
        self.task = self.progress.add_task("", total=total, stage="")
        self._first: tuple[float, int, float] | None = None

    def __enter__(self) -> "Display":
        self.progress.__enter__()
        return self

    def __exit__(self, *stop: Any) -> None:
        self.progress.__exit__(*stop)

    def stage(self, job: Any, name: str, now: Any = None) -> None:
        """Show the stage of a recording; `now` is the progress of its solve."""
        if now is None:
            self._first = None
            self.progress.update(self.task, description=harmless(job.name), stage=name)
        else:
            self.progress.update(self.task, stage=f"{name}, step {now.n_iter}, error {now.error:.0e}{self._left(now)}")

    def done(self) -> None:
        """Count a recording."""
        self.progress.advance(self.task)

    def _left(self, now: Any) -> str:
        """Time until the error, which falls about geometrically, has reached the tolerance."""
        here = (time.monotonic(), int(now.n_iter), float(now.error))
        if self._first is None or here[1] <= self._first[1]:  # a new solve
            self._first = here
        spent, fallen = here[0] - self._first[0], self._first[2] / here[2] if here[2] > 0 else 0.0
        if spent < 1.0 or not fallen > 1.5 or here[2] <= self.tol:
            return ""
        seconds = spent * math.log(here[2] / self.tol) / math.log(fallen)
        return f", about {seconds:.0f} s left" if seconds < 120 else f", about {seconds / 60:.0f} min left"
