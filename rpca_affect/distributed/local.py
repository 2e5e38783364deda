"""The crew of one process: a thread for every shard, and blocks that are read once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rpca_affect.distributed import memory
from rpca_affect.distributed.chunks import Chunk
from rpca_affect.distributed.placement import Placement, parts_of
from rpca_affect.distributed.shard import Shard
from rpca_affect.engine.threads import Crew, hired

__all__ = ["Threads", "threads"]

LEAST = 1 << 14  # cells of a shard that is worth a thread


class Threads:
    """Shards in the memory of this process, one for each thread that BLAS was allowed, or as many as were said."""

    def __init__(self, crew: Crew, shards: int | None = None) -> None:
        self.crew, self.size = crew, shards or crew.size
        self.shards: list[Shard] = []
        self.chunks: list[Chunk] = []

    def edges(self, shape: tuple[int, int], chunks: list[Chunk]) -> list[int]:
        """First rows of the shards, and the number of rows."""
        count = min(self.size, max(1, shape[0] * shape[1] // LEAST), shape[0])
        return [shape[0] * i // count for i in range(count + 1)]

    def check_memory(self, placements: list[Placement], chunks: list[Chunk]) -> None:
        """Refuse, before anything is read, a matrix that the memory of this process cannot hold."""
        first = placements[0]
        need = memory.needed(placements, max(chunk.stop - chunk.start for chunk in chunks))
        remedy = "give smaller chunks" if first.spill else "give spill=FOLDER, or the workers of a cluster"
        memory.refuse_if_short(need, memory.available(), remedy)

    def open(self, placements: list[Placement], chunks: list[Chunk]) -> None:
        """Make the shards, still empty."""
        self.shards, self.chunks = [Shard(placement) for placement in placements], chunks

    def load(self) -> list[int | None]:
        """Read every chunk, once; return where infinite cells were found."""

        def read(_: int, chunk: Chunk) -> int | None:
            block = chunk.block.compute(scheduler="synchronous")
            mask = None if chunk.mask is None else chunk.mask.compute(scheduler="synchronous")
            found = None
            for shard in self.shards:
                a, b = max(chunk.start, shard.placement.start), min(chunk.stop, shard.placement.stop)
                if a < b:
                    rows = slice(a - chunk.start, b - chunk.start)
                    place = shard.put(a, block[rows], None if mask is None else mask[rows])
                    found = place if found is None else found
            return found

        return self.crew.run(read, self.chunks)

    def ask(self, command: str, *arguments: Any) -> list[Any]:
        """Let every shard answer, in their order."""
        return self.crew.run(lambda _, shard: getattr(shard, command)(*arguments), self.shards)

    def saved(self, folder: str) -> None:
        """The state was written to a folder: nothing to do where nobody is lost."""

    def parts(self, name: str) -> Any:
        """A part of the answer as a dask array over the memory of the shards."""
        return parts_of(self.shards, [shard.placement for shard in self.shards], name)


@contextmanager
def threads(shards: int | None = None) -> Iterator[Threads]:
    """Lend the threads of this process."""
    with hired() as crew:
        yield Threads(crew, shards)
