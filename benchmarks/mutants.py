"""Small mistakes, planted one at a time: the tests must notice each (`make mutants`).

A mutant is one line of the package changed. It is planted in a copy of the tree, the tests that should guard the line
run there, and the mutant is killed when one of them fails. A mutant whose line is gone is stale: the list must follow
the code.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

__all__ = ["MUTANTS", "Mutant", "copied", "main", "outcome"]

ROOT = Path(__file__).parents[1]
ENDLESS = 1200.0  # seconds after which a mutant is taken for a loop without an end


class Mutant(NamedTuple):
    """One line changed: what the mistake is, where, the text before and after, and the tests that guard it."""

    mistake: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


INCREMENTAL = ("tests/estimators/test_incremental.py",)
CONFIDENCE = ("tests/test_recordings.py", "tests/test_recordings_formats.py", "tests/test_lost.py")

MUTANTS = (
    Mutant(
        "a half-life wrong by 2",
        "rpca_affect/estimators/stream.py",
        "0.5 ** (frames / half_life)",
        "0.5 ** (frames / (2 * half_life))",
        INCREMENTAL,
    ),
    Mutant(
        "a total variance that never fades",
        "rpca_affect/estimators/sketch.py",
        "fade * self.total +",
        "self.total +",
        INCREMENTAL,
    ),
    Mutant(
        "the row of the mean's shift is dropped",
        "rpca_affect/estimators/sketch.py",
        "[kept, rows, moved]",
        "[kept, rows, 0.0 * moved]",
        INCREMENTAL,
    ),
    Mutant(
        "a mean that never moves",
        "rpca_affect/estimators/sketch.py",
        "self.mean = self.mean + shift * (count / self.weight)",
        "self.mean = self.mean + 0.0 * shift",
        INCREMENTAL,
    ),
    Mutant(
        "a run that lies half inside joins as one that touches",
        "rpca_affect/session/runs.py",
        "2 * inside >= runs.frames",
        "inside > 0",
        ("tests/test_events.py",),
    ),
    Mutant(
        "a confidence that is not a number is trusted",
        "rpca_affect/recordings/assemble.py",
        "unsure = ~(layout.confidence >= min_confidence)",
        "unsure = layout.confidence < min_confidence",
        CONFIDENCE,
    ),
    Mutant(
        "a confidence at the limit is not trusted",
        "rpca_affect/recordings/assemble.py",
        "unsure = ~(layout.confidence >= min_confidence)",
        "unsure = ~(layout.confidence > min_confidence)",
        CONFIDENCE,
    ),
    Mutant(
        "the floor of the noise is ignored",
        "rpca_affect/noise_model.py",
        "xp.maximum(found.level, model.floor * found.deviation)",
        "found.level",
        ("tests/test_noise_model.py", "tests/test_session.py"),
    ),
    Mutant(
        "lambda ignores missing cells",
        "rpca_affect/solvers/solver.py",
        "    if observed.mask is None:\n        side",
        "    if True:\n        side",
        ("tests/test_solve_laws.py", "tests/test_solve_inputs.py"),
    ),
)


def planted(mutant: Mutant, root: Path) -> str | None:
    """Return the file's text with the mistake in it; None where the line does not stand there exactly once."""
    text = (root / mutant.file).read_text(encoding="utf-8")
    return text.replace(mutant.before, mutant.after) if text.count(mutant.before) == 1 else None


def outcome(mutant: Mutant, tree: Path) -> str:
    """Plant a mutant in a copy of the tree, run its tests, take it out again.

    Parameters
    ----------
    mutant : Mutant
    tree : Path
        A copy of the repository; left as it was.

    Returns
    -------
    str
        ``"killed"``, ``"survived"`` or ``"stale"``.
    """
    changed = planted(mutant, tree)
    if changed is None:
        return "stale"
    path = tree / mutant.file
    before = path.read_text(encoding="utf-8")
    path.write_text(changed, encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
        env = {**os.environ, "PYTHONPATH": str(tree)}
        code = subprocess.run(command, cwd=tree, capture_output=True, env=env, timeout=ENDLESS).returncode
    except subprocess.TimeoutExpired:
        return "killed"
    finally:
        path.write_text(before, encoding="utf-8")
    return "killed" if code == 1 else "survived"


@contextmanager
def copied(root: Path) -> Iterator[Path]:
    """Copy the sources and tests of a tree for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".hypothesis", "_build", "*-out", "out")
        yield Path(shutil.copytree(root, Path(folder) / "tree", ignore=ignored))


def main() -> int:
    """Plant every mutant (or those whose mistake contains a word) and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("word", nargs="?", default="", help="only mutants whose description contains it")
    word = parser.parse_args().word
    survivors = 0
    with copied(ROOT) as tree:
        for mutant in MUTANTS:
            if word in mutant.mistake:
                became = outcome(mutant, tree)
                survivors += became != "killed"
                print(f"{became:9} {mutant.mistake} ({mutant.file})", flush=True)
    return survivors


if __name__ == "__main__":
    sys.exit(main())
