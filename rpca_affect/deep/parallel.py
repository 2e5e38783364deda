"""Compiled functions over the parts of a stack, by as many threads as torch has."""

import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rpca_affect.engine import jit

FEWEST = 2**12  # numbers in all Gram matrices: below, nothing is worth compiling
LARGEST_SIDE = 192  # beyond, LAPACK's divide and conquer is faster

_turns = threading.Lock()  # the simplest of numba's ways to start threads cannot be used by two at a time
_forked = threading.Event()  # OpenMP does not survive a fork
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked.set)


def suits(rows: Tensor) -> bool:
    """Tell whether the compiled forms take this stack (..., r, n): on a CPU, of some size, and with numba."""
    side = rows.shape[-2]
    return (
        rows.device.type == "cpu"
        and side <= LARGEST_SIDE
        and side * rows.shape[:-1].numel() >= FEWEST
        and not torch.compiler.is_compiling()
        and jit.available()
    )


def built(functions: tuple[Callable, ...], shared: Callable, home: dict[str, Any]) -> tuple[Callable, Callable]:
    """Compile functions that call each other; return the last one, and the one that shares its work among threads.

    The threads of the latter are OpenMP's: torch's own, so that the two do not get in each other's way.
    """
    import numba

    home["prange"] = numba.prange
    return jit.built(functions, home), jit.built((shared,), home, parallel=True)


def in_parts(kernels: tuple[Callable, Callable], first: Any, *others: Any) -> Any:
    """Call the sharing form, with the edges of the parts of the stacks as its last argument; the other after a fork.

    One thread takes the sharing form too: compiled into it, the same sums are rounded differently.
    """
    import numba

    alone, shared = kernels
    if _forked.is_set():
        return alone(first, *others)
    allowed = torch.get_num_threads()
    threads = max(1, min(allowed, len(first), numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    parts = 4 * threads
    with _turns:
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        try:
            return shared(first, *others, np.arange(parts + 1) * len(first) // parts)
        finally:
            numba.set_num_threads(before)
            # Where numba starts OpenMP it raises the count of the calling thread, which is also torch's.
            if torch.get_num_threads() != allowed:
                torch.set_num_threads(allowed)
