"""Damaged files of the deep part: one sentence, nothing lost, nothing made before its size is checked."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")

from safetensors import safe_open
from safetensors.torch import save_file

from rpca_affect.deep import LSEFClassifier, load, save
from rpca_affect.deep.clips import read_folder
from rpca_affect.deep.recipe import read_data


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(8, 3)) + 3 * (i % 2) for i in range(6)]
    return save(LSEFClassifier(hidden=4, n_stages=1, epochs=1).fit(X, [0, 1] * 3), tmp_path_factory.mktemp("m") / "m")


def changed(model, path, header):
    """The same weights under another header."""
    with safe_open(model, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        old = json.loads(file.metadata()["rpca_affect"])
    text = header if isinstance(header, str) else json.dumps({**old, **header(old)})
    save_file(tensors, path, metadata={"rpca_affect": text})
    return path


HEADERS = {
    "not JSON": "{",
    "no version": '{"estimator": "LSEFClassifier"}',
    "version is text": lambda old: {"version": "three"},
    "no settings": lambda old: {"config": None},
    "gigantic width": lambda old: {"config": {**old["config"], "hidden": 10**12}},
    "gigantic depth": lambda old: {"config": {**old["config"], "n_stages": 10**9}},
    "other width": lambda old: {"config": {**old["config"], "hidden": 5}},
    "unknown setting": lambda old: {"config": {**old["config"], "magic": 1}},
    "no classes": lambda old: {"classes": {}},
    "wrong parameters": lambda old: {"params": {"magic": 1}},
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_foreign_headers_are_refused(model, tmp_path, header):
    with pytest.raises(ValueError, match=r"m\.safetensors"):
        load(changed(model, tmp_path / "m.safetensors", header))


def test_cut_files_are_refused_and_a_whole_one_loads(model, tmp_path):
    whole = model.read_bytes()
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        (tmp_path / "m").write_bytes(whole[:size])
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            load(tmp_path / "m")
    assert load(model).predict([np.zeros((8, 3))]).shape == (1,)


def test_a_failed_save_leaves_what_was_there(model, tmp_path, monkeypatch):
    from safetensors import SafetensorError

    from rpca_affect.deep import storage

    def full(*_, **__):
        raise SafetensorError("No space left on device")

    (tmp_path / "m").write_bytes(model.read_bytes())
    estimator = load(model)
    monkeypatch.setattr(storage, "save_file", full)
    with pytest.raises(OSError, match="untouched"):
        save(estimator, tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"] and load(tmp_path / "m") is not None


@pytest.mark.parametrize(
    "table, sentence",
    [
        ("clip,label\na,x\nb,\n", "line 3, column 'label' is empty"),
        ("clip,label\n,x\n", "line 2, column 'clip' is empty"),
        ("clip,label\n", "has no rows"),
        ("", "no table of labels"),
        ("clip\na\n", "has no column 'label'"),
    ],
)
def test_label_tables_that_cannot_be_used(tmp_path, table, sentence):
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 2)))
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(ValueError, match=sentence):
        read_folder(tmp_path, tmp_path / "labels.csv")


def test_arrays_that_cannot_be_used(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "short.npz", X_train=np.zeros((4, 5, 2)), y_train=np.zeros(3))
    np.savez(tmp_path / "objects.npz", X_train=np.array([{}], dtype=object), y_train=np.zeros(1))
    np.savez(tmp_path / "single.npz", X_train=1.0, y_train=2.0)
    for name, sentence in (("text", "no whole .npz"), ("short", "4 train sequences and 3 targets"),
                           ("objects", "no whole .npz"), ("single", "single numbers")):  # fmt: skip
        with pytest.raises(ValueError, match=sentence) as refused:
            read_data({"kind": "npz", "file": f"{name}.npz"}, tmp_path)
        assert "pickle" not in str(refused.value)
    with pytest.raises(ValueError, match="sequence 1 has no label"):
        LSEFClassifier().fit([np.zeros((4, 2))] * 3, ["a", None, "b"])
