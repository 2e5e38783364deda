"""Wrong settings of the LSEF estimators, generated: each is refused in a sentence that names the parameter."""

import numpy as np
import pytest

from rpca_affect.deep import LSEFClassifier, LSEFRegressor

NAN, INF = float("nan"), float("inf")
NO_NUMBER = ["a", [], {}, object(), [1, 2], 1j, True, None]
BAD_NUMBER = [-1, -0.5, NAN, INF]
NO_WORD = ["nonsense", "", 1, True, [], object(), None]
KINDS = {
    "count": [*NO_NUMBER, *BAD_NUMBER, 0, 1.5],
    "count from 0": [*NO_NUMBER, *BAD_NUMBER, 1.5],
    "positive": [*NO_NUMBER, *BAD_NUMBER, 0],
    "from 0": [*NO_NUMBER, *BAD_NUMBER],
    "share": [*NO_NUMBER, *BAD_NUMBER, 1.5],
    "word": NO_WORD,
    "word or none": NO_WORD[:-1],
    "flag": ["a", 2, None, [], object()],
    "flag or none": ["a", 2, [], object()],
    "widths": ["a", 1, [], [0], [1.5], [-1], [2, 2], None, object(), True],
    "device": [1, None, [], "nonsense", object()],
    "seed": ["a", None, [], 1.5, -1, NAN, True],
}
PARAMETERS = {
    "model": "word",
    "hidden": "count",
    "n_stages": "count from 0",
    "solver": "word",
    "filter_width": "count",
    "modulate": "flag",
    "robust": "flag or none",
    "track": "flag or none",
    "dropout": "share",
    "split_share": "share",
    "widths": "widths",
    "consistency": "from 0",
    "rank_weight": "from 0",
    "sparsity_weight": "from 0",
    "optimizer": "word",
    "lr": "positive",
    "weight_decay": "from 0",
    "batch_size": "count",
    "epochs": "count from 0",
    "corruption": "share",
    "class_weight": "word or none",
    "device": "device",
    "random_state": "seed",
}


def settings():
    for name, kind in PARAMETERS.items():
        for number, value in enumerate(KINDS[kind]):
            yield pytest.param(name, value, id=f"{name}-{number}")


@pytest.mark.parametrize("learner", [LSEFClassifier, LSEFRegressor])
@pytest.mark.parametrize("name, value", list(settings()))
def test_a_wrong_setting_is_refused_by_name(learner, name, value):
    rng = np.random.default_rng(0)
    clips = [rng.standard_normal((8, 3)) for _ in range(4)]
    targets = [0, 1, 0, 1] if learner is LSEFClassifier else np.arange(4.0)
    with pytest.raises((ValueError, TypeError), match=name):
        learner(**{"epochs": 1, "hidden": 4, "n_stages": 1, name: value}).fit(clips, targets)


def test_every_parameter_is_in_the_list():
    for learner in (LSEFClassifier, LSEFRegressor):
        assert set(PARAMETERS) == set(learner().get_params()) == set(learner._rules)


def test_the_tags_say_what_goes_in():
    for learner in (LSEFClassifier(), LSEFRegressor()):
        tags = learner.__sklearn_tags__().input_tags
        assert tags.three_d_array and tags.allow_nan and not tags.two_d_array
    assert LSEFClassifier().__sklearn_tags__().classifier_tags.multi_class
    assert LSEFRegressor().__sklearn_tags__().target_tags.multi_output
