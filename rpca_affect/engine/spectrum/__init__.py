"""Singular values: the threshold, Gram matrices and bounds on their norms, factors of low rank."""
