"""Newton's method ends at the optimum that ADMM needs many steps for, proves it, and gives up where it cannot."""

from dataclasses import replace

import array_api_strict as strict
import numpy as np
import pytest
from problems import off, planted

import rpca_affect as ra
from rpca_affect import newton
from rpca_affect.arrays import observe
from rpca_affect.certificate import relative_gap
from rpca_affect.noise import slack

SHAPES = [(120, 90), (90, 120), (300, 60), (60, 300)]


def problem(shape, missing=0.0, noise=0.0, seed=0, smallest=2.0):
    """Planted parts whose outliers are at least ``smallest``: then their support can be told."""
    rng = np.random.default_rng(seed)
    low_rank, sparse = planted(*shape, rank=2, seed=seed, density=0.03)
    sparse = sparse + smallest * np.sign(sparse)
    observed = low_rank + sparse + noise * rng.standard_normal(shape)
    return np.where(rng.random(shape) < missing, np.nan, observed)


def outside(data, answer, weight=0.0):
    return float(relative_gap(data, answer.low_rank, answer.dual, answer.lam, weight).squeeze())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_it_proves_the_optimum_from_a_quick_answer(shape, missing):
    observed = problem(shape, missing)
    data = observe(observed)
    quick = ra.solve(observed, "admm" if missing else "ialm", tol=1e-5, max_iter=60, keep_dual=True)
    assert newton.suits(data, quick, 0.0)
    answer = newton.polished(data, quick, float(quick.lam), 0.0, 1e-6)
    assert answer.gap <= 1e-6 and outside(data, answer) <= answer.gap + 1e-12
    best = ra.solve(observed, "admm", tol=1e-9, max_iter=3000)
    assert off(answer.low_rank, best.low_rank) < 1e-5
    known = ~np.isnan(observed)
    assert off((answer.low_rank + answer.sparse)[known], observed[known]) < 1e-5
    assert not answer.sparse[~known].any() and answer.status.reason == "gap"


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_a_noise_part_takes_one_round(missing):
    observed = problem((300, 60), missing, noise=0.05)
    data = observe(observed)
    weight = float(slack(0.05, (300, 60), share=1.0 - float(np.isnan(observed).mean())))
    model = ra.ADMM(lam=3 * 0.05 / weight, slack=weight)  # cells beyond three standard deviations are sparse
    quick = ra.solve(observed, model, tol=1e-3, keep_dual=True)
    answer = newton.polished(data, quick, float(quick.lam), weight, 1e-5)
    best = ra.solve(observed, model, tol=1e-9, max_iter=3000)
    assert outside(data, answer, weight) <= 1e-5
    assert off(answer.low_rank, best.low_rank) < 1e-4 and answer.n_iter < 50
    known = ~np.isnan(observed)
    assert np.allclose((answer.low_rank + answer.sparse + answer.noise)[known], observed[known])


def test_it_runs_on_other_array_libraries():
    observed = problem((90, 40), 0.1)
    answers = []
    for xp in (np, strict):
        data = observe(xp.asarray(observed))
        quick = ra.solve(xp.asarray(observed), "admm", tol=1e-5, max_iter=60, keep_dual=True)
        answers.append(newton.polished(data, quick, float(quick.lam), 0.0, 1e-6))
    assert off(np.asarray(answers[1].low_rank), answers[0].low_rank) < 1e-5


def test_it_gives_up_rather_than_going_astray():
    observed = problem((120, 90))
    data, quick = observe(observed), ra.solve(observed, "ialm", tol=1e-5, keep_dual=True)
    rng = np.random.default_rng(0)
    astray = replace(quick, dual=rng.standard_normal(observed.shape), low_rank=rng.standard_normal(observed.shape))
    found = newton.polished(data, astray, float(quick.lam), 0.0, 1e-6)
    assert found is None or outside(data, found) <= 1e-6


@pytest.mark.parametrize("missing, noise", [(0.0, 0.0), (0.2, 0.0), (0.0, 0.05)])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_start_whose_memory_it_may_have_is_as_good_as_before_where_it_fails(shape, missing, noise):
    observed = problem(shape, missing, noise)
    weight = float(slack(noise, shape))
    quick = ra.solve(observed, ra.ADMM(slack=weight), tol=1e-3, keep_dual=True)
    low_rank, dual = quick.low_rank.copy(), quick.dual.copy()
    assert newton.polished(observe(observed), quick, float(quick.lam), weight, 1e-300, True) is None
    assert off(quick.low_rank, low_rank) < 1e-12 and np.array_equal(quick.dual, dual)


@pytest.mark.parametrize("change", [{"dual": None}, {"rank": 60}, {"gap": 0.1}, {"rank": 0}])
def test_it_refuses_starts_that_are_not_near(change):
    observed = problem((120, 90))
    quick = ra.solve(observed, "ialm", tol=1e-5, keep_dual=True)
    assert newton.suits(observe(observed), quick, 0.0)
    assert not newton.suits(observe(observed), replace(quick, **change), 0.0)


@pytest.mark.parametrize("missing, noise", [(0.0, None), (0.15, None), (0.0, 0.05)])
@pytest.mark.parametrize("keep", [True, False])
def test_solve_goes_to_a_wanted_gap(missing, noise, keep):
    observed = problem((200, 60), missing, noise or 0.0)
    answer = ra.solve(observed, gap=1e-7, noise=noise, keep_dual=keep)
    assert answer.gap <= 1e-7 and answer.converged and (answer.dual is not None) == keep
    assert answer.status.reason == "gap" and answer.solver == "newton"
    assert len(answer.history["error"]) == answer.n_iter < 100
    best = ra.solve(observed, "admm", tol=1e-10, noise=noise, max_iter=5000)
    assert off(answer.low_rank, best.low_rank) < 1e-5
    factored = ra.solve(observed, gap=1e-7, noise=noise, factored=True)
    assert factored.low_rank is None and off(factored.factors.matrix(), best.low_rank) < 1e-5


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_outliers_of_every_size_end_at_the_wanted_gap_too(missing):
    answer = ra.solve(problem((400, 24), missing, smallest=0.0), gap=1e-6)
    assert answer.gap <= 1e-6 and answer.converged


def test_admm_goes_on_where_newton_fails(monkeypatch):
    observed = problem((120, 90))
    monkeypatch.setattr(newton, "polished", lambda *_: None)
    answer = ra.solve(observed, gap=1e-6)
    assert answer.gap <= 1e-6 and answer.solver == "admm"
    masked = ra.solve(problem((120, 90), 0.1), gap=1e-6)
    assert masked.gap <= 1e-6 and masked.solver == "admm"


def test_steps_to_a_smaller_gap_than_they_can_prove_are_left_unproved(monkeypatch):
    """A proof costs as much as three steps; where Newton's method fails, ADMM goes on from an answer without a gap."""
    observed, seen = problem((150, 140)), []
    whole = newton.polished

    def told(data, start, *rest):
        seen.append(start.gap)
        return whole(data, start, *rest) if len(seen) < 3 else None

    monkeypatch.setattr(newton, "polished", told)
    assert ra.solve(observed, gap=1e-4).gap <= 1e-4
    assert ra.solve(observed, gap=1e-7).solver == "newton"
    answer = ra.solve(observed, gap=1e-7)
    assert answer.gap <= 1e-7 and answer.solver == "admm" and answer.converged
    assert [gap is None for gap in seen] == [False, True, True]
