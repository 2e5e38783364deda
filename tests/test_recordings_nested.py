"""JSON as programs nest it: groups of frames, curves, lists beside each other, records under times and pictures."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_tables import FRAMES, NAMES, measured, said

from rpca_affect.recordings import RecordingError, read


def written(folder, held):
    path = folder / "held.json"
    path.write_text(json.dumps(held))
    return read(path)


def scored(table: pd.DataFrame, rate: float) -> list[dict]:
    """Frames as services write them: a time, a box, and a list of named scores."""
    return [
        {"time": k / rate, "box": {"x": 10 + k % 3}, "scores": [{"name": n, "score": v} for n, v in row.items()]}
        for k, row in enumerate(table.to_dict("records"))
    ]


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
    st.lists(st.sampled_from(["results", "models", "face"]), unique=True, max_size=3),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_frames_of_groups_are_those_of_all_groups(tmp_path_factory, groups, around, listed, seed):
    """Files that hold people that hold frames, with objects around them: a sequence for each person."""
    tables, files = [], []
    for file, n_people in enumerate(groups):
        people = []
        for person in range(n_people):
            tables.append(measured(FRAMES - 7 * person, seed + len(tables)))
            people.append({"id": f"face {person}", "predictions": scored(tables[-1], 5)})
        files.append({"file": f"clip{file}.mp4", "groups": people})
    held = {"version": 3, "predictions": files}
    for name in around:
        held = {name: held, "errors": []}
    recording = written(tmp_path_factory.mktemp("groups"), [{"job": "x", **held}] if listed else held)
    features = [recording.feature_names.index(name) for name in NAMES]
    np.testing.assert_array_equal(recording.values[:, features], pd.concat(tables))
    assert recording.fps == pytest.approx(5)
    n_sequences = 1 if recording.sequence_id is None else len(set(recording.sequence_id))
    assert n_sequences == sum(groups)


def test_landmarks_of_a_frame_are_no_frames(tmp_path):
    table = measured()
    rows = [{"landmarks": [{"x": row[0], "y": row[1]}, {"x": row[2], "y": row[3]}] * 40} for row in table.to_numpy()]
    assert written(tmp_path, rows).values.shape == (FRAMES, 160)
    rows = [{"time": k / 25, **row} for k, row in enumerate(rows)]
    assert written(tmp_path, {"frames": rows}).values.shape == (FRAMES, 160)


@given(st.integers(0, 99), st.sampled_from([1.0, 0.04]), st.booleans())
@settings(max_examples=15, deadline=None)
def test_curves_with_stamps_of_their_own_are_put_side_by_side(tmp_path_factory, seed, step, thinned):
    table = measured(seed=seed)
    rng = np.random.default_rng(seed)
    kept = rng.random(table.shape) < (0.8 if thinned else 1.1)
    kept[[0, -1]] = True
    curves = {
        name: [[step * k, value] for k, value in enumerate(table[name]) if kept[k, j]] for j, name in enumerate(NAMES)
    }
    recording = written(tmp_path_factory.mktemp("curves"), {"action": "smile", "curves": curves})
    assert recording.feature_names == tuple(NAMES) and np.array_equal(recording.mask, kept[kept.any(axis=1)])
    assert np.array_equal(recording.values[recording.mask], table.to_numpy()[kept])
    assert "4 curves" in said(recording) and (step == 1.0 or recording.fps == pytest.approx(25))


@pytest.mark.parametrize("form", ["pairs", "times", "x", "beside"])
@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("features", [1, 4])
def test_series_that_each_name_a_feature_are_its_columns(tmp_path, form, around, features):
    table, stamps = measured().iloc[:, :features], (np.arange(FRAMES) / 25).tolist()
    if features == 1:
        table = table.set_axis(["jawOpen"], axis=1)
    if form == "pairs":
        rows = [{"name": name, "data": [list(p) for p in zip(stamps, table[name])]} for name in table]
    else:
        own = {form: stamps} if form != "beside" else {}
        rows = [{"kind": "curve", "name": name, **own, "values": table[name].tolist()} for name in table]
    held = {"tracks": rows, **({"time": stamps} if form == "beside" else {"version": 2})}
    recording = written(tmp_path, {"clip": held, "fps": 25} if around else held)
    assert recording.feature_names == tuple(table) and np.array_equal(recording.values, table)
    assert recording.fps == pytest.approx(25) and "curves of a feature each" in said(recording)


def test_pictures_with_a_list_each_are_frames(tmp_path):
    table = np.random.default_rng(0).uniform(size=(FRAMES, 90)).round(4)
    rows = [{"image": f"img_{k:03d}.png", "embedding": row} for k, row in enumerate(table.tolist())]
    assert np.array_equal(written(tmp_path, rows).values, table)


@pytest.mark.parametrize("sections", [["features"], ["upper", "lower"]])
def test_columns_in_objects_beside_a_list_of_times(tmp_path, sections):
    table = measured()
    parts = np.array_split(table.columns, len(sections))
    held = {name: {column: table[column].tolist() for column in part} for name, part in zip(sections, parts)}
    recording = written(tmp_path, {**held, "timestamps": (np.arange(FRAMES) / 25).tolist(), "fps": 25})
    assert recording.feature_names == tuple(NAMES) and np.array_equal(recording.values, table)
    assert recording.fps == pytest.approx(25)


def test_events_beside_frames_are_not_taken_for_them(tmp_path):
    events = [{"t": k, "what": "blink"} for k in range(5 * FRAMES)]
    recording = written(tmp_path, {"events": events, "frames": measured().to_dict("records")})
    assert np.array_equal(recording.values, measured()) and "'frames' was read" in said(recording)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("split", [True, False])
def test_lists_of_one_length_are_columns_of_one_table(tmp_path, named, split):
    table = measured()
    rows = table.to_numpy().tolist()
    held = {"left": [row[:2] for row in rows], "right": [row[2:] for row in rows]} if split else {"weights": rows}
    held |= {"names": NAMES} if named and not split else {}
    recording = written(tmp_path, {"time": (np.arange(FRAMES) / 25).tolist(), **held})
    assert recording.fps == pytest.approx(25) and np.array_equal(recording.values, table)
    assert not named or split or recording.feature_names == tuple(NAMES)


@pytest.mark.parametrize(
    ("name", "rate"),
    [("{}", None), ("{:04d}", None), ("img_{:05d}.png", None), ("{:.3f}", 25.0)],
)
def test_records_under_frames_times_and_pictures(tmp_path, name, rate):
    table = measured()
    keys = [name.format(k / rate if rate else k) for k in range(FRAMES)]
    recording = written(tmp_path, {"frames": {k: {"shapes": r} for k, r in zip(keys, table.to_dict("records"))}})
    assert recording.feature_names == tuple(NAMES) and np.array_equal(recording.values, table)
    assert recording.fps == (rate and pytest.approx(rate, rel=0.01)) and recording.sequence_id is None


@pytest.mark.parametrize("index", [np.arange(FRAMES) / 25, 1_700_000_000_000 + 40 * np.arange(FRAMES)])
def test_the_time_in_the_index_of_pandas_is_kept(tmp_path, index):
    table = measured().set_axis(index, axis=0)
    for orient in ("columns", "split"):
        table.to_json(tmp_path / "held.json", orient=orient)
        recording = read(tmp_path / "held.json")
        assert recording.feature_names == tuple(NAMES) and np.array_equal(recording.values, table)
        assert orient == "split" or recording.fps == pytest.approx(25)


@pytest.mark.parametrize("place", [{"fps": 30}, {"meta": {"FrameRate": 30.0}}, {"exportFps": 30, "numFrames": 60}])
def test_a_rate_beside_the_frames_is_used_where_no_column_holds_times(tmp_path, place):
    recording = written(tmp_path, {**place, "frames": measured().to_dict("records")})
    assert recording.fps == 30 and "the file says" in said(recording)
    timed = [{"t": k / 10, **row} for k, row in enumerate(measured().to_dict("records"))]
    assert written(tmp_path, {**place, "frames": timed}).fps == pytest.approx(10)


def test_a_choice_among_lists_is_said(tmp_path):
    held = {"faces": measured().to_dict("records"), "hands": measured(20).to_dict("records")}
    recording = written(tmp_path, held)
    assert len(recording.values) == FRAMES and "'faces' was read, the largest of 2" in said(recording)
    assert len(read(tmp_path / "held.json", key="hands").values) == 20


@pytest.mark.parametrize("held", [{}, {"meta": {"fps": 30}}, {"a": [], "b": {}}, [[]], {"a": {"b": {"c": 1}}}])
def test_json_without_frames_is_refused(tmp_path, held):
    with pytest.raises(RecordingError):
        written(tmp_path, held)
