"""Damaged and wrong files: one sentence that names the file and the place, whatever is broken and wherever."""

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.recordings import RecordingError, detect, from_frame, read
from rpca_affect.recordings.containers import source as source_module

HEADER = "frame, timestamp, confidence, success, pose_Tx, AU01_r"
ROWS = [f"{i}, {i / 25:.3f}, 0.98, 1, {1.5 * i:.2f}, {0.25 * i:.2f}" for i in range(1, 9)]
GOOD = "\n".join([HEADER, *ROWS]) + "\n"


def with_cell(row, column, cell, text=GOOD):
    """Text with one cell replaced; row 0 is the header."""
    lines = [line.split(",") for line in text.splitlines()]
    lines[row][column] = cell
    return "\n".join(",".join(line) for line in lines) + "\n"


def zipped(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def npy(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


DAMAGE = {
    "empty": (b"", "is empty"),
    "only blanks": (b"\n \n\n", "is empty"),
    "only a header": (f"{HEADER}\n".encode(), "has a header but no rows"),
    "only comments": (b"# a\n# b\n", "holds only comments"),
    "text in a number column": (with_cell(5, 4, " oops").encode(), "line 6, column 'pose_Tx' holds 'oops', expected a"),
    "text in the confidence": (with_cell(3, 2, " high").encode(), "line 4, column 'confidence' holds 'high'"),
    "text in the time": (with_cell(3, 1, " soon").encode(), "line 4, column 'timestamp' holds 'soon'"),
    "text after a blank line": (with_cell(2, 5, "x").replace("\n2,", "\n\n2,").encode(), "line 4, column 'AU01_r'"),
    "one cell too many": (with_cell(4, 3, "1,1").encode(), r"line 5 has 7 cells, expected 6 \(separator: comma\)"),
    "one cell too few": (GOOD.replace("5, 0.200, ", "5 0.200, ").encode(), "line 6 has 5 cells, expected 6"),
    "cut in a row": (GOOD[:-9].encode(), "line 9 has 5 cells, expected 6 .* truncated in column 'pose_Tx'"),
    "cut before the last cell": (GOOD[:-6].encode(), "line 9, the last, ends before column 'AU01_r'"),
    "two columns of one name": (with_cell(0, 5, "pose_Tx").encode(), "columns 5 and 6 are both called 'pose_Tx'"),
    "two columns without name": (b"a,,\n1,2,3\n", "columns 2 and 3 are both without a name"),
    "another delimiter in the rows": (
        "\n".join([HEADER, *(row.replace(",", ":") for row in ROWS)]).encode(),
        "line 2 has 1 cell, expected 6",
    ),
    "an unknown delimiter": (GOOD.replace(", ", ":").encode(), "single column of text, expected columns separated by"),
    "prose": (b"dear reader\nthis is not\na table of numbers at all\n", "line 4|line 3|line 2|single column"),
    "an open quote": (with_cell(4, 0, '"4').encode(), "the quote opened in line 5 is never closed"),
    "data in place of the header": (("x," + ROWS[0] + "\nx," + ROWS[1] + "\n").encode(), "line 1 looks like a row of"),
    "a letter of another encoding": (
        with_cell(5, 4, "é").encode("latin-1"),
        "line 6, column 'pose_Tx' holds 'é', expected a number",
    ),
    "cut UTF-16": (GOOD.encode("utf-16")[:-1], "not UTF-16|line end|truncated"),
    "zeros in the middle": (GOOD.encode() * 2000 + b"1,\x00\x00\n", "holds binary bytes"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(range(64)), "is a binary file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(64), "is a damaged HDF5 file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(64), "is a damaged gzip file"),
    "a workbook": (b"PK\x03\x04" + bytes(64), "Excel workbook"),
    "a pickle": (pd.DataFrame({"a": [1]}).to_numpy().dumps(), "pickle, which is never loaded"),
    "Python objects in npy": (npy(np.array([{}, 1], dtype=object), allow_pickle=True), "holds Python objects"),
    "a cut npy": (npy(np.ones((9, 9)))[:-20], r"damaged .npy file"),
    "a cut npz": (zipped(x=np.ones((9, 9)))[:-20], r"damaged .npz file"),
    "numbers cut out of npz": (zipped(x=np.arange(81.0).reshape(9, 9)).replace(b"\x40", b"\x41"), "damaged .npz file"),
    "text in npy": (npy(np.array([["a"]])), "expected real numbers"),
    "an empty array": (npy(np.ones((0, 3))), "has shape"),
    "a cut Parquet file": (b"PAR1" + bytes(100), "damaged Parquet file"),
    "a cut Feather file": (b"ARROW1\x00\x00" + bytes(100), "damaged Feather file"),
}
READERS = {"Parquet": "pyarrow", "Feather": "pyarrow", "HDF5": "h5py"}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_one_sentence_about_the_file(what, tmp_path):
    contents, message = DAMAGE[what]
    for library in (READERS[word] for word in what.split() if word in READERS):
        pytest.importorskip(library)
    path = tmp_path / "damaged.csv"  # the suffix is no help, contents decide
    path.write_bytes(contents)
    with pytest.raises(RecordingError, match=message) as caught:
        read(path)
    sentence = str(caught.value)
    assert str(path) in sentence and "\n" not in sentence and sentence.endswith(".")
    assert path.read_bytes() == contents


def test_missing_folder_and_forbidden(tmp_path, monkeypatch):
    with pytest.raises(RecordingError, match=r"nothing.csv does not exist\."):
        read(tmp_path / "nothing.csv")
    with pytest.raises(RecordingError, match="is a folder, expected a file"):
        detect(tmp_path)
    path = tmp_path / "secret.csv"
    path.write_text(GOOD)

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(source_module.Path, "read_bytes", forbidden)  # root may read everything
    with pytest.raises(RecordingError, match=r"secret.csv cannot be opened: Permission denied\."):
        read(path)


@pytest.mark.parametrize("format", ["openface", "pyfeat", "livelink", "array"])
def test_forced_format_that_does_not_fit(format, tmp_path):
    (tmp_path / "a.csv").write_text("u,v\n1,2\n3,4\n")
    with pytest.raises(RecordingError, match=r"expected|none of"):
        read(tmp_path / "a.csv", format)


def test_table_format_forced_on_a_numpy_file(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 3)))
    with pytest.raises(RecordingError, match="none of the feature columns of OpenFace; found feature_0"):
        read(tmp_path / "x.npy", "openface")


