"""The whole job, stage by stage: reading, noise, solving, parts, results with report; seconds and peak memory.

``python -m benchmarks.job`` writes tables of made-up landmarks, splits each in a process of its own, and prints what
every stage took, beside plain pandas reading the same file and writing the same tables. ``--against FOLDER`` runs the
same with the package of another checkout in that folder, in turns on the same machine. Then the same as one command in
a shell, from start to end, with at most ``--limit`` GB of memory of its own. ``--write`` keeps what is printed in
``benchmarks/results/job.md``, in place of what stands there under the same heading (``--under``).
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.job_stages import STAGES
from rpca_affect.results.numerals import PAD, numerals

SMALL = (600, 184)  # frames and features of a table that takes nothing beside the libraries
ASKED = (
    "Asked of 20,000 x 709: at most 2.5 times the solve and 6 times the values, and 6 times faster than commit 8972606."
)
SIZES = {
    "1,200 x 184": (1200, 184),
    "4,030 x 61": (4030, 61),
    "5,000 x 709": (5000, 709),
    "20,000 x 709": (20000, 709),
    "108,000 x 709": (108000, 709),
}
ROOT = Path(__file__).parents[1]
STAGED = ROOT / "benchmarks/job_stages.py"
RESULTS = ROOT / "benchmarks/results/job.md"


def recording(path: Path, frames: int, features: int, seed: int = 0) -> int:
    """Write a face-like table (pixels with one decimal, bursts, 1 % lost frames); return the bytes of its numbers."""
    rng = np.random.default_rng(seed)
    knots = rng.standard_normal((frames // 20 + 3, 8)).cumsum(axis=0)
    place = np.arange(frames) / 20
    slow = np.stack([np.interp(place, np.arange(len(knots)), knot) for knot in knots.T], axis=1)
    mix = rng.standard_normal((8, features))
    names = ["frame", "timestamp", "confidence", "success", *(f"x_{k}" for k in range(features))]
    with path.open("wb") as file:
        file.write(",".join(names).encode() + b"\n")
        for start in range(0, frames, 2000):
            rows = np.arange(start, min(start + 2000, frames))
            values = 300 + 4 * slow[rows] @ mix + rng.normal(0, 0.3, (len(rows), features))
            for _ in range(len(rows) // 100):
                first, column = rng.integers(len(rows) - 8), rng.integers(features)
                values[first : first + 6, column : column + 5] += 5
            good = (rng.random(len(rows)) > 0.01).astype(int)
            head = np.stack([rows + 1, (rows / 30).round(3), 0.05 + 0.93 * good, good], axis=1)
            words = numerals(np.hstack([head, values.round(1)]), 3)
            cells = np.empty(words.shape, dtype=[("word", words.dtype), ("end", "S1")])
            cells["word"], cells["end"] = words, b","
            cells["end"][:, -1] = b"\n"
            file.write(cells.tobytes().translate(None, PAD))
    return frames * features * 8


@dataclass(frozen=True)
class Command:
    """What a command took from start to end: seconds, CPU seconds and largest resident memory in MB."""

    seconds: float
    cpu: float
    peak: float
    error: str

    @classmethod
    def run(cls, command: list[str], root: Path, limit: float | None = None) -> "Command":
        """Run a command with the package of a checkout, in so many GB of memory of its own (RLIMIT_DATA)."""
        bound = None if limit is None else (lambda: resource.setrlimit(resource.RLIMIT_DATA, 2 * (int(limit * 2**30),)))
        with tempfile.TemporaryFile("w+") as said:
            start = time.perf_counter()
            process = subprocess.Popen(command, env=_environment(root), stdout=said, stderr=said, preexec_fn=bound)
            _, code, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
            seconds = time.perf_counter() - start
            said.seek(0)
            error = (said.read().strip().splitlines() or [f"exit {code}"])[-1][-100:] if code else ""
        return cls(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, error)

    def row(self, *labels: str) -> str:
        """Its line of a table."""
        cells = [self.error] if self.error else [f"{self.seconds:.1f}", f"{self.cpu:.1f}", f"{self.peak:.0f}"]
        return f"| {' | '.join((*labels, *cells))} |"


def _environment(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _shell(*words: str) -> list[str]:
    return [sys.executable, "-c", "from rpca_affect.cli import main; main()", "decompose", *words]


def _child(root: Path, kind: str, source: Path, out: Path) -> dict[str, Any]:
    command = [sys.executable, str(STAGED), kind, str(source), str(out)]
    done = subprocess.run(command, env=_environment(root), capture_output=True, text=True, check=False)
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
    memory = _above(found) / found["values"]
    cells += [f"**{whole:.1f}**", f"{cpu:.1f}", *times, f"{peak:.0f}", f"{memory:.1f}"]
    return f"| {label} | {who} | {' | '.join(cells)} |"


def _peaks(label: str, found: dict[str, Any]) -> str:
    """Peak memory of every stage above that of the imports, in units of the values."""
    if "error" in found:
        return f"| {label} | {found['error']} |"
    above = {stage: (peak - found["import"]) / found["values"] for stage, peak in found["peak"].items()}
    return f"| {label} | " + " | ".join(f"{above[stage]:.1f}" if stage in above else "-" for stage in STAGES) + " |"


def _above(found: dict[str, Any]) -> float:
    """Peak memory above that of the imports, in MB."""
    return max(found["peak"].values()) - found["import"]


def follows(label: str, this: dict[str, Any], other: dict[str, Any] | None, libraries: float) -> str:
    """What the whole job of one table takes in units of its solve, of its values and of another checkout."""
    if "error" in this:
        return f"- {label} ended: {this['error']}"
    sums = {kind: sum(this[kind][stage] for stage in STAGES) for kind in ("seconds", "cpu")}
    clock, cpu = (sums[kind] / this[kind]["solving"] for kind in sums)
    above, values = _above(this), this["values"]
    said = (
        f"- {label}: {clock:.2f} times the solve by the clock, {cpu:.2f} by the processor; "
        f"{above / values:.1f} times its values of {values:.0f} MB, {(above - libraries) / values:.1f} "
        "without the libraries"
    )
    if other is None or "error" in other:
        return said + "."
    clock, cpu = (sum(other[kind][stage] for stage in STAGES) / sums[kind] for kind in sums)
    return f"{said}; {clock:.1f} times faster than the other by the clock, {cpu:.1f} by the processor."


def imports() -> list[str]:
    """CPU seconds of starting, each the smallest of three."""
    code = {
        "`import rpca_affect`": "import rpca_affect",
        "`rpca-affect --help`": "import sys; from rpca_affect.cli import main; sys.argv[1:] = ['--help']; main()",
        "`import sklearn`": "import sklearn",
        "`import sklearn.decomposition`": "import sklearn.decomposition",
    }
    lines = ["", "| starting | CPU seconds |", "|---|---|"]
    for called, text in code.items():
        took = min(Command.run([sys.executable, "-c", text], ROOT).cpu for _ in range(3))
        lines.append(f"| {called} | {took:.2f} |")
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
        out, more = place / f"out-{count}", ["--jobs", str(count)] if count > 1 else []
        done = Command.run(_shell(str(inputs), "-o", str(out), "-q", *more), ROOT)
        lines.append(f"| {count} | {done.error or f'{60 * files / done.seconds:.0f} | {done.cpu / files:.2f}'} |")
    return lines


class Page:
    """Lines that are printed as they come, and kept in place of what a page has under the same heading."""

    def __init__(self, path: Path | None, heading: str) -> None:
        self.path, self.heading = path, heading
        self.lines: list[str] = []

    def add(self, *lines: str) -> None:
        print("\n".join(lines), flush=True)
        self.lines += lines
        if self.path is None:
            return
        text = self.path.read_text() if self.path.exists() else ""
        parts = dict(re.findall(r"^## (.*)\n\n((?:(?!^## ).*\n)*)", text, re.MULTILINE))
        parts[self.heading] = "\n".join(self.lines) + "\n"
        self.path.write_text(HEAD + "".join(f"\n## {heading}\n\n{part.rstrip()}\n" for heading, part in parts.items()))


HEAD = """# The whole job

