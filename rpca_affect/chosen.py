"""Some matrices of a stack, and their answers among those of all."""

import math
from dataclasses import fields, replace
from typing import Any

from rpca_affect.arrays import Array, Observed, array_namespace
from rpca_affect.decomposition import Decomposition

__all__ = ["merged", "numbers_of", "of_stack", "rows_of", "some_of"]

MATRICES = ("low_rank", "sparse", "noise", "dual")
COUNTS = ("n_iter", "rank", "sparsity", "residual", "gap", "mu")


def rows_of(xp: Any, x: Array, chosen: list[int]) -> Array:
    """Some matrices of a stack of whatever number of axes, as a stack of one axis."""
    flat = xp.reshape(x, (-1, *x.shape[-2:]))
    return xp.stack([flat[k, ...] for k in chosen])


def of_stack(data: Observed, chosen: list[int]) -> Observed:
    """The data of some matrices."""
    xp = array_namespace(data.given)
    return Observed(rows_of(xp, data.values, chosen), None if data.mask is None else rows_of(xp, data.mask, chosen))


def some_of(answer: Decomposition, chosen: list[int]) -> Decomposition:
    """The answers of some matrices."""
    xp = array_namespace(answer.gap)
    counts = {name: xp.reshape(getattr(answer, name), (-1,)) for name in COUNTS}
    some: dict[str, Any] = {name: rows_of(xp, getattr(answer, name), chosen) for name in MATRICES}
    some |= {name: xp.stack([flat[k] for k in chosen]) for name, flat in counts.items()}
    return replace(answer, **some)


def numbers_of(solver: Any, chosen: list[int], unit: Array) -> Any:
    """The solver with those of its numbers, given one per matrix of a stack, that belong to the chosen matrices."""
    xp = array_namespace(unit)
    own = {field.name: getattr(solver, field.name) for field in fields(solver)}
    many = {name: value for name, value in own.items() if getattr(value, "ndim", 0) >= 3}
    count = math.prod(unit.shape[:-2])
    return replace(
        solver,
        **{
            name: rows_of(xp, value, chosen if math.prod(value.shape[:-2]) == count else [0] * len(chosen))
            for name, value in many.items()
        },
    )


def merged(answer: Decomposition, found: Decomposition, chosen: list[int], cells: tuple[int, ...]) -> Decomposition:
    """The answers of a stack, some of them replaced."""
    xp = array_namespace(answer.gap)
    kept = tuple(name for name in MATRICES if getattr(found, name) is not None)  # the dual only if it was asked for
    merged = {}
    for names, shape in ((kept, (-1, *cells)), (COUNTS, (-1,))):
        for name in names:
            old, new = getattr(answer, name), getattr(found, name)
            rows = xp.reshape(old, shape)
            flat = [rows[k, ...] for k in range(rows.shape[0])]
            for place, k in enumerate(chosen):
                flat[k] = new[place, ...]
            merged[name] = xp.reshape(xp.stack(flat), old.shape)
    history = {name: [*answer.history.get(name, []), *values] for name, values in found.history.items()}
    return replace(answer, **merged, history=history, status=found.status, solver=found.solver)
