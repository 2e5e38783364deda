"""Choosing by hidden cells, callbacks, HTML form."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rpca_affect as ra
from rpca_affect.estimators.outliers import cell_folds


def problem(seed=0):
    rng = np.random.default_rng(seed)
    low_rank = rng.standard_normal((150, 3)) @ rng.standard_normal((3, 40)) / np.sqrt(3)
    seen = low_rank + 0.1 * rng.standard_normal(low_rank.shape)
    return low_rank, np.where(rng.random(seen.shape) < 0.1, seen + rng.uniform(-6, 6, seen.shape), seen)


def test_lambda_and_rank_are_near_the_oracle():
    low_rank, seen = problem()
    model = ra.RobustPCA(noise=0.1, tol=1e-4)
    lams = np.array([0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0]) / np.sqrt(150)
    choice = ra.choose_lambda(seen, lams, estimator=model, n_repeats=2)
    errors = [np.linalg.norm(ra.RobustPCA(noise=0.1, tol=1e-4, lam=lam).fit(seen).low_rank_ - low_rank) for lam in lams]
    oracle = lams[int(np.argmin(errors))]
    assert 1 / 1.5 <= choice.lam / oracle <= 1.5
    assert choice.ranks[0] < choice.ranks[-1]
    ranks = ra.RobustPCASearch(model, {"n_components": [1, 2, 3, 4, 6]}, n_repeats=2).fit(seen)
    rank = ranks.best_params_["n_components"]
    assert 1 / 1.5 <= rank / 3 <= 1.5
    assert ranks.best_estimator_.n_components_ == rank
    assert ranks.transform(seen).shape == (150, rank)
    assert list(ranks.get_feature_names_out())[:2] == ["robustpca0", "robustpca1"]


def test_plots_show_the_choice():
    _, seen = problem()
    choice = ra.choose_lambda(seen[:60], [0.05, 0.1], estimator=ra.RobustPCA(noise=0.1, tol=1e-3), n_repeats=1)
    axis = choice.plot()
    assert "chosen" in axis.get_legend().get_texts()[0].get_text()
    search = ra.RobustPCASearch(ra.RobustPCA(noise=0.1, tol=1e-3), {"n_components": [1, 3]}, n_repeats=1, refit=False)
    assert search.fit(seen[:60]).plot(axis) is axis
    with pytest.raises(NotFittedError):
        search.transform(seen)
    search.set_params(param_grid={"n_components": [1], "lam": [0.1]})
    with pytest.raises(ValueError, match="one number"):
        search.fit(seen[:60]).plot()
    with pytest.raises(ValueError, match="positive"):
        ra.choose_lambda(seen, [0.0, 1.0])


def test_every_cell_is_in_one_fold():
    folds = cell_folds((30, 7), 5, 0)
    assert np.bincount(folds.ravel()).tolist() == [42] * 5


class Counter:
    """A callback that counts steps and can stop."""

    def __init__(self, stop_after=None):
        self.stop_after, self.steps, self.ended = stop_after, 0, False

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.ended = True

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        if context.parent is None:
            return False
        self.steps += 1
        self.last = metadata
        return self.steps == self.stop_after


def test_callbacks_see_every_step_and_can_stop():
    _, seen = problem()
    watched, stopping = Counter(), Counter(stop_after=4)
    model = ra.RobustPCA(3, noise=0.1).set_callbacks(watched).fit(seen)
    assert watched.steps == model.n_iter_ > 4
    # A base that stands still with a proved gap may end before the error says so.
    assert watched.last["error"] <= model.tol or model.status_.reason in ("still", "gap")
    assert watched.ended
    stopped = ra.RobustPCA(3, noise=0.1).set_callbacks(stopping).fit(seen)
    assert stopped.n_iter_ == 4
    assert "Stopped by the callback" in str(stopped.status_)
    batches = Counter(stop_after=2)
    stream = ra.IncrementalRobustPCA(3, noise=0.1, batch_size=50, n_warmup=50).set_callbacks(batches).fit(seen)
    assert stream.n_samples_seen_ == 100


def test_progress_bar_works():
    from sklearn.callback import ProgressBar

    _, seen = problem()
    ra.SequenceRobustPCA(3, estimator=ra.RobustPCA(noise=0.1)).set_callbacks(ProgressBar()).fit([seen[:80], seen[80:]])
    grid = {"n_components": [1, 2]}
    search = ra.RobustPCASearch(ra.RobustPCA(noise=0.1, tol=1e-3), grid, n_repeats=1)
    search.set_callbacks(ProgressBar()).fit(seen)
    assert search.best_params_ == {"n_components": 2}


def test_html_form_links_to_the_method():
    page = make_pipeline(StandardScaler(), ra.RobustPCA(), ra.IncrementalRobustPCA())._repr_html_()
    assert "https://doi.org/10.1145/1970392.1970395" in page
    assert "https://doi.org/10.1007/s11263-007-0075-7" in page
