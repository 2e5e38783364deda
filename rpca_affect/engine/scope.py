"""Which solvers the tuned form of one matrix knows."""

from typing import Any

import numpy as np

from rpca_affect.arrays import Observed
from rpca_affect.prox import singular_value_threshold
from rpca_affect.solvers.admm import ADMM
from rpca_affect.solvers.base import cellwise, framewise
from rpca_affect.solvers.ialm import InexactALM

__all__ = ["accepts"]


def accepts(data: Observed, solver: Any) -> bool:
    """Tell whether the tuned form knows this solver: stock operators, numbers that are numbers, slack per column."""
    if type(solver) not in (InexactALM, ADMM) or solver.lowrank is not singular_value_threshold:
        return False
    if solver.shrink not in (cellwise, framewise):
        return False
    if any(np.size(x) != 1 for x in (solver.growth, solver.relax, *_given(solver.lam, solver.mu))):
        return False
    shape = np.shape(solver.slack)
    rows, columns = data.given.shape
    if np.size(solver.slack) == 1:
        return True
    if solver.shrink is framewise:
        return shape == (rows, 1)
    return shape in ((columns,), (1, columns), (rows, 1))


def _given(*numbers: Any) -> list[Any]:
    return [number for number in numbers if number is not None]
