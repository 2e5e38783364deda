"""What a proved optimum costs: this commit beside an earlier one, time and steps to a proved duality gap.

Run `python -m benchmarks.certified --before FOLDER`, FOLDER being a worktree of the earlier commit
(`git worktree add FOLDER 8972606`). Both take turns, each run in a process of its own; the median of the runs counts.
Time is that of the processors: the machine may be shared. The solver is ``"auto"`` with `gap=`. A commit without
`gap=` solves by ADMM, which its ``"auto"`` ends with, and is told the loosest tolerance of a ladder whose answer proves
the gap: only that run counts. The last row is what the defaults do in a loop over small matrices, beside the iteration
of textbooks with a full SVD per step.
"""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, NamedTuple

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

    return next(problem for problem in problems("full", ("real",)) if problem.name == name).build().matrices


def _faces() -> list[np.ndarray]:
    """Tracked points as `decompose` solves for them: centred, in units of their noise, lost points missing."""
    found = []
    with np.load(Path(os.environ["RPCA_AFFECT_DATA"]) / "gfe" / "gfe_person_a.npz") as archive:
        for name in sorted(key for key in archive.files if key.endswith("__X")):
            points = archive[name].reshape(-1, 100, 3).astype(float)
            values = points[:, :, :2].reshape(len(points), 200)
            values = np.where(np.repeat(points[:, :, 2] != 0, 2, axis=1), values, np.nan)
            values -= np.nanmedian(values, axis=0)
            jumps = 1.4826 * np.nanmedian(np.abs(np.diff(values, axis=0)), axis=0) / np.sqrt(2)
            found.append(values / np.maximum(jumps, 0.02 * np.nanstd(values, axis=0)))
    return found


def _slack(matrix: np.ndarray) -> float:
    """The operator norm of noise of deviation 1 on the observed cells."""
    rows, columns = matrix.shape
    return (np.sqrt(rows) + np.sqrt(columns)) * np.sqrt(1 - np.isnan(matrix).mean())


def _clips() -> list[np.ndarray]:
    from benchmarks.problems import clips

    return clips(200).matrices


# name: (matrices, threshold of the noise model, gap, most of the earlier time that was asked for)
ROWS: dict[str, tuple[Callable[[], list[np.ndarray]], float | None, float | None, float | None]] = {
    "200x200, 10 % N(0,1)": (lambda: _gauss(0.0), None, 1e-6, None),
    "200x200, 10 % N(0,1), 1 % missing": (lambda: _gauss(0.01), None, 1e-6, None),
    "200x200, 10 % N(0,1), 5 % missing": (lambda: _gauss(0.05), None, 1e-6, None),
    "1000x1000 5 %": (lambda: _planted(1000, 1000, 50, 0.05), None, 1e-6, 1 / 4),
    "1000x1000 10 %": (lambda: _planted(1000, 1000, 50, 0.10), None, 1e-6, 1 / 4),
    "20000x128 rank 8": (lambda: _planted(20000, 128, 8, 0.05), None, 1e-6, 1 / 2),
    "drift 2000x64": (lambda: _drift(2000, 64), None, 3e-4, 1 / 2.5),
    "500x500, 30 % missing": (lambda: _planted(500, 500, 25, 0.05, missing=0.3), None, 1e-6, 1 / 1.5),
    "1000x1000 rank 20, 50 % missing": (
        lambda: _planted(1000, 1000, 20, 0.05, missing=0.5), None, 1e-6, 1 / 1.5),
    "8 faces, default model, 1e-5": (_faces, 2.0, 1e-5, 1 / 2),
    "8 faces, default model, 1e-7": (_faces, 2.0, 1e-7, 1 / 2.5),
    "2000x2000 rank 100": (lambda: _planted(2000, 2000, 100, 0.05), None, 1e-6, 1 / 8),
    "drift 20000x128": (lambda: _drift(20000, 128), None, 3e-4, 1 / 2.5),
    "face video 472x14400": (lambda: _real("pexels_face"), None, 4e-5, 1 / 1.8),
    "loop over 200 clips, defaults": (_clips, None, None, 1.0),
}  # fmt: skip


