"""Reading the data without a copy, and writing an argument over the left vectors that it is made from."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import off, planted

import rpca_affect as ra
from rpca_affect import extremes, loop
from rpca_affect.arrays import Observed, largest_cell, observe, power_of_two
from rpca_affect.engine import gpu, splitting
from rpca_affect.engine.cells.blocks import SHARED, Passes
from rpca_affect.engine.cells.reader import RowReader, patches_of
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.threads import Crew
from rpca_affect.request import Limits, Request


def matrix(rows, columns, seed, far):
    """Return a matrix with some gigantic cells, of both signs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, columns))
    x[rng.random(x.shape) < far] *= 1e9
    return x


@given(
    st.integers(1, 60),
    st.integers(1, 90),
    st.floats(0, 0.5),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_cells_are_read_as_in_a_clipped_and_filled_copy(rows, columns, far, dtype, wide, turned, holes, seed):
    values = matrix(rows, columns, seed, far).astype(dtype)
    values = np.asfortranarray(values) if turned else values
    rng = np.random.default_rng(seed)
    limits = Limits(rng.uniform(0, 3, (rows, 1)).astype(dtype), rng.uniform(0, 3, (1, columns)).astype(dtype))
    unit = 4.0
    clipped = limits.applied(Observed(values)).values / dtype(unit)
    assert limits.largest(Observed(values))[0, 0] == np.abs(limits.applied(Observed(values)).values).max()
    known = rng.random(values.shape) > 0.3 if holes else np.ones(values.shape, bool)
    clipped = np.where(known, clipped, dtype(0))
    values[~known] = np.nan
    before = values.copy()
    expected, seen, known = (x.T if wide else x for x in (clipped, values, known))
    reader = RowReader(seen / dtype(unit), patches_of(values, limits, unit, wide), known if holes else None)
    base = rng.standard_normal(expected.shape).astype(dtype)
    edges = sorted({0, len(expected), *rng.integers(0, len(expected) + 1, 3).tolist()})
    for start, stop in itertools.pairwise(edges):
        part = slice(start, stop)
        room = np.empty((stop - start + 2, expected.shape[1]), dtype)
        assert np.array_equal(reader.read(part, room), expected[part])
        assert np.array_equal(reader.copied(part, room), expected[part])
        out = room[: stop - start]
        reader.less(base[part], part, out)
        assert np.array_equal(out * known[part], (expected[part] - base[part]) * known[part])
    assert np.array_equal(values, before, equal_nan=True)


@pytest.mark.parametrize("wishes", [{"solver": "ialm"}, {"solver": "admm"}, {"solver": "admm", "noise": 0.1}])
@pytest.mark.parametrize("shape", [(700, 300), (300, 700), (60, 40)])
@pytest.mark.parametrize("unit", [1.0, 1e8])  # in the caller's array, and in a copy in other units
def test_gigantic_cells_change_no_part_but_their_own(wishes, shape, unit):
    low, sparse = planted(*shape, rank=3)
    far = np.zeros(shape)
    far[3::17, 5] = 1e7 * unit
    observed = (low + sparse) * unit
    if "noise" in wishes:
        wishes = {**wishes, "noise": 0.1 * unit}
    spoiled = np.where(far > 0, far, observed)
    limits = extremes.limits_of(Observed(spoiled), largest_cell(spoiled))
    assert limits is not None, "there is nothing gigantic here, so the test says nothing"
    plain = ra.solve(limits.applied(Observed(spoiled)).values, **wishes)
    found = ra.solve(spoiled, **wishes)
    assert found.n_iter == plain.n_iter
    assert off(found.low_rank, plain.low_rank) < 1e-9
    assert off(np.where(far > 0, 0, found.sparse), np.where(far > 0, 0, plain.sparse)) < 1e-9
    whole = found.low_rank + found.sparse + found.noise
    assert np.abs(whole - spoiled)[far > 0].max() < 1e-6 * unit * 1e3


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 7, 60, 100])
def test_the_next_argument_may_be_written_over_the_left_vectors(workers, width):
    rows, columns = 1 + SHARED // 200, 200
    rng = np.random.default_rng(0)
    values, a = rng.standard_normal((2, rows, columns))
    left = np.linalg.qr(rng.standard_normal((rows, width)))[0]
    factor = left.T @ a
    crew = Crew(workers)
    try:
        passes = Passes(RowReader(values), None, "cells", crew)
        passes.set_model(0.05, 0.0)
        assert len(passes.blocks) > 1

        def step(out, left):
            low = LowRank(np.empty((columns, width)), np.ones(width), 0.5, False, left, factor)
            return passes.step(a, out, low, 0.3, 0.45, 1.0, True)

        expected = np.empty_like(a)
        sums = step(expected, left)
        shared = np.empty_like(a)
        inside = shared.reshape(-1)[: left.size].reshape(left.shape)
        inside[:] = left
        found = step(shared, inside)
    finally:
        crew.close()
    np.testing.assert_allclose(shared, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found, sums, rtol=1e-12)


