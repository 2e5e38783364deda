"""Runs of the command line in forks of this process, and what no run may do: for `benchmarks.break_it`."""

import faulthandler
import functools
import hashlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["BAD", "Run", "contents", "counter", "judge", "left_running", "report", "shell", "small_disk", "tables"]

CODES = {0, 2, 130, 141, 143}
LIMIT = 300.0  # seconds after which a run is ended, however busy the machine is
STILL = 60.0  # seconds without any CPU time, here or in a process of its group: a run that waits for nothing
LAST_WORDS = 2.0  # seconds for a hanging run to say where it is
BAD = (
    "tracebacks", "warnings", "undocumented codes", "invalid JSON", "lost files", "leftovers", "hangs", "silent",
    "differ", "good refused", "left running",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What became of a run."""

    code: int
    out: str
    err: str
    seconds: float = 0.0
    group: int = 0  # of its processes
    hung: bool = False


def counter() -> Counter:
    """Counts that must stay 0, all at 0."""
    return Counter(dict.fromkeys(("runs", *BAD), 0))


def judge(counts: Counter, run: Run, command: list[str]) -> None:
    """Count a run and what no run may do."""
    counts["runs"] += 1
    counts[f"exit {run.code}"] += 1
    said = run.err + run.out
    helped = "--help" in command or "Usage" in said
    wrong = {
        "tracebacks": "Traceback" in said,
        "warnings": "Warning: " in run.err and ".py:" in run.err,
        "undocumented codes": run.code not in CODES and run.code != -signal.SIGKILL,
        "hangs": run.hung,
        "silent": run.code == 2 and "--json" not in command and "Error" not in run.err and not helped,
        "invalid JSON": "--json" in command and run.code in (0, 2) and not helped and not _is_json(run.out),
    }
    for name, found in wrong.items():
        counts[name] += found
        if found:
            report(command, f"{name}: exit {run.code}\n{run.out[-500:]}\n{run.err[-3000:]}")


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda word: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    return True


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


def left_running(group: int, patience: float = 10.0) -> bool:
    """Whether a process of a group still lives after some seconds; it is ended."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if not any(_members(group)):
            return False
        time.sleep(0.1)
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    return True


def shell(
    command: list[str],
    place: Path,
    stop: tuple[int, float] | None = None,
    size: int | None = None,
    after: Path | None = None,
) -> Run:
    """Run a command in a fork of this process, which has the libraries loaded.

    Parameters
    ----------
    command : list of str
    place : Path
        Working folder.
    stop : (signal, seconds), optional
        Signal to send, and when. SIGINT goes to the whole process group, as a terminal sends it; others to the process.
    size : int, optional
        Most bytes of a file.
    after : Path, optional
        The seconds of `stop` count from when this file is there.
    """
    from rpca_affect.cli.running import run

    preload()
    with tempfile.TemporaryDirectory() as streams:
        out, err = Path(streams) / "out", Path(streams) / "err"
        child = os.fork()
        if not child:
            _child(run, command, place, out, err, size)
        began = time.monotonic()
        status, hung = _watched(child, began, stop, after)
        seconds = time.monotonic() - began
        texts = [path.read_text(errors="replace") if path.exists() else "" for path in (out, err)]
    return Run(os.waitstatus_to_exitcode(status), texts[0], texts[1], seconds, child, hung)


def _watched(child: int, began: float, stop: tuple[int, float] | None, after: Path | None) -> tuple[int, bool]:
    """Wait for a child, send it its signal, and end it where it hangs: its status, and whether it hung."""
    spent, moved, looked, counted = -1.0, began, began, began
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status, False
        now = time.monotonic()
        if after is not None:
            counted, after = now, None if after.exists() else after
        elif stop is not None and now - counted >= stop[1]:
            with suppress(ProcessLookupError):
                (os.killpg if stop[0] == signal.SIGINT else os.kill)(child, stop[0])
            stop = None
        if now - looked > 1.0:
            busy, looked = sum(_members(child)), now
            if busy != spent:
                spent, moved = busy, now
        if now - began > LIMIT or now - moved > STILL:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGUSR1)  # it writes where it is
            time.sleep(LAST_WORDS)
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1], True
        time.sleep(0.005)


def _members(group: int) -> Iterator[float]:
    """CPU ticks of every living process of a group, by the process table; nothing where there is none."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            yield float(fields[11]) + float(fields[12]) + 1e-3


@functools.cache
def preload() -> None:
    """Load, once, what the commands load when they are called, and solve something."""
    import pandas as pd

    from rpca_affect import decompose

    table = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 4)).cumsum(axis=0), columns=list("abcd"))
    with tempfile.TemporaryDirectory() as folder:
        decompose(table).save(Path(folder) / "out", report=True)


def _child(
    run: Callable[[list[str]], int], command: list[str], place: Path, out: Path, err: Path, size: int | None
) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        os.chdir(place)
        for number, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, closefd=False) for n, mode in enumerate("rww"))
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        if "--jobs" in command:
            faulthandler.disable()
            os.execv(sys.executable, [sys.executable, "-m", "rpca_affect", *command])
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


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[bool]:
    """A folder on a disk of its own of so many bytes; False where the system does not allow to mount one."""
    import subprocess

    place.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=True)
