"""IncrementalRobustPCA: it follows the batch answer, forgets, and does not grow."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import rpca_affect as ra


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
    together = (
        ra.IncrementalRobustPCA(2, batch_size=100, n_warmup=200).partial_fit(whole[:200]).partial_fit(whole[200:300])
    )
    singly = ra.IncrementalRobustPCA(2, batch_size=100, n_warmup=200)
    for frame in whole[:300]:
        singly.partial_fit(frame[None, :])
    assert np.allclose(singly.components_, together.components_)
    assert singly.n_iter_ == together.n_iter_ == 2


def test_warm_up_is_waited_for():
    (base,) = bases(1)
    model = ra.IncrementalRobustPCA(2, n_warmup=100).partial_fit(frames(base, 60))
    with pytest.raises(NotFittedError, match="60 of its 100"):
        model.transform(frames(base, 5))
    assert model.partial_fit(frames(base, 60, 60)).transform(frames(base, 5)).shape == (5, 2)


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
    assert model._weight < 400 and model.transform(frames(base, 5)).shape == (5, 24)
    for name, value in (("n_components", 3), ("sparse", "frames")):
        before = getattr(model, name)
        with pytest.raises(ValueError, match=f"{name} was {before!r} when the stream began"):
            model.set_params(**{name: value}).partial_fit(frames(base, 10))
        assert model.set_params(**{name: before}).partial_fit(frames(base, 10)).n_features_in_ == 24
