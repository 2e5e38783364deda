"""What the command lines share: defaults in the help, the folder of the results, lists of known names."""

import argparse
import subprocess
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.environment import ROOT

__all__ = ["names", "note", "parser", "tables"]


def parser(module: str, words: str | None) -> argparse.ArgumentParser:
    """Start the command line of ``python -m <module>``, whose results go to ``--out``."""
    found = argparse.ArgumentParser(
        prog=f"python -m {module}", description=words, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    found.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the results")
    return found


def names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of known names, separated by commas."""

    def split(text: str) -> tuple[str, ...]:
        found = tuple(text.split(","))
        wrong = [name for name in found if name not in known]
        if wrong:
            raise argparse.ArgumentTypeError(f"{', '.join(wrong)} not known: choose from {', '.join(known)}")
        return found

    return split


def tables(
    makers: Mapping[str, Callable[[], pd.DataFrame]], given: argparse.Namespace, module: str, prefix: str = "model"
) -> dict[str, pd.DataFrame]:
    """Make some tables of the default model, print them, and write each to ``given.out`` as ``<prefix>-<part>.csv``.

    Which of them is told by ``given.parts``, all where it is empty.
    """
    given.out.mkdir(parents=True, exist_ok=True)
    made = {}
    for part in given.parts or makers:
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = made[part] = makers[part]()
        table.to_csv(given.out / f"{prefix}-{part}.csv", index=False, float_format="%.4g")
        print(f"\n{part}\n{table.round(3).to_string(index=False)}", flush=True)
        note(f"{prefix}-{part}", f"python -m {module} {part}", given, started)
    return made


def note(table: str, command: str, given: argparse.Namespace, started: float) -> None:
    """Note beside the tables by which command, on which commit and in how many minutes one was made."""
    options = []
    for name, value in vars(given).items():
        if value is not None and name not in ("out", "parts", "small"):
            options.append(f"--{name} {' '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}")
    path = given.out / "made.csv"
    row = pd.DataFrame(
        [[table, " ".join([command, *options]), STARTED, round((time.perf_counter() - started) / 60, 1)]],
        columns=["table", "command", "commit", "minutes"],
    )
    rows = pd.read_csv(path, dtype={"commit": str}) if path.exists() else row[:0]
    rows = row if rows.empty else pd.concat([rows[rows["table"] != table], row])
    rows.sort_values("table").to_csv(path, index=False)


def commit() -> str:
    """Short name of the commit that is checked out, with a plus where files differ from it."""

    def git(*words: str) -> str:
        found = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return found.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "rpca_affect") else "")


STARTED = commit()  # whose code was imported, whatever is checked out when the tables are made
