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
    found = json.loads((folder / "summary.json").read_text())
    clean = {model["model"]: model["clean"] for model in found["models"]}
    assert [row["model"] for row in found["lsef less"]] == [name for name in models[1:] if name != "lsef"]
    for row in found["lsef less"]:
        assert row["clean"] == pytest.approx(clean["lsef"] - clean[row["model"]])
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
        ({"y": np.array([{}] * 24)}, "plain arrays"),
        ({"y": np.arange(24)[:, None]}, r"y has shape \(24, 1\)"),
        ({"y": np.array("a")}, r"y has shape \(\)"),
        ({"y": np.array(["a"] * 24)}, "one class, a"),
        ({"y": np.array(["a", ""] * 12)}, "entry 1 of y is empty"),
        ({"y": np.where(np.arange(24) == 5, np.nan, np.arange(24) % 2)}, "entry 5 of y is empty"),
        ({"y": np.repeat(list("pqrstu"), 4)}, "class p is of p alone"),
        ({"group": None}, "neither group"),
        ({"group": np.arange(3)}, r"group has shape \(3,\) for 24"),
        ({"group": np.array(["ann", " "] * 12)}, "entry 1 of group is empty"),
        ({"group": np.array(["ann", "bob"] * 12)}, "2 people to learn from"),
        ({"split": np.array(["Train", "Test"] * 12)}, "split holds Test, Train"),
        ({"split": np.array(["train"] * 24)}, "split holds train"),
        ({"split": np.array(["train", "test"] * 12)}, "p is on both sides"),
        ({"split": np.array(["train", "test"] * 12), "group": None}, "class b is on the test side only"),
        ({"x002": np.ones((4, 2))}, "x002 has shape"),
        ({"x002": np.ones(5)}, "x002 has shape"),
        ({"x002": np.full((4, 5), np.inf)}, "x002 has no observed cell"),
        ({"x002": np.eye(4, 5) / np.eye(4, 5)[::-1, ::-1].clip(1) * 1e30}, "x002 holds infinite values or some beyond"),
        ({"x002": np.zeros((0, 5))}, "x002 has no observed cell"),
        ({"x002": np.full((4, 5), "a")}, "x002 holds <U1"),
        ({"x002": np.ones((4, 5), complex)}, "x002 holds complex"),
        ({"x002": None, "x099": np.ones((4, 5))}, "x003 follows x001"),
    ],
)
def test_a_wrong_file_has_its_sentence(tiny, change, sentence):
    sets = importlib.import_module("sets")
    with np.load(tiny) as file:
        arrays = {key: file[key] for key in file.files} | change
    np.savez(tiny, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(SystemExit, match=sentence):
        sets.read(str(tiny))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK damaged"])
def test_what_is_no_file_of_arrays_is_said(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(SystemExit, match=r"^a\.npz is no whole \.npz file of plain arrays"):
        importlib.import_module("sets").read(str(tmp_path / "a.npz"))
    np.save(tmp_path / "b.npy", np.ones(3))
    with pytest.raises(SystemExit, match="is no whole"):
        importlib.import_module("sets").read(str(tmp_path / "b.npy"))


def odd(rng) -> dict:
    """A file as people have them: few people, rare classes, single frames, gaps, labels and numbers of any kind."""
    people, classes = rng.integers(3, 5), rng.integers(2, 4)
    person = np.repeat(np.arange(people), rng.integers(3, 6, people))
    kind = rng.choice(classes, len(person), p=np.r_[0.7, np.full(classes - 1, 0.3 / (classes - 1))])
    X = [rng.normal(size=(rng.choice([1, 2, 9]), 4)) * 5 + k for k in kind]
    dtype = rng.choice(["float32", "float64", "int16", "float16"])
    if dtype != "int16":
        for x in X:
            x[rng.random(x.shape) < rng.choice([0, 0.3])] = np.nan
            x[:, rng.integers(4)] = np.nan
            x[0, 0] = 1.0
    words = np.array(["calm", "very tense", "\u00fc"])[kind]
    return {
        "y": [words, kind, kind * 1.0, kind > 0][rng.integers(4)],
        "group": [person, person * 1.0, np.array([f"person {p}" for p in person])][rng.integers(3)],
        **{f"x{i}": x.astype(dtype) for i, x in enumerate(X)},
    }


@pytest.mark.parametrize("seed", range(6))
def test_odd_files_run_or_are_refused_in_a_sentence(tmp_path, monkeypatch, capsys, seed):
    """Every model gets a score of every fold, or one sentence says what to change; nothing warns."""
    np.savez(tmp_path / "odd.npz", **odd(np.random.default_rng(seed)))
    models = ("mean + std", "descriptors", "tcn", "lsef")
    short = ("--folds", 3, "--inner", 2, "--epochs", 1, "--sizes", 4, "--seeds", 1, "--level", "person")
    try:
        run(tmp_path, tmp_path / "odd.npz", *short, "--models", *models, monkeypatch=monkeypatch)
    except SystemExit as refusal:
        assert str(refusal).count("\n") == 0 and str(refusal).endswith(".") and ";" in str(refusal)
        return
    found = [json.loads(path.read_text()) for path in (tmp_path / "out/odd-person").glob("*-*-*.json")]
    assert {fold["model"] for fold in found} == set(models) and len(found) % len(models) == 0
    assert all(0 <= test["uar"] <= 1 for fold in found for test in fold["tests"])
    assert "folds, for there are" in capsys.readouterr().out or len(found) == 3 * len(models)


def test_a_class_of_two_people_is_held_out_with_each_of_them(tmp_path, monkeypatch):
    """Where folds leave one class to train on, more folds are asked for; with them it runs."""
    rng = np.random.default_rng(3)
    group = np.repeat(list("pqrstu"), 2)
    y = np.where(np.isin(group, ["p", "q"]), "rare", "common")
    np.savez(tmp_path / "rare.npz", y=y, group=group, **{f"x{i}": rng.normal(size=(6, 3)) for i in range(12)})
    benchmark, sets = importlib.import_module("benchmark"), importlib.import_module("sets")
    data = sets.read(str(tmp_path / "rare.npz"))
    halves = [np.flatnonzero(y == "common"), np.flatnonzero(y == "rare")]
    with monkeypatch.context() as patch:
        patch.setattr(benchmark, "parts", lambda *_: [halves])
        with pytest.raises(SystemExit, match=r"one class to train on; give --folds 6"):
            benchmark.outer(data, 2, 0)
    run(tmp_path, tmp_path / "rare.npz", "--folds", 6, *SMALL[2:], "--models", "mean + std", monkeypatch=monkeypatch)
    assert len(list((tmp_path / "out/rare").glob("*-*-*.json"))) == 6


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