@pytest.mark.parametrize("home", [gpu, loop, splitting])
@pytest.mark.parametrize("shape", [(60, 40), (40, 60)])
def test_whoever_solves_keeps_the_limits(home, shape):
    data = Observed(matrix(*shape, seed=0, far=0.03))
    limits = extremes.limits_of(data, data.largest())
    assert limits is not None, "there is nothing gigantic here, so the test says nothing"
    clipped, solver, request = limits.applied(data), ra.InexactALM(), Request(tol=1e-7, max_iter=30)
    unit = power_of_two(clipped.largest())
    expected = home.run(clipped, unit, solver, None, request)
    found = home.run(data, unit, solver, None, replace(request, limits=limits))
    assert off(found.low_rank, expected.low_rank) < 1e-12
    assert off(found.sparse, expected.sparse) < 1e-12


@pytest.mark.parametrize("wishes", [
    {"solver": "ialm"}, {"solver": "admm"}, {"solver": "admm", "noise": 0.1, "max_iter": 60}, {"factored": True},
    {"solver": "admm", "sparse": "frames"}, {"solver": ra.InexactALM(relax=1.0), "max_iter": 8},
])  # fmt: skip
@pytest.mark.parametrize(
    ("shape", "dtype"), [((700, 300), "f8"), ((300, 700), "f8"), ((60, 20), "f8"), ((60, 20), "f4")]
)
def test_whatever_lies_where_a_cell_is_missing_is_not_read(shape, dtype, wishes):
    """NaN, gigantic numbers and infinity that a mask hides, and zeros: the same answer, and nothing is written."""
    rng = np.random.default_rng(0)
    observed = sum(planted(*shape)).astype(dtype)
    known = rng.random(shape) > 0.15
    answers = []
    for hidden in (0.0, np.nan, 1e30, np.inf, -np.inf):
        given = np.where(known, observed, np.asarray(hidden, dtype))
        before = given.copy()
        answers.append(ra.solve(given, mask=known, **wishes))
        assert np.array_equal(given, before, equal_nan=True)
    plain, *others = answers
    for other in others:
        assert other.n_iter == plain.n_iter
        assert other.gap == plain.gap
        assert np.array_equal(other.sparse, plain.sparse)
        assert not other.sparse[~known].any()
        assert wishes.get("factored") or np.array_equal(other.low_rank, plain.low_rank)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_what_a_mask_hides_may_be_of_any_size(scale):
    observed = sum(planted()) * scale
    known = np.random.default_rng(0).random(observed.shape) > 0.1
    found = ra.solve(np.where(known, observed, 1e300), mask=known)
    assert off(found.low_rank, ra.solve(np.where(known, observed, np.nan)).low_rank) == 0


def test_missing_cells_are_filled_only_for_who_asks():
    given = np.arange(12.0).reshape(3, 4)
    given[1, 2] = np.nan
    data = observe(given)
    assert data.given is given
    assert data.largest()[0, 0] == 11
    np.testing.assert_array_equal(data.part(slice(1, 2)), [[4, 5, 0, 7]])
    assert data._values is None
    values, mask = data
    assert values[1, 2] == 0 and not mask[1, 2] and mask.sum() == 11 and values is data.values
