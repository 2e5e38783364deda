"""The whole job, stage by stage: reading, noise, solving, events, writing, report; seconds and peak memory.

``python -m benchmarks.job`` writes tables of made-up landmarks, splits each in a process of its own, and prints what
every stage took, beside plain pandas reading the same file and writing the same tables. ``--against FOLDER`` runs the
same with the package of another checkout in that folder, in turns on the same machine. ``--write`` keeps what is
printed in ``benchmarks/results/job.md``.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {
    "1,200 x 184": (1200, 184),
    "4,030 x 61": (4030, 61),
    "5,000 x 709": (5000, 709),
    "20,000 x 709": (20000, 709),
    "108,000 x 709": (108000, 709),
}
ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results/job.md"
STAGES = ("reading", "noise", "solving", "parts", "events", "writing", "report")


def recording(path: Path, frames: int, features: int, seed: int = 0) -> int:
    """Write a face-like table (pixels with one decimal, bursts, 1 % lost frames); return the bytes of its numbers."""
    rng = np.random.default_rng(seed)
    knots = rng.standard_normal((frames // 20 + 3, 8)).cumsum(axis=0)
    place = np.arange(frames) / 20
    slow = np.stack([np.interp(place, np.arange(len(knots)), knot) for knot in knots.T], axis=1)
    mix = rng.standard_normal((8, features))
    names = ["frame", "timestamp", "confidence", "success", *(f"x_{k}" for k in range(features))]
    with path.open("w") as file:
        file.write(",".join(names) + "\n")
        for start in range(0, frames, 2000):
            rows = np.arange(start, min(start + 2000, frames))
            values = 300 + 4 * slow[rows] @ mix + rng.normal(0, 0.3, (len(rows), features))
            for _ in range(len(rows) // 100):
                first, column = rng.integers(len(rows) - 8), rng.integers(features)
                values[first : first + 6, column : column + 5] += 5
            good = (rng.random(len(rows)) > 0.01).astype(int)
            head = np.stack([rows + 1, rows / 30, 0.05 + 0.93 * good, good], axis=1)
            np.savetxt(
                file, np.hstack([head, values]), delimiter=",", fmt=["%d", "%.3f", "%.2f", "%d"] + ["%.1f"] * features
            )
    return frames * features * 8


# ---------------------------------------------------------------- one job, in a process of its own


def _peak() -> float:
    """Largest resident memory since `_forget`, in MB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _forget() -> None:
    Path("/proc/self/clear_refs").write_text("5")


