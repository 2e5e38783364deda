"""Tables on disk: they come back as they were, in the digits that are stated, in the form of the input."""

import csv
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.recordings import read
from rpca_affect.results import split_tables, writers
from rpca_affect.results.numerals import PAD, numerals, shortest
from rpca_affect.results.split_tables import Digits, TableForm, guarded, table_names, tables_beside

seeds = st.integers(0, 2**32 - 1)


def session(seed=0, frames=60, decimals=3, holes=True):
    """A table with names, text, time and four features, some of their cells missing."""
    rng = np.random.default_rng(seed)
    curves = np.outer(np.sin(np.arange(frames) / 9), [3.0, 40.0, -2.0, 0.1]) + [0, 500, 1, 0]
    values = curves + rng.normal(0, [0.05, 1.0, 0.02, 0.01], curves.shape)
    values[20:24, 1] += 30.0
    values = values if decimals is None else np.round(values, decimals)
    if holes:
        values[rng.random(values.shape) < 0.1] = np.nan
    table = pd.DataFrame(values, columns=["AU06", " x, y", 'say "hi"', "AU25"])
    table.insert(0, "timestamp", np.round(np.arange(frames) / 25, 3))
    table.insert(3, "note", ["a", "b,c", 'd"e', None, "-1"] * (frames // 5))
    return table


def write_tables(split, folder, form=None):
    """Write the tables with nothing beside."""
    with tables_beside(split, folder, form) as about:
        return about


def written(split, folder, **form):
    """What was said and the four tables as pandas reads them."""
    folder.mkdir(exist_ok=True, parents=True)
    about = write_tables(split, folder, TableForm(**form))
    files = [folder / name for name in about["files"][:4]]
    if form.get("table") == "parquet":
        return about, [pd.read_parquet(file) for file in files]
    form = {"sep": "\t"} if about["files"][0].endswith(".tsv") else {}
    if pd.__version__.startswith("2."):
        form["float_precision"] = "round_trip"  # it is a rounding off where it is not asked to be exact
    return about, [pd.read_csv(file, **form) for file in files]


def features(split, table):
    return table[list(split.recording.meta["feature_columns"])].to_numpy()


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([0, 1, 3, None]), st.booleans())
def test_tables_hold_the_parts_in_the_digits_that_are_stated_and_add_up(tmp_path_factory, seed, decimals, holes):
    split = ra.decompose(session(seed, decimals=decimals, holes=holes))
    about, (base, transient, residual, mask) = written(split, tmp_path_factory.mktemp("out"))
    step = 10.0 ** -Digits.of(split, "auto").decimals
    low, high = about["decimals"]
    assert np.isclose(step.max(), 10.0**-low) and np.isclose(step.min(), 10.0**-high)
    assert decimals is None or high <= decimals + 2
    known = split.recording.mask
    for table, part in ((base, split.base_values), (transient, split.transient_values)):
        assert list(table.columns) == list(split.recording.meta["columns"])
        assert (np.abs(features(split, table) - part) <= 0.5001 * step).all()
    whole = sum(features(split, table) for table in (base, transient, residual))
    given_ = np.round(split.recording.values / step) * step
    # Only the sum of three doubles is inexact, not what is written.
    assert np.allclose(whole[known], given_[known], rtol=1e-12, atol=1e-12)
    assert (features(split, mask) == known).all()
    for table in (base, transient, residual, mask):
        pd.testing.assert_frame_equal(
            table[["timestamp", "note"]], split.recording.meta["passthrough"], check_dtype=False
        )


def test_seventeen_digits_are_all_digits_and_fewer_are_significant(tmp_path):
    split = ra.decompose(session(decimals=None))
    about, (base, transient, *_) = written(split, tmp_path, digits=17)
    assert about["decimals"] is None
    np.testing.assert_array_equal(features(split, base), split.base_values)
    np.testing.assert_array_equal(features(split, transient), split.transient_values)
    for digits in (3, 9):
        _, (base, *_) = written(split, tmp_path, digits=digits)
        np.testing.assert_allclose(features(split, base), split.base_values, rtol=0.501 * 10.0 ** (1 - digits))
        longest = max(len(shortest(abs(v)).replace(".", "").strip("0")) for v in features(split, base).ravel())
        assert longest <= digits + 1


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 17))
def test_rounding_keeps_size_and_sign_of_every_number(value, digits):
    rounded = float(Digits(significant=digits).round(np.array([[value]]))[0, 0])
    assert rounded == pytest.approx(value, rel=0.501 * 10.0 ** (1 - digits), abs=0)
    assert float(Digits(decimals=np.array([np.inf])).round(np.array([[value]]))[0, 0]) == value


@given(st.integers(-(10**6), 10**6), st.integers(0, 9))
def test_a_number_with_few_decimals_is_not_changed_by_more(number, decimals):
    value = float(f"{number}e-{decimals}")
    assert Digits(decimals=np.array([decimals + 2.0])).round(np.array([[value]]))[0, 0] == value


@pytest.mark.parametrize("separator, ending", [(",", "csv"), (";", "csv"), ("\t", "tsv"), (" ", "txt")])
def test_text_has_the_dialect_of_the_input_and_a_name_that_says_it(tmp_path, separator, ending):
    path = tmp_path / "in.dat"
    session(holes=False).drop(columns="note").rename(columns=str.split).set_axis(
        ["timestamp", "a", "b", "c", "d"], axis=1
    ).to_csv(path, sep=separator, index=False)
    split = ra.decompose(path)
    about = write_tables(split, tmp_path)
    assert about["files"] == [*(f"{part}.{ending}" for part in split_tables.PARTS), "events.csv"]
    assert about["files"] == list(table_names(split.recording))
    again = read(tmp_path / about["files"][0])
    assert again.feature_names == split.recording.feature_names
    np.testing.assert_allclose(again.values, split.base_values, atol=1e-3)


