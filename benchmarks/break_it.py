"""Tries to break the shell: random command lines, interruptions, full disks, and folders that belong to others.

    python -m benchmarks.break_it            # make break: a few minutes
    python -m benchmarks.break_it --runs 40 --stops 4 --seed 7

Counts of tracebacks, exit codes that no help names, invalid JSON, lost files, leftovers and hangs; all must be 0.
"""

import argparse
import functools
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

CODES = {0, 2, 130, 141, 143}
LIMIT = 90  # seconds that no run may take
HELPED = "--help"


def main() -> None:
    """Run everything and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--stops", type=int, default=12)
    parser.add_argument("--limits", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="break-") as folder:
        found = {
            "fuzz": fuzz(Path(folder) / "fuzz", words.runs, words.seed),
            "stops": stops(Path(folder) / "stops", words.stops, words.seed),
            "full disk": full_disk(Path(folder) / "full", words.limits, words.seed),
        }
    print(json.dumps(found, indent=2))
    bad = sum(count for part in found.values() for name, count in part.items() if name in BAD)
    sys.exit(f"{bad} things broke" if bad else 0)


BAD = ("tracebacks", "undocumented codes", "invalid JSON", "lost files", "leftovers", "hangs", "silent", "differ")


def fuzz(folder: Path, runs: int, seed: int) -> Counter:
    """Random command lines in a folder with files of the user's own."""
    counts = Counter(dict.fromkeys(("runs", *BAD), 0))
    rng = random.Random(seed)
    for number in range(runs):
        place = folder / str(number)
        own_files(place, rng)
        command = command_line(rng)
        before = contents(place)
        code, out, err = shell(command, place)
        after = contents(place)
        counts["runs"] += 1
        counts[f"exit {code}"] += 1
        judge(counts, code, out, err, command)
        allowed = "--overwrite" in command
        inputs = {name for name in before if name in command or name.startswith("in/") or name == "base.csv"}
        gone = {name for name in before if after.get(name) != before[name] and (name in inputs or not allowed)}
        counts["lost files"] += bool(gone)
        counts["leftovers"] += any(".rpca_affect" in name for name in after)
        if gone:
            report(command, f"lost {sorted(gone)}")
        shutil.rmtree(place)
    return counts


def own_files(place: Path, rng: random.Random) -> None:
    """A few recordings, some of them damaged, and files of the user's own with the names of results."""
    (place / "in" / "sub").mkdir(parents=True)
    table = np.random.default_rng(rng.randrange(99)).normal(size=(40, 5)).cumsum(axis=0)
    text = "timestamp,AU01,AU02,AU04,AU06\n" + "\n".join(
        ",".join(map(str, [i / 30, *row[:4].round(3)])) for i, row in enumerate(table)
    )
    cut = rng.randrange(len(text))
    (place / "base.csv").write_text(text)
    (place / "in" / "a.csv").write_text(text)
    (place / "in" / "sub" / "a.csv").write_text(text[:cut])
    (place / "in" / "b.csv").write_text(text.replace("0.", rng.choice(["0,", "x", "\0", "1e999", "\x1b[31m"]), 3))
    np.save(place / "in" / "c.npy", table)
    (place / "\x1b[2J.csv").write_text(text)
    for name in rng.sample(["events.csv", "summary.json", "report.html", "manifest.json", "study.csv", "mask.csv"], 3):
        (place / name).write_text("mine")
    (place / "recipe.toml").write_text(rng.choice(['[data]\nkind = "npz"\nfile = "base.csv"\n', "[data", "task = 3\n"]))


