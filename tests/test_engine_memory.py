"""Memory of the engine: how much a solve takes, and parts that are written over what is no longer needed."""

import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import off, planted

import rpca_affect as ra
from rpca_affect.engine.spectrum import gram as squares
from rpca_affect.engine.spectrum import panels
from rpca_affect.engine.threads import hired


def problem(rows, columns, rank):
    low, sparse = planted(rows, columns, rank=rank)
    return low + sparse


def peak_of(observed, wishes):
    """Peak memory of a solve beyond the input, in multiples of it, outputs and scratch memory included."""
    ra.solve(observed[:50, :50], **{**wishes, "max_iter": 2})
    tracemalloc.start()
    try:
        ra.solve(observed, **wishes)
        return tracemalloc.get_traced_memory()[1] / observed.nbytes
    finally:
        tracemalloc.stop()


def more_workers():
    """What workers beyond two may take of a small input."""
    with hired() as crew:
        return 0.0 if crew.size <= 2 else 0.5


@pytest.mark.parametrize(
    ("wishes", "times"),
    [
        ({"solver": "auto"}, 2.4),
        ({"solver": "ialm"}, 2.4),
        ({"solver": "ialm", "factored": True}, 2.4),
        ({"solver": "admm"}, 2.5),
        # A noise part is a third matrix to give back.
        ({"solver": "admm", "noise": 0.1, "factored": True}, 2.5),
        ({"solver": "admm", "noise": 0.1}, 3.15),
        ({"solver": "godec", "rank": 4, "cardinality": 0.05}, 3.2),
        ({"solver": "altproj", "rank": 4}, 3.2),
    ],
)
@pytest.mark.parametrize("shape", [(30_000, 100), (100, 30_000), (1300, 1200)])
def test_peak_memory_is_three_times_the_input(shape, wishes, times):
    long = wishes["solver"] in ("auto", "admm") and "noise" not in wishes  # past the head start
    assert peak_of(problem(*shape, rank=4), {**wishes, "max_iter": 40 if long else 3}) < times + more_workers()


@pytest.mark.parametrize(("wishes", "times"), [({"solver": "ialm"}, 2.4), ({"solver": "admm", "noise": 0.1}, 3.15)])
@pytest.mark.parametrize("shape", [(30_000, 100), (100, 30_000), (1300, 1200)])
def test_gigantic_cells_cost_no_matrix_more(shape, wishes, times):
    observed = problem(*shape, rank=4)
    observed[::50, 7] = 1e9
    assert peak_of(observed, {**wishes, "max_iter": 20}) < times + more_workers()


@pytest.mark.parametrize(("wishes", "times"), [({"solver": "auto"}, 2.6), ({"solver": "admm", "noise": 0.1}, 3.3)])
@pytest.mark.parametrize("shape", [(30_000, 100), (100, 30_000), (1300, 1200)])
def test_missing_cells_cost_no_more_than_the_mask(shape, wishes, times):
    observed = problem(*shape, rank=4)
    observed[::7, 5] = np.nan
    assert peak_of(observed, {**wishes, "max_iter": 20}) < times + more_workers()


@pytest.mark.parametrize(("factored", "times"), [(False, 3.25), (True, 3.1)])
def test_a_small_noisy_recording_needs_little_beyond_its_parts(factored, times):
    observed = problem(1062, 300, rank=50)
    observed[::50, 7] = 1e9
    wishes = {"solver": "admm", "noise": 0.1, "max_iter": 40, "factored": factored}
    assert peak_of(observed, wishes) < times + more_workers()


@pytest.mark.parametrize(("solver", "steps"), [("ialm", 37), ("admm", 30)])  # to thresholds that a Gram matrix loses
@pytest.mark.parametrize(("rank", "times"), [(300, 2.9), (450, 3.4)])
def test_a_square_of_high_rank(rank, times, solver, steps):
    observed = problem(1400, 1300, rank=rank)
    assert peak_of(observed, {"solver": solver, "max_iter": steps}) < times + more_workers()


