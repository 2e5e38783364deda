"""Separate the emotional base (low rank) from transient fluctuations (sparse) in per-frame features of video."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# name -> module that holds it; loaded on first use, so that `import rpca_affect` stays light.
_HOMES = {
    "decompose": "session",
    "Split": "session",
    "find_events": "session",
    "solve": "solving",
    "path": "solving",
    "Decomposition": "decomposition",
    "Status": "decomposition",
    "InexactALM": "solvers",
    "ADMM": "solvers",
    "GoDec": "solvers",
    "AltProj": "solvers",
    "available_solvers": "solvers",
    "RobustPCA": "estimators",
    "IncrementalRobustPCA": "estimators",
    "SequenceRobustPCA": "estimators",
    "SequenceDescriptors": "estimators",
    "RobustPCASearch": "estimators",
    "choose_lambda": "estimators",
    "Recording": "recordings",
    "read": "recordings",
    "noise_level": "noise",
    "plot_decomposition": "plots",
    "plot_spectrum": "plots",
    "plot_convergence": "plots",
    "plot_events": "plots",
}
_MODULES = ("deep", "estimators", "metrics", "noise", "plots", "prox", "recordings", "solvers", "synthetic")

__all__ = [*_HOMES, *_MODULES, "__version__"]

if TYPE_CHECKING:
    from rpca_affect.decomposition import Decomposition as Decomposition
    from rpca_affect.decomposition import Status as Status
    from rpca_affect.session import Split as Split
    from rpca_affect.session import decompose as decompose
    from rpca_affect.solvers.admm import ADMM as ADMM
    from rpca_affect.solvers.godec import GoDec as GoDec
    from rpca_affect.solvers.ialm import InexactALM as InexactALM
    from rpca_affect.solving import path as path
    from rpca_affect.solving import solve as solve


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
        globals()[name] = getattr(module, name)
        return globals()[name]
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
