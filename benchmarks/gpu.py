"""CuPy against NumPy and against plain CuPy with a full SVD per step: agreement, time, share of the memory bandwidth.

Run ``python -m benchmarks.gpu`` (or ``make gpu-check``) on a machine with a GPU; ``--small`` for a first look,
``--numpy`` to walk the same path on a machine without one. A line is printed (and the JSON file written) as soon as it
is measured, so that a run cut short leaves what it has.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import rpca_affect
from rpca_affect.arrays import to_numpy
from rpca_affect.engine import gpu
from rpca_affect.engine.cells import gpu as gpu_kernels

__all__ = ["full_svd_ialm", "main", "rows_of"]

# name: shape, rank, steps of the full-SVD reference that are timed
PROBLEMS = {
    "10,000 clips of 16 x 512, rank 3": ((10_000, 16, 512), 3, 2),
    "100,000 x 768, rank 20": ((100_000, 768), 20, 1),
    "4,000 x 4,000, rank 200": ((4000, 4000), 200, 1),
}
SMALL = {
    "50 clips of 16 x 128, rank 3": ((50, 16, 128), 3, 3),
    "2,000 x 64, rank 4": ((2000, 64), 4, 3),
    "300 x 300, rank 10": ((300, 300), 10, 3),
}
TOL = 1e-6
REFERENCE_CLIPS = 200  # the reference decomposes clip after clip: some are timed, and the time is scaled to all


def planted(shape: tuple[int, ...], rank: int) -> np.ndarray:
    """Low rank plus 5 % gross errors."""
    rng = np.random.default_rng(0)
    low_rank = rng.standard_normal((*shape[:-1], rank)) @ rng.standard_normal((*shape[:-2], rank, shape[-1]))
    wrong = rng.random(shape) < 0.05
    low_rank[wrong] += rng.uniform(-5, 5, int(wrong.sum())) * rank**0.5
    return low_rank


def full_svd_ialm(xp: Any, data: Any, max_iter: int) -> Any:
    """Inexact ALM as it is usually written, with a full SVD per step; returns the low-rank part after some steps."""
    lam, top = 1 / max(data.shape[-2:]) ** 0.5, xp.linalg.norm(data, axis=(-2, -1), keepdims=True)
    mu, dual, sparse = 1.25 / top, data / top, xp.zeros_like(data)
    for _ in range(max_iter):
        u, s, vt = xp.linalg.svd(data - sparse + dual / mu, full_matrices=False)
        low_rank = (u * xp.maximum(s[..., None, :] - 1 / mu, 0)) @ vt
        rest = data - low_rank + dual / mu
        sparse = xp.sign(rest) * xp.maximum(abs(rest) - lam / mu, 0)
        dual = dual + mu * (data - low_rank - sparse)
        mu = mu * 1.5
    return low_rank


def timed(xp: Any, call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds until the device has finished, and the result."""
    _wait(xp)
    start = perf_counter()
    result = call()
    _wait(xp)
    return perf_counter() - start, result


def _wait(xp: Any) -> None:
    if xp is not np:
        xp.cuda.Stream.null.synchronize()


def bandwidth(xp: Any, cells: int) -> float:
    """Bytes per second that a plain copy moves (read and write)."""
    source = xp.zeros(cells)
    target = xp.empty_like(source)

    def copy() -> None:
        target[...] = source

    timed(xp, copy)
    return 2 * source.nbytes / min(timed(xp, copy)[0] for _ in range(5))


def passes(xp: Any, data: Any) -> tuple[float, int]:
    """Seconds of the elementwise passes of one step of inexact ALM, and the bytes that they read and write."""
    stack = data.reshape(-1, *data.shape[-2:])
    values = xp.ascontiguousarray(stack if stack.shape[1] <= stack.shape[2] else stack.swapaxes(1, 2))
    one = xp.ones((len(values), 1, 1))
    cells = gpu_kernels.Cells(values, values.copy(), xp.zeros_like(values), None, None, one, one, one)

    def step() -> None:
        gpu_kernels.violated_square(cells)  # reads data, argument and low-rank part
        gpu_kernels.advanced(cells, one, one < 0)  # reads them again, and writes the argument

    timed(xp, step)
    return min(timed(xp, step)[0] for _ in range(5)), 7 * values.nbytes


def reference_seconds(xp: Any, data: Any, steps: int) -> float:
    """Seconds of one step of the full-SVD reference; of a stack some clips are timed for all."""
    part = data if data.ndim == 2 else data[:REFERENCE_CLIPS]
    full_svd_ialm(xp, part[:64, :64] if data.ndim == 2 else part[:2], 1)  # kernels and handles
    seconds, _ = timed(xp, lambda: full_svd_ialm(xp, part, steps))
    return seconds / steps * len(data) / len(part)


