"""How fast the penalty of inexact ALM may grow: steps, errors and distance from the optimum for some settings."""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

import rpca_affect as ra
from benchmarks.accuracy import distance, objective
from benchmarks.hard_cases import case
from benchmarks.problems import planted

__all__ = ["main"]

SETTINGS = ((1.5, 1.0), (1.5, 1.5), (1.6, 1.3), (1.6, 1.45), (1.6, 1.6), (1.65, 1.45), (1.7, 1.5), (2.0, 1.0))
EASY = ((500, 500, 25, 0.05), (500, 500, 25, 0.1), (300, 300, 30, 0.15), (2000, 60, 4, 0.05), (400, 400, 60, 0.1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per setting, from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.penalties", description=__doc__)
    parser.add_argument("--hard", type=int, default=20, help="number of hard matrices (default: 20)")
    parser.add_argument("--easy", type=int, default=len(EASY), help="number of recoverable problems (default: all)")
    options = parser.parse_args(arguments)
    hard: list[tuple[np.ndarray, float, float]] = []
    seed = 0
    while len(hard) < options.hard:
        matrix, sigma, _ = case(seed)
        seed += 1
        if sigma is None and not np.isnan(matrix).any():
            lam = 1 / np.sqrt(max(matrix.shape))
            best = ra.solve(matrix, "admm", tol=1e-9, max_iter=60_000)
            hard.append((matrix, lam, objective(matrix, best.low_rank, lam, 0.0)))
    easy = [planted(*numbers) for numbers in EASY[: options.easy]]
    sizes = ", ".join(f"{m} x {n} rank {rank} {density:.0%}" for m, n, rank, density in EASY[: options.easy])
    print(f"growth, relax | steps and relative error of L on {sizes} | hard: steps, excess of the objective (medians)")
    for growth, relax in SETTINGS:
        solver = ra.InexactALM(growth=growth, relax=relax)
        cells = []
        for data in easy:
            split = ra.solve(data.matrices[0], solver)
            cells.append(f"{split.n_iter} {distance([split.low_rank], data.truths):.1e}")
        splits = [ra.solve(matrix, solver) for matrix, _, _ in hard]
        excess = [
            (objective(matrix, split.low_rank, lam, 0.0) - best) / best
            for split, (matrix, lam, best) in zip(splits, hard)
        ]
        steps = np.median([split.n_iter for split in splits])
        print(f"{growth}, {relax} | {'; '.join(cells)} | {steps:.0f}, {np.median(excess):.1e}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
