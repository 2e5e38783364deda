"""
Where recovery succeeds
=======================

Planted matrices of growing rank and growing share of spoiled cells: principal component pursuit recovers the base
exactly in a region, and fails beyond it. The duality gap is small on both sides: outside the region the optimum itself
is another matrix.
"""

import matplotlib.pyplot as plt
import numpy as np

import rpca_affect as ra

ranks, shares = range(2, 27, 4), np.linspace(0.05, 0.4, 8)
errors = np.array(
    [
        [
            ra.metrics.relative_error(ra.solve(problem.observed, "ialm", tol=1e-6).low_rank, problem.low_rank)
            for share in shares
            for problem in [ra.synthetic.planted(80, 80, rank=rank, density=share, random_state=0)]
        ]
        for rank in ranks
    ]
)
_, ax = plt.subplots(figsize=(5, 4))
image = ax.pcolormesh(shares, list(ranks), np.log10(errors), cmap="viridis_r", vmin=-6, vmax=0)
ax.set_xlabel("share of spoiled cells")
ax.set_ylabel("rank of the base (80 x 80)")
plt.colorbar(image, ax=ax, label="log10 of the base's relative error")
