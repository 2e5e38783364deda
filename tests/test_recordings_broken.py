"""Damaged files by the hundred, from every format and container: refused in a sentence, or read without a shift."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_tables import openface_table, smooth, written

from rpca_affect.recordings import RecordingError, read
from rpca_affect.recordings.spelled import from_text

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import damage, damage_judge  # noqa: E402


def test_damaged_files_are_refused_in_a_sentence_or_read_in_place(tmp_path, capsys):
    for library in ("pyarrow", "openpyxl"):
        pytest.importorskip(library)
    counts = damage.damage(250, 1, tmp_path)
    assert damage.defects(counts) == 0, capsys.readouterr().out
    assert {way.__name__ for way in damage.WAYS} | {"results"} == {way for way, _ in counts}
    assert counts["results", "whole"] > 0 and counts["results", "refused"] > 100


@pytest.fixture
def known(tmp_path):
    return damage_judge.Known.of(written(openface_table(), tmp_path / "a.csv"))


def read_as(known, tmp_path, **changes):
    """What the judge says when the same file is read with other values, names or times."""
    return damage_judge.judged(known, tmp_path / "a.csv", replace(known.recording, **changes))[0]


def test_the_judge_sees_every_kind_of_wrong_reading(known, tmp_path):
    original = known.recording
    assert read_as(known, tmp_path) == ""
    values = original.values.copy()
    values[7, 2] = np.nextafter(values[7, 2], np.inf)
    assert read_as(known, tmp_path, values=values) == "digits changed"
    assert read_as(known, tmp_path, values=np.roll(original.values, 1, axis=1)) == "silent shift"
    assert read_as(known, tmp_path, values=original.values[::-1].copy()) == "digits changed"
    assert read_as(known, tmp_path, time=2 * original.time) == "time changed"
    names = ("x", *original.feature_names[1:])
    assert read_as(known, tmp_path, feature_names=names) == "name lost"


def test_the_judge_sees_rows_in_another_order(known, tmp_path):
    head, *rows = (tmp_path / "a.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "a.csv").write_bytes(b"".join([head, *rows[::-1]]))
    silent = {**known.recording.meta, "notices": ()}
    turned = replace(known.recording, values=known.recording.values[::-1].copy(), meta=silent)
    assert damage_judge.judged(known, tmp_path / "a.csv", turned)[0] == "rows moved"


def test_the_judge_lets_damaged_cells_pass(known, tmp_path):
    head, *rows = (tmp_path / "a.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "a.csv").write_bytes(b"".join([head, *rows[:3], b"," * rows[3].count(b",") + b"\n", *rows[4:40]]))
    recording = read(tmp_path / "a.csv")
    assert len(recording.values) == 40 and damage_judge.judged(known, tmp_path / "a.csv", recording) == ("", "")


def test_half_written_output_is_seen(tmp_path, monkeypatch):
    path = written(openface_table(), tmp_path / "a.csv")
    assert damage.half_written(path, tmp_path / "whole", "read") == ""
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "base.csv").write_text("half")
    assert "left base.csv" in damage.half_written(tmp_path / "nowhere.csv", tmp_path / "left", "refused")
    monkeypatch.setattr(damage, "run", lambda job: type("Done", (), {"failure": None}))
    assert damage.half_written(path, tmp_path / "none", "read") == "no complete manifest"


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("table", [openface_table(), smooth()], ids=["openface", "no time"])
def test_a_separator_before_every_row_moves_no_column(mark, table, tmp_path):
    head, *rows = table.to_csv(index=False, sep=mark).splitlines()
    path = tmp_path / "session.csv"
    path.write_text("\n".join([head, *(mark + row for row in rows)]) + "\n")
    whole = read(written(table, tmp_path / "whole.csv"))
    try:
        found = read(path)
    except RecordingError as error:
        assert "line 2 has" in str(error)
    else:
        assert found.feature_names == whole.feature_names
        np.testing.assert_array_equal(found.values, whole.values)


@pytest.mark.parametrize("row", [1, 12, 50])
def test_a_damaged_number_with_a_leading_zero_keeps_its_column(row, tmp_path):
    """A lost decimal mark makes 0169 of 0.169: the column stays a feature, and the other numbers what they are."""
    whole = read(written(smooth(), tmp_path / "whole.csv"))
    lines = (tmp_path / "whole.csv").read_text().splitlines()
    cells = lines[row].split(",")
    lines[row] = ",".join(["0169", *cells[1:]])
    (tmp_path / "damaged.csv").write_text("\n".join(lines) + "\n")
    found = read(tmp_path / "damaged.csv")
    assert found.feature_names == whole.feature_names
    np.testing.assert_array_equal(np.delete(found.values, row - 1, 0), np.delete(whole.values, row - 1, 0))


@given(st.integers(1, 180), st.sampled_from([24, 25, 30, 50, 60]), st.integers(100, 240))
@settings(max_examples=30, deadline=None)
def test_one_damaged_timecode_does_not_change_the_rate(row, rate, frame):
    stamps = [f"13:13:{i // rate:02d}:{i % rate:02d}.000" for i in range(200)]
    true = from_text(pd.Series(stamps)).seconds
    within = 0 < row % rate < rate - 1  # where the neighbours lie within the same second
    stamps[row] = f"13:13:{row // rate:02d}:{frame}.000"
    found = from_text(pd.Series(stamps))
    if within:
        np.testing.assert_allclose(np.delete(found.seconds, row), np.delete(true, row), atol=1e-9)
        assert np.isnan(found.seconds[row]) and "timecode" in " ".join(found.notices)


def test_a_long_table_with_an_empty_name_says_where(tmp_path):
    rows = ["frame,blendshape,score"]
    rows += [f"{i},{name},{i % 7 / 7:.3f}" for i in range(40) for name in ("jawOpen", "eyeBlinkLeft", "browDownLeft")]
    rows[50] = rows[50].split(",")[0] + ",,0.5"
    (tmp_path / "long.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(RecordingError, match=r"line 51, column 'blendshape' is empty"):
        read(tmp_path / "long.csv")
