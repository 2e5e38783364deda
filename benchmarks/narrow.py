"""Matrices with few columns: how much time a subspace saves beside a Gram matrix in every step.

Run `python -m benchmarks.narrow`. Both take turns, the fastest of several turns counts; the answers stand beside it.
"""

import sys
from collections.abc import Callable, Sequence
from time import perf_counter
from unittest.mock import patch

import numpy as np

import rpca_affect as ra
from benchmarks.commands import parser
from benchmarks.problems import drifting, planted
from rpca_affect.engine.spectrum import threshold

__all__ = ["main"]

SHAPES = (  # rows, columns, rank; the worst for a subspace are the narrow and the nearly full ones
    (100, 100, 5), (136, 136, 6), (200, 200, 10), (256, 256, 13), (256, 256, 30), (320, 320, 16), (1000, 136, 8),
    (600, 80, 4), (4000, 64, 4), (10000, 50, 4), (20000, 50, 4), (5000, 40, 2), (3000, 100, 12), (3000, 100, 25),
    (1500, 250, 10), (5000, 200, 40), (2000, 64, None),
)  # fmt: skip
MODELS = (("inexact ALM", "ialm", {}), ("stable", "admm", {"noise": 0.05, "tol": 1e-5, "max_iter": 60}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per shape and model."""
    options = parser("benchmarks.narrow", __doc__)
    options.add_argument("--turns", type=int, default=5)
    options.add_argument("--shapes", type=int, default=len(SHAPES), help="how many of the shapes")
    given = options.parse_args(arguments)
    print(f"{'matrix':<20}{'model':<13}{'ms':>8}{'Gram':>8}{'ratio':>7}{'steps':>10}{'rank':>8}{'gap':>18}  difference")
    for rows, columns, rank in SHAPES[: given.shapes]:
        data = drifting(rows, columns) if rank is None else planted(rows, columns, rank, 0.05)
        name = f"{rows}x{columns} {'drift' if rank is None else f'rank {rank}'}"
        for model, solver, wishes in MODELS:
            _line(name, model, given.turns, lambda: ra.solve(data.matrices[0], solver, **wishes))  # noqa: B023
    return 0


def _line(name: str, model: str, turns: int, solve: Callable[[], ra.Decomposition]) -> None:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(turns):
        times[0].append(-perf_counter())
        split = solve()
        times[0][-1] += perf_counter()
        with patch.object(threshold, "SMALLEST", sys.maxsize):
            times[1].append(-perf_counter())
            gram = solve()
            times[1][-1] += perf_counter()
    quick, slow = (1e3 * min(t) for t in times)
    apart = np.linalg.norm(split.low_rank - gram.low_rank) / (np.linalg.norm(gram.low_rank) or 1.0)
    print(
        f"{name:<20}{model:<13}{quick:>8.1f}{slow:>8.1f}{slow / quick:>7.2f}{split.n_iter:>6}{gram.n_iter:>4}"
        f"{split.rank:>5}{gram.rank:>3}{split.gap:>10.1e}{gram.gap:>8.0e}  {apart:.0e}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
