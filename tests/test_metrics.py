"""Metrics: identities, invariances and hand-counted cases, on NumPy, strict and torch arrays."""

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpca_affect import metrics

seeds = st.integers(0, 2**32 - 1)


def draw(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


@given(seeds, st.floats(0.01, 100), st.integers(-150, 150))
def test_relative_error_is_scale_free_and_exact(seed, factor, power):
    truth = draw(seed, 6, 4)
    unit = 10.0**power
    assert metrics.relative_error(truth, truth) == 0
    np.testing.assert_allclose(
        metrics.relative_error((1 + factor) * truth * unit, truth * unit), factor, rtol=1e-10, atol=1e-14
    )


def test_relative_error_of_zero_truth_and_masked_cells():
    zero = np.zeros((2, 2))
    assert metrics.relative_error(zero, zero) == 0
    assert metrics.relative_error(zero + 1, zero) == np.inf
    estimate = np.array([[1.0, np.nan], [2.0, 2.0]])
    truth = np.array([[1.0, 3.0], [2.0, 1.0]])
    mask = np.isfinite(estimate)
    np.testing.assert_allclose(metrics.relative_error(estimate, truth, mask), 1 / np.sqrt(6))


@given(seeds)
def test_residual_is_the_share_of_noise(seed):
    low_rank, sparse, noise = draw(seed, 3, 6, 5)
    observed = low_rank + sparse + noise
    wanted = np.linalg.norm(noise) / np.linalg.norm(observed)
    np.testing.assert_allclose(metrics.residual(observed, low_rank, sparse), wanted)
    assert metrics.residual(observed, low_rank, sparse, noise) < 1e-15
    observed[0, 0] = np.nan
    rest = np.isfinite(observed)
    wanted = np.linalg.norm(noise[rest]) / np.linalg.norm(observed[rest])
    np.testing.assert_allclose(metrics.residual(observed, low_rank, sparse), wanted)


@given(seeds, st.integers(0, 5), st.integers(-150, 150))
def test_rank_counts_components(seed, rank, power):
    x = draw(seed, 9, rank) @ draw(seed + 1, rank, 7) * 10.0**power
    assert metrics.rank_of(x) == rank
    assert metrics.rank_of(np.diag([1.0, 0.1, 0.001]), tol=0.01) == 2


def test_density_counts_observed_cells():
    sparse = np.array([[0.0, 2.0, 0.0, 1e-3]])
    assert metrics.density(sparse) == 0.5
    assert metrics.density(sparse, tol=0.01) == 0.25
    assert metrics.density(sparse, np.array([[True, True, False, False]])) == 0.5
    assert metrics.density(sparse, np.zeros((1, 4), dtype=bool)) == 0


@given(seeds, st.floats(1e-12, 1.5))
def test_subspace_distance_is_the_sine_of_a_planted_angle(seed, angle):
    basis = np.linalg.qr(draw(seed, 8, 8))[0]
    first = basis[:, :3].T
    second = np.stack([first[0], first[1], np.cos(angle) * first[2] + np.sin(angle) * basis[:, 3]])
    mixed = draw(seed + 1, 5, 3) @ second
    np.testing.assert_allclose(metrics.subspace_distance(first, mixed, rank=3), np.sin(angle), rtol=1e-3, atol=1e-13)
    np.testing.assert_allclose(
        metrics.subspace_distance(second, first), metrics.subspace_distance(first, second), rtol=1e-6, atol=1e-13
    )


def test_subspace_distance_ends():
    x = np.eye(4)
    assert metrics.subspace_distance(x[:2], x[2:]) == 1
    assert metrics.subspace_distance(x, np.zeros((3, 4))) == 0
    with pytest.raises(ValueError, match="differ in rank"):
        metrics.subspace_distance(np.stack([x, x]), np.stack([x, np.ones((4, 4))]))


def test_support_scores_by_hand():
    truth = np.array([[1.0, 1.0, 0.0, 0.0, 1.0]])
    found = np.array([[5.0, 0.0, -2.0, 0.0, 1e-9]])
    precision, recall, f1 = metrics.support_scores(found, truth, tol=1e-6)
    assert (precision, recall) == (1 / 2, 1 / 3)
    np.testing.assert_allclose(f1, 0.4)
    assert metrics.support_scores(found, truth, np.array([[True, False, False, True, True]])) == (1, 1, 1)
    assert metrics.support_scores(0 * found, truth) == (1, 0, 0)
    assert metrics.support_scores(found, 0 * truth) == (0, 1, 0)
    assert metrics.support_scores(0 * found, 0 * truth) == (1, 1, 1)


intervals = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), max_size=8).map(
    lambda pairs: np.array([[start, start + length] for start, length in pairs], dtype=float).reshape(-1, 2)
)