@pytest.mark.parametrize("solver", ["auto", "ialm", "admm"])
def test_a_small_square_needs_less_than_three_times_its_input(solver):
    wishes = {"solver": solver, "max_iter": 60}  # ADMM begins to remember its steps for acceleration after that
    # ADMM's penalty follows distances between samples of base and multiplier: an eighth of so small a matrix each.
    assert peak_of(problem(500, 500, rank=25), wishes) < (3.4 if solver == "admm" else 3.0) + more_workers()


@pytest.mark.parametrize("solver", ["auto", "ialm", "admm"])
@pytest.mark.parametrize(("shape", "times"), [((20_000, 128), 2.4), ((128, 20_000), 2.4), ((5000, 500), 2.9)])
def test_a_third_of_all_ranks_and_a_second_solver_need_no_more(shape, times, solver):
    rng = np.random.default_rng(0)
    rank = min(shape) // 3
    fading = 0.95 ** np.arange(rank)[:, None]
    observed = rng.standard_normal((shape[0], rank)) @ (rng.standard_normal((rank, shape[1])) * fading)
    observed[rng.random(shape) < 0.1] += 10
    assert peak_of(observed, {"solver": solver, "max_iter": 50}) < times + more_workers()


def test_a_stage_that_begins_anew_has_the_memory_of_the_one_before():
    """Inexact ALM ends beyond the wanted gap; with a slower penalty it starts again, from nothing."""
    rng = np.random.default_rng(0)
    observed = rng.standard_normal((5000, 10)) @ rng.standard_normal((10, 100))
    observed += (rng.random(observed.shape) < 0.2) * rng.uniform(-10, 10, observed.shape)
    assert ra.solve(observed, "ialm").gap > 2e-3
    assert ra.solve(observed).solver == "ialm" and ra.solve(observed).gap < 1e-3
    assert peak_of(observed, {"solver": "auto", "max_iter": 1000}) < 2.8 + more_workers()


class OwnADMM(ra.ADMM):
    """Stands for a solver that the engine does not know, although it knows the one that goes ahead."""


@pytest.mark.parametrize("shape", [(900, 300), (300, 900), (40, 30)])
def test_a_start_from_the_engine_suits_the_reference_loop(shape):
    observed = problem(*shape, rank=3)
    expected = ra.solve(observed, ra.ADMM(), max_iter=40)
    found = ra.solve(observed, OwnADMM(), max_iter=40)
    assert found.n_iter == expected.n_iter
    assert off(found.low_rank, expected.low_rank) < 1e-6


