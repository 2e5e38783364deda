"""The one result type: the parts of a matrix, how the solve ended, and how far from the optimum it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rpca_affect.arrays import Array, array_namespace

__all__ = ["Decomposition", "Factors", "Status", "doubts", "gap_limit", "largest"]

RANK_LIMIT = 0.3
DENSITY_LIMIT = 0.3
GAP_LIMIT = {"float64": 1e-3, "float32": 5e-3}  # single precision stops earlier, with a dual that is less settled


@dataclass(frozen=True)
class Status:
    """How a solve ended, as sentences.

    Attributes
    ----------
    converged : bool
        True when the stopping test was met (for a stack: by every matrix).
    sentence : str
        What happened, with the remedy where there is one.
    warnings : tuple of str
        Reasons not to trust or not to interpret the split, each with its remedy.
    """

    converged: bool
    sentence: str
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.sentence, *self.warnings))


class Factors(NamedTuple):
    """A low-rank matrix ``(left * values) @ right``.

    Attributes
    ----------
    left : array, shape (m, r)
        Orthonormal columns.
    values : array, shape (r,)
        Singular values, decreasing, in the units of the input.
    right : array, shape (r, n)
        Orthonormal rows.
    """

    left: Array
    values: Array
    right: Array

    def matrix(self) -> Array:
        """Multiply the factors out, shape (m, n)."""
        return (self.left * self.values) @ self.right


@dataclass(frozen=True)
class Decomposition:
    """A matrix (or a stack) split into ``low_rank + sparse + noise``.

    Attributes
    ----------
    low_rank, sparse, noise : array, shape (..., m, n)
        The parts, in the units of the input and of its array library. A missing cell carries its prediction in
        ``low_rank`` and 0 in the others. Models without a noise part have a (memory-free, read-only) zero there.
        ``low_rank`` is None after ``solve(..., factored=True)``: see ``factors``.
    n_iter : int, or array of int (...)
        Steps taken.
    status : Status
        How it ended.
    rank : int, or array of int (...)
        Rank of the low-rank part.
    sparsity : float, or array (...)
        Share of the observed cells with a non-zero sparse part.
    residual : float, or array (...)
        ``||M - L - S - N||_F / ||M||_F`` over the observed cells.
    gap : float, or array (...), or None
        Certificate: the relative duality gap of the convex model. 0 at the optimum; the objective of this split is
        at most this share of its value above the best possible one. None where the model is not convex.
    lam : float, or array (...), or None
        Weight of the sparse part that was used.
    history : dict of str to list
        Per step ``"error"``, ``"rank"`` and ``"mu"`` (whatever the solver has of them).
    solver : str
        Name of the solver that produced the answer.
    factors : Factors or None
        The low-rank part in factored form, where it was asked for.
    dual : array, shape (..., m, n), or None
        The dual matrix Y that proves ``gap``, where it was asked for; also what a warm start needs.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> M = np.outer(np.arange(1.0, 41.0), np.ones(30)); M[3, 5] += 100.0
    >>> low_rank, sparse = ra.solve(M, "admm")
    >>> print(ra.solve(M, "admm").rank, round(float(sparse[3, 5])))
    1 100
    """

    low_rank: Array
    sparse: Array
    noise: Array
    n_iter: Any
    status: Status
    rank: Any
    sparsity: Any
    residual: Any
    gap: Any = None
    lam: Any = None
    history: dict[str, list] = field(default_factory=dict, repr=False)
    solver: str = ""
    factors: Factors | None = field(default=None, repr=False)
    dual: Array = field(default=None, repr=False)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.low_rank, self.sparse))

    def __repr__(self) -> str:
        shape = tuple(self.sparse.shape)
        kind = type(self.sparse).__module__.split(".")[0]
        return f"<Decomposition of a {shape} {kind} array by {self.solver}: {self.status}>"

    @property
    def converged(self) -> bool:
        """True when the stopping test was met."""
        return self.status.converged


def gap_limit(x: Array) -> float:
    """Return the duality gap above which an answer of this precision is not called optimal."""
    return GAP_LIMIT["float64" if x.dtype == array_namespace(x).float64 else "float32"]


def doubts(
    rank: Any, sparsity: Any, gap: Any, shape: tuple[int, ...], solver: str, limit: float = GAP_LIMIT["float64"]
) -> tuple[str, ...]:
    """List, as sentences with a remedy, what speaks against reading a split.

    Parameters
    ----------
    rank, sparsity, gap : float or array (...)
        As in `Decomposition`; the worst matrix of a stack counts.
    shape : tuple
        Shape of the decomposed array (..., m, n).
    solver : str
        Name of the solver.
    limit : float
        Largest gap of an answer that is called optimal.

    Returns
    -------
    tuple of str
    """
    smaller = min(shape[-2:])
    found = []
    # Up to rank 2 nothing can be said: every 3 x 3 matrix would be suspect.
    if largest(rank) > max(2.0, RANK_LIMIT * smaller):
        found.append(f"rank {int(largest(rank))} of {smaller}")
    if largest(sparsity) > DENSITY_LIMIT:
        found.append(f"{100 * largest(sparsity):.0f} % of the cells in the sparse part")
    sentences = []
    if found:
        sentences.append(
            f"Meaningless split: {' and '.join(found)} is what dense noise looks like, not base and transients; "
            "use the noise-aware model (noise='auto') or scale the columns by their noise."
        )
    if gap is not None and largest(gap) > limit:
        remedy = "use solver='admm'" if solver != "admm" else "lower tol or raise max_iter"
        sentences.append(
            f"The split is feasible but not optimal: its relative duality gap is {largest(gap):.1g}; {remedy}."
        )
    return tuple(sentences)


def largest(value: Any) -> float:
    """Return the largest entry of a number or an array as a float."""
    if isinstance(value, (int, float)):
        return float(value)
    return float(array_namespace(value).max(value))