@given(intervals, intervals, st.sampled_from([0.1, 0.5, 0.9]))
def test_matching_is_symmetric_one_to_one_and_above_the_threshold(found, truth, iou):
    scores = metrics.match_events(found, truth, iou=iou)
    turned = metrics.match_events(truth, found, iou=iou)
    assert (scores.precision, scores.recall) == (turned.recall, turned.precision)
    assert len(set(scores.pairs[:, 0])) == len(set(scores.pairs[:, 1])) == len(scores.pairs)
    assert (scores.iou >= iou).all()
    table = metrics.interval_iou(found, truth)
    np.testing.assert_array_equal(table[scores.pairs[:, 0], scores.pairs[:, 1]], scores.iou)
    assert 0 <= scores.f1 <= 1
    # No further pair could be matched.
    left = np.delete(np.delete(table, scores.pairs[:, 0], axis=0), scores.pairs[:, 1], axis=1)
    assert not (left >= iou).any()


@given(intervals.filter(len))
def test_events_match_themselves(events):
    scores = metrics.match_events(events, events)
    assert scores[:3] == (1, 1, 1)
    np.testing.assert_array_equal(scores.iou, 1)


def test_the_matching_prefers_more_pairs_to_a_better_one():
    # The first found event fits both true ones; the second fits only the one that the first fits best.
    scores = metrics.match_events([[0, 10], [2, 10]], [[1, 10], [0, 3]], iou=0.1)
    assert scores.recall == 1
    assert metrics.match_events([], []).f1 == 1
    assert metrics.match_events([[0, 1]], [])[:3] == (0, 1, 0)


@pytest.mark.parametrize(
    ("events", "iou", "sentence"),
    [([[3, 1]], 0.5, "event 0 ends at 1 before it starts at 3"), ([1, 2], 0.5, "one row"), ([[0, 1]], 0, "iou=0")],
)
def test_wrong_events_are_named(events, iou, sentence):
    with pytest.raises(ValueError, match=sentence):
        metrics.match_events(events, [[0, 1]], iou=iou)


@given(seeds)
def test_objective_is_its_three_terms(seed):
    low_rank, sparse, noise = draw(seed, 3, 5, 4)
    weight = np.abs(draw(seed + 1, 4)) + 0.1
    nuclear = np.linalg.svd(low_rank, compute_uv=False).sum()
    cells = nuclear + 0.3 * abs(sparse).sum() + (noise**2 / (2 * weight)).sum()
    np.testing.assert_allclose(metrics.objective(low_rank, sparse, noise, lam=0.3, slack=weight), cells)
    frames = nuclear + 0.3 * np.linalg.norm(sparse, axis=1).sum()
    np.testing.assert_allclose(metrics.objective(low_rank, sparse, lam=0.3, groups="frames"), frames)


def test_objective_forbids_noise_without_weight():
    zero, one = np.zeros((2, 2)), np.ones((2, 2))
    assert metrics.objective(zero, zero, one, lam=1.0, slack=0.0) == np.inf
    assert metrics.objective(zero, zero, zero, lam=1.0, slack=0.0) == 0
    with pytest.raises(ValueError, match="slack"):
        metrics.objective(zero, zero, one, lam=1.0)
    with pytest.raises(ValueError, match="groups"):
        metrics.objective(zero, zero, lam=1.0, groups="rows")


def test_stacks_and_array_libraries_agree():
    torch = pytest.importorskip("torch")
    low_rank = draw(0, 3, 9, 2) @ draw(1, 3, 2, 6)
    sparse = np.where(draw(2, 3, 9, 6) > 1.5, 4.0, 0.0)
    noise = 0.1 * draw(3, 3, 9, 6)
    observed = low_rank + sparse + noise
    observed[1, 2, 3] = np.nan
    mask = np.isfinite(observed)
    lam = np.full((3, 1, 1), 0.2)

    def everything(as_array, i=...):
        m, lo, s, n, known, lam_ = (as_array(x[i]) for x in (observed, low_rank, sparse, noise, mask, lam))
        return [
            metrics.relative_error(lo + n, lo, known),
            metrics.residual(m, lo, s),
            metrics.rank_of(lo),
            metrics.density(s, known),
            metrics.subspace_distance(lo + n, lo),
            metrics.objective(lo, s, n, lam=lam_, slack=0.5),
        ]

    stacked = everything(np.asarray)
    for clip in range(3):
        for whole, single in zip(stacked, everything(np.asarray, clip)):
            np.testing.assert_allclose(whole[clip], single)
    for library in (array_api_strict, torch):
        for other, plain in zip(everything(library.asarray), stacked):
            assert type(other) is type(library.asarray(observed))
            np.testing.assert_allclose(np.asarray(other), plain, rtol=1e-8)
        scores = metrics.support_scores(library.asarray(sparse + 0.0), library.asarray(sparse), library.asarray(mask))
        assert scores == (1, 1, 1)
