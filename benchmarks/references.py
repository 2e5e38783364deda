"""What others are measured against: textbook full-SVD iterations, and the convex optimum to nine digits."""

from time import perf_counter
from typing import NamedTuple

import numpy as np
import scipy.linalg
from sklearn.utils.extmath import randomized_svd

__all__ = ["Exact", "admm_full", "exact_optimum", "ialm_full", "ialm_randomized", "threshold_values"]


class Exact(NamedTuple):
    """Outcome of a reference iteration.

    Attributes
    ----------
    low_rank, sparse, noise, dual : ndarray, shape (m, n)
    n_iter : int
    error : float
        Last relative violation.
    seconds_per_step : float
        Without the set-up.
    """

    low_rank: np.ndarray
    sparse: np.ndarray
    noise: np.ndarray
    dual: np.ndarray
    n_iter: int
    error: float
    seconds_per_step: float


def _soft(x, level):
    return np.sign(x) * np.maximum(np.abs(x) - level, 0)


def ialm_full(matrix, lam, tol=1e-7, max_iter=1000, rho=1.5) -> Exact:
    """Inexact ALM as it is usually written: one full SVD and five full-size temporaries per step.

    Solves ``argmin ||L||_* + lam ||S||_1  subject to  L + S = M``.

    Parameters
    ----------
    matrix : ndarray, shape (m, n)
    lam, tol, rho : float
    max_iter : int

    Returns
    -------
    Exact

    References
    ----------
    Lin, Chen & Ma (2010), algorithm 5.
    """
    return _ialm(matrix, lam, tol, max_iter, rho, lambda x, level, rank: _svt_full(x, level))


def ialm_randomized(matrix, lam, tol=1e-7, max_iter=1000, rho=1.5) -> Exact:
    """Run the iteration of `ialm_full` with scikit-learn's ``randomized_svd`` and predicted ranks.

    Parameters
    ----------
    matrix : ndarray, shape (m, n)
    lam, tol, rho : float
    max_iter : int

    Returns
    -------
    Exact
    """
    smaller = min(matrix.shape)

    def threshold(x, level, rank):
        wanted = min(max(rank, 10), smaller)
        while True:
            left, values, right = randomized_svd(x, wanted, random_state=0)
            if values[-1] <= level or wanted == smaller:
                break
            wanted = min(2 * wanted, smaller)
        kept = int(np.sum(values > level))
        # Rank prediction of the reference implementation of Lin et al.
        guess = kept + 1 if kept < wanted else kept + round(0.05 * smaller)
        return (left[:, :kept] * (values[:kept] - level)) @ right[:kept], min(guess, smaller)

    return _ialm(matrix, lam, tol, max_iter, rho, threshold)


def _svt_full(x, level):
    left, values, right = np.linalg.svd(x, full_matrices=False)
    return (left * np.maximum(values - level, 0)) @ right, 0


def _ialm(matrix, lam, tol, max_iter, rho, threshold) -> Exact:
    spectral = np.linalg.norm(matrix, 2)
    size = np.linalg.norm(matrix)
    dual = matrix / max(spectral, np.abs(matrix).max() / lam)
    mu, mu_max = 1.25 / spectral, 1.25e7 / spectral
    sparse = np.zeros_like(matrix)
    rank, step, error = 0, 0, np.inf
    start = perf_counter()
    while error >= tol and step < max_iter:
        step += 1
        low_rank, rank = threshold(matrix - sparse + dual / mu, 1 / mu, rank)
        sparse = _soft(matrix - low_rank + dual / mu, lam / mu)
        rest = matrix - low_rank - sparse
        dual = dual + mu * rest
        mu = min(rho * mu, mu_max)
        error = float(np.linalg.norm(rest) / size)
    seconds = (perf_counter() - start) / step
    return Exact(low_rank, sparse, np.zeros((1, 1)), dual, step, error, seconds)


