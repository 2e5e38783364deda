"""scikit-learn's face: fit, predict, tools of scikit-learn, files, and clear refusals."""

import json
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from rpca_affect.deep import LSEFClassifier, LSEFRegressor, load, save
from rpca_affect.deep.net import Annealing

SMALL = {"hidden": 8, "n_stages": 1, "epochs": 6, "lr": 0.02, "batch_size": 8}


def clips(count=18, seed=0):
    """Two classes: one moves, the other has bursts."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for i in range(count):
        x = rng.normal(size=(rng.integers(10, 16), 4))
        x[:, 0] += 4 * (i % 2)
        X.append(x)
        y.append(("calm", "tense")[i % 2])
    return X, np.array(y)


@pytest.fixture(scope="module")
def fitted():
    torch.set_num_threads(1)
    X, y = clips()
    return LSEFClassifier(**SMALL).fit(X, y), X, y


def test_classifier_learns_and_says_so_in_probabilities(fitted):
    model, X, y = fitted
    assert model.score(*clips(seed=1)) > 0.9
    share = model.predict_proba(X)
    assert share.shape == (18, 2) and np.allclose(share.sum(1), 1, atol=1e-6)
    assert model.classes_.tolist() == ["calm", "tense"] and model.predict(X).dtype == y.dtype


def test_same_seed_same_model_and_the_callers_random_numbers_are_left_alone(fitted):
    model, X, y = fitted
    state = torch.get_rng_state()
    again = LSEFClassifier(**SMALL).fit(X, y)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(model.predict_proba(X), again.predict_proba(X))
    other = LSEFClassifier(**SMALL, random_state=1).fit(X, y)
    assert not np.array_equal(model.predict_proba(X), other.predict_proba(X))


def test_one_sequence_does_not_depend_on_its_batch(fitted):
    model, X, _ = fitted
    together = model.predict_proba(X)
    alone = np.concatenate([model.predict_proba([x]) for x in X])
    assert np.allclose(together, alone, atol=1e-5)


def test_split_adds_up_and_embeddings(fitted):
    model, X, _ = fitted
    for x, (base, transient) in zip(X, model.split(X)):
        assert base.shape == transient.shape == x.shape
    assert model.embed(X).shape == (18, 16)


def test_the_learning_rate_falls_along_half_a_cosine():
    X, y = clips()
    rates = []
    model = LSEFClassifier(**{**SMALL, "epochs": 4, "lr": 0.01})
    with mock.patch.object(Annealing, "on_epoch_end", lambda self, net, **_: rates.append(rate(net)), create=True):
        model.fit(X, y)
    assert np.allclose(rates, 0.005 * (1 + np.cos(np.pi * np.arange(4) / 4)))


def rate(net):
    return net.optimizer_.param_groups[0]["lr"]


def test_tools_of_scikit_learn():
    X, y = clips()
    model = LSEFClassifier(**{**SMALL, "epochs": 2})
    assert clone(model).get_params() == model.get_params()
    scores = cross_val_score(model, X, y, cv=GroupKFold(3), groups=np.arange(18) // 2 % 3)
    assert scores.shape == (3,) and np.isfinite(scores).all()
    search = GridSearchCV(model, {"lr": [1e-9, 0.03]}, cv=2, scoring="balanced_accuracy").fit(X, y)
    assert set(search.best_params_) == {"lr"} and len(search.predict(X)) == 18
    pipeline = make_pipeline(FunctionTransformer(lambda X: [2 * x for x in X]), model).fit(X, y)
    assert len(pipeline.predict(X)) == 18


@pytest.mark.parametrize("model", ["identity", "gru", "tcn", "transformer"])
def test_baselines_train_the_same_way(model):
    X, y = clips()
    X[0][3] = np.nan
    found = LSEFClassifier(model, **{**SMALL, "optimizer": "rao", "corruption": 0.2}).fit(X, y)
    assert found.score(*clips(seed=1)) > 0.7
    if model != "identity":
        with pytest.raises(ValueError, match="does not split"):
            found.split(X)


@pytest.mark.parametrize("form", ["per frame", "per frame, one rating", "per clip", "per clip, one rating"])
def test_regressor(form):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(9, 14), 3)).cumsum(0) for _ in range(16)]
    y = [x[:, :2] for x in X]
    if form == "per frame, one rating":
        y = [x[:, 0] for x in X]
    elif form == "per clip":
        y = np.stack([x[:, :2].mean(0) for x in X])
    elif form == "per clip, one rating":
        y = np.array([x[:, 0].mean() for x in X])
    model = LSEFRegressor(**{**SMALL, "epochs": 12}).fit(X, y)
    guess = model.predict(X)
    assert [np.shape(a) for a in guess] == [np.shape(b) for b in y]
    assert model.score(X, y) > 0.5


def test_file_round_trip(fitted, tmp_path):
    model, X, _ = fitted
    path = save(model, tmp_path / "model.safetensors")
    again = load(path)
    assert np.array_equal(model.predict_proba(X), again.predict_proba(X))
    assert again.predict(X).tolist() == model.predict(X).tolist() and again.get_params() == model.get_params()
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(9, 3)) for _ in range(4)]
    regressor = LSEFRegressor(**SMALL).fit(X, [x[:, 0] for x in X])
    other = load(save(regressor, tmp_path / "r.safetensors"))
    assert all(np.array_equal(a, b) for a, b in zip(regressor.predict(X), other.predict(X)))


def test_files_that_do_not_fit_are_refused_in_one_sentence(fitted, tmp_path):
    model, _, _ = fitted
    path = save(model, tmp_path / "model.safetensors")
    with safe_open(path, framework="pt") as file:
        tensors = {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()["rpca_affect"])

    def written(change, weights=tensors):
        bad = tmp_path / "bad.safetensors"
        save_file(weights, bad, metadata={"rpca_affect": json.dumps({**header, **change})})
        return bad

    with pytest.raises(ValueError, match="version 99"):
        load(written({"version": 99}))
    with pytest.raises(ValueError, match="version 1, from before"):
        load(written({"version": 1}))
    with pytest.raises(ValueError, match="shape"):
        load(written({"config": {**header["config"], "hidden": 16}}))
    with pytest.raises(ValueError, match="lacks the weights"):
        load(written({}, {k: v for k, v in tensors.items() if k != "head.1.bias"}))
    with pytest.raises(ValueError, match="this model lacks"):
        load(written({}, {**tensors, "extra": torch.zeros(1)}))
    with pytest.raises(ValueError, match="'Oracle'"):
        load(written({"estimator": "Oracle"}))
    save_file(tensors, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="not written by rpca_affect"):
        load(tmp_path / "foreign.safetensors")
    half = tmp_path / "half.safetensors"
    half.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load(half)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="not fitted"):
        save(LSEFClassifier(), tmp_path / "x.safetensors")


def test_bad_input_is_named(fitted):
    model, X, y = fitted
    with pytest.raises(ValueError, match="4"):
        model.predict([np.zeros((5, 3))])
    with pytest.raises(NotFittedError):
        LSEFClassifier().predict(X)
    with pytest.raises(ValueError, match="one class"):
        LSEFClassifier(**SMALL).fit(X, ["a"] * 18)
    with pytest.raises(ValueError, match="one for each"):
        LSEFClassifier(**SMALL).fit(X, y[:5])
    with pytest.raises(ValueError, match="optimizer"):
        LSEFClassifier(**{**SMALL, "optimizer": "sgdx"}).fit(X, y)
    with pytest.raises(ValueError, match="align"):
        LSEFRegressor(**SMALL).fit(X, [x[:-1] for x in X])
