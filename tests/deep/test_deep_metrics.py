"""Scores against scikit-learn and torchmetrics, and the three conventions of CCC."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchmetrics.functional import concordance_corrcoef, pearson_corrcoef

from rpca_affect.deep.metrics import ccc, pcc, rmse, sagr, uar, war

numbers = arrays(np.float64, 12, elements=st.floats(-5, 5).map(lambda v: round(v, 3)))


@settings(max_examples=30, deadline=None)
@given(numbers, numbers)
def test_ccc_is_symmetric_bounded_and_below_pcc(a, b):
    value = ccc(a, b)
    assert -1 - 1e-9 <= value <= 1 + 1e-9
    assert value == pytest.approx(ccc(b, a), abs=1e-9)
    assert abs(value) <= abs(pcc(a, b)) + 1e-9


def test_against_torchmetrics():
    rng = np.random.default_rng(0)
    a = rng.normal(size=5000)
    b = 0.5 * a + rng.normal(size=5000)
    ours, theirs = ccc(a, b), concordance_corrcoef(torch.as_tensor(b), torch.as_tensor(a)).item()
    assert ours == pytest.approx(theirs, abs=1e-3)  # population against sample variance
    assert pcc(a, b) == pytest.approx(pearson_corrcoef(torch.as_tensor(b), torch.as_tensor(a)).item(), abs=1e-6)


def test_conventions_differ_and_unrated_frames_do_not_count():
    truth = [np.array([0.0, 1.0, 0.0]), np.array([5.0, np.nan, 6.0])]
    levels = [np.full(3, 1 / 3), np.array([5.5, 77.0, 5.5])]
    assert ccc(truth, levels) > 0.9
    assert ccc(truth, levels, "sequence") == 0
    perfect = [np.nan_to_num(t, nan=77.0) for t in truth]
    assert ccc(truth, perfect, "batch", batch_size=2) == pytest.approx((1 + 0 + 0) / 3, abs=0.7)
    assert ccc(truth, perfect) == ccc(truth, perfect, "sequence") == pytest.approx(1)
    assert rmse(truth, perfect) == 0 and sagr(truth, perfect) == 1
    with pytest.raises(ValueError, match="convention"):
        ccc(truth, levels, "mean")
    with pytest.raises(ValueError, match="one number per frame"):
        ccc(truth, [np.zeros(2), np.zeros(3)])
    with pytest.raises(ValueError, match="no frame is rated"):
        ccc([np.array([np.nan])], [np.array([1.0])])


def test_recall_of_a_rare_class():
    truth, guess = ["a"] * 9 + ["b"], ["a"] * 10
    assert war(truth, guess) == 0.9 and uar(truth, guess) == 0.5


def test_sign_agreement():
    assert sagr(np.array([0.5, -0.5, 0.1, -0.1]), np.array([0.1, 0.2, 0.3, -0.4])) == 0.75
