"""The noise-aware model: one answer at every door, outliers however large, rows in any order, rank as planted."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.arrays import Observed
from rpca_affect.measuring import measured_noise

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # benchmarks are no part of the package

from benchmarks.model_checks import oracle

seeds = st.integers(0, 2**16)


def planted(frames=300, features=24, rank=3, noise=0.2, seed=0):
    """Slow patterns and white noise; base and sum."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None]
    moves = np.sin(time / rng.uniform(8, 40, rank) + rng.uniform(0, 6, rank))
    base = 2 * moves @ rng.standard_normal((rank, features))
    return base, base + noise * rng.standard_normal(base.shape)


def off(found, base):
    return np.linalg.norm(found - base) / np.linalg.norm(base)


def test_one_answer_at_every_door():
    @settings(max_examples=6, deadline=None)
    @given(seeds, st.sampled_from([1, "auto"]), st.booleans(), st.sampled_from([0.0, 0.1]), st.booleans())
    def law(seed, lags, refit, missing, struck):
        _, frames = planted(120, 10, 2, seed=seed)
        rng = np.random.default_rng(seed)
        if struck:
            frames += np.where(rng.random(frames.shape) < 0.03, 1e3 * rng.standard_normal(frames.shape), 0.0)
        frames[rng.random(frames.shape) < missing] = np.nan
        split = ra.decompose(frames, lags=lags, refit=refit, check=False)
        model = ra.RobustPCA(lags=lags, refit=refit).fit(frames)
        np.testing.assert_array_equal(model.low_rank_, split.base_values)
        np.testing.assert_array_equal(np.where(np.isnan(frames), 0, model.sparse_), split.transient_values)
        assert model.certificate_.gap == split.decomposition.gap
        hidden = np.ma.array(np.nan_to_num(frames, nan=1e20), mask=np.isnan(frames))
        np.testing.assert_array_equal(ra.RobustPCA(lags=lags, refit=refit).fit(hidden).low_rank_, model.low_rank_)

    law()


@pytest.mark.parametrize("value", [-999.0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("kind", ["frames", "cells"])
def test_gross_values_neither_move_the_base_nor_slow_the_solve(value, kind):
    base, frames = planted()
    clean = ra.decompose(frames, lags=1, check=False)
    rng = np.random.default_rng(1)
    for share in (0.01, 0.1):
        struck = frames.copy()
        if kind == "frames":
            struck[rng.choice(len(frames), int(share * len(frames)), replace=False)] = value
        else:
            where = rng.random(frames.shape) < share
            struck[where] = value * rng.uniform(0.5, 1.5, where.sum())
        split = ra.decompose(struck, lags=1, check=False)
        assert off(split.base_values, base) < 1.5 * off(clean.base_values, base)
        assert split.decomposition.n_iter < 2 * clean.decomposition.n_iter
        hit = struck != frames
        assert (split.transient_values[hit] != 0).all() or kind == "frames"


def test_a_feature_that_rests_is_not_blown_up():
    base, frames = planted(600)
    rng = np.random.default_rng(2)
    rests = 1e-3 * rng.standard_normal(600)
    for start in (100, 250, 400):
        rests[start : start + 30] += np.sin(np.linspace(0, np.pi, 30))
    frames[:, 5] = rests
    found = measured_noise(Observed(frames))
    assert found.deviation[5] > 0.1 and found.gross == 0
    rest = ra.decompose(frames, lags=1, check=False).base_values
    others = np.arange(24) != 5
    assert off(rest[:, others], base[:, others]) < 0.06


def test_shuffled_frames_give_about_the_same_split_and_say_so():
    base, frames = planted(400, 40)
    order = np.random.default_rng(3).permutation(len(frames))
    for solve in (
        lambda x: ra.decompose(x, lags=1, check=False),
        lambda x: ra.RobustPCA(lags=1).fit(x),
        lambda x: ra.solve(x, noise="auto"),
    ):
        ordered, shuffled = solve(frames), solve(frames[order])
        pairs = [next(getattr(a, n) for n in ("base_values", "low_rank_", "low_rank") if hasattr(a, n)) for a in
                 (ordered, shuffled)]  # fmt: skip
        assert off(pairs[1], base[order]) < 1.3 * off(pairs[0], base) + 0.01
        kinds = [d.kind for d in (shuffled.status_ if hasattr(shuffled, "status_") else shuffled.status).doubts]
        assert "unordered" in kinds
    stream = ra.IncrementalRobustPCA(3, batch_size=100, n_warmup=100)
    for part in (frames[order][:200], frames[order][200:], frames):
        stream.partial_fit(part)
    assert "unordered" in [doubt.kind for doubt in stream.status_.doubts]


@pytest.mark.parametrize("shape", [(30, 300), (300, 30), (136, 136), (300, 200), (2000, 60)])
@pytest.mark.parametrize("sigma", [1.0, "auto"])
def test_noise_makes_no_component_and_planted_rank_comes_back(shape, sigma):
    rng = np.random.default_rng(4)
    noise = rng.standard_normal(shape)
    low = 2 * rng.standard_normal((shape[0], 4)) @ rng.standard_normal((4, shape[1]))
    knee = 2.0 / (np.sqrt(shape[0]) + np.sqrt(shape[1]))
    assert ra.solve(noise, noise=sigma, lam=knee).rank == 0
    assert ra.solve(low + noise, noise=sigma, lam=knee).rank == 4


def test_zhou_and_others_setting_is_within_twice_the_oracle():
    rng = np.random.default_rng(5)
    n, rank, sigma = 200, 10, 0.1
    low = 10 / np.sqrt(n) * rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n))
    struck = rng.random((n, n)) < 0.05
    noisy = low + sigma * rng.standard_normal((n, n))
    found = ra.solve(np.where(struck, noisy + rng.uniform(-5, 5, (n, n)), noisy), noise=sigma).low_rank
    best = oracle(low, noisy, struck, rank)
    assert np.linalg.norm(found - low) < 2 * np.linalg.norm(best - low)


