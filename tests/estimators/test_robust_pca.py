"""RobustPCA: unseen frames, missing cells, attributes, and the other array libraries."""

import pickle

import array_api_strict
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold

import rpca_affect as ra
from rpca_affect.projection import robust_scores, split_rest


def recording(frames=240, features=40, rank=3, noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None] / 25
    moves = np.sin(2 * np.pi * (0.3 + 0.2 * np.arange(rank)) * time + np.arange(rank)) * np.linspace(2, 1, rank)
    clean = moves @ rng.standard_normal((rank, features)) + rng.standard_normal(features)
    return clean + noise * rng.standard_normal(clean.shape)


def struck(clean, share=0.1, seed=1):
    rng = np.random.default_rng(seed)
    size = rng.choice([-1, 1], clean.shape) * rng.uniform(3, 10, clean.shape)
    return np.where(rng.random(clean.shape) < share, clean + size, clean)


@pytest.fixture(scope="module")
def fitted():
    clean = recording()
    return clean, ra.RobustPCA(3).fit(struck(clean[:170]))


def test_unseen_frames_with_gross_errors_keep_their_scores(fitted):
    clean, model = fitted
    test = struck(clean[170:], seed=2)

    def off(estimator):
        wanted = (clean[170:] - estimator.mean_) @ estimator.components_.T
        return np.linalg.norm(estimator.transform(test) - wanted) / np.linalg.norm(wanted)

    assert off(model) < 0.02
    assert off(PCA(3).fit(struck(clean[:170]))) > 0.2


@given(st.integers(0, 39), st.floats(10, 1e8), st.integers(0, 69))
def test_how_far_out_an_outlier_lies_does_not_matter(fitted, column, size, frame):
    clean, model = fitted
    near, far = clean[170 + frame : 171 + frame].copy(), clean[170 + frame : 171 + frame].copy()
    near[0, column] += 5.0
    far[0, column] += size
    assert np.allclose(model.transform(near), model.transform(far), atol=1e-5)


def test_clean_data_gives_the_components_of_pca():
    clean = recording(noise=0.05)
    mine, plain = ra.RobustPCA(3, tol=1e-7).fit(clean), PCA(3).fit(clean)
    assert np.allclose(np.abs(np.sum(mine.components_ * plain.components_, axis=1)), 1, atol=1e-3)
    assert np.allclose(mine.explained_variance_, plain.explained_variance_, rtol=0.02)
    assert np.allclose(mine.explained_variance_ratio_, plain.explained_variance_ratio_, rtol=0.02)
    assert np.allclose(mine.singular_values_, plain.singular_values_, rtol=0.02)
    assert 0.5 < mine.noise_variance_ / plain.noise_variance_ < 2


def test_rank_is_found_and_parts_add_up(fitted):
    clean, _ = fitted
    seen = struck(clean, 0.05)
    model = ra.RobustPCA(lags=1).fit(seen)
    assert model.n_components_ in (3, 4)  # medians of the features may add a faint direction of their own
    assert model.explained_variance_ratio_[:3].sum() > 0.995
    assert model.certificate_.gap < 1e-4
    rest = seen - model.low_rank_ - model.sparse_
    assert np.abs(rest).max() < 1.0  # the errors of at least 3 are all in the sparse part
    parts = model.decompose(seen)
    assert np.allclose(parts.low_rank + parts.sparse + parts.noise, seen)


def test_missing_cells_are_predicted(fitted):
    clean, model = fitted
    holes = clean[170:].copy()
    holes[np.random.default_rng(3).random(holes.shape) < 0.3] = np.nan
    assert np.abs(model.set_params(output="low_rank").transform(holes) - clean[170:]).max() < 0.3
    assert not np.isnan(model.set_params(output="sparse").transform(holes)).any()
    model.set_params(output="scores")
    nothing = np.full((1, 40), np.nan)
    assert np.allclose(model.transform(nothing), 0, atol=1e-6)  # the centre of the base
    with pytest.raises(ValueError, match="NaN"):
        ra.RobustPCA(missing="error").fit(holes)


