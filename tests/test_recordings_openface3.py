"""OpenFace 3: whatever its wrappers call their columns, the same features, the same lost frames and the same clock."""

import numpy as np
import pandas as pd
import pytest

from rpca_affect.recordings import detect, read
from rpca_affect.recordings.examples import wandering

UNITS = (1, 2, 4, 6, 9, 12, 25, 26)
EMOTIONS = ("Neutral", "Happy", "Sad", "Surprise", "Fear", "Disgust", "Anger", "Contempt")
# How wrappers spell: action unit, emotion, angle of the gaze, corner of the box, number of the frame, time, score.
SPELLINGS = {
    "plain": ("AU{}", "{}", "gaze_{}", "{}", "frame", "timestamp", "confidence"),
    "long": ("AU{:02d}_intensity", "emotion_prob_{}", "gaze_{}", "face_{}", "frame_index", "timestamp_sec",
             "face_confidence"),
    "live": ("AU_{}", "emo_{}_pct", "gaze_{}_rad", "bbox_{}", "frame_idx", "time_ms", "det_score"),
    "lower": ("au{}", "{}_prob", "gaze_{}", "box_{}", "frame_id", "time", "face_score"),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_every_spelling_is_the_same_recording(tmp_path, spelling, seed, ending):
    au, emotion, gaze, box, frame, time, score = SPELLINGS[spelling]
    rng = np.random.default_rng(seed)
    names = [box.format(corner) for corner in ("x1", "y1", "x2", "y2")]
    names += [emotion.format(name) for name in EMOTIONS] + [gaze.format(angle) for angle in ("yaw", "pitch")]
    by_place = spelling == "live"
    names += [au.format(i if by_place else unit) for i, unit in enumerate(UNITS)]
    names += [f"{axis}_{i}" for axis in "xy" for i in range(98)] if seed % 2 else []
    values = wandering(names, 60, rng)
    sure = np.where(rng.random(60) < 0.1, 0.2, 0.95)
    table = values.assign(emotion=[EMOTIONS[i] for i in rng.integers(0, 8, 60)], emotion_idx=rng.integers(0, 8, 60))
    table.insert(0, frame, np.arange(60))
    table.insert(1, time, np.arange(60) / 25 * (1000 if time.endswith("_ms") else 1))
    table.insert(2, score, sure)
    path = tmp_path / f"video.{ending}"
    if ending == "csv":
        table.to_csv(path, index=False)
    else:
        table.to_json(path, orient="records", lines=True)
    assert detect(path) == "openface3"
    recording = read(path)
    assert recording.feature_names == tuple(names) and recording.fps == pytest.approx(25.0)
    np.testing.assert_allclose(recording.values, values.to_numpy(), atol=1e-9)
    np.testing.assert_array_equal(~recording.mask.any(axis=1), sure < 0.8)
    assert len(recording.groups["AU"]) == 8 and len(recording.groups["gaze"]) == 2
    assert by_place == any("by their place" in notice for notice in recording.meta["notices"])


@pytest.mark.parametrize("wanting", ["gaze_pitch", "others", "two"])
def test_tables_of_others_are_not_taken_for_it(tmp_path, wanting):
    units = {"others": (1, 2, 4, 5, 6), "two": (1, 2)}.get(wanting, UNITS)
    table = wandering(["gaze_yaw", "gaze_pitch", *(f"AU{i}" for i in units)], 40, np.random.default_rng(0))
    table = pd.DataFrame(table).drop(columns=[wanting] if wanting in table else [])
    table.to_csv(tmp_path / "a.csv", index=False)
    assert detect(tmp_path / "a.csv") != "openface3"


def test_faces_of_a_video_are_kept_apart(tmp_path):
    rng = np.random.default_rng(1)
    table = wandering(["gaze_yaw", "gaze_pitch", *(f"AU{i}" for i in UNITS)], 80, rng)
    table.insert(0, "frame", np.repeat(np.arange(40), 2))
    table.insert(1, "face_id", np.tile([0, 1], 40))
    table.to_csv(tmp_path / "a.csv", index=False)
    recording = read(tmp_path / "a.csv")
    assert recording.meta["format"] == "openface3" and len(np.unique(recording.sequence_id)) == 2
