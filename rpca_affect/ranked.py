"""A base whose rank is given: alternating projections on frames with an offset, noisy or exact."""

from dataclasses import replace
from typing import Any

from rpca_affect.arrays import Array, Observed, array_namespace
from rpca_affect.decomposition import Decomposition
from rpca_affect.solvers import AltProj
from rpca_affect.solving import solve

__all__ = ["given_rank", "solve_of_rank"]

QUARTER = 0.3186  # a quarter of normal cells lie within this many standard deviations


def given_rank(solver: Any, options: dict[str, Any]) -> int | None:
    """The rank that alternating projections are to find; None for every other solver."""
    if isinstance(solver, str):
        named = solver == "altproj" or (solver == "auto" and options.get("cardinality") is None)
    else:
        named = isinstance(solver, AltProj)
    rank = options.get("rank") or getattr(solver, "rank", None)
    return int(rank) if named and rank is not None else None


def solve_of_rank(
    frames: Observed, reach: float, measured: bool, solver: Any, options: dict[str, Any]
) -> Decomposition:
    """Split frames into movements of a given rank, an offset, and outliers.

    Outliers in half of the cells spoil the noise level that differences of frames give. So where the noise was
    measured, an exact split is tried first; where none exists, the quarter of the cells that lies closest to its base
    says how noisy they are.

    Parameters
    ----------
    frames : Observed
        Shape (m, n), in the units of the solve.
    reach : float
        Size, in these units, from which the remainder of a noisy cell is an outlier; 0 without noise.
    measured : bool
        Whether ``reach`` comes from a measurement.
    solver : str or AltProj
    options : dict
        Passed on to `rpca_affect.solve`.

    Returns
    -------
    Decomposition
    """
    kind = replace(AltProj() if isinstance(solver, str) else solver, offset=True, rank=given_rank(solver, options))
    words = {"mask": frames.mask, **{name: value for name, value in options.items() if name != "rank"}}
    if not measured or kind.floor or not reach:
        return solve(frames.values, replace(kind, floor=kind.floor or reach), **words)
    exact = solve(frames.values, kind, **words)
    if not any(doubt.kind == "interpolated" for doubt in exact.status.doubts):
        return exact
    own = reach * _noise(frames, exact.low_rank)
    return solve(frames.values, replace(kind, floor=min(reach, own)), **words)


def _noise(frames: Observed, low_rank: Array) -> float:
    """Standard deviation of noise beside a base, from the quarter of the cells that lies closest to it."""
    xp = array_namespace(low_rank)
    rest = xp.abs(frames.values - low_rank)
    rest = xp.sort(rest[frames.mask] if frames.mask is not None else xp.reshape(rest, (-1,)))
    return float(rest[rest.shape[0] // 4]) / QUARTER
