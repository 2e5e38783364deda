"""Lost cells: stand-ins for missing numbers, words of failed frames, bad cells and values out of range."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_tables import noticed, openface_table, smooth

from rpca_affect.recordings import RecordingError, from_array, from_frame, read

N = 120


@given(number=st.sampled_from([-999, -1, 0, 999, -5, 9999, -32768]), seed=st.integers(0, 20), frames=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_frames_of_one_number_are_lost(number, seed, frames):
    table = smooth(seed=seed).abs() + 0.5
    rows = np.random.default_rng(seed).choice(N, frames, replace=False)
    table.iloc[rows] = number
    recording = from_frame(table)
    np.testing.assert_array_equal(np.flatnonzero(~recording.mask.any(axis=1)), np.sort(rows))
    assert noticed(recording, f" {number:g}")


def test_a_sentinel_in_a_part_of_the_columns_and_in_two():
    table = smooth(names=[f"AU{i:02d}" for i in range(8)])
    table.iloc[10:14, :6] = -999
    assert from_frame(table).mask.sum() == table.size - 24
    ratings = pd.DataFrame(np.sin(np.outer(np.arange(N), [0.1, 0.13])), columns=["valence", "arousal"])
    ratings.iloc[40:60] = -5
    assert np.flatnonzero(~from_frame(ratings).mask.any(axis=1)).tolist() == list(range(40, 60))
    assert from_array(ratings.to_numpy()).mask.sum() == 2 * (N - 20)


def test_action_units_at_rest_are_observed():
    table = openface_table(n=200)
    units = [name for name in table if "_r" in name and "AU" in name]
    table = table[[*table.columns[:4], *units]].assign(**{" AU02_r": 0.0, " AU04_r": 0.0})
    table.iloc[:, 4:] = np.clip(np.sin(np.outer(np.arange(200), [0.05, 0.06, 0.07, 0.08])) - 0.5, 0, 5)
    recording = from_frame(table)
    assert recording.mask.all() and noticed(recording, "count as observed")


def test_real_transients_and_planted_errors_stay():
    table = smooth()
    table.iloc[50, :] += 1000
    table.iloc[70:74, 2] += 7.25
    assert from_frame(table).mask.all()


@pytest.mark.parametrize("word", ["FIND_FAILED", "Tracking lost", "n.d."])
def test_words_of_failed_frames(word):
    table = smooth().astype(object)
    table.iloc[20:90] = word  # in more than half of the rows
    recording = from_frame(table)
    assert recording.mask.sum() == 5 * (N - 70) and noticed(recording, word)


@pytest.mark.parametrize("word", [".", "undefined", "#VALUE!", "None", "-1.#IND", "NULL"])
def test_words_for_missing(word, tmp_path):
    table = smooth().astype(object)
    table.iloc[5, 1] = table.iloc[9, 2] = word
    table.to_csv(tmp_path / "a.csv", index=False)
    assert read(tmp_path / "a.csv").mask.sum() == table.size - 2


@given(row=st.integers(0, N - 1), column=st.integers(0, 4), cell=st.sampled_from(["-", "1,2O", "?", "--"]),
       decimal=st.sampled_from([".", ","]))  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_one_bad_cell_is_named(row, column, cell, decimal, tmp_path_factory):
    table = smooth().astype(object)
    table = table.map(lambda x: str(x).replace(".", decimal))
    table.iloc[row, column] = cell
    path = tmp_path_factory.getbasetemp() / "bad.csv"
    table.to_csv(path, index=False, sep=";")
    with pytest.raises(RecordingError, match=rf"line {row + 2}, column '{table.columns[column]}' holds"):
        read(path)
    recording = read(path, drop=table.columns[column])
    assert recording.n_features == 4


def test_out_of_range_is_said():
    table = openface_table()
    table[" AU01_r"] *= 100
    assert noticed(from_frame(table), "of AU_r (AU01_r) outside what is usual (from 0 to 5)")
    faces = pd.DataFrame(
        np.random.default_rng(0).random((N, 3)) * 100, columns=["jawOpen", "eyeBlinkLeft", "cheekPuff"]
    )
    assert noticed(from_frame(faces), "of blendshapes")


@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize("columns", [[0, 1, 2], [1, 2, 4]])
@pytest.mark.parametrize("rows", [slice(30, 50), slice(10, 12), slice(5, 90, 7)])
def test_a_part_of_the_tracker_that_saw_nothing(number, columns, rows):
    table = smooth()
    table.iloc[rows, columns] = number
    recording = from_frame(table)
    lost = np.zeros(table.shape, dtype=bool)
    lost[rows, columns] = True
    np.testing.assert_array_equal(recording.mask, ~lost)
    assert noticed(recording, "count as missing")


def test_features_that_rest_now_and_then_are_measured():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(N, 6)).cumsum(axis=0).clip(0), columns=list("abcdef"))
    table["g"] = table["a"] * 2  # two that rest together may be one
    assert from_frame(table).mask.all()


@pytest.mark.parametrize("grades", [3, 4, 5, 7, 9])
@pytest.mark.parametrize("alike", [0.0, 0.8, 1.0])
def test_grades_of_a_scale_are_measured_and_a_code_beyond_it_is_not(grades, alike):
    rng = np.random.default_rng(grades)
    own = rng.integers(0, grades, (N, 4))
    rated = np.where(rng.random((N, 4)) < alike, own[:, :1], own)
    table = pd.DataFrame(rated, columns=list("abcd")).assign(e=rng.random(N))
    assert from_frame(table).mask.all()
    table.iloc[20:30, :4] = 99
    assert from_frame(table).mask.sum() == table.size - 40
