"""The weight of the sparse part chosen by data, with the curve that shows why."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rpca_affect.estimators.frames import in_memory
from rpca_affect.estimators.robust_pca import RobustPCA
from rpca_affect.estimators.search import FACTORS, RobustPCASearch, curve

__all__ = ["Choice", "choose_lambda"]


@dataclass(frozen=True)
class Choice:
    """Weights of the sparse part that were tried, how well each predicted hidden cells, and the best.

    Attributes
    ----------
    lam : float
        The best weight.
    lams : ndarray, shape (k,)
        Weights tried, increasing.
    scores, errors : ndarray, shape (k,)
        Mean skill on hidden cells (1 is perfect, 0 no better than each feature's median), and its standard error.
    ranks : ndarray, shape (k,)
        Mean number of components found.

    Examples
    --------
    >>> import numpy as np
    >>> Choice(0.1, np.array([0.05, 0.1]), np.array([0.7, 0.9]), np.zeros(2), np.array([3.0, 2.0])).lam
    0.1
    """

    lam: float
    lams: np.ndarray
    scores: np.ndarray
    errors: np.ndarray = field(repr=False)
    ranks: np.ndarray = field(repr=False)

    def plot(self, ax: Any = None) -> Any:
        """Draw skill and rank against the weight, with the choice marked.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes
        """
        return curve(self.lams, self.scores, self.errors, self.lam, "weight of the sparse part", ax, self.ranks)


def choose_lambda(
    X: Any,
    lams: Any = None,
    *,
    estimator: Any = None,
    share: float = 0.1,
    n_repeats: int = 3,
    n_jobs: int | None = None,
    random_state: Any = 0,
) -> Choice:
    """Choose the weight of the sparse part by predicting hidden cells.

    Parameters
    ----------
    X : array-like, shape (n_frames, n_features)
        Frames in time order; NaN marks a missing cell.
    lams : array-like, optional
        Weights to try; default a quarter to four times ``1 / sqrt(max(m, n))``, in nine steps.
    estimator : RobustPCA, optional
        Everything but ``lam``. Default ``RobustPCA(lags=1)``.
    share, n_repeats, n_jobs, random_state
        As in `RobustPCASearch`.

    Returns
    -------
    Choice
        Its ``plot`` shows the curve.

    Examples
    --------
    >>> import numpy as np
    >>> from rpca_affect import RobustPCA, choose_lambda
    >>> rng = np.random.default_rng(0)
    >>> frames = np.sin(np.linspace(0, 9, 80))[:, None] * np.ones(12) + 0.1 * rng.standard_normal((80, 12))
    >>> choice = choose_lambda(frames, [0.001, 0.1], estimator=RobustPCA(noise=0.1))
    >>> choice.lam
    0.1
    """
    if lams is None:
        lams = np.asarray(FACTORS) / np.sqrt(max(np.shape(in_memory(X))))
    grid = np.sort(np.asarray(lams, dtype=float))
    if grid.ndim != 1 or grid.size == 0 or not (grid > 0).all():
        raise ValueError("lams must be a list of positive weights")
    search = RobustPCASearch(
        RobustPCA(lags=1) if estimator is None else estimator,
        {"lam": grid.tolist()},
        share=share,
        n_repeats=n_repeats,
        n_jobs=n_jobs,
        random_state=random_state,
        refit=False,
    ).fit(X)
    results = search.cv_results_
    return Choice(
        lam=float(search.best_params_["lam"]),
        lams=grid,
        scores=results["mean_test_score"],
        errors=results["std_test_score"] / np.sqrt(n_repeats),
        ranks=results["mean_rank"],
    )
