"""The public API as a user would write it; `make types` checks it with mypy --strict and pyright, nothing runs it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import rpca_affect as ra


def matrices(observed: npt.NDArray[np.float64]) -> tuple[int, float]:
    """Solve a matrix, look at the certificate, take the parts apart."""
    answer: ra.Decomposition = ra.solve(observed, "admm", tol=1e-6)
    low_rank, sparse = answer
    other = ra.solve(observed, ra.ADMM(), noise="auto", mask=observed > 0)
    converged: bool = answer.status.converged and other.converged
    shape: tuple[int, ...] = low_rank.shape
    norm = float(np.linalg.norm(sparse))
    rest: npt.NDArray[np.float64] = observed - np.asarray(low_rank + sparse)
    norm += float(np.abs(rest).max()) + float(low_rank[0, 0])
    return (shape[0] if converged else 0), norm


def misread(answer: ra.Decomposition) -> float:
    """An array is not just anything: mypy --strict complains of an ignored error that is none."""
    return float(answer.low_rank.colour)  # type: ignore[attr-defined]


def recordings(path: Path) -> pd.DataFrame:
    """Read, split, report."""
    recording: ra.Recording = ra.read(path, min_confidence=0.8)
    split: ra.Split = ra.decompose(recording, threshold=3.0)
    base: pd.DataFrame = split.base
    split.report("report.html")
    ra.plot_events(split)
    events: pd.DataFrame = split.events()
    return base.join(events)


def estimators(frames: npt.NDArray[np.float64], clips: list[npt.NDArray[np.float64]]) -> ra.RobustPCA:
    """Fit, transform, describe."""
    model = ra.RobustPCA(n_components=3)
    model.fit(frames)
    scores: npt.NDArray[np.float64] = model.transform(frames)
    model.inverse_transform(scores)
    ra.IncrementalRobustPCA().partial_fit(frames)
    ra.SequenceRobustPCA().fit(clips)
    ra.SequenceDescriptors().fit_transform(clips)
    ra.choose_lambda(frames)
    return model


def helpers(frames: npt.NDArray[np.float64]) -> set[str]:
    """Proximal operators, noise, problems, metrics."""
    problem = ra.synthetic.planted(30, 20, rank=2, random_state=0)
    ra.prox.soft_threshold(problem.observed, 1.0)
    ra.metrics.relative_error(problem.low_rank, problem.low_rank)
    ra.noise_level(frames)
    return set(ra.available_solvers())
