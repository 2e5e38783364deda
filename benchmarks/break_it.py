"""Tries to break the shell and the readers: random command lines, interruptions, full disks, damaged files.

    python -m benchmarks.break_it            # make break: about a quarter of an hour on two quiet cores
    python -m benchmarks.break_it --runs 40 --stops 4 --limits 4 --disks 4 --files 200 --seed 7

Counts of tracebacks, exit codes that no help names, invalid JSON, lost files, leftovers, hangs, good commands refused,
results that differ after an interruption, and processes left running; all must be 0.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.command_lines import drawn, own_files
from benchmarks.commands import parser
from benchmarks.damage import damage, defects
from benchmarks.shells import (
    BAD,
    Run,
    contents,
    counter,
    judge,
    left_running,
    report,
    shell,
    small_disk,
    tables,
)

PARTS = {
    "runs": "random command lines, at least half of them good",
    "stops": "studies stopped at random times by Ctrl-C, SIGTERM and SIGKILL, then resumed",
    "limits": "runs whose files must stay below a random size",
    "disks": "runs on a disk that is too small",
}


def main() -> int:
    """Run everything, print and write the counts, and return the exit code."""
    words = parser("benchmarks.break_it", __doc__)
    for name, number in (("runs", 200), ("stops", 24), ("limits", 12), ("disks", 12), ("files", 7000)):
        words.add_argument(f"--{name}", type=int, default=number, help=PARTS.get(name, "damaged files to read"))
    words.add_argument("--seed", type=int, default=0)
    given = words.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="break-") as folder:
        place = Path(folder)
        found = {
            "runs": fuzz(place / "fuzz", given.runs, given.seed),
            "stops": stops(place / "stops", given.stops, given.seed),
            "limits": full_disk(place / "full", given.limits, given.seed),
            "disks": small_disks(place / "disks", given.disks, given.seed),
        }
        read = damage(given.files, given.seed, place / "files", os.environ.get("RPCA_AFFECT_DATA"))
    text = _text(found, read, given.seed, time.monotonic() - start)
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "break.md").write_text(text + "\n", encoding="utf-8")
    bad = sum(counts[name] for counts in found.values() for name in BAD)
    return int(bad + defects(read) > 0)


def _text(found: dict[str, Counter], read: Counter, seed: int, seconds: float) -> str:
    """The counts as a page."""
    split = {verdict: read.pop(("results", verdict), 0) for verdict in ("refused", "whole")}
    verdicts = Counter()
    for (_, verdict), number in read.items():
        verdicts[verdict] += number
    lines = [
        "# What could not be broken",
        "",
        f"`make break`, seed {seed}, {seconds:.0f} s, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.",
        "",
        "| what | " + " | ".join(found) + " |",
        "|---" * (len(found) + 1) + "|",
        *(
            f"| {name} | " + " | ".join(str(counts[name]) for counts in found.values()) + " |"
            for name in ("runs", *sorted({n for c in found.values() for n in c} - {"runs", *BAD}), *BAD)
        ),
        "",
        *(f"- {name}: {what}." for name, what in PARTS.items()),
        f"- Damaged files: {sum(verdicts.values())}; " + ", ".join(f"{n} {v}" for v, n in verdicts.most_common()) + ".",
        f"- Of those, split as well: {split['whole']} with whole results, {split['refused']} refused without a trace.",
    ]
    return "\n".join(lines)


def fuzz(folder: Path, runs: int, seed: int) -> Counter:
    """Random command lines in a folder with files of the user's own."""
    counts = counter()
    rng = random.Random(seed)
    for number in range(runs):
        place = folder / str(number)
        own_files(place, rng)
        command, is_good = drawn(rng)
        before = contents(place)
        run = shell(command, place)
        after = contents(place)
        judge(counts, run, command)
        counts["good"] += is_good
        allowed = "--overwrite" in command
        inputs = {name for name in before if name in command or name.startswith("in/") or name == "base.csv"}
        gone = {name for name in before if after.get(name) != before[name] and (name in inputs or not allowed)}
        _count(counts, "lost files", bool(gone), command, f"lost {sorted(gone)}")
        _count(counts, "leftovers", any(".rpca_affect" in name for name in after), command, "left hidden files")
        _count(counts, "good refused", is_good and run.code != 0, command, run.err + run.out[-300:])
        if is_good and command[0] == "decompose" and "--overwrite" not in command and number % 4 == 0:
            again = shell(command, place)  # the same once more: everything is kept
            judge(counts, again, command)
            same = again.code == 0 and tables(place) == {k: v for k, v in after.items() if k in tables(place)}
            _count(counts, "differ", not same, command, f"differs when run again: {again.err[-500:]}")
        shutil.rmtree(place)
    return counts