def test_a_missing_block_takes_what_the_base_predicts():
    rng = np.random.default_rng(6)
    time = np.linspace(0, 20, 400)[:, None]
    base = np.sin(time) * np.ones(8) + np.cos(2 * time) * np.linspace(-1, 1, 8)
    frames = base + 0.05 * rng.standard_normal(base.shape)
    frames[100:110, 4:] = np.nan
    hole = np.isnan(frames)

    def error(found):
        return np.linalg.norm((found - base)[hole]) / np.linalg.norm((base - np.nanmedian(frames, axis=0))[hole])

    model = ra.RobustPCA().fit(frames)
    assert error(ra.decompose(frames, check=False).base_values) < 1.1 * error(
        model.inverse_transform(model.transform(frames))
    )
    assert error(ra.decompose(frames, lags=1, check=False).base_values) < 0.15


def test_the_refit_gives_amplitudes_back():
    base, frames = planted(400, 30)
    rng = np.random.default_rng(7)
    bursts = np.zeros_like(frames)
    for start in range(20, 380, 30):
        bursts[start : start + 6, rng.choice(30, 4, replace=False)] = 8 * 0.2
    parts = {refit: ra.decompose(frames + bursts, lags=1, refit=refit, check=False) for refit in (True, False)}
    kept = {refit: split.transient_values[bursts > 0].mean() / 1.6 for refit, split in parts.items()}
    assert kept[False] < 0.8 < 0.9 < kept[True] < 1.05
    assert off(parts[True].base_values, base) < off(parts[False].base_values, base)
    assert parts[True].decomposition.gap == parts[False].decomposition.gap


def test_the_outlier_map_flags_about_what_is_asked():
    _, frames = planted(1500, 40, seed=8)
    order = np.random.default_rng(0).permutation(len(frames))
    seen, unseen = frames[order[:750]], frames[order[750:]]
    for model in (
        ra.RobustPCA(3),
        ra.RobustPCA(3, noise=None),
        ra.RobustPCA(3, noise=0.2),
        ra.IncrementalRobustPCA(3, batch_size=250),
    ):
        found = model.fit(seen).outlier_map(unseen)
        assert 0.005 < np.mean(found.orthogonal_distance > found.orthogonal_cutoff) < 0.05, model
        assert 0.005 < np.mean(found.score_distance > found.score_cutoff) < 0.05, model


@given(seeds)
@settings(max_examples=8, deadline=None)
def test_the_noise_of_a_feature_is_at_least_its_floor(seed):
    """A filtered track shows next to no noise from frame to frame; it counts as a share of its deviation."""
    _, frames = planted(200, 8, 2, noise=0.0, seed=seed)
    measured, small, large = (
        ra.decompose(frames, floor=floor, lags=1, check=False).sequences[0].sigma for floor in (0.0, 0.4, 0.8)
    )
    assert (measured <= small).all() and (small <= large).all()
    held = small > measured
    assert held.sum() >= 2
    np.testing.assert_allclose(large[held], 2 * small[held])
    spread = frames.std(axis=0)
    assert (small[held] > 0.1 * spread[held]).all() and (small[held] < spread[held]).all()
