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
