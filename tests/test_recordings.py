"""Recordings: tables of any origin, arrays, selection, output and description."""

import doctest
import importlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_tables import noticed, openface_table, pyfeat_table, written

from rpca_affect.recordings import (
    Recording,
    RecordingError,
    describe,
    detect,
    from_array,
    from_frame,
    read,
)

# ---------------------------------------------------------------- tables of any origin

cells = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@st.composite
def any_table(draw):
    n_rows, n_columns = draw(st.integers(1, 6)), draw(st.integers(2, 5))
    names = draw(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
                lambda name: not name.startswith("#") and not _float(name)
            ),
            min_size=n_columns,
            max_size=n_columns,
            unique_by=str.casefold,
        )
    )
    table = pd.DataFrame({name: draw(st.lists(cells, min_size=n_rows, max_size=n_rows)) for name in names}, dtype=float)
    table.iloc[0, :] = table.iloc[0, :].fillna(1.5)
    return table


def _float(text):
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


@given(table=any_table(), separator=st.sampled_from([",", "\t", ";"]), line=st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=80, deadline=None)
def test_text_comes_back_bit_for_bit(table, separator, line, tmp_path_factory):
    path = tmp_path_factory.mktemp("t") / "any.csv"
    table.to_csv(path, index=False, sep=separator, lineterminator=line)
    recording = read(path, "table", max_gap=1e300)
    back = recording.frame()
    assert list(back.columns) == list(table.columns)
    np.testing.assert_array_equal(back.to_numpy(np.float64), table.to_numpy())
    np.testing.assert_array_equal(recording.mask, np.isfinite(recording.values))


def test_same_table_from_every_kind_of_file(tmp_path):
    pytest.importorskip("pyarrow")
    table = openface_table()
    written(table, tmp_path / "a.csv")
    written(table, tmp_path / "a.tsv", sep="\t")
    written(table, tmp_path / "a.txt", sep=";", decimal=",")
    written(table, tmp_path / "utf16.csv", encoding="utf-16")
    written(table, tmp_path / "bom.csv", encoding="utf-8-sig")
    table.to_parquet(tmp_path / "a.parquet")
    table.to_feather(tmp_path / "a.feather")
    for path in sorted(tmp_path.iterdir()):
        recording = read(path)
        assert recording.meta["format"] == detect(path) == "openface", path
        pd.testing.assert_frame_equal(recording.frame(), table, check_dtype=False)


def test_reader_forms(tmp_path):
    """Preambles, headers as comments, no header, R's row names, quoted cells, codes and blank lines."""
    path = tmp_path / "a.txt"

    def got(text, **options):
        path.write_text(text)
        return read(path, **options)

    preamble = got("#Study : x\t\t\n#Date : y\t\t\n\t\t\na b\tc\td\n1\t2\t3\n4\t5\t6\n")
    assert preamble.feature_names == ("a b", "c", "d") and noticed(preamble, "3 lines above the header")
    commented = got("# u v w\n1 2.5 3\n4 5 6\n")
    assert commented.feature_names == ("u", "v", "w") and commented.values[0, 1] == 2.5
    bare = got("1.5,2\n3,4\n")
    assert bare.feature_names == ("feature_0", "feature_1") and bare.n_frames == 2
    counted = got("0,1,2\n1.5,2,3\n3,4,5\n")
    assert counted.feature_names == ("0", "1", "2") and counted.n_frames == 2
    rows = got('"u" "v"\n"1" 2 3\n"2" 4 5.5\n')
    assert rows.feature_names == ("u", "v") and list(rows.frame().columns) == ["", "u", "v"]
    quoted = got('u,"v, w",note\n1,2,"a ""b""\nc"\n3,4,d\n')
    assert quoted.feature_names == ("u", "v, w") and noticed(quoted, "Columns of text are passed through: note")
    assert quoted.frame()["note"].tolist() == ['a "b"\nc', "d"]
    codes = got("clip_nr,u\n001,2\n002,3\n")
    assert codes.feature_names == ("u",) and codes.frame()["clip_nr"].tolist() == ["001", "002"]
    blank = got("u,v\n1,2\n\n3,4\n\n")
    assert blank.n_frames == 2
    windows = got("u,v\n1,-nan(ind)\n3,4\n")
    assert not windows.mask[0, 1] and windows.mask.sum() == 3
    index = got(",u\n0,1.5\n1,2.5\n")
    assert index.feature_names == ("u",) and list(index.frame().columns) == ["", "u"]


def test_infinite_cells_are_masked_and_told(tmp_path):
    (tmp_path / "a.csv").write_text("u,v\n1,2\n-inf,4\n5,6\n")
    recording = read(tmp_path / "a.csv")
    assert recording.mask.tolist() == [[True, True], [False, True], [True, True]]
    assert (
        noticed(recording, "1 infinite cell masked, the first at line 3, column 'u'")
        and not np.isinf(recording.values).any()
    )


