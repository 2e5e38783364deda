"""Frames that leave their neighbours for a frame or two: found, and kept out of a base that knows time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.jumps import BESIDE, JUMP, LEAST, SHARE, without_jumps


def direct(values, known, sigma, lengths):
    """`without_jumps`, cell by cell."""
    far = np.zeros(values.shape, dtype=bool)
    ends = np.cumsum(lengths)
    for first, last in zip([0, *ends[:-1]], ends):
        for t in range(first, last):
            for j in range(values.shape[1]):
                around = [min(max(t + by, first), last - 1) for by in range(-BESIDE, BESIDE + 1)]
                cells = [values[k, j] if known[k, j] else values[t, j] for k in around]
                far[t, j] = known[t, j] and sigma[j] > 0 and abs(values[t, j] - np.median(cells)) > JUMP * sigma[j]
    together = (far.sum(axis=1) >= LEAST) & (far.sum(axis=1) > SHARE * known.sum(axis=1))
    return known & ~together[:, None]


@given(st.integers(0, 10**6), st.integers(5, 60), st.integers(1, 9), st.integers(1, 3), st.booleans())
@settings(max_examples=60, deadline=None)
def test_it_is_the_running_median_within_each_sequence(seed, frames, features, sequences, holes):
    rng = np.random.default_rng(seed)
    lengths = [frames] * sequences
    values = rng.normal(size=(frames * sequences, features)) + 5.0 * rng.integers(-9, 9, features)
    values[rng.random(values.shape) < 0.2] += 40.0
    values[rng.random(len(values)) < 0.1] -= 35.0
    known = rng.random(values.shape) > (0.2 if holes else -1.0)
    sigma = rng.choice([0.0, 0.7, 1.0], features)
    # A step into or out of a missing cell cannot be told, so jumps are looked for where values stand.
    left = without_jumps(values, known if holes else None, sigma, lengths)
    found = (known if holes else np.ones_like(known)) if left is None else left
    np.testing.assert_array_equal(found, direct(values, known, sigma, lengths))


@pytest.mark.parametrize("lasts", [1, 2, 3, 10])
def test_what_lasts_is_a_movement(lasts):
    values = np.random.default_rng(0).normal(size=(200, 4))
    values[100 : 100 + lasts] += 50.0
    left = without_jumps(values, None, np.ones(4), None)
    if lasts <= BESIDE:
        assert left is not None and (~left).sum() == 4 * lasts and not left[100 : 100 + lasts].any()
    else:
        assert left is None


@pytest.mark.parametrize("slope", [1.0, 30.0, 1e3])
def test_a_ramp_and_a_step_are_movements(slope):
    values = np.minimum(np.arange(200) * slope, 120 * slope)[:, None] + np.random.default_rng(0).normal(size=(200, 3))
    assert without_jumps(values, None, np.ones(3), None) is None


def test_nothing_is_looked_at_across_sequences():
    values = np.random.default_rng(0).normal(size=(90, 3))
    values[30:60] += 100.0
    assert without_jumps(values, None, np.ones(3), [30, 30, 30]) is None


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_other_libraries_find_the_same(library):
    xp = pytest.importorskip(library)
    rng = np.random.default_rng(1)
    values, known = rng.normal(size=(80, 5)), rng.random((80, 5)) > 0.1
    values[::9] += 60.0
    sigma = np.ones(5)
    here = without_jumps(values, known, sigma, None)
    there = without_jumps(xp.asarray(values), xp.asarray(known), xp.asarray(sigma), None)
    np.testing.assert_array_equal(np.asarray(there), here)


def face(seed: int, features: int, frames: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Slow movements of low rank, and the same with noise of 0.1."""
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.normal(size=(frames, 3)), axis=0)
    slow = np.apply_along_axis(lambda x: np.convolve(x, np.ones(15) / 15, "same"), 0, slow) / 6
    base = slow @ rng.random((3, features))
    return base, base + 0.1 * rng.normal(size=base.shape)


@pytest.mark.parametrize("off", [3.0, 10.0, 30.0])
@pytest.mark.parametrize("share", [0.01, 0.05])
@pytest.mark.parametrize("seed", [0, 1])
def test_frames_of_another_face_are_as_good_as_missing(off, share, seed):
    base, frames = face(seed, 12)
    bad = np.zeros(len(frames), dtype=bool)
    bad[np.random.default_rng(seed).choice(np.arange(3, 490, 5), int(share * 500), replace=False)] = True
    error = {}
    for called, values in {
        "other": np.where(bad[:, None], frames[:, ::-1] + off, frames),
        "missing": np.where(bad[:, None], np.nan, frames),
    }.items():
        split = ra.decompose(values, fps=25, check=False)
        error[called] = np.linalg.norm((split.base - base)[bad])
    scale = np.linalg.norm((base - np.median(base, axis=0))[bad])
    assert error["other"] < 1.5 * error["missing"] + 0.05 * scale
