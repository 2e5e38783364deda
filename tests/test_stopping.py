"""A run ends on a proved gap, or where its base stands still, and says which."""

import numpy as np
import pytest
from problems import off

import rpca_affect as ra
from rpca_affect import engine
from rpca_affect.arrays import observe
from rpca_affect.certificate import relative_gap
from rpca_affect.stopping import Watch


def spoiled(kind, missing=0.0, shape=(120, 90), rank=4, seed=0, height=1.0):
    """Low rank plus errors in a tenth of the cells: (matrix, low rank)."""
    rng = np.random.default_rng(seed)
    low = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    errors = {"gauss": rng.standard_normal(shape), "sign": np.sign(rng.standard_normal(shape))}[kind]
    matrix = low + height * errors * (rng.random(shape) < 0.1)
    return np.where(rng.random(shape) < missing, np.nan, matrix), low


@pytest.mark.parametrize("kind", ["gauss", "sign"])
@pytest.mark.parametrize("height", [0.03, 0.3, 1.0, 1e3])
@pytest.mark.parametrize("missing", [0.0, 1e-4, 0.05])
def test_small_and_large_errors_end_with_or_without_missing_cells(kind, height, missing):
    matrix, low = spoiled(kind, missing, height=height)
    split = ra.solve(matrix, "admm")
    assert split.converged and split.n_iter < 400 and split.gap <= 1e-6
    assert off(split.low_rank, low) < 1e-5


@pytest.mark.parametrize("missing", [0.0, 0.01, 0.05])
def test_errors_of_the_size_of_the_data_reach_a_gap_in_few_steps(missing):
    matrix, low = spoiled("gauss", missing, (200, 200), rank=5)
    split = ra.solve(matrix, "admm", gap=1e-6)
    assert split.converged and split.n_iter <= 200 and split.gap <= 1e-6
    assert off(split.low_rank, low) < 1e-4


@pytest.mark.parametrize("route", ["tuned", "reference", "stack", "stack by reference"])
@pytest.mark.parametrize("wishes", [{}, {"noise": 0.05}], ids=["plain", "noise"])
def test_a_wanted_gap_is_proved_by_the_answer(route, wishes, monkeypatch):
    matrix, _ = spoiled("gauss", 0.02, (60, 30))
    if "reference" in route:
        monkeypatch.setattr(engine, "accepts", lambda data, solver: False)
    given = np.stack([matrix, matrix[::-1]]) if "stack" in route else matrix
    far = ra.solve(given, "admm", **wishes, tol=1e-9)
    split = ra.solve(given, "admm", **wishes, tol=1e-9, gap=1e-3, keep_dual=True)
    assert split.converged and split.status.reason == "gap" and np.max(split.n_iter) < np.max(far.n_iter)
    slack = 0.0 if not wishes else np.sqrt(2 * np.mean(~np.isnan(matrix)) * 60) * 0.05
    again = relative_gap(observe(given, None), split.low_rank, split.dual, np.reshape(split.lam, (-1, 1, 1)), slack)
    assert np.max(again) <= 1.01e-3
    assert "wanted duality gap" in str(split.status)


@pytest.mark.parametrize("reference", [False, True])
def test_a_base_that_stands_still_ends_a_drifting_multiplier(reference, monkeypatch):
    if reference:
        monkeypatch.setattr(engine, "accepts", lambda data, solver: False)
    matrix, low = spoiled("gauss", 0.01, height=0.03)
    split = ra.solve(matrix, ra.ADMM(memory=0))
    assert split.converged and split.status.reason == "still" and split.history["error"][-1] > 1e-7
    assert split.gap <= 1e-6 and off(split.low_rank, low) < 1e-6
    assert "stands still" in str(split.status)


def hopeless(seed=0):
    """Drift with bursts: inexact ALM is feasible, and far from the optimum."""
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.standard_normal((300, 6)), axis=0)
    walks = (walks - walks.mean(0)) / walks.std(0)
    matrix = (walks * 0.85 ** np.arange(6)) @ rng.standard_normal((6, 24))
    matrix[40:60, 3] += 4
    return matrix + 0.3 * rng.standard_normal(matrix.shape)


def test_auto_hands_over_whatever_the_tolerance_and_ends_on_the_gap_that_called():
    matrix = hopeless()
    best = ra.solve(matrix, "admm", max_iter=3000)
    split = ra.solve(matrix)
    assert split.solver == "admm" and split.converged and split.n_iter < 3000 and split.gap <= 1e-3
    assert off(split.low_rank, best.low_rank) < 5e-3
    strict = ra.solve(matrix, tol=1e-11, max_iter=600)
    assert strict.solver == "admm"


@pytest.mark.parametrize("gap", [0.0, -1.0, float("nan")])
def test_a_gap_that_cannot_be_met_is_refused(gap):
    with pytest.raises(ValueError, match="gap is"):
        ra.solve(np.eye(3), gap=gap)


@pytest.mark.parametrize("near", [1.02, 1.1, 1.2])
def test_a_gap_that_is_nearly_met_is_looked_at_soon(near):
    watch, base = Watch(1e-12, gap=1e-6), np.ones((3, 2))
    for unknown in (np.inf, np.nan):
        assert watch.verdict(180, unknown) == ""
    watch.asks(200, base)
    assert watch.verdict(200, near * 1e-6) == "" and watch.next == max(205, np.ceil(200 * near))
    watch.asks(300, base)
    assert watch.verdict(300, 3e-6) == "" and watch.next == max(305, np.ceil(300 * near))  # a gap may rise in between
    watch.asks(watch.next, base)
    assert watch.verdict(watch.next, 1e-6) == "gap"


@pytest.mark.parametrize("residual, calm", [(1e-8, True), (1e-4, False)])
def test_without_a_tolerance_a_base_may_move_more_once_the_parts_add_up(residual, calm):
    watch, base = Watch(1e-9, calm=1e-3), np.ones((3, 2))
    watch.asks(20, base, residual)
    assert watch.asks(30, base * (1 + 1e-4), residual) == calm
    assert watch.verdict(30, 5e-4) == ("still" if calm else "")