@pytest.mark.parametrize(
    ("stamps", "seconds", "said"),
    [
        ([0.0, 0.04, 0.08], [0, 0.04, 0.08], ""),
        ([0, 40, 80], [0, 0.04, 0.08], "milliseconds"),
        ([0, 40_000, 80_000], [0, 0.04, 0.08], "microseconds"),
        ([1.7e9, 1.7e9 + 0.25, 1.7e9 + 0.5], [0, 0.25, 0.5], "clock"),
        (["00:00:00.5", "00:00:01", "00:00:01.5"], [0.5, 1.0, 1.5], ""),
        (["2024-01-01 10:00:00", "2024-01-01 10:00:01", "2024-01-01 10:00:02"], [0, 1, 2], ""),
        (["a", "b", "c"], None, "no time"),
    ],
)
def test_time_columns(stamps, seconds, said):
    recording = from_frame(pd.DataFrame({"Time": stamps, "u": [1.0, 2.0, 3.0]}))
    if seconds is None:
        assert recording.time is None
    else:
        np.testing.assert_allclose(recording.time, seconds, atol=1e-6)
    assert any(said in notice for notice in recording.notices)


def test_frame_keeps_index_and_is_not_modified():
    index = pd.date_range("2024-01-01", periods=4, freq="40ms")
    table = pd.DataFrame({"u": [1.0, np.nan, 3.0, 4.0], "label": list("abcd"), "v": [1, 2, 3, 4]}, index=index)
    before = table.copy(deep=True)
    recording = from_frame(table)
    recording.values[:] = 0.0
    pd.testing.assert_frame_equal(table, before)
    assert recording.frame().index.equals(index) and recording.fps == pytest.approx(25)
    assert recording.frame()["label"].tolist() == list("abcd")


def test_nullable_and_boolean_columns():
    table = pd.DataFrame(
        {
            "u": pd.array([1, None, 3], dtype="Int64"),
            "flag": [True, False, True],
            "kind": pd.Categorical(list("aba")),
        }
    )
    recording = from_frame(table)
    assert recording.feature_names == ("u",) and recording.mask[:, 0].tolist() == [True, False, True]


# ---------------------------------------------------------------- arrays


def test_arrays_and_npz(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "one.npz", x=x, t=np.arange(4))
    np.savez_compressed(tmp_path / "two.npz", a=x, b=x + 1)
    for path in ("x.npy", "one.npz"):
        recording = read(tmp_path / path)
        assert recording.meta["format"] == "array" and recording.values.dtype == np.float64
        np.testing.assert_array_equal(recording.values, x)
    assert read(tmp_path / "two.npz", key="b").values[0, 0] == 1
    assert describe(read(tmp_path / "two.npz", key="b"))["suggested_command"].endswith("--key b")
    with pytest.raises(RecordingError, match="choose one with key"):
        read(tmp_path / "two.npz")
    with pytest.raises(RecordingError, match="has no array 'c'; it holds a, b"):
        read(tmp_path / "two.npz", key="c")
    np.savez(tmp_path / "video.npz", frames=np.zeros((3, 4, 5), dtype=np.uint8))
    with pytest.raises(RecordingError, match=r"shape \(3, 4, 5\) of bytes, which is a video"):
        read(tmp_path / "video.npz")


def test_from_array_copies_and_checks():
    x = np.arange(6.0).reshape(3, 2)
    recording = from_array(x, feature_names=["u", "v"], time=[0, 0.5, 1.0], mask=[True, False, True])
    x[:] = 0
    assert recording.values[2, 1] == 5 and recording.fps == 2 and recording.mask[:, 0].tolist() == [True, False, True]
    with pytest.raises(RecordingError, match="complex128"):
        from_array(np.ones((2, 2), dtype=complex))
    with pytest.raises(RecordingError, match=r"shape \(3,\)"):
        from_array(np.ones(3))
    with pytest.raises(RecordingError, match="1 feature names"):
        from_array(np.ones((2, 2)), feature_names=["u"])
    with pytest.raises(RecordingError, match="time has shape"):
        from_array(np.ones((2, 2)), time=[0.0])
    with pytest.raises(RecordingError, match=r"no cell is observed|without any number|no feature column"):
        from_array(np.full((2, 2), np.nan))


# ---------------------------------------------------------------- selection, output, description


@pytest.mark.parametrize(
    ("features", "names"),
    [
        ("au", ["AU01_r", "AU45_r", "AU01_c", "AU28_c"]),
        ("AU_r", ["AU01_r", "AU45_r"]),
        ("AU*_c, gaze_0_x", ["gaze_0_x", "AU01_c", "AU28_c"]),
        (["pose", "x_0"], ["pose_Tx", "pose_Rz", "x_0"]),
        ("X_0", ["X_0"]),
    ],
)
def test_select(features, names):
    recording = from_frame(openface_table(), features=features)
    assert list(recording.feature_names) == names
    members = np.concatenate(list(recording.groups.values()))
    assert sorted(members.tolist()) == list(range(len(names)))
    pd.testing.assert_frame_equal(recording.frame(), openface_table(), check_dtype=False)


