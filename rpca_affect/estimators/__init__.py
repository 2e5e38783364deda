"""Estimators in scikit-learn's grammar: one matrix, many sequences, a stream, descriptors, and the choice of lambda."""

from rpca_affect.estimators.robust_pca import Certificate, RobustPCA

__all__ = ["Certificate", "RobustPCA"]
