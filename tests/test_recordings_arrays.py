"""Arrays with what goes with them, structures of MATLAB, columns as arrays, and folders with a file for each frame."""

import json

import numpy as np
import pandas as pd
import pytest

import rpca_affect as ra
from rpca_affect.recordings import RecordingError, read
from rpca_affect.study.corpus import find

FRAMES = 80
NAMES = ["brow", "cheek", "jaw", "lips"]
TIME = np.arange(FRAMES) / 25


def measured(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.9, (FRAMES, len(NAMES))).round(4)


def said(recording) -> str:
    return " ".join(recording.notices)


def same(recording, names=None, values=None) -> None:
    assert np.array_equal(recording.values, measured() if values is None else values)
    assert names is None or recording.feature_names == tuple(names)


@pytest.mark.parametrize("name", ["participant", "subject_id", "clip", "face_id", "ID"])
@pytest.mark.parametrize("words", [True, False])
def test_people_beside_an_array_are_kept_apart(tmp_path, name, words):
    who = np.repeat(["a", "b"], FRAMES // 2) if words else np.repeat([3, 7], FRAMES // 2)
    np.savez(tmp_path / "a.npz", X=measured(), **{name: who})
    recording = read(tmp_path / "a.npz")
    same(recording)
    assert np.array_equal(recording.sequence_id, np.repeat([0, 1], FRAMES // 2))


@pytest.mark.parametrize("name", ["confidence", "likelihood", "success", "valid"])
def test_what_the_tracker_says_beside_an_array_masks_its_frames(tmp_path, name):
    bad = np.arange(FRAMES) % 9 == 0
    sure = ~bad if name in ("success", "valid") else np.where(bad, 0.1, 0.95)
    np.savez(tmp_path / "a.npz", X=measured(), time=TIME, **{name: sure})
    recording = read(tmp_path / "a.npz")
    assert np.array_equal(recording.mask, np.repeat(~bad[:, None], 4, axis=1)) and recording.fps == pytest.approx(25)


def test_other_arrays_with_an_entry_for_each_frame_are_said(tmp_path):
    np.savez(tmp_path / "a.npz", X=measured(), y=np.arange(FRAMES) % 3, heart=TIME)
    assert "left out: y and heart" in said(read(tmp_path / "a.npz")).replace("y, heart", "y and heart")


@pytest.mark.parametrize("form", ["npz", "structured", "mat", "structures"])
def test_columns_as_arrays_are_a_table(tmp_path, form):
    columns = {"time": TIME, **dict(zip(NAMES, measured().T))}
    path = tmp_path / "a.dat"
    if form == "npz":
        np.savez(tmp_path / "a.npz", version=np.array(3), **columns)
        path = tmp_path / "a.npz"
    elif form == "structured":
        np.save(tmp_path / "a.npy", np.rec.fromarrays(list(columns.values()), names=list(columns)).view(np.ndarray))
        path = tmp_path / "a.npy"
    else:
        savemat = pytest.importorskip("scipy.io").savemat
        frame = pd.DataFrame(columns)
        rows = np.array([tuple(map(float, row)) for row in frame.to_numpy()], [(name, "O") for name in frame])
        with path.open("wb") as file:
            savemat(file, {"frames": rows} if form == "structures" else columns)
    recording = read(path)
    same(recording, NAMES)
    assert recording.fps == pytest.approx(25)


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("timed", ["time", "fs", None])
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_structures_of_matlab_hold_what_their_fields_hold(tmp_path, depth, timed, version):
    held = {"au": measured(), **({"time": TIME} if timed == "time" else {"fs": 25.0} if timed else {})}
    path = tmp_path / "a.mat"
    if version == "5":
        for name in ("data", "session")[:depth]:
            held = {name: held}
        pytest.importorskip("scipy.io").savemat(path, held)
    else:
        with pytest.importorskip("h5py").File(path, "w", userblock_size=512) as file:
            for name, value in held.items():
                file["/".join([*("session", "data")[2 - depth :], name])] = np.atleast_2d(value).T
        path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512, b" ") + path.read_bytes()[512:])
    recording = read(path)
    same(recording)
    assert recording.fps == (timed and pytest.approx(25))


# ---------------------------------------------------------------- a file for each frame


def frames(folder, form, values, start=0, digits=12):
    """Files as OpenPose, MediaPipe and people's own scripts write them."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, row in enumerate(values):
        if form == "openpose":
            points = [v for j in (0, 2) for v in (100 * row[j], 100 * row[j + 1], 0.9)]
            held = {"version": 1.3, "people": [{"person_id": [-1], "face_keypoints_2d": points}]}
        elif form == "landmarks":
            held = {"landmarks": [{"x": row[0], "y": row[1]}, {"x": row[2], "y": row[3]}] * 5}
        else:
            held = {"emotion": dict(zip(NAMES, row)), "dominant": "calm"}
        (folder / f"{form}_{k + start:0{digits}d}_keypoints.json").write_text(json.dumps(held))


@pytest.mark.parametrize("form", ["openpose", "landmarks", "scores"])
@pytest.mark.parametrize("digits", [1, 6, 12])
def test_a_file_for_each_frame_is_one_recording(tmp_path, form, digits):
    values = measured()
    frames(tmp_path / "p1", form, values, start=95, digits=digits)
    recording = read(tmp_path / "p1", fps=25)
    expected = {"openpose": 100 * values, "landmarks": np.tile(values, 5), "scores": values}[form]
    same(recording, values=expected)
    assert recording.fps == 25 and "one frame each" in said(recording)
    found = find([tmp_path])
    assert [source.path for source in found.sources] == [tmp_path / "p1"] and len(found.sources[0].files) == FRAMES
    assert any("read as one recording of 80 frames" in note for note in found.notes)
    assert len(ra.decompose(tmp_path / "p1", fps=25).base) == FRAMES


def test_two_people_in_files_of_frames_and_frames_without_one(tmp_path):
    values = measured()
    frames(tmp_path, "openpose", values)
    for k, file in enumerate(sorted(tmp_path.iterdir())):
        held = json.loads(file.read_text())
        held["people"] = held["people"] * 2 if k % 10 else []
        file.write_text(json.dumps(held))
    recording = read(tmp_path)
    seen = np.arange(FRAMES) % 10 > 0
    assert len(set(recording.sequence_id)) == 2 and len(recording.values) == FRAMES + seen.sum()
    assert recording.mask.all(axis=1).sum() == 2 * seen.sum()


def test_clips_in_files_of_frames_are_kept_apart(tmp_path):
    frames(tmp_path, "openpose", measured()[:30])
    frames(tmp_path, "scores", measured()[:20])
    for file in tmp_path.glob("scores*"):
        file.write_text((tmp_path / "openpose_000000000003_keypoints.json").read_text())
    assert np.bincount(read(tmp_path).sequence_id).tolist() == [30, 20]


@pytest.mark.parametrize(
    "inside", [{"frames": [{"jaw": 0.1}] * 30}, [{"jaw": 0.1}] * 30, {"jaw": [0.1] * 30, "fps": 3}]
)
def test_recordings_with_numbers_in_their_names_stay_apart(tmp_path, inside):
    for k in range(12):
        held = json.loads(json.dumps(inside))
        (tmp_path / f"sub-{k:04d}.json").write_text(json.dumps(held))
    assert len(find([tmp_path]).sources) == 12


def test_a_damaged_frame_is_named(tmp_path):
    frames(tmp_path, "openpose", measured())
    (tmp_path / "openpose_000000000007_keypoints.json").write_text('{"people": [')
    with pytest.raises(RecordingError, match=r"000000000007_keypoints\.json is no JSON"):
        read(tmp_path)
