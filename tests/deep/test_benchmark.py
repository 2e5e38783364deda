"""The benchmark on a file that nobody has seen: people apart, one command, killed runs go on, figures that add up."""

import importlib
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "deep"
SMALL = ("--folds", 2, "--inner", 2, "--epochs", 1, 2, "--sizes", 8, "--seeds", 1)


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def tiny(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"x{i:03d}": rng.normal(size=(rng.integers(9, 16), 5)) + 2 * (i % 2) for i in range(24)}
    arrays["x003"][2:4] = np.nan
    path = tmp_path / "unseen.npz"
    np.savez(path, y=np.array(list("ab") * 12), group=np.repeat(list("pqrstu"), 4), **arrays)
    return path


def run(tmp_path, data, *arguments, monkeypatch):
    command = ["benchmark.py", "--data", data, "--out", tmp_path / "out", *arguments]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    runpy.run_path(str(FOLDER / "benchmark.py"), run_name="__main__")


def test_without_a_choice_nothing_is_trained_for_one(tmp_path, tiny, monkeypatch):
    one = ("--folds", 2, "--inner", 2, "--epochs", 1, "--sizes", 8, "--seeds", 1, "--models", "tcn", "mean + std")
    run(tmp_path, tiny, *one, monkeypatch=monkeypatch)
    network, linear = (
        json.loads((tmp_path / f"out/unseen/{name}-0-0.json").read_text()) for name in ("tcn", "mean_std")
    )
    assert network["inner"] == [] and network["chosen"] == {"size": 8, "epochs": 1}
    assert len(linear["inner"]) == 4
    run(tmp_path, tiny, *one[:-2], "tcn", "--level", "chosen", "--out", tmp_path / "levels", monkeypatch=monkeypatch)
    assert len(json.loads((tmp_path / "levels/unseen-chosen/tcn-0-0.json").read_text())["inner"]) == 1


