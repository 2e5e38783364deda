"""The noise-aware model of one unbroken sequence, for every entry point: scale, solve, refit, back to the units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rpca_affect import checks
from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.decomposition import ABSENT, Decomposition
from rpca_affect.doubts import Doubt
from rpca_affect.gaps import bridged, lined
from rpca_affect.jumps import believed
from rpca_affect.lags import Windows, chosen_lags, embedded, embedded_norm, longest_transient, stretches, windows_of
from rpca_affect.measuring import Measured, measured_noise
from rpca_affect.noise import ColumnScale, slack
from rpca_affect.ranked import given_rank, solve_of_rank
from rpca_affect.refitting import base_rows, refitted
from rpca_affect.solvers import GoDec, available_solvers
from rpca_affect.solving import solve

__all__ = ["ModelSplit", "NoiseModel", "measured_scale", "split_frames", "takes_noise"]

ROUNDING = 64  # noise below this many rounding errors of a typical value is rounding


@dataclass(frozen=True)
class NoiseModel:
    """What the model is asked to do; the parameters are those of `rpca_affect.decompose`.

    Attributes
    ----------
    noise : "auto", float, array (n,) or None
    threshold : float
    lam : float or None
    solver : str or solver object
    sparse : {"cells", "frames"}
    scale : {"noise", "spread", "none"}
    floor : float
    lags : "auto" or int
    refit : bool
    fps, max_transient : float or None
        Frames per second and the longest transient in seconds, for ``lags="auto"``.
    options : dict
        Passed on to `rpca_affect.solve`.
    """

    noise: Any = "auto"
    threshold: float = 2.0
    lam: Any = None
    solver: Any = "auto"
    sparse: str = "cells"
    scale: str = "noise"
    floor: float = 0.02
    lags: Any = "auto"
    refit: bool = True
    fps: float | None = None
    max_transient: float | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks.number("threshold", self.threshold, above=0)
        checks.number("floor", self.floor, least=0)
        checks.one_of("sparse", self.sparse, ("cells", "frames"))
        checks.one_of("scale", self.scale, ("noise", "spread", "none"))
        checks.flag("refit", self.refit)
        if self.lam is not None:
            checks.weight("lam", self.lam)
        if self.max_transient is not None:
            checks.number("max_transient", self.max_transient, above=0)
        if self.lags != "auto":
            checks.whole("lags", self.lags, least=1)
        if isinstance(self.noise, str) and self.noise != "auto":
            raise ValueError(f"noise is {self.noise!r}: give a standard deviation, one per feature, 'auto' or None")


@dataclass(frozen=True, eq=False)
class ModelSplit:
    """The split of one sequence in the units of the input.

    Attributes
    ----------
    base, transient : array, shape (m, n)
        A missing cell carries the prediction of the base, and 0 in the transient part.
    sigma : array, shape (n,)
        Standard deviation of the noise that the model assumes.
    scale : ColumnScale
        What was subtracted and divided by before the solve.
    decomposition : Decomposition
        The solve in scaled units (of the embedded matrix where ``lags`` exceeds 1), its certificate and status; after a
        refit its base in factors only, and no other part.
    lags : int
        Frames that were stacked beside each other.
    rank : int
        Rank of the base as a matrix of frames and features: with lags, directions larger than those of noise. The
        decomposition holds the rank of the embedded matrix.
    """

    base: Array
    transient: Array
    sigma: Array
    scale: ColumnScale
    decomposition: Decomposition
    lags: int
    rank: int


def split_frames(observed: Observed, model: NoiseModel, lengths: Sequence[int] | None = None) -> ModelSplit:
    r"""Split one unbroken sequence, or several that lie below each other and share their base.

    Features are centred at their median and divided by their noise, then

    .. math:: \min \|L\|_* + \lambda g(S) + \|N\|_F^2 / (2\,\mathrm{slack}) \quad\text{subject to}\quad L + S + N = M

    is solved on the observed cells, with the operator norm of the noise for ``slack`` and ``lam = threshold / slack``
    per unit of noise. Gross cells (see `rpca_affect.measuring`) and, where the frames are in the order of time, frames
    that jump (`rpca_affect.jumps`) are set aside: they are transients whatever the base is, which is predicted there
    from what is left.

    Parameters
    ----------
    observed : Observed
        Frames (m, n).
    model : NoiseModel
    lengths : sequence of int, optional
        Frames of every sequence; default one sequence. No window of ``lags`` frames, no difference of neighbours and
        no line over a gap goes from one to the next.

    Returns
    -------
    ModelSplit
    """
    xp = array_namespace(observed.given)
    known, shape = observed.mask, tuple(observed.given.shape)
    scale, sigma, found = measured_scale(observed.fresh(), model, lengths)
    trusted, doubts = found.trusted, found.doubts
    if found.ordered:
        trusted, far = believed(observed.given, trusted, sigma, lengths, longest_transient(model))
        doubts += _excursions(far)
    if trusted is not None and not bool(xp.any(trusted)):
        trusted = known
    by_rank = model.sparse == "cells" and given_rank(model.solver, model.options) is not None
    plain = by_rank and model.lags == "auto"
    lags = 1 if plain else chosen_lags(model, shape, found.ordered, lengths)
    windows = windows_of(lags, lengths, observed.given)
    scaled = _scaled(observed, trusted, scale)
    sure, trusted = trusted, lined(scaled, trusted, lengths, lags)
    relative = sigma / scale.scale
    words = _weights(Observed(scaled, trusted), relative, model, windows)
    refit = "noise" in words and model.sparse == "cells" and (model.refit or lags > 1)
    # The factors give the space of the base without a decomposition of the matrix.
    data, mask = embedded(scaled, lags), windows.mask(trusted, shape)
    if by_rank:
        reach = 0.0 if model.noise is None else model.threshold * float(xp.max(relative))
        answer = solve_of_rank(Observed(data, mask), reach, _measures(model), model.solver, model.options)
    else:
        answer = solve(data, mask=mask, **words, **{"factored": refit, **model.options})
    del data, mask
    if not _measures(model):
        doubts = ()
    answer = replace(answer, status=replace(answer.status, doubts=(*doubts, *answer.status.doubts)))
    away: Array | None
    if refit:
        if answer.factors is not None:  # these parts are not those that are reported: three matrices less to hold
            answer = replace(answer, sparse=ABSENT, noise=ABSENT)
        base, away = refitted(scaled, trusted, answer, relative, model, windows, lengths)
    else:
        base = windows.mean_of(lambda rows: base_rows(answer, rows), shape[0], scaled)
        base = bridged(base, None if trusted is None else xp.any(trusted, axis=1), lengths)
        away = answer.sparse if lags == 1 else None
    if away is not None:
        del scaled
    transient = scale.undo(scaled - base if away is None else away)
    del away
    whole = scale.undo(base, center=True)
    rank = int(answer.rank) if lags == 1 else _rank(base / xp.where(relative > 0, relative, xp.ones_like(relative)))
    if sure is not None:  # what is gross is transient, whatever the base is
        for rows in stretches(*shape):
            rest = observed.part(rows) - whole[rows, :]
            if known is not None:
                rest = xp.where(known[rows, :], rest, xp.zeros_like(sigma))
            transient[rows, :] = xp.where(sure[rows, :], transient[rows, :], rest)
    return ModelSplit(whole, transient, sigma, scale, answer, lags, rank)


def _excursions(found: list[tuple[int, int]]) -> tuple[Doubt, ...]:
    """Doubt about stretches of frames that no transient lasts for."""
    if not found:
        return ()
    frames = sum(stop - start for start, stop in found)
    where = {"first": found[0][0], "last": found[0][1] - 1}
    return (Doubt("excursions", {"stretches": len(found), "frames": frames, **where}),)


def _scaled(observed: Observed, trusted: Array | None, scale: ColumnScale) -> Array:
    """Frames in the units of the solve, 0 where a cell is not trusted."""
    xp = array_namespace(observed.given)
    scaled = xp.empty_like(observed.given)
    for rows in stretches(*observed.given.shape):
        some = scale.apply(observed.part(rows))
        scaled[rows, :] = some if trusted is None else xp.where(trusted[rows, :], some, xp.zeros_like(scale.scale))
    return scaled


def measured_scale(
    observed: Observed, model: NoiseModel, lengths: Sequence[int] | None = None
) -> tuple[ColumnScale, Array, Measured]:
    """Centre and unit of every feature, its noise in the units of the input, and what was measured.

    The unit is the noise, at least ``floor`` of the deviation: without a floor a filtered track would count as exact,
    and a feature that rarely moves would outweigh all others.
    """
    xp = array_namespace(observed.values)
    found = measured_noise(observed, lengths)
    level = xp.maximum(found.level, model.floor * found.deviation)
    typical = xp.maximum(xp.abs(found.center), found.size)
    # A feature that is constant up to rounding is left alone: dividing would turn rounding into signal.
    level = xp.where(level > ROUNDING * xp.finfo(level.dtype).eps * typical, level, xp.ones_like(level))
    sigma = level
    if model.noise is not None and not isinstance(model.noise, str):
        sigma = _given(model.noise, observed.values)
        level = xp.where(sigma > 0, sigma, level)
    if model.scale == "noise":
        return ColumnScale(found.center, level), sigma, found
    if model.scale == "none":
        return ColumnScale(found.center, xp.ones_like(level)), sigma, found
    return ColumnScale(found.center, xp.where(found.deviation > 0, found.deviation, level)), sigma, found


def _given(noise: Any, values: Array) -> Array:
    """Noise as it was given, one number per feature."""
    xp = array_namespace(values)
    sigma = xp.asarray(noise, dtype=values.dtype, device=device(values))
    if sigma.ndim > 1 or (sigma.ndim and sigma.shape[0] not in (1, values.shape[1])):
        raise ValueError(f"noise has shape {tuple(sigma.shape)}: give one number, or one per feature")
    if not bool(xp.all(sigma >= 0)):
        raise ValueError("noise must be at least 0 everywhere")
    return sigma + xp.zeros_like(values[0, :])


def _measures(model: NoiseModel) -> bool:
    return isinstance(model.noise, str)


def takes_noise(solver: Any, options: dict[str, Any]) -> bool:
    """Whether this solver takes the noise part of the model: not if it is given the rank or has a noise of its own."""
    if isinstance(solver, str):
        kind = available_solvers().get(solver)
        return (kind is None or hasattr(kind, "slack")) and not (solver == "auto" and options.get("rank") is not None)
    own = getattr(solver, "slack", None)
    return own is not None and isinstance(own, (int, float)) and own == 0


def _weights(data: Observed, sigma: Array, model: NoiseModel, windows: Windows) -> dict[str, Any]:
    """What `solve` is told about one sequence whose noise, in scaled units, is ``sigma``."""
    xp = array_namespace(sigma)
    words = {"solver": model.solver, "lam": model.lam, "sparse": model.sparse}
    if model.noise is None or not bool(xp.any(sigma > 0)) or not takes_noise(model.solver, model.options):
        if model.solver == "godec" and model.noise is not None and model.options.get("cardinality") is None:
            words["solver"] = GoDec(
                offset=True, level=model.threshold * float(xp.max(sigma))
            )  # what noise explains is no outlier
        return words
    reach = model.threshold
    rows, columns = data.values.shape
    share = 1.0
    if data.mask is not None:  # over the frames and features that were observed at all
        rows, columns = (int(xp.count_nonzero(xp.any(data.mask, axis=axis))) for axis in (1, 0))
        share = int(xp.count_nonzero(data.mask)) / (rows * columns)
    if model.sparse == "frames":
        # One noise level per frame, and a frame of pure noise has length sqrt(p n) +- 0.7.
        sigma = xp.sqrt(xp.mean(sigma**2, axis=0, keepdims=True))
        reach = math.sqrt(share * columns) + model.threshold
    norm = slack(1.0, (rows, columns), share=share)
    lags = windows.lags
    if lags > 1:
        # Overlapping windows repeat the noise of a cell: the norm of the embedded noise is measured.
        count = windows.number or rows - lags + 1
        plain = slack(1.0, (count, columns * lags), share=share)
        norm = embedded_norm((rows, columns), lags, count) * math.sqrt(share)
        # A feature that nothing was observed of has its columns all the same.
        every = xp.zeros(data.values.shape[-1], dtype=sigma.dtype, device=device(sigma))
        sigma = xp.concat([sigma + every] * lags) * (norm / plain)
    words["lam"] = reach / norm if model.lam is None else model.lam
    words["noise"] = float(sigma[0]) if bool(xp.all(sigma == sigma[0])) else sigma
    return words


def _rank(base: Array) -> int:
    """Directions of a base, in units of the noise, that are larger than noise of its shape would make them."""
    xp = array_namespace(base)
    return int(xp.sum(xp.astype(xp.linalg.svdvals(base) > slack(1.0, tuple(base.shape)), xp.int64)))
