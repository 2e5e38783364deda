"""The check of what other programs read: it sees what differs, and names a program that is not there."""

import pytest

from benchmarks import readers


def test_a_difference_and_an_overlap_are_seen():
    events = [("gaze", 0, 100, "a"), ("gaze", 100, 200, "b"), ("pose", 50, 80, "c")]
    assert readers._verdict(events, list(events)) == "the same, none overlaps"
    assert "1 differ" in readers._verdict(events, events[:2])
    crossed = [("gaze", 0, 120, "a"), *events[1:]]
    assert "1 overlap" in readers._verdict(crossed, crossed)


def test_a_missing_program_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(readers.shutil, "which", lambda name: None)
    assert "Rscript is not here" in readers.in_r(tmp_path)[2]


def test_annotations_come_back(tmp_path):
    for library in ("pympi", "openpyxl"):
        pytest.importorskip(library)
    readers.results(tmp_path)
    verdicts = [row[2] for row in (*readers.annotated(tmp_path), readers.boris(tmp_path))]
    assert len(verdicts) == 5 and not any(verdict.startswith("WRONG") for verdict in verdicts)
