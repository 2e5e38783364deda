"""The tuned form of the solvers' iterations for NumPy arrays; it must agree with the reference loop."""

from typing import Any

from rpca_affect.arrays import Array, Observed
from rpca_affect.decomposition import Decomposition
from rpca_affect.protocol import Request

__all__ = ["accepts", "run"]


def accepts(data: Observed, solver: Any) -> bool:
    """Tell whether a tuned form exists for these data and this solver."""
    return False


def run(data: Observed, unit: Array, solver: Any, init: Decomposition | None, request: Request) -> Decomposition:
    """Do what `rpca_affect.loop.run` does, faster."""
    raise NotImplementedError
