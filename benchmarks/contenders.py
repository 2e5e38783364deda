"""Everybody in the race, behind one call: matrix, lam, tol in; low-rank and sparse part out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks import references

__all__ = ["CONTENDERS", "Answer", "Contender"]


class Answer(NamedTuple):
    """What a contender gives back.

    Attributes
    ----------
    low_rank, sparse : ndarray, shape (m, n)
    n_iter : int
    seconds_per_step : float or None
        Where the contender measures it itself; else total time over steps.
    claimed_gap : float or None
        The duality gap that the contender itself reports.
    dual : ndarray, shape (m, n), or None
        Its multiplier, where it gives that away.
    """

    low_rank: np.ndarray
    sparse: np.ndarray
    n_iter: int
    seconds_per_step: float | None = None
    claimed_gap: float | None = None
    dual: np.ndarray | None = None


@dataclass(frozen=True)
class Contender:
    """One way to solve.

    Attributes
    ----------
    kind : {"ours", "reference", "peer"}
    make : callable () -> callable (matrix, lam, tol, max_iter, sigma, keep_dual) -> Answer
        Imports what it needs: a missing package is an error of this contender only.
    exact : bool
        Aims at the optimum of the whole model: takes the noise level and the tolerance of the problem. The others solve
        the model without noise, to 1e-7.
    patient : bool
        May run longer: the full-SVD reference and the fastest peer, of which every table needs the time.
    groups : tuple of str
        Where it takes part; empty means everywhere.
    """

    kind: str
    make: Callable[[], Callable[..., Answer]]
    exact: bool = False
    patient: bool = False
    groups: tuple[str, ...] = ()


def _ours(solver: str, dtype: str = "float64") -> Callable[[], Callable[..., Answer]]:
    def make():
        import rpca_affect

        def run(matrix, lam, tol, max_iter, sigma, keep_dual):
            data = matrix if dtype == "float64" else matrix.astype(dtype)
            split = rpca_affect.solve(
                data, solver, lam=lam, tol=tol, max_iter=max_iter, noise=sigma, keep_dual=keep_dual
            )
            return Answer(split.low_rank, split.sparse, int(split.n_iter), None, split.gap, split.dual)

        return run

    return make


def _reference(function: Callable[..., references.Exact]) -> Callable[[], Callable[..., Answer]]:
    def run(matrix, lam, tol, max_iter, *_):
        found = function(matrix, lam, tol=tol, max_iter=max_iter or 1000)
        return Answer(found.low_rank, found.sparse, found.n_iter, found.seconds_per_step, None, found.dual)

    return lambda: run


def _admm_full() -> Callable[..., Answer]:
    def run(matrix, lam, tol, max_iter, sigma, keep_dual):
        slack = 0.0 if sigma is None else (np.sqrt(matrix.shape[0]) + np.sqrt(matrix.shape[1])) * sigma
        found = references.admm_full(matrix, lam, tol, max_iter or 5000, slack)
        return Answer(found.low_rank, found.sparse, found.n_iter, found.seconds_per_step, None, found.dual)

    return run


def _pyrpca() -> Callable[..., Answer]:
    from pyrpca import pcp_ialm

    count = _Counter(pcp_ialm, "svd")

    def run(matrix, lam, tol, max_iter, *_):
        low, sparse = pcp_ialm.rpca_pcp_ialm(matrix, lam, max_iter=max_iter or 1000, tol=tol, verbose=False)
        return Answer(low, sparse, count.since())

    return run


def _skpcp() -> Callable[..., Answer]:
    from skpcp.pcp import pcp

    # Its default of 100 steps does not reach the tolerance.
    return lambda matrix, lam, tol, max_iter, *_: Answer(*pcp(matrix, lam, max_iter=max_iter or 5000, tol=tol))


def _tensorly() -> Callable[..., Answer]:
    from tensorly.decomposition import robust_pca

    def run(matrix, lam, tol, max_iter, *_):
        # Both unfoldings of a matrix carry a nuclear norm, hence 2 lam; its tolerance is absolute; its first penalty
        # does not know the scale of the data, so it gets the usual one.
        low, sparse, errors = robust_pca(
            matrix,
            tol=tol * np.linalg.norm(matrix),
            reg_E=2 * lam,
            mu_init=1.25 / np.linalg.norm(matrix, 2),
            n_iter_max=max_iter or 5000,
            return_errors=True,
            verbose=0,
        )
        return Answer(low, sparse, len(errors))

    return run


def _qolmat() -> Callable[..., Answer]:
    from qolmat.imputations.rpca import rpca_utils
    from qolmat.imputations.rpca.rpca_pcp import RpcaPcp

    count = _Counter(rpca_utils, "svd_thresholding")

    def run(matrix, lam, tol, max_iter, *_):
        solver = RpcaPcp(lam=lam, max_iterations=max_iter or 5000, tolerance=tol, verbose=False)
        low, sparse = solver.decompose(matrix, np.ones(matrix.shape, bool))
        return Answer(low, sparse, count.since())

    return run


def _decompy_adm() -> Callable[..., Answer]:
    from decompy.matrix_factorization import AlternatingDirectionMethod

    def run(matrix, lam, tol, max_iter, *_):
        found = AlternatingDirectionMethod(tol=tol, maxiter=max_iter or 5000).decompose(matrix, tau=lam)
        return Answer(found.L, found.S, found.convergence_metrics()["niter"])

    return run


def _decompy_ialm() -> Callable[..., Answer]:
    from decompy.matrix_factorization import InexactAugmentedLagrangianMethod

    def run(matrix, lam, tol, max_iter, *_):
        found = InexactAugmentedLagrangianMethod(tol=tol, maxit=max_iter or 1000).decompose(matrix, lambd=lam)
        return Answer(found.L, found.S, found.convergence_metrics()["iteration"])

    return run


class _Counter:
    """Count the singular value decompositions of a package that does not report its steps."""

    def __init__(self, module: Any, name: str) -> None:
        self.calls = 0
        inner = getattr(module, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return inner(*args, **kwargs)

        setattr(module, name, counted)

    def since(self) -> int:
        """Calls since the last question."""
        calls, self.calls = self.calls, 0
        return calls


CONTENDERS: dict[str, Contender] = {
    "ours": Contender("ours", _ours("auto"), exact=True, patient=True),
    "ours-ialm": Contender("ours", _ours("ialm")),
    "ours-admm": Contender("ours", _ours("admm"), exact=True),
    "ours-float32": Contender("ours", _ours("auto", "float32"), exact=True),
    "ialm-full": Contender("reference", _reference(references.ialm_full), patient=True),
    "ialm-randomized": Contender("reference", _reference(references.ialm_randomized)),
    "admm-full": Contender("reference", _admm_full, exact=True, patient=True, groups=("drift", "real")),
    "pyrpca": Contender("peer", _pyrpca, patient=True),
    "decompy-adm": Contender("peer", _decompy_adm),
    "decompy-ialm": Contender("peer", _decompy_ialm),
    "tensorly": Contender("peer", _tensorly),
    "skpcp": Contender("peer", _skpcp),
    "qolmat": Contender("peer", _qolmat),
}
