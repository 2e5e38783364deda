"""What stands below a table, and dashes in it: left out or masked with a word, and never a row of data with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.recordings import RecordingError, read

SEPARATORS = {";": ",", ",": ".", "\t": "."}
NOTES = [
    "Mean{s}0{m}3{s}0{m}4",
    "SD{s}1{s}2",
    "n = 1200",
    "Recorded by K.{s}{s}",
    "Median{s}{s}",
    "min{s}0{m}1{s}0{m}2",
]
CLOCKS = {
    "seconds": lambda i, m: f"{i / 25:.2f}".replace(".", m),
    "frame": lambda i, m: str(i),
    "of day": lambda i, m: f"10:{i // 60:02d}:{i % 60:02d}",
}


@st.composite
def tables(draw):
    """Header, rows of a clock and two features, and how they are written."""
    separator = draw(st.sampled_from(sorted(SEPARATORS)))
    mark = SEPARATORS[separator]
    clock = draw(st.sampled_from(sorted(CLOCKS)))
    n = draw(st.integers(12, 60))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.normal(size=(n, 2)).cumsum(axis=0).round(3)
    rows = [
        [CLOCKS[clock](i, mark), *(f"{value:.3f}".replace(".", mark) for value in row)] for i, row in enumerate(values)
    ]
    return separator, mark, ["time" if clock != "frame" else "frame", "u", "v"], rows, values


def text_of(separator, header, rows, notes=()):
    return "\n".join([separator.join(header), *(separator.join(row) for row in rows), *notes]) + "\n"


@settings(max_examples=60, deadline=None)
@given(tables(), st.lists(st.sampled_from(NOTES), min_size=1, max_size=5), st.booleans())
def test_notes_below_are_left_out_with_a_word_and_no_row_of_data_is(tmp_path_factory, table, notes, blank):
    separator, mark, header, rows, values = table
    notes = [note.format(s=separator, m=mark) for note in notes]
    path = tmp_path_factory.mktemp("a") / "a.csv"
    path.write_text(text_of(separator, header, rows, [""] * blank + notes))
    recording = read(path)
    np.testing.assert_array_equal(recording.values, values)
    assert recording.mask.all()
    first, last = len(rows) + 2 + blank, len(rows) + 1 + blank + len(notes)
    where = f"Line {first} below" if first == last else f"Lines {first} to {last} below"
    assert sum(notice.startswith(where) for notice in recording.meta["notices"]) == 1


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(NOTES), st.data())
def test_a_note_above_a_row_of_data_is_an_error_that_names_its_line(tmp_path_factory, table, note, data):
    separator, mark, header, rows, _ = table
    at = data.draw(st.integers(8, len(rows) - 1))
    lines = text_of(separator, header, rows).splitlines()
    lines.insert(at + 1, note.format(s=separator, m=mark))
    path = tmp_path_factory.mktemp("a") / "a.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RecordingError, match=f"line {at + 2}"):
        read(path)


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(["", "nan", "NA", "-", "FAILED"]), st.integers(1, 3))
def test_rows_whose_clock_runs_on_are_kept_whatever_they_hold(tmp_path_factory, table, word, n_last):
    """Failed frames, and a last line that was cut off, are no notes."""
    separator, _, header, rows, _ = table
    for row in rows[-n_last:]:
        row[1:] = [word, word]
    path = tmp_path_factory.mktemp("a") / "a.csv"
    path.write_text(text_of(separator, header, rows))
    recording = read(path)
    assert len(recording.values) == len(rows) and not recording.mask[-n_last:].any()
    assert recording.mask[:-n_last].all()
    assert not any("below the table" in notice for notice in recording.meta["notices"])
    whole = path.read_text()
    path.write_text(whole[: whole.rindex(separator, 0, whole.rindex(separator))])  # cut after the clock
    with pytest.raises(RecordingError, match=f"line {len(rows) + 1} has 1 cell"):
        read(path)


@settings(max_examples=60, deadline=None)
@given(tables(), st.sampled_from(["-", "--", "?", "–"]), st.data())
def test_dashes_that_recur_are_missing_and_one_alone_is_an_error(tmp_path_factory, table, dash, data):
    separator, _, header, rows, _ = table
    cells = st.tuples(st.integers(1, len(rows) - 1), st.integers(1, 2))
    chosen = data.draw(st.lists(cells, min_size=1, max_size=6, unique=True))
    for i, k in chosen:
        rows[i][k] = dash
    path = tmp_path_factory.mktemp("a") / "a.csv"
    path.write_text(text_of(separator, header, rows), encoding="utf-8")
    if len(chosen) == 1:
        (i, k), = chosen  # fmt: skip
        with pytest.raises(RecordingError, match=f"line {i + 2}, column '{header[k]}' holds"):
            read(path)
        return
    recording = read(path)
    lost = np.zeros((len(rows), 2), dtype=bool)
    lost[tuple(np.array([(i, k - 1) for i, k in chosen]).T)] = True
    np.testing.assert_array_equal(~recording.mask, lost)
    assert any(repr(dash) in notice for notice in recording.meta["notices"])


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(["oops", "x", "Mean"]), st.booleans())
def test_a_slip_in_the_last_frame_drops_no_frame_where_another_clock_runs_on(tmp_path_factory, table, word, first):
    """A counter that nobody needs may hold a word; a clock that is used may not."""
    separator, _, header, rows, _ = table
    counted = [[str(i + 1), *row] for i, row in enumerate(rows)]
    counted[-1][0 if first else 1] = word
    path = tmp_path_factory.mktemp("a") / "a.csv"
    path.write_text(text_of(separator, ["row", *header], counted))
    try:
        recording = read(path)
    except RecordingError as error:
        assert f"line {len(rows) + 1}" in str(error)
    else:
        assert len(recording.values) == len(rows)
        assert not any("below the table" in notice for notice in recording.meta["notices"])


def test_dashes_far_below_the_first_block_are_found(tmp_path):
    values = np.random.default_rng(0).normal(size=(60000, 2))
    rows = [[f"{i / 25:.2f}", *(f"{value:.6f}" for value in row)] for i, row in enumerate(values)]
    for count, i in enumerate((50000, 50007), start=1):
        rows[i][2] = "-"
        (tmp_path / "a.csv").write_text(text_of(",", ["time", "u", "v"], rows))
        if count == 1:
            with pytest.raises(RecordingError, match="line 50002, column 'v' holds '-'"):
                read(tmp_path / "a.csv")
    assert np.argwhere(~read(tmp_path / "a.csv").mask).tolist() == [[50000, 1], [50007, 1]]
