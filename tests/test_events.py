"""Transient events: what a run is, what joins, and what the table says."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.signal import lfilter

import rpca_affect as ra
from rpca_affect.session import leverage
from rpca_affect.session.chance import measure_noise
from rpca_affect.session.events import COLUMNS, find_events
from rpca_affect.session.runs import join_cells


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


def test_of_nothing_there_are_no_runs():
    nothing = join_cells(*np.zeros((2, 0), dtype=int), np.zeros(0), 1, 1)
    assert {len(values) for values in nothing} == {0}


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


@pytest.mark.parametrize(("rows", "joins"), [((22, 30), True), ((23, 31), False), ((21, 29), True), ((25, 26), True)])
def test_a_run_joins_the_stronger_one_that_it_lies_half_inside(rows, joins):
    # the stronger run fills frames 20 to 25; of the eight frames 22 to 29 exactly four lie inside it
    weaker = burst(rows=slice(*rows), column=2)
    weaker[rows[1] - 1, 2] *= 1.1  # it is strongest at its end
    events = find_events(burst(height=5.0) + weaker)
    assert events["n_features"].tolist() == ([2] if joins else [1, 1])


def test_a_run_joins_the_stronger_one_during_which_it_is_strongest():
    weaker = burst(rows=slice(10, 40), column=2)
    weaker[22, 2] *= 1.5
    assert find_events(burst(height=5.0) + weaker)["n_features"].tolist() == [2]


def test_weak_and_short_runs_do_not_count():
    transient = burst(height=1.9) + burst(rows=slice(50, 51), height=9.0) + burst(rows=slice(70, 72), height=2.1)
    assert find_events(transient, min_frames=2)["onset_frame"].tolist() == [70]
    assert find_events(transient)["onset_frame"].tolist() == [50, 70]
    assert find_events(transient, min_peak=1.5, min_frames=2)["onset_frame"].tolist() == [20, 70]


def test_no_event_and_no_time_keep_the_columns():
    empty = find_events(np.zeros((10, 2)))
    assert tuple(empty.columns) == COLUMNS and empty.empty
    untimed = find_events(burst(), frame_numbers=np.arange(1, 201, 2))
    assert np.isnan(untimed.loc[0, "start"]) and untimed.loc[0, "onset_frame"] == 41


@pytest.mark.parametrize(
    "words", [{"min_frames": 0}, {"max_gap": -1}, {"min_peak": -0.1}, {"false_alarms": -1.0}, {"fdr": np.nan}]
)
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


NOISES = {
    "white": lambda rng, shape: rng.standard_normal(shape),
    "slow": lambda rng, shape: lfilter([0.71], [1, -0.7], rng.standard_normal(shape), axis=0),
    "shared": lambda rng, shape: (
        rng.standard_normal(shape) + rng.standard_normal((shape[0], 2)) @ rng.standard_normal((2, shape[1]))
    ),
    "heavy": lambda rng, shape: rng.standard_t(4, shape),
    "sharp": lambda rng, shape: rng.laplace(size=shape),
}


def parted(deviation, scale=None):
    """Transients and residual of a deviation, cut where a split with threshold 2 cuts."""
    scale = 1.4826 * np.median(np.abs(deviation), axis=0) if scale is None else scale
    far = np.abs(deviation) > 2 * scale
    return {"transient": np.where(far, deviation, 0.0), "residual": np.where(far, 0.0, deviation), "sigma": scale}


@pytest.mark.parametrize("kind", NOISES)
def test_noise_raises_about_as_many_alarms_as_asked(kind):
    minutes, got = 0.0, 0
    for seed in range(4):
        noise = NOISES[kind](np.random.default_rng(seed), (3600, 15))
        got += len(find_events(**parted(noise), false_alarms=3.0, fps=30))
        minutes += 2
    # 24 are asked for; counts scatter, and tails are read from a finite recording
    assert 5 <= got <= 60
    assert got / minutes < 8


def test_tails_decide_how_high_a_peak_must_be():
    rng = np.random.default_rng(0)
    heavy, normal = rng.standard_t(3, (3000, 12)), rng.standard_normal((3000, 12))
    burst_of = np.zeros((3000, 12))
    burst_of[1000:1004, 3:6] = 7.0
    assert len(find_events(**parted(normal + burst_of))) >= 1
    seven = find_events(**parted(normal + burst_of)).query("onset_frame <= 1003 and offset_frame >= 1000")
    assert seven["n_features"].max() == 3 and seven["chance"].max() < 1e-3
    # twenty-fold deviations of single cells are usual with three degrees of freedom
    constant = find_events(**parted(heavy), min_peak=7.0)
    assert len(find_events(**parted(heavy))) < 10 < len(constant)


def test_fewer_asked_are_part_of_more_asked_and_few_are_false():
    rng = np.random.default_rng(1)
    deviation = rng.standard_normal((3000, 20))
    starts = np.arange(100, 2900, 140)
    for start in starts:
        deviation[start : start + 5, start % 15 : start % 15 + 3] += 6.0
    words = parted(deviation, np.ones(20))
    lists = [set(find_events(**words, false_alarms=rate)["apex_frame"]) for rate in (0.01, 1.0, 20.0)]
    assert lists[0] <= lists[1] <= lists[2] and len(lists[0]) >= 15
    strict = find_events(**words, fdr=0.1)
    true = [np.min(np.abs(starts + 2 - apex)) <= 4 for apex in strict["apex_frame"]]
    assert len(strict) >= 19 and np.mean(true) >= 0.8
    assert len(find_events(**words, false_alarms=0.0)) == 0


def test_a_minute_is_as_long_as_the_frames_say():
    words = parted(np.random.default_rng(3).standard_normal((6000, 20)))
    slow, fast = (len(find_events(**words, fps=fps, false_alarms=6.0)) for fps in (10, 60))
    assert slow > 2 * fast > 0  # ten minutes, or less than two


def test_units_of_the_deviation_do_not_matter():
    rng = np.random.default_rng(5)
    deviation = rng.standard_t(5, (1500, 8))
    deviation[700:705, 2] += 12
    units = 10.0 ** np.arange(-4, 4)
    one, other = find_events(**parted(deviation)), find_events(**parted(deviation * units))
    same = ["onset_frame", "offset_frame", "features", "chance"]
    pd.testing.assert_frame_equal(one[same], other[same], rtol=1e-6)


def test_a_split_measures_its_noise_once(monkeypatch):
    calls = []

    def counted(*args, **words):
        calls.append(1)
        return measure_noise(*args, **words)

    monkeypatch.setattr(leverage, "measure_noise", counted)
    rng = np.random.default_rng(0)
    split = ra.decompose(np.outer(np.sin(np.arange(200) / 30), np.ones(6)) + rng.normal(0, 0.1, (200, 6)))
    assert split.events().equals(split.events()) and len(split.events(false_alarms=20.0)) >= len(split.events(fdr=0.1))
    assert split.summary()["events"] == len(split.events())
    assert len(calls) == 1


@pytest.mark.parametrize("features, kept", [
    (None, 0), ("au", 0), ("AU*", 0), (["AU01_r", "AU*"], 0), ("AU_r", 0),
    ("AU_r,AU_c", 2), ("AU_r,AU01_c", 1), ("AU*_c", 2), (["AU12_r", "AU25_r", "AU45_c"], 1),
])  # fmt: skip
def test_every_door_passes_presence_through_unless_it_is_named(tmp_path, features, kept):
    """A table, a file, a recording that was read before, and a study, which reads first."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(np.outer(np.sin(np.arange(200) / 30), np.ones(4)) + rng.normal(0, 0.1, (200, 4)))
    table.columns = ["AU01_r", "AU02_r", "AU12_r", "AU25_r"]
    table = table.assign(AU01_c=(np.arange(200) % 50 < 5) * 1.0, AU45_c=(np.arange(200) % 70 < 9) * 1.0)
    path = tmp_path / "session.csv"
    table.to_csv(path, index=False)
    ra.decompose_many([path], out=tmp_path / "out", features=features)
    splits = [
        ra.decompose(table, features=features, check=False),
        ra.decompose(path, features=features, check=False),
        ra.decompose(ra.read(path, features=features), check=False),
    ]
    names = {split.recording.feature_names for split in splits}
    names.add(tuple(pd.read_csv(next((tmp_path / "out").rglob("features.csv")))["feature"]))
    assert len(names) == 1 and sum(name.endswith("_c") for name in names.pop()) == kept


