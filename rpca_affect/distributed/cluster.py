"""The crew of a dask cluster: state lives on the workers, one task for each shard and step, nothing kept elsewhere.

A worker knows its shards by run and place; no task depends on an earlier one, so the scheduler has nothing to keep.
The state of a lost worker is computed again from its blocks of the input, or from the last checkpoint, and
the messages since: they are small, and the driver has them.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from rpca_affect.cached import cached_property
from rpca_affect.distributed import memory
from rpca_affect.distributed.chunks import Chunk
from rpca_affect.distributed.placement import Placement, parts_of
from rpca_affect.distributed.shard import Shard
from rpca_affect.engine.threads import hired

__all__ = ["Cluster", "cluster", "each"]

SETTLING = {"clip", "model", "unclip"}  # commands that prepare the data for the steps
MOVING = {
    "begin",
    "step",
    "remember",
    "extrapolate",
    "hand_over",
    "widen",
    "finish",
    "load",
}  # commands that change the state
LOST = "lost"
PACKAGE = 200_000_000  # bytes of a worker that holds nothing yet
LOOK, PATIENCE = 0.5, 300.0  # seconds between looks at who is there, and until nobody is waited for any longer


class _Held:
    """A shard on a worker, the number of the last question it answered, and the answer."""

    def __init__(self, shard: Shard) -> None:
        self.shard, self.number = shard, 0
        self.answer: Any = None


HELD: dict[tuple[str, int], _Held] = {}


def _open(run: str, place: int, placement: Placement) -> None:
    HELD[run, place] = _Held(Shard(placement))


def _put(run: str, place: int, start: int, block: Any, mask: Any) -> int | None:
    return HELD[run, place].shard.put(start, block, mask)


def _ask(run: str, place: int, number: int, command: str, arguments: tuple) -> Any:
    held = HELD.get((run, place))
    if held is None or held.number not in (number - 1, number):
        return LOST
    if held.number < number:  # a question that was answered already is not worked on again
        with hired():  # BLAS on one thread, as everywhere
            held.answer = getattr(held.shard, command)(*arguments)
        held.number = number
    return held.answer


def _replay(run: str, place: int, number: int, log: list[tuple[str, tuple]]) -> None:
    held = HELD[run, place]
    with hired():
        for command, arguments in log:
            getattr(held.shard, command)(*arguments)
    held.number = number


def _shard(run: str, place: int) -> Shard:
    return HELD[run, place].shard


def _close(run: str, place: int) -> None:
    HELD.pop((run, place), None)


class _Gone(Exception):
    """The worker that was asked is no longer there."""


class Cluster:
    """Shards on the workers of a `dask.distributed.Client`, as many as these have threads."""

    def __init__(self, client: Any) -> None:
        self.client, self.run, self.number = client, uuid.uuid4().hex, 0
        self.log: list[tuple[str, tuple]] = []
        self.placements: list[Placement] = []
        self.chunks: list[list[Chunk]] = []
        self.owners: list[str] = []

    @property
    def size(self) -> int:
        """Threads of all workers."""
        return sum(self.client.nthreads().values())

    def edges(self, shape: tuple[int, int], chunks: list[Chunk]) -> list[int]:
        """First rows of the shards, whole chunks each, and the number of rows."""
        stops = np.array([chunk.stop for chunk in chunks])
        wanted = shape[0] * np.arange(1, self.size + 1) / max(self.size, 1)
        return sorted({0, *(int(stops[np.argmin(np.abs(stops - one))]) for one in wanted), shape[0]})

    def check_memory(self, placements: list[Placement], chunks: list[Chunk]) -> None:
        """Refuse, before anything is read, a matrix that the memory of the workers cannot hold."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        there = sum(one["memory_limit"] or 0 for one in workers)
        if all(one["memory_limit"] for one in workers):
            need = memory.needed(placements, max(chunk.stop - chunk.start for chunk in chunks)) + len(workers) * PACKAGE
            memory.refuse_if_short(need, there, "give spill=FOLDER, or more workers")

    def open(self, placements: list[Placement], chunks: list[Chunk]) -> None:
        """Take over which rows belong together."""
        edges = {placement.stop for placement in placements}
        if any(chunk.start < edge < chunk.stop for chunk in chunks for edge in edges):
            raise ValueError("the chunks are not those that the checkpoint was begun with: give the same ones")
        self.placements = placements
        self.chunks = [[chunk for chunk in chunks if one.start <= chunk.start < one.stop] for one in placements]
        slots = [address for address, threads in self.client.nthreads().items() for _ in range(threads)]
        if not slots:
            raise RuntimeError("the cluster has no workers: start one, and solve again")
        self.owners = [slots[place * len(slots) // len(placements)] for place in range(len(placements))]

    def load(self) -> list[int | None]:
        """Let every worker read its blocks; return where infinite cells were found."""
        found: list[int | None] = []
        futures = [self._loading(place) for place in range(len(self.placements))]  # all at once: they may share inputs
        for place in range(len(self.placements)):
            try:
                found += self._results(futures[place], place)
            except _Gone:
                found += self._reload(place)
        return found

    def _loading(self, place: int) -> list[Any]:
        import dask

        here = {"workers": [self.owners[place]], "pure": False}
        self._results([self.client.submit(_open, self.run, place, self.placements[place], **here)], place)
        put = dask.delayed(_put, pure=False)
        puts = [put(self.run, place, chunk.start, chunk.block, chunk.mask) for chunk in self.chunks[place]]
        return self.client.compute(puts, workers=[self.owners[place]])

    def _reload(self, place: int) -> list[Any]:
        """Give a shard to another worker, with the data."""
        while True:
            self.owners[place] = self._least_busy()
            try:
                return self._results(self._loading(place), place)
            except _Gone:
                continue

    def _least_busy(self) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            threads = self.client.nthreads()
            if threads:
                return min(threads, key=lambda address: self.owners.count(address) / threads[address])
            time.sleep(LOOK)
        raise RuntimeError(
            "no worker of the cluster is left: start some, and solve again (checkpoint= is gone on from)"
        )

    def _results(self, futures: list[Any], place: int) -> list[Any]:
        """Wait for tasks of one worker, and fetch their results."""
        self._wait(futures, place)
        return self.client.gather(futures)

    def _wait(self, futures: list[Any], place: int) -> None:
        """Wait for tasks of one worker; raise `_Gone` where it is lost meanwhile."""
        ended = threading.Event()
        for future in futures:
            future.add_done_callback(lambda _: ended.set())
        while not all(future.done() for future in futures):  # dask's own wait keeps futures alive when it times out
            told = ended.wait(LOOK)
            ended.clear()
            if not told and self.owners[place] not in self.client.nthreads():
                self.client.cancel(futures)
                raise _Gone
        if any(future.status in ("cancelled", "lost") for future in futures):
            raise _Gone

    def ask(self, command: str, *arguments: Any) -> list[Any]:
        """Let every shard answer, in their order."""
        self.number += 1
        places = range(len(self.placements))
        futures = [self._submit(place, command, arguments) for place in places]
        answers = [self._answer(futures[place], place, command, arguments) for place in places]
        if command in SETTLING | MOVING:
            self.log.append((command, arguments))
        return answers

    def _submit(self, place: int, command: str, arguments: tuple) -> Any:
        words = (self.run, place, self.number, command, arguments)
        return self.client.submit(
            _ask, *words, workers=[self.owners[place]], pure=False, key=f"rpca-{uuid.uuid4().hex}"
        )

    def _answer(self, future: Any, place: int, command: str, arguments: tuple) -> Any:
        while True:
            try:
                answer = self._results([future], place)[0]
                if not (isinstance(answer, str) and answer == LOST):
                    return answer
            except _Gone:
                pass
            self._rebuild(place)
            future = self._submit(place, command, arguments)

    def _rebuild(self, place: int) -> None:
        """Make a lost shard again, as it was before the question."""
        while True:
            self._reload(place)
            words = (self.run, place, self.number - 1, self.log)
            try:
                self._results([self.client.submit(_replay, *words, workers=[self.owners[place]], pure=False)], place)
                return
            except _Gone:
                continue

    def saved(self, folder: str) -> None:
        """Forget the messages so far: their result lies in a folder."""
        self.log = [entry for entry in self.log if entry[0] in SETTLING] + [("load", (folder,))]

    def parts(self, name: str) -> Any:
        """A part of the answer as a dask array, made on the workers when it is asked for."""
        return parts_of(self.made, self.placements, name)

    @cached_property
    def made(self) -> list[Any]:
        """The shards themselves, which stay on the workers for as long as somebody holds these."""
        return [self._made(place) for place in range(len(self.placements))]

    def _made(self, place: int) -> Any:
        while True:
            future = self.client.submit(_shard, self.run, place, workers=[self.owners[place]], pure=False)
            try:
                self._wait([future], place)
                return future
            except _Gone:
                self._rebuild(place)

    def close(self) -> None:
        """Let the workers forget the shards."""
        there = self.client.nthreads()
        places = [place for place, owner in enumerate(self.owners) if owner in there]
        close = [self.client.submit(_close, self.run, k, workers=[self.owners[k]], pure=False) for k in places]
        for place, future in zip(places, close):
            try:
                self._results([future], place)
            except _Gone:
                continue


@contextmanager
def cluster(client: Any) -> Iterator[Cluster]:
    """Lend the workers of a client."""
    shards = Cluster(client)
    try:
        yield shards
    finally:
        shards.close()


def each(work: Callable[[Any], Any], items: list[Any], scheduler: str) -> Iterator[tuple[int, Any]]:
    """Let the workers apply a task to each item; yield the place of the item with the result, as the tasks end.

    Parameters
    ----------
    work : callable
    items : list
    scheduler : str
        Address.

    Yields
    ------
    tuple
        Place of the item, and the result or the exception.
    """
    from dask.distributed import Client, as_completed

    with Client(scheduler) as client:
        places = {future: place for place, future in enumerate(client.map(work, items, pure=False))}
        try:
            for future in as_completed(list(places)):
                error = future.exception()
                yield places.pop(future), future.result() if error is None else error
        finally:
            client.cancel(list(places))