class Clock:
    """Seconds and peak memory of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.cpu: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.peak: dict[str, float] = {}

    def run(self, stage: str, call: Callable[[], Any]) -> Any:
        _forget()
        wall, cpu = time.perf_counter(), time.process_time()
        answer = call()
        self.seconds[stage] += time.perf_counter() - wall
        self.cpu[stage] += time.process_time() - cpu
        self.peak[stage] = max(self.peak.get(stage, 0.0), _peak())
        return answer


def _inside(clock: Clock, stage: str, name: str) -> None:
    """Time every call of a function of this name in the package, wherever it was imported to."""
    import functools

    for module in [m for key, m in sys.modules.items() if key.startswith("rpca_affect") and hasattr(m, name)]:
        function = getattr(module, name)
        if not callable(function) or hasattr(function, "timed"):
            continue

        @functools.wraps(function)
        def timed(*args: Any, _function: Any = function, **words: Any) -> Any:
            if clock.seconds.get("inside"):  # one of these calls another: count the outer one
                return _function(*args, **words)
            clock.seconds["inside"] = 1.0
            start, cpu = time.perf_counter(), time.process_time()
            try:
                return _function(*args, **words)
            finally:
                clock.seconds["inside"] = 0.0
                clock.seconds[stage] += time.perf_counter() - start
                clock.cpu[stage] += time.process_time() - cpu

        timed.timed = True  # type: ignore[attr-defined]
        setattr(module, name, timed)


def job(source: Path, out: Path) -> dict[str, Any]:
    """Split one file as the shell does, timing the stages."""
    clock = Clock()
    import rpca_affect as ra
    from rpca_affect import session  # noqa: F401
    from rpca_affect.recordings import read

    base = _peak()
    recording_ = clock.run("reading", lambda: read(source))
    values = recording_.values.nbytes / 2**20
    for name, stage in (("solve", "solving"), ("noise_level", "noise"), ("spread", "noise"), ("_noise_scale", "noise")):
        _inside(clock, stage, name)
    split = clock.run("parts", lambda: ra.decompose(recording_))
    for sums in (clock.seconds, clock.cpu):
        sums["parts"] -= sums["noise"] + sums["solving"]
    clock.run("events", lambda: (split.events(), split.summary()))
    out.mkdir(parents=True, exist_ok=True)
    clock.run("writing", lambda: _write(split, out))
    clock.run("report", lambda: split.report(out / "report.html"))
    clock.seconds.pop("inside", None)
    written = sum(path.stat().st_size for path in out.iterdir()) / 2**20
    return {
        "seconds": clock.seconds,
        "cpu": clock.cpu,
        "peak": clock.peak,
        "import": base,
        "values": values,
        "written": written,
    }


def _write(split: Any, out: Path) -> None:
    try:
        from rpca_affect.results.tables import write_tables
    except ImportError:  # of a checkout before there was a home for tables
        from rpca_affect.cli.outputs import save_split  # type: ignore[attr-defined]

        save_split(split, out, report=False, settings={})
    else:
        write_tables(split, out)


def plain(source: Path, out: Path) -> dict[str, Any]:
    """Pandas reading the file and writing four tables of its size."""
    import pandas as pd

    clock, base = Clock(), _peak()
    out.mkdir(parents=True, exist_ok=True)
    table = clock.run("reading", lambda: pd.read_csv(source))
    numbers = table.iloc[:, 4:]
    parts = [numbers - 0.123456789, numbers * 0.0, numbers * 0.0123456789, numbers.notna().astype("int8")]
    clock.run("writing", lambda: [part.to_csv(out / f"{k}.csv", index=False) for k, part in enumerate(parts)])
    return {
        "seconds": clock.seconds,
        "cpu": clock.cpu,
        "peak": clock.peak,
        "import": base,
        "values": numbers.size * 8 / 2**20,
    }


# ---------------------------------------------------------------- all jobs


def _child(root: Path, kind: str, source: Path, out: Path) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--child", kind, str(source), str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["killed"])[-1][:100]}
    return json.loads(done.stdout.splitlines()[-1])


def _row(label: str, who: str, found: dict[str, Any]) -> str:
    if "error" in found:
        return f"| {label} | {who} | {found['error']} |"
    cells = [f"{found['seconds'][stage]:.2f}" for stage in STAGES]
    whole, cpu = (sum(found[kind][stage] for stage in STAGES) for kind in ("seconds", "cpu"))
    times = [
        f"{sum(found[kind][stage] for stage in STAGES) / found[kind]['solving']:.1f}" if found[kind]["solving"] else "-"
        for kind in ("seconds", "cpu")
    ]
    peak = max(found["peak"].values())
    memory = (peak - found["import"]) / found["values"]
    cells += [f"**{whole:.1f}**", f"{cpu:.1f}", *times, f"{peak:.0f}", f"{memory:.1f}"]
    return f"| {label} | {who} | {' | '.join(cells)} |"


def _peaks(label: str, found: dict[str, Any]) -> str:
    """Peak memory of every stage above that of the imports, in units of the values."""
    if "error" in found:
        return f"| {label} | {found['error']} |"
    above = {stage: (peak - found["import"]) / found["values"] for stage, peak in found["peak"].items()}
    return f"| {label} | " + " | ".join(f"{above[stage]:.1f}" if stage in above else "-" for stage in STAGES) + " |"


def imports() -> list[str]:
    """CPU seconds of starting, each the smallest of three."""
    code = {
        "`import rpca_affect`": "import rpca_affect",
        "`rpca-affect --help`": "import sys; from rpca_affect.cli import main; sys.argv[1:] = ['--help']; main()",
        "`import sklearn`": "import sklearn",
        "`import sklearn.decomposition`": "import sklearn.decomposition",
    }
    lines = ["", "| starting | CPU seconds |", "|---|---|"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for called, text in code.items():
        took = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        lines.append(f"| {called} | {min(took):.2f} |")
    return lines


def folder(files: int, jobs: list[int], place: Path) -> list[str]:
    """Files of 5,000 x 49 in one command: files a minute, by the clock and by CPU time."""
    inputs = place / "many"
    inputs.mkdir(exist_ok=True)
    for k in range(files):
        recording(inputs / f"p{k:03d}.csv", 5000, 49, seed=k)
    lines = [
        "",
        f"{files} files of 5,000 x 49, one command, with the time of starting it:",
        "",
        "| at a time | files a minute | CPU seconds a file |",
        "|---|---|---|",
    ]
    for count in jobs:
        code = "from rpca_affect.cli import main; main()"
        out, more = place / f"out-{count}", ["--jobs", str(count)] if count > 1 else []
        command = [sys.executable, "-c", code, "decompose", str(inputs), "-o", str(out), "-q", *more]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        said = f"{60 * files / took:.0f} | {cpu / files:.2f}"
        lines.append(f"| {count} | {done.stderr.strip()[-80:] if done.returncode else said} |")
    return lines


class Page:
    """Lines that are printed as they come, and kept."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.lines = path, []  # type: ignore[var-annotated]

    def add(self, *lines: str) -> None:
        print("\n".join(lines), flush=True)
        self.lines += lines
        if self.path is not None:
            self.path.write_text("\n".join(self.lines) + "\n")


