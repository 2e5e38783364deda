"""Small planted problems that the tests share."""

import numpy as np


def planted(m=60, n=40, rank=3, density=0.05, seed=0, size=5.0):
    """Low-rank plus sparse: returns the two parts, (m, n) each."""
    rng = np.random.default_rng(seed)
    low_rank = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    sparse = np.where(rng.random((m, n)) < density, rng.uniform(-size, size, (m, n)), 0.0)
    return low_rank, sparse


def spoiled(rows, columns, rank=3, density=0.05, seed=0, missing=0.0, dtype=np.float64):
    """A low-rank matrix with gross errors and, where asked for, missing cells; the first cell is always clean."""
    rng = np.random.default_rng(seed)
    low_rank = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))
    outliers = rng.uniform(-10, 10, (rows, columns)) * (rng.random((rows, columns)) < density)
    observed = (low_rank + outliers).astype(dtype)
    observed[rng.random(observed.shape) < missing] = np.nan
    observed[0, 0] = low_rank[0, 0]
    return observed


def off(found, wanted):
    """Relative Frobenius distance."""
    return np.linalg.norm(np.asarray(found) - wanted) / max(np.linalg.norm(wanted), 1e-300)
