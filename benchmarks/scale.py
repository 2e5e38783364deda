"""What a matrix on shards costs beside the core, what it survives, and what it says: `python -m benchmarks.scale`.

Tables: `speed` (threads and a cluster of 2 x 1 beside the core: wall, CPU, memory, agreement, tasks), `limit` (a matrix
4 and 10 times larger than RLIMIT_DATA leaves), `loss` (driver and workers killed: bits), `errors` (input that was once
split wrongly in silence), `cost` (twice the frames, twice the features, one worker or two, and an estimate from these).
Ratios within a run count; seconds depend on who else is there. `--part 1` takes full sizes, the default a quarter of
the frames.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

import rpca_affect as ra
from rpca_affect import distributed
from rpca_affect.distributed.steps import MOVE

SIZES = [(60_000, 200), (200_000, 136)]
NOISE, TOL = 0.1, 1e-6


def made(frames: int, features: int, rank: int = 10, dtype: type = np.float64) -> np.ndarray:
    """Low rank, sparse outliers in 5 % of the cells, and noise."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((frames, rank)) @ rng.standard_normal((rank, features))
    for start in range(0, frames, 10_000):
        part = x[start : start + 10_000]
        part += NOISE * rng.standard_normal(part.shape)
        part += np.where(rng.random(part.shape) < 0.05, rng.uniform(-10, 10, part.shape), 0)
    return x.astype(dtype, copy=False)


def status(name: str) -> int:
    """Bytes of a line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def forget_peak() -> tuple[int, float]:
    """Set the peak back; return resident bytes and CPU seconds so far."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS"), time.process_time()


def since(before: tuple[int, float]) -> tuple[float, float]:
    """Megabytes of the peak above the start, and CPU seconds."""
    return (status("VmHWM") - before[0]) / 1e6, time.process_time() - before[1]


def timed(work):
    """Run; return the answer, wall seconds, CPU seconds, megabytes."""
    before, start = forget_peak(), time.perf_counter()
    answer = work()
    wall = time.perf_counter() - start
    megabytes, cpu = since(before)
    return answer, wall, cpu, megabytes


def two_workers(workers: int = 2):
    from dask.distributed import LocalCluster

    words = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    return LocalCluster(**words)


def on_cluster(path: Path, **words):
    """What `timed` returns, of all workers, the megabytes of the worst; and tasks the scheduler knew, over time."""
    from dask.distributed import Client

    tasks: list[int] = []
    with two_workers() as workers, Client(workers) as client:

        def watch(progress) -> None:
            if progress.n_iter % 10 == 0:
                tasks.append(client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))

        client.run(ready)
        before = client.run(forget_peak)
        answer, wall, own, _ = timed(partial(distributed.solve, path, **words, scheduler=client, callback=watch))
        spent = [client.run(since, one, workers=[address])[address] for address, one in before.items()]
        low = answer.low_rank.compute()
    return answer, low, wall, own + sum(one[1] for one in spent), max(one[0] for one in spent), tasks