def test_an_unseen_file_runs_with_one_command_and_goes_on_where_it_was(tmp_path, tiny, monkeypatch, capsys):
    models = ("--models", "mean + std", "descriptors", "tcn", "no SEM, no DDM", "lsef")
    run(tmp_path, tiny, *SMALL, *models, monkeypatch=monkeypatch)
    folder = tmp_path / "out/unseen"
    folds = {path: path.stat().st_mtime_ns for path in folder.glob("*-*-*.json")}
    assert len(folds) == 5 * 2
    found = json.loads((folder / "lsef-0-0.json").read_text())
    assert len(found["tests"]) == 1 + 4 * 3 and found["chosen"]["size"] == 8 and found["parameters"] > 100
    assert len(found["inner"]) == 2 and {row["epochs"] for row in found["inner"]} == {1, 2}
    capsys.readouterr()
    run(tmp_path, tiny, "--table", "--models", "tcn", "lsef", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert "| lsef |" in out and "descriptors" not in out and "seed 0 fold" not in out
    (killed,) = folder.glob("tcn-0-1.json")
    killed.unlink()
    capsys.readouterr()
    run(tmp_path, tiny, *SMALL, *models, monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert out.count("seed 0 fold") == 1 and "lsef minus tcn" in out
    assert all(path.stat().st_mtime_ns == time for path, time in folds.items() if path != killed)
    with pytest.raises(SystemExit, match="--fresh"):
        run(tmp_path, tiny, *SMALL[:-2], "--seeds", 1, "--sizes", 4, *models, monkeypatch=monkeypatch)


def test_people_at_their_own_level(tmp_path, tiny, monkeypatch, capsys):
    with np.load(tiny) as file:
        arrays = {key: file[key] for key in file.files}
    for i in range(24):  # people differ by far more than the two classes do
        arrays[f"x{i:03d}"] = arrays[f"x{i:03d}"] + 30 * (i // 4)
    np.savez(tiny, **arrays)
    for level in ("training", "person"):
        run(tmp_path, tiny, *SMALL, "--models", "mean + std", "--level", level, monkeypatch=monkeypatch)
    scores = {}
    for folder in ("unseen", "unseen-person"):
        folds = [json.loads(path.read_text()) for path in (tmp_path / "out" / folder).glob("*-*-*.json")]
        scores[folder] = np.mean([fold["tests"][0]["uar"] for fold in folds])
    assert scores["unseen-person"] > scores["unseen"] and scores["unseen-person"] > 0.9
    capsys.readouterr()
    run(tmp_path, tiny, *SMALL, "--models", "mean + std", "tcn", "--level", "chosen", monkeypatch=monkeypatch)
    out = capsys.readouterr().out
    assert out.count("seed 0 fold") == 2 * 2 and "tcn" in out  # what was there is not run again
    folder = tmp_path / "out"
    for path in (folder / "unseen-chosen").glob("*-*-*.json"):
        found = json.loads(path.read_text())
        both = {level: json.loads((folder / name / path.name).read_text()) for level, name in
                (("training", "unseen"), ("person", "unseen-person"))}  # fmt: skip
        best = {level: max(row["uar"] for row in one["inner"]) for level, one in both.items()}
        level = found["chosen"]["level"]
        assert best[level] == max(best.values()) and found["tests"] == both[level]["tests"]
    assert "level of the person was better inside the training people: mean + std 2 of 2" in out


def test_nobody_is_on_both_sides_at_either_level(tiny):
    benchmark, sets = importlib.import_module("benchmark"), importlib.import_module("sets")
    data = sets.read(str(tiny))
    for seed in range(3):
        for rows, test in benchmark.outer(data, 3, seed):
            assert not set(data.group[rows]) & set(data.group[test])
            for chosen, held in benchmark.parts(data.y[rows], data.group[rows], 2, seed):
                assert not set(data.group[rows][chosen]) & set(data.group[rows][held])


def test_a_network_that_is_stopped_is_on_the_way_of_the_longest_schedule(tiny):
    rivals, sets = importlib.import_module("rivals"), importlib.import_module("sets")
    data = sets.read(str(tiny))
    passing = [m.predict_proba(data.X) for _, m in rivals.fitted("gru", 8, [2, 4], None, 0, data.X, data.y)]
    (_, stopped), *rest = rivals.fitted("gru", 8, [2, 4], 2, 0, data.X, data.y)
    assert not rest and np.array_equal(stopped.predict_proba(data.X), passing[0])


def test_every_row_of_the_ablation_trains(tiny, monkeypatch):
    benchmark, rivals, sets = (importlib.import_module(name) for name in ("benchmark", "rivals", "sets"))
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--data", str(tiny), "--ablation"])
    assert benchmark.arguments().models == ["no SEM, no DDM", "lsef", *rivals.ABLATION]
    assert {f"K = {k}" for k in (1, 2, 4, 5, 6, 7, 8)} < set(rivals.ABLATION)
    data = sets.read(str(tiny))
    for name in rivals.ABLATION:
        ((_, model),) = rivals.fitted(name, 8, [1], None, 0, data.X, data.y)
        assert np.isfinite(model.predict_proba(data.X)).all(), name
        if name == "frozen SEM, DDM":
            assert not any(p.requires_grad for p in model.net_.module_.unrolled.parameters())
        if name == "SEM only":
            assert all((transient == 0).all() for _, transient in model.split(data.X))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"y": None}, "has no y"),
        ({"group": None}, "neither group"),
        ({"group": np.arange(3)}, "3 entries for 24"),
        ({"x002": np.ones((4, 2))}, "x002 has shape"),
        ({"x002": np.full((4, 5), np.inf)}, "infinite"),
        ({"y": np.array([{}] * 24)}, "without objects"),
    ],
)
def test_a_wrong_file_has_its_sentence(tiny, change, sentence):
    sets = importlib.import_module("sets")
    with np.load(tiny) as file:
        arrays = {key: file[key] for key in file.files} | change
    np.savez(tiny, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(SystemExit, match=sentence):
        sets.read(str(tiny))


def test_intervals_of_paired_differences_cover():
    judge = importlib.import_module("judge")
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        mean, half = judge.interval(rng.normal(0.3, 1, size=6), 0.0)
        covered += abs(mean - 0.3) <= half
    assert 0.92 < covered / 400 < 0.98
    assert judge.interval(np.array([1.0, 2.0, 4.0]), 0.25)[1] > judge.interval(np.array([1.0, 2.0, 4.0]), 0.0)[1]
    assert np.isnan(judge.interval(np.array([1.0]), 0.25)[1])
