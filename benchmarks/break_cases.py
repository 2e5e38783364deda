"""The calls that once broke the shell, one by one: what is done, what is found, what is wrong with it.

Each case is a function of the folder of the cases and an empty folder; `benchmarks.cases` prints them as a table.
"""

import json
import multiprocessing
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.shells import Run, contents, shell

__all__ = ["BROKEN", "outcome_of"]

Case = Callable[[Path, Path], tuple[str, str]]
BROKEN: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    """Enter a function into the table of cases."""

    def entered(function: Case) -> Case:
        BROKEN[name] = function
        return function

    return entered


def outcome_of(name: str, cases: Path, place: Path) -> tuple[str, str]:
    """What a case gives, in words, and what is wrong with it ("" where nothing is)."""
    place.mkdir(parents=True)
    try:
        return BROKEN[name](cases, place)
    except AssertionError as error:
        return "", str(error) or "a check failed"


def _refused(run: Run, *parts: str) -> None:
    said = run.err + run.out
    assert run.code == 2 and "Traceback" not in said, f"exit {run.code}: {said[-300:]}"
    for part in parts:
        assert part in said, f"no word of {part!r}: {said[-300:]}"


def _unchanged(place: Path, before: dict[str, str]) -> None:
    after = contents(place)
    assert after == before, f"changed: {sorted(n for n in {*before, *after} if before.get(n) != after.get(n))}"


@case("an input called base.csv, results beside it")
def _(cases: Path, place: Path) -> tuple[str, str]:
    shutil.copyfile(cases / "frame_ok.csv", place / "base.csv")
    before = contents(place)
    run = shell(["decompose", "base.csv", "-o", "."], place)
    _refused(run, "never replaced")
    _unchanged(place, before)
    _refused(shell(["decompose", "base.csv", "-o", ".", "--overwrite"], place), "never replaced")
    _unchanged(place, before)
    return "refused, with --overwrite as well; input untouched", ""


@case("files of one's own with the names of results")
def _(cases: Path, place: Path) -> tuple[str, str]:
    shutil.copyfile(cases / "frame_ok.csv", place / "session.csv")
    for name in ("report.html", "events.csv", "mask.csv", "summary.json", "base.csv"):
        own = place / name
        own.write_text("mine")
        before = contents(place)
        _refused(shell(["decompose", "session.csv", "-o", ".", "--report"], place), name, "--overwrite")
        _unchanged(place, before)
        own.unlink()
    return "5 names, each refused and kept", ""


@case("a session.csv of one's own where the demo writes")
def _(cases: Path, place: Path) -> tuple[str, str]:
    shutil.copyfile(cases / "frame_ok.csv", place / "session.csv")
    before = contents(place)
    _refused(shell(["demo", "-o", ".", "-q", "--seconds", "3"], place), "session.csv")
    _unchanged(place, before)
    return "refused and kept", ""


@case("same_size: two clips of one name and size")
def _(cases: Path, place: Path) -> tuple[str, str]:
    clips = [cases / "same_size" / who / "clip.npy" for who in ("p1", "p2")]
    first = shell(["decompose", str(clips[0]), "-o", "o"], place)
    assert first.code == 0, first.err
    run = shell(["decompose", str(clips[1]), "-o", "o", "--json"], place)
    _refused(run, "another clip.npy")
    assert json.loads(run.out)["kind"] == "folder"
    return "refused: results of another clip.npy", ""


@case("frame_inf, giant_int, trailing commas in one study")
def _(cases: Path, place: Path) -> tuple[str, str]:
    names = ("frame_inf", "frame_ok", "giant_int_column", "trailing_comma_rows", "livelink_empty_timecode")
    files = [str(cases / f"{name}.csv") for name in names]
    run = shell(["decompose", *files, "-o", "out", "--json"], place)
    answers = json.loads(run.out)
    bad = [Path(answer["source"]).stem for answer in answers if "error" in answer]
    assert bad == ["livelink_empty_timecode"], f"in error: {bad}"
    assert "line 9" in answers[-1]["error"] and run.code == 2
    return "4 of 5 split, one sentence with its line", ""


