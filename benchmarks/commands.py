"""What the command lines share: defaults in the help, the folder of the results, lists of known names."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.environment import ROOT

__all__ = ["names", "parser"]


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
