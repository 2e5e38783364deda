"""Recordings: the column conventions, masks, time and sequences of each tracker."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_tables import livelink_table, noticed, openface_table, pyfeat_table, timecode, written

from rpca_affect.recordings import (
    RecordingError,
    available_formats,
    describe,
    detect,
    from_frame,
    read,
)
from rpca_affect.recordings import formats as formats_package
from rpca_affect.recordings.groups import BLENDSHAPES, group_of

# ---------------------------------------------------------------- formats


def test_formats_are_the_modules_of_the_folder():
    folder = Path(formats_package.__file__).parent
    assert set(available_formats()) == {
        path.stem.rstrip("s") if path.stem == "arrays" else path.stem for path in folder.glob("[a-z]*.py")
    }


def test_importing_needs_no_optional_package():
    code = (
        "import sys, rpca_affect.recordings as r; r.available_formats(); r.from_array([[1.0, 2.0]]);"
        "print([m for m in ('torch', 'h5py', 'dask', 'numba') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_openface_groups_names_and_time(tmp_path):
    path = written(openface_table(), tmp_path / "session.csv")
    recording = read(path)
    assert detect(path) == recording.meta["format"] == "openface"
    groups = {name: [recording.feature_names[i] for i in members] for name, members in recording.groups.items()}
    assert groups == {
        "gaze": ["gaze_0_x", "gaze_angle_x"],
        "eye_landmarks_2d": ["eye_lmk_x_0"],
        "eye_landmarks_3d": ["eye_lmk_X_0"],
        "pose": ["pose_Tx", "pose_Rz"],
        "landmarks_2d": ["x_0", "y_0"],
        "landmarks_3d": ["X_0", "Z_0"],
        "shape": ["p_scale", "p_rx", "p_0"],
        "AU_r": ["AU01_r", "AU45_r"],
        "AU_c": ["AU01_c", "AU28_c"],
    }
    assert recording.fps == pytest.approx(30.0, rel=1e-3)  # stamps rounded to milliseconds
    assert recording.sequence_id is None and recording.mask.all() and recording.notices == ()


def test_openface_masks_failed_and_unsure_frames_and_keeps_their_numbers(tmp_path):
    table = openface_table()
    table.loc[3:5, " success"] = 0
    table.loc[5:9, " confidence"] = 0.79
    recording = read(written(table, tmp_path / "s.csv"))
    assert np.flatnonzero(~recording.mask.any(axis=1)).tolist() == list(range(3, 10))
    assert recording.mask[[2, 10]].all()
    np.testing.assert_array_equal(recording.values[:, 0], table[" gaze_0_x"])
    assert noticed(recording, "7 of 60 frames (11.7%) masked")
    assert read(tmp_path / "s.csv", min_confidence=0.5).mask.sum() == 57 * recording.n_features


def test_all_frames_masked_is_refused(tmp_path):
    path = written(openface_table().assign(**{" confidence": 0.5}), tmp_path / "s.csv")
    with pytest.raises(RecordingError, match=r"all 60 frames .* min_confidence=0.8 \(highest confidence 0.5\)"):
        read(path)


def test_openface_faces_are_sequences(tmp_path):
    a, b = openface_table(seed=0), openface_table(seed=1)
    both = pd.concat([a.assign(face_id=0), b.assign(face_id=1).iloc[:20]]).sort_values(["frame", "face_id"])
    recording = read(written(both, tmp_path / "multi.csv"))
    np.testing.assert_array_equal(recording.sequence_id, both["face_id"])
    assert recording.fps == pytest.approx(30.0, rel=1e-3) and noticed(recording, "2 sequences")
    np.testing.assert_array_equal(recording.values[recording.sequence_id == 1, 0], b[" gaze_0_x"].iloc[:20])


def test_missing_rows_are_told_and_long_gaps_split(tmp_path):
    table = openface_table(n=200)
    short = read(written(table.drop(index=range(50, 60)), tmp_path / "short.csv"))
    assert short.n_frames == 190 and short.sequence_id is None
    assert noticed(short, "10 frames missing in 1 place; no rows were added.")
    assert describe(short)["gaps"] == [{"after_row": 49, "seconds": 0.367}]
    long = read(written(table.drop(index=range(50, 100)), tmp_path / "long.csv"))
    assert np.bincount(long.sequence_id).tolist() == [50, 100]
    assert noticed(long, "Split at 1 gap longer than 1 s (longest 1.7 s).")
    assert describe(long)["gaps"] == [{"after_row": 49, "seconds": 1.7}]
    assert read(tmp_path / "long.csv", max_gap=2.0).sequence_id is None


def test_time_running_backwards_starts_a_sequence():
    table = pd.concat([openface_table(n=30), openface_table(n=20)], ignore_index=True)
    recording = from_frame(table)
    assert np.bincount(recording.sequence_id).tolist() == [30, 20]
    assert noticed(recording, "runs backwards 1 time")


def test_pyfeat_groups_empty_columns_and_steps(tmp_path):
    table = pyfeat_table()
    table.loc[4, [name for name in table.columns if name not in ("FrameHeight", "input", "frame", "approx_time")]] = (
        np.nan
    )
    path = written(table, tmp_path / "f.csv")
    recording = read(path)
    assert detect(path) == "pyfeat"
    counts = {name: len(members) for name, members in recording.groups.items()}
    assert counts == {
        "face_box": 1,
        "landmarks_2d": 2,
        "pose": 2,
        "AU": 2,
        "emotions": 2,
        "affect": 1,
        "gaze": 1,
        "mesh": 1,
        "blendshapes": 2,
    }
    assert recording.time is None and recording.meta["left_out"] == ("Identity_1",)
    assert noticed(recording, "1 feature column without any number left out: Identity_1")
    assert noticed(recording, "step by 2")
    assert np.flatnonzero(~recording.mask.any(axis=1)).tolist() == [4]
    np.testing.assert_allclose(read(path, fps=30).time, table["frame"] / 30)


@pytest.mark.parametrize("identity", [True, False])
def test_pyfeat_faces_and_files_are_sequences(identity):
    one = pyfeat_table()
    table = pd.concat([one, one.assign(input="b.mp4").iloc[:5], one]).sort_values(["input", "frame"], kind="stable")
    if identity:
        table["Identity"] = np.where(table.duplicated(["input", "frame"]), "Person_1", "Person_0")
    recording = from_frame(table)
    expected = table["input"] + table.duplicated(["input", "frame"]).astype(str)
    np.testing.assert_array_equal(recording.sequence_id, pd.factorize(expected)[0])
    assert noticed(recording, "Identity tells" if identity else "by their order")
    pd.testing.assert_frame_equal(recording.frame(), table)  # its index repeats


def test_pyfeat_images_are_one_sequence():
    table = pyfeat_table().assign(input=[f"{i}.jpg" for i in range(12)], frame=0)
    assert from_frame(table).sequence_id is None


@given(
    rate=st.sampled_from([24, 25, 30, 60]),
    start=st.integers(0, 86399),
    step=st.integers(1, 2),
    n=st.integers(200, 300),
)
@settings(max_examples=25, deadline=None)
def test_livelink_timecode_counts_steadily_even_over_midnight(rate, start, step, n):
    recording = from_frame(livelink_table([timecode(step * i, rate, start) for i in range(n)]))
    np.testing.assert_allclose(recording.time, step * np.arange(n) / rate, atol=1e-6)
    assert recording.fps == pytest.approx(rate / step) and recording.sequence_id is None
    assert noticed(recording, "midnight") == (start + step * (n - 1) // rate >= 86400)


def test_livelink_groups_constants_and_lost_faces():
    table = livelink_table([timecode(i) for i in range(120)])
    table.loc[7, "BlendShapeCount"] = 0
    recording = from_frame(table)
    assert {name: len(m) for name, m in recording.groups.items()} == {"blendshapes": 52, "pose": 1, "gaze": 1}
    assert describe(recording)["constant_columns"] == ["HeadYaw"]
    assert np.flatnonzero(~recording.mask.any(axis=1)).tolist() == [7]


def test_livelink_short_recording_says_that_the_rate_is_assumed():
    assert noticed(from_frame(livelink_table([timecode(i) for i in range(10)])), "24 frames per second assumed")


def test_mediapipe_names_are_known_in_any_table():
    assert len(BLENDSHAPES) == 53  # ARKit's 52, and MediaPipe's _neutral in place of tongueOut
    table = pd.DataFrame(np.random.default_rng(0).random((5, 3)), columns=["_neutral", "eyeBlinkLeft", "heart_rate"])
    recording = from_frame(table.assign(timestamp_ms=[0, 40, 80, 120, 160]))
    assert recording.meta["format"] == "table" and recording.fps == pytest.approx(25)
    assert {name: len(m) for name, m in recording.groups.items()} == {"blendshapes": 2, "features": 1}
    assert group_of("heart_rate") is None


@pytest.mark.parametrize("limit", [0.3, 0.8, 1.0])
def test_confidence_at_the_limit_counts_and_none_does_not(limit, tmp_path):
    table = openface_table()
    table[" confidence"] = 1.0
    table.loc[3:5, " confidence"] = limit
    table.loc[8:9, " confidence"] = limit - 0.01
    table.loc[12:15, " confidence"] = np.nan  # the tracker says nothing: nobody vouches for the frame
    recording = read(written(table, tmp_path / "s.csv"), min_confidence=limit)
    lost = np.flatnonzero(~recording.mask.any(axis=1))
    np.testing.assert_array_equal(lost, [8, 9, 12, 13, 14, 15])