@case("make_wide 100000")
def _(cases: Path, place: Path) -> tuple[str, str]:
    seconds = {}
    for columns in (20_000, 100_000):
        rng = random.Random(0)
        rows = [",".join(f"c{i}" for i in range(columns))]
        rows += [",".join(f"{rng.random():.4f}" for _ in range(columns)) for _ in range(10)]
        (place / f"{columns}.csv").write_text("\n".join(rows) + "\n")
        seconds[columns] = _reading(place / f"{columns}.csv")
    run = shell(["inspect", "100000.csv", "--json"], place)
    assert run.code == 0, run.err[-300:]
    assert json.loads(run.out)["n_features"] == 100_000
    ratio = seconds[100_000] / seconds[20_000]
    found = f"read in {seconds[100_000]:.1f} s, {ratio:.1f} times 20,000 columns; inspect {run.seconds:.0f} s"
    return found, "" if ratio < 12 else "not linear in columns"


def _reading(path: Path) -> float:
    from rpca_affect.recordings import read

    times = []
    for _ in range(3):
        start = time.process_time()
        read(path)
        times.append(time.process_time() - start)
    return min(times)


@case("labels_empty.toml")
def _(cases: Path, place: Path) -> tuple[str, str]:
    run = shell(["train", str(cases / "labels_empty.toml"), "-o", "x"], place)
    _refused(run, "labels_empty.csv")
    assert not (place / "x").exists(), "left a folder"
    return _sentence(run), ""


@case("pickle_advice.toml")
def _(cases: Path, place: Path) -> tuple[str, str]:
    run = shell(["train", str(cases / "pickle_advice.toml"), "-o", "x"], place)
    _refused(run, "/etc/passwd")
    assert "allow_pickle" not in run.err and "pickle.load" not in run.err, run.err
    return _sentence(run), ""


@case("liar.npy, liar2.npy: headers that promise more")
def _(cases: Path, place: Path) -> tuple[str, str]:
    said = ""
    for name in ("liar.npy", "liar2.npy"):
        run = shell(["inspect", str(cases / name)], place)
        _refused(run, name)
        said = _sentence(run)
    return said, ""


