"""Exports that say who, when and whether in another place: an index, several columns, a flag of loss, nested lists."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_tables import FRAMES, NAMES, measured, said

from rpca_affect.recordings import RecordingError, from_frame, read

# ---------------------------------------------------------------- who and when, in the index


@pytest.mark.parametrize("levels", [["subject", "time"], ["subject", None], ["time", "face_id"]])
@pytest.mark.parametrize("packed", [False, True])
def test_levels_of_an_index_are_read(tmp_path, levels, packed):
    values = {"subject": ["a", "b"], "face_id": [0, 1], "time": np.arange(FRAMES) / 25, None: range(FRAMES)}
    index = pd.MultiIndex.from_product([values[name] for name in levels], names=levels)
    table = measured(2 * FRAMES).set_index(index)
    if packed:
        pytest.importorskip("pyarrow")
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


@pytest.mark.parametrize("names", [("recorded time", "time"), ("time", "recorded time")])
def test_of_two_clocks_the_one_that_tells_frames_apart_is_taken(names):
    seconds = np.arange(FRAMES) / 30
    held, each = names
    recording = from_frame(measured().assign(**{held: np.floor(seconds), each: seconds}))
    np.testing.assert_allclose(np.diff(recording.time), 1 / 30)


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
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "tracks.h5"
    with h5py.File(path, "w") as file:
        file["tracks"] = np.zeros(shape)
        file["track_occupancy"] = np.ones((FRAMES, 1))
    with pytest.raises(RecordingError, match="holds 2 arrays") as refused:
        read(path)
    assert "tracks " + str(shape) in str(refused.value)


def test_faces_that_say_who_they_are_keep_it_where_their_order_changes(tmp_path):
    people = [["a", "b"], ["b", "a"]]
    held = [
        {
            "frame": k,
            "faces": [{"id": who, "smile": float(k + (who == "b")), "brow": 0.1 * k} for who in people[k > 60]],
        }
        for k in range(FRAMES)
    ]
    path = tmp_path / "people.json"
    path.write_text(json.dumps(held))
    recording = read(path)
    for who in np.unique(recording.sequence_id):
        smile = recording.values[recording.sequence_id == who, 0]
        assert (np.diff(smile) == 1).all() and len(smile) == FRAMES


@pytest.mark.parametrize("around", ["", "video", "result.video"])
@pytest.mark.parametrize("numbered", [True, False])
def test_records_are_found_in_objects_of_objects(tmp_path, around, numbered):
    rows = measured().to_dict("records")
    held = {
        "meta": {"fps": 30, "name": "x"},
        "frames": {str(k): row for k, row in enumerate(rows)} if numbered else rows,
    }
    for name in reversed(around.split(".") if around else []):
        held = {name: held}
    path = tmp_path / "deep.json"
    path.write_text(json.dumps(held))
    np.testing.assert_array_equal(read(path).values, measured())


# ---------------------------------------------------------------- names, codes and rounded or packed clocks


@pytest.mark.parametrize("form", ["clip{clip}_frame_{frame}.png", "/data/p{clip}/{frame:05d}.jpg", "{frame}.jpeg"])
@pytest.mark.parametrize("clips", [1, 3])
def test_names_of_pictures_tell_clip_and_frame(tmp_path, form, clips):
    if "clip" not in form and clips > 1:
        return
    tables = [
        measured(seed=clip).assign(image=[form.format(clip=clip, frame=k) for k in range(FRAMES)])
        for clip in range(clips)
    ]
    tables = [table.sort_values("image") if clips > 1 else table for table in tables]  # as a folder lists them
    path = tmp_path / "pictures.csv"
    pd.concat(tables).to_csv(path, index=False)
    recording = read(path)
    assert recording.feature_names == tuple(NAMES)
    assert (recording.sequence_id is None) == (clips == 1)
    wanted = [measured(seed=clip).to_numpy() for clip in range(clips)]
    np.testing.assert_array_equal(recording.values, np.vstack(wanted))
    assert said(recording).count("names pictures") == 1


@pytest.mark.parametrize("name", ["emotion", "Expression", "trigger", "stim", "fps"])
def test_codes_of_what_is_shown_are_no_features(name):
    codes = np.repeat(np.random.default_rng(0).permutation(FRAMES // 20), 20)
    assert from_frame(measured().assign(**{name: codes})).feature_names == tuple(NAMES)


@given(st.integers(0, 99), st.integers(10, 18))
@settings(max_examples=15, deadline=None)
def test_identifiers_of_many_digits_are_no_features(seed, digits):
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(10**digits + 7919 * np.arange(FRAMES) ** 2)
    recording = from_frame(measured().assign(hash=numbers, money=1e10 * rng.random(FRAMES)))
    assert recording.feature_names == (*NAMES, "money")


@given(st.sampled_from([24, 25, 30, 60]), st.integers(0, 86399), st.sampled_from(["time", "date", "thousandths"]))
@settings(max_examples=30, deadline=None)
def test_clocks_written_as_one_number(rate, start, form):
    when = pd.Timestamp("2024-02-28") + pd.to_timedelta((start + np.arange(4 * FRAMES) / rate).round(3), unit="s")
    last = {"time": "%H%M%S.%f", "date": "%Y%m%d%H%M%S.%f", "thousandths": "%Y%m%d%H%M%S%f"}[form]
    stamps = [float(text[:-3]) for text in when.strftime(last)]
    recording = from_frame(measured(4 * FRAMES).assign(time=stamps))
    skips = (when.minute != when.minute[0]).any()  # within a minute nobody can tell 105930.5 from a count of seconds
    midnight = form == "time" and when.day[0] != when.day[-1]
    if (skips or form != "time") and not midnight:
        assert recording.sequence_id is None and recording.fps == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("form", ["%d-%b-%Y %H:%M:%S.%f", "%b %d, %Y %I:%M:%S.%f %p", "%a %b %d %H:%M:%S.%f %Y"])
def test_dates_with_the_month_in_letters(form):
    when = pd.Timestamp("2024-05-02 23:59:58") + pd.to_timedelta((np.arange(FRAMES) / 30).round(3), unit="s")
    recording = from_frame(measured().assign(time=when.strftime(form)))
    assert recording.fps == pytest.approx(30, rel=0.01) and recording.sequence_id is None


@pytest.mark.parametrize("rate", [24, 25, 30, 50, 60])
def test_frames_behind_a_point_are_no_hundredths(rate):
    count = np.arange(4 * FRAMES)
    shown = [f"01:00:{k // rate:02d}.{k % rate:02d}" for k in count]
    assert from_frame(measured(len(count)).assign(time=shown)).fps == pytest.approx(rate)
    hundredths = [f"01:00:{k // rate:02d}.{int(k % rate / rate * 100):02d}" for k in count]
    assert from_frame(measured(len(count)).assign(time=hundredths)).fps == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("tick", [1 / 64, 0.01, 0.001])
@pytest.mark.parametrize("rate", [24, 25, 30])
def test_the_rate_of_stamps_in_ticks_of_a_clock(tick, rate):
    stamps = np.floor(np.arange(600) / rate / tick) * tick
    assert from_frame(measured(600).assign(time=stamps)).fps == pytest.approx(rate, rel=0.02)


def test_a_clock_in_single_precision_makes_no_faces():
    stamps = (1714557600 + np.arange(9000) / 30).astype(np.float32).astype(float)
    recording = from_frame(measured(9000).assign(time=stamps))
    assert recording.sequence_id is None and recording.fps == pytest.approx(30, rel=0.05)


def test_a_refusal_shows_what_is_nearly_a_number(tmp_path):
    path = tmp_path / "angles.csv"
    path.write_text("\n".join(["yaw,pitch", *(f"≈{k / 7:.2f},≈{k / 9:.2f}" for k in range(FRAMES))]), encoding="utf-8")
    with pytest.raises(RecordingError, match=r"line 2, column 'yaw' holds '≈0.00': export bare numbers"):
        read(path)
