"""Recipes: exact resume after a kill, early stopping, the command, prediction from files, refusals."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate.state import AcceleratorState

from rpca_affect.cli.learn import run_init
from rpca_affect.deep import LSEFRegressor, Unrolled, load, predict, scores, train
from rpca_affect.deep.recipe import Recipe
from rpca_affect.deep.storage import read_tensors

ROOT = Path(__file__).parents[2]
RECIPE = """
task = "{task}"
patience = {patience}

[data]
{data}

[estimator]
hidden = 8
n_stages = 1
epochs = {epochs}
batch_size = 4
optimizer = "{optimizer}"
corruption = 0.2
random_state = 3
"""
PLANTED = 'kind = "planted"\nn_sequences = 12\nn_frames = 20\nn_features = 9'


def recipe(tmp_path, name="recipe.toml", **options):
    path = tmp_path / name
    defaults = {"task": "regression", "patience": 0, "data": PLANTED, "epochs": 4, "optimizer": "rao"}
    path.write_text(RECIPE.format(**{**defaults, **options}), encoding="utf-8")
    return path


@pytest.mark.parametrize("optimizer", ["adamw", "rao"])
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, optimizer):
    path = recipe(tmp_path, optimizer=optimizer)
    whole = train(path, tmp_path / "whole", quiet=True)

    class Killed(Exception):
        pass

    def kill(row):
        if row["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        train(path, tmp_path / "cut", quiet=True, on_epoch=kill)
    assert not (tmp_path / "cut/model.safetensors").exists()
    seen = []
    torch.manual_seed(987)  # whatever happened in between
    resumed = train(path, tmp_path / "cut", quiet=True, on_epoch=lambda row: seen.append(row["epoch"]))
    assert seen == [3, 4]
    a, b = (read_tensors(tmp_path / run / "checkpoint.safetensors")[0] for run in ("whole", "cut"))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert {k: v for k, v in whole.items() if k != "model"} == {k: v for k, v in resumed.items() if k != "model"}
    history = pd.read_csv(tmp_path / "cut/history.csv")
    pd.testing.assert_frame_equal(history, pd.read_csv(tmp_path / "whole/history.csv"))


@pytest.mark.slow
def test_a_killed_process_resumes(tmp_path):
    path = recipe(tmp_path, epochs=60)
    command = [sys.executable, str(ROOT / "deep/train.py"), str(path), "--out", str(tmp_path / "run"), "--quiet"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    checkpoint = tmp_path / "run/checkpoint.safetensors"
    while not checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(read_tensors(checkpoint)[1]["history"])
    assert 0 < done < 60
    subprocess.run(command, check=True)
    train(path, tmp_path / "whole", quiet=True)
    a, b = (read_tensors(tmp_path / run / "model.safetensors")[0] for run in ("whole", "run"))
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_mixed_precision_keeps_the_split_in_single_precision(tmp_path):
    path = recipe(tmp_path, epochs=2)
    path.write_text('mixed_precision = "bf16"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    found = []
    AcceleratorState._reset_state(
        reset_partial_state=True
    )  # one process trains in one precision; here it stands for two
    try:
        train(path, tmp_path / "run", quiet=True, on_epoch=found.append)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    assert all(np.isfinite(row["loss"]) for row in found)
    x = torch.randn(2, 12, 9)
    network = Unrolled(3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = network(x).base
    assert inside.dtype == torch.float32 and torch.equal(inside, network(x).base)


def test_another_recipe_does_not_resume(tmp_path):
    train(recipe(tmp_path, epochs=1), tmp_path / "run", quiet=True)
    other = recipe(tmp_path, "other.toml", epochs=2)
    with pytest.raises(ValueError, match="another recipe"):
        train(other, tmp_path / "run", quiet=True)
    assert train(other, tmp_path / "run", quiet=True, resume=False)["epochs"] == 2


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    summary = train(recipe(tmp_path, epochs=40, patience=1, optimizer="adamw"), tmp_path / "run", quiet=True)
    history = pd.read_csv(tmp_path / "run/history.csv")
    assert summary["best_epoch"] == int(history.score.idxmax()) + 1
    assert summary["epochs"] == len(history) < 40 and len(history) == summary["best_epoch"] + 2
    assert summary["validation"]["score"] == pytest.approx(history.score.max(), abs=1e-6)
    assert set(summary) == {"model", "epochs", "best_epoch", "validation", "test"}


def test_classification_from_a_folder_and_prediction(tmp_path):
    rng = np.random.default_rng(0)
    clips = tmp_path / "clips"
    clips.mkdir()
    rows = []
    for i in range(20):
        x = rng.normal(size=(rng.integers(8, 12), 3)) + 3 * (i % 2)
        np.save(clips / f"c{i:02d}.npy", x)
        split = "test" if i >= 16 else "train"
        rows.append({"clip": f"c{i:02d}", "label": ("calm", "tense")[i % 2], "person": f"p{i // 4}", "split": split})
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", index=False)
    data = 'kind = "folder"\nfolder = "clips"\nlabels = "labels.csv"'
    path = recipe(tmp_path, task="classification", data=data, epochs=25, optimizer="adamw")
    summary = train(path, tmp_path / "run", quiet=True)
    assert summary["test"]["war"] == 1.0
    table = predict(tmp_path / "run", clips, tmp_path / "predicted.csv")
    assert table.columns.tolist() == ["clip", "predicted", "p_calm", "p_tense"] and len(table) == 20
    assert (table.predicted[1::2] == "tense").mean() > 0.8
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "predicted.csv"), table, check_dtype=False, rtol=1e-5)
    assert load(summary["model"]).predict([np.load(clips / "c00.npy")]).tolist() == ["calm"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no clip"):
        predict(tmp_path / "run", tmp_path / "empty")
    with pytest.raises(ValueError, match="features have no names"):
        predict(tmp_path / "run", tmp_path / "run")


@pytest.mark.parametrize("model", ["lsef", "identity", "gru", "tcn", "transformer"])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_every_model_trains_from_a_recipe_and_predicts(tmp_path, model, task):
    rng = np.random.default_rng(0)
    (tmp_path / "clips").mkdir()
    rows = []
    for i in range(12):
        np.save(tmp_path / f"clips/c{i:02d}.npy", rng.normal(size=(rng.integers(8, 14), 5)) + i % 3)
        rows.append({"clip": f"c{i:02d}", "label": "abc"[i % 3], "valence": 0.1 * (i % 3), "person": f"p{i // 2}"})
    pd.DataFrame(rows).to_csv(tmp_path / "labels.csv", index=False)
    target = "label" if task == "classification" else "valence"
    data = f'folder = "clips"\nlabels = "labels.csv"\ntarget = "{target}"'
    path = recipe(tmp_path, task=task, data=data, epochs=1, optimizer="adamw")
    path.write_text(path.read_text() + f'model = "{model}"\n')
    assert np.isfinite(train(path, tmp_path / "run", quiet=True)["validation"]["score"])
    table = predict(tmp_path / "run", tmp_path / "clips", labels=tmp_path / "labels.csv", target=target)
    assert scores(table)["scored"] == len(table) == 12 and (tmp_path / "run/card.html").exists()


def test_prediction_per_frame(tmp_path):
    train(recipe(tmp_path, epochs=1), tmp_path / "run", quiet=True)
    np.save(tmp_path / "clip.npy", np.random.default_rng(0).normal(size=(7, 9)))
    table = predict(tmp_path / "run/model.safetensors", tmp_path / "clip.npy")
    assert table.columns.tolist() == ["clip", "frame", "output_0", "output_1"] and table.frame.tolist() == list(
        range(7)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs = 3", "unknown entry 'epochs'"),
        ("task = 3 3", "not valid TOML"),
        ('task = "ranking"', "classification or regression"),
        ("[estimator]\nlayers = 3", "'layers'"),
        ('[data]\nkind = "zip"', "folder, npz or planted"),
        ('[data]\nkind = "npz"\nfile = "$NOT_SET_ANYWHERE/x.npz"', "not set"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_sentence(tmp_path, text, words):
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        train(path, tmp_path / "run", quiet=True)
    with pytest.raises(FileNotFoundError, match="recipe"):
        Recipe.read(tmp_path / "none.toml")


@pytest.mark.parametrize("path", sorted((ROOT / "deep/configs").glob("*.toml")), ids=lambda p: p.stem)
def test_the_recipes_that_come_along_are_valid(path):
    plan = Recipe.read(path)
    assert plan.new_estimator().get_params()["epochs"] > 0


@pytest.mark.parametrize("targets", [["mood"], ["valence"], ["valence", "arousal"]])
def test_init_writes_a_recipe_that_trains_and_is_scored(tmp_path, targets):
    rng = np.random.default_rng(0)
    clips = tmp_path / "in here" / "clips"
    clips.mkdir(parents=True)
    for i in range(8):
        np.save(clips / f"c{i}.npy", rng.normal(size=(9, 3)) + i % 2)
    table = pd.DataFrame({"clip": [f"c{i}" for i in range(8)], "mood": list("abab") * 2})
    table["valence"], table["arousal"] = 0.5 * (table.index % 2), table.index % 3  # one of them in whole numbers
    table["person"] = np.repeat(["p", "q", "r", "s"], 2)
    table["split"] = ["train"] * 6 + ["test"] * 2
    labels = tmp_path / "labels.csv"
    table.to_csv(labels, index=False)
    out = tmp_path / "recipes" / "mood.toml"
    run_init(out, clips, labels, targets, overwrite=False, quiet=True)
    out.write_text(out.read_text().replace("epochs = 50", "epochs = 1"))
    summary = train(out, tmp_path / "run", quiet=True)
    assert summary["epochs"] == 1 and np.isfinite(summary["test"]["score"])
    target = targets[0] if len(targets) == 1 else targets
    found = scores(predict(tmp_path / "run", clips, labels=labels, target=target))
    assert found["scored"] == 8 and ("uar" in found if targets == ["mood"] else len(found["ccc"]) == len(targets))
    for other in (["mood"], ["arousal"], ["mood", "valence"], ["mood", "valence", "arousal"]):
        if len(other) != len(targets) or (other[0] == "mood") > (targets == ["mood"]):
            with pytest.raises(ValueError, match=r"name as many columns|holds no numbers"):
                predict(tmp_path / "run", clips, labels=labels, target=other if len(other) > 1 else other[0])
    with pytest.raises(ValueError, match="no column 'label'; its columns are clip, mood, valence, arousal"):
        run_init(tmp_path / "other.toml", clips, labels, ["label"], overwrite=False, quiet=True)
    with pytest.raises(ValueError, match=r"mood of labels\.csv is no rating"):
        run_init(tmp_path / "other.toml", clips, labels, ["valence", "mood"], overwrite=False, quiet=True)


def test_ratings_that_are_words_are_refused():
    with pytest.raises(ValueError, match="give ratings, or classify"):
        LSEFRegressor(epochs=1).fit([np.eye(4)] * 3, ["calm", "tense", "calm"])
