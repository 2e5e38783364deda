"""Every recording among the shared data reads, and comes back with its rows, columns and numbers."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rpca_affect.recordings import RecordingError, describe, detect, read

DATA = os.environ.get("RPCA_AFFECT_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="RPCA_AFFECT_DATA is not set: the shared recordings are not there")


def files(pattern):
    return sorted(Path(DATA or ".").glob(pattern)) if DATA else []


FORMATS = {"openface": "openface", "pyfeat": "pyfeat", "news_sample": "pyfeat", "livelink": "livelink"}
TABLES = [
    path
    for folder in ("openface", "pyfeat", "pyfeat/news_sample", "livelink")
    for path in files(f"{folder}/*.csv")
    if path.stem != "clip_attrs"
]


def test_all_files_are_there():
    assert len(TABLES) == 25


def test_a_table_of_labels_is_no_recording():
    with pytest.raises(RecordingError, match="has no feature column with numbers"):
        read(files("pyfeat/news_sample/clip_attrs.csv")[0])


@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_file_reads_and_comes_back(path):
    recording = read(path)
    assert detect(path) == recording.meta["format"] == FORMATS[path.parent.name]
    raw = pd.read_csv(path, dtype={"clipN": str})
    back = recording.frame()
    assert list(back.columns) == list(raw.columns) and len(back) == len(raw)
    numeric = raw.select_dtypes("number").columns
    exact = pd.read_csv(path, dtype=str)[numeric].to_numpy(object).astype(np.float64)  # Python's own parser
    np.testing.assert_array_equal(back[numeric].to_numpy(np.float64), exact)
    text = [name for name in raw.columns if name not in numeric]
    assert back[text].astype(str).equals(raw[text].astype(str))
    assert sum(describe(recording)["groups"].values()) == recording.n_features


def test_openface():
    (path,) = files("openface/*.csv")
    recording = read(path)
    assert recording.values.shape == (100, 427) and recording.frame().shape == (100, 431)
    assert recording.frame().columns[1] == " timestamp" and "AU28_r" not in recording.feature_names
    assert describe(recording)["groups"] == {
        "gaze": 6,
        "pose": 6,
        "landmarks_2d": 136,
        "landmarks_3d": 204,
        "shape": 40,
        "AU_r": 17,
        "AU_c": 18,
    }
    assert any("1000 fps" in notice for notice in recording.notices)
    assert read(path, fps=30).fps == 30
    masked = read(path, min_confidence=0.9)
    np.testing.assert_array_equal(masked.mask.any(axis=1), masked.meta["passthrough"][" confidence"] >= 0.9)


def test_pyfeat_news_clip():
    recording = read(files("pyfeat/news_sample/001.csv")[0])
    assert recording.values.shape == (20, 1664) and len(recording.meta["left_out"]) == 512
    assert describe(recording)["groups"]["blendshapes"] == 52 and describe(recording)["groups"]["mesh"] == 3 * 478
    assert any("512 feature columns without any number" in notice for notice in recording.notices)
    assert any("frame numbers step by 2" in notice for notice in recording.notices)


def test_livelink():
    recording = read(files("livelink/*.csv")[0])
    assert recording.values.shape == (4030, 61) and recording.fps == pytest.approx(30.0, abs=0.01)
    assert recording.sequence_id is None and (np.diff(recording.time) > 0).all()
    assert recording.time[-1] == pytest.approx(134.38, abs=0.01)  # 13:13:04 to 13:15:18
    assert describe(recording)["constant_columns"] == ["HeadYaw", "HeadPitch", "HeadRoll"]


def test_kinect_text():
    recording = read(files("gfe/a_affirmative_datapoints.txt")[0])
    raw = np.loadtxt(files("gfe/a_affirmative_datapoints.txt")[0], skiprows=1)
    np.testing.assert_array_equal(recording.values, raw[:, 1:])
    np.testing.assert_array_equal(recording.frame().iloc[:, 0].astype(float), raw[:, 0])
    assert recording.feature_names[:3] == ("0x", "0y", "0z") and list(recording.groups) == ["landmarks"]


def test_kinect_arrays():
    path = files("gfe/gfe_person_a.npz")[0]
    clips = read(path)
    assert clips.values.shape[1] == 300 and clips.sequence_id.max() >= 7  # eight recordings; time gaps split further
    assert read(path, key="a_doubt_question__X").values.shape == (1312, 300)


@pytest.mark.parametrize("path", files("imotions/*.txt"), ids=lambda path: path.stem)
def test_imotions_features_are_those_of_the_face(path):
    recording = read(path)
    assert recording.meta["format"] == "imotions" and recording.n_frames == 519
    assert any("iMotions" in notice for notice in recording.notices)
    assert not any(name.startswith(("Gaze", "Pupil", "Fixation", "Age")) for name in recording.feature_names)
    assert any("5 lines above the header" in notice for notice in recording.notices)
    assert {"Joy Evidence", "AU1 Evidence"} <= set(recording.feature_names)
