"""Wrong settings, generated for every parameter of every estimator: each is refused in a sentence that names it."""

import numpy as np
import pytest

import rpca_affect as ra

NAN, INF = float("nan"), float("inf")
NO_NUMBER = ["a", [], {}, object(), [1, 2], 1j, True]
BAD_NUMBER = [-1, -0.5, NAN, INF, -INF]
NO_WORD = ["nonsense", "", 1, True, [], object(), None]
# What no parameter of this kind may be; `None` is added where it means nothing.
KINDS = {
    "count": [*NO_NUMBER, *BAD_NUMBER, 0, 1.5, "2"],
    "count or none": [*NO_NUMBER, *BAD_NUMBER, 0, 1.5],
    "count from 0": [*NO_NUMBER, *BAD_NUMBER, 1.5, None],
    "positive": [*NO_NUMBER, *BAD_NUMBER, 0, None],
    "positive or none": [*NO_NUMBER, *BAD_NUMBER, 0],
    "from 0": [*NO_NUMBER, *BAD_NUMBER, None],
    "share": [*NO_NUMBER, *BAD_NUMBER, 1, 1.5, None],
    "inner share": [*NO_NUMBER, *BAD_NUMBER, 0, 1, 1.5, None],
    "noise": [
        "a",
        {},
        object(),
        1j,
        True,
        *BAD_NUMBER,
        [0.1, 0.2],
        [[0.1]],
        [NAN] * 4,
        ["a"] * 4,
        [-1.0] * 4,
        [None] * 4,
    ],
    "word": NO_WORD,
    "word or none": NO_WORD[:-1],
    "flag": ["a", 2, -1, None, [], object(), 0.5],
    "flag or none": ["a", 2, -1, [], object(), 0.5],
    "solver": ["nonsense", 1, None, [], object(), ra.ADMM, True],
    "lags": ["a", [], object(), 1.5, 0, -1, NAN, INF, None, True, 10_000],
    "seed": ["a", [], {}, object(), 1.5, -1, NAN, True],
    "estimator": ["a", 1, object(), ra.RobustPCA, [], True],
    "jobs": ["a", 0, 1.5, [], object(), NAN, True],
    "labels": ["a", 1, [1, 2], [[], [], [], []], {"a": 1}, True],
    "grid": ["a", 1, [], object(), {"lam": 0.1}, {"lam": []}, {"nonsense": [1]}, [1], {"lam": [-1.0]}, {"lam": "a"}],
    "warm-up": [*NO_NUMBER, *BAD_NUMBER, 0, 1, 2.5, None],
}
SHARED = {
    "n_components": "count or none",
    "lam": "positive or none",
    "noise": "noise",
    "threshold": "positive",
    "floor": "from 0",
    "sparse": "word",
    "output": "word",
    "missing": "word",
    "tol": "positive",
    "random_state": "seed",
}
ESTIMATORS = {
    ra.RobustPCA: {**SHARED, "solver": "solver", "scale": "word", "refit": "flag", "apart": "flag",
                   "max_iter": "count or none",
                   "lags": "lags", "gap": "positive or none"},
    ra.IncrementalRobustPCA: {
        **SHARED, "lags": "lags", "half_life": "positive or none", "batch_size": "count", "n_warmup": "warm-up",
    },
    ra.SequenceRobustPCA: {
        "n_components": "count or none", "base": "word", "estimator": "estimator", "output": "word", "n_jobs": "jobs",
    },
    ra.SequenceDescriptors: {
        "estimator": "estimator", "parts": "word", "n_waves": "count from 0", "groups": "labels", "fps": "positive",
        "n_jobs": "jobs",
    },
    ra.RobustPCASearch: {
        "estimator": "estimator", "param_grid": "grid", "share": "inner share", "n_repeats": "count", "refit": "flag",
        "n_jobs": "jobs", "random_state": "seed",
    },
}  # fmt: skip


def frames():
    time = np.arange(60)[:, None]
    return np.sin(time / [5.0, 9, 14]) @ np.random.default_rng(0).standard_normal((3, 4))


def settings():
    for kind, parameters in ESTIMATORS.items():
        for name, of in parameters.items():
            for number, value in enumerate(KINDS[of]):
                yield pytest.param(kind, name, value, id=f"{kind.__name__}-{name}-{number}")


@pytest.mark.parametrize("kind, name, value", list(settings()))
def test_a_wrong_setting_is_refused_by_name(kind, name, value):
    data = [frames(), frames() + 1] if kind in (ra.SequenceRobustPCA, ra.SequenceDescriptors) else frames()
    with pytest.raises((ValueError, TypeError), match=name) as refused:
        kind(**{name: value}).fit(data)
    assert len(str(refused.value)) < 400
    deepest = refused.traceback[-1].path
    assert "rpca_affect" in str(deepest), f"{deepest} is not ours: the setting crashed where it was used"


def test_every_parameter_is_in_the_list():
    for kind, parameters in ESTIMATORS.items():
        assert set(parameters) == set(kind().get_params(deep=False)) == set(kind._rules)
