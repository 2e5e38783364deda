"""Lags: a view and its mean, windows of unseen frames, and a base that knows time."""

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.lags import averaged, embedded, embedded_norm, surrounded


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
