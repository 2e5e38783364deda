"""Memory that is there when a clock starts: what a virtual machine's host has taken back is slow to come again."""

from time import perf_counter, sleep

import numpy as np

__all__ = ["ROOM", "fetch", "main"]

ROOM = 10  # inputs that a solve may ask for
MOST = 4 << 30
PAGE = 4096


def fetch(size: int) -> None:
    """Touch and free so many bytes (4 GiB at most), so that the next to ask for memory gets pages that exist.

    A host may take the free pages of a virtual machine back after seconds and fetch them at half a gigabyte a second.
    Whoever comes first after an idle spell would pay for that, which says nothing about a solver.
    """
    block = np.empty(min(int(size), MOST), dtype=np.uint8)
    block[::PAGE] = 0


def main() -> None:
    """Show what first touch costs here: after an idle spell, and at once again."""
    size = 1 << 28
    for pause, words in ((5, "after 5 s"), (0, "at once again")):
        sleep(pause)
        start = perf_counter()
        fetch(size)
        seconds = perf_counter() - start
        print(f"{words:<14} {size / seconds / 1e9:6.1f} GB/s")


if __name__ == "__main__":
    main()