def test_broken_timecode_names_the_line(tmp_path):
    names = ["Timecode", "BlendShapeCount", "JawOpen", *[f"MouthSmile{s}" for s in ("Left", "Right")]]
    rows = [f"10:00:00:{i:02d}.000,61,0.1,0.2,0.{i}" for i in range(5)]
    rows[3] = rows[3].replace("10:00:00:03", "10-00-00")
    (tmp_path / "a.csv").write_text("\n".join([",".join(names), *rows]) + "\n")
    with pytest.raises(RecordingError, match=r"line 5, column 'Timecode' holds '10-00-00.000', expected hours"):
        read(tmp_path / "a.csv", "livelink")


def test_damage_in_a_dataframe_names_the_row():
    table = pd.DataFrame({"u": [1.0, "x", 3.0, 4.0], "v": [1, 2, 3, 4]})
    with pytest.raises(RecordingError, match="DataFrame: row 2, column 'u' holds 'x', expected a number"):
        from_frame(table)
    with pytest.raises(RecordingError, match="both called 'u'"):
        from_frame(pd.DataFrame([[1, 2]], columns=["u", " u"]))
    with pytest.raises(RecordingError, match="several header levels"):
        from_frame(pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])))
    with pytest.raises(RecordingError, match="has no rows"):
        from_frame(pd.DataFrame({"u": []}))
    with pytest.raises(RecordingError, match="no feature column"):
        from_frame(pd.DataFrame({"note": ["a", "b"]}))


@given(cut=st.integers(0, len(GOOD) - 1))
@settings(max_examples=150, deadline=None)
def test_a_file_cut_anywhere_is_refused_told_or_whole(cut, tmp_path_factory):
    """Law: what is left after a cut is refused, or its rows are the first rows of the whole file.

    Only a number cut in its digits cannot be told from a shorter number; the missing line end is then told.
    """
    folder = tmp_path_factory.getbasetemp()
    (folder / "whole.csv").write_text(GOOD)
    (folder / "cut.csv").write_text(GOOD[:cut])
    whole = read(folder / "whole.csv")
    try:
        part = read(folder / "cut.csv")
    except RecordingError as error:
        assert "cut.csv" in str(error)
        return
    told = any("has no line end" in notice for notice in part.notices)
    assert told or GOOD[cut - 1] == "\n"
    sure = part.n_frames - told
    if sure:
        np.testing.assert_array_equal(part.values[:sure], whole.values[:sure])


def read_or_refused(path):
    """The recording, or None where the file was refused in a sentence that names it."""
    try:
        return read(path)
    except RecordingError as error:
        assert path.name in str(error)
        return None


@given(data=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_refused_in_a_sentence_or_read(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "bytes.csv"
    path.write_bytes(data)
    recording = read_or_refused(path)
    assert recording is None or recording.mask.any()


@given(text=st.text(alphabet='0123456789.,;- \t\n"#aE|', max_size=120))
@settings(max_examples=200, deadline=None)
def test_any_text_is_refused_in_a_sentence_or_read_whole(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "text.csv"
    path.write_text(text)
    recording = read_or_refused(path)
    assert recording is None or (recording.mask.any() and len(recording.frame()) == recording.n_frames)


@given(row=st.integers(1, 8), column=st.integers(0, 5), cell=st.sampled_from(["x", "1.2.3", "1 2", "--", "0x1G"]))
@settings(max_examples=60, deadline=None)
def test_text_among_numbers_names_its_cell(row, column, cell, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "cell.csv"
    path.write_text(with_cell(row, column, cell))
    name = HEADER.split(", ")[column]
    with pytest.raises(RecordingError, match=f"cell.csv: line {row + 1}, column '{name}' holds '{cell}', expected"):
        read(path)
