"""The pictures show what they say."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from rpca_affect.deep import LSEFClassifier
from rpca_affect.deep.plots import plot_recovery, plot_split, plot_stages


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(12, 5)) for _ in range(8)]
    yield LSEFClassifier(hidden=8, n_stages=4, epochs=1).fit(X, [0, 1] * 4), X
    plt.close("all")


def test_split_and_stages(model):
    estimator, X = model
    axes = plot_split(estimator, X[0])
    shown = [ax.images[0].get_array() for ax in axes]
    _, transient = estimator.split([X[0]])[0]
    assert shown[0].shape == (5, 12)
    scale = estimator.net_.module_.scaler
    assert np.allclose(shown[2], (transient / scale.spread.numpy()).T, atol=1e-6)
    axes = plot_stages(estimator, X)
    assert [len(ax.lines[0].get_xdata()) for ax in axes] == [4, 4, 4]
    assert axes[0].lines[0].get_ydata().max() <= 5


def test_recovery():
    ax = plot_recovery({"classical": ([2, 4], [0.1, 0.01]), "unrolled": ([2, 4], [0.01, 0.001])})
    assert ax.get_yscale() == "log" and [line.get_linestyle() for line in ax.lines] == ["--", "-"]
    plt.close("all")