def command_line(rng: random.Random) -> list[str]:
    """Words of a command, sensible and senseless."""
    sources = ["base.csv", "in", "in/a.csv", "in/b.csv", "in/sub/a.csv", "in/c.npy", ".", "nowhere", "\x1b[2J.csv", "-",
               "/dev/null", "in/sub", "recipe.toml", ""]  # fmt: skip
    command = rng.choices(["decompose", "inspect", "predict", "train", "demo", HELPED], [14, 6, 0.3, 0.3, 0.5, 0.3])[0]
    words = [command]
    if command in ("decompose", "inspect"):
        words += rng.choices(sources, k=1 if command == "inspect" else rng.choice([1, 1, 2, 3]))
    elif command == "train":
        words += ["recipe.toml"]
    elif command == "predict":
        words += [rng.choice(sources), rng.choice(sources)]
    if command in ("decompose", "demo", "train", "predict"):
        words += ["-o", rng.choice([".", "out", "in", "base.csv", "in/a.csv/x", "./in/../."])]
    if command == "demo":
        words += ["--seconds", "3"]
    pool = [["--json"], ["--quiet"], ["--overwrite"], ["--threshold", rng.choice(["3", "-1", "nan"])],
            ["--lam", rng.choice(["0.1", "-1", "inf"])], ["--noise", rng.choice(["auto", "none", "0", "-2", "loud"])],
            ["--tol", rng.choice(["1e-3", "0", "nan"])], ["--features", rng.choice(["AU", "AU01,AU02", "*", "nose"])],
            ["--solver", rng.choice(["ialm", "godec", "magic"])], ["--rank", rng.choice(["1", "-3", "99"])],
            ["--fps", rng.choice(["25", "0", "-1"])], ["--max-iter", rng.choice(["3", "0"])], ["--wrong"],
            ["--table", rng.choice(["csv", "parquet"])], ["--participants", "events.csv"], ["--mask", "in/c.npy"],
            ["--key", "x"], ["--format", rng.choice(["openface", "table", "?"])], ["--digits", "0"]]  # fmt: skip
    for option in rng.sample(pool, rng.choice([0, 1, 1, 2, 3])):
        words += option
    if rng.random() < 0.05:
        words += ["--report"]
    return words


def stops(folder: Path, count: int, seed: int) -> Counter:
    """A study that is stopped somewhere by each signal, and goes on to the same tables."""
    counts = Counter(dict.fromkeys(("runs", *BAD), 0))
    rng = random.Random(seed)
    (folder / "in").mkdir(parents=True)
    for number in range(5):
        values = np.random.default_rng(number).normal(size=(300, 12)).cumsum(axis=0)
        np.save(folder / "in" / f"{number}.npy", values)
    command = ["decompose", "in", "-o", "whole", "--report"]
    started = time.monotonic()
    shell(command, folder)
    whole = time.monotonic() - started
    for number in range(count):
        kind = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[number % 3]
        command[3] = out = f"out{number}"
        code, _, err = shell(command, folder, stop=(kind, rng.uniform(0, whole)))
        counts["runs"] += 1
        counts[f"exit {code}"] += 1
        if kind != signal.SIGKILL:
            judge(counts, code, "", err, command)
            counts["leftovers"] += any(".rpca_affect" in name for name in contents(folder))
        code, out_, err = shell(command, folder)
        judge(counts, code, out_, err, command)
        counts["leftovers"] += any(".rpca_affect" in name for name in contents(folder))
        same = tables(folder / out) == tables(folder / "whole")
        counts["differ"] += not same
        if not same:
            report(command, "differs after going on")
        shutil.rmtree(folder / out)
    return counts


