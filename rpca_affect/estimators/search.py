"""Search over parameters by data: hide observed cells, predict them, and keep the best predictor."""

from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import MetaEstimatorMixin, TransformerMixin, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.model_selection import ParameterGrid
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from rpca_affect import parameter_rules as rules
from rpca_affect.arrays import Observed, observe
from rpca_affect.estimators.estimator import Documented
from rpca_affect.estimators.frames import in_memory
from rpca_affect.estimators.outliers import absolute_skill, cell_folds
from rpca_affect.estimators.robust_pca import RobustPCA
from rpca_affect.noise import spread
from rpca_affect.parameter_rules import check_parameters

__all__ = ["FACTORS", "RobustPCASearch", "curve"]

FACTORS = (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


class RobustPCASearch(MetaEstimatorMixin, CallbackSupportMixin, TransformerMixin, Documented):
    """Search over parameters of `RobustPCA` by predicting hidden cells of the training frames.

    A share of the observed cells is hidden, the rest is split, and the low-rank part is compared with the hidden cells,
    by absolute errors (a hidden cell may itself be an outlier). `sklearn.model_selection.GridSearchCV` works too: it
    hides whole frames from ``fit`` and uses ``RobustPCA.score``.

    Parameters
    ----------
    estimator : RobustPCA, optional
        Default ``RobustPCA(lags=1)``.
    param_grid : dict or list of dict, optional
        As in `sklearn.model_selection.ParameterGrid`; default nine values of ``lam`` around its default.
    share : float, default 0.1
        Share of the observed cells hidden at a time, in (0, 1).
    n_repeats : int, default 3
        How often other cells are hidden.
    refit : bool, default True
        Fit the best parameters on all cells at the end; without it there is nothing to transform with.
    n_jobs : int, optional
        Fits at the same time, each on one BLAS thread.
    random_state : int, default 0
        Seed of the hidden cells.

    Attributes
    ----------
    best_params_ : dict
    best_score_ : float
    best_index_ : int
    best_estimator_ : RobustPCA
        Only with ``refit``.
    cv_results_ : dict of str to array
        ``params``, ``mean_test_score``, ``std_test_score``, ``mean_rank``, ``split0_test_score`` ...
    n_features_in_ : int

    References
    ----------
    Wold (1978), Cross-validatory estimation of the number of components; Owen & Perry (2009), Bi-cross-validation of
    the SVD.

    Examples
    --------
    >>> import numpy as np
    >>> from rpca_affect import RobustPCA, RobustPCASearch
    >>> rng = np.random.default_rng(0)
    >>> frames = np.sin(np.linspace(0, 9, 80))[:, None] * np.ones(12) + 0.1 * rng.standard_normal((80, 12))
    >>> search = RobustPCASearch(RobustPCA(noise=0.1), {"n_components": [1, 4]}).fit(frames)
    >>> search.best_params_
    {'n_components': 1}
    """

    _rules: ClassVar[dict[str, rules.Rule]] = {
        "estimator": rules.optional(rules.estimator_of(RobustPCA)),
        "param_grid": rules.optional(rules.grid),
        "share": rules.number(above=0, below=1),
        "n_repeats": rules.whole(1),
        "refit": rules.flag,
        "n_jobs": rules.jobs,
        "random_state": rules.seed,
    }

    def __init__(
        self,
        estimator: Any = None,
        param_grid: Any = None,
        *,
        share: float = 0.1,
        n_repeats: int = 3,
        refit: bool = True,
        n_jobs: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.estimator = estimator
        self.param_grid = param_grid
        self.share = share
        self.n_repeats = n_repeats
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> Self:
        """Try every combination, then fit the best.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
            Frames in time order; NaN marks a missing cell.
        y : ignored

        Returns
        -------
        RobustPCASearch
        """
        check_parameters(self)
        frames = validate_data(
            self, in_memory(X), dtype=[np.float64, np.float32], ensure_all_finite="allow-nan", ensure_min_samples=2
        )
        observed = observe(frames)
        estimator = RobustPCA(lags=1) if self.estimator is None else self.estimator
        grid = {"lam": (np.asarray(FACTORS) / np.sqrt(max(frames.shape))).tolist()}
        candidates = list(ParameterGrid(grid if self.param_grid is None else self.param_grid))
        for parameters in candidates:
            try:
                check_parameters(clone(estimator).set_params(**parameters))
            except (TypeError, ValueError) as error:
                raise ValueError(f"param_grid cannot be used: {error}") from None
        hidden = _hidden(observed, self.share, self.n_repeats, self.random_state)
        context = self._init_callback_context(max_subtasks=len(candidates))
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        rows = []
        for parameters in candidates:
            step = context.subcontext(task_name="candidate").call_on_fit_task_begin(estimator=self)
            trial = clone(estimator).set_params(**parameters)
            jobs = (delayed(_predicted)(trial, observed, cells) for cells in hidden)
            rows.append(list(Parallel(n_jobs=self.n_jobs)(jobs)))
            if step.call_on_fit_task_end(estimator=self):
                break
        self._keep(candidates[: len(rows)], np.asarray(rows, dtype=float))
        if self.refit:
            self.best_estimator_ = clone(estimator).set_params(**self.best_params_).fit(X)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _keep(self, candidates: list[dict[str, Any]], rows: np.ndarray) -> None:
        """Store scores and ranks, shape (candidates, repeats, 2), in the form of `GridSearchCV`."""
        scores = rows[:, :, 0]
        self.cv_results_ = {
            "params": candidates,
            "mean_test_score": scores.mean(axis=1),
            "std_test_score": scores.std(axis=1),
            "mean_rank": rows[:, :, 1].mean(axis=1),
            **{f"split{number}_test_score": scores[:, number] for number in range(scores.shape[1])},
        }
        self.best_index_ = int(np.argmax(self.cv_results_["mean_test_score"]))
        self.best_params_ = candidates[self.best_index_]
        self.best_score_ = float(self.cv_results_["mean_test_score"][self.best_index_])

    def transform(self, X: Any) -> Any:
        """Transform frames with the best estimator; see `RobustPCA.transform`.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)

        Returns
        -------
        array
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.transform(X)

    def inverse_transform(self, X: Any) -> Any:
        """Return the low-rank part that belongs to scores; see `RobustPCA.inverse_transform`.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_components)

        Returns
        -------
        array, shape (n_frames, n_features)
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.inverse_transform(X)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the output columns; see `RobustPCA.get_feature_names_out`.

        Parameters
        ----------
        input_features : array-like of str, optional

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "best_estimator_")
        return self.best_estimator_.get_feature_names_out(input_features)

    def plot(self, ax: Any = None) -> Any:
        """Draw skill against the one parameter that was varied.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ValueError
            If several parameters were varied.
        """
        check_is_fitted(self, "cv_results_")
        candidates = self.cv_results_["params"]
        names = sorted({name for parameters in candidates for name in parameters})
        if len(names) != 1 or not all(isinstance(p[names[0]], (int, float)) for p in candidates):
            raise ValueError(f"plot shows one number varied, here it was {', '.join(names)}: read cv_results_")
        values = np.array([parameters[names[0]] for parameters in candidates], dtype=float)
        order = np.argsort(values)
        errors = self.cv_results_["std_test_score"] / np.sqrt(self.n_repeats)
        best = float(self.best_params_[names[0]])
        scores = self.cv_results_["mean_test_score"]
        return curve(values[order], scores[order], errors[order], best, names[0], ax)