HEAD = """# The whole job

`python -m benchmarks.job {words}` on {cores} cores, load {load:.1f} at the start: where
that is more than 1, ratios within the run count, seconds do not. Tables of made-up landmarks, the split with default
settings and the check of hidden cells, all tables as text, and the report, in one process. *All* and *CPU* are sums of
the stages in seconds, by the clock and by what the process computed; both are given in units of the solve as well. The
last column is the largest resident memory above that of the imports in units of the values as doubles; libraries that
load later count too, which is what small tables show. *pandas* reads the same file and writes four tables of its size,
*other* is another checkout.
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--against", type=Path, help="another checkout of the package")
    parser.add_argument("--files", type=int, default=200, help="files of the folder; 0 leaves it out")
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--most-against", type=int, default=20000, help="frames up to which the other checkout runs")
    parser.add_argument("--most-pandas", type=int, default=200_000, help="frames up to which pandas reads and writes")
    parser.add_argument("--write", action="store_true", help="keep the tables in benchmarks/results/job.md")
    words = parser.parse_args()
    if words.child:
        kind, source, out = words.child
        answer = {"job": job, "plain": plain}[kind](Path(source), Path(out))
        print(json.dumps(answer))
        return
    roots = {"this": ROOT} | ({"other": words.against.resolve()} if words.against else {})
    page = Page(RESULTS if words.write else None)
    given = " ".join(f'"{word}"' if " " in word else Path(word).name for word in sys.argv[1:])
    page.add(HEAD.format(words=given, cores=os.cpu_count(), load=os.getloadavg()[0]))
    columns = (*STAGES, "all", "CPU", "all / solving", "CPU / solving", "peak (MB)", "peak above import / values")
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        page.add(*imports())
        if words.files:
            page.add(*folder(words.files, words.jobs, place))
        page.add("", f"| table | who | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns))
        memory = ["", f"| peak / values | {' | '.join(STAGES)} |", "|---|" + "---|" * len(STAGES)]
        for label in words.sizes:
            frames, features = SIZES[label]
            source = place / "in.csv"
            recording(source, frames, features)
            for who, root in roots.items():
                if who == "this" or frames <= words.most_against:
                    found = _child(root, "job", source, place / "out")
                    page.add(_row(label, who, found))
                    memory += [_peaks(label, found)] if who == "this" else []
            if frames <= words.most_pandas:
                page.add(_row(label, "pandas", _child(ROOT, "plain", source, place / "plain")))
            for name in ("out", "plain"):
                shutil.rmtree(place / name, ignore_errors=True)
        page.add(*memory)


if __name__ == "__main__":
    main()
