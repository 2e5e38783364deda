"""A few worker threads over row blocks, with BLAS held to one thread meanwhile: small products contend otherwise."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import scipy.linalg  # noqa: F401  (its BLAS must be loaded before the controller looks for libraries)
from threadpoolctl import ThreadpoolController

__all__ = ["Crew", "crew"]


class Crew:
    """Runs a function over blocks; ``work(worker, block)`` gets the number of the worker for its scratch memory."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self._pool: ThreadPoolExecutor | None = None

    def run(self, work: Callable[[int, Any], Any], blocks: Sequence[Any]) -> list[Any]:
        """Return the results in the order of the blocks, whichever worker took them."""
        if self.size == 1 or len(blocks) == 1:
            return [work(0, block) for block in blocks]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.size - 1, thread_name_prefix="rpca_affect")
        results: list[Any] = [None] * len(blocks)
        tickets = itertools.count()

        def take(worker: int) -> None:
            while (ticket := next(tickets)) < len(blocks):
                results[ticket] = work(worker, blocks[ticket])

        helpers = [self._pool.submit(take, worker) for worker in range(1, self.size)]
        try:
            take(0)
        finally:
            for helper in helpers:
                helper.result()
        return results

    def shares(self, length: int) -> list[slice]:
        """One slice of ``range(length)`` per worker."""
        edges = [length * i // self.size for i in range(self.size + 1)]
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    def close(self) -> None:
        """End the workers."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


class _Gate:
    """Counts the solves in progress: the first one limits BLAS, the last one restores it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.allowed = 1
        self.controller: ThreadpoolController | None = None
        self.limit: Any = None

    def enter(self) -> int:
        with self.lock:
            if self.inside == 0:
                if self.controller is None:
                    self.controller = ThreadpoolController().select(user_api="blas")
                threads = [library.num_threads for library in self.controller.lib_controllers]
                self.allowed = min([_cores(), *threads])
                self.limit = self.controller.limit(limits=1)
            self.inside += 1
            return self.allowed

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limit.restore_original_limits()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_gate = _Gate()


@contextmanager
def crew() -> Iterator[Crew]:
    """Lend a crew as large as BLAS was allowed to be (so OMP_NUM_THREADS counts), and one BLAS thread to each."""
    team = Crew(_gate.enter())
    try:
        yield team
    finally:
        team.close()
        _gate.leave()
