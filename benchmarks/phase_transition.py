"""The phase-transition picture: which ranks and densities each solver recovers, four solvers on one scale."""

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import rpca_affect as ra
from benchmarks import commands
from benchmarks.problems import planted

matplotlib.use("Agg")
import matplotlib.pyplot as plt

__all__ = ["SOLVERS", "draw", "main", "recovered", "shares"]

SOLVERS = {
    "ialm": "inexact ALM",
    "admm": "ADMM",
    "godec": "GoDec (rank, cells known)",
    "altproj": "AltProj (rank known)",
}
LIMIT = 1e-3


def recovered(solver: str, n: int, rank: float, density: float, seed: int) -> bool:
    """Tell whether a solver finds a planted low-rank part to a relative error of 1e-3.

    Parameters
    ----------
    solver : str
    n : int
        Rows and columns.
    rank : float
        Rank over n.
    density : float
        Share of cells with gross errors.
    seed : int

    Returns
    -------
    bool
    """
    true_rank = max(1, round(rank * n))
    data = planted(n, n, true_rank, density, seed)
    matrix, truth = data.matrices[0], (data.truths or [])[0]
    known: dict[str, Any] = {"rank": true_rank} if solver in ("godec", "altproj") else {}
    if solver == "godec":
        known["cardinality"] = int((matrix != truth).sum())
    split = ra.solve(matrix, solver, tol=1e-6, max_iter=1000, random_state=seed, **known)
    return bool(np.linalg.norm(split.low_rank - truth) < LIMIT * np.linalg.norm(truth))


def shares(
    solvers, n: int, steps: int, trials: int, cache: Path | None = None, jobs: int = -1, reach: float = 0.4
) -> pd.DataFrame:
    """Share of trials recovered, over a grid of rank/n and density.

    Parameters
    ----------
    solvers : sequence of str
    n, steps, trials : int
        Rows and columns; cells of the grid along each axis; trials in a cell.
    cache : Path, optional
        CSV file; cells that it holds for the same n and trials are not computed again.
    jobs : int
        Processes, one BLAS thread each.
    reach : float
        Largest rank/n and density; the smallest is one step above 0.

    Returns
    -------
    DataFrame
        Columns ``solver, n, trials, rank, density, share``.
    """
    grid = np.round(np.linspace(reach / steps, reach, steps), 6)
    columns = ["solver", "n", "trials", "rank", "density"]
    known = pd.read_csv(cache) if cache is not None and cache.exists() else pd.DataFrame(columns=[*columns, "share"])
    done = set(known[columns].itertuples(index=False, name=None))
    wanted = [
        (solver, n, trials, float(rank), float(density)) for solver, rank, density in product(solvers, grid, grid)
    ]
    # Ranks high to low: the slowest cells first, so that no process is left alone with them.
    cells = sorted((cell for cell in wanted if cell not in done), key=lambda cell: -cell[3] - cell[4])
    found = Parallel(n_jobs=jobs, batch_size=4)(delayed(_share)(*cell) for cell in cells)
    rows = pd.DataFrame([(*cell, share) for cell, share in zip(cells, found)], columns=known.columns)
    known = pd.concat([part for part in (known, rows) if len(part)], ignore_index=True)
    if cache is not None:
        known.to_csv(cache, index=False)
    return known[known[columns].apply(tuple, axis=1).isin(wanted)].reset_index(drop=True)


def _share(solver: str, n: int, trials: int, rank: float, density: float) -> float:
    with threadpool_limits(1):
        return float(np.mean([recovered(solver, n, rank, density, seed) for seed in range(trials)]))


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw one panel per solver, on one colour scale that colour-blind readers can read.

    Parameters
    ----------
    table : DataFrame
        From `shares`.
    path : Path
    """
    names = list(dict.fromkeys(table["solver"]))
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.4 * len(names), 3.6), sharey=True, squeeze=False, layout="constrained"
    )
    for axis, name in zip(axes[0], [solver for solver in SOLVERS if solver in names]):
        panel: Any = table[table["solver"] == name].pivot(index="density", columns="rank", values="share")
        half = (panel.columns[1] - panel.columns[0]) / 2 if len(panel) > 1 else 0.025
        low, high = panel.columns[0] - half, panel.columns[-1] + half
        image = axis.imshow(
            panel.to_numpy(),
            origin="lower",
            extent=(low, high, low, high),
            vmin=0,
            vmax=1,
            cmap="cividis",
            aspect="equal",
        )
        axis.set(title=SOLVERS[name], xlabel="rank / n")
    axes[0][0].set_ylabel("share of cells with gross errors")
    trials, n = table["trials"].iloc[0], table["n"].iloc[0]
    label = f"share of {trials} trials recovered to {LIMIT:.0e}, n = {n}"
    figure.colorbar(image, ax=axes[0], label=label, shrink=0.85)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute the grid and write ``phase-transition.csv`` and ``phase-transition.png``."""
    parser = commands.parser("benchmarks.phase_transition", __doc__)
    add = parser.add_argument
    add("--n", type=int, default=100, help="rows and columns")
    add("--steps", type=int, default=10, help="cells of the grid along each axis")
    add("--reach", type=float, default=0.4, help="largest rank/n and share of spoiled cells")
    add("--trials", type=int, default=5)
    add("--jobs", type=int, default=-1)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    present = [solver for solver in SOLVERS if solver in ra.available_solvers()]
    if missing := [solver for solver in SOLVERS if solver not in present]:
        print(f"not in this version of the package, left out: {', '.join(missing)}")
    cache = options.out / "phase-transition.csv"
    table = shares(present, options.n, options.steps, options.trials, cache, options.jobs, options.reach)
    draw(table, options.out / "phase-transition.png")
    print(table.groupby("solver")["share"].mean().to_string(float_format="{:.2f}".format))
    return 0


if __name__ == "__main__":
    sys.exit(main())