def on_host(data: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds of the solve with NumPy, and its low-rank part."""
    rpca_affect.solve(data, "ialm", tol=TOL, max_iter=3)  # imports, and what is compiled on first use
    seconds, split = timed(np, lambda: rpca_affect.solve(data, "ialm", tol=TOL))
    return seconds, split.low_rank


def attempt(name: str, call: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
    """What is only compared with may fail: the reason is told, and the other figures are still measured."""
    try:
        return call()
    except Exception as error:
        print(f"{name}: nothing to compare with ({type(error).__name__}: {error})", file=sys.stderr)
        return None, None


def rows_of(xp: Any, problems: dict[str, tuple], on_cpu: bool = True) -> Iterator[dict[str, Any]]:
    """One row of figures per problem and precision.

    Parameters
    ----------
    xp : module
        cupy, or numpy to try the path.
    problems : dict of str to (shape, rank, reference steps)
    on_cpu : bool
        Also solve with NumPy, for agreement and speed.

    Yields
    ------
    dict
    """
    peak = bandwidth(xp, 1 << 27 if xp is not np else 1 << 20)
    for name, (shape, rank, reference_steps) in problems.items():
        data = planted(shape, rank)
        host_time, host = attempt(name, lambda data=data: on_host(data)) if on_cpu else (None, None)
        for dtype in ("float64", "float32"):
            device = xp.asarray(data, dtype=dtype)
            rpca_affect.solve(device, "ialm", tol=TOL, max_iter=3)  # kernels, handles, memory pool
            seconds, split = timed(xp, lambda device=device: rpca_affect.solve(device, "ialm", tol=TOL))
            steps = int(to_numpy(split.n_iter).max()) if device.ndim > 2 else split.n_iter
            off = None
            if host is not None:
                off = float(np.linalg.norm(to_numpy(split.low_rank) - host) / np.linalg.norm(host))
            converged, split = split.converged, None
            pass_seconds, moved = passes(xp, device)
            slow = attempt(name, lambda device=device, few=reference_steps: (reference_seconds(xp, device, few), 0))[0]
            yield {
                "problem": name,
                "dtype": dtype,
                "seconds": seconds,
                "steps": steps,
                "converged": converged,
                "numpy_seconds": host_time,
                "full_svd_seconds": None if slow is None else slow * steps,
                "difference": off,
                "bandwidth": moved / pass_seconds,
                "bandwidth_share": moved / pass_seconds / peak,
                "time_share": pass_seconds * steps / seconds,
                "per_second": shape[0] / seconds if len(shape) > 2 else None,
            }


HEADING = (
    f"{'problem':<34}{'dtype':>8}{'s':>9}{'steps':>6}{'NumPy s':>9}{'x':>7}{'full SVD s':>11}{'x':>8}"
    f"{'difference':>11}{'bandwidth':>10}{'of time':>8}{'clips/s':>9}"
)
NOTES = (
    "full SVD: plain IALM in the same library; some steps (of a stack some clips) are timed, and scaled to our steps\n"
    "bandwidth: what the fused elementwise passes move, as a share of a plain copy; of time: their share of s"
)


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    seconds, host, slow = (row[name] for name in ("seconds", "numpy_seconds", "full_svd_seconds"))
    return (
        f"{row['problem']:<34}{row['dtype']:>8}{seconds:>9.3f}{row['steps']:>6}"
        + (f"{host:>9.2f}{host / seconds:>7.1f}" if host else f"{'-':>9}{'-':>7}")
        + (f"{slow:>11.2f}{slow / seconds:>8.1f}" if slow else f"{'-':>11}{'-':>8}")
        + (f"{row['difference']:>11.1e}" if row["difference"] is not None else f"{'-':>11}")
        + f"{row['bandwidth_share']:>10.0%}{row['time_share']:>8.0%}"
        + (f"{row['per_second']:>9.0f}" if row["per_second"] else f"{'-':>9}")
        + ("" if row["converged"] else "  not converged")
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the comparison from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--small", action="store_true", help="small problems")
    parser.add_argument("--numpy", action="store_true", help="no GPU: NumPy in its place, to try the path")
    parser.add_argument("--skip-cpu", action="store_true", help="leave out the NumPy solves")
    parser.add_argument("--gram-side", type=int, help="largest single matrix that takes the Gram route (to tune it)")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args(arguments)
    xp: Any = np
    if not options.numpy:
        try:
            xp = gpu.namespace()
        except ImportError as error:
            sys.exit(str(error))
    if options.gram_side is not None:
        gpu.GRAM_SIDE = options.gram_side
    rows: list[dict[str, Any]] = []
    print(HEADING, flush=True)
    for row in rows_of(xp, SMALL if options.small else PROBLEMS, not options.skip_cpu):
        print(line(row), flush=True)
        rows.append(row)
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n")
    print(NOTES)


if __name__ == "__main__":
    main()
