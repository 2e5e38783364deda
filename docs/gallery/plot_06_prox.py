"""
Every proximal operator
=======================

A proximal operator answers: which point is a compromise between staying near ``x`` and having a small penalty? The
curves show what becomes of one cell, of one frame, and of the singular values of a matrix.
"""

import matplotlib.pyplot as plt
import numpy as np

from rpca_affect import prox

x = np.linspace(-3, 3, 601)
row = np.stack([x, np.full_like(x, 0.5)], axis=1)  # frames of two features
spectrum = np.linspace(3, 0, 7)
curves = {
    "soft_threshold(x, 1)": (x, prox.soft_threshold(x, 1.0)),
    "group_threshold(frames, 1): first feature": (x, prox.group_threshold(row, 1.0)[:, 0]),
    "sparse_group_threshold(frames, 0.4, 0.6)": (x, prox.sparse_group_threshold(row, 0.4, 0.6)[:, 0]),
    "keep_largest(x, 200 cells)": (x, prox.keep_largest(x[None, :], 200)[0]),
    "singular_value_threshold(A, 1): values": (
        spectrum,
        np.linalg.svd(prox.singular_value_threshold(np.diag(spectrum), 1.0), compute_uv=False),
    ),
    "keep_rank(A, 3): values": (spectrum, np.linalg.svd(prox.keep_rank(np.diag(spectrum), 3), compute_uv=False)),
}
_, axes = plt.subplots(2, 3, figsize=(10, 6), constrained_layout=True)
for ax, (name, (before, after)) in zip(axes.flat, curves.items()):
    ax.plot(before, before, color="0.8")
    ax.plot(before, after, marker="o" if len(before) < 10 else None)
    ax.set_title(name, fontsize=9)
    ax.set_xlabel("before")
axes[0, 0].set_ylabel("after")
axes[1, 0].set_ylabel("after")
