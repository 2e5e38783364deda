"""Cells that were filled in, frames that stand still, and numbers that no unit explains: found, and said."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.recordings import from_array, from_frame
from rpca_affect.recordings.plausible import oddities

FRAMES, FEATURES = 400, 6


def measured(seed: int = 0, frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """Slow movements of rank two within their own range, and the same with noise."""
    rng = np.random.default_rng(seed)
    slow = np.stack([np.sin(np.arange(frames) / rng.uniform(12, 25) + rng.uniform(0, 6)) for _ in range(2)], axis=1)
    base = slow @ rng.normal(size=(2, FEATURES)) + rng.uniform(0.5, 3, FEATURES)
    return base, base + 0.03 * rng.normal(size=base.shape)


def said(recording, words: str) -> bool:
    return any(words in notice for notice in recording.notices)


def runs(rng, lasts: int, share: float) -> np.ndarray:
    rows = np.zeros(FRAMES, dtype=bool)
    while rows.mean() < share:
        start = int(rng.integers(1, FRAMES - lasts))
        rows[start : start + lasts] = True
    return rows


# ---------------------------------------------------------------- filled in


@given(
    st.integers(0, 99),
    st.sampled_from([1, 4, 12]),
    st.floats(0.08, 0.4),
    st.sampled_from(["median", "mean", "whole"]),
    st.integers(1, FEATURES),
)
@settings(max_examples=40, deadline=None)
def test_a_number_that_was_filled_in_is_no_measurement(seed, lasts, share, filler, columns):
    _, values = measured(seed)
    rows = runs(np.random.default_rng(seed), lasts, share)
    number = {"median": np.median(values, axis=0), "mean": values.mean(axis=0), "whole": np.round(values.mean(axis=0))}
    filled = values.copy()
    filled[np.ix_(rows, range(columns))] = number[filler][:columns]
    recording = from_array(filled)
    away = np.abs(values - number[filler])[~rows]
    beside = (np.roll(rows, 1) | np.roll(rows, -1))[~rows]
    for k in range(columns):
        # Nobody can tell in noise, or where the feature happens to be near the number whenever it is filled in.
        clear = (away[:, k] < np.median(away[beside, k])).mean() > 0.4 and beside.sum() > 8
        clear &= np.median(np.abs(np.diff(values[:, k]))) < 0.12 * np.median(away[:, k])
        inside = values[~rows, k].min() < number[filler][k] < values[~rows, k].max()
        if clear and inside and columns < FEATURES:
            np.testing.assert_array_equal(~recording.mask[:, k], rows)
    assert recording.mask[~rows].all() and recording.mask[:, columns:].all()


@pytest.mark.parametrize("number", [1.0, 0.5, None])
def test_a_feature_filled_in_is_as_good_as_missing(number):
    base, values = measured(3)
    rows = runs(np.random.default_rng(3), 8, 0.35)
    filled, missing = values.copy(), values.copy()
    filled[rows, 2] = np.median(values[:, 2]) if number is None else np.round(values[:, 2].mean()) + number - 1
    missing[rows, 2] = np.nan
    error = [np.linalg.norm(ra.decompose(x, fps=30, check=False).base_values - base) for x in (filled, missing)]
    assert error[0] < 1.2 * error[1]


@pytest.mark.parametrize("kind", ["rest", "dead", "saturated", "grades", "unordered"])
@pytest.mark.parametrize("seed", range(4))
def test_what_comes_back_by_nature_is_measured(kind, seed):
    _, whole = measured(seed)
    values = whole[:, :2] - np.median(whole[:, :2], axis=0)
    if kind == "rest":  # an intensity at its lowest
        values = np.maximum(values, 0.0)
    elif kind == "dead":  # a direction that reads 0 near the middle
        values = np.where(np.abs(values) < 0.4 * values.std(axis=0), 0.0, values)
    elif kind == "saturated":
        values = np.clip(values, -1.0 * values.std(axis=0), 0.8 * values.std(axis=0))
    elif kind == "grades":
        values = 10 + np.round(values / values.std(axis=0) * 3)
    else:
        values = np.random.default_rng(seed).permutation(np.where(np.abs(values) < 0.1, 0.01, values))
    assert from_array(np.hstack([values, whole[:, 2:]])).mask.all()


# ---------------------------------------------------------------- frames that stand still


@given(st.integers(0, 99), st.integers(3, 60), st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_frozen_frames_count_as_missing_behind_their_first(seed, lasts, times):
    _, values = measured(seed)
    frozen = np.zeros(FRAMES, dtype=bool)
    for start in np.random.default_rng(seed).choice(np.arange(10, FRAMES - 70, 70), times, replace=False):
        values[start : start + lasts] = values[start]
        frozen[start + 1 : start + lasts] = True
    recording = from_array(values)
    if lasts > 4:
        np.testing.assert_array_equal(~recording.mask.any(axis=1), frozen)
        assert said(recording, f"longest run {lasts}")
    assert recording.mask[~frozen].all()


@pytest.mark.parametrize("grain", [0.0, 0.001, 0.01])
@pytest.mark.parametrize("features", [6, 3, 1])
@pytest.mark.parametrize("times", [2, 2.5, 3, 8])
def test_features_slower_than_the_table_are_seen_when_a_new_number_comes(times, features, grain):
    _, values = measured()
    if grain:
        values = np.round(values / grain) * grain
    whole = values.copy()
    fresh = np.floor(np.arange(FRAMES) / times) != np.floor((np.arange(FRAMES) - 1) / times)
    source = np.maximum.accumulate(np.where(fresh, np.arange(FRAMES), 0))
    values[:, :features] = values[source][:, :features]
    recording = from_array(values)
    assert said(recording, f"{features} feature{'s' * (features > 1)} repeat the cell before, as a new number comes")
    assert recording.mask[:, features:].all()
    wrong = recording.mask[:, :features] != fresh[:, None]
    assert wrong[1:].mean() <= 20 * grain  # rounded, neighbours may be equal by chance
    np.testing.assert_array_equal(recording.values, values)
    np.testing.assert_array_equal(from_array(whole).mask, True)


@pytest.mark.parametrize("kind", ["rest", "dead band", "grades", "filled forward", "slow and rounded"])
def test_features_that_stand_still_now_and_then_are_not_slow(kind):
    rng = np.random.default_rng(3)
    _, values = measured()
    if kind == "rest":
        values = np.maximum(values - np.median(values, axis=0), 0.0)
    elif kind == "dead band":
        for k in range(1, FRAMES):
            near = np.abs(values[k] - values[k - 1]) < 0.1 * values.std(axis=0)
            values[k, near] = values[k - 1, near]
    elif kind == "grades":
        values = np.round(2 * values / values.std(axis=0))
    elif kind == "filled forward":
        values = pd.DataFrame(values).mask(rng.random(values.shape) < 0.2).ffill().bfill().to_numpy()
    else:
        values = np.round(np.sin(np.arange(FRAMES)[:, None] / [90, 100, 110, 120, 130, 140]), 2)
    assert not said(from_array(values), "as a new number comes")


def test_features_in_few_grades_stand_still_by_themselves():
    _, values = measured()
    recording = from_array(np.round(values))
    assert recording.mask.all() and said(recording, "count as observed")


@given(st.integers(0, 99), st.integers(6, 35), st.integers(1, 4), st.integers(3, FEATURES - 1), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_part_whose_last_values_were_held_counts_as_missing(seed, lasts, times, width, keyed):
    _, values = measured(seed)
    rng = np.random.default_rng(seed)
    some = rng.choice(FEATURES, width, replace=False)
    held = np.zeros(values.shape, dtype=bool)
    for start in rng.choice(np.arange(10, FRAMES - 70, 70), times, replace=False):
        values[start : start + lasts, some] = values[start, some]
        held[start + 1 : start + lasts, some] = True
    ends = (values == values.min(axis=0)) | (values == values.max(axis=0))
    if (ends & held).any():
        return
    table = pd.DataFrame(values).add_prefix("f")
    if keyed:  # rows of another person between them
        other = pd.DataFrame(measured(seed + 100)[1]).add_prefix("f")
        table = (
            pd.concat([table.assign(who="a"), other.assign(who="b")]).sort_index(kind="stable").reset_index(drop=True)
        )
    recording = from_frame(table)
    mask = recording.mask[::2] if keyed else recording.mask
    assert np.array_equal(~mask, held) and said(recording, "last values were held")


@given(st.integers(0, 99), st.sampled_from([2, 3]), st.sampled_from(["cut off", "at rest", "bump", "rounded"]))
@settings(max_examples=20, deadline=None)
def test_features_that_rest_or_are_rounded_are_not_held(seed, width, kind):
    _, values = measured(seed)
    if kind == "cut off":  # from below in the same frames
        values[100:130, :5] = values.min(axis=0)[:5]
    elif kind == "at rest":  # twice, and once below
        values[100:130, :5] = values[150:157, :5] = values.min(axis=0)[:5]
        values[170, :5] -= 20
    elif kind == "bump":  # of features that mostly rest
        rest = np.median(values, axis=0)[:5]
        values[:, :5] = np.maximum(values[:, :5], rest)
        values[100:110, :5] = (rest + values.max(axis=0)[:5]) / 2
    else:
        values[100:130, :width] = np.round(values[100, :width], 1)
        values = values if width < 3 else np.round(values, 1)
    assert not said(from_array(values), "last values were held")


def test_frozen_frames_are_as_good_as_missing():
    base, values = measured(5)
    missing = values.copy()
    for start in (50, 150, 300):
        values[start : start + 25] = values[start]
        missing[start + 1 : start + 25] = np.nan
    error = [np.linalg.norm(ra.decompose(x, fps=30, check=False).base_values - base) for x in (values, missing)]
    assert error[0] == pytest.approx(error[1])


# ---------------------------------------------------------------- what no unit explains


@given(st.integers(0, 99), st.sampled_from([360.0, 2 * np.pi]), st.booleans(), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_angles_that_start_again_are_said(seed, turn, signed, columns):
    _, values = measured(seed)
    angles = values.copy()
    around = turn * (0.5 if signed else 1.0)
    turned = around + (values - np.median(values, axis=0)) * turn / 20
    angles[:, :columns] = ((turned + turn / 2) % turn - turn / 2 if signed else turned % turn)[:, :columns]
    recording = from_frame(pd.DataFrame(angles, columns=list("abcdef")))
    assert said(recording, f"{', '.join('abc'[:columns])} jump") and not said(recording, "d jump")
    np.testing.assert_array_equal(recording.values, angles)


@pytest.mark.parametrize("scale", [0.2, 1.0, 30.0, 170.0])
def test_other_features_are_no_angles(scale):
    _, values = measured()
    values[::50] += scale
    assert not said(from_array(scale * (values - values.mean(axis=0))), "angle")


@given(st.integers(0, 99), st.integers(0, 40))
@settings(max_examples=20, deadline=None)
def test_points_that_may_separate_thousands_are_said(seed, missing):
    _, values = measured(seed)
    counts = np.round(1000 * np.abs(values - values.min(axis=0) + 0.2))
    read_as = np.where(counts >= 1000, counts / 1000, counts)
    read_as[:missing] = np.nan
    mixed = ((read_as < 10).mean(axis=0) > 0.1) & ((read_as >= 100).mean(axis=0) > 0.1)
    assert said(from_array(read_as), "separates thousands") >= bool(mixed.any())
    assert not said(from_array(counts), "thousands") and not said(from_array(values), "thousands")


@pytest.mark.parametrize("number", [9.99, -4.0, 12.5])
def test_a_number_apart_from_all_others_is_said(number):
    _, values = measured(1)
    values[60:90, 1] = number
    recording = from_frame(pd.DataFrame(values, columns=list("abcdef")))
    assert said(recording, f"b holds {number:g} in 30 cells") or not recording.mask[60:90, 1].any()
    assert not said(from_array(measured(1)[1]), "nothing between")


@pytest.mark.parametrize("top", [1e150, 1e300, 1.7e308])
def test_numbers_of_any_size_are_looked_at_without_overflow(top):
    rng = np.random.default_rng(0)
    values = np.sign(rng.standard_normal((60, 4))) * top * rng.random((60, 4))
    values[:20, 3] = top  # comes back, with the others far below
    values[20:, 3] *= 1e-9
    names = ["a", "b", "c", "d"]
    assert len(oddities(values, np.ones(values.shape, dtype=bool), names, str)) == 1
    oddities(np.full((5, 2), np.nan), np.zeros((5, 2), dtype=bool), names[:2], str)


@given(st.integers(0, 10**6), st.sampled_from([0.0, -1.0, -999.0, 999.0]), st.sampled_from([0.02, 0.1]), st.booleans())
@settings(max_examples=40, deadline=None)
@example(237, 0.0, 0.1, True)
def test_a_level_at_which_features_rest_is_no_filler_whatever_a_sentinel_adds(seed, code, share, runs):
    rng = np.random.default_rng(seed)
    values = np.sin(np.arange(300)[:, None] / rng.uniform(8, 40, 9) + rng.uniform(0, 6, 9)) * 4 + rng.uniform(-1, 60, 9)
    values += 0.1 * rng.standard_normal(values.shape)
    rest = np.quantile(values[:, ::3], 0.66, axis=0)
    values[:, ::3] = np.maximum(values[:, ::3], rest)
    hit = rng.random(values.shape) < share
    if runs:
        hit = np.repeat(hit[::5], 5, axis=0)
    recording = from_array(np.where(hit, code, values), fps=30.0)
    at_rest = (values[:, ::3] == rest) & ~hit[:, ::3]
    assert recording.mask[:, ::3][at_rest].all()
