"""Transient events: what a run is, what joins, and what the table says."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rpca_affect.events import COLUMNS, find_events


def burst(frames=100, features=4, rows=slice(20, 26), column=1, height=3.0):
    transient = np.zeros((frames, features))
    transient[rows, column] = height
    return transient


def test_one_burst_is_one_event_with_its_times():
    transient = burst()
    transient[23, 1] = -5.0
    event = find_events(transient, sigma=2.0, feature_names=list("abcd"), time=np.arange(100) / 50).iloc[0]
    assert (event.onset_frame, event.apex_frame, event.offset_frame, event.n_frames) == (20, 23, 25, 6)
    assert event[["start", "onset", "apex", "offset", "end", "duration"]].tolist() == [0.4, 0.4, 0.46, 0.5, 0.52, 0.12]
    assert (event.peak, event.peak_sigma, event.leading_feature) == (-5.0, -2.5, "b")
    assert event.energy == pytest.approx((5 * 9 + 25) / 4)


def test_small_gaps_are_joined_and_large_ones_are_not():
    transient = burst() + burst(rows=slice(28, 31)) + burst(rows=slice(40, 44))
    assert find_events(transient, max_gap=2)["n_frames"].tolist() == [11, 4]
    assert find_events(transient, max_gap=1)["n_frames"].tolist() == [6, 3, 4]


def test_features_that_move_together_are_one_event():
    transient = burst() + burst(column=3, height=-4.0, rows=slice(21, 25)) + burst(column=0, rows=slice(60, 63))
    events = find_events(transient, feature_names=list("abcd"))
    assert events["features"].tolist() == ["d;b", "a"]
    assert events["n_features"].tolist() == [2, 1]


def test_overlapping_runs_do_not_chain_into_one_long_event():
    transient = np.zeros((100, 9))
    for k in range(9):
        transient[10 * k : 10 * k + 14, k] = 3.0
    events = find_events(transient)
    assert events["n_frames"].max() <= 2 * 14
    assert events["n_features"].sum() == 9


def test_weak_and_short_runs_do_not_count():
    transient = burst(height=1.9) + burst(rows=slice(50, 51), height=9.0) + burst(rows=slice(70, 72), height=2.1)
    assert find_events(transient)["onset_frame"].tolist() == [70]
    assert find_events(transient, min_frames=1)["onset_frame"].tolist() == [50, 70]
    assert find_events(transient, min_peak=1.5)["onset_frame"].tolist() == [20, 70]


def test_no_event_and_no_time_keep_the_columns():
    empty = find_events(np.zeros((10, 2)))
    assert tuple(empty.columns) == COLUMNS and empty.empty
    untimed = find_events(burst(), frame_numbers=np.arange(1, 201, 2))
    assert np.isnan(untimed.loc[0, "start"]) and untimed.loc[0, "onset_frame"] == 41


@pytest.mark.parametrize("words", [{"min_frames": 0}, {"max_gap": -1}, {"min_peak": -0.1}])
def test_thresholds_are_checked(words):
    with pytest.raises(ValueError, match=next(iter(words))):
        find_events(burst(), **words)
    with pytest.raises(ValueError, match="frames x features"):
        find_events(np.zeros(3))


@given(hnp.arrays(np.float64, (30, 5), elements=st.sampled_from([0.0, 0.0, 0.0, 0.5, 2.0, -3.0])))
def test_laws(transient):
    before = transient.copy()
    events = find_events(transient, min_frames=1, max_gap=0, time=np.arange(30) / 10.0)
    assert np.array_equal(transient, before)
    assert (events["onset_frame"] <= events["apex_frame"]).all() and (
        events["apex_frame"] <= events["offset_frame"]
    ).all()
    assert events["onset_frame"].is_monotonic_increasing
    # Every strong cell lies inside an event of its feature's extent; an event's cells are not counted twice.
    covered = np.zeros(30, dtype=bool)
    for event in events.itertuples():
        covered[event.onset_frame : event.offset_frame + 1] = True
    assert covered[(np.abs(transient) > 1.9).any(axis=1)].all()
    assert events["energy"].sum() <= (transient**2).sum() + 1e-9
    # Units do not matter: scaling a feature and its noise changes nothing but the peak.
    scaled = find_events(transient * 8.0, sigma=8.0, min_frames=1, max_gap=0, time=np.arange(30) / 10.0)
    pd.testing.assert_frame_equal(scaled.drop(columns="peak"), events.drop(columns="peak"))
    mirrored = find_events(-transient, min_frames=1, max_gap=0, time=np.arange(30) / 10.0)
    assert mirrored["features"].tolist() == events["features"].tolist()
