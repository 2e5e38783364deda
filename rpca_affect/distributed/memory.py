"""How much memory a solve on shards needs and how much there is: asked before anything is read."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from rpca_affect.distributed.placement import Placement
from rpca_affect.distributed.steps import MOVE

__all__ = ["available", "needed", "refuse_if_short"]

MATRICES = 2  # data and argument
PANELS = 1 << 22  # bytes of a shard's panels
SCRATCH = 1 << 25  # bytes of everything else, as it was measured
SQUARES = 4  # Gram matrices that are held at a time, beside one for each shard


def needed(placements: list[Placement], height: int) -> int:
    """Bytes for shards with missing cells marked, for the chunks of ``height`` rows that are read, and for the sums."""
    columns, itemsize = placements[0].columns, np.dtype(placements[0].dtype).itemsize
    rows = 0 if placements[0].spill else placements[-1].stop - placements[0].start
    held = rows * columns * (MATRICES * itemsize + MOVE.itemsize + 1)
    read = 2 * height * columns * itemsize + PANELS
    return held + SCRATCH + len(placements) * read + (SQUARES + len(placements)) * columns * columns * 8


def available() -> int | None:
    """Bytes this process may still take, by the free memory and its limits; None where neither is known."""
    found = []
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")))
    with suppress(OSError, ValueError, ImportError):
        import resource

        page = os.sysconf("SC_PAGE_SIZE")
        sizes = [int(word) * page for word in Path("/proc/self/statm").read_text().split()]
        for kind, used in ((resource.RLIMIT_DATA, sizes[5]), (resource.RLIMIT_AS, sizes[0])):
            limit = resource.getrlimit(kind)[0]
            if limit != resource.RLIM_INFINITY:
                found.append(max(limit - used, 0))
    with suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        found.append(max(limit - int(Path("/sys/fs/cgroup/memory.current").read_text()), 0))
    return min(found) if found else None


def refuse_if_short(need: int, there: int | None, remedy: str) -> None:
    """Say in one sentence that memory will not suffice."""
    if there is not None and need > there:
        raise MemoryError(f"the solve needs {_size(need)} of memory, and {_size(there)} are available: {remedy}")


def _size(size: int) -> str:
    return f"{size / 1e9:.2g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"
