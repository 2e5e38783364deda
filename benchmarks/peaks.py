"""Peak memory of our solvers beyond the input: what they allocate, and what a process holds, new or warm."""

import argparse
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import rpca_affect as ra
from benchmarks import commands, worker
from benchmarks.environment import ROOT
from benchmarks.memory import ROOM, fetch
from benchmarks.problems import SIZES, Problem, problems

__all__ = ["main", "peak"]

GROUPS = ("squares", "tall", "drift", "real")
SOLVERS = ("auto", "ialm", "admm")
STEPS = 150  # of ADMM, where it was not asked for to prove a small gap: memory does not grow any more


def chosen(size: str, groups: tuple[str, ...]) -> dict[str, tuple[Problem, bool]]:
    """Problems by name, and whether they are turned; the first tall one stands for the wide ones too."""
    found = {problem.name: (problem, False) for problem in problems(size, groups)}
    tall = [problem for problem, _ in found.values() if problem.group == "tall"][:1]
    return found | {f"{problem.name}, turned": (problem, True) for problem in tall}


def peak(problem: Problem, turned: bool, solver: str, how: str) -> dict:
    """Solve the first matrix of a problem in this process.

    Parameters
    ----------
    problem : Problem
    turned : bool
        Transpose the matrix.
    solver : str
    how : {"allocated", "resident", "warm"}
        Count allocations, or what the process holds beyond what it held before; "warm" after five steps on the same
        matrix, for BLAS takes buffers of its own when it is first used, and keeps them.

    Returns
    -------
    dict
        Bytes, of the input too, rank and steps.
    """
    data = problem.build()
    matrix = np.ascontiguousarray(data.matrices[0].T if turned else data.matrices[0])
    sigma = data.sigmas[0] if data.sigmas else None
    steps = STEPS if solver == "admm" and problem.metric != "gap" else None
    del data
    # What is loaded once belongs to nobody.
    ra.solve(matrix if how == "warm" else matrix[:60, :40], solver, max_iter=5)
    fetch(ROOM * matrix.nbytes)
    worker.forget_peak()
    before = worker.resident()
    if how == "allocated":
        tracemalloc.start()
    split = ra.solve(matrix, solver, tol=problem.tol, noise=sigma, max_iter=steps)
    taken = tracemalloc.get_traced_memory()[1] if how == "allocated" else (worker.peak() - before) * worker.MIB
    return {"bytes": taken, "input": matrix.nbytes, "rank": split.rank, "steps": int(split.n_iter)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every problem in processes of its own; write ``peaks.csv`` and ``peaks.md``."""
    parser = commands.parser("benchmarks.peaks", __doc__)
    add = parser.add_argument
    add("--size", choices=SIZES, default="full")
    add("--problems", type=commands.names(GROUPS), default=GROUPS, help="groups, separated by commas")
    add("--solvers", type=commands.names(SOLVERS), default=SOLVERS, help="separated by commas")
    add("--one", nargs=3, metavar=("NAME", "SOLVER", "HOW"), help="measure here, and print the figures")
    options = parser.parse_args(arguments)
    table = chosen(options.size, options.problems)
    if options.one:
        name, solver, how = options.one
        print(json.dumps(peak(*table[name], solver, how)))
        return 0
    rows = []
    for name in table:
        for solver in options.solvers:
            row: dict = {"problem": name, "solver": solver}
            for how in ("allocated", "resident", "warm"):
                found = _elsewhere(options, name, solver, how)
                row |= {"input_mb": found["input"] / 1e6, "rank": found["rank"], "steps": found["steps"]}
                row[how] = found["bytes"] / found["input"]
            rows.append(row)
            print(row, flush=True)
    _write(pd.DataFrame(rows), options.out)
    return 0


def _elsewhere(options: argparse.Namespace, *one: str) -> dict:
    """The figures of one solve from a new process."""
    groups = ["--size", options.size, "--problems", ",".join(options.problems)]
    command = [sys.executable, "-m", "benchmarks.peaks", *groups, "--one", *one]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"{' '.join(one)} failed: {answer.stderr[-1000:]}")
    return json.loads(answer.stdout.splitlines()[-1])


def _write(rows: pd.DataFrame, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    rows.to_csv(out / "peaks.csv", index=False)
    text = ["# Peak memory beyond the input, in multiples of it, outputs included", ""]
    text += ["| problem | MB | solver | rank | steps | allocated | resident | warm |"]
    text += ["|---|---:|---|---:|---:|---:|---:|---:|"]
    for row in rows.itertuples():
        figures = f"{row.rank} | {row.steps} | {row.allocated:.2f}x | {row.resident:.2f}x | {row.warm:.2f}x"
        text.append(f"| {row.problem} | {row.input_mb:.1f} | {row.solver} | {figures} |")
    text += [
        "",
        "Resident: of a new process, with what BLAS takes for itself when it is first used; warm: of one that has",
    ]
    text += ["taken five steps before. `gfe_person_a` is its first recording, with a noise part and gigantic cells."]
    (out / "peaks.md").write_text("\n".join(text) + "\n")
    print("\n".join(text))


if __name__ == "__main__":
    sys.exit(main())
