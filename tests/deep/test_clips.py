"""Recordings as clips: masks of their readers, features by name, label lists, ratings per frame, scores, the card."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.cli.learn import run_init, run_prediction
from rpca_affect.deep import LSEFClassifier, load, predict, save, scores, train
from rpca_affect.deep.clips import read_clips, read_folder
from rpca_affect.deep.lists import read_abaw, read_veatic
from rpca_affect.deep.metrics import uar
from rpca_affect.deep.naming import Folder

AUS = ["AU01_r", "AU04_r", "AU12_r", "AU45_r"]
RECIPE = """
task = "{task}"
validation = {validation}
[data]
kind = "folder"
folder = "clips"
{data}
[estimator]
hidden = 8
n_stages = 1
epochs = {epochs}
batch_size = 4
lr = 0.01
"""


def openface(rng, mood=0.0, frames=12, lost=()):
    """A table in OpenFace's form; the face is lost in some frames, which then read 0."""
    values = 1 + mood + 0.3 * rng.normal(size=(frames, 4))
    table = pd.DataFrame(values.round(4), columns=AUS)
    table.loc[list(lost), AUS] = 0.0
    table.insert(0, "frame", np.arange(1, frames + 1))
    table.insert(1, "timestamp", (table["frame"] - 1) / 25)
    table.insert(2, "confidence", 0.98)
    table.insert(3, "success", 1)
    table.loc[list(lost), ["confidence", "success"]] = 0
    return table


@pytest.fixture
def folder(tmp_path):
    """Twelve recordings of four people in two moods, of three formats."""
    rng, rows = np.random.default_rng(0), []
    (tmp_path / "clips" / "more").mkdir(parents=True)
    for i in range(12):
        table = openface(rng, 2.0 * (i % 2), lost=(3, 4))
        name = f"c{i:02d}" if i % 4 else f"more/c{i:02d}"
        if i % 3 == 0:
            table.to_parquet(tmp_path / "clips" / f"{name}.parquet")
        else:
            table.to_csv(tmp_path / "clips" / f"{name}.csv{'.gz' if i % 3 == 1 else ''}", index=False)
        rows.append({"clip": name, "label": ("calm", "tense")[i % 2], "person": f"p{i // 3}"})
    table = pd.DataFrame(rows).assign(split=["train"] * 9 + ["test"] * 3)
    table.to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path


def recipe(folder, data='labels = "labels.csv"', task="classification", validation=0.34, epochs=12):
    path = folder / "recipe.toml"
    path.write_text(RECIPE.format(task=task, validation=validation, data=data, epochs=epochs), encoding="utf-8")
    return path


def test_recordings_of_any_format_train_predict_and_are_scored(folder, capsys):
    summary = train(recipe(folder), folder / "run", quiet=True)
    assert summary["test"]["war"] == 1.0
    assert load(summary["model"]).feature_names_in_.tolist() == AUS
    table = predict(folder / "run", folder / "clips", labels=folder / "labels.csv")
    assert table.true.tolist() == pd.read_csv(folder / "labels.csv").set_index("clip").label[table["clip"]].tolist()
    found = scores(table)
    assert found["scored"] == 12 and found["war"] == np.mean(table.true == table.predicted) > 0.9
    assert found["uar"] == np.mean(list(found["recall"].values()))
    assert set(summary["confusion"]) == {"classes", "validation", "test"}
    assert np.sum(summary["confusion"]["test"]) == 3 and np.trace(summary["confusion"]["test"]) == 3
    short = folder / "some.csv"
    pd.read_csv(folder / "labels.csv").head(5).to_csv(short, index=False)
    run_prediction(folder / "run", folder / "clips", folder / "p.csv", labels=short, overwrite=False, quiet=False)
    assert re.search(r"scored +5\n", capsys.readouterr().err)
    assert pd.read_csv(folder / "p.csv").true.notna().sum() == 5
    pd.DataFrame({"clip": ["other"], "label": ["calm"]}).to_csv(short, index=False)
    with pytest.raises(ValueError, match="names none of the clips"):
        predict(folder / "run", folder / "clips", labels=short)


def test_frames_that_the_tracker_lost_are_missing_and_not_zero(folder):
    found = read_folder(folder / "clips", folder / "labels.csv")
    assert all(np.isnan(x[3:5]).all() and np.isfinite(np.delete(x, [3, 4], 0)).all() for x in found.clips.sequences)


