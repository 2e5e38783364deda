"""Exact recovery at a size that people use: 500 x 500, rank 25, 5 % gross errors, tolerance 1e-7."""

import numpy as np
import pytest
from problems import off

import rpca_affect as ra

PROBLEM = ra.synthetic.planted(500, 500, rank=25, density=0.05, random_state=0)
KNOWN = {"rank": 25, "cardinality": int(np.count_nonzero(PROBLEM.sparse))}


@pytest.mark.parametrize(
    "call, limit",
    [({"solver": "ialm"}, 1e-6), ({"solver": "admm"}, 1e-6), ({}, 1e-6), ({"solver": "godec", **KNOWN}, 1e-4)],
    ids=["ialm", "admm", "auto", "godec"],
)
def test_planted_parts_come_back(call, limit):
    split = ra.solve(PROBLEM.observed, **call)
    assert split.converged
    assert off(split.low_rank, PROBLEM.low_rank) <= limit
    assert split.rank == 25


@pytest.mark.parametrize("height", [5.0, 50.0, 5e3])
@pytest.mark.parametrize("density", [0.02, 0.1])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_godec_told_rank_and_cardinality_survives_gross_errors(height, density, missing):
    rng = np.random.default_rng(0)
    low = rng.standard_normal((150, 6)) @ rng.standard_normal((6, 120))
    hit = rng.random(low.shape) < density
    errors = rng.uniform(1, 2, low.shape) * rng.choice([-1, 1], low.shape) * height * low.std()
    matrix = low + hit * errors
    matrix[rng.random(low.shape) < missing] = np.nan
    split = ra.solve(matrix, "godec", rank=6, cardinality=int((hit & ~np.isnan(matrix)).sum()))
    assert split.converged and split.n_iter < 250
    assert off(split.low_rank, low) < 1e-3


@pytest.mark.parametrize("solver", ["godec", "altproj"])
def test_a_solver_that_needs_the_rank_says_so(solver):
    with pytest.raises(ValueError, match="needs rank"):
        ra.solve(np.eye(5), solver)
