"""scikit-learn's own checks of every estimator, array-API checks included, with no expected failures."""

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # read by SciPy and scikit-learn when they are first imported

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import rpca_affect as ra

ESTIMATORS = [
    ra.RobustPCA(),
    ra.IncrementalRobustPCA(),
    ra.SequenceRobustPCA(),
    ra.SequenceDescriptors(),
    ra.RobustPCASearch(ra.RobustPCA(tol=1e-4), {"lam": [0.1, 0.3]}, n_repeats=1),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_check(estimator, check):
    check(estimator)