def test_presence_is_passed_through_unless_asked_for():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(np.outer(np.sin(np.arange(200) / 30), np.ones(4)) + rng.normal(0, 0.1, (200, 4)))
    table.columns = ["AU01_r", "AU02_r", "AU12_r", "AU25_r"]
    table["AU01_c"] = (np.arange(200) % 50 < 5).astype(float)
    table["AU45_c"] = 0.0  # at rest, in a group of presence columns
    split = ra.decompose(table)
    assert split.recording.feature_names == ("AU01_r", "AU02_r", "AU12_r", "AU25_r")
    assert split.base["AU01_c"].equals(table["AU01_c"]) and not split.transient["AU01_c"].any()
    assert any("AU01_c" in notice and "2 features" in notice for notice in split.recording.notices)
    assert "AU01_c" in ra.decompose(table, features=["AU*", "AU01_c"]).recording.feature_names
    only = table[["AU01_c"]].assign(AU45_c=1 - table["AU01_c"])
    assert ra.decompose(only).recording.n_features == 2, "nothing else is there to split"


def test_noise_that_comes_and_goes_is_no_event():
    rng = np.random.default_rng(0)
    active = (np.arange(3600) // 300 % 2 == 1)[:, None]  # ten seconds of noise, ten of rest, and a little of all
    deviation = np.where(active, 1.0, 0.02) * rng.standard_normal((3600, 12))
    even = len(find_events(**parted(deviation, np.full(12, 0.7)), fps=30, false_alarms=1.0))
    assert even <= 8
    deviation[450:455, 3] += 9.0
    assert (find_events(**parted(deviation, np.full(12, 0.7)), fps=30)["onset_frame"].between(446, 454)).any()


def test_the_rate_that_decompose_was_told_is_that_of_its_events_and_tables(tmp_path):
    rng = np.random.default_rng(4)
    table = np.outer(np.sin(np.arange(900) / 30), np.linspace(1, 2, 12)) + rng.normal(0, 0.1, (900, 12))
    for start in range(50, 850, 100):
        table[start : start + 2, start % 12] += 0.55
    frame = pd.DataFrame(table, columns=[f"AU{k:02d}" for k in range(1, 13)])
    few, many = (ra.decompose(frame, fps=30.0, check=False, false_alarms=rate) for rate in (0.001, 30.0))
    assert few.events().equals(many.events(false_alarms=0.001)) and many.events().equals(few.events(false_alarms=30.0))
    assert len(few.events()) < len(many.events()) == many.summary()["events"]
    assert "noise alone would show 30 per minute" in many.report(tmp_path / "report.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="false_alarms"):
        ra.decompose(frame, false_alarms=-1.0)


@pytest.mark.parametrize("start", [0, 1500])
@pytest.mark.parametrize("frames", [500, 900, 1500])
def test_pieces_of_a_real_recording_keep_their_blinks(start, frames):
    # The bulk of a few hundred frames hardly tells how heavy tails are: one piece lists blinks of 100 deviations, and
    # so does the next.
    if (data := os.environ.get("RPCA_AFFECT_DATA")) is None:
        pytest.skip("RPCA_AFFECT_DATA is not set")
    table = pd.read_csv(Path(data) / "livelink" / "alex_rom_3.csv").iloc[start : start + frames]
    events = ra.decompose(table, check=False).events()
    assert (events["peak_sigma"].abs() > 50).sum() >= 3
