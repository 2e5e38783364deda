"""What the command lines share: defaults in the help, the folder of the results, lists of known names."""

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.environment import ROOT

__all__ = ["names", "parser", "tables"]


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
    makers: Mapping[str, Callable[[], pd.DataFrame]], parts: Sequence[str], out: Path
) -> dict[str, pd.DataFrame]:
    """Make some tables of the default model, print them, and write each to ``out`` as ``model-<part>.csv``."""
    out.mkdir(parents=True, exist_ok=True)
    made = {}
    for part in parts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = made[part] = makers[part]()
        table.to_csv(out / f"model-{part}.csv", index=False, float_format="%.4g")
        print(f"\n{part}\n{table.round(3).to_string(index=False)}", flush=True)
    return made