@case("hostile.csv: cells and names for spreadsheets and terminals")
def _(cases: Path, place: Path) -> tuple[str, str]:
    import pandas as pd

    run = shell(["decompose", str(cases / "hostile.csv"), "-o", "o", "--report"], place)
    seen = shell(["inspect", str(cases / "hostile.csv")], place)
    assert run.code == seen.code == 0, run.err + seen.err
    assert "\x1b" not in run.err + run.out + seen.err + seen.out, "an escape sequence reached the terminal"
    events = pd.read_csv(place / "o" / "events.csv", dtype=str, keep_default_na=False)
    texts = [cell for name in ("features", "leading_feature", "label") for cell in events.get(name, [])]
    risky = [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert not risky, f"a formula in events.csv: {risky[0]!r}"
    return f"{len(events)} events, no formula, no escape sequence", ""


@case("ctrl_c_while_reading")
def _(cases: Path, place: Path) -> tuple[str, str]:
    rows, columns = 12_000, 200
    values = np.random.default_rng(0).normal(size=(rows, columns)).round(4).astype(str)
    head = ",".join(f"c{i}" for i in range(columns))
    (place / "big.csv").write_text(head + "\n" + "\n".join(map(",".join, values)) + "\n")
    (place / "small.csv").write_text("a,b,c\n" + "".join(f"{i % 7},{i % 5},{i % 3}\n" for i in range(40)))
    reading = _reading(place / "big.csv")
    rng, codes = random.Random(0), []
    for number in range(8):
        words = ["decompose", "small.csv", "big.csv", "-o", f"o{number}"]
        done = place / f"o{number}" / "small" / "summary.json"
        run = shell(words, place, stop=(signal.SIGINT, rng.uniform(0.02, 0.9) * reading), after=done)
        codes.append(run.code)
        assert "Traceback" not in run.err, run.err[-500:]
        assert run.code == 130, f"exit {run.code}: {run.err[-300:]}"
        assert done.is_file() and not list(place.glob(f"o{number}/**/.rpca*")), "lost or left something"
    return f"{len(codes)} interruptions within {reading:.1f} s of reading: exit 130, finished results kept", ""


@case("ctrl_c_train")
def _(cases: Path, place: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    (place / "clips").mkdir()
    labels = ["clip,label"]
    for i in range(12):
        np.save(place / "clips" / f"c{i:02d}.npy", rng.normal(size=(30, 6)).cumsum(axis=0))
        labels.append(f"c{i:02d},{'ab'[i % 2]}")
    (place / "labels.csv").write_text("\n".join(labels) + "\n")
    run = shell(["init", "clips", "labels.csv", "-o", "recipe.toml", "-q"], place)
    assert run.code == 0, run.err
    recipe = (place / "recipe.toml").read_text()
    (place / "recipe.toml").write_text(
        recipe.replace("patience = 10", "patience = 0").replace("epochs = 50", "epochs = 8")
    )
    whole = shell(["train", "recipe.toml", "-o", "whole", "-q"], place)
    assert whole.code == 0, whole.err
    model = contents(place)["whole/model.safetensors"]
    draw, codes = random.Random(3), []
    for number in range(9):
        out = f"m{number}"
        words = ["train", "recipe.toml", "-o", out, "-q"]
        stop = (signal.SIGINT if number % 3 else signal.SIGTERM, draw.uniform(0, 0.5 * whole.seconds))
        run = shell(words, place, stop=stop, after=place / out / "checkpoint.safetensors" if number % 2 else None)
        codes.append(run.code)
        assert run.code in (0, 130, 143) and "Traceback" not in run.err, f"exit {run.code}: {run.err[-400:]}"
        assert not any(".rpca_affect" in name for name in contents(place)), "left a hidden file"
        again = shell(words, place)
        assert again.code == 0, again.err
        assert contents(place)[f"{out}/model.safetensors"] == model, "the resumed model differs"
    stopped = sum(code != 0 for code in codes)
    return f"{stopped} of {len(codes)} stopped, each resumed to the same model", ""


def _solved(matrix: np.ndarray, answers: Any) -> None:
    import rpca_affect as ra

    answers.put(float(ra.solve(matrix, "admm", max_iter=60).gap))


@case("fork_while_solving")
def _(cases: Path, place: Path) -> tuple[str, str]:
    import rpca_affect as ra

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(300, 5)) @ rng.normal(size=(5, 120))
    matrix[rng.random(matrix.shape) < 0.1] += 3
    alone = float(ra.solve(matrix, "admm", max_iter=60).gap)
    context, stop, hangs, found = multiprocessing.get_context("fork"), threading.Event(), 0, set()

    def busy() -> None:
        while not stop.is_set():
            ra.solve(matrix, "admm", max_iter=60)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(45):
            answers = context.Queue()
            child = context.Process(target=_solved, args=(matrix, answers))
            child.start()
            child.join(120)
            if child.is_alive():
                hangs += 1
                child.kill()
            else:
                found.add(answers.get(timeout=30) if child.exitcode == 0 else f"exit {child.exitcode}")
    finally:
        stop.set()
        thread.join()
    wrong = "" if not hangs and found == {alone} else f"{hangs} hangs, answers {found}, expected {alone}"
    return f"45 forks, {hangs} hangs, {len(found)} answer", wrong


@case("gap_with_giants (65 of its 260 seeds)")
def _(cases: Path, place: Path) -> tuple[str, str]:
    import rpca_affect as ra
    from rpca_affect.arrays import observe
    from rpca_affect.certificate import relative_gap

    worst, smaller = 0.0, 0
    for seed in range(0, 260, 4):
        seed += seed // 4 % 4  # every shape and both solvers
        rng = np.random.default_rng([77, seed])
        rows, columns = [(90, 200), (60, 60), (150, 40), (200, 120)][seed % 4]
        rank = int(rng.integers(1, max(2, min(rows, columns) // 8)))
        matrix = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
        matrix[rng.random(matrix.shape) < rng.uniform(0, 0.12)] += 3 * rng.normal()
        giant = rng.random(matrix.shape) < rng.uniform(0.0005, 0.05)
        matrix[giant] = 10.0 ** rng.uniform(3, 20) * np.sign(rng.normal(size=giant.sum()))
        answer = ra.solve(matrix, "auto" if seed % 2 == 0 else "ialm", keep_dual=True)
        outside = float(np.squeeze(relative_gap(observe(matrix), answer.low_rank, answer.dual, answer.lam)))
        worst = max(worst, outside / max(float(answer.gap), 1e-16))
        smaller += outside > float(answer.gap) * 1.02 + 1e-9
    return f"65 matrices, reported gap too small in {smaller}, largest ratio {worst:.3f}", f"{smaller}" * (smaller > 0)


def _sentence(run: Run) -> str:
    said = " ".join(run.err.split())
    return said.rpartition("/")[2][:90] if len(said) > 120 else said
