"""Frames that leave their neighbours for a frame or two: found, and kept out of a base that knows time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.jumps import BESIDE, FARTHEST, JUMP, LEAST, SHARE, excursions, restless, without_jumps


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


# ---------------------------------------------------------------- stretches that are left and come back


@given(st.integers(0, 10**6), st.integers(BESIDE + 1, 60), st.integers(3, 9), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_stretch_that_is_entered_and_left_in_one_step_is_found(seed, lasts, features, holes):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(size=(200, features)), axis=0)
    start = int(rng.integers(1, 199 - lasts))
    values[start : start + lasts] += rng.choice([-80.0, 80.0], features)
    known = rng.random(values.shape) > 0.1 if holes else np.ones_like(values, dtype=bool)
    known[[start - 1, start, start + lasts - 1, start + lasts]] = True
    sigma = np.ones(features)
    assert excursions(values, known, sigma, None) == [(start, start + lasts)]
    there = [(start + k, start + k + lasts) for k in (0, 200)]
    assert excursions(np.tile(values, (2, 1)), np.tile(known, (2, 1)), sigma, [200, 200]) == there


@pytest.mark.parametrize("kind", ["step", "ramp", "two", "few", "long", "often", "quick", "sequences"])
def test_what_is_no_stretch_of_another_face(kind):
    values = np.random.default_rng(0).normal(size=(900, 9))
    lengths = None
    if kind == "step":
        values[300:] += 90.0
    elif kind == "ramp":
        values[300:340] += np.clip(np.minimum(np.arange(40), np.arange(40)[::-1]) * 15.0, 0, 90)[:, None]
    elif kind == "two":  # steps, the second of which leads elsewhere
        values[300:320] += 90.0
        values[320:] -= 90.0
    elif kind == "few":
        values[300:320, :3] += 90.0
    elif kind == "long":
        values[300 : 301 + FARTHEST] += 90.0
    elif kind == "quick":  # a movement that gathers speed and slows down, as faces move
        values[300:320] += 90.0
        values[[299, 320]] += 40.0
    elif kind == "often":
        values += 90.0 * (np.arange(900) // 4 % 2)[:, None]
    else:
        values[300:320] += 90.0
        lengths = [300, 20, 580]
    assert excursions(values, None, np.ones(9), lengths) == []


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_other_libraries_find_the_same_stretches(library):
    xp = pytest.importorskip(library)
    values = np.random.default_rng(1).normal(size=(300, 5))
    values[40:52] += 60.0
    values[200:290] -= 70.0
    known = np.random.default_rng(2).random(values.shape) > 0.1
    here = excursions(values, known, np.ones(5), None)
    assert here == [(40, 52), (200, 290)]
    assert excursions(xp.asarray(values), xp.asarray(known), xp.asarray(np.ones(5)), None) == here


@pytest.mark.parametrize("off", [4.0, 30.0])
@pytest.mark.parametrize("lasts", [3, 7, 15])
@pytest.mark.parametrize("seed", [0, 1])
def test_stretches_of_another_face_are_as_good_as_missing(off, lasts, seed):
    base, frames = face(seed, 12)
    bad = np.zeros(len(frames), dtype=bool)
    for start in np.random.default_rng(seed).choice(np.arange(20, 470, 40), 4, replace=False):
        bad[start : start + lasts] = True
    error = {}
    for called, values in {
        "other": np.where(bad[:, None], frames[:, ::-1] + off, frames),
        "missing": np.where(bad[:, None], np.nan, frames),
    }.items():
        split = ra.decompose(values, fps=30, check=False)
        error[called] = np.linalg.norm((split.base - base)[bad])
        assert "excursions" not in {doubt.kind for doubt in split.status.doubts}
    scale = np.linalg.norm((base - np.median(base, axis=0))[bad])
    assert error["other"] < 1.5 * error["missing"] + 0.05 * scale


@pytest.mark.parametrize("limit", [None, 0.2, 2.0])
def test_longer_stretches_are_a_doubt(limit):
    _, frames = face(0, 12)
    frames[100:130] += 9.0
    frames[300:340] -= 9.0
    split = ra.decompose(frames, fps=30, check=False, max_transient=limit)
    found = [doubt.measure for doubt in split.status.doubts if doubt.kind == "excursions"]
    if limit == 2.0:
        assert found == [] and np.abs(split.transient_values[100:130]).mean() > 8
    else:
        assert found == [{"stretches": 2, "frames": 70, "first": 100, "last": 129}]
        said = " ".join(split.summary()["warnings"])
        assert "2 stretches of 70 frames in all (rows 100 to 129 of the sequence, the first)" in said


@given(st.integers(0, 10**6), st.integers(10, 60), st.integers(3, 9))
@settings(max_examples=30, deadline=None)
def test_a_stretch_of_guesses_is_found_from_its_first_jump_to_its_last(seed, lasts, features):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(size=(300, features)), axis=0)
    start = int(rng.integers(1, 299 - lasts))
    steps = rng.choice([-1, 1], (lasts + 1, 1)) * rng.uniform(50, 90, (lasts + 1, features))
    values[start : start + lasts] += 1000.0 * np.arange(1, lasts + 1)[:, None] % 7000 + steps[:-1]
    ((first, last),) = restless(values, None, np.ones(features), None)
    assert start <= first <= start + 1 and start + lasts - 1 <= last <= start + lasts
    assert restless(np.tile(values, (2, 1)), None, np.ones(features), [300, 300])[1] == (first + 300, last + 300)


def test_where_features_always_jump_nothing_is_restless():
    values = np.random.default_rng(0).normal(size=(300, 5)) * 100
    assert restless(np.concatenate([0 * values, values]), None, np.ones(5), [300, 300]) == []
    assert restless(values, None, np.ones(5), None) == []
    assert restless(values / 100, None, np.ones(5), None) == []


def test_guesses_of_a_tracker_are_transients_or_a_doubt():
    base, frames = face(1, 12)
    rng = np.random.default_rng(0)
    frames[100:112] = rng.normal(size=(12, 12)) * 20
    split = ra.decompose(frames, fps=30, check=False)
    assert np.abs(split.base_values - base)[100:112].max() < 1.0 and not split.status.doubts
    frames[300:400] = rng.normal(size=(100, 12)) * 20
    (doubt,) = ra.decompose(frames, fps=30, check=False).status.doubts
    assert doubt.kind == "excursions" and 300 <= doubt.measure["first"] <= 302 and 396 <= doubt.measure["last"] <= 400


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_table_with_many_holes_is_a_doubt(share):
    _, frames = face(0, 12)
    holes = np.repeat(np.random.default_rng(0).random((50, 12)) < share, 10, axis=0)
    kinds = {doubt.kind for doubt in ra.decompose(np.where(holes, np.nan, frames), check=False).status.doubts}
    assert ("missing" in kinds) == (share > 0.4)


def test_quick_movements_of_real_faces_stay_in_the_base(data_folder):
    with np.load(data_folder / "gfe" / "gfe_person_a.npz") as held:
        for name in (key for key in held if key.endswith("__X")):
            points = held[name].reshape(-1, 100, 3).astype(np.float64)
            known = np.repeat(points[:, :, 2] != 0, 2, 1)
            values = points[:, :, :2].reshape(len(points), 200)
            sigma = ra.noise_level(np.where(known, values, np.nan))
            assert all(stop - start > 100 for start, stop in excursions(values, known, sigma, None)), name
