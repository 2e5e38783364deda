"""How far one step of the engine is from what the machine allows: bytes over bandwidth plus flops over rate."""

import os
import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.linalg import blas, lapack
from threadpoolctl import threadpool_limits

import rpca_affect as ra
from benchmarks import commands
from benchmarks.problems import planted

__all__ = ["Rates", "Shape", "best_time", "floor_seconds", "main", "measure", "rates"]

SHAPES = "500x500:25:0.05,1000x1000:50:0.05,2000x2000:100:0.05,20000x128:8:0.05,100000x768:20:0.02"


class Shape(NamedTuple):
    """A planted problem: m x n of some rank and density of gross errors."""

    m: int
    n: int
    rank: int
    density: float

    @classmethod
    def parse(cls, text: str) -> "Shape":
        """Read ``"1000x1000:50:0.05"``."""
        size, rank, density = text.split(":")
        m, n = size.split("x")
        return cls(int(m), int(n), int(rank), float(density))


class Rates(NamedTuple):
    """What the machine does with some number of threads.

    Attributes
    ----------
    threads : int
    copy, triad : float
        Bytes a second, read and written.
    dgemm, dsyrk : float
        Flops a second.
    """

    threads: int
    copy: float
    triad: float
    dgemm: float
    dsyrk: float


