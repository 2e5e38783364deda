"""The penalty follows the distances travelled: bounded, the same on every route, the same optimum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import off, planted

import rpca_affect as ra
from rpca_affect import engine
from rpca_affect.penalty import MARKS, SMALLEST, factor, multiplier

positive = st.floats(1e-12, 1e12)


@given(st.lists(st.one_of(positive, st.just(np.nan)), min_size=len(MARKS), max_size=len(MARKS)))
def test_all_changes_together_are_bounded(ratios):
    total = np.ones(1)
    for step, ratio in zip(MARKS, ratios):
        change = factor(step, np.array([ratio]), total)
        assert SMALLEST * 0.99 <= change[0] <= max(8.0, 1.2 / total[0])
        assert step < 40 or total[0] * change[0] <= max(1.2, total[0])
        total = total * change
    assert 0.1 <= total[0] <= 8.0**3
    assert factor(max(MARKS) + 1, np.array([50.0]), total)[0] == 1.0


def test_the_multiplier_is_that_of_the_reference_step():
    rng = np.random.default_rng(0)
    data = ra.arrays.Observed(rng.standard_normal((9, 6)))
    solver = ra.ADMM(growth=1.3).tuned(data)
    state = solver.init(data)
    for _ in range(3):
        before, state = state, solver.step(data, state)
    found = multiplier(before.argument, state.low_rank, state.argument, before.mu, state.mu, solver.relax)
    np.testing.assert_allclose(found, state.dual, atol=1e-12)


def matrices():
    low, sparse = planted(90, 40, rank=4, seed=3)
    whole = low + sparse
    holes = np.where(np.random.default_rng(1).random(whole.shape) < 0.2, np.nan, whole)
    return {"whole": (whole, {}), "holes": (holes, {}), "frames": (whole, {"sparse": "frames", "lam": 0.4})}


@pytest.mark.parametrize("name", ["whole", "holes", "frames"])
def test_every_route_changes_the_penalty_alike(name, monkeypatch):
    matrix, wishes = matrices()[name]
    solver = ra.ADMM(memory=0)  # extrapolation is for single matrices only
    tuned = ra.solve(matrix, solver, **wishes)
    stack = ra.solve(np.stack([matrix, 2 * matrix]), solver, **wishes)
    monkeypatch.setattr(engine, "accepts", lambda data, solver: False)
    plain = ra.solve(matrix, solver, **wishes)
    assert len(set(plain.history["mu"])) > 1 and plain.converged
    np.testing.assert_allclose([tuned.mu, stack.mu[0], 2 * stack.mu[1]], plain.mu, rtol=1e-6)
    np.testing.assert_allclose(tuned.history["mu"], plain.history["mu"], rtol=1e-5)
    for other in (tuned.low_rank, stack.low_rank[0], stack.low_rank[1] / 2):
        assert off(other, plain.low_rank) < 1e-6


@pytest.mark.parametrize("name", ["whole", "holes"])
def test_the_optimum_is_that_of_a_kept_penalty(name):
    matrix, wishes = matrices()[name]
    kept = ra.solve(matrix, ra.ADMM(adaptive=False), **wishes, tol=1e-9)
    moved = ra.solve(matrix, "admm", **wishes, tol=1e-9)
    assert off(moved.low_rank, kept.low_rank) < 1e-7


def test_a_given_penalty_and_a_noise_part_keep_theirs():
    matrix = matrices()["whole"][0]
    for solver, wishes in ((ra.ADMM(mu=0.7), {}), (ra.ADMM(), {"noise": 0.1})):
        assert len(set(ra.solve(matrix, solver, **wishes).history["mu"])) == 1
    again = ra.solve(matrix, "admm", init=ra.solve(matrix, "admm", keep_dual=True))
    assert again.n_iter <= 5