@given(
    st.integers(0, 13),
    st.lists(st.integers(-(10**12), 10**12) | st.integers(-2000, 2000), min_size=1, max_size=20),
    st.sampled_from([".", ","]),
)
def test_numbers_of_few_decimals_are_written_as_any_others(decimals, units, mark):
    values = np.array([[float(f"{unit}e-{decimals}") for unit in units]])
    expected = [shortest(value).replace(".", mark).encode() for value in values[0]]
    for known in (decimals, decimals + 1, None):
        assert [word.replace(PAD, b"") for word in numerals(values, known, mark)[0].tolist()] == expected
    values[0, 0] = np.nan
    assert numerals(values, decimals, mark, b"NA")[0, 0].replace(PAD, b"") == b"NA"


def test_text_beside_the_features_is_written_whole(tmp_path, monkeypatch):
    table = session(holes=False)
    said = ["x" * 3000, "nothing\0inside", 'Grüße, "so"', "two\nlines", "ÿ"] * 12
    split = ra.decompose(table.assign(note=said, timestamp=np.arange(60) / 7))
    monkeypatch.setattr(writers, "LETTERS", 5000)
    written(split, tmp_path)
    with open(tmp_path / "base.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))  # pandas before 3 ends a text at a zero
    assert [row["note"] for row in rows] == said
    np.testing.assert_array_equal([float(row["timestamp"]) for row in rows], np.arange(60) / 7)


@pytest.mark.parametrize("digits", ["auto", 17])
def test_the_same_text_is_written_where_pyarrow_is_missing(tmp_path, monkeypatch, digits):
    pytest.importorskip("pyarrow")
    form = TableForm(digits=digits)
    split = ra.decompose(session().assign(note="plain").set_index(pd.RangeIndex(7, 67, name="row")))
    files = write_tables(split, tmp_path, form)["files"]
    texts = [(tmp_path / name).read_bytes() for name in files]
    assert texts[0].startswith(b'row,timestamp,AU06," x, y",note')
    monkeypatch.setattr(split_tables, "CHUNK", 50)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert write_tables(split, tmp_path, form)["files"] == files
    assert [(tmp_path / name).read_bytes() for name in files] == texts
    with pytest.raises(ImportError, match="Parquet needs pyarrow"):
        write_tables(split, tmp_path, TableForm("parquet"))


def test_tables_end_where_what_is_done_beside_them_fails(tmp_path, monkeypatch):
    split, whole = ra.decompose(session()), split_tables._cells
    monkeypatch.setattr(split_tables, "CHUNK", 1)
    monkeypatch.setattr(split_tables, "_cells", lambda *given: (time.sleep(0.02), whole(*given))[1])
    with pytest.raises(KeyboardInterrupt), tables_beside(split, tmp_path):
        raise KeyboardInterrupt
    assert (tmp_path / "base.csv").read_text().count("\n") < split.recording.n_frames


def test_parquet_holds_the_same_numbers(tmp_path):
    pytest.importorskip("pyarrow")
    split = ra.decompose(session())
    _, texts = written(split, tmp_path)
    about, columns = written(split, tmp_path, table="parquet")
    assert about["files"][0] == "base.parquet" and about["files"][-1] == "events.csv"
    for text, column in zip(texts, columns):
        pd.testing.assert_frame_equal(text, column, check_dtype=False)


@pytest.mark.parametrize("table", ["csv", "parquet"])
def test_cells_that_nobody_observed_can_be_left_empty(tmp_path, table):
    if table == "parquet":
        pytest.importorskip("pyarrow")
    split = ra.decompose(session())
    known = split.recording.mask
    _, (*parts, mask) = written(split, tmp_path, table=table, missing="NA")
    for part in parts:
        np.testing.assert_array_equal(np.isfinite(features(split, part)), known)
    np.testing.assert_array_equal(features(split, mask), known)
    _, (base, transient, residual, _) = written(split, tmp_path, table=table)
    assert np.isfinite(features(split, base)).all()
    assert (features(split, transient)[~known] == 0).all() and (features(split, residual)[~known] == 0).all()


def test_features_left_out_are_their_own_base(tmp_path):
    split = ra.decompose(session(), features="AU06,AU25")
    _, (base, transient, _, mask) = written(split, tmp_path)
    there = split.recording.meta["passthrough"][" x, y"]
    pd.testing.assert_series_equal(base[" x, y"], there)
    assert (transient[" x, y"].isna() == there.isna()).all() and not transient[" x, y"].any()
    assert (mask[" x, y"] == there.notna()).all()


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_no_name_becomes_a_formula(tmp_path, start):
    table = session(holes=False)
    name = f"{start}cmd|' /C calc'!A0"
    split = ra.decompose(table.rename(columns={" x, y": name}))
    assert name in split.events()["features"].str.cat()
    about = write_tables(split, tmp_path)
    events = pd.read_csv(tmp_path / "events.csv")
    assert about["guarded"] >= 1
    assert not events["leading_feature"].str.startswith(split_tables.DANGEROUS).any()
    assert guarded(split.events()[["start", "n_frames"]])[1] == 0, "numbers below zero are no formulas"


@pytest.mark.parametrize("form", [{"table": "xls"}, {"digits": 0}, {"digits": 18}, {"digits": "all"}, {"missing": "0"}])
def test_a_form_that_does_not_exist_gets_one_sentence(form):
    with pytest.raises(ValueError, match=f"^{next(iter(form))} is .*: give "):
        TableForm(**form)