def _count(counts: Counter, name: str, found: bool, command: list[str], text: str) -> None:
    counts[name] += found
    if found:
        report(command, text)


def stops(folder: Path, count: int, seed: int, recordings: int = 4) -> Counter:
    """A study that is stopped somewhere by each signal, and goes on to the same tables."""
    counts = counter()
    rng = random.Random(seed)
    (folder / "in").mkdir(parents=True)
    for number in range(recordings):
        values = np.random.default_rng(number).normal(size=(200, 8)).cumsum(axis=0)
        np.save(folder / "in" / f"{number}.npy", values)
    command = ["decompose", "in", "-o", "whole", "--report"]
    whole = shell(command, folder).seconds
    for number in range(count):
        kind = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[number % 3]
        words = [*command[:3], f"out{number}", *command[4:], *(["--jobs", "2"] if number % 8 > 4 else [])]
        run = shell(words, folder, stop=(kind, rng.uniform(0, whole)))
        judge(counts, run, words)
        _count(counts, "left running", left_running(run.group), words, f"processes after signal {kind}")
        hidden = any(".rpca_affect" in name for name in contents(folder))
        _count(counts, "leftovers", hidden and kind != signal.SIGKILL, words, f"hidden files after signal {kind}")
        run = shell(words, folder)
        judge(counts, run, words)
        hidden = any(".rpca_affect" in name for name in contents(folder))
        _count(counts, "leftovers", hidden, words, f"hidden files after going on from signal {kind}")
        same = tables(folder / f"out{number}") == tables(folder / "whole")
        _count(counts, "differ", not same, words, "differs after going on")
        shutil.rmtree(folder / f"out{number}")
    return counts


def full_disk(folder: Path, count: int, seed: int) -> Counter:
    """Runs that may write only so many bytes to a file: one sentence, and the results before stay as they were."""
    counts = counter()
    rng = random.Random(seed)
    command, before = _results_before(folder, folder)
    largest = max(file.stat().st_size for file in (folder / "out").iterdir())
    for _ in range(count):
        limit = rng.randrange(1, int(0.9 * largest))
        run = shell(command, folder, size=limit)
        _refused(counts, run, command, contents(folder), before, f"limit {limit}")
    return counts


def small_disks(folder: Path, count: int, seed: int) -> Counter:
    """Runs on a disk without room, in an empty folder and over results: one sentence, and all stays as it was."""
    counts = counter()
    rng = random.Random(seed)
    (folder / "whole").mkdir(parents=True)
    command, before = _results_before(folder / "whole", folder / "whole")
    needed = sum((folder / "whole" / name).stat().st_size for name in before if name.startswith("out/"))
    for number in range(count):
        over = number % 2
        place = folder / f"disk{number}"
        # 24 kB less than what is needed: some of it is for the manifest while the files are renamed
        size = rng.randrange(4096, needed - 24_000) + over * int(1.05 * needed + 16_384)
        with small_disk(place, size) as mounted:
            if not mounted:
                report(["mount"], "no disk of its own can be mounted here; skipped")
                return counts
            if over:
                shutil.copytree(folder / "whole", place, dirs_exist_ok=True)
            else:
                shutil.copytree(folder / "whole" / "in", place / "in")
            there = contents(place)
            run = shell(command, place)
            _refused(counts, run, command, contents(place), there, f"disk of {size} bytes, {needed} needed")
    return counts


def _results_before(folder: Path, place: Path) -> tuple[list[str], dict[str, str]]:
    """Results in a folder, and the command that would replace them."""
    (place / "in").mkdir(parents=True)
    np.save(place / "in" / "a.npy", np.random.default_rng(0).normal(size=(300, 12)).cumsum(axis=0))
    run = shell(["decompose", "in/a.npy", "-o", "out", "--report"], folder)
    assert run.code == 0, run.err
    return ["decompose", "in/a.npy", "-o", "out", "--report", "--threshold", "3", "--overwrite"], contents(folder)


def _refused(counts: Counter, run: Run, command: list[str], after: dict, before: dict, why: str) -> None:
    judge(counts, run, command)
    _count(counts, "silent", run.code == 0, command, f"{why}: exit 0")
    _count(counts, "leftovers", set(after) > set(before), command, f"{why}: left {sorted(set(after) - set(before))}")
    lost = any(after.get(name) != value for name, value in before.items())
    _count(counts, "lost files", lost, command, f"{why}: changed what was there")


if __name__ == "__main__":
    sys.exit(main())
