"""Ten thousand clips of 16 x 512: ours with NumPy alone and compiled, in turns with a loop over every peer.

Run ``python -m benchmarks.clips`` with the interpreter that has the peers; one that is missing or fails is named.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import rpca_affect
from benchmarks import references
from benchmarks.memory import ROOM, fetch
from rpca_affect.arrays import Observed
from rpca_affect.certificate import objective
from rpca_affect.engine import jit, stacks

__all__ = ["main", "planted_clips", "race"]

FRAMES, FEATURES, RANK, SHARE = 16, 512, 3, 0.05
TOL = 1e-6
LAM = 1 / np.sqrt(FEATURES)


def planted_clips(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clips of rank 3 with 5 % gross errors: (observed, low-rank part), both (count, 16, 512)."""
    rng = np.random.default_rng(seed)
    low_rank = rng.standard_normal((count, FRAMES, RANK)) @ rng.standard_normal((count, RANK, FEATURES))
    wrong = rng.random(low_rank.shape) < SHARE
    return low_rank + np.where(wrong, rng.uniform(-5, 5, low_rank.shape), 0.0), low_rank


@contextmanager
def compiling(from_clips: float):
    """Take the compiled path from this many clips on."""
    before, stacks.COMPILED_CLIPS = stacks.COMPILED_CLIPS, from_clips
    try:
        yield
    finally:
        stacks.COMPILED_CLIPS = before


def _ours(from_clips: float, solver: str = "ialm") -> Callable[[np.ndarray], np.ndarray]:
    def run(clips: np.ndarray) -> np.ndarray:
        with compiling(from_clips):
            return rpca_affect.solve(clips, solver, tol=TOL).low_rank

    return run


def _loop(run: Callable[..., Any]) -> Callable[[np.ndarray], np.ndarray]:
    """A loop over clips; one BLAS thread, which is the faster choice for matrices of this size."""

    def loop(clips: np.ndarray) -> np.ndarray:
        with threadpool_limits(1):
            return np.stack([run(clip, LAM, TOL, None, None, False).low_rank for clip in clips])

    return loop


def contenders() -> tuple[dict[str, Callable[[np.ndarray], np.ndarray]], list[str]]:
    """Everybody who can run here by name, and a sentence about everybody who cannot."""
    from benchmarks.contenders import CONTENDERS

    ready = {"ours, NumPy": _ours(np.inf)}
    absent = []
    if jit.available():
        ready["ours, numba"] = _ours(1)
    else:
        absent.append("ours, numba: numba is not installed")
    ready["full-SVD IALM"] = _loop(lambda clip, lam, tol, *_: references.ialm_full(clip, lam, tol=tol, max_iter=1000))
    for name, contender in CONTENDERS.items():
        if contender.kind == "peer":
            try:
                ready[name] = _loop(contender.make())
            except ImportError as error:
                absent.append(f"{name}: {error}")
    return ready, absent


def race(clips: int, sample: int, rounds: int) -> dict[str, Any]:
    """Let everybody take turns: ours on its share of the clips, the others on a sample of the same ones.

    Parameters
    ----------
    clips : int
        Clips for ours in all.
    sample : int
        Clips for everybody else in all.
    rounds : int

    Returns
    -------
    dict
        ``rows``: one per contender, with milliseconds per clip, clips per second (medians over rounds), error of the
        low-rank part against the planted one and excess of the objective over the optimum (medians over the sample);
        ``absent``: who could not run.
    """
    ready, absent = contenders()
    observed, truth = planted_clips(clips)
    chosen, shares = np.array_split(observed[:sample], rounds), np.array_split(observed, rounds)
    for name, run in list(ready.items()):
        try:
            run(observed[:2])  # imports, compilation
        except Exception as error:
            absent.append(f"{name}: {type(error).__name__}: {error}".splitlines()[0])
            del ready[name]
    seconds: dict[str, list[float]] = {name: [] for name in ready}
    answers: dict[str, list[np.ndarray]] = {name: [] for name in ready}
    for turn in range(rounds):
        for name, run in ready.items():
            mine = shares[turn] if name.startswith("ours") else chosen[turn]
            fetch(ROOM * mine.nbytes)
            start = perf_counter()
            run(mine)
            seconds[name].append((perf_counter() - start) / len(mine))
    for name, run in ready.items():
        answers[name].append(run(observed[:sample]))
    best = _ours(np.inf, "admm")(observed[:sample])
    optimum = objective(Observed(observed[:sample]), best, LAM)
    rows = []
    for name in ready:
        found = answers[name][0]
        error = np.linalg.norm(found - truth[:sample], axis=(1, 2)) / np.linalg.norm(truth[:sample], axis=(1, 2))
        excess = objective(Observed(observed[:sample]), found, LAM) / optimum - 1
        each = statistics.median(seconds[name])
        rows.append(
            {
                "name": name,
                "ms_per_clip": 1e3 * each,
                "clips_per_second": 1 / each,
                "error": float(np.median(error)),
                "excess": float(np.median(excess)),
            }
        )
    return {"rows": rows, "absent": absent, "clips": clips, "sample": sample, "rounds": rounds}


def report(result: dict[str, Any]) -> str:
    """The race as a table, with how many times faster ours is than the best peer."""
    rows = result["rows"]
    peers = [row for row in rows if not row["name"].startswith(("ours", "full-SVD"))] or rows[-1:]
    best = min(peers, key=lambda row: row["ms_per_clip"])
    lines = [
        f"{result['clips']:,} clips of {FRAMES} x {FEATURES}, rank {RANK}, {SHARE:.0%} errors, tol {TOL:g}; "
        f"the others on {result['sample']} of them; medians of {result['rounds']} turns",
        f"{'':<16}{'ms/clip':>9}{'clips/s':>9}{'x best':>8}{'L error':>10}{'above optimum':>15}",
    ]
    lines += [
        f"{row['name']:<16}{row['ms_per_clip']:>9.3f}{row['clips_per_second']:>9.0f}"
        f"{best['ms_per_clip'] / row['ms_per_clip']:>8.1f}{row['error']:>10.1e}{row['excess']:>15.1e}"
        for row in rows
    ]
    lines.append(f"best of the others: {best['name']}")
    return "\n".join(lines + [f"not here: {sentence}" for sentence in result["absent"]])


def main(arguments: list[str] | None = None) -> None:
    """Run the race from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clips", description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=100, help="clips for the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args(arguments)
    result = race(options.clips, min(options.sample, options.clips), options.rounds)
    print(report(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
