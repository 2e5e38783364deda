"""CuPy against NumPy and against plain CuPy with a full SVD per step: agreement, time, share of the memory bandwidth.

Run ``python -m benchmarks.gpu`` (or ``make gpu-check``) on a machine with a GPU; ``--small`` for a first look,
``--numpy`` to walk the same path on a machine without one.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import rpca_affect
from rpca_affect.arrays import to_numpy

__all__ = ["full_svd_ialm", "main", "measure"]

# name: shape, rank, steps of the full-SVD reference that are timed
PROBLEMS = {
    "4,000 x 4,000, rank 200": ((4000, 4000), 200, 2),
    "100,000 x 768, rank 20": ((100_000, 768), 20, 2),
    "10,000 clips of 16 x 512, rank 3": ((10_000, 16, 512), 3, 3),
}
SMALL = {
    "300 x 300, rank 10": ((300, 300), 10, 3),
    "2,000 x 64, rank 4": ((2000, 64), 4, 3),
    "50 clips of 16 x 128, rank 3": ((50, 16, 128), 3, 3),
}
TOL = 1e-6
PASSES = 9  # reads and writes of a full array per step: two products, the reduction and the update


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


def measure(xp: Any, problems: dict[str, tuple], on_cpu: bool = True) -> list[dict[str, Any]]:
    """One row of figures per problem and precision.

    Parameters
    ----------
    xp : module
        cupy, or numpy to try the path.
    problems : dict of str to (shape, rank, reference steps)
    on_cpu : bool
        Also solve with NumPy, for agreement and speed.

    Returns
    -------
    list of dict
    """
    rows = []
    peak = bandwidth(xp, 1 << 27 if xp is not np else 1 << 20)
    for name, (shape, rank, reference_steps) in problems.items():
        data = planted(shape, rank)
        host_time, host = (
            timed(np, lambda data=data: rpca_affect.solve(data, "ialm", tol=TOL)) if on_cpu else (None, None)
        )
        for dtype in ("float64", "float32"):
            device = xp.asarray(data, dtype=dtype)
            rpca_affect.solve(device, "ialm", tol=TOL, max_iter=3)  # kernels, handles, memory pool
            seconds, split = timed(xp, lambda device=device: rpca_affect.solve(device, "ialm", tol=TOL))
            steps = int(to_numpy(split.n_iter).max()) if device.ndim > 2 else split.n_iter
            full_svd_ialm(xp, device[..., :2, :2], 1)
            slow, _ = timed(xp, lambda device=device, few=reference_steps: full_svd_ialm(xp, device, few))
            off = None
            if host is not None:
                off = float(np.linalg.norm(to_numpy(split.low_rank) - host.low_rank) / np.linalg.norm(host.low_rank))
            rows.append(
                {
                    "problem": name,
                    "dtype": dtype,
                    "seconds": seconds,
                    "steps": steps,
                    "numpy_seconds": host_time,
                    "full_svd_seconds": slow / reference_steps * steps,
                    "difference": off,
                    "bandwidth_share": PASSES * device.nbytes * steps / seconds / peak,
                    "per_second": shape[0] / seconds if len(shape) > 2 else None,
                }
            )
    return rows


def report(rows: list[dict[str, Any]]) -> str:
    """The figures as a table."""
    lines = [
        f"{'problem':<34}{'dtype':>8}{'s':>9}{'steps':>6}{'NumPy s':>9}{'x':>7}{'full SVD s':>11}{'x':>8}"
        f"{'difference':>11}{'bandwidth':>10}{'clips/s':>9}"
    ]
    for row in rows:
        seconds, numpy_seconds = row["seconds"], row["numpy_seconds"]
        lines.append(
            f"{row['problem']:<34}{row['dtype']:>8}{seconds:>9.3f}{row['steps']:>6}"
            + (f"{numpy_seconds:>9.2f}{numpy_seconds / seconds:>7.1f}" if numpy_seconds else f"{'-':>9}{'-':>7}")
            + f"{row['full_svd_seconds']:>11.2f}{row['full_svd_seconds'] / seconds:>8.1f}"
            + (f"{row['difference']:>11.1e}" if row["difference"] is not None else f"{'-':>11}")
            + f"{row['bandwidth_share']:>10.0%}"
            + (f"{row['per_second']:>9.0f}" if row["per_second"] else f"{'-':>9}")
        )
    return "\n".join(
        [*lines, "full SVD: plain IALM in the same library, a few steps timed and scaled to our number of steps"]
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the comparison from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--small", action="store_true", help="small problems")
    parser.add_argument("--numpy", action="store_true", help="no GPU: NumPy in its place, to try the path")
    parser.add_argument("--skip-cpu", action="store_true", help="leave out the NumPy solves")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    options = parser.parse_args(arguments)
    xp: Any = np
    if not options.numpy:
        from rpca_affect.engine import gpu

        try:
            xp = gpu.namespace()
        except ImportError as error:
            sys.exit(str(error))
    rows = measure(xp, SMALL if options.small else PROBLEMS, not options.skip_cpu)
    print(report(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
