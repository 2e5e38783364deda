"""Alternating projections: what they recover, their laws, and that their failures show."""

import array_api_strict as strict
import numpy as np
import pytest

import rpca_affect as ra
from rpca_affect.solvers.altproj import AltProj, median_size


def planted(rows, columns, rank, density, seed=0):
    rng = np.random.default_rng(seed)
    low_rank = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))
    sparse = rng.uniform(-1, 1, (rows, columns)) * np.abs(low_rank).max() * (rng.random((rows, columns)) < density)
    return low_rank + sparse, low_rank


def error(answer, low_rank):
    return np.linalg.norm(answer.low_rank - low_rank) / np.linalg.norm(low_rank)


@pytest.mark.parametrize(
    ("shape", "rank", "density"), [((200, 200), 10, 0.3), ((100, 150), 20, 0.1), ((600, 40), 3, 0.15)]
)
@pytest.mark.parametrize("seed", range(3))
def test_recovers_what_was_planted(shape, rank, density, seed):
    observed, low_rank = planted(*shape, rank, density, seed)
    answer = ra.solve(observed, "altproj", rank=rank)
    assert answer.converged
    assert answer.residual <= 1e-7
    assert answer.rank == rank
    assert error(answer, low_rank) < 1e-6
    assert np.mean(np.abs(answer.sparse) > 1e-4) == pytest.approx(density, abs=0.02)


def test_short_clips_where_the_convex_model_has_another_optimum():
    won = 0
    for seed in range(4):
        observed, low_rank = planted(16, 512, 2, 0.05, seed)
        convex = error(ra.solve(observed, "admm", tol=1e-6), low_rank)
        known = error(ra.solve(observed, "altproj", rank=2), low_rank)
        assert convex > 1e-3
        won += known < 1e-5
    assert won >= 3


def test_missing_cells_are_predicted():
    observed, low_rank = planted(120, 80, 3, 0.05)
    holes = np.random.default_rng(1).random(observed.shape) < 0.2
    answer = ra.solve(np.where(holes, np.nan, observed), "altproj", rank=3)
    assert error(answer, low_rank) < 1e-5
    assert not answer.sparse[holes].any()


def test_a_gigantic_cell_changes_nothing():
    observed, low_rank = planted(100, 60, 3, 0.05)
    observed[5, 7] = 1e9
    answer = ra.solve(observed, "altproj", rank=3, tol=1e-14)
    assert error(answer, low_rank) < 1e-5


def test_floor_separates_noise_from_outliers():
    observed, low_rank = planted(200, 100, 3, 0.05)
    noise = 0.05 * np.random.default_rng(2).standard_normal(observed.shape)
    answer = ra.solve(observed + noise, AltProj(rank=3, floor=0.2))
    assert answer.converged
    assert error(answer, low_rank) < 0.02
    assert np.abs(answer.noise).max() <= 0.2 * (1 + 1e-12)
    assert np.allclose(answer.low_rank + answer.sparse + answer.noise, observed + noise)
    assert answer.sparsity < 0.07


def test_scale_by_a_power_of_two_is_exact():
    observed, _ = planted(60, 50, 2, 0.05)
    answer, scaled = (ra.solve(observed * unit, "altproj", rank=2, random_state=0) for unit in (1.0, 2.0**-40))
    assert np.array_equal(scaled.low_rank, answer.low_rank * 2.0**-40)


def test_transpose_and_permutation_commute():
    observed, _ = planted(80, 60, 3, 0.05)
    expected = ra.solve(observed, "altproj", rank=3).low_rank
    order = np.random.default_rng(0).permutation(60)
    assert np.allclose(ra.solve(observed.T, "altproj", rank=3).low_rank.T, expected, atol=1e-5)
    assert np.allclose(ra.solve(observed[:, order], "altproj", rank=3).low_rank, expected[:, order], atol=1e-5)
    assert np.allclose(ra.solve(-observed, "altproj", rank=3).low_rank, -expected, atol=1e-5)


def test_auto_takes_it_when_only_the_rank_is_known():
    observed, _ = planted(60, 50, 2, 0.05)
    assert ra.solve(observed, rank=2).solver == "altproj"


def test_a_wrong_answer_is_dense_and_says_so():
    rng = np.random.default_rng(0)
    answer = ra.solve(rng.standard_normal((60, 50)), "altproj", rank=2)
    assert answer.sparsity > 0.3
    assert any("Meaningless split" in sentence for sentence in answer.status.warnings)


def test_undetermined_frames_are_named():
    observed, _ = planted(60, 50, 2, 0.0)
    observed[7, :48] = np.nan
    warnings = ra.solve(observed, "altproj", rank=2).status.warnings
    assert any("1 frames have at most 2 cells" in sentence for sentence in warnings)
    assert not ra.solve(planted(60, 50, 2, 0.02)[0], "altproj", rank=2).status.warnings


@pytest.mark.parametrize("numbers", [{"rank": 0}, {"rank": 9}, {"decay": 1.0}, {"momentum": 1.0}])
def test_bad_numbers(numbers):
    with pytest.raises(ValueError, match="must"):
        ra.solve(np.eye(8) + 1, AltProj(**numbers))


def test_stack_and_other_library_agree_with_one_by_one():
    clips = np.stack([planted(20, 30, 2, 0.05, seed)[0] for seed in range(3)])
    solver = AltProj(rank=2, random_state=0)
    stacked = ra.solve(clips, solver)
    for clip, low_rank in zip(clips, stacked.low_rank):
        assert np.allclose(ra.solve(clip, solver).low_rank, low_rank, atol=1e-6)
    other = ra.solve(strict.asarray(clips[0]), solver)
    assert np.allclose(np.asarray(other.low_rank), stacked.low_rank[0], atol=1e-6)


def test_zero_matrix():
    answer = ra.solve(np.zeros((6, 5)), "altproj", rank=1)
    assert answer.converged
    assert answer.rank == 0


def test_median_leaves_zeros_out():
    x = np.array([[0.0, 0.0, -3.0], [1.0, 0.0, 2.0]])
    assert median_size(np.stack([x, 0 * x]))[:, 0, 0].tolist() == [2.0, 0.0]
