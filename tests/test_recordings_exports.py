"""Exports that say who, when and whether in another place: an index, several columns, a flag of loss, nested lists."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.recordings import RecordingError, from_frame, read

FRAMES = 120
NAMES = ["brow", "cheek", "jaw", "lips"]


def measured(frames: int = FRAMES, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).uniform(0.2, 0.9, (frames, len(NAMES)))
    return pd.DataFrame(values.round(4), columns=NAMES)


def said(recording) -> str:
    return " ".join(recording.notices)


# ---------------------------------------------------------------- who and when, in the index


@pytest.mark.parametrize("levels", [["subject", "time"], ["subject", None], ["time", "face_id"]])
@pytest.mark.parametrize("packed", [False, True])
def test_levels_of_an_index_are_read(tmp_path, levels, packed):
    values = {"subject": ["a", "b"], "face_id": [0, 1], "time": np.arange(FRAMES) / 25, None: range(FRAMES)}
    index = pd.MultiIndex.from_product([values[name] for name in levels], names=levels)
    table = measured(2 * FRAMES).set_index(index)
    if packed:
        table.to_parquet(tmp_path / "table.parquet")
        recording = read(tmp_path / "table.parquet")
    else:
        recording = from_frame(table)
    assert recording.feature_names == tuple(NAMES) and len(set(recording.sequence_id)) == 2
    assert (recording.fps == pytest.approx(25)) if "time" in levels else recording.fps is None
    assert "index was taken along" in said(recording) and recording.frame().index.equals(index)


@given(st.integers(0, 99), st.integers(2, 4))
@settings(max_examples=15, deadline=None)
def test_an_index_that_starts_again_parts_the_recordings(seed, parts):
    table = pd.concat([measured(FRAMES, seed + k) for k in range(parts)])
    assert len(set(from_frame(table).sequence_id)) == parts
    assert from_frame(table.reset_index(drop=True)).sequence_id is None


@given(st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_an_index_tells_rows_left_out_and_their_order(seed):
    table = measured(seed=seed)
    left = from_frame(table.drop(index=range(40, 47)))
    assert "7 frames missing in 1 place" in said(left)
    shuffled = from_frame(table.sample(frac=1, random_state=seed))
    np.testing.assert_array_equal(shuffled.values, table)


# ---------------------------------------------------------------- clocks


@given(st.sampled_from([10, 25, 30, 60]), st.integers(0, 86399), st.sampled_from(["ms", "us", None]), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_clock_in_several_columns_is_one_time(rate, start, finest, hours):
    seconds = start + np.arange(FRAMES) / rate
    second = seconds % 86400
    table = measured()
    if hours:
        table["Hour"] = (second // 3600).astype(int)
    table["Minute"] = (second % 3600 // 60).astype(int)
    table["Second"] = second % 60 if finest is None else (second % 60).astype(int)
    if finest is not None:
        table[finest] = np.floor(second % 1 * {"ms": 1e3, "us": 1e6}[finest] + 1e-6).astype(int)
    recording = from_frame(table)
    assert recording.feature_names == tuple(NAMES)
    if hours or not (np.diff(second % 3600) < 0).any():  # without hours the full hour is a step back
        assert recording.fps == pytest.approx(rate, rel=0.01) and recording.sequence_id is None


def test_two_clocks_are_no_parts_of_one():
    seconds = np.arange(FRAMES) / 30
    recording = from_frame(measured().assign(time_s=seconds, time_ms=1000 * seconds))
    assert recording.fps == pytest.approx(30) and "several columns" not in said(recording)


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e6, 1e9])
def test_the_unit_of_shuffled_times_is_that_of_times_in_order(unit):
    table = measured().assign(time=(np.arange(FRAMES) / 30 * unit).round(6))
    recording = from_frame(table.sample(frac=1, random_state=1).reset_index(drop=True))
    assert recording.fps == pytest.approx(30, rel=1e-3)
    np.testing.assert_array_equal(recording.values, table[NAMES])


@given(st.integers(1, 12), st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_a_clock_of_twelve_hours_goes_on(hour, last):
    seconds = (3600 * hour + 3600 - last + np.arange(FRAMES) / 30).round(3)
    shown = [f"{int((s // 3600 - 1) % 12 + 1)}:{int(s % 3600 // 60):02d}:{s % 60:06.3f}" for s in seconds]
    recording = from_frame(measured().assign(time=shown))
    assert recording.sequence_id is None and recording.fps == pytest.approx(30, rel=0.01)
    assert ("counts to twelve" in said(recording)) == (hour == 12)


@pytest.mark.parametrize("step", [2.5, 0.001])
def test_a_rate_that_no_camera_has_is_said(step):
    assert "no camera" in said(from_frame(measured().assign(time=step * np.arange(FRAMES))))


# ---------------------------------------------------------------- flags of loss


@pytest.mark.parametrize("name", ["lost", "face_missing", "Tracking Failed", "isOccluded", "invalid"])
@pytest.mark.parametrize("kind", ["int64", "bool", "str", "float64"])
def test_frames_that_a_flag_calls_lost_do_not_count(name, kind):
    lost = np.zeros(FRAMES, bool)
    lost[30:50] = True
    recording = from_frame(measured().assign(**{name: lost.astype(kind)}))
    assert recording.feature_names == tuple(NAMES)
    np.testing.assert_array_equal(~recording.mask, np.repeat(lost[:, None], len(NAMES), axis=1))


def test_an_error_in_other_units_is_no_feature_and_said():
    recording = from_frame(measured().assign(tracking_error=np.random.default_rng(1).uniform(0, 3, FRAMES)))
    assert recording.feature_names == tuple(NAMES) and recording.mask.all() and "not used" in said(recording)


def test_a_refusal_of_all_frames_names_the_column():
    with pytest.raises(RecordingError, match="by detection confidence or"):
        from_frame(measured().assign(**{"detection confidence": np.sin(np.arange(FRAMES)) ** 2 / 2}))


# ---------------------------------------------------------------- lists and arrays


@pytest.mark.parametrize("outer", ["face_blendshapes", "faceBlendshapes", "faces", "scores"])
@pytest.mark.parametrize("faces", [1, 2])
def test_a_list_of_named_scores_is_a_face_and_no_list_of_faces(tmp_path, outer, faces):
    table = measured()

    def scores(row):
        return [{"index": k, "score": row[name], "category_name": name} for k, name in enumerate(NAMES)]

    rows = table.to_dict("records")
    held = [scores(row) if faces == 1 else [scores(row), scores(row)] for row in rows]
    if faces == 2 and outer == "scores":
        return
    path = tmp_path / "shapes.json"
    path.write_text(json.dumps([{"timestamp_ms": 40 * k, outer: entry} for k, entry in enumerate(held)]))
    recording = read(path)
    np.testing.assert_array_equal(recording.values, np.repeat(table.to_numpy(), faces, axis=0))
    assert [name.split(".")[-1] for name in recording.feature_names] == NAMES
    assert recording.fps == pytest.approx(25) and (faces == 1) == (recording.sequence_id is None)


@pytest.mark.parametrize("shape", [(1, 2, 4, FRAMES), (FRAMES, 3, 4, 2)])
def test_an_array_of_four_dimensions_is_not_passed_over(tmp_path, shape):
    path = tmp_path / "tracks.h5"
    with h5py.File(path, "w") as file:
        file["tracks"] = np.zeros(shape)
        file["track_occupancy"] = np.ones((FRAMES, 1))
    with pytest.raises(RecordingError, match="holds 2 arrays") as refused:
        read(path)
    assert "tracks " + str(shape) in str(refused.value)
