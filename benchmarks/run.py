"""The one command: ours, the peers and two references on the same problems, in turns, into a table and a plot."""

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from time import perf_counter

import pandas as pd

from benchmarks import commands, tables
from benchmarks.contenders import CONTENDERS
from benchmarks.environment import ensure
from benchmarks.problems import GROUPS, SIZES, problems
from benchmarks.race import Race, Rules

__all__ = ["main"]

COLUMNS = [
    *("problem", "group", "length", "metric", "m", "n", "matrices", "contender", "kind", "repeat", "status"),
    *("seconds", "step_seconds", "n_iter", "peak_mib", "input_mib", "err_truth", "err_reference", "rank"),
    *("objective", "dual_bound", "gap", "residual", "claimed_gap", "message"),
]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the race and write ``<size>-runs.csv``, ``<size>-table.md`` and ``<size>-cost.png``."""
    options = _parser().parse_args(arguments)
    out = options.out
    (out / "tmp").mkdir(parents=True, exist_ok=True)
    rules = Rules(
        python=options.python or str(ensure()),
        repeats=options.repeats,
        threads=options.threads,
        cap=options.cap,
        patient_cap=options.patient_cap,
        once_above=options.once_above,
        budget=options.budget,
        scratch=out / "tmp",
    )
    table = out / f"{options.size}-runs.csv"
    if table.exists() and not options.append:
        table.unlink()
    with closing(Race(options.contenders, rules)) as race:
        _run(race, table, options)
    if not table.exists():
        print("nothing was run")
        return 0
    print((out / f"{options.size}-table.md").read_text())
    return 0


def _run(race: Race, table: Path, options: argparse.Namespace) -> None:
    for problem in problems(options.size, options.problems):
        print(f"{perf_counter() - race.start:6.0f} s  {problem.name}", flush=True)
        rows = []
        for row in race.run(problem):
            rows.append(row)
            line = pd.DataFrame([row]).reindex(columns=COLUMNS)
            line.to_csv(table, mode="a", header=not table.exists(), index=False)
            if row["kind"] != "optimum":
                print(f"   {tables.brief(row)}", flush=True)
        if rows:
            _write(table, options)


def _write(table: Path, options: argparse.Namespace) -> None:
    runs = pd.read_csv(table)
    head = (
        f"{platform.machine()}, {os.cpu_count()} cores, {options.threads} BLAS threads; Python "
        f"{platform.python_version()}; tolerance 1e-7; median of {options.repeats} runs in turns"
    )
    stem = options.out / options.size
    stem.with_name(f"{options.size}-table.md").write_text(tables.markdown(runs, head))
    tables.plot(runs, stem.with_name(f"{options.size}-cost.png"))


def _parser() -> argparse.ArgumentParser:
    parser = commands.parser("benchmarks", __doc__)
    add = parser.add_argument
    add("--problems", type=commands.names(GROUPS), default=GROUPS, help="groups, separated by commas")
    add("--size", choices=SIZES, default="full")
    everybody = tuple(CONTENDERS)
    add("--contenders", type=commands.names(everybody), default=everybody, help="names, separated by commas")
    add("--repeats", type=int, default=3)
    add("--threads", type=int, default=os.cpu_count(), help="BLAS threads of every contender")
    add("--cap", type=float, default=40.0, help="seconds after which a run is ended")
    add("--patient-cap", type=float, default=150.0, help="the same, for those that every table needs")
    add("--once-above", type=float, default=12.0, help="a contender that takes longer is not repeated")
    add("--budget", type=float, default=1300.0, help="seconds after which only the quick and the needed still run")
    add("--python", help="interpreter of the workers; default: the environment .venv-bench, created when missing")
    add("--append", action="store_true", help="keep the rows of earlier runs; newer ones replace them in the table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
