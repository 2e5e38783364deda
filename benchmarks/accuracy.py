"""How good an answer is, found out without asking the one who gave it: errors, rank, objective, duality gap."""

import numpy as np
import scipy.linalg

__all__ = ["dual_candidate", "dual_value", "evaluate", "objective"]


def objective(matrix, low_rank, lam, slack=0.0, nuclear=None) -> float:
    """Value of the convex model at ``low_rank``, with the best S and N for it: a feasible point whatever L is.

    ``||L||_* + sum huber(M - L)`` with slope ``lam`` and knee ``lam * slack``; the l1 norm where slack is 0.

    Parameters
    ----------
    matrix, low_rank : ndarray, shape (m, n)
    lam : float
    slack : float or ndarray that broadcasts to (m, n)
    nuclear : float, optional
        Nuclear norm of ``low_rank``, where it is known.

    Returns
    -------
    float
    """
    rest = np.abs(matrix - low_rank)
    knee = lam * np.broadcast_to(slack, rest.shape)
    inner = rest <= knee
    loss = lam * (rest - knee / 2)
    if inner.any():
        loss[inner] = (rest[inner] ** 2 * lam / 2) / np.where(knee[inner] > 0, knee[inner], 1.0)
    if nuclear is None:
        nuclear = scipy.linalg.svdvals(_triangle(low_rank)).sum()
    return float(nuclear + loss.sum())


def dual_value(matrix, dual, lam, slack=0.0) -> float:
    """Lower bound on the optimal value from any matrix: moved into the dual ball, then evaluated.

    Parameters
    ----------
    matrix, dual : ndarray, shape (m, n)
    lam : float
    slack : float or ndarray that broadcasts to (m, n)

    Returns
    -------
    float
        ``<M, Y> - ||sqrt(slack) Y||_F^2 / 2`` at the best multiple of Y with ``||Y||_2 <= 1`` and ``|Y| <= lam``.
    """
    dual = np.clip(dual, -lam, lam)
    gram = dual.T @ dual if dual.shape[0] >= dual.shape[1] else dual @ dual.T
    top = np.sqrt(max(scipy.linalg.eigvalsh(gram, subset_by_index=[len(gram) - 1] * 2)[0], 0.0))
    dual /= max(top * (1 + 1e-12), 1.0)
    return float(np.vdot(matrix, dual) - np.sum(np.broadcast_to(slack, dual.shape) * dual**2) / 2)


def dual_candidate(matrix, low_rank, lam, slack=0.0, steps=60, factors=None) -> np.ndarray:
    """Guess the multiplier that belongs to an answer, from the answer alone.

    Where the noise part or the support of ``M - L`` decides, Y is given. Elsewhere it is sought by alternating between
    the subgradients of the nuclear norm at L (tangential part ``U V^T``) and the box ``|Y| <= lam``.

    Parameters
    ----------
    matrix, low_rank : ndarray, shape (m, n)
    lam : float
    slack : float or ndarray that broadcasts to (m, n)
    steps : int
        Alternations.
    factors : (ndarray (m, r), ndarray (r, n)), optional
        Singular vectors of ``low_rank``, where they are known.

    Returns
    -------
    ndarray, shape (m, n)
    """
    rest = matrix - low_rank
    slack = np.broadcast_to(slack, rest.shape)
    noisy = slack > 0
    support = np.abs(rest) > 1e-5 * np.abs(matrix).max()
    fixed = noisy | support
    given = np.where(noisy, np.clip(rest / np.where(noisy, slack, 1.0), -lam, lam), lam * np.sign(rest) * support)
    if fixed.all():
        return given
    left, right = _singular(low_rank)[::2] if factors is None else factors
    dual = given
    for _ in range(steps):
        # Y + U V^T - P_T(Y), with P_T(Y) = U U^T Y + (I - U U^T) Y V V^T
        inside = left.T @ dual
        dual = dual - left @ (inside - right)
        outside = dual @ right.T - left @ (left.T @ (dual @ right.T))
        dual -= outside @ right
        np.clip(dual, -lam, lam, out=dual)
        np.copyto(dual, given, where=fixed)
    return dual


def evaluate(matrices, answers, lams, slacks, truths=None, references=None) -> dict:
    """Judge the answers to a list of matrices, summed up over the list.

    Parameters
    ----------
    matrices : list of ndarray, shape (m, n)
    answers : list of (low_rank, sparse, dual)
        The multiplier ``dual`` may be None: it is then guessed.
    lams : list of float
    slacks : list of float or ndarray that broadcasts to (m, n)
    truths, references : list of ndarray, shape (m, n), optional
        Planted low-rank parts; low-rank parts of the optimum (the first few may do).

    Returns
    -------
    dict
        ``err_truth``, ``err_reference``, ``rank`` (the largest), ``objective``, ``dual_bound``,
        ``gap`` (of these two, relative), ``residual``.
    """
    lows = [np.asarray(low, dtype=np.float64) for low, _, _ in answers]
    rank, value, bound, rest, size = 0, 0.0, 0.0, 0.0, 0.0
    for matrix, low_rank, (_, sparse, dual), lam, slack in zip(matrices, lows, answers, lams, slacks):
        left, values, right = _singular(low_rank)
        rank = max(rank, len(values))
        value += objective(matrix, low_rank, lam, slack, values.sum())
        steps = int(np.clip(4e8 / matrix.size, 6, 60))
        guess = dual_candidate(matrix, low_rank, lam, slack, steps, (left, right))
        proofs = [guess] if dual is None else [guess, np.array(dual, dtype=np.float64)]
        bound += max(dual_value(matrix, proof, lam, slack) for proof in proofs)
        if not np.any(slack):
            rest += float(np.linalg.norm(matrix - low_rank - sparse)) ** 2
        size += float(np.linalg.norm(matrix)) ** 2
    return {
        "err_truth": None if truths is None else distance(lows, truths),
        "err_reference": None if references is None else distance(lows, references),
        "rank": rank,
        "objective": value,
        "dual_bound": bound,
        "gap": max(value - bound, 0.0) / max(value, 1e-300),
        "residual": float(np.sqrt(rest / size)),
    }


def distance(lows, wanted) -> float:
    """Relative Frobenius distance of some matrices from others, taken together."""
    apart = sum(np.linalg.norm(low - best) ** 2 for low, best in zip(lows, wanted))
    return float(np.sqrt(apart / sum(np.linalg.norm(best) ** 2 for best in wanted)))


def _triangle(x):
    """Triangular factor of a tall or wide matrix: the same singular values, much sooner."""
    x = x.T if x.shape[0] < x.shape[1] else x
    m, n = x.shape
    return scipy.linalg.qr(x, mode="r", check_finite=False)[0][:n] if m >= 3 * n else x


def _singular(x, floor=1e-6):
    """Singular triplets above ``floor`` times the largest."""
    if x.shape[0] < x.shape[1]:
        left, values, right = _singular(x.T, floor)
        return right.T, values, left.T
    _, values, right = scipy.linalg.svd(_triangle(x), full_matrices=False, check_finite=False)
    kept = values > floor * max(values[0], 1e-300)
    values, right = values[kept], right[kept]
    return (x @ right.T) / values, values, right
