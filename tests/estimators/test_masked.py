"""A masked array is the same table with NaN where it is masked, at every estimator and in every method."""

import numpy as np
import pytest

import rpca_affect as ra

PEOPLE = np.repeat([0, 1], 100)


def table():
    rng = np.random.default_rng(0)
    values = ra.synthetic.planted(200, 20, rank=2, density=0.02, random_state=0).observed
    return values, rng.random(values.shape) < 0.2


@pytest.mark.parametrize("answer", [
    lambda x: ra.RobustPCA(lags=1).fit_transform(x),
    lambda x: ra.IncrementalRobustPCA(n_warmup=100, lags=1).fit(x).transform(x),
    lambda x: ra.SequenceRobustPCA(output="low_rank").fit_transform(x, sequence_id=PEOPLE),
    lambda x: ra.SequenceRobustPCA(output="low_rank").fit_transform([x[:90], x[90:]])[1],
    lambda x: ra.SequenceDescriptors().fit_transform(x, sequence_id=PEOPLE),
    lambda x: ra.SequenceDescriptors().fit_transform([x[:90], x[90:]]),
    lambda x: ra.SequenceDescriptors().fit_transform(x.reshape(2, 100, 20)),
    lambda x: ra.RobustPCASearch(n_repeats=1, random_state=0).fit(x).cv_results_["mean_test_score"],
    lambda x: ra.choose_lambda(x, [0.05, 0.1], n_repeats=1, random_state=0).scores,
])  # fmt: skip
def test_what_a_masked_array_hides_is_missing(answer):
    values, hidden = table()
    by_nan = answer(np.where(hidden, np.nan, values))
    by_mask = answer(np.ma.masked_array(np.where(hidden, 999.0, values), hidden))
    np.testing.assert_array_equal(by_mask, by_nan)


def test_sequences_of_the_deep_part_too():
    as_sequences = pytest.importorskip("rpca_affect.deep.batches").as_sequences
    values, hidden = table()
    wanted = np.where(hidden, np.nan, values).astype(np.float32)
    for form in ([np.ma.masked_array(values, hidden)], np.ma.masked_array(values, hidden)[None]):
        np.testing.assert_array_equal(as_sequences(form)[0], wanted)
