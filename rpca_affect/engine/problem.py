"""Which problems the tuned form of one matrix takes, and the unit of their data: 1 where that is safe."""

from typing import Any

import numpy as np

from rpca_affect.arrays import Observed
from rpca_affect.prox import singular_value_threshold
from rpca_affect.solvers.admm import ADMM
from rpca_affect.solvers.base import cellwise, framewise
from rpca_affect.solvers.ialm import InexactALM

__all__ = ["accepts", "in_unit", "safe_unit"]

PLAIN = 2.0**16  # units from its inverse up to it: neither squares nor single precision come near their limits


def safe_unit(unit: float) -> float:
    """Return a power of two to divide the data by, or 1, for which no copy is needed.

    Division by a power of two changes no digit, so an iteration in other units is the same one: they only have to be
    safe.
    """
    return 1.0 if 1 / PLAIN <= unit <= PLAIN else unit


def in_unit(values: np.ndarray, unit: float, known: np.ndarray | None = None) -> np.ndarray:
    """Divide the data by their unit, 0 where they are not known; the caller's own array, as it is, where that is 1."""
    if unit == 1.0:
        return values
    out = np.zeros(values.shape, values.dtype)  # what is not known could overflow
    return np.multiply(values, 1 / unit, out=out, where=True if known is None else known)


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
