"""Estimators by scikit-learn's conventions: one matrix, many sequences, a stream, descriptors, the choice of lambda."""

from rpca_affect.estimators.choice import Choice, choose_lambda
from rpca_affect.estimators.descriptors import SequenceDescriptors
from rpca_affect.estimators.incremental import IncrementalRobustPCA
from rpca_affect.estimators.robust_pca import Certificate, RobustPCA
from rpca_affect.estimators.search import RobustPCASearch
from rpca_affect.estimators.sequence_pca import SequenceRobustPCA

__all__ = [
    "Certificate",
    "Choice",
    "IncrementalRobustPCA",
    "RobustPCA",
    "RobustPCASearch",
    "SequenceDescriptors",
    "SequenceRobustPCA",
    "choose_lambda",
]