@pytest.mark.parametrize("wishes", [{"solver": "ialm"}, {"solver": "admm", "noise": 0.1}, {"sparse": "frames"}])
@pytest.mark.parametrize("shape", [(900, 300), (300, 900)])
def test_the_order_in_memory_does_not_matter(shape, wishes):
    observed = problem(*shape, rank=3)
    spread = np.zeros((shape[0], 2 * shape[1]))
    spread[:, ::2] = observed
    exact = ra.solve(observed, **wishes)
    for same in (np.asfortranarray(observed), spread[:, ::2]):
        found = ra.solve(same, **wishes)
        assert found.n_iter == exact.n_iter
        assert off(found.low_rank, exact.low_rank) < 1e-12
        assert off(found.sparse, exact.sparse) < 1e-12
        assert abs(found.gap - exact.gap) < 1e-9


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 600), st.integers(1, 60), st.integers(0, 12), st.integers(0, 10**6))
def test_the_triangle_is_accurate_at_every_scale(more, columns, range_, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((columns + more, columns)) @ np.diag(10.0 ** -np.linspace(0, range_, columns))
    with hired() as crew, mock.patch.object(squares, "CHUNK", 1):  # blocks as short as they can be
        triangle = squares.triangle_of(x, crew)
    exact = np.linalg.qr(x, mode="r")
    np.testing.assert_allclose(np.abs(triangle), np.abs(exact), rtol=1e-6, atol=1e-12 * 10.0**-range_)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 900),
    st.integers(1, 420),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from([None, np.float32, np.float64]),
    st.integers(0, 400_001),
)
def test_the_gram_matrix_is_the_same_in_any_memory(rows, columns, dtype, kind, cells):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, columns)).astype(dtype)
    memory = None if kind is None else np.empty(cells + 1, kind)[1:]  # half of the time not aligned for doubles
    with hired() as crew, mock.patch.object(squares, "CHUNK", 1):
        square = squares.gram(x, crew, memory)
    exact = x.astype(np.float64).T @ x.astype(np.float64)
    np.testing.assert_allclose(square, exact, rtol=1e-12, atol=1e-12 * rows)
    assert square.flags.f_contiguous


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 300),
    st.integers(1, 100),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 10**6),
)
def test_panels_are_the_gram_matrix(rows, columns, height, dtype, seed):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((rows, columns)).astype(dtype)
    before, block = y.copy(), rng.standard_normal((columns, 3))
    exact = y.astype(np.float64).T @ y.astype(np.float64)
    top = np.linalg.norm(exact, 2)
    parts = [slice(start, min(start + height, rows)) for start in range(0, rows, height)]

    def fill(blocks, out):
        out[:] = y[blocks[0].start : blocks[-1].stop]

    with hired() as crew:
        square = panels.Panels(fill, parts, np.empty_like(y), crew)
        np.testing.assert_allclose(square @ block, exact @ block, rtol=1e-10, atol=1e-10 * top)
        assert square.norm_is_below(1.0001 * top)
        assert not square.norm_is_below(0.9999 * top)
        assert abs(square.norm() - np.sqrt(top)) <= 1e-9 * np.sqrt(top)
        bound = panels.norm_bound_of(square, block)
    assert np.array_equal(y, before)
    assert np.sqrt(top) * (1 - 1e-9) <= bound <= np.sqrt(top) + max(0.2 * (np.sqrt(top) - 1), 1e-6 * np.sqrt(top))


@pytest.mark.parametrize("wishes", [{"solver": "admm"}, {"solver": "admm", "noise": 0.1}, {"solver": "ialm"}])
@pytest.mark.parametrize("shape", [(900, 300), (40, 30), (30, 900)])
@pytest.mark.parametrize("unit", [1.0, 1e9])
def test_parts_in_borrowed_memory_are_the_same(wishes, shape, unit):
    observed = unit * problem(*shape, rank=3)
    wishes = {**wishes, "noise": 0.1 * unit} if "noise" in wishes else wishes
    before = observed.copy()
    whole = ra.solve(observed, **wishes, keep_dual=True)
    thin = ra.solve(observed, **wishes, factored=True)
    assert np.array_equal(observed, before)
    assert thin.low_rank is None
    assert off(thin.factors.matrix(), whole.low_rank) < 1e-9
    assert off(thin.sparse, whole.sparse) < 1e-12
    assert off(thin.noise, whole.noise) < 1e-12
    assert off(thin.factors.matrix() + thin.sparse + thin.noise, observed) < 1e-5


@pytest.mark.parametrize("shape", [(400, 380), (380, 400), (600, 500)])
def test_factors_of_a_square_of_high_rank_are_its_low_rank_part(shape):
    observed = problem(*shape, rank=3) + 0.3 * np.random.default_rng(0).standard_normal(shape)
    whole = ra.solve(observed, "ialm", max_iter=15)
    thin = ra.solve(observed, "ialm", max_iter=15, factored=True)
    assert thin.rank == whole.rank > min(shape) // 2
    left, values, right = thin.factors
    assert off(thin.factors.matrix(), whole.low_rank) < 1e-10
    assert np.all(np.diff(values) <= 0)
    for x in (left, right.T):
        np.testing.assert_allclose(x.T @ x, np.eye(len(values)), atol=1e-9)