def test_inverse_and_names(fitted):
    clean, _ = fitted
    table = pd.DataFrame(clean, columns=[f"AU{n:02d}" for n in range(40)])
    model = ra.RobustPCA(3).fit(table).set_output(transform="pandas")
    scores = model.transform(table)
    assert list(scores.columns) == ["robustpca0", "robustpca1", "robustpca2"]
    assert np.allclose(model.inverse_transform(scores.to_numpy()), clean, atol=0.15)
    with pytest.raises(ValueError, match="one column for each of the 3 components"):
        model.inverse_transform(clean)
    low_rank = model.set_params(output="low_rank").transform(table)
    assert list(low_rank.columns) == list(table.columns)
    assert np.array_equal(model.inverse_transform(low_rank.to_numpy()), low_rank)
    with pytest.raises(ValueError, match="takes the low_rank part of 40 features"):
        model.inverse_transform(scores.to_numpy())
    sparse = model.set_params(output="sparse").transform(table).to_numpy()
    assert np.allclose(model.inverse_transform(sparse), model.mean_ + sparse)


def test_outlier_map_separates_two_kinds_of_outliers(fitted):
    clean, model = fitted
    frames = clean[170:].copy()
    frames[0] += 30 * model.components_[0]  # far out, inside the base
    frames[1, :15] += np.linspace(3, 9, 15)  # not of the base
    distances = model.outlier_map(frames)
    assert distances.score_distance[0] > distances.score_cutoff
    assert distances.orthogonal_distance[1] > 10 * distances.orthogonal_cutoff
    assert distances.orthogonal_distance[0] < 2 * distances.orthogonal_cutoff
    typical = model.score_samples(frames)
    assert np.argmin(typical) == 1
    assert (typical <= 0).all()


def test_score_prefers_the_true_rank(fitted):
    clean, _ = fitted
    search = GridSearchCV(ra.RobustPCA(tol=1e-4), {"n_components": [1, 3]}, cv=KFold(3)).fit(clean)
    assert search.best_params_ == {"n_components": 3}
    assert search.best_score_ > 0.9


def test_clone_and_pickle_give_the_same_answer(fitted):
    clean, model = fitted
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.transform(clean), model.transform(clean))
    solver = ra.ADMM(relax=1.5)
    copy = clone(ra.RobustPCA(3, solver=solver, tol=1e-7)).fit(clean)
    assert copy.solver == solver
    assert np.allclose(copy.components_, ra.RobustPCA(3, tol=1e-7).fit(clean).components_, atol=1e-4)


def test_whole_frames(fitted):
    clean, _ = fitted
    frames = clean.copy()
    frames[[20, 90, 91]] += np.random.default_rng(5).uniform(5, 9, (3, 40))
    model = ra.RobustPCA(3, sparse="frames", noise=0.02).fit(frames)
    hit = np.flatnonzero(np.linalg.norm(model.sparse_, axis=1) > 5)
    assert hit.tolist() == [20, 90, 91]
    assert np.flatnonzero(np.linalg.norm(model.decompose(frames).sparse, axis=1) > 5).tolist() == [20, 90, 91]


def test_frames_without_order_are_said_to_be(fitted):
    clean, _ = fitted
    mixed = np.random.default_rng(0).permutation(clean)
    assert "no order in time" in str(ra.RobustPCA(3).fit(mixed).status_)
    assert "no order in time" not in str(ra.RobustPCA(3).fit(clean).status_)


@pytest.mark.parametrize("library", ["strict", "torch"])
def test_other_array_libraries_agree_without_any_switch(fitted, library):
    clean, _ = fitted
    frames = struck(clean)[:60, :12]
    frames[5, 2] = np.nan
    convert = array_api_strict.asarray if library == "strict" else pytest.importorskip("torch").asarray
    with_numpy, other = ra.RobustPCA(3, noise=0.02, tol=1e-6), ra.RobustPCA(3, noise=0.02, tol=1e-6)
    expected, scores = with_numpy.fit_transform(frames), other.fit_transform(convert(frames))
    assert type(scores) is type(convert(frames)) is type(other.components_)
    assert np.allclose(np.asarray(scores), expected, atol=1e-3)
    with pytest.raises(ValueError, match="same namespace"):
        other.transform(frames)


def test_bad_parameters_are_named(fitted):
    clean, _ = fitted
    for wrong, word in (
        ({"output": "both"}, "output"),
        ({"sparse": "rows"}, "sparse"),
        ({"n_components": 99}, "n_components"),
        ({"noise": -1.0}, "noise"),
        ({"noise": "some"}, "noise"),
        ({"noise": [1.0, 2.0]}, "noise"),
    ):
        with pytest.raises(ValueError, match=word):
            ra.RobustPCA(**wrong).fit(clean)
    with pytest.warns(ConvergenceWarning, match="raise max_iter"):
        ra.RobustPCA(3, max_iter=2).fit(clean)


