"""IncrementalRobustPCA: it follows the batch answer, forgets, and does not grow."""

import copy
import pickle
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

import rpca_affect as ra
from rpca_affect.estimators import beginning


def frames(base, count, first=0, seed=0, share=0.05):
    rng = np.random.default_rng((seed, first))
    time = (first + np.arange(count))[:, None] / 25
    moves = np.sin(2 * np.pi * (0.4 + 0.3 * np.arange(len(base))) * time) * np.linspace(3, 2, len(base))
    seen = moves @ base + 0.05 * rng.standard_normal((count, base.shape[1]))
    return np.where(rng.random(seen.shape) < share, seen + rng.uniform(-8, 8, seen.shape), seen)


def bases(n=2, features=24, rank=2):
    rng = np.random.default_rng(9)
    return [np.linalg.qr(rng.standard_normal((features, rank)))[0].T for _ in range(n)]


def error(model, base):
    return np.linalg.norm(base - base @ model.components_.T @ model.components_)


def test_one_pass_is_as_good_as_the_batch():
    (base,) = bases(1)
    whole = frames(base, 2400)
    model = ra.IncrementalRobustPCA(2, batch_size=300).fit(whole)
    batch = ra.RobustPCA(2).fit(whole)
    assert error(model, base) < 1.5 * error(batch, base)
    assert model.n_samples_seen_ == 2400
    assert np.allclose(model.explained_variance_, batch.explained_variance_, rtol=0.05)
    assert np.allclose(model.noise_scale_, batch.noise_scale_, rtol=0.2)
    clean = frames(base, 50, 2400, share=0.0)
    hit = clean.copy()
    hit[:, 3] += 50.0
    assert np.abs(model.transform(hit) - model.transform(clean)).max() < 0.2


def test_single_frames_do_what_batches_do():
    (base,) = bases(1)
    whole = frames(base, 400)
    whole[7] = np.nan  # a lost frame on its own
    words = {"batch_size": 100, "n_warmup": 200}
    together = ra.IncrementalRobustPCA(2, **words).partial_fit(whole[:200]).partial_fit(whole[200:300])
    singly = ra.IncrementalRobustPCA(2, **words)
    for frame in whole[:300]:
        singly.partial_fit(frame[None, :])
    assert np.allclose(singly.components_, together.components_)
    assert singly.n_iter_ == together.n_iter_ == 3


def test_warm_up_is_waited_for():
    (base,) = bases(1)
    model = ra.IncrementalRobustPCA(2, n_warmup=100).partial_fit(frames(base, 60))
    with pytest.raises(NotFittedError, match="60 of its 100"):
        model.transform(frames(base, 5))
    assert model.partial_fit(frames(base, 60, 60)).transform(frames(base, 5)).shape == (5, 2)


def test_the_first_base_is_learned_beside_the_calls(monkeypatch):
    """No call does more than an update; a copy or a stored model knows what the first one would have known."""
    (base,) = bases(1)
    whole, threads, split = frames(base, 400), [], beginning.split_frames

    def watched(*words):
        threads.append(threading.current_thread())
        return split(*words)

    monkeypatch.setattr(beginning, "split_frames", watched)
    model = ra.IncrementalRobustPCA(2, n_warmup=240)
    for row in range(239):
        model.partial_fit(whole[row : row + 1])
    assert len(threads) == 1 and threads[0] is not threading.current_thread()
    with pytest.raises(NotFittedError, match="239 of its 240"):
        model.transform(whole[:5])
    others = copy.deepcopy(model), pickle.loads(pickle.dumps(model))
    for each in (model, *others):
        each.partial_fit(whole[239:])
    assert len(threads) == 1 and model.n_iter_ == 4
    for other in others:  # memory that lies elsewhere may round a product otherwise
        np.testing.assert_allclose(other.components_, model.components_, rtol=0, atol=1e-12)
    batch = ra.RobustPCA(2).fit(whole)
    assert error(model, base) < 1.5 * error(batch, base)


def test_a_failed_beginning_is_told_by_the_call_that_needs_it(monkeypatch):
    def failing(*words):
        raise MemoryError("no room")

    monkeypatch.setattr(beginning, "split_frames", failing)
    model = ra.IncrementalRobustPCA(2, n_warmup=40).partial_fit(frames(bases(1)[0], 39))
    with pytest.raises(MemoryError, match="no room"):
        model.partial_fit(frames(bases(1)[0], 1))


@pytest.mark.parametrize("n_warmup, n_components", [(2, 1), (4, 3), (6, 5), (5, None)])
def test_the_shortest_warm_ups(n_warmup, n_components):
    seen = np.random.default_rng(0).standard_normal((30, 6))
    singly = ra.IncrementalRobustPCA(n_components, n_warmup=n_warmup, batch_size=1)
    for row in range(30):
        singly.partial_fit(seen[row : row + 1])
        assert hasattr(singly, "components_") == (row + 1 >= n_warmup)
    whole = ra.IncrementalRobustPCA(n_components, n_warmup=n_warmup, batch_size=1).fit(seen)
    assert np.array_equal(singly.components_, whole.components_)
    with pytest.raises(ValueError, match="n_components is 5: the first 5 frames give at most 4"):
        ra.IncrementalRobustPCA(5, n_warmup=5).fit(seen)


