"""Anderson acceleration: the same optimum in fewer steps, on every route, and never led astray."""

import sys
from pathlib import Path

import numpy as np
import pytest
from problems import off, planted

import rpca_affect as ra
from rpca_affect import engine
from rpca_affect.acceleration import START, Anderson, anderson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # benchmarks are no part of the package

from benchmarks.hard_cases import case


def hard(seed):
    found = case(seed)
    return found.matrix, {"noise": found.sigma, "tol": 1e-9}


# Slow ones, among them two that the plain iteration needs more than 10,000 steps for.
@pytest.mark.parametrize("seed", [0, 3, 53, 113, 136, 137, 139, 302])
def test_the_same_optimum_in_fewer_steps(seed):
    matrix, wishes = hard(seed)
    fast = ra.solve(matrix, ra.ADMM(adaptive=False), **wishes)
    plain = ra.solve(matrix, ra.ADMM(adaptive=False, memory=0), max_iter=60_000, **wishes)
    assert fast.converged
    assert fast.n_iter < 0.6 * plain.n_iter
    assert fast.gap < 2e-9
    if plain.converged and plain.n_iter < 1000:  # a slower one stops farther from the optimum than its last step tells
        assert off(fast.low_rank, plain.low_rank) < 1e-6


@pytest.mark.parametrize("seed", [0, 53, 137])
def test_every_route_takes_the_same_steps(seed, monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rpca-affect[deep]'")
    matrix, wishes = hard(seed)
    tuned = ra.solve(matrix, "admm", **wishes)
    others = [ra.solve(torch.asarray(matrix), "admm", **wishes)]
    monkeypatch.setattr(engine, "accepts", lambda data, solver: False)
    others.append(ra.solve(matrix, "admm", **wishes))
    for other in others:  # rounding decides which extrapolations are taken back, so not to the last step
        assert abs(other.n_iter - tuned.n_iter) <= 0.05 * tuned.n_iter + 2
        assert off(np.asarray(other.low_rank), tuned.low_rank) < 1e-7


@pytest.mark.parametrize("seed", [3, 53])
def test_symmetries_survive(seed):
    matrix, wishes = hard(seed)
    rng = np.random.default_rng(0)
    rows, columns = (rng.permutation(n) for n in matrix.shape)
    noise = wishes["noise"]
    noise = noise[columns] if np.ndim(noise) else noise
    straight = ra.solve(matrix, "admm", **wishes)
    shuffled = ra.solve(matrix[rows][:, columns], "admm", noise=noise, tol=1e-9)
    scaled = ra.solve(-4 * matrix, "admm", noise=None if noise is None else 4 * wishes["noise"], tol=1e-9)
    assert off(shuffled.low_rank, straight.low_rank[rows][:, columns]) < 1e-7
    assert off(scaled.low_rank, -4 * straight.low_rank) < 1e-12
    assert scaled.n_iter == straight.n_iter


def test_an_extrapolation_that_went_wrong_is_taken_back():
    accelerate = Anderson(memory=3)
    point, tried, returned = np.full((2, 2), 1000.0), None, 0
    for _ in range(START + 120):
        # No step makes a distance longer, but there is a kink: seen from above, the fixed point seems to be at 0.6.
        after = np.where(point > 1, 0.95 * point + 0.03, 0.98 + 0.95 * (1 - point))
        length, step = float(np.linalg.norm(after - point)), after.copy()
        point = accelerate(point, after)
        assert np.array_equal(after, step), "the step was changed"
        if tried is not None:
            if length > tried[0]:
                returned += 1
                assert np.array_equal(point, tried[1])
            tried = None
        elif not np.array_equal(point, step):
            tried = (length, step)
    assert returned
    np.testing.assert_allclose(point, 1.93 / 1.95, atol=1e-6)


def test_a_plateau_is_crossed_as_without():
    """Where the residual hardly changes for a while, extrapolations go anywhere: the way goes on nevertheless."""
    matrix, wishes = hard(127)
    fast, plain = (ra.solve(matrix, ra.ADMM(memory=memory), **wishes) for memory in (20, 0))
    assert fast.converged and fast.n_iter < 1.5 * plain.n_iter
    assert off(fast.low_rank, plain.low_rank) < 1e-6


def test_a_resting_iteration_rests():
    accelerate, still = Anderson(memory=3), np.ones((2, 3))
    for _ in range(START + 5):
        assert np.array_equal(accelerate(still, still), still)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steps_that_repeat_each_other_exactly_are_no_obstacle(dtype):
    accelerate, point = Anderson(memory=4), np.ones((3, 2), dtype)
    for _ in range(START + 20):
        after = point + dtype(0.5)  # the residual never changes, its differences are zero; then all are the same
        point = accelerate(point, after)
        assert point.dtype == dtype
    for _ in range(20):
        point = accelerate(point, point / 2)
    assert np.all(np.isfinite(point))


def test_single_precision_is_accelerated_too():
    matrix, _ = hard(3)
    fast, plain = (ra.solve(matrix.astype(np.float32), ra.ADMM(memory=m), tol=1e-7) for m in (20, 0))
    assert fast.low_rank.dtype == np.float32
    assert off(fast.low_rank, plain.low_rank) < 1e-3


def test_where_it_is_off():
    assert anderson(ra.ADMM(), (40, 30)) is not None
    assert anderson(ra.ADMM(), (2, 40, 30)) is None
    assert anderson(ra.ADMM(), (2**18, 4)) is None
    assert anderson(ra.ADMM(memory=0), (40, 30)) is None
    assert anderson(ra.ADMM(growth=1.1), (40, 30)) is None
    assert anderson(ra.InexactALM(), (40, 30)) is None
    low, sparse = planted(40, 30, seed=1)
    quick = ra.solve(low + sparse, ra.ADMM(head_start=False), max_iter=START)
    plain = ra.solve(low + sparse, ra.ADMM(head_start=False, memory=0), max_iter=START)
    assert np.array_equal(quick.low_rank, plain.low_rank)
