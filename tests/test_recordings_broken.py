"""Damaged files by the hundred, from every format and container: refused in a sentence, or read without a shift."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tracker_tables import openface_table, smooth, written

from rpca_affect.recordings import RecordingError, read

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import damage  # noqa: E402


def test_damaged_files_are_refused_in_a_sentence_or_read_in_place(tmp_path, capsys):
    for library in ("pyarrow", "openpyxl"):
        pytest.importorskip(library)
    counts = damage.damage(250, 1, tmp_path)
    assert {verdict for _, verdict in counts} == {"refused", "read"}, capsys.readouterr().out
    assert {way for way, _ in counts} == {way.__name__ for way in damage.WAYS}


def test_the_judge_sees_a_shift_and_lets_damaged_cells_pass(tmp_path):
    original = read(written(openface_table(), tmp_path / "a.csv"))
    shifted = replace(original, values=np.roll(original.values, 1, axis=1))
    assert "holds the numbers of" in damage.moved(original, shifted)
    spoiled = original.values.copy()
    spoiled[3] = 1e9
    assert damage.moved(original, replace(original, values=spoiled[:40], mask=original.mask[:40], time=None)) == ""


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