def speed(part: float) -> None:
    words = {"noise": NOISE, "tol": TOL}
    print("| matrix | contender | wall | of core | CPU | of core | extra MB | of its share | L off | steps |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for frames, features in SIZES:
        frames = int(frames * part)
        name, share = f"{frames} x {features}", frames * features * 8 / 1e6
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.npy")
            x = made(frames, features)
            np.save(path, x)
            core, wall, cpu, extra = timed(partial(ra.solve, x, **words))
            print(row(name, "core", wall, 1, cpu, 1, extra, extra / share, 0.0, core.n_iter), flush=True)
            del x
            found, wall1, cpu1, extra = timed(partial(distributed.solve, path, **words, scheduler="threads"))
            apart = off(found.low_rank.compute(scheduler="threads"), core.low_rank)
            line = (wall1, wall1 / wall, cpu1, cpu1 / cpu, extra, extra / share, apart, found.n_iter)
            print(row(name, "threads", *line), flush=True)
            del found
            found, low, wall1, cpu1, extra, tasks = on_cluster(path, **words)
            apart = off(low, core.low_rank)
            line = (wall1, wall1 / wall, cpu1, cpu1 / cpu, extra, 2 * extra / share, apart, found.n_iter)
            print(row(name, "cluster 2 x 1", *line), flush=True)
            print(f"tasks that the scheduler knows, every ten steps: {tasks}", flush=True)


def ready() -> None:
    import rpca_affect.distributed  # noqa: F401


def off(low: np.ndarray, wanted: np.ndarray) -> float:
    """Relative distance."""
    return float(np.linalg.norm(low - wanted) / np.linalg.norm(wanted))


def row(*cells) -> str:
    """One line of a table."""
    return "| " + " | ".join(f"{cell:.2g}" if isinstance(cell, float) else str(cell) for cell in cells) + " |"


LIMITED = """
import json, resource, sys, time
import numpy as np
from benchmarks.scale import status, forget_peak, since
from rpca_affect import distributed
path, folder, room = sys.argv[1], sys.argv[2], int(sys.argv[3])
distributed.solve(np.eye(9), scheduler="threads")
start = status("VmData")
resource.setrlimit(resource.RLIMIT_DATA, (start + room, start + room))
try:
    distributed.solve(path, noise=0.1, scheduler="threads")
except MemoryError as error:
    print("without spill:", error)
before, began, seen = forget_peak(), time.perf_counter(), []
watch = lambda progress: seen.append(status("VmData")) or False
words = {"noise": 0.1, "tol": 1e-6, "callback": watch, "scheduler": "threads"}
split = distributed.solve(path, **words, spill=folder, out=folder + "/out")
top = max(seen) - start
print(f"finished: {split.n_iter} steps, {time.perf_counter() - began:.0f} s, data segment at most {top / 1e6:.0f} MB")
print(f"above the start; resident with the pages of files {since(before)[0]:.0f} MB at most")
"""


def limit(part: float) -> None:
    for times in (4, 10):
        features, room = 100, int(240e6 * part)
        frames = times * room // (8 * features)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.npy")
            np.save(path, made(frames, features))
            size = path.stat().st_size / 1e6
            print(f"\n{frames} x {features}, {size:.0f} MB, limit {room / 1e6:.0f} MB above the start")
            words = [sys.executable, "-c", LIMITED, str(path), folder, str(room)]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            print(done.stdout.strip() or done.stderr.strip())


def loss(part: float) -> None:
    import pytest

    tests = Path(__file__).parents[1] / "tests"
    files = [str(tests / f"test_distributed_{name}.py") for name in ("loss", "cluster")]
    raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", "-k", "killed or goes_on", "-v", *files]))


def errors(part: float) -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((400, 2)) @ rng.standard_normal((2, 20))
    M = base + np.where(rng.random(base.shape) < 0.05, rng.uniform(-5, 5, base.shape), 0.0)
    giant, infinite, unseen = M.copy(), M.copy(), M.copy()
    giant[7, 3], infinite[7, 3], unseen[:, 4] = 1e9, np.inf, np.nan
    whole = np.round(50 * (M - M.min()))
    cases = {
        "one cell of 1e9": (giant, {}), "inf": (infinite, {}), "int64": (whole.astype(np.int64), {}),
        "uint8": (np.clip(whole, 0, 255).astype(np.uint8), {}), "float32": (M.astype(np.float32), {}),
        "a feature never observed": (unseen, {}), "1e-160": (M * 1e-160, {}), "1e160": (M * 1e160, {}),
        "noise=-0.1": (M, {"noise": -0.1}), "tol=-1": (M, {"tol": -1}), "max_iter=0": (M, {"max_iter": 0}),
        "noise per feature": (M, {"noise": np.full(20, 0.1)}), "noise='auto'": (M, {"noise": "auto"}),
    }  # fmt: skip
    print("| input | what comes of it |\n|---|---|")
    for name, (x, words) in cases.items():
        try:
            split = distributed.solve(x, **words, scheduler="threads")
        except (ValueError, TypeError) as error:
            print(f"| {name} | {error} |")
            continue
        with np.errstate(over="ignore"):
            whole_answer = ra.solve(x, **words)
        top = np.abs(whole_answer.low_rank).max()
        apart = np.abs(split.low_rank.compute() / top - whole_answer.low_rank / top).max()
        how = f"{split.low_rank.dtype}, {split.n_iter} steps (core {whole_answer.n_iter}), gap {split.gap:.1e}"
        print(f"| {name} | L {apart:.0e} from the core, {how} |")


def cost(part: float) -> None:
    from dask.distributed import Client

    frames, features = int(100_000 * part), 100
    words = {"noise": NOISE, "tol": 1e-12, "max_iter": 20}
    each = {}
    print("| matrix | where | CPU ns per cell and step | wall |\n|---|---|---|---|")
    for rows, columns in [(frames, features), (2 * frames, features), (frames, 2 * features), (frames // 2, 709)]:
        name = f"{rows} x {columns}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "x.npy")
            np.save(path, made(rows, columns))
            _, wall, cpu, _ = timed(partial(distributed.solve, path, **words, scheduler="threads"))
            each[rows, columns] = 1e9 * cpu / (20 * rows * columns)
            print(row(name, "threads", each[rows, columns], wall), flush=True)
            for workers in (1, 2) if columns == 2 * features else ():
                with two_workers(workers) as there, Client(there) as client:
                    client.run(ready)
                    wall = timed(partial(distributed.solve, path, **words, scheduler=client))[1]
                    print(row(name, f"{workers} workers", "", wall), flush=True)
    cells, cell = 10_000_000 * 709, each[frames // 2, 709]
    step = cells * cell / 1e9
    held = [(2 * itemsize + MOVE.itemsize) * cells / 16 / 1e9 for itemsize in (8, 4)]
    print(
        f"ESTIMATE for 10 million x 709 on 16 workers of one thread, from {cell:.1f} ns: {step:.0f} CPU s a step, "
        f"{step / 16:.0f} s on 16, 55 steps {55 * step / 16 / 60:.0f} min; {held[0]:.1f} GB for each worker "
        f"({held[1]:.1f} in float32); back in most steps 16 x {709 * 70 * 8 / 1e6:.1f} MB, a subspace of 70 directions"
    )


if __name__ == "__main__":
    tables = {"speed": speed, "limit": limit, "errors": errors, "cost": cost, "loss": loss}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", choices=[*tables, []], default=[*tables])
    parser.add_argument("--part", type=float, default=0.25, help="share of the frames; 1 for full sizes")
    asked = parser.parse_args()
    print(f"share of the frames: {asked.part}; limits of this process: {resource.getrlimit(resource.RLIMIT_DATA)}")
    distributed.solve(np.eye(40), scheduler="threads")  # imports are paid by nobody
    for table in asked.tables:
        print(f"\n## {table}\n", flush=True)
        tables[table](asked.part)