def best_time(work: Callable[[], object], repeats: int = 5) -> float:
    """Shortest of some runs, in seconds, after one that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def rates(threads: int, cells: int = 2**24, order: int = 1500) -> Rates:
    """Measure memory bandwidth and matrix rates.

    Parameters
    ----------
    threads : int
    cells : int
        Length of the arrays of the bandwidth test: far beyond the caches.
    order : int
        Order of the matrices.

    Returns
    -------
    Rates
    """
    rng = np.random.default_rng(0)
    a, b, c = (np.full(cells, value) for value in (1.0, 2.0, 3.0))
    block = 2**15  # 256 kB: a block stays in the cache between the two halves of the triad
    pieces = np.array_split(np.arange(0, cells, block), threads)

    def copy(starts):
        for i in starts:
            np.copyto(a[i : i + block], b[i : i + block])

    def triad(starts):
        for i in starts:
            part = a[i : i + block]
            np.multiply(b[i : i + block], 0.5, out=part)
            np.add(part, c[i : i + block], out=part)

    with Parallel(n_jobs=threads, prefer="threads") as pool, threadpool_limits(threads):
        copying = best_time(lambda: pool(delayed(copy)(starts) for starts in pieces))
        adding = best_time(lambda: pool(delayed(triad)(starts) for starts in pieces))
        x = np.asfortranarray(rng.standard_normal((order, order)))
        multiply = best_time(lambda: blas.dgemm(1.0, x, x), 3)
        square = best_time(lambda: blas.dsyrk(1.0, x), 3)
    size = 8 * cells
    return Rates(threads, 2 * size / copying, 3 * size / adding, 2 * order**3 / multiply, order**3 / square)


def floor_seconds(shape: Shape, speed: Rates, eigen: Callable[[int], float]) -> dict:
    """Least time of one step: read M, read and write A, and the flops of the cheaper singular-value threshold.

    Subspace: two products of A with a basis of ``k = rank + max(5, 2 %)`` columns, one for L. Gram: ``A^T A`` of the
    smaller side, its eigenvalues, one product with the kept vectors, one for L.

    Parameters
    ----------
    shape : Shape
    speed : Rates
    eigen : callable (order) -> float
        Seconds of a full symmetric eigenvalue decomposition.

    Returns
    -------
    dict
        Seconds: ``bytes``, ``flops``, ``floor`` (their sum); and the ``route``.
    """
    cells, small = shape.m * shape.n, min(shape.m, shape.n)
    basis = min(shape.rank + max(5, round(0.02 * small)), small)
    subspace = 2 * cells * (2 * basis + shape.rank) / speed.dgemm
    gram = cells * small / speed.dsyrk + eigen(small) + 4 * cells * shape.rank / speed.dgemm
    moved = 24 * cells / max(speed.copy, speed.triad)
    flops = min(subspace, gram)
    return {"route": "gram" if gram < subspace else "subspace", "bytes": moved, "flops": flops, "floor": moved + flops}


def measure(shape: Shape, solver: str = "ialm", repeats: int = 3) -> dict:
    """Time the steps of a solve.

    Parameters
    ----------
    shape : Shape
    solver : str
    repeats : int

    Returns
    -------
    dict
        ``step``: seconds between two of the last steps (median of the last third: the first ones are taken in single
        precision and are no measure of the others); ``whole``: seconds of the solve, set-up and certificate included,
        over the number of ``steps``.
    """
    matrix = planted(*shape).matrices[0]
    between, whole, count = [], [], 1
    for _ in range(repeats):
        marks = [perf_counter()]

        def mark(_: object, marks: list[float] = marks) -> None:
            marks.append(perf_counter())

        count = int(ra.solve(matrix, solver, callback=mark).n_iter)
        whole.append((perf_counter() - marks[0]) / count)
        between += np.diff(marks)[-max(1, count // 3) :].tolist()
    return {"step": float(np.median(between)), "whole": float(np.median(whole)), "steps": count}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the machine and the engine; write ``floor.csv`` and ``floor.md``."""
    parser = commands.parser("benchmarks.floor", __doc__)
    add = parser.add_argument
    add("--shapes", default=SHAPES, help="MxN:rank:density, separated by commas")
    add("--solver", default="ialm")
    add("--repeats", type=int, default=3)
    add("--threads", type=int, default=os.cpu_count(), help="threads of the solve; rates are also shown for one")
    add("--cells", type=int, default=2**24, help="length of the arrays of the bandwidth test")
    add("--order", type=int, default=1500, help="order of the matrices of the rate test")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    counts = sorted({1, options.threads})
    machine = {count: rates(count, options.cells, options.order) for count in counts}
    text = ["# Distance of a step from its floor", "", "| threads | copy GB/s | triad GB/s | dgemm GF/s | dsyrk GF/s |"]
    text.append("|---:|---:|---:|---:|---:|")
    text += [f"| {r.threads} | " + " | ".join(f"{x / 1e9:.1f}" for x in r[1:]) + " |" for r in machine.values()]
    speed = machine[options.threads]
    rows = []
    with threadpool_limits(options.threads):
        for shape in map(Shape.parse, options.shapes.split(",")):
            least = floor_seconds(shape, speed, _eigen_time)
            took = measure(shape, options.solver, options.repeats)
            rows.append({**shape._asdict(), **least, **took, "ratio": took["step"] / least["floor"]})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(options.out / "floor.csv", index=False)
    text += [
        "",
        f"Solver `{options.solver}`; milliseconds. Whole: solve with set-up and certificate, over its steps.",
        "",
    ]
    text += ["| problem | route | bytes | flops | floor | step | whole | steps | step / floor |"]
    text += ["|---|---|---:|---:|---:|---:|---:|---:|---:|"]
    for row in rows:
        times = " | ".join(f"{1e3 * row[name]:.3g}" for name in ("bytes", "flops", "floor", "step", "whole"))
        name = f"{row['m']}x{row['n']} rank {row['rank']} {row['density']:.0%}"
        text.append(f"| {name} | {row['route']} | {times} | {row['steps']} | {row['ratio']:.1f}x |")
    (options.out / "floor.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))
    return 0


def _eigen_time(order: int) -> float:
    x = np.random.default_rng(0).standard_normal((order, order))
    gram = np.asfortranarray(x @ x.T)
    return best_time(lambda: lapack.dsyevd(gram), 1 if order > 500 else 3)


if __name__ == "__main__":
    sys.exit(main())
