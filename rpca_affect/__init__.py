"""Separate the emotional base (low rank) from transient fluctuations (sparse) in per-frame features of video."""

import importlib
import os
import threading
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# name -> module that holds it; loaded on first use, so that `import rpca_affect` stays light.
_HOMES = {
    "decompose": "session",
    "Split": "session",
    "find_events": "session",
    "decompose_many": "study",
    "Study": "study",
    "solve": "solving",
    "lambda_path": "solving",
    "pad_clips": "padding",
    "solve_levels": "cascade",
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
    "plot_heatmaps": "plots",
    "plot_levels": "plots",
    "plot_missing": "plots",
}
_MODULES = (
    "deep",
    "distributed",
    "estimators",
    "metrics",
    "noise",
    "plots",
    "prox",
    "recordings",
    "solvers",
    "synthetic",
)

__all__ = [*_HOMES, *_MODULES, "__version__"]

if TYPE_CHECKING:  # what type checkers and editors see; a test compares it with the names above
    from rpca_affect import deep as deep
    from rpca_affect import distributed as distributed
    from rpca_affect import estimators as estimators
    from rpca_affect import metrics as metrics
    from rpca_affect import noise as noise
    from rpca_affect import plots as plots
    from rpca_affect import prox as prox
    from rpca_affect import recordings as recordings
    from rpca_affect import solvers as solvers
    from rpca_affect import synthetic as synthetic
    from rpca_affect.cascade import solve_levels as solve_levels
    from rpca_affect.decomposition import Decomposition as Decomposition
    from rpca_affect.decomposition import Status as Status
    from rpca_affect.estimators import IncrementalRobustPCA as IncrementalRobustPCA
    from rpca_affect.estimators import RobustPCA as RobustPCA
    from rpca_affect.estimators import RobustPCASearch as RobustPCASearch
    from rpca_affect.estimators import SequenceDescriptors as SequenceDescriptors
    from rpca_affect.estimators import SequenceRobustPCA as SequenceRobustPCA
    from rpca_affect.estimators import choose_lambda as choose_lambda
    from rpca_affect.noise import noise_level as noise_level
    from rpca_affect.padding import pad_clips as pad_clips
    from rpca_affect.plots import plot_convergence as plot_convergence
    from rpca_affect.plots import plot_decomposition as plot_decomposition
    from rpca_affect.plots import plot_events as plot_events
    from rpca_affect.plots import plot_heatmaps as plot_heatmaps
    from rpca_affect.plots import plot_levels as plot_levels
    from rpca_affect.plots import plot_missing as plot_missing
    from rpca_affect.plots import plot_spectrum as plot_spectrum
    from rpca_affect.recordings import Recording as Recording
    from rpca_affect.recordings import read as read
    from rpca_affect.session import Split as Split
    from rpca_affect.session import decompose as decompose
    from rpca_affect.session import find_events as find_events
    from rpca_affect.solvers import available_solvers as available_solvers
    from rpca_affect.solvers.admm import ADMM as ADMM
    from rpca_affect.solvers.altproj import AltProj as AltProj
    from rpca_affect.solvers.godec import GoDec as GoDec
    from rpca_affect.solvers.ialm import InexactALM as InexactALM
    from rpca_affect.solving import lambda_path as lambda_path
    from rpca_affect.solving import solve as solve
    from rpca_affect.study import Study as Study
    from rpca_affect.study import decompose_many as decompose_many


# A process that is forked while another thread imports would wait for that thread without end: forks wait instead.
_importing = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_importing.acquire, after_in_parent=_importing.release, after_in_child=_importing.release
    )


def __getattr__(name: str) -> Any:
    if name not in _HOMES and name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        with _importing:
            module = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    except ModuleNotFoundError as error:
        from rpca_affect.extras import extra_of, stand_in

        if error.name is None or extra_of(error.name) is None:
            raise  # nothing that an extra brings: a mistake of ours, or a broken installation
        return stand_in(name, error.name)
    if name in _MODULES:
        return module
    globals()[name] = getattr(module, name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