def test_select_names_what_there_is():
    with pytest.raises(ValueError, match=r"'smiles'; this recording has the groups gaze, eye_landmarks_2d"):
        from_frame(openface_table()).select("au,smiles")


@given(seed=st.integers(0, 99), chosen=st.lists(st.sampled_from(["AU", "pose", "x_0", "mesh"]), min_size=1, max_size=3))
@settings(max_examples=30, deadline=None)
def test_base_transient_and_residual_add_up_to_the_input(seed, chosen):
    """Whatever is selected: the three output tables sum to the input in every numeric column."""
    table = pyfeat_table(seed=seed)
    recording = from_frame(table, features=chosen)
    rng = np.random.default_rng(seed)
    transient, residual = rng.random((2, *recording.values.shape))
    base = recording.frame(recording.values - transient - residual)
    others = [recording.frame(part, left_out="zero") for part in (transient, residual)]
    keys = ["input", "frame", "approx_time", "FaceScore", "FrameHeight"]
    for output in (base, *others):
        assert list(output.columns) == list(table.columns) and output.index.equals(table.index)
        pd.testing.assert_frame_equal(output[keys], table[keys])
    numeric = [name for name in table.columns if name not in keys]
    np.testing.assert_allclose(base[numeric] + others[0][numeric] + others[1][numeric], table[numeric], atol=1e-12)
    hidden = recording.frame(transient, left_out="nan")[list(recording.meta["left_out"])]
    assert hidden.isna().all(axis=None) and len(hidden.columns) > 0


def test_frame_checks_its_arguments():
    recording = from_frame(openface_table())
    with pytest.raises(ValueError, match="values has shape"):
        recording.frame(np.ones((2, 2)))
    with pytest.raises(ValueError, match="left_out is 'drop'"):
        recording.frame(left_out="drop")


def test_given_mask_in_all_forms():
    table = openface_table()
    full = from_frame(table)
    cells_seen = np.random.default_rng(0).random(full.mask.shape) > 0.2
    np.testing.assert_array_equal(from_frame(table, mask=cells_seen).mask, cells_seen)
    named = pd.DataFrame(cells_seen.astype(int), columns=full.meta["feature_columns"]).iloc[:, ::-1]
    np.testing.assert_array_equal(from_frame(table, mask=named).mask, cells_seen)
    rows_seen = from_frame(table, mask=cells_seen[:, 0])
    np.testing.assert_array_equal(rows_seen.mask.all(axis=1), cells_seen[:, 0])
    with pytest.raises(ValueError, match="mask has shape"):
        from_frame(table, mask=np.ones((3, 3), dtype=bool))
    with pytest.raises(ValueError, match="other than True and False"):
        from_frame(table, mask=np.full(60, 0.5))
    with pytest.raises(ValueError, match="mask lacks the column 'AU28_c'"):
        from_frame(table, mask=named.iloc[:, 1:])
    with pytest.raises(RecordingError, match="no cell is observed"):
        from_frame(table, mask=np.zeros(60, dtype=bool))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_confidence": 2}, "min_confidence is 2"),
        ({"max_gap": 0}, "max_gap is 0"),
        ({"fps": -1}, "fps is -1"),
        ({"format": "excel"}, "no format 'excel'; the formats are array, deeplabcut, .*livelink"),
    ],
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        from_frame(openface_table(), **options)


def test_recording_checks_shapes():
    with pytest.raises(ValueError, match="must both have shape"):
        Recording(np.ones((3, 2)), ("u",))
    with pytest.raises(ValueError, match="time has shape"):
        Recording(np.ones((3, 1)), ("u",), time=np.ones(2))


def test_describe_is_json_and_counts(tmp_path):
    table = openface_table()
    table.loc[:5, " success"] = 0
    table[" pose_Tx"] = 3.0
    path = written(table, tmp_path / "my session.csv")
    summary = json.loads(json.dumps(describe(read(path))))
    assert summary["n_frames"] == 60 and summary["fps"] == pytest.approx(30, rel=1e-3)
    assert summary["duration_s"] == 1.967 and summary["missing_percent"] == 10.0 and summary["masked_frames"] == 6
    assert summary["constant_columns"] == ["pose_Tx"] and summary["groups"]["AU_c"] == 2
    assert summary["suggested_command"] == (
        f"rpca-affect decompose '{path}' -o 'my session_split' --report --features gaze,pose,AU_r"
    )
    assert describe(from_frame(table))["suggested_command"] is None


@pytest.mark.parametrize("module", ["recording", "groups", "reading", "describe", "searching"])
def test_docstring_examples(module):
    result = doctest.testmod(importlib.import_module(f"rpca_affect.recordings.{module}"))
    assert result.attempted > 0 and result.failed == 0
