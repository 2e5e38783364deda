"""The guide's promise: a solver is a name, a start and a step, and everything else has a default."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
from problems import off, planted

import rpca_affect as ra
from rpca_affect.arrays import Array, array_namespace, frobenius
from rpca_affect.prox import keep_largest
from rpca_affect.solvers import Solver, observe


class State(NamedTuple):
    low_rank: Array
    sparse: Array
    noise: Array
    error: Array


@dataclass(frozen=True)
class Alternation(Solver):
    """Alternate a truncated singular value decomposition and the largest cells of the rest."""

    rank: int = 1
    cardinality: int = 0
    name: ClassVar[str] = "alternation"

    def init(self, observed):
        return self._after(observed, keep_largest(observed.values, self.cardinality))

    def _after(self, observed, sparse):
        xp = array_namespace(sparse)
        u, s, vt = xp.linalg.svd(observed.values - sparse, full_matrices=False)
        low_rank = (u[..., : self.rank] * s[..., None, : self.rank]) @ vt[..., : self.rank, :]
        rest = observed.values - low_rank - sparse
        return State(low_rank, sparse, 0 * rest, frobenius(rest) / frobenius(observed.values))

    def step(self, observed, state):
        return self._after(observed, keep_largest(observed.values - state.low_rank, self.cardinality))


@pytest.mark.parametrize("stack", [False, True])
def test_the_solver_of_the_guide_works_everywhere(stack):
    low, sparse = planted(60, 40, rank=2, density=0.03, seed=1)
    matrix = np.stack([low + sparse, 1e3 * (low + sparse)]) if stack else low + sparse
    split = ra.solve(matrix, Alternation(rank=2, cardinality=int((sparse != 0).sum())))
    assert split.converged and split.gap is None and split.solver == "alternation"
    assert off(split.low_rank[0] if stack else split.low_rank, low) < 1e-5
    again = ra.solve(matrix, Alternation(rank=2, cardinality=int((sparse != 0).sum())), init=split)
    assert again.converged


def test_what_is_missing_is_named():
    @dataclass(frozen=True)
    class Half(Solver):
        name: ClassVar[str] = "half"

    with pytest.raises(NotImplementedError, match=r"Half lacks init\(observed\)"):
        ra.solve(np.eye(4), Half())


def test_a_solver_is_stepped_by_hand():
    low, sparse = planted(40, 30, rank=1, density=0.02, seed=3)
    observed = observe(low + sparse)
    solver = ra.ADMM().tuned(observed)
    state = solver.init(observed)
    errors = []
    for _ in range(60):
        state = solver.step(observed, state)
        errors.append(float(state.error[0, 0]))
    assert errors[-1] < 1e-3 * errors[0] and off(state.low_rank, low) < 1e-3
