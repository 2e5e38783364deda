"""Folders: recordings are found below them, what stands beside recordings is left out and said."""

import gzip
import json

import numpy as np
import pytest
from tracker_tables import openface_table, smooth, written

from rpca_affect.recordings import RecordingError, read, recordings_in


def test_an_output_folder_of_openface(tmp_path):
    for name in ("p02", "p01"):
        written(openface_table(), tmp_path / f"{name}.csv")
        (tmp_path / f"{name}_of_details.txt").write_text("Input:p.avi\nCamera parameters:500,500,320,240\n")
        (tmp_path / f"{name}.hog").write_bytes(bytes(64))
        (tmp_path / f"{name}.avi").write_bytes(b"RIFF")
    inside = recordings_in(tmp_path)
    assert [file.name for file in inside.files] == ["p01.csv", "p02.csv"]
    assert len(inside.notes) == 2 and all("_of_details.txt describes" in note for note in inside.notes)
    assert {read(file).meta["format"] for file in inside.files} == {"openface"}


@pytest.mark.parametrize("depth", [1, 2])
def test_people_in_folders_beside_a_table_of_labels(depth, tmp_path):
    for person in ("anna", "ben", "cora"):
        folder = tmp_path.joinpath(person, *["visit1"] * (depth - 1))
        folder.mkdir(parents=True)
        written(smooth(), folder / f"{person}_features.csv")
    rows = "".join(f"{person}_features.csv,{i}\n" for i, person in enumerate(("anna", "ben", "cora")))
    (tmp_path / "labels.csv").write_text("file,label\n" + rows)
    (tmp_path / ".hidden.csv").write_text("a,b\n1,2\n")
    inside = recordings_in(tmp_path)
    assert [file.stem for file in inside.files] == ["anna_features", "ben_features", "cora_features"]
    assert [table.name for table in inside.tables] == ["labels.csv"] and "labels.csv is a table about" in inside.notes[
        0
    ]


def test_folders_that_are_skipped_and_paths_that_are_none(tmp_path):
    for name in ("kept", "results"):
        (tmp_path / name).mkdir()
        written(smooth(), tmp_path / name / "session.csv")
    inside = recordings_in(tmp_path, skip=lambda folder: folder.name == "results")
    assert [file.parent.name for file in inside.files] == ["kept"]
    with pytest.raises(RecordingError, match="is no folder"):
        recordings_in(tmp_path / "kept" / "session.csv")


NOTES = {
    "notes.csv": "who,what\np01,came late\np02,wore glasses\n",
    "README.txt": "What lies here\n\n1. Sessions of the first wave, 2024, 2025\n\nAsk Anna, Ben or Cora.\nOr nobody.\n",
    "codes.tsv": "code\tmeaning\nA1\tcalm\nB2\tstress, second block\n",
}
SPELLED = {
    "point": lambda i: f"{i},{i / 30:.3f},{i % 5}.25",
    "comma": lambda i: f"{i};{i // 30},{i % 30:03d};{i % 5},25",
    "clock": lambda i: f"00:00:{i // 30:02d}.{i % 30:02d};NaN;NaN",
    "quoted": lambda i: f'"{i}","{i / 30:.3f}","{i % 5}.25"',
    "brackets": lambda i: f"({i}),[{i / 30:.3f} 1.5],NA",
    "units": lambda i: f"{i},{i / 30:.3f} s,{i % 5} %",
    "records": lambda i: f'{{"frame": {i}}}',
    "lost": lambda i: f"{i}," + ",".join(["NaN"] * 60),
}


@pytest.mark.parametrize("name", NOTES)
def test_words_beside_recordings_are_left_out_and_said(name, tmp_path):
    written(smooth(), tmp_path / "session.csv")
    (tmp_path / name).write_text(NOTES[name])
    inside = recordings_in(tmp_path)
    assert [file.name for file in inside.files] == ["session.csv"]
    assert len(inside.notes) == 1 and name in inside.notes[0] and "left out" in inside.notes[0]


@pytest.mark.parametrize("spelling", SPELLED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_numbers_are_never_taken_for_words(spelling, encoding, tmp_path):
    rows = "".join(SPELLED[spelling](i) + "\n" for i in range(1, 60))
    (tmp_path / "session.txt").write_text("a,b,c\n" + rows, encoding=encoding)
    assert [file.name for file in recordings_in(tmp_path).files] == ["session.txt"]


@pytest.mark.parametrize("sessions", [1, 5, 6, 40])
def test_what_stands_beside_many_sessions_is_said_in_few_lines(tmp_path, sessions):
    for number in range(sessions):
        place = tmp_path / f"p{number:02d}"
        place.mkdir()
        (place / "a.csv").write_text("time,AU12_r\n0.0,0.5\n0.1,0.6\n")
        (place / "a_of_details.txt").write_text("Input: a.avi\n")
    inside = recordings_in(tmp_path)
    assert len(inside.files) == sessions and len(inside.notes) == (sessions if sessions <= 5 else 1)
    said = " ".join(inside.notes)
    assert "p00/a_of_details.txt" in said and (sessions <= 5 or f"and {sessions - 5} more" in said)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("key", ["Columns", "columns", "names"])
def test_what_a_file_beside_a_table_without_header_says_counts(tmp_path, packed, key):
    """Physiology in BIDS: names and rate stand in a JSON file of the same name."""
    values = np.random.default_rng(0).uniform(size=(60, 3)).round(4)
    text = "".join("\t".join(map(str, row)) + "\n" for row in values).encode()
    name = f"sub-01_physio.tsv{'.gz' if packed else ''}"
    (tmp_path / name).write_bytes(gzip.compress(text) if packed else text)
    told = {"SamplingFrequency": 50.0, "StartTime": -2.5, key: ["cardiac", "respiratory", "skin"], "Task": "rest"}
    (tmp_path / "sub-01_physio.json").write_text(json.dumps(told))
    recording = read(tmp_path / name)
    assert recording.feature_names == ("cardiac", "respiratory", "skin") and recording.fps == 50
    assert np.array_equal(recording.values, values) and any("beside the file" in said for said in recording.notices)
    inside = recordings_in(tmp_path)
    assert [file.name for file in inside.files] == [name] and "describes the recording beside it" in inside.notes[0]
    (tmp_path / "sub-01_physio.json").write_text(json.dumps(told | {key: ["a", "b"]}))
    assert read(tmp_path / name).feature_names == ("feature_0", "feature_1", "feature_2")
    (tmp_path / "sub-01_physio.json").write_text(json.dumps([{"cardiac": 0.1}] * 40))
    assert len(recordings_in(tmp_path).files) == 2
