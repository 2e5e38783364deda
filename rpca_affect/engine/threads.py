"""A few worker threads over row blocks, with BLAS held to one thread meanwhile: small products contend otherwise."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any

import scipy.linalg  # noqa: F401  (its BLAS must be loaded before the controller looks for libraries)
from threadpoolctl import ThreadpoolController

__all__ = ["Crew", "hired"]


class Crew:
    """Runs a function over blocks; ``work(worker, block)`` gets the number of the worker for its scratch memory.

    Queues hand work over sooner than a pool of futures, which shows where blocks are small.
    """

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._done: SimpleQueue[None] = SimpleQueue()
        self._helpers: list[threading.Thread] = []

    def run(self, work: Callable[[int, Any], Any], blocks: Sequence[Any]) -> list[Any]:
        """Return the results in the order of the blocks, whichever worker took them."""
        workers = min(self.size, len(blocks))
        if workers <= 1:
            return [work(0, block) for block in blocks]
        results: list[Any] = [None] * len(blocks)
        failures: list[BaseException] = []
        tickets = itertools.count()

        def take(worker: int) -> None:
            try:
                while (ticket := next(tickets)) < len(blocks):
                    results[ticket] = work(worker, blocks[ticket])
            except BaseException as failure:  # raised in the caller's thread once every worker has stopped
                failures.append(failure)

        self._hire(workers - 1)
        for worker in range(1, workers):
            self._jobs.put(partial(take, worker))
        take(0)
        for _ in range(1, workers):
            self._done.get()
        if failures:
            raise failures[0]
        return results

    def _hire(self, count: int) -> None:
        while len(self._helpers) < count:
            helper = threading.Thread(
                target=_serve, args=(self._jobs, self._done), name=f"rpca_affect-{len(self._helpers) + 1}", daemon=True
            )
            helper.start()
            self._helpers.append(helper)

    def shares(self, length: int) -> list[slice]:
        """One slice of ``range(length)`` per worker."""
        edges = [length * i // self.size for i in range(self.size + 1)]
        return [slice(a, b) for a, b in itertools.pairwise(edges)]

    def close(self) -> None:
        """End the helpers."""
        for _ in self._helpers:
            self._jobs.put(None)
        for helper in self._helpers:
            helper.join()
        self._helpers.clear()


def _serve(jobs: "SimpleQueue[Callable[[], None] | None]", done: "SimpleQueue[None]") -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # its closure may hold arrays as large as the data
        done.put(None)


class _Gate:
    """Counts the solves in progress: the first one limits BLAS, the last one restores it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.allowed = 1
        self.controller: ThreadpoolController | None = None
        self.limit: Any = None

    def forked(self) -> None:
        """Reset in a forked child, which has none of the parent's threads, so none of its solves.

        The lock is held during a fork: BLAS has a lock of its own, which no thread may hold at that moment.
        """
        self.lock = threading.Lock()
        if self.inside:
            self.inside = 0
            self.limit.restore_original_limits()

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
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _gate.lock.acquire(),
        after_in_parent=lambda: _gate.lock.release(),
        after_in_child=lambda: _gate.forked(),
    )


@contextmanager
def hired() -> Iterator[Crew]:
    """Lend a crew as large as BLAS was allowed to be (so OMP_NUM_THREADS counts), and one BLAS thread to each."""
    crew = Crew(_gate.enter())
    try:
        yield crew
    finally:
        crew.close()
        _gate.leave()