def threshold_values(x, level):
    """Soft-threshold singular values from a dense SVD; of the triangular factor where that is much smaller.

    ``A V`` replaces ``U diag(s)``, so a tall matrix needs only the SVD of R in ``A = Q R``: as stable as the SVD of A.

    Parameters
    ----------
    x : ndarray, shape (m, n)
    level : float

    Returns
    -------
    ndarray, shape (m, n)
    """
    m, n = x.shape
    if max(m, n) < 3 * min(m, n):
        return _svt_full(x, level)[0]
    if n > m:
        return threshold_values(x.T, level).T
    triangle = scipy.linalg.qr(x, mode="r", check_finite=False)[0][:n]
    _, values, right = np.linalg.svd(triangle, full_matrices=False)
    kept = values > level
    right = right[kept]
    return (x @ right.T * (1 - level / values[kept])) @ right


def admm_full(matrix, lam, tol=1e-7, max_iter=1000, slack=0.0) -> Exact:
    """ADMM with over-relaxation 1.6 and one plain full SVD per step.

    Parameters
    ----------
    matrix : ndarray, shape (m, n)
    lam, tol : float
    max_iter : int
    slack : float or ndarray that broadcasts to (m, n)

    Returns
    -------
    Exact
    """
    return exact_optimum(matrix, lam, slack, tol=tol, max_iter=max_iter, threshold=lambda x, t: _svt_full(x, t)[0])


def exact_optimum(
    matrix, lam, slack=0.0, mask=None, tol=1e-9, max_iter=20000, threshold=threshold_values, penalty=1.0
) -> Exact:
    """Optimum of the convex model by relaxed Douglas-Rachford splitting with exact singular values.

    Solves ``argmin_{L,S,N} ||L||_* + lam ||S||_1 + ||N||_F^2 / (2 slack)  subject to  L + S + N = M`` on the cells of
    ``mask``. Written on its own, from the two proximal operators, so that it can judge the package.

    Parameters
    ----------
    matrix : ndarray, shape (m, n)
        Anything may stand in a missing cell, NaN included.
    lam : float
    slack : float or ndarray that broadcasts to (m, n)
        0 means no noise part.
    mask : ndarray of bool, shape (m, n), optional
        True where observed.
    tol : float
        Stop when the two halves of the splitting agree to ``tol``, relative to the data and to the multiplier.
    max_iter : int
    threshold : callable
        Singular-value threshold ``(x, level) -> low_rank``.
    penalty : float
        Factor on the first penalty ``2.5 p m n / (4 sum |M|)``.

    Returns
    -------
    Exact

    References
    ----------
    Eckstein & Bertsekas (1992); Zhou, Li, Wright, Candes & Ma (2010).
    """
    seen = np.ones(matrix.shape, bool) if mask is None else mask
    values = np.where(seen, matrix, 0.0)
    mu = penalty * 0.625 * seen.sum() / np.abs(values).sum()
    slack = np.broadcast_to(np.asarray(slack, dtype=values.dtype), values.shape)
    knee = lam * slack
    size = float(np.linalg.norm(values))
    point = values.copy()
    step, error = 0, np.inf
    start = perf_counter()
    while error > tol and step < max_iter:
        step += 1
        low_rank = threshold(point, 1 / mu)
        reflected = 2 * low_rank - point
        # Proximal operator of the Huber function of M - X with knee lam * slack, on observed cells; elsewhere identity.
        gap = values - reflected
        pull = np.where(np.abs(gap) <= knee + lam / mu, gap / (1 + mu * slack), np.sign(gap) * lam / mu)
        second = np.where(seen, reflected + pull, reflected)
        change = second - low_rank
        point = point + 1.6 * change
        multiplier = float(np.linalg.norm(point - second))
        scale = min(size, multiplier) if multiplier > 0 else size
        error = float(np.linalg.norm(change)) / max(scale, 1e-300)
    seconds = (perf_counter() - start) / step
    dual = np.where(seen, np.clip(mu * (values - reflected) / (1 + mu * slack), -lam, lam), 0.0)
    rest = np.where(seen, values - low_rank, 0.0)
    noise = np.clip(rest, -knee, knee)
    return Exact(low_rank, rest - noise, noise, dual, step, error, seconds)
