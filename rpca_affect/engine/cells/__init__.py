"""Cells: the passes over rows, groups of matrices, kernels, and the order statistics of sizes."""
