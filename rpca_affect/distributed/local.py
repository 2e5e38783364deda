"""The crew of one process: a thread for every shard, and blocks that are read once."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from rpca_affect.distributed.inputs import Chunk
from rpca_affect.distributed.shard import Layout, Shard
from rpca_affect.engine.threads import Crew, crew

__all__ = ["Threads", "threads"]

LEAST = 1 << 14  # cells of a shard that is worth a thread


class Threads:
    """Shards in the memory of this process."""

    def __init__(self, team: Crew, shards: int | None = None) -> None:
        self.team, self.count = team, shards
        self.shards: list[Shard] = []

    def open(self, shape: tuple[int, int], dtype: np.dtype, spill: str | None) -> None:
        """Make the shards, still empty."""
        count = self.count or min(self.team.size, max(1, shape[0] * shape[1] // LEAST), shape[0])
        edges = [shape[0] * i // count for i in range(count + 1)]
        self.shards = [Shard(Layout(a, b, shape[1], str(dtype), spill)) for a, b in pairwise(edges)]

    def load(self, chunks: list[Chunk]) -> list[int | None]:
        """Read every chunk, once; return where infinite cells were found."""

        def read(_: int, chunk: Chunk) -> int | None:
            block = chunk.block.compute(scheduler="synchronous")
            mask = None if chunk.mask is None else chunk.mask.compute(scheduler="synchronous")
            found = None
            for shard in self.shards:
                a, b = max(chunk.start, shard.layout.start), min(chunk.stop, shard.layout.stop)
                if a < b:
                    rows = slice(a - chunk.start, b - chunk.start)
                    place = shard.put(a, block[rows], None if mask is None else mask[rows])
                    found = place if found is None else found
            return found

        return self.team.run(read, chunks)

    def ask(self, command: str, *arguments: Any) -> list[Any]:
        """Let every shard answer, in their order."""
        return self.team.run(lambda _, shard: getattr(shard, command)(*arguments), self.shards)

    def parts(self, name: str) -> Any:
        """A part of the answer as a dask array over the memory of the shards."""
        import dask.array as da

        pieces = [shard.part(name) for shard in self.shards]
        height = max(1, (1 << 27) // (pieces[0].shape[1] * pieces[0].itemsize))
        return da.concatenate([da.from_array(x, chunks=(height, -1), name=False) for x in pieces])


@contextmanager
def threads(shards: int | None = None) -> Iterator[Threads]:
    """Lend the threads of this process, as many as BLAS was allowed."""
    with crew() as team:
        yield Threads(team, shards)