def _hidden(observed: Observed, share: float, n_repeats: int, seed: Any) -> list[np.ndarray]:
    """Masks of the cells hidden at each repeat."""
    known = np.ones(observed.values.shape, dtype=bool) if observed.mask is None else observed.mask
    place = cell_folds(known.shape, known.size, seed) / known.size  # every cell at a place of its own on a circle
    starts = np.arange(n_repeats) * (share if n_repeats * share <= 1 else 1 / n_repeats)
    return [known & ((place - start) % 1.0 < share) for start in starts]


def _predicted(trial: RobustPCA, observed: Observed, hidden: np.ndarray) -> tuple[float, float]:
    """Skill on hidden cells, and number of components."""
    kept = ~hidden if observed.mask is None else observed.mask & ~hidden
    frames = np.where(kept, observed.values, np.nan)
    with threadpool_limits(limits=1, user_api="blas"):
        fitted = trial.fit(frames)
        # With a rank to choose it is the base that predicts, otherwise the split itself.
        prediction = fitted.low_rank_ if trial.n_components is None else fitted.decompose(frames).low_rank
    center, size = np.nanmedian(frames, axis=0), spread(*observe(frames))
    return absolute_skill(observed.values, prediction, hidden, size, center), float(fitted.n_components_)


def curve(
    values: np.ndarray, scores: np.ndarray, errors: np.ndarray, best: float, name: str, ax: Any, ranks: Any = None
) -> Any:
    """Draw skill against a parameter, its choice marked, with the ranks on a second axis where given."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    ax.errorbar(values, scores, yerr=errors, marker="o", color="#0072B2", capsize=3)
    ax.axvline(best, color="#D55E00", linestyle="--", label=f"chosen: {best:.3g}")
    if values.min() > 0 and values.max() > 5 * values.min():
        ax.set_xscale("log")
    ax.set(xlabel=name, ylabel="skill on hidden cells")
    if ranks is not None:
        twin = ax.twinx()
        twin.plot(values, ranks, marker="s", color="#999999", linestyle=":")
        twin.set_ylabel("components")
    ax.legend(loc="best")
    return ax
