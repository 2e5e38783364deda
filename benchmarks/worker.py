"""One contender in a process of its own: solves on command, measures time and peak memory, judges the answer."""

import ctypes
import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.accuracy import evaluate
from benchmarks.contenders import CONTENDERS
from benchmarks.memory import ROOM, fetch
from benchmarks.problems import planted

__all__ = ["MIB", "forget_peak", "main", "peak", "read_problem", "resident", "write_problem"]

MIB = 2.0**20
QUICK = 0.25  # seconds that a turn takes at least


def write_problem(path: Path, data, lams, slacks, references) -> None:
    """Write a problem for the workers: arrays only."""
    arrays = {f"matrix{i}": x for i, x in enumerate(data.matrices)}
    for name, parts in (("truth", data.truths), ("sigma", data.sigmas), ("slack", slacks), ("reference", references)):
        arrays |= {f"{name}{i}": np.asarray(x) for i, x in enumerate(parts or [])}
    np.savez(path, lams=np.asarray(lams), **arrays)


def read_problem(path: str, *names: str) -> list[Any]:
    """Read the named parts of a problem back, None for a part that it does not have."""
    with np.load(path) as archive:
        lams = archive["lams"].tolist()
        parts = [[archive[f"{name}{i}"] for i in range(len(lams)) if f"{name}{i}" in archive] for name in names]
    return [part or None for part in parts] + [lams]


def resident() -> float:
    """Resident memory now, in MiB; the peak so far where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB
    except OSError:
        return peak()


def peak() -> float:
    """Peak resident memory since `forget_peak`, in MiB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def forget_peak() -> None:
    """Give freed memory back to the system and set its mark of the peak to now, so that runs do not hide each other."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _solve(run, command: dict, kept: list) -> dict:
    matrices, sigmas, lams = read_problem(command["path"], "matrix", "sigma")
    sigmas = sigmas if sigmas is not None and command["exact"] else [None] * len(matrices)
    fetch(ROOM * sum(m.nbytes for m in matrices))
    forget_peak()
    before = resident()
    start = perf_counter()
    tol, steps = command["tol"], command["max_iter"]

    def answered(keep_dual: bool) -> list:
        return [run(m, lam, tol, steps, s, keep_dual) for m, lam, s in zip(matrices, lams, sigmas)]

    turns = 0
    while not turns or perf_counter() - start < QUICK:  # as `timeit` does: one short solve would time the cold caches
        answers = None  # the memory of the last turn is not this one's
        answers = answered(False)
        turns += 1
    seconds = (perf_counter() - start) / turns
    most = peak() - before
    count = sum(answer.n_iter for answer in answers)
    own = [answer.seconds_per_step for answer in answers]
    gaps = [answer.claimed_gap for answer in answers]
    if command["keep_dual"]:
        answers = None
        answers = answered(True)
    if command["keep"]:
        kept.extend((answer.low_rank, answer.sparse, answer.dual) for answer in answers)
    return {
        "seconds": seconds,
        "n_iter": count,
        "step_seconds": float(np.mean(own)) if None not in own else seconds / max(count, 1),
        "peak_mib": most,
        "input_mib": sum(m.nbytes for m in matrices) / MIB,
        "claimed_gap": None if None in gaps else float(np.max([np.max(gap) for gap in gaps])),
    }


def _judge(path: str, kept: list) -> dict:
    matrices, truths, references, slacks, lams = read_problem(path, "matrix", "truth", "reference", "slack")
    try:
        return evaluate(matrices, kept, lams, slacks, truths, references)
    finally:
        kept.clear()  # the next run must not find the memory taken


def main(name: str) -> None:
    """Answer commands, one JSON object per line, until the input ends.

    Parameters
    ----------
    name : str
        The contender.
    """
    # The packages may print: only this channel leads back to the caller.
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        run = CONTENDERS[name].make()
        small = planted(60, 40, 2, 0.05, seed=1).matrices[0]
        run(small, 1 / np.sqrt(60), 1e-3, 5, None, False)  # imports and compilation do not belong to the time
        ready: dict[str, Any] = {"ready": True}
    except Exception as problem:
        ready = {"error": f"{type(problem).__name__}: {problem}"}
    print(json.dumps(ready), file=channel, flush=True)
    kept: list = []
    for line in sys.stdin:
        command = json.loads(line)
        try:
            reply = _judge(command["judge"], kept) if "judge" in command else _solve(run, command, kept)
        except Exception as problem:
            reply = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(reply), file=channel, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
