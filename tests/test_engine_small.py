"""Small matrices take their steps in one place: the same steps."""

from unittest import mock

import numpy as np
import pytest
from problems import off, planted

import rpca_affect as ra
from rpca_affect.engine import small


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("wishes", [
    {"solver": "ialm"},
    {"solver": "ialm", "tol": 1e-11, "max_iter": 60},  # far enough for thresholds that squares lose
    {"solver": "admm", "tol": 1e-8},
    {"solver": "admm", "noise": 0.05, "tol": 1e-13, "max_iter": 130},  # long enough to be accelerated
    {"solver": "admm", "noise": np.linspace(0.01, 0.1, 90)},
    {"solver": ra.InexactALM(relax=1.0)},
    {"solver": "ialm", "max_iter": 3},
])  # fmt: skip
@pytest.mark.parametrize("wide", [False, True])
def test_they_are_the_same_steps(wishes, dtype, wide):
    observed = sum(planted(20, 90) if wide else planted(90, 20)).astype(dtype)
    if np.ndim(wishes.get("noise")):
        wishes = wishes | {"noise": wishes["noise"][: observed.shape[1]]}
    with mock.patch.object(small, "advance", wraps=small.advance) as taken:
        found = ra.solve(observed, **wishes)
    assert taken.called
    with mock.patch.object(small, "suits", return_value=False):
        expected = ra.solve(observed, **wishes)
    assert abs(found.n_iter - expected.n_iter) <= 1  # the last error is rounding, and falls short of `tol` by chance
    both = min(found.n_iter, expected.n_iter)
    near = 1e-9 if dtype == "float64" else 2e-4
    assert off(found.low_rank, expected.low_rank) < near
    assert off(found.sparse, expected.sparse) < near
    errors = [split.history["error"][:both] for split in (found, expected)]
    np.testing.assert_allclose(*errors, rtol=1e-3, atol=near)
    assert found.history["rank"][:both] == expected.history["rank"][:both]


@pytest.mark.parametrize("shape", [(90, 20), (20, 90)])
def test_thresholds_that_squares_lose_are_exact(shape):
    """A part at 1e-6 of the norm: its square is known to four digits only."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((size, 2)))[0] for size in shape)
    observed = left * [1.0, 1e-6] @ right.T
    found = ra.solve(observed, "ialm", tol=1e-12, max_iter=60)
    with mock.patch.object(small, "suits", return_value=False):
        expected = ra.solve(observed, "ialm", tol=1e-12, max_iter=60)
    assert found.n_iter == expected.n_iter and found.rank == expected.rank == 2
    assert np.linalg.norm(found.low_rank - expected.low_rank) < 1e-6 * 1e-6


def test_a_zero_matrix_and_a_callback():
    assert not ra.solve(np.zeros((30, 8)), "ialm").low_rank.any()
    seen = []
    found = ra.solve(sum(planted(30, 8)), "ialm", callback=lambda step: seen.append(step.n_iter) or len(seen) == 4)
    assert seen == [1, 2, 3, 4] and not found.converged


@pytest.mark.parametrize("change", [
    {"mask": np.arange(600).reshape(60, 10) % 7 > 0}, {"sparse": "frames", "solver": "admm"},
])  # fmt: skip
def test_others_are_not_taken(change):
    with mock.patch.object(small, "advance", side_effect=AssertionError):
        ra.solve(sum(planted(60, 10)), **change)
        ra.solve(sum(planted(60, 40)))