def written(table, path, form):
    """A table of labels as programs write it."""
    if form == "xlsx":
        table.to_excel(path, index=False)
    else:
        separator, encoding = {"comma": (",", "utf-8"), "semicolon": (";", "utf-8-sig"), "tab": ("\t", "utf-16")}[form]
        table.to_csv(path, index=False, sep=separator, encoding=encoding)
    return path


@pytest.mark.parametrize("form", ["comma", "semicolon", "tab", "xlsx"])
@pytest.mark.parametrize("names", ["as they are", "with their ends", "without folders", "in capitals"])
def test_labels_in_any_form_mean_the_same(folder, form, names):
    """Of training and of scoring: what separates the cells, and how columns and clips are written, changes nothing."""
    table = pd.read_csv(folder / "labels.csv")
    expected = read_folder(folder / "clips", folder / "labels.csv")
    if names == "with their ends":
        table["clip"] = [
            file.relative_to(folder / "clips").as_posix()
            for file in map(Folder(folder / "clips").__getitem__, table["clip"])
        ]
    elif names == "without folders":
        table["clip"] = table["clip"].str.split("/").str[-1]
    elif names == "in capitals":
        table = table.rename(columns=str.title)
    path = written(table, folder / ("other.xlsx" if form == "xlsx" else "other.txt"), form)
    found = read_folder(folder / "clips", path)
    for a, b in zip(expected.clips.sequences, found.clips.sequences, strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.y == expected.y
    assert found.person.tolist() == expected.person.tolist() and found.split.tolist() == expected.split.tolist()
    estimator = LSEFClassifier("tcn", hidden=4, epochs=1).fit(expected.clips.sequences, expected.y)
    estimator.feature_names_in_ = np.array(AUS, dtype=object)
    save(estimator, folder / "model.safetensors")
    truth = [
        predict(folder / "model.safetensors", folder / "clips", labels=labels)["true"].tolist()
        for labels in (folder / "labels.csv", path)
    ]
    assert truth[0] == truth[1] and None not in truth[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clip;label;person\nc01;x;p\nc02;y;\n", "line 3, column 'person' is empty"),
        ("clip,label,split\nc01,x,train\nc02,y,val\n", "line 3, column 'split' holds 'val', expected train or test"),
        ("Clip,mood\nc01,x\nc02,y\n", "no column 'label'; its columns are clip, mood: rename one"),
        ("clip,label\nc01,x\n c01 ,y\n", "line 3, c01 is there already"),
        ("clip,label\nc01,x\nmore/c99,y\n", "more/c99 is in the label list but not in"),
    ],
)
def test_what_a_table_of_labels_may_not_say(folder, text, words):
    """Training and `init` refuse it in the same words."""
    (folder / "labels.csv").write_text(text)
    for attempt in (
        lambda: read_folder(folder / "clips", folder / "labels.csv"),
        lambda: run_init(
            folder / "new.toml", folder / "clips", folder / "labels.csv", ["label"], overwrite=False, quiet=True
        ),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=words):
            attempt()
    assert not (folder / "new.toml").exists()


def test_a_name_that_two_folders_hold_is_asked_about(folder):
    rng = np.random.default_rng(0)
    for person in ("ann", "bob"):
        (folder / "clips" / person).mkdir()
        openface(rng).to_csv(folder / "clips" / person / "one.csv", index=False)
    with pytest.raises(ValueError, match=r"one may be ann/one\.csv or bob/one\.csv"):
        Folder(folder / "clips")["one"]
    assert Folder(folder / "clips")["bob\\one"] == folder / "clips/bob/one.csv"