def test_robust_scores_are_a_minimum():
    rng = np.random.default_rng(0)
    base, frames = rng.standard_normal((3, 15)), rng.standard_normal((40, 15)) ** 3
    known = rng.random(frames.shape) > 0.2
    scale = rng.uniform(0.5, 2, 15)
    values = np.where(known, frames, 0)
    scores = robust_scores(values, known, base, scale)
    # Optimality: the clipped residuals pull in no direction of the base.
    pull = np.where(known, np.clip((values - scores @ base) / scale, -np.sqrt(2), np.sqrt(2)), 0) / scale
    assert np.abs(pull @ base.T).max() < 1e-6
    rest = values - scores @ base
    sparse = split_rest(rest, scale, "cells")
    assert np.all(np.abs((rest - sparse) / scale) <= np.sqrt(2) + 1e-12)
    alone = np.concatenate([robust_scores(values[i : i + 1], known[i : i + 1], base, scale) for i in range(40)])
    assert np.allclose(alone, scores, atol=1e-7)


@pytest.mark.parametrize("noise", ["auto", None])
@pytest.mark.parametrize("drift", [0.0, 3.0])
def test_the_outlier_map_spares_unseen_clean_rows(noise, drift):
    shares = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        time = np.arange(1200)[:, None]
        moves = np.sin(time / [9.0, 17, 31] + rng.uniform(0, 6, 3)) + np.array([drift, 0, 0]) * time / 1200
        clean = moves @ rng.standard_normal((3, 30)) + 0.2 * rng.standard_normal((1200, 30))
        train = np.where(rng.random((900, 30)) < 0.03, clean[:900] + 5.0, clean[:900])
        found = ra.RobustPCA(3, noise=noise).fit(train).outlier_map(clean[900:])
        score, orthogonal = found.score_distance, found.orthogonal_distance
        shares.append([(score > found.score_cutoff).mean(), (orthogonal > found.orthogonal_cutoff).mean()])
    score, orthogonal = np.mean(shares, axis=0)
    assert score <= 0.05 and 0.01 <= orthogonal <= 0.04


@pytest.mark.parametrize("kind", [ra.RobustPCA, ra.IncrementalRobustPCA])
@pytest.mark.parametrize("dtype, reach", [(np.float64, 140), (np.float32, 15)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_unit_of_the_frames_means_nothing_within_the_range_of_their_squares(kind, dtype, reach, sign):
    frames = recording(features=8)
    plain, scaled = (kind(2, lags=1).fit((unit * frames).astype(dtype)) for unit in (1.0, 10.0 ** (sign * reach)))
    again = scaled.inverse_transform(scaled.transform((10.0 ** (sign * reach) * frames).astype(dtype)))
    assert np.allclose(again / 10.0 ** (sign * reach), plain.inverse_transform(plain.transform(frames)), atol=0.02)
    assert np.isclose(scaled.score((10.0 ** (sign * reach) * frames).astype(dtype)), plain.score(frames), atol=0.01)


@pytest.mark.parametrize("kind", [ra.RobustPCA, ra.IncrementalRobustPCA])
@pytest.mark.parametrize("dtype, reach", [(np.float64, 160), (np.float64, 300), (np.float32, 25)])
@pytest.mark.parametrize("cells", ["all", "one"])
def test_numbers_whose_squares_overflow_are_refused_in_a_sentence(kind, dtype, reach, cells):
    frames = recording(features=8).astype(dtype)
    model = kind(2, lags=1).fit(frames)
    large = frames * dtype(f"1e{reach}") if cells == "all" else frames.copy()
    large[3, 4] = dtype(f"1e{reach}")
    for refused in (kind(2, lags=1).fit, model.transform, model.outlier_map):
        with pytest.raises(ValueError, match="their squares, of which variances are made"):
            refused(large)
    assert np.isfinite(model.transform(frames / dtype(f"1e{reach}"))).all()
    with pytest.raises(ValueError, match="multiply the frames by a constant"):
        kind(2, lags=1).fit(frames / dtype(f"1e{reach}"))