def full_disk(folder: Path, count: int, seed: int) -> Counter:
    """Runs that may write only so many bytes to a file: one sentence, and the results before stay as they were."""
    counts = Counter(dict.fromkeys(("runs", *BAD), 0))
    rng = random.Random(seed)
    (folder / "in").mkdir(parents=True)
    np.save(folder / "in" / "a.npy", np.random.default_rng(0).normal(size=(300, 12)).cumsum(axis=0))
    shell(["decompose", "in/a.npy", "-o", "out", "--report"], folder)
    before = contents(folder)
    largest = max(file.stat().st_size for file in (folder / "out").iterdir())
    for _ in range(count):
        limit = rng.randrange(1, int(0.9 * largest))
        command = ["decompose", "in/a.npy", "-o", "out", "--report", "--threshold", "3", "--overwrite"]
        code, out, err = shell(command, folder, size=limit)
        counts["runs"] += 1
        counts[f"exit {code}"] += 1
        judge(counts, code, out, err, command)
        counts["silent"] += code == 0
        after = contents(folder)
        counts["lost files"] += after != before
        if after != before or code == 0:
            report(command, f"limit {limit}, exit {code}")
    return counts


def judge(counts: Counter, code: int, out: str, err: str, command: list[str]) -> None:
    """Count what no run may do."""
    wrong = {
        "tracebacks": "Traceback" in err or "Traceback" in out,
        "undocumented codes": code not in CODES and code != -9,
        "hangs": code == -9,
        "silent": code == 2 and "--json" not in command and "Error" not in err and "Usage" not in err + out,
    }
    if "--json" in command and code in (0, 2) and out.strip() and HELPED not in command:
        try:
            json.loads(out, parse_constant=lambda word: 1 / 0)
        except (ValueError, ZeroDivisionError):
            wrong["invalid JSON"] = True
    for name, found in wrong.items():
        counts[name] += found
        if found:
            report(command, f"{name}: exit {code}\n{out[-500:]}\n{err[-1500:]}")


def report(command: list[str], text: str) -> None:
    """Say on standard error what broke."""
    sys.stderr.write(f"{command}: {text}\n")


def contents(place: Path) -> dict[str, str]:
    """Hash of every file below a folder."""
    files = (file for file in place.rglob("*") if file.is_file())
    return {str(file.relative_to(place)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def tables(place: Path) -> dict[str, str]:
    """Hash of every file whose content says nothing about when it was made."""
    timed = ("summary.json", "manifest.json", "report.html")
    return {name: value for name, value in contents(place).items() if not name.endswith(timed)}


def shell(
    command: list[str], place: Path, stop: tuple[int, float] | None = None, size: int | None = None
) -> tuple[int, str, str]:
    """Run a command in a fork of this process, which has the libraries loaded: exit code, output, errors."""
    from rpca_affect.cli.running import run

    preload()

    with tempfile.TemporaryDirectory() as streams:
        out, err = Path(streams) / "out", Path(streams) / "err"
        child = os.fork()
        if not child:
            _child(run, command, place, out, err, size)
        began = time.monotonic()
        sent = stop is None
        while True:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            spent = time.monotonic() - began
            if not sent and stop is not None and spent >= stop[1]:
                os.kill(child, stop[0])
                sent = True
            if spent > LIMIT:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.005)
        code = os.waitstatus_to_exitcode(status)
        texts = [path.read_text(errors="replace") if path.exists() else "" for path in (out, err)]
    return code, texts[0], texts[1]


@functools.cache
def preload() -> None:
    """Load, once, what the commands load when they are called, and solve something."""
    import pandas as pd

    import rpca_affect.cli.app
    import rpca_affect.cli.demo
    import rpca_affect.cli.inspecting
    import rpca_affect.cli.splitting  # noqa: F401
    from rpca_affect import decompose

    table = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 4)).cumsum(axis=0), columns=list("abcd"))
    with tempfile.TemporaryDirectory() as folder:
        decompose(table).save(Path(folder) / "out", report=True)


def _child(
    run: Callable[[list[str]], int], command: list[str], place: Path, out: Path, err: Path, size: int | None
) -> None:
    code = 1
    try:
        os.chdir(place)
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, closefd=False) for n, mode in enumerate("rww"))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        code = run(command)
    except KeyboardInterrupt:  # the signal came before the command line had begun, or after it had ended
        code = 130
    except BaseException:
        import traceback

        traceback.print_exc()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
