"""Formats: a file as each program writes it is detected as such, and what was put in comes out."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rpca_affect.recordings import describe, detect, from_frame, read
from rpca_affect.recordings.containers import load
from rpca_affect.recordings.formats import formats


@pytest.mark.parametrize("name", sorted(formats()))
@pytest.mark.parametrize("seed", range(3))
def test_example_is_detected_and_comes_out_as_it_was_put_in(name, seed, tmp_path):
    if name == "mosei":
        pytest.importorskip("h5py")
    example = formats()[name].example(tmp_path, seed)
    assert detect(example.path) == name
    recording = read(example.path)
    assert recording.meta["format"] == name
    assert recording.feature_names == tuple(example.values.columns)
    np.testing.assert_array_equal(recording.values, example.values.to_numpy(np.float64)[: len(recording.values)])
    np.testing.assert_array_equal(~recording.mask.any(axis=1), example.masked)
    assert recording.mask[~example.masked].all()
    assert recording.fps is None if example.fps is None else recording.fps == pytest.approx(example.fps, rel=0.01)
    assert describe(recording)["n_sequences"] == example.n_sequences
    forced = read(example.path, name)
    np.testing.assert_array_equal(forced.values, recording.values)


@pytest.mark.parametrize("name", sorted(set(formats()) - {"array"}))
def test_the_same_columns_in_a_dataframe_are_the_same_recording(name, tmp_path):
    if name == "mosei":
        pytest.importorskip("h5py")
    example = formats()[name].example(tmp_path, 5)
    if name in ("empatica", "deeplabcut", "mosei"):  # what tells them stands in the file, not in its columns
        return
    recording = from_frame(load(example.path).frame)
    np.testing.assert_array_equal(recording.values, example.values.to_numpy(np.float64))


def test_every_format_is_sure_of_its_own_example_alone(tmp_path):
    pytest.importorskip("h5py")
    for name, module in formats().items():
        (tmp_path / name).mkdir()
        table = load(module.example(tmp_path / name, 1).path)
        scores = {other: format.score(table) for other, format in formats().items()}
        best = max(scores.values())
        if name != "mediapipe":  # one blendshape in each row is put side by side first
            assert [other for other, score in scores.items() if score == best] == [name]


def test_formats_are_listed():
    from rpca_affect.cli.app import app

    result = CliRunner().invoke(app, ["formats"])
    assert result.exit_code == 0 and all(name in result.output for name in formats())
    listed = json.loads(CliRunner().invoke(app, ["formats", "--json"]).output)
    assert {one["format"] for one in listed} == set(formats())
    assert all(one["title"] and one["groups"] is not None for one in listed)


def test_beats_of_the_e4_have_a_time_each(tmp_path):
    rng = np.random.default_rng(0)
    intervals = rng.uniform(0.7, 0.9, 50).round(6)
    rows = [f"{time:.6f},{interval:.6f}" for time, interval in zip(np.cumsum(intervals), intervals)]
    (tmp_path / "IBI.csv").write_text("\n".join(["1700000000.000000, IBI", *rows]) + "\n")
    recording = read(tmp_path / "IBI.csv")
    assert recording.meta["format"] == "empatica" and recording.feature_names == ("ibi",)
    np.testing.assert_array_equal(recording.values[:, 0], intervals)
    np.testing.assert_allclose(recording.time, np.cumsum(intervals), atol=1e-6)
