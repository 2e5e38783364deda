"""Lags: a view and its mean, windows of unseen frames, and a base that knows time."""

from itertools import pairwise

import array_api_strict
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect import lags as lags_module
from rpca_affect.arrays import Observed
from rpca_affect.lags import apart, averaged, embedded, embedded_norm, surrounded, windows_of


@given(st.integers(1, 9), st.integers(9, 30), st.integers(1, 4))
def test_the_mean_of_the_copies_is_the_inverse(lags, frames, features):
    x = np.random.default_rng(frames).standard_normal((frames, features))
    windows = embedded(x, lags)
    assert windows.shape == (frames - lags + 1, lags * features)
    assert lags == 1 or (np.shares_memory(windows, x) and not windows.flags.writeable)
    np.testing.assert_allclose(averaged(windows, lags), x, atol=1e-12)
    for other in (array_api_strict.asarray(x), pytest.importorskip("torch").asarray(x)):
        np.testing.assert_array_equal(np.asarray(embedded(other, lags)), windows)
        np.testing.assert_allclose(np.asarray(averaged(embedded(other, lags), lags)), x, atol=1e-12)


@given(st.integers(1, 8))
def test_every_frame_has_a_window_with_nothing_beyond_the_ends(lags):
    x = np.arange(24.0).reshape(12, 2) + 1
    windows, mask = surrounded(x, None, lags)
    assert windows.shape == (12, 2 * lags)
    middle = slice(2 * (lags // 2), 2 * (lags // 2) + 2)
    np.testing.assert_array_equal(windows[:, middle], x)
    if mask is not None:
        assert (windows[~mask] == 0).all() and (windows[mask] > 0).all()


def test_the_norm_of_embedded_noise_is_measured():
    for shape, lags in (((300, 8), 10), ((600, 20), 5)):
        noise = np.random.default_rng(1).standard_normal(shape)
        size = np.linalg.norm(embedded(noise, lags), 2)
        assert abs(embedded_norm(shape, lags) / size - 1) < 0.1


def test_a_base_that_knows_time_is_closer():
    rng = np.random.default_rng(0)
    time = np.arange(600)[:, None]
    base = np.sin(time / [9.0, 17, 30]) @ rng.standard_normal((3, 8))
    frames = base + 0.2 * rng.standard_normal(base.shape)
    frames[rng.random(frames.shape) < 0.03] += 3.0
    plain, timed = (ra.decompose(frames, lags=lags, check=False) for lags in (1, "auto"))
    assert timed.summary()["lags"] == [15]
    assert np.linalg.norm(timed.base_values - base) < 0.7 * np.linalg.norm(plain.base_values - base)
    assert timed.status.converged and timed.decomposition.gap < 1e-3


def test_frames_are_transformed_with_their_neighbours():
    time = np.arange(500)[:, None]
    rng = np.random.default_rng(0)
    base = np.sin(time / [9.0, 17]) @ rng.standard_normal((2, 6))
    frames = base + 0.1 * rng.standard_normal(base.shape)
    model = ra.RobustPCA().fit(frames[:300])
    unseen = frames[300:].copy()
    unseen[50:53, :4] = np.nan
    scores = model.transform(unseen)
    assert model.lags_ == 15 and scores.shape == (200, model.n_components_)
    found = model.inverse_transform(scores)
    assert np.abs(found - base[300:]).max() < 0.5
    np.testing.assert_allclose(model.set_params(output="low_rank").transform(unseen), found)


def test_wide_disordered_and_short_tables_stay_plain():
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.standard_normal((200, 3)), axis=0) @ rng.standard_normal((3, 160))
    assert ra.decompose(smooth + 0.1 * rng.standard_normal(smooth.shape), check=False).summary()["lags"] == [1]
    narrow = smooth[:, :6] + 0.1 * rng.standard_normal((200, 6))
    assert ra.decompose(narrow, check=False).summary()["lags"][0] > 1
    assert ra.decompose(rng.permutation(narrow), check=False).summary()["lags"] == [1]
    assert ra.decompose(narrow[:50], check=False).summary()["lags"] == [1]
    for wrong in (0, 1.5, "many", True):
        with pytest.raises((ValueError, TypeError), match="lags is"):
            ra.decompose(narrow, lags=wrong)


@given(st.lists(st.integers(4, 9), min_size=1, max_size=4), st.integers(1, 4), st.booleans())
def test_no_window_holds_frames_of_two_sequences(lengths, lags, missing):
    frames = sum(lengths)
    rng = np.random.default_rng(frames)
    x, known = rng.standard_normal((frames, 2)), rng.random((frames, 2)) > (0.3 if missing else -1.0)
    ends = np.cumsum([0, *lengths])
    alone = [slice(first, last) for first, last in pairwise(ends)]
    for convert in (np.asarray, array_api_strict.asarray):
        windows = windows_of(lags, lengths, convert(x))
        wanted = np.concatenate([embedded(x[rows], lags) for rows in alone])
        np.testing.assert_array_equal(np.asarray(windows.rows(convert(x))), wanted)
        mask = windows.mask(convert(known) if missing else None, x.shape)
        inside = np.concatenate([embedded(known[rows], lags) for rows in alone])
        assert (mask is None) == (not missing and (lags == 1 or len(lengths) == 1))
        counted = np.full((frames - lags + 1, 2 * lags), True) if mask is None else np.asarray(mask)
        assert counted.sum() == inside.sum()
        np.testing.assert_array_equal(embedded(x, lags)[counted], wanted[inside])
        np.testing.assert_allclose(np.asarray(windows.mean(embedded(convert(x), lags))), x, atol=1e-12)
        np.testing.assert_allclose(np.asarray(windows.unrolled(windows.rows(convert(x)))), x, atol=1e-12)
        spread_out = np.asarray(apart(Observed(convert(x)), lengths, 3).values)
        assert len(spread_out) == frames + 3 * (len(lengths) - 1)


def two_sequences(seed=0):
    """The same movements, on levels far apart: a window over both would hold a jump."""
    rng = np.random.default_rng(seed)
    time = np.arange(160)[:, None]
    base = np.sin(time / [9.0, 17]) @ rng.standard_normal((2, 6))
    frames = base + 0.1 * rng.standard_normal(base.shape)
    frames[rng.random(frames.shape) < 0.03] += 2.0
    return frames[:90], frames[90:] + np.linspace(3, 5, 6)


def test_the_order_of_sequences_does_not_matter():
    first, second = two_sequences()
    models = [
        ra.RobustPCA(lags=6, noise=0.1, tol=1e-7).fit(
            np.concatenate(pair), sequence_id=np.repeat([0, 1], [len(pair[0]), len(pair[1])])
        )
        for pair in ((first, second), (second, first))
    ]
    one, other = models
    np.testing.assert_allclose(one.low_rank_[:90], other.low_rank_[70:], atol=1e-3)
    np.testing.assert_allclose(one.low_rank_[90:], other.low_rank_[:70], atol=1e-3)
    np.testing.assert_allclose(one.noise_scale_, other.noise_scale_, rtol=1e-3)
    # A window over both would show the jump in the frames beside the seam.
    mixed = ra.RobustPCA(lags=6, noise=0.1, tol=1e-7).fit(np.concatenate([first, second]))
    assert np.abs(mixed.low_rank_[85:95] - one.low_rank_[85:95]).max() > 0.01


def test_stacked_sequences_are_transformed_as_each_alone():
    first, second = two_sequences()
    second[3, 2] = np.nan
    model = ra.SequenceRobustPCA(estimator=ra.RobustPCA(lags=6)).fit([first, second])
    for output in ("scores", "low_rank", "sparse"):
        model.set_params(output=output)
        together = model.transform([first, second])
        np.testing.assert_allclose(together[0], model.transform([first])[0], atol=1e-9)
        np.testing.assert_allclose(together[1], model.transform([second])[0], atol=1e-9)
    # Rows of the sequences may lie among each other.
    table, number = np.concatenate([first, second]), np.repeat([0, 1], [90, 70])
    tags, mixed = np.random.default_rng(0).permutation(number), np.empty(160, dtype=int)
    mixed[tags == 0], mixed[tags == 1] = np.arange(90), np.arange(90, 160)
    worker = model.estimator_.set_params(output="scores")
    scores = worker.transform(table, sequence_id=number)
    np.testing.assert_allclose(worker.transform(table[mixed], sequence_id=number[mixed]), scores[mixed], atol=1e-9)
    back = worker.inverse_transform(scores[mixed], sequence_id=number[mixed])
    np.testing.assert_allclose(back, worker.inverse_transform(scores, sequence_id=number)[mixed], atol=1e-9)
    with pytest.raises(ValueError, match="a sequence has 4 frames: give at most 4"):
        ra.SequenceRobustPCA(estimator=ra.RobustPCA(lags=6)).fit([first, second[:4]])


@pytest.mark.parametrize("noise", ["auto", 0.1])
def test_a_feature_that_one_sequence_never_shows(noise):
    rng = np.random.default_rng(0)
    x = np.sin(np.arange(200)[:, None] / rng.uniform(10, 20, 8)) + 0.1 * rng.normal(size=(200, 8))
    x[100:, 3] = np.nan
    time = np.arange(200) / 25 + 60.0 * (np.arange(200) >= 100)
    table = pd.DataFrame(x, columns=[f"AU{i:02d}_r" for i in range(8)]).assign(timestamp=time)
    split = ra.decompose(table, noise=noise, check=False)
    assert [part.lags > 1 for part in split.sequences] == [True, True]
    assert np.array_equal(split.base_values[100:, 3], np.full(100, np.nanmedian(x[:, 3])))


@pytest.mark.parametrize("lags", [1, 4])
def test_parts_do_not_depend_on_how_many_frames_are_made_at_a_time(lags, monkeypatch):
    rng = np.random.default_rng(0)
    frames = np.outer(np.sin(np.arange(150) / 20), np.linspace(1, 2, 6)) + rng.normal(0, 0.05, (150, 6))
    frames[rng.random(frames.shape) < 0.1] = np.nan
    frames[40:44, 2] += 3.0
    parts = []
    for cells in (1 << 17, 97):
        monkeypatch.setattr(lags_module, "CELLS", cells)
        split = ra.decompose(frames, lags=lags)
        parts.append((split.base_values, split.transient_values, split.residual_values))
    for one, other in zip(*parts):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_a_base_that_knows_time_is_not_pulled_after_bursts():
    kept, errors = [], []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        curves = np.sin(2 * np.pi * np.arange(600)[:, None] / rng.uniform(60, 240, 4) + rng.uniform(0, 6, 4))
        truth = curves @ rng.standard_normal((4, 12)) / np.sqrt(2)
        added = np.zeros_like(truth)
        for start in range(20, 580, 20):
            length, columns = int(rng.integers(2, 9)), rng.choice(12, int(rng.integers(1, 6)), replace=False)
            added[start : start + length, columns] = rng.uniform(0.4, 1.0) * rng.choice([-1.0, 1.0])
        frames = truth + 0.1 * rng.standard_normal(truth.shape)
        split = ra.decompose(frames + added, lags=15, check=False)
        kept.append(np.sum(split.transient_values * added) / np.sum(added**2))
        errors.append(np.linalg.norm(split.base_values - truth) / np.linalg.norm(truth))
    assert np.mean(kept) > 0.8 and np.mean(errors) < 0.08
