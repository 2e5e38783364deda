"""One job of `benchmarks.job`, in a process of its own: seconds and peak memory of its stages, or of plain pandas.

It imports nothing of this folder, as the package may be that of another checkout.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

STAGES = ("reading", "noise", "solving", "parts", "results")


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
    out.mkdir(parents=True, exist_ok=True)
    clock.run("results", lambda: _results(split, out))
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


def _results(split: Any, out: Path) -> None:
    try:
        from rpca_affect.results.saving import write_files
    except ImportError:  # of a checkout before there was a home for results
        from rpca_affect.cli.outputs import save_split  # type: ignore[attr-defined]

        save_split(split, out, report=True, settings={})
    else:
        write_files(split, out, report=True, settings={})


def plain(source: Path, out: Path) -> dict[str, Any]:
    """Pandas reading the file and writing four tables of its size."""
    import pandas as pd

    clock, base = Clock(), _peak()
    out.mkdir(parents=True, exist_ok=True)
    table = clock.run("reading", lambda: pd.read_csv(source))
    numbers = table.iloc[:, 4:]
    parts = [numbers - 0.123456789, numbers * 0.0, numbers * 0.0123456789, numbers.notna().astype("int8")]
    clock.run("results", lambda: [part.to_csv(out / f"{k}.csv", index=False) for k, part in enumerate(parts)])
    return {
        "seconds": clock.seconds,
        "cpu": clock.cpu,
        "peak": clock.peak,
        "import": base,
        "values": numbers.size * 8 / 2**20,
    }


if __name__ == "__main__":
    kind, source, out = sys.argv[1:]
    print(json.dumps({"job": job, "plain": plain}[kind](Path(source), Path(out))))
