"""What a proved optimum costs: this commit beside an earlier one, time and steps to a proved duality gap.

Run `python -m benchmarks.certified --before FOLDER`, FOLDER being a worktree of the earlier commit
(`git worktree add FOLDER 8972606`). Both take turns, each run in a process of its own; the median of the runs counts.
A commit without `gap=` is told the loosest tolerance of a ladder whose answer proves the gap, and only that run counts.
"""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

TOLERANCES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 1e-8)
LIMIT = 1000  # steps


def _holes(matrix: np.ndarray, share: float) -> np.ndarray:
    return np.where(np.random.default_rng(1).random(matrix.shape) < share, np.nan, matrix)


def _gauss(missing: float) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    low = rng.standard_normal((200, 5)) @ rng.standard_normal((5, 200))
    return [_holes(low + rng.standard_normal(low.shape) * (rng.random(low.shape) < 0.1), missing)]


def _planted(*numbers, missing: float = 0.0) -> list[np.ndarray]:
    from benchmarks.problems import planted

    matrix = planted(*numbers).matrices[0]
    return [_holes(matrix, missing) if missing else matrix]


def _drift(*numbers) -> list[np.ndarray]:
    from benchmarks.problems import drifting

    return drifting(*numbers).matrices


def _real(name: str) -> list[np.ndarray]:
    from benchmarks.problems import problems

    data = next(problem for problem in problems("full", ("real",)) if problem.name == name).build()
    return data.matrices if data.sigmas is None else [x / sigma for x, sigma in zip(data.matrices, data.sigmas)]


def _clips() -> list[np.ndarray]:
    from benchmarks.problems import clips

    return clips(200).matrices


# name: (matrices, solver, wishes, gap, most of the earlier time that was asked for)
ROWS: dict[str, tuple[Callable[[], list[np.ndarray]], str, dict, float, float | None]] = {
    "200x200, 10 % N(0,1)": (lambda: _gauss(0.0), "admm", {}, 1e-6, None),
    "200x200, 10 % N(0,1), 1 % missing": (lambda: _gauss(0.01), "admm", {}, 1e-6, None),
    "200x200, 10 % N(0,1), 5 % missing": (lambda: _gauss(0.05), "admm", {}, 1e-6, None),
    "1000x1000 5 %": (lambda: _planted(1000, 1000, 50, 0.05), "admm", {}, 1e-6, 1 / 4),
    "1000x1000 10 %": (lambda: _planted(1000, 1000, 50, 0.10), "admm", {}, 1e-6, 1 / 4),
    "20000x128 rank 8": (lambda: _planted(20000, 128, 8, 0.05), "admm", {}, 1e-6, 1 / 2),
    "drift 2000x64": (lambda: _drift(2000, 64), "admm", {}, 3e-4, 1 / 2.5),
    "500x500, 30 % missing": (lambda: _planted(500, 500, 25, 0.05, missing=0.3), "admm", {}, 1e-6, 1 / 1.5),
    "1000x1000 rank 20, 50 % missing": (
        lambda: _planted(1000, 1000, 20, 0.05, missing=0.5), "admm", {}, 1e-6, 1 / 1.5),
    "8 faces, default model, 1e-5": (lambda: _real("gfe_person_a"), "admm", {"noise": 1.0}, 1e-5, 1 / 2),
    "8 faces, default model, 1e-7": (lambda: _real("gfe_person_a"), "admm", {"noise": 1.0}, 1e-7, 1 / 2.5),
    "loop over 200 clips": (_clips, "auto", {}, 1e-3, None),
    "2000x2000 rank 100": (lambda: _planted(2000, 2000, 100, 0.05), "admm", {}, 1e-6, 1 / 8),
    "drift 20000x128": (lambda: _drift(20000, 128), "admm", {}, 3e-4, 1 / 2.5),
    "face video 472x14400": (lambda: _real("pexels_face"), "admm", {}, 4e-5, 1 / 1.8),
}  # fmt: skip


def measure(name: str, quick: bool) -> dict:
    """Solve the matrices of a row in this process; return seconds, steps and the largest gap."""
    import rpca_affect as ra

    build, solver, wishes, gap, _ = ROWS[name]
    seconds, steps, gaps = 0.0, 0, []
    ra.solve(np.random.default_rng(0).standard_normal((300, 40)), "admm", max_iter=3)  # what is loaded once
    told = "gap" in inspect.signature(ra.solve).parameters
    for matrix in build():
        ladder: Sequence[dict] = [{"gap": gap, "tol": 1e-12}] if told else [{"tol": tol} for tol in TOLERANCES]
        ladder = [{"tol": 1e-7}] if quick else ladder
        for given in ladder:
            start = perf_counter()
            split = ra.solve(matrix, "ialm" if quick else solver, max_iter=LIMIT, **wishes, **given)
            took = perf_counter() - start
            if split.gap <= gap:
                break
        seconds, steps = seconds + took, steps + int(split.n_iter)
        gaps.append(float(split.gap))
    return {"seconds": seconds, "steps": steps, "gap": max(gaps)}


def _asked(name: str, root: Path, quick: bool = False) -> dict:
    """Measure in a process that imports the package from ``root``."""
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", __file__, "--one", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=root)
    return json.loads(done.stdout.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per row, and write them to ``certified.md``."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if "--one" in arguments:
        print(json.dumps(measure(arguments[arguments.index("--one") + 1], "--quick" in arguments)))
        return 0
    from benchmarks.commands import parser
    from benchmarks.environment import ROOT

    options = parser("benchmarks.certified", __doc__)
    options.add_argument("--before", type=Path, required=True, help="worktree of the earlier commit")
    options.add_argument("--turns", type=int, default=3)
    options.add_argument("--rows", default="", help="parts of names, separated by commas; empty means all")
    given = options.parse_args(arguments)
    heads = ["problem", "gap", "time / before", "asked", "time / inexact ALM", "steps", "before", "gap", "before"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    print(*lines, sep="\n")
    for name, (_, _, wishes, gap, asked) in ROWS.items():
        if not any(part in name for part in given.rows.split(",")):
            continue
        found: dict[str, list[dict]] = {"now": [], "before": [], "quick": []}
        for _ in range(given.turns):
            found["now"].append(_asked(name, ROOT))
            found["before"].append(_asked(name, given.before.resolve()))
            if not wishes and "missing" not in name:
                found["quick"].append(_asked(name, ROOT, quick=True))
        now, before, quick = (median(x["seconds"] for x in some) if some else None for some in found.values())
        last, old = found["now"][-1], found["before"][-1]
        beside = "" if quick is None else f"{now / quick:.2f}"
        cells = [name, f"{gap:.0e}", f"{now / before:.2f}", "" if asked is None else f"{asked:.2f}", beside,
                 last["steps"], old["steps"], f"{last['gap']:.1e}", f"{old['gap']:.1e}"]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
        print(lines[-1], flush=True)
        (given.out / "certified.md").write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
