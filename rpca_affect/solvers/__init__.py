"""The solvers, one algorithm per file; this folder is the registry."""

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING

from rpca_affect.arrays import observe
from rpca_affect.solvers.solver import Solver

if TYPE_CHECKING:
    from rpca_affect.solvers.admm import ADMM as ADMM
    from rpca_affect.solvers.altproj import AltProj as AltProj
    from rpca_affect.solvers.godec import GoDec as GoDec
    from rpca_affect.solvers.ialm import InexactALM as InexactALM

__all__ = ["Solver", "available_solvers", "observe"]


def available_solvers() -> dict[str, type]:
    """Return every solver class by its short name, found by listing this folder.

    Returns
    -------
    dict of str to type

    Examples
    --------
    >>> "admm" in available_solvers()
    True
    """
    return dict(_listed())


@cache
def _listed() -> dict[str, type]:
    found: dict[str, type] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for public in module.__all__:
            candidate = getattr(module, public)
            name = vars(candidate).get("name") if isinstance(candidate, type) else None
            if isinstance(name, str):
                found[name] = candidate
    return found


for _solver in available_solvers().values():
    globals()[_solver.__name__] = _solver
    __all__.append(_solver.__name__)