@settings(max_examples=10, deadline=None)
@given(lost=st.lists(st.sets(st.integers(0, 11), max_size=6), min_size=2, max_size=6))
def test_notices_count_the_missing_frames_and_name_their_files(tmp_path_factory, lost):
    folder, rng = tmp_path_factory.mktemp("lost"), np.random.default_rng(1)
    files = [folder / f"c{i}.csv" for i in range(len(lost))]
    for file, frames in zip(files, lost):
        openface(rng, lost=sorted(frames)).to_csv(file, index=False)
    notices = read_clips(files).notices
    missing = sum(map(len, lost))
    counted = f"{missing} of {12 * len(lost)} frames are missing, in {sum(map(bool, lost))} of {len(lost)} clips."
    assert (notices[0] == counted) if missing else notices == ()
    assert all(re.match(r"c\d\.csv( and \d more)?: ", notice) for notice in notices[1:])


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(4)), extra=st.booleans())
def test_features_are_told_by_their_names(tmp_path_factory, order, extra):
    folder, rng = tmp_path_factory.mktemp("names"), np.random.default_rng(1)
    first, other = openface(rng), openface(rng)
    turned = other[[*other.columns[:4], *(AUS[k] for k in order)]]
    if extra:
        turned = turned.assign(AU17_r=rng.normal(size=len(other)) + 2)
    first.to_csv(folder / "a.csv", index=False)
    other.to_csv(folder / "b.csv", index=False)
    turned.to_csv(folder / "c.csv", index=False)
    found = read_clips([folder / name for name in ("a.csv", "b.csv", "c.csv")])
    assert found.names == tuple(AUS) and np.array_equal(found.sequences[1], found.sequences[2])
    assert any("AU17_r" in notice for notice in found.notices) == extra
    with pytest.raises(ValueError, match=r"a\.csv lacks the features AU17_r"):
        read_clips([folder / "a.csv"], names=[*AUS, "AU17_r"])
    assert read_clips([folder / "c.csv"], features=["AU12_r", "AU01_r"]).sequences[0].shape[1] == 2


def test_what_cannot_be_one_set_of_clips(tmp_path):
    rng = np.random.default_rng(0)
    openface(rng).to_csv(tmp_path / "a.csv", index=False)
    np.save(tmp_path / "b.npy", rng.normal(size=(5, 4)))
    with pytest.raises(ValueError, match=r"b\.npy is an array"):
        read_clips([tmp_path / "a.csv", tmp_path / "b.npy"])
    two = pd.concat([openface(rng).assign(face_id=k) for k in (0, 1)])
    two.to_csv(tmp_path / "two.csv", index=False)
    with pytest.raises(ValueError, match=r"two\.csv holds several sequences, told apart by face_id"):
        read_clips([tmp_path / "two.csv"])
    pd.DataFrame({"mouth": rng.normal(size=9), "brow": rng.normal(size=9)}).to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(ValueError, match="no feature in common"):
        read_clips([tmp_path / "a.csv", tmp_path / "d.csv"])
    (tmp_path / "a.npy").touch()
    with pytest.raises(ValueError, match=r"a may be a\.csv or a\.npy"):
        Folder(tmp_path)["a"]
    assert Folder(tmp_path)["a.csv"] == tmp_path / "a.csv"
    (tmp_path / "labels.csv").write_text("clip,label\nd,x\nd,y\n")
    with pytest.raises(ValueError, match="line 3, d is there already"):
        read_folder(tmp_path, tmp_path / "labels.csv")


def test_a_public_list_with_its_test_list(folder):
    for i, file in enumerate(sorted((folder / "clips").glob("c*.*"))):
        file.rename(file.with_name(f"{i:05d}{''.join(file.suffixes)}"))
    (folder / "train.csv").write_text("video_name,label\n" + "".join(f"{i},{1 + 3 * (i % 2)}\n" for i in range(6)))
    (folder / "test.csv").write_text("video_name,label\n6,1\n7,4\n8,1\n")
    data = 'labels = "train.csv"\ntest_labels = "test.csv"\nlist = "dfew"'
    summary = train(recipe(folder, data, validation=0, epochs=1), folder / "run", quiet=True)
    assert summary["confusion"]["classes"] == ["angry", "happy"] and np.sum(summary["confusion"]["test"]) == 3
    (folder / "test.csv").write_text("video_name,label\n5,1\n")
    with pytest.raises(ValueError, match="00005 is in labels and in test_labels"):
        train(recipe(folder, data, validation=0), folder / "other", quiet=True)


def rated(folder, form, rng, lost=2):
    """Four recordings with a rating for each frame, some of them not rated."""
    (folder / "clips").mkdir(exist_ok=True)
    (folder / form).mkdir()
    for i in range(4):
        openface(rng, frames=20).to_csv(folder / "clips" / f"{i}.csv", index=False)
        ratings = rng.uniform(-1, 1, (20, 2)).round(3)
        ratings[:lost] = -5
        if form == "abaw":
            lines = ["valence,arousal", *(f"{v},{a}" for v, a in ratings)]
            (folder / form / f"{i}.txt").write_text("\n".join(lines))
        else:
            for k, kind in enumerate(("valence", "arousal")):
                (folder / form / f"{i}_{kind}.csv").write_text("\n".join(map(str, ratings[:, k])))


