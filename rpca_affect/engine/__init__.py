"""The tuned form of the solvers' iterations for NumPy and CuPy arrays; it must agree with the reference loop."""

from typing import Any

import numpy as np

from rpca_affect.arrays import Array, Observed, is_cupy_array, is_numpy_array
from rpca_affect.decomposition import Decomposition
from rpca_affect.request import Request

__all__ = ["accepts", "run"]


def accepts(data: Observed, solver: Any) -> bool:
    """Tell whether a tuned form exists for these data and this solver.

    Parameters
    ----------
    data : Observed
    solver : solver object

    Returns
    -------
    bool
        False leaves the work to `rpca_affect.loop.run`.
    """
    return _home(data, solver) is not None


def run(data: Observed, unit: Array, solver: Any, init: Decomposition | None, request: Request) -> Decomposition:
    """Compute the answer of `rpca_affect.loop.run` by the tuned form; only where `accepts` says True."""
    return _home(data, solver).run(data, unit, solver, init, request)


def _home(data: Observed, solver: Any) -> Any:
    if is_cupy_array(data.given):
        from rpca_affect.engine import gpu

        homes: tuple[Any, ...] = (gpu,)
    elif not is_numpy_array(data.given) or data.given.dtype not in (np.float32, np.float64):
        homes = ()
    elif data.given.ndim > 2:
        from rpca_affect.engine import stacks

        homes = (stacks,)
    else:
        from rpca_affect.engine import projections, splitting

        homes = (splitting, projections)
    return next((home for home in homes if home.accepts(data, solver)), None)
