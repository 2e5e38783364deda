"""Small planted problems that the tests share."""

import numpy as np


def planted(m=60, n=40, rank=3, density=0.05, seed=0, size=5.0):
    """Low-rank plus sparse: returns the two parts, (m, n) each."""
    rng = np.random.default_rng(seed)
    low_rank = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    sparse = np.where(rng.random((m, n)) < density, rng.uniform(-size, size, (m, n)), 0.0)
    return low_rank, sparse


def off(found, wanted):
    """Relative Frobenius distance."""
    return np.linalg.norm(np.asarray(found) - wanted) / max(np.linalg.norm(wanted), 1e-300)