@pytest.mark.parametrize("form", ["abaw", "veatic"])
@pytest.mark.parametrize("split", ["time", "video"])
def test_ratings_of_every_frame(tmp_path, form, split):
    rated(tmp_path, form, np.random.default_rng(0))
    ratings = {"abaw": read_abaw, "veatic": read_veatic}[form](tmp_path / form)
    assert all(r.shape == (20, 2) and np.isnan(r[:2]).all() and np.isfinite(r[2:]).all() for r in ratings.values())
    data = f'labels = "{form}"\nlist = "{form}"\nsplit = "{split}"'
    summary = train(recipe(tmp_path, data, "regression", epochs=2), tmp_path / "run", quiet=True)
    assert np.isfinite(summary["test"]["score"])
    table = predict(tmp_path / "run", tmp_path / "clips", labels=tmp_path / form, form=form)
    assert len(table) == 80 and scores(table)["scored"] == 72 and len(scores(table)["ccc"]) == 2
    openface(np.random.default_rng(1), frames=21).to_csv(tmp_path / "clips/3.csv", index=False)
    with pytest.raises(ValueError, match="3 has 21 frames and 20 ratings"):
        train(recipe(tmp_path, data, "regression"), tmp_path / "other", quiet=True)


@pytest.mark.parametrize("cell", ["high", "", "7", "nan"])
def test_a_rating_that_is_none_is_named(tmp_path, cell):
    (tmp_path / "v.txt").write_text(f"valence,arousal\n0.1,0.2\n0.1,{cell}\n")
    with pytest.raises(ValueError, match=r"v\.txt, line 3: found"):
        read_abaw(tmp_path)


def test_the_card_escapes_what_it_shows_and_holds_no_script(folder):
    table = pd.read_csv(folder / "labels.csv")
    hostile = "<script>alert('a')</script>"
    table["label"] = table["label"].replace("tense", hostile)
    table.to_csv(folder / "labels.csv", index=False)
    summary = train(recipe(folder, epochs=3), folder / "run", quiet=True)
    page = (folder / "run/card.html").read_text(encoding="utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page and "http" not in page.replace("http-equiv", "")
    assert json.loads((folder / "run/summary.json").read_text())["confusion"] == summary["confusion"]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', page)
    for name, row in zip(("&lt;script&gt;", "calm"), summary["confusion"]["test"]):
        assert any(
            label.startswith(name) and re.findall(r">(\d+)</td>", cells)[:2] == list(map(str, row))
            for label, cells in rows
        )


def test_one_person_cannot_be_held_out(folder):
    table = pd.read_csv(folder / "labels.csv").assign(person="p", split="train")
    table.to_csv(folder / "labels.csv", index=False)
    with pytest.raises(ValueError, match="one person to train on, and validation"):
        train(recipe(folder), folder / "run", quiet=True)
    summary = train(recipe(folder, validation=0, epochs=1), folder / "run", quiet=True)
    assert "says nothing about people" in (folder / "run/card.html").read_text(encoding="utf-8")
    assert summary["confusion"] == {"classes": ["calm", "tense"]}


def test_labels_of_clips_are_not_cut_in_time(folder):
    with pytest.raises(ValueError, match="split 'time', which cuts ratings of every frame"):
        train(recipe(folder, 'labels = "labels.csv"\nsplit = "time"'), folder / "run", quiet=True)


def test_weights_of_the_classes():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(8, 2)) for _ in range(30)]
    y = ["often"] * 15 + ["rare"] * 15
    shares = []
    for weights in ({"often": 1.0, "rare": 20.0}, {"often": 20.0, "rare": 1.0}):
        model = LSEFClassifier("gru", hidden=8, epochs=8, lr=0.01, class_weight=weights).fit(X, y)
        shares.append(np.mean(model.predict(X) == "rare"))
    assert shares[0] > 0.8 and shares[1] < 0.2
    with pytest.raises(ValueError, match="a number for each of often, rare"):
        LSEFClassifier(class_weight={"often": 1.0}).fit(X, y)


def test_recognised_classes_against_scikit_learn():
    from sklearn.metrics import balanced_accuracy_score

    rng = np.random.default_rng(0)
    truth = rng.choice(list("abc"), 60)
    guess = np.where(rng.random(60) < 0.5, truth, rng.choice(list("abc"), 60))
    assert uar(truth, guess) == pytest.approx(balanced_accuracy_score(truth, guess))
    assert uar(["a", "a"], ["a", "z"]) == 0.5  # a class that nobody has is no warning
