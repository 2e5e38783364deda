"""The one result type: the parts of a matrix, how the solve ended, and how far from the optimum it is."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rpca_affect import words
from rpca_affect.arrays import Array, array_namespace
from rpca_affect.display import html_card
from rpca_affect.doubts import Doubt

__all__ = ["Decomposition", "Factors", "Status", "doubts_about", "gap_limit", "largest"]

RANK_LIMIT = 0.3
DENSITY_LIMIT = 0.3
FITTED_LIMIT = 2.0  # cells per free number: noise gives up to 0.7, exact splits with half the cells spoiled 5 and more
GAP_LIMIT = {"float64": 1e-3, "float32": 5e-3}  # single precision stops earlier, with a dual that is less settled

ABSENT: Any = None  # a part that was not asked for, where a checker expects an array


@dataclass(frozen=True)
class Status:
    """How a solve ended, as a record; ``str`` puts it into words.

    Attributes
    ----------
    converged : bool
        True when the stopping test was met (for a stack or several sequences: by all of them).
    reason : str
        Rule that ended it: ``"tol"``, ``"gap"``, ``"still"``, ``"max_iter"`` or ``"callback"``; ``"projected"`` where
        frames were projected on a known base, ``"nothing"`` where no cell was observed.
    doubts : tuple of Doubt
        Reasons not to trust, or not to interpret, the split; see `rpca_affect.doubts`.
    measure : dict
        Numbers: ``"steps"``, ``"error"``, ``"gap"``, ``"tol"``, and ``"sequences"``, how many of how many converged.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> status = ra.solve(np.outer(np.arange(1.0, 41.0), np.ones(30)), "ialm").status
    >>> status.converged, status.reason, status.doubts
    (True, 'tol', ())
    """

    converged: bool
    reason: str = ""
    doubts: tuple[Doubt, ...] = ()
    measure: dict[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """How the run ended, in a sentence with the remedy where there is one."""
        return words.ending(self.converged, self.reason, self.measure)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The doubts in words, each with its remedy."""
        return tuple(words.sentence(doubt) for doubt in self.doubts)

    @property
    def severe(self) -> bool:
        """True where some doubt forbids to interpret the split."""
        return any(doubt.severe for doubt in self.doubts)

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

    def matrix(self, rows: slice = slice(None)) -> Array:
        """Multiply the factors out, shape (m, n), or some of the rows."""
        return (self.left[rows, :] * self.values) @ self.right


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
    mu : float, or array (...), or None
        Penalty of the last step, in units of one over the input's; a warm start goes on from it.
    dual : array, shape (..., m, n), or None
        The dual matrix Y that proves ``gap``, where it was asked for; a warm start goes on from it.
    dual_norm : float or None
        Upper bound of the spectral norm by which the dual was divided, where the tuned engine knows it.

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
    dual: Array | None = field(default=None, repr=False)
    dual_norm: float | None = field(default=None, repr=False)
    mu: Any = field(default=None, repr=False)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.low_rank, self.sparse))

    def __repr__(self) -> str:
        kind = type(self.factors.left if self.sparse is None else self.sparse).__module__.split(".")[0]  # type: ignore[union-attr]
        shape = self._shape
        return f"<Decomposition of a {shape} {kind} array by {self.solver}: {self.status}>"

    def _repr_html_(self) -> str:
        rows = {
            "shape": " x ".join(map(str, self._shape)),
            "solver": self.solver,
            "rank": self.rank,
            "transient cells": self.sparsity,
            "steps": self.n_iter,
            "duality gap": "none" if self.gap is None else self.gap,
        }
        return html_card("Decomposition", rows, [str(self.status)])

    @property
    def _shape(self) -> tuple[int, ...]:
        if self.sparse is None:
            return (self.factors.left.shape[0], self.factors.right.shape[1])  # type: ignore[union-attr]
        return tuple(self.sparse.shape)

    @property
    def converged(self) -> bool:
        """True when the stopping test was met."""
        return self.status.converged


def gap_limit(x: Array) -> float:
    """Return the duality gap above which an answer of this precision is not called optimal."""
    return GAP_LIMIT["float64" if x.dtype == array_namespace(x).float64 else "float32"]


def doubts_about(
    answer: Decomposition, shape: tuple[int, ...], *, noisy: bool, limit: float = GAP_LIMIT["float64"]
) -> tuple[Doubt, ...]:
    """List the doubts that an answer itself raises.

    Parameters
    ----------
    answer : Decomposition
        The worst matrix of a stack counts.
    shape : tuple
        Shape of the decomposed array (..., m, n).
    noisy : bool
        Whether the model has a noise part. With one, neither a high rank nor a dense sparse part says that the split
        is wrong: a narrow table may need both. Without one, dense noise has nowhere else to go.
    limit : float
        Largest gap of an answer that is called optimal.

    Returns
    -------
    tuple of Doubt
    """
    m, n = shape[-2:]
    rank, density = largest(answer.rank), largest(answer.sparsity)
    found = []
    # A cell that fits by chance costs a free number of L; a split of outliers and a low rank has far more of them.
    freedom, fitted = int(rank * (m + n - rank)), round((1 - density) * m * n)
    vouched = freedom > 0 and fitted >= FITTED_LIMIT * freedom
    if answer.gap is None:
        if density > DENSITY_LIMIT and fitted < FITTED_LIMIT * freedom:  # the rank was given
            found.append(Doubt("interpolated", {"fitted": fitted, "freedom": freedom}, severe=True))
    elif not noisy:
        measure: dict[str, Any] = {}
        # Up to rank 2 nothing can be said: every 3 x 3 matrix would be suspect.
        if rank > max(2.0, RANK_LIMIT * min(m, n)):
            measure |= {"rank": int(rank), "smaller": min(m, n)}
        if density > DENSITY_LIMIT and (measure or not vouched):
            measure["density"] = density
        if measure:
            found.append(Doubt("dense", measure, severe=True))
        elif density > DENSITY_LIMIT:
            found.append(Doubt("many_outliers", {"density": density, "fitted": fitted, "freedom": freedom}))
    if answer.gap is not None and largest(answer.gap) > limit:
        found.append(Doubt("not_optimal", {"gap": largest(answer.gap), "solver": answer.solver}))
    return tuple(found)


def largest(value: Any) -> float:
    """Return the largest entry of a number or an array as a float."""
    if isinstance(value, (int, float)):
        return float(value)
    return float(array_namespace(value).max(value))