Tables of made-up landmarks, the split with default settings and the check of hidden cells, all tables as text beside
the drawing of the report, in one process. *All* and *CPU* are sums of the stages in seconds, by the clock and by what
the process computed; both are given in units of the solve as well. The last column is the largest resident memory above
that of the imports in units of the values as doubles. Libraries that load later count too, which is what small tables
show: so much is what a table of 600 x 184 takes, whose values are 1 MB. *pandas* reads the same file and writes four
tables of its size, *other* is another checkout. Where the load at the start is more than 1, ratios within a run count,
seconds do not. Every section is of one run of `python -m benchmarks.job`, with the options that it names.
"""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--against", type=Path, help="another checkout of the package")
    parser.add_argument("--files", type=int, default=200, help="files of the folder; 0 leaves it out")
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--most-against", type=int, default=20000, help="frames up to which the other checkout runs")
    parser.add_argument("--most-pandas", type=int, default=200_000, help="frames up to which pandas reads and writes")
    parser.add_argument("--limit", type=float, help="GB of memory that one command in a shell may take (RLIMIT_DATA)")
    parser.add_argument("--write", action="store_true", help="keep the tables in benchmarks/results/job.md")
    parser.add_argument("--under", default="All tables", help="heading in that page under which they are kept")
    words = parser.parse_args()
    page = Page(RESULTS if words.write else None, words.under)
    given = " ".join(f'"{word}"' if " " in word else Path(word).name for word in sys.argv[1:])
    page.add(f"`{given}`: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start.")
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        if words.files:
            page.add(*imports(), *folder(words.files, words.jobs, place))
        if words.sizes:
            tables(words, place, page)


def tables(words: argparse.Namespace, place: Path, page: Page) -> None:
    """Add the tables of all sizes, and what follows from them."""
    roots = {"this": ROOT} | ({"other": words.against.resolve()} if words.against else {})
    columns = (*STAGES, "all", "CPU", "all / solving", "CPU / solving", "peak (MB)", "peak above import / values")
    page.add("", f"| table | who | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns))
    limit = "" if words.limit is None else f", in {words.limit:g} GB (RLIMIT_DATA)"
    whole = ["", f"| one command, from start to end{limit} | seconds | CPU | peak (MB) |", "|---|---|---|---|"]
    memory = ["", f"| peak / values | {' | '.join(STAGES)} |", "|---|" + "---|" * len(STAGES)]
    source = place / "in.csv"
    recording(source, *SMALL)
    small = _child(ROOT, "job", source, place / "out")
    libraries = _above(small) - small["values"]
    said = ["", f"The libraries take {libraries:.0f} MB. {ASKED}", ""]
    for label in words.sizes:
        frames, features = SIZES[label]
        recording(source, frames, features)
        found = {}
        for who, root in roots.items():
            if who == "this" or frames <= words.most_against:
                found[who] = _child(root, "job", source, place / "out")
                page.add(_row(label, who, found[who]))
        memory.append(_peaks(label, found["this"]))
        said.append(follows(label, found["this"], found.get("other"), libraries))
        if frames <= words.most_pandas:
            page.add(_row(label, "pandas", _child(ROOT, "plain", source, place / "plain")))
        command = _shell(str(source), "-o", str(place / "shell"), "--report", "-q")
        whole.append(Command.run(command, ROOT, words.limit).row(label))
        for name in ("out", "plain", "shell"):
            shutil.rmtree(place / name, ignore_errors=True)
    page.add(*memory, *whole, *said)


if __name__ == "__main__":
    main()
