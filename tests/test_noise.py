"""Noise levels, the weight of the noise part, and column scales: laws, edge cases, array libraries, real recordings."""

import re
import tracemalloc
import warnings

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpca_affect import measuring
from rpca_affect.arrays import Observed
from rpca_affect.medians import BLOCK
from rpca_affect.noise import ColumnScale, noise_level, slack, spread
from rpca_affect.synthetic import planted

SIGMA = np.array([0.05, 1.0, 30.0])
seeds = st.integers(0, 2**32 - 1)


def recording(seed=0, n=1500, sigma=SIGMA):
    """Slow movement, 10 to 30 times the noise, plus Gaussian noise of known size."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 25, n)[:, None]
    slow = np.sin(time * rng.uniform(0.5, 1.5, len(sigma)) + rng.uniform(0, 6, len(sigma)))
    return (rng.uniform(10, 30, len(sigma)) * slow + rng.standard_normal((n, len(sigma)))) * sigma


@given(seeds)
def test_sigma_is_found_under_movement(seed):
    np.testing.assert_allclose(noise_level(recording(seed)), SIGMA, rtol=0.2)


@given(seeds)
def test_a_tenth_of_glitches_hardly_moves_sigma_but_moves_the_standard_deviation(seed):
    x = recording(seed)
    rng = np.random.default_rng(seed)
    hit = rng.random(x.shape) < 0.1
    x[hit] += (1e4 * SIGMA * rng.standard_normal(x.shape))[hit]
    # A glitch spoils two differences: 19 % of them, and the median of the rest is off by about as much.
    np.testing.assert_allclose(noise_level(x), SIGMA, rtol=0.6)
    assert (np.diff(x, axis=0).std(axis=0) > 100 * SIGMA).all()


@given(seeds, st.floats(0.05, 0.5))
def test_missing_cells_change_little_and_their_values_nothing(seed, share):
    x = recording(seed)
    mask = np.random.default_rng(seed).random(x.shape) >= share
    level = noise_level(np.where(mask, x, np.nan))
    np.testing.assert_allclose(level, SIGMA, rtol=0.35)
    np.testing.assert_array_equal(noise_level(np.where(mask, x, 1e9), mask), level)


def test_only_observed_neighbours_count():
    x = np.array([[0.0], [np.nan], [5.0], [6.0], [np.nan], [90.0], [92.0], [95.0]])
    steps = np.array([1.0, 2.0, 3.0])
    wanted = 1.4826 * np.median(abs(steps - np.median(steps))) / np.sqrt(2)
    np.testing.assert_allclose(noise_level(x), [wanted])


@pytest.mark.parametrize("step", [2, 3, 7, 20])
def test_a_feature_that_is_seen_every_few_frames_has_the_noise_of_these(step):
    rng = np.random.default_rng(step)
    x = np.sin(np.arange(6000) / 400)[:, None] + 0.1 * rng.standard_normal((6000, 3))
    mask = np.ones(x.shape, dtype=bool)
    mask[:, 1] = np.arange(6000) % step == 1
    mask[:, 2] = np.floor(np.arange(6000) / (step + 0.5)) != np.floor(np.arange(1, 6001) / (step + 0.5))
    np.testing.assert_allclose(noise_level(x, mask), 0.1, rtol=0.2)
    np.testing.assert_array_equal(noise_level(x, mask)[0], noise_level(x)[0])


@given(seeds, st.integers(-150, 150), st.floats(-1e3, 1e3))
def test_sigma_follows_the_units(seed, power, offset):
    x = recording(seed, n=200)
    np.testing.assert_allclose(noise_level(x * 10.0**power), noise_level(x) * 10.0**power, rtol=1e-9)
    np.testing.assert_allclose(noise_level(x + offset), noise_level(x), rtol=1e-6)
    np.testing.assert_allclose(noise_level(-x), noise_level(x))
    np.testing.assert_allclose(noise_level(x[:, ::-1]), noise_level(x)[::-1])


@given(seeds, st.integers(1, 40), st.integers(1, 12), st.sampled_from(["float32", "float64"]))
def test_medians_are_those_of_numpy_however_many_features_are_measured_at_once(seed, frames, features, dtype):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (2, frames, features)).astype(dtype)
    holes = rng.random(x.shape) < rng.choice([0, 0.4])
    holes[:, 0, 0] = False
    x[holes] = np.nan
    with pytest.MonkeyPatch.context() as small, np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nanmedian, about features without a cell
        small.setattr("rpca_affect.medians.BLOCK", int(rng.integers(1, 300)))
        center = ColumnScale.fit(x, by="none").center
        np.testing.assert_array_equal(center, np.nan_to_num(np.nanmedian(x, axis=1)))
    assert center.dtype == dtype


def test_measuring_takes_little_memory():
    x = recording(n=60_000, sigma=np.ones(80))
    x[::50, 3] = np.nan
    for measure in (noise_level, spread, ColumnScale.fit):
        tracemalloc.start()
        measure(x)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 8 * BLOCK + 0.2 * x.nbytes < 0.7 * x.nbytes


def test_a_linear_drift_is_not_noise():
    x = recording()
    trend = np.linspace(0, 1, len(x))[:, None] * SIGMA * len(x) * 5
    np.testing.assert_allclose(noise_level(x + trend), noise_level(x), rtol=0.15)


@pytest.mark.parametrize("active", [0.9, 0.55, 0.45, 0.2])
def test_a_floored_action_unit_keeps_the_noise_of_its_active_part(active):
    rng = np.random.default_rng(3)
    n = 4000
    on = np.arange(n) % 100 < 100 * active
    x = np.where(on, 2.0 + 0.1 * rng.standard_normal(n), 0.0)[:, None]
    plain = 1.4826 * np.median(abs(np.diff(x[:, 0]))) / np.sqrt(2)
    level = float(noise_level(x)[0])
    assert 0.8 * 0.1 * np.sqrt(active) < level < 1.25 * 0.1
    if active < 0.5:
        assert plain == 0


@pytest.mark.parametrize("step", [0.2, 1.0, 3.0])
def test_rounded_values_have_about_the_noise_of_signal_and_rounding(step):
    rng = np.random.default_rng(0)
    x = (5 * np.sin(np.arange(4000) / 60) + rng.standard_normal(4000))[:, None]
    wanted = np.sqrt(1 + step**2 / 12)
    assert 0.55 * wanted < float(noise_level(np.round(x / step) * step)[0]) < 1.8 * wanted


def test_one_blip_does_not_hide_itself():
    x = np.zeros((1000, 1))
    x[400:405] = 3.0
    assert 0 < float(noise_level(x)[0]) < 3.0 / 10
    assert 0 < float(spread(x)[0]) < 3.0


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e12])
def test_a_constant_feature_has_no_noise_and_is_left_alone(value):
    jitter = value + np.spacing(value) * np.random.default_rng(0).integers(-3, 4, 300)
    x = np.stack([np.full(300, value), jitter], axis=1) if value else np.zeros((300, 2))
    np.testing.assert_array_equal(noise_level(x), [0, 0])
    np.testing.assert_array_equal(spread(x), [0, 0])
    scale = ColumnScale.fit(x)
    np.testing.assert_array_equal(scale.scale, [1, 1])
    assert abs(scale.apply(x)).max() <= 8 * np.spacing(abs(value))


def test_columns_and_clips_with_little_or_nothing():
    x = recording(n=50)
    x[:, 1] = np.nan
    x[::2, 2] = np.nan
    level = noise_level(x)
    assert level[0] > 0
    assert level[1] == 0
    assert level[2] == noise_level(x[1::2])[2]
    scale = ColumnScale.fit(x)
    assert scale.scale[1] == 1
    assert scale.center[1] == 0
    assert scale.scale[2] == level[2]
    np.testing.assert_array_equal(noise_level(x[:1, [0, 2]]), [0, 0])
    np.testing.assert_array_equal(ColumnScale.fit(x[:1, [0, 2]]).scale, [1, 1])
    assert (ColumnScale.fit(x[:2, [0, 2]]).scale > 0).all()


def test_a_stack_is_its_clips_and_frames_may_run_along_the_last_axis():
    clips = np.stack([recording(seed, n=80) for seed in range(3)])
    clips[1, 10:20, 2] = np.nan
    for measure in (noise_level, spread):
        np.testing.assert_array_equal(measure(clips), [measure(clip) for clip in clips])
        np.testing.assert_array_equal(measure(np.swapaxes(clips, 1, 2), axis=-1), measure(clips))
    scale = ColumnScale.fit(clips)
    np.testing.assert_allclose(scale.undo(scale.apply(clips), center=True), clips)
    np.testing.assert_array_equal(scale.apply(clips)[1], ColumnScale.fit(clips[1]).apply(clips[1]))
    with pytest.raises(ValueError, match="axis=0"):
        noise_level(clips, axis=0)


def test_the_weight_is_the_largest_singular_value_of_noise():
    for shape in ((300, 300), (80, 400)):
        problem = planted(*shape, rank=0, density=0, noise=2.0, missing=0.4, random_state=1)
        largest = np.linalg.norm(np.where(problem.mask, problem.noise, 0), 2)
        assert 0.65 < slack(2.0, shape, share=0.6) / largest < 1.45
    assert slack(0.0, (4, 5)) == 0
    np.testing.assert_allclose(slack(np.array([1.0, 2.0]), (7, 8, 2)), np.array([1.0, 2.0]) * (8**0.5 + 2**0.5))
    with pytest.raises(ValueError, match="at least two"):
        slack(1.0, (5,))


@given(seeds, st.sampled_from(["noise", "spread", "none"]), st.booleans())
def test_apply_then_undo_gives_the_parts_back(seed, by, exact):
    x = recording(seed, n=60) + 5.0
    scale = ColumnScale.fit(x, by=by, exact=exact)
    z = scale.apply(x)
    base, transient = 0.7 * z, 0.2 * z
    whole = scale.undo(base, center=True) + scale.undo(transient) + scale.undo(z - base - transient)
    np.testing.assert_allclose(whole, x, atol=1e-12 * abs(x).max())
    np.testing.assert_allclose(np.median(z, axis=0), 0, atol=1e-12)
    if exact:
        np.testing.assert_array_equal(np.log2(scale.scale) % 1, 0)
        np.testing.assert_array_equal(scale.undo(z), x - scale.center)


def test_noise_becomes_one_and_a_filtered_feature_meets_the_floor():
    x = recording()
    np.testing.assert_allclose(noise_level(ColumnScale.fit(x, floor=0).apply(x)), 1)
    smooth = x.copy()
    smooth[:, 0] = np.sin(np.arange(len(x)) / 200)
    fitted = ColumnScale.fit(smooth, floor=0.05).scale
    np.testing.assert_allclose(fitted[0], 0.05 * spread(smooth)[0])
    assert noise_level(smooth)[0] < 0.2 * fitted[0]
    np.testing.assert_allclose(spread(ColumnScale.fit(x, by="spread").apply(x)), 1)


def test_groups_keep_a_resting_unit_small_and_may_share_a_scale():
    rng = np.random.default_rng(0)
    units = np.maximum(rng.standard_normal((500, 4)).cumsum(axis=0) / 10, 0)
    units[:, 3] = 0.0
    units[100:103, 3] = 0.001
    alone = ColumnScale.fit(units)
    grouped = ColumnScale.fit(units, groups=["AU"] * 4)
    assert abs(alone.apply(units)[:, 3]).max() > 5
    assert abs(grouped.apply(units)[:, 3]).max() < 0.2
    together = ColumnScale.fit(units, groups=["AU", "AU", "AU", "AU"], shared=True).scale
    np.testing.assert_array_equal(together, np.full(4, together[0]))
    np.testing.assert_allclose(together[0], np.median(grouped.scale))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"by": "sd"}, "by='sd'"),
        ({"floor": -1}, "floor=-1"),
        ({"groups": ["a"]}, "1 labels for 3 features"),
        ({"shared": True}, "needs groups"),
    ],
)
def test_a_wrong_option_is_named(options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ColumnScale.fit(recording(n=30), **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_array_library_gives_the_same_and_keeps_its_own(dtype):
    torch = pytest.importorskip("torch")
    x = recording(n=120).astype(dtype)
    x[5:9, 1] = np.nan
    x[:, 2] = np.maximum(x[:, 2], 0)
    mask = np.random.default_rng(0).random(x.shape) > 0.1
    x.setflags(write=False)
    groups = ["a", "b", "a"]
    plain = ColumnScale.fit(x, mask, groups=groups, shared=True, exact=True)
    for library in (array_api_strict, torch):
        other = library.asarray(x.copy())
        for trusted in (mask, library.asarray(mask)):
            for measure in (noise_level, spread):
                level = measure(other, trusted)
                assert type(level) is type(other)
                assert level.dtype == other.dtype
                np.testing.assert_allclose(np.asarray(level), measure(x, mask), rtol=1e-5)
        scale = ColumnScale.fit(other, mask, groups=groups, shared=True, exact=True)
        np.testing.assert_allclose(np.asarray(scale.center), plain.center, rtol=1e-6)
        np.testing.assert_array_equal(np.asarray(scale.scale), plain.scale)
        back = scale.undo(scale.apply(other), center=True)
        assert type(back) is type(other)
        weight = slack(noise_level(other, mask), x.shape, share=0.9)
        assert type(weight) is type(other)


@pytest.mark.parametrize("name", ["affirmative", "conditional", "negative", "yn_question"])
def test_real_landmarks_have_noise_well_below_their_spread(data_folder, name):
    with np.load(data_folder / "gfe" / "gfe_person_a.npz") as file:
        points = file[f"a_{name}__X"].astype(float).reshape(-1, 100, 3)
    x = np.where(points[..., 2:] == 0, np.nan, points[..., :2]).reshape(len(points), 200)
    level = noise_level(x)
    assert (level > 0.05).all()  # pixels
    assert (level < 2.0).all()
    assert 5 < np.median(spread(x) / level) < 30
    scaled = ColumnScale.fit(x).apply(x)
    np.testing.assert_allclose(noise_level(scaled), 1, atol=0.6)
    assert np.nanmax(abs(scaled)) < 1000


def test_the_order_of_long_recordings_is_told_from_a_sample(monkeypatch):
    rng = np.random.default_rng(0)
    for frames, signal in ((8000, 3.0), (8000, 0.0), (600, 3.0)):
        values = signal * np.sin(np.arange(frames) / 40)[:, None] + rng.standard_normal((frames, 6))
        monkeypatch.setattr(measuring, "SHUFFLED", 5000)
        sample = measuring.measured_noise(Observed(values))
        monkeypatch.setattr(measuring, "SHUFFLED", frames)
        whole = measuring.measured_noise(Observed(values))
        assert sample.ordered == whole.ordered == (signal > 0)
        assert sample.ratio == pytest.approx(whole.ratio, rel=0.02 if frames > 5000 else 1e-12)