def test_a_change_of_base_is_followed_with_forgetting_only():
    old, new = bases(2)
    forgetful, faithful = ra.IncrementalRobustPCA(2, half_life=300), ra.IncrementalRobustPCA(2)
    for model in (forgetful, faithful):
        for start in range(0, 2000, 500):
            model.partial_fit(frames(old, 500, start))
        for start in range(2000, 4000, 500):
            model.partial_fit(frames(new, 500, start))
    assert error(forgetful, new) < 0.05
    assert error(faithful, new) > 0.3


def test_state_does_not_grow():
    (base,) = bases(1)
    model = ra.IncrementalRobustPCA(2, batch_size=100)

    def size():
        return sum(value.nbytes for value in vars(model).values() if isinstance(value, np.ndarray))

    sizes = []
    for start in range(0, 1500, 300):
        model.partial_fit(frames(base, 300, start))
        sizes.append(size())
    assert len(set(sizes[1:])) == 1


def test_a_new_fit_forgets_the_old_one():
    old, new = bases(2)
    model = ra.IncrementalRobustPCA(2).fit(frames(old, 300))
    assert np.array_equal(
        model.fit(frames(new, 300)).components_, ra.IncrementalRobustPCA(2).fit(frames(new, 300)).components_
    )
    for wrong in ({"half_life": 0}, {"batch_size": 0}, {"n_warmup": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            ra.IncrementalRobustPCA(2, **wrong).fit(frames(new, 300))


def test_settings_changed_in_a_stream_hold_from_then_on_or_are_refused():
    (base,) = bases(1)
    model = ra.IncrementalRobustPCA(2, batch_size=100).partial_fit(frames(base, 300))
    model.set_params(half_life=200, threshold=3.0, output="low_rank").partial_fit(frames(base, 100, 300))
    assert model._past.sketch.weight < 400 and model.transform(frames(base, 5)).shape == (5, 24)
    for name, value in (("n_components", 3), ("sparse", "frames"), ("lags", 2), ("noise", 0.1)):
        before = getattr(model, name)
        with pytest.raises(ValueError, match=f"{name} was {before!r} when the stream began"):
            model.set_params(**{name: value}).partial_fit(frames(base, 10))
        assert model.set_params(**{name: before}).partial_fit(frames(base, 10)).n_features_in_ == 24


@settings(max_examples=8)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=6), st.sampled_from([1, 4]))
def test_how_frames_are_handed_over_makes_no_difference(sizes, lags):
    (base,) = bases(1, features=8)
    whole = frames(base, 420)
    whole[210:214] = np.nan
    ends = np.minimum(np.cumsum([0, *sizes, 420]), 420)
    words = {"n_components": 2 * lags, "lags": lags, "n_warmup": 150}
    one = ra.IncrementalRobustPCA(**words).partial_fit(whole).flush()
    many = ra.IncrementalRobustPCA(**words)
    for first, last in pairwise(ends):
        if last > first:
            many.partial_fit(whole[first:last])
    many.flush()
    assert np.array_equal(one.components_, many.components_) and np.array_equal(one.noise_scale_, many.noise_scale_)
    assert one.n_iter_ == many.n_iter_ == 2 + -(-(420 - 150) // 60)


def slow(count, first=0, seed=0):
    """A base of two slow movements in six noisy columns: narrow enough for lags."""
    rng = np.random.default_rng((seed, first))
    time = (first + np.arange(count))[:, None]
    clean = np.sin(time / [9.0, 17]) @ np.random.default_rng(5).standard_normal((2, 6))
    seen = clean + 0.2 * rng.standard_normal(clean.shape)
    return clean, np.where(rng.random(seen.shape) < 0.03, seen + 4.0, seen)


def test_lags_in_a_stream_are_those_of_the_batch():
    _, seen = slow(1500)
    clean, unseen = slow(300, 1500)
    batch = ra.RobustPCA(lags=8, output="low_rank").fit(seen)
    stream = ra.IncrementalRobustPCA(batch.n_components_, lags=8, output="low_rank")
    plain = ra.IncrementalRobustPCA(2, lags=1, output="low_rank")
    for start in range(0, 1500, 100):
        stream.partial_fit(seen[start : start + 100])
        plain.partial_fit(seen[start : start + 100])
    assert stream.lags_ == 8 and stream.components_.shape == batch.components_.shape
    off = [np.abs(model.transform(unseen) - clean).mean() for model in (batch, stream, plain)]
    assert off[1] < 1.1 * off[0] and off[1] < 0.8 * off[2]
    assert np.allclose(stream.noise_scale_, batch.noise_scale_, rtol=0.2)
    # The newest frame alone with the frames before it, as in live use.
    newest = stream.transform(unseen[:8])[-1]
    assert np.abs(newest - clean[7]).mean() < 0.3


def test_flush_leaves_nothing_waiting_and_ends_the_sequence():
    (base,) = bases(1)
    model = ra.IncrementalRobustPCA(2, lags=3).partial_fit(frames(base, 290))
    before = model.n_iter_
    assert model.flush().n_iter_ == before + 1 and model.flush().n_iter_ == before + 1
    assert model._past.tail is None
    few = ra.IncrementalRobustPCA(2).partial_fit(frames(base, 50))
    assert few.flush().components_.shape == (2, 24)
    jump = frames(base, 60) + 20.0  # another recording: no window holds frames of both
    follows, after = (ra.IncrementalRobustPCA(2, lags=3).partial_fit(frames(base, 260)) for _ in range(2))
    follows.partial_fit(jump)
    after.flush().partial_fit(jump)
    assert not np.allclose(follows.components_, after.components_)


def test_a_direction_enters_with_few_components_kept_and_bursts_do_not():
    old, new = bases(2)
    model = ra.IncrementalRobustPCA(4, lags=1)
    model.partial_fit(frames(old, 500))
    rng = np.random.default_rng(0)
    both = frames(old, 600, 500) + frames(new, 600, 900, share=0.0)
    model.partial_fit(both)
    assert error(model, new) < 0.1 and error(model, old) < 0.1
    quiet = ra.IncrementalRobustPCA(2, lags=1).partial_fit(frames(old, 500))
    hit = frames(old, 600, 500)
    for start in range(20, 580, 60):
        hit[start : start + 3, rng.permutation(24)[:8]] += 6.0
    assert error(quiet.partial_fit(hit), old) < 0.02
    assert quiet._past.sketch.above(quiet.noise_scale_, quiet._past.excess) <= 4


def drifting(count, seed=0):
    """Waves on a base in 24 columns, one of them drifting away, with noise and a few gross cells; and without these."""
    rng = np.random.default_rng(seed)
    time = np.arange(count)[:, None]
    moves = np.sin(time / [9.0, 17, 31] + rng.uniform(0, 6, 3)) + [3.0, 0, 0] * time / count
    clean = moves @ rng.standard_normal((3, 24)) + 0.2 * rng.standard_normal((count, 24))
    return clean, np.where(rng.random(clean.shape) < 0.03, clean + 5.0, clean)


def flagged(model, rows):
    found = model.outlier_map(rows)
    return np.array(
        [found.score_distance > found.score_cutoff, found.orthogonal_distance > found.orthogonal_cutoff]
    ).mean(axis=1)


@pytest.mark.parametrize("noise", ["auto", None])
@pytest.mark.parametrize("order", ["time", "shuffled"])
def test_the_outlier_map_of_a_stream_spares_clean_rows_to_come(noise, order):
    clean, seen = drifting(1500)
    if order == "shuffled":
        mixed = np.random.default_rng(1).permutation(1500)
        clean, seen = clean[mixed], seen[mixed]
    model, shares = ra.IncrementalRobustPCA(3, noise=noise), []
    for start in range(0, 1500, 60):
        if start >= 600:
            shares.append(flagged(model, clean[start : start + 60]))
        model.partial_fit(seen[start : start + 60])
    score, orthogonal = np.mean(shares, axis=0)
    assert score <= 0.06 and 0.01 <= orthogonal <= 0.04


@pytest.mark.parametrize("noise", ["auto", None])
def test_a_stream_that_drifts_spares_the_clean_rows_long_after_it(noise):
    shares = []
    for seed in range(8):
        clean, seen = drifting(1200, seed)
        shares.append(flagged(ra.IncrementalRobustPCA(3, noise=noise).fit(seen[:900]), clean[900:]))
    score, orthogonal = np.mean(shares, axis=0)
    assert score <= 0.07 and 0.01 <= orthogonal <= 0.04


@pytest.mark.parametrize("half_life", [60.0, 120.0, None])
def test_mean_and_variances_are_those_of_frames_that_fade(half_life):
    """A stream is the principal components of its frames, the past weighing half after every half-life."""
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.standard_normal((12, 2)))[0].T

    def stretch(count, shift, size):
        scores = size * rng.standard_normal((count, 2)) + [shift, 0]
        return scores @ axes + 0.1 * rng.standard_normal((count, 12))

    before, after = stretch(300, 0.0, 5.0), stretch(300, 3.0, 2.0)
    model = ra.IncrementalRobustPCA(2, half_life=half_life, batch_size=60, n_warmup=360)
    model.partial_fit(before).partial_fit(after)
    weights = np.ones(300)
    for _ in range(5):
        weights = np.r_[weights * (1.0 if half_life is None else 0.5 ** (60 / half_life)), np.ones(60)]
    frames = np.r_[before, after]
    mean = weights @ frames / weights.sum()
    squares = np.linalg.eigvalsh((frames - mean).T * weights @ (frames - mean))[::-1]
    np.testing.assert_allclose(axes @ model.mean_, axes @ mean, atol=0.02)
    np.testing.assert_allclose(model.singular_values_, np.sqrt(squares[:2]), rtol=0.01)
    np.testing.assert_allclose(model.explained_variance_ratio_, squares[:2] / squares.sum(), rtol=0.01)
