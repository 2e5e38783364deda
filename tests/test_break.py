"""What the shell must survive, in short: `make break` does the same at length. And laws of folders that others use."""

import os
import random
import shutil
import signal
import tempfile
import threading
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import rpca_affect as ra
from benchmarks import break_it, shells
from benchmarks.command_lines import drawn
from rpca_affect.results.folder import MANIFEST, FolderError, Manifest, ResultsFolder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="runs the shell in forks")


PARTS = {
    "fuzz": lambda at: break_it.fuzz(at, 8, 3),
    "stops": lambda at: break_it.stops(at, 3, 3, recordings=2),
    "limits": lambda at: break_it.full_disk(at, 2, 0),
    "disks": lambda at: break_it.small_disks(at, 2, 0),
}


@pytest.mark.parametrize("part", PARTS)
def test_nothing_breaks(tmp_path, part):
    counts = PARTS[part](tmp_path)
    assert counts["runs"] > 0 or part == "disks"  # not everybody may mount one
    assert {name: counts[name] for name in break_it.BAD if counts[name]} == {}


def test_most_command_lines_are_good():
    lines = [drawn(random.Random(seed)) for seed in range(400)]
    assert sum(is_good for _, is_good in lines) > 200 and len({tuple(line) for line, _ in lines}) > 250


def test_what_is_lost_is_counted(tmp_path, monkeypatch):
    """The check itself: a shell that deletes a file, prints a traceback and leaves with 1 is caught."""

    def run(command, place, **_):
        (place / "base.csv").unlink(missing_ok=True)
        (place / ".rpca_affect-writing-x").mkdir(exist_ok=True)
        (place / ".rpca_affect-writing-x" / "base.csv").write_text("half")
        return shells.Run(1, "", "Traceback", hung=True)

    monkeypatch.setattr(break_it, "shell", run)
    counts = break_it.fuzz(tmp_path, 1, 0)
    for name in ("lost files", "leftovers", "tracebacks", "undocumented codes", "hangs"):
        assert counts[name] == 1, name


def test_a_run_that_waits_for_nothing_is_ended_and_says_where(tmp_path, monkeypatch):
    monkeypatch.setattr(shells, "STILL", 2.0)
    monkeypatch.setattr("rpca_affect.cli.running.run", lambda words: threading.Event().wait())
    run = shells.shell(["inspect"], tmp_path)
    assert run.hung and run.code == -signal.SIGKILL and "threading.py" in run.err


NAMES = ("base.csv", "events.csv", "report.html", MANIFEST)


class Folders(RuleBasedStateMachine):
    """Somebody's files and our results in one folder, in any order, runs cut short anywhere."""

    @initialize()
    def start(self) -> None:
        self.place = Path(tempfile.mkdtemp())
        self.theirs: dict[str, str] = {}
        self.runs = 0

    @rule(name=st.sampled_from(NAMES))
    def somebody_writes(self, name: str) -> None:
        self.theirs[name] = f"mine {self.runs} {len(self.theirs)}"
        (self.place / name).write_text(self.theirs[name])

    @rule(name=st.sampled_from(NAMES))
    def somebody_deletes(self, name: str) -> None:
        (self.place / name).unlink(missing_ok=True)
        self.theirs.pop(name, None)

    @rule(names=st.sets(st.sampled_from(NAMES[:3]), min_size=1), overwrite=st.booleans(), kill=st.integers(0, 6))
    def we_write(self, names: set[str], overwrite: bool, kill: int) -> None:
        self.runs += 1
        try:
            with (
                Killed(kill),
                ResultsFolder(self.place) as folder,
                folder.replacing([], {"run": self.runs}, overwrite=overwrite) as temporary,
            ):
                for name in names:
                    (temporary / name).write_text(f"ours {self.runs} {name}")
        except FolderError:
            assert not overwrite and self.theirs, "refused although nothing is in the way"
            return
        except SystemExit:
            if overwrite:  # what it was allowed to replace may be gone
                self.theirs = {n: t for n, t in self.theirs.items() if (self.place / n).is_file()
                               and (self.place / n).read_text() == t}  # fmt: skip
            return
        self.theirs = {name: text for name, text in self.theirs.items() if name not in (*names, MANIFEST)}
        found = Manifest.read(self.place)
        assert found is not None and found.complete and set(found.files) == names
        assert all((self.place / name).read_text() == f"ours {self.runs} {name}" for name in names)

    @invariant()
    def nothing_of_theirs_is_lost(self) -> None:
        for name, text in getattr(self, "theirs", {}).items():
            assert (self.place / name).read_text() == text, name

    @invariant()
    def complete_results_are_of_one_run(self) -> None:
        if not hasattr(self, "place"):
            return
        with ResultsFolder(self.place) as folder:
            found = folder.finished()
            ours = [name for name in (found.files if found else []) if folder.is_ours(name)]
        made = {(self.place / name).read_text().split()[1] for name in ours}
        assert len(made) <= 1 and not list(self.place.glob(".rpca_affect*"))

    def teardown(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)


class Killed:
    """Ends the block at one of its renames, as a kill would: nothing is renamed after it."""

    def __init__(self, after: int):
        self.left = after

    def __enter__(self) -> None:
        self.real = os.replace
        os.replace = self.replace  # type: ignore[assignment]

    def replace(self, source, target) -> None:
        if self.left == 0:
            raise SystemExit
        self.left -= 1
        self.real(source, target)

    def __exit__(self, *_: object) -> None:
        os.replace = self.real


TestFolders = Folders.TestCase
TestFolders.settings = settings(max_examples=40, stateful_step_count=12, deadline=None)


@pytest.mark.parametrize("seed", range(3))
def test_gigantic_cells_leave_a_gap_that_an_outside_check_finds(seed):
    from rpca_affect.arrays import observe
    from rpca_affect.certificate import relative_gap

    rng = np.random.default_rng([77, (104, 184, 240)[seed]])  # of which the gap was reported too small
    rows, columns = (90, 200)
    rank = int(rng.integers(1, 11))
    matrix = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
    matrix[rng.random(matrix.shape) < rng.uniform(0, 0.12)] += 3 * rng.normal()
    giant = rng.random(matrix.shape) < rng.uniform(0.0005, 0.05)
    matrix[giant] = 10.0 ** rng.uniform(3, 20) * np.sign(rng.normal(size=giant.sum()))
    kept = ra.solve(matrix, keep_dual=True)
    outside = float(np.squeeze(relative_gap(observe(matrix), kept.low_rank, kept.dual, kept.lam)))
    assert float(kept.gap) >= outside * (1 - 1e-6) - 1e-12
    assert float(ra.solve(matrix).gap) == pytest.approx(float(kept.gap), rel=1e-6)
