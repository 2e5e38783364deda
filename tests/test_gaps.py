"""Missing cells: what the base leaves of a feature for a while is carried over gaps, what is noise is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

import rpca_affect as ra
from rpca_affect.gaps import carry_over, lined
from rpca_affect.lags import embedded
from rpca_affect.session.prediction import hidden_stretches, straight_lines


def curves(rng, frames, features, width):
    """Unrelated smooth curves of variance 1."""
    smooth = gaussian_filter1d(rng.standard_normal((frames + 8 * width, features)), width, axis=0)
    smooth = smooth[4 * width : frames + 4 * width]
    return smooth / smooth.std(axis=0)


def carried(left, known, lengths=None):
    """What is added to guesses of 0."""
    guess = np.zeros_like(left)
    carry_over(guess, np.where(known, left, 0.0), np.where(known, left, 0.0), known, lengths)
    return guess


@pytest.mark.parametrize("length", [1, 5, 10])
def test_what_lasts_is_carried_over_and_noise_is_not(length):
    rng = np.random.default_rng(length)
    known = ~hidden_stretches(np.ones((900, 12), dtype=bool), length, 0.1, rng)
    slow, noise = curves(rng, 900, 12, 12), rng.standard_normal((900, 12))
    assert np.mean(np.square(carried(slow, known) - slow)[~known]) < 0.03
    assert np.mean(np.square(carried(noise, known))[~known]) < 0.02


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_no_observed_cell_no_other_feature_and_no_other_sequence_has_a_say(seed, features, sequences):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(5, 60, sequences).tolist()
    frames = sum(lengths)
    left, known = curves(rng, frames, features, 5), rng.random((frames, features)) < 0.7
    number = np.repeat(np.arange(sequences), lengths)
    known[number == sequences - 1, 0] = False
    found = carried(left, known, lengths)
    assert not found[known].any()
    assert sequences == 1 or not found[number == sequences - 1, 0].any()
    order = rng.permutation(features)
    np.testing.assert_allclose(carried(left[:, order], known[:, order], lengths), found[:, order], atol=1e-12)
    np.testing.assert_allclose(carried(8 * left, known, lengths), 8 * found, atol=1e-12)


@pytest.mark.parametrize("length", [5, 10])
def test_features_whose_own_movements_come_and_go_are_predicted_better_than_by_lines(length):
    ours, lines = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        shared = curves(rng, 500, 3, 12) @ rng.standard_normal((3, 16))
        clean = shared + 1.5 * np.maximum(curves(rng, 500, 16, 12) - 0.7, 0.0)
        seen = clean + 0.1 * rng.standard_normal(clean.shape)
        known = ~hidden_stretches(np.ones(clean.shape, dtype=bool), length, 0.05, rng)
        base = ra.decompose(np.where(known, seen, np.nan), check=False).base_values
        ours.append(np.linalg.norm((base - clean)[~known]))
        lines.append(np.linalg.norm((straight_lines(seen, known) - clean)[~known]))
    assert np.mean(ours) < np.mean(lines)


def test_frames_that_are_lost_for_less_than_a_window_are_predicted_from_it():
    rng = np.random.default_rng(0)
    clean = curves(rng, 600, 3, 6) @ rng.standard_normal((3, 12))
    seen = clean + 0.1 * rng.standard_normal(clean.shape)
    known = np.ones(clean.shape, dtype=bool)
    for start in range(20, 580, 40):
        known[start : start + 4] = False
    base = ra.decompose(np.where(known, seen, np.nan), check=False).base_values
    lines = straight_lines(base, known)
    assert np.linalg.norm((base - clean)[~known]) < 0.6 * np.linalg.norm((lines - clean)[~known])


def test_a_window_of_one_feature_moves_on_whatever_the_strides():
    column = np.arange(6.0)
    np.testing.assert_array_equal(embedded(column[:, None], 3), embedded(column.reshape(6, 1), 3))
    np.testing.assert_array_equal(embedded(column[:, None], 3)[1], [1, 2, 3])


def at_rates(pattern, shape):
    """Observed cells of a table whose features, or frames, are seen every few frames only."""
    frames, features = np.indices(shape)
    slow = features < pattern.get("slow", shape[1])
    step, rate = pattern.get("step", 1), pattern.get("rate", 1.0)
    ticks = frames + pattern.get("phase", 0) * features
    if pattern.get("slip"):
        ticks = ticks + (frames > shape[0] // 2)
    return ~slow | ((ticks % step == 0) & (np.floor(ticks * rate) != np.floor((ticks - 1) * rate)))


PATTERNS = {
    "every other frame": {"step": 2},
    "every third frame": {"step": 3},
    "12 of 30 frames": {"rate": 0.4},
    "in turn": {"step": 2, "phase": 1},
    "in turn by three": {"step": 3, "phase": 1},
    "a slip": {"step": 2, "slip": True},
    "half of the features": {"step": 3, "slow": 6},
    "most of the features": {"step": 2, "slow": 10},
    "all but one feature": {"step": 3, "slow": 11},
}


@pytest.mark.parametrize(("name", "lags"), [(name, "auto") for name in PATTERNS] + [
    (name, 1) for name, pattern in PATTERNS.items() if pattern.get("slow", 12) > 10
])  # fmt: skip
def test_streams_of_different_rates_share_a_base(name, lags):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        base = curves(rng, 400, 3, 25) @ rng.standard_normal((3, 12))
        table = base + 0.05 * rng.standard_normal(base.shape)
        for start in rng.integers(0, 390, 8):
            table[start : start + 5, rng.choice(12, 3, replace=False)] += 1.5
        known = at_rates(PATTERNS[name], base.shape)
        whole = ra.decompose(table, fps=30.0, lags=lags, check=False)
        part = ra.decompose(table, mask=known, fps=30.0, lags=lags, check=False)
        errors = [np.linalg.norm(split.base_values - base) / np.linalg.norm(base) for split in (whole, part)]
        assert errors[1] < 3 * errors[0] + 0.02
        assert not part.transient.to_numpy()[~known].any()
        if lags == 1:
            continue
        model = ra.RobustPCA(output="low_rank").fit(np.where(known, table, np.nan))
        np.testing.assert_allclose(model.low_rank_, part.base_values, atol=0.02)


def test_no_line_is_laid_in_a_long_gap_between_sequences_or_where_neighbours_are_seen():
    values = np.zeros((90, 3))
    known = at_rates({"step": 3}, values.shape)
    known[30:51] = False
    known[:, 2] = np.random.default_rng(0).random(90) < 0.7
    values[known] = 1.0
    taken = lined(values, known, [60, 30], 2)
    np.testing.assert_array_equal(taken[:, 2], known[:, 2])
    assert taken[:28, :2].all() and not taken[28:51, :2].any() and not taken[58:60, :2].any()
    np.testing.assert_array_equal(values[taken], 1.0)
    assert not values[~taken].any()