class _Textbook(NamedTuple):
    n_iter: int
    low_rank: np.ndarray
    dual: np.ndarray
    lam: float

    def gap_for(self, matrix: np.ndarray) -> float:
        from rpca_affect.arrays import Observed
        from rpca_affect.certificate import relative_gap

        return float(relative_gap(Observed(matrix), self.low_rank, self.dual, self.lam).squeeze())


def _textbook(matrix: np.ndarray) -> _Textbook:
    from benchmarks.references import ialm_full

    lam = 1 / np.sqrt(max(matrix.shape))
    found = ialm_full(matrix, lam)
    return _Textbook(found.n_iter, found.low_rank, found.dual, lam)


def measure(name: str, quick: bool) -> dict:
    """Solve the matrices of a row in this process; return seconds, steps, and the largest and the median gap."""
    import rpca_affect as ra

    build, threshold, gap, _ = ROWS[name]
    seconds, steps, gaps = 0.0, 0, []
    ra.solve(np.random.default_rng(0).standard_normal((300, 40)), "admm", max_iter=3)  # what is loaded once
    told = "gap" in inspect.signature(ra.solve).parameters
    solver = "ialm" if quick else "auto" if told else "admm"
    for matrix in build():
        wishes = {} if threshold is None else {"noise": 1.0, "lam": threshold / _slack(matrix)}
        if gap is None:
            ladder: Sequence[dict] = [{}]
        else:
            ladder = [{"gap": gap, "tol": 1e-12}] if told else [{"tol": tol} for tol in TOLERANCES]
        for given in [{"tol": 1e-7}] if quick else ladder:
            start = process_time()
            split: Any
            if gap is not None:
                split = ra.solve(matrix, solver, max_iter=LIMIT, **wishes, **given)
            else:
                split = _textbook(matrix) if quick else ra.solve(matrix)
            took = process_time() - start
            if gap is None or split.gap <= gap:
                break
        seconds, steps = seconds + took, steps + int(split.n_iter)
        gaps.append(split.gap_for(matrix) if isinstance(split, _Textbook) else float(split.gap))
    return {"seconds": seconds, "steps": steps, "gap": max(gaps), "median": median(gaps)}


def _asked(name: str, root: Path, quick: bool = False) -> dict:
    """Measure in a process that imports the package from ``root``."""
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", __file__, "--one", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=root)
    return json.loads(done.stdout.splitlines()[-1])


def _lines_of(path: Path) -> dict[str, list[str]]:
    """Rows of a table written before, by the name of their problem."""
    lines = path.read_text().splitlines()[2:] if path.exists() else []
    return {line.split("|")[1].strip(): [line] for line in lines}


def _shown(number: float | None, form: str) -> str:
    return "" if number is None else format(number, form)


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
    heads = [
        "problem",
        "gap",
        "time / before",
        "asked",
        "inexact ALM alone / before",
        "time / inexact ALM",
        "steps",
        "before",
        "alone",
        "largest gap",
        "before",
        "alone",
    ]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    print(*lines, sep="\n")
    kept = _lines_of(given.out / "certified.md") if given.rows else {}
    for name, (_, threshold, gap, asked) in ROWS.items():
        if not any(part in name for part in given.rows.split(",")):
            lines += kept.get(name, [])
            continue
        found: dict[str, list[dict]] = {"now": [], "before": [], "quick": []}
        for _ in range(given.turns):
            found["now"].append(_asked(name, ROOT))
            found["before"].append(_asked(name, given.before.resolve()))
            if threshold is None and "missing" not in name:
                found["quick"].append(_asked(name, ROOT, quick=True))
        now, before, quick = (median(x["seconds"] for x in some) if some else None for some in found.values())
        last, old, one = (some[-1] if some else {} for some in found.values())
        alone, beside = ("", "") if quick is None else (f"{quick / before:.2f}", f"{now / quick:.2f}")
        some = (last, old, one)
        cells = [
            *(name, _shown(gap, ".0e"), f"{now / before:.2f}", _shown(asked, ".2f"), alone, beside),
            *(_shown(x.get("steps"), "d") for x in some),
            *(_shown(x.get("gap"), ".1e") for x in some),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
        print(lines[-1], flush=True)
        rest = [line for other in list(ROWS)[list(ROWS).index(name) + 1 :] for line in kept.get(other, [])]
        (given.out / "certified.md").write_text("\n".join([*lines, *rest]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
