"""Noise levels of features, the weight of the noise part that follows, and scales that make features comparable."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rpca_affect.arrays import Array, array_namespace, device
from rpca_affect.medians import Block, by_feature, median, steps_between
from rpca_affect.refusals import Refusal, Setting

__all__ = ["ColumnScale", "noise_level", "slack", "spread"]

MAD_TO_SIGMA = 1.4826  # 1 / Phi^-1(3/4): the median absolute deviation of a normal variable is sigma / 1.4826
FARTHEST = 60  # frames between neighbours of a feature that is seen every few frames only, at most
ROUNDING = 64.0  # variation below this many rounding errors of the largest value is rounding, not signal


def noise_level(x: Any, mask: Any = None, *, axis: int = -2) -> Array:
    r"""Estimate the standard deviation of frame-to-frame noise of every feature.

    Expressions and head motion change little from one frame to the next, noise does not: the spread of the first
    differences :math:`d_t = x_{t+1} - x_t` shows the noise, and a median keeps glitches and bursts out of it.

    .. math:: \sigma = 1.4826 \; \mathrm{median}_{d_t \ne 0} |d_t - \mathrm{median}(d)| \;
              \sqrt{\mathrm{share}(d_t \ne 0)} \; / \sqrt 2

    A difference of exactly zero is a floored, held or rounded value and says nothing about the noise. Real-valued
    features have none, and the formula is the usual one. For an action unit that rests at 0 most of the time the
    plain median would be 0, or a small fraction of the noise; here it is the noise while the unit is active, spread
    over the recording.

    Parameters
    ----------
    x : array, shape (..., frames, features)
        One recording or a stack of clips, in any units. NaN = missing.
    mask : array of bool, broadcastable to ``x``, optional
        True where a cell was observed. Only differences between two observed neighbours count; where a feature has
        hardly any, as one that is seen every few frames only, neighbours are so many frames apart.
    axis : int, default -2
        The axis of the frames, one of the last two.

    Returns
    -------
    array, shape (..., features)
        Standard deviations in the units of ``x``, on its device. 0 where no noise can be seen: a constant feature, a
        feature that moves by the same amount in every frame, or one of which no two observed frames are near.

    Raises
    ------
    ValueError
        If ``axis`` is not one of the last two, or as :func:`rpca_affect.arrays.observe` does.

    References
    ----------
    .. [1] P. J. Rousseeuw and C. Croux, "Alternatives to the median absolute deviation", JASA 88 (1993).
    .. [2] J. von Neumann et al., "The mean square successive difference", Ann. Math. Statist. 12 (1941).

    Examples
    --------
    >>> import numpy as np
    >>> time = np.linspace(0, 20, 1000)
    >>> noise = np.random.default_rng(0).standard_normal((1000, 2)) * [0.1, 3.0]
    >>> noise_level(5 * np.sin(time)[:, None] + noise).round(2)
    array([0.11, 2.9 ])
    """
    return by_feature(x, mask, axis, lambda block: (_noise_level(block),))[0]


def spread(x: Any, mask: Any = None, *, axis: int = -2) -> Array:
    """Estimate the robust standard deviation of every feature around its median.

    1.4826 times the median absolute deviation. As in :func:`noise_level`, values exactly at the median (an action
    unit at rest) are left out of the median and paid for by the square root of their share.

    Parameters
    ----------
    x : array, shape (..., frames, features)
        One recording or a stack of clips. NaN = missing.
    mask : array of bool, broadcastable to ``x``, optional
        True where a cell was observed.
    axis : int, default -2
        The axis of the frames, one of the last two.

    Returns
    -------
    array, shape (..., features)
        In the units of ``x``; 0 for a constant or never observed feature.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1000, 2)) * [1.0, 20.0]
    >>> x[:30] = 1e6
    >>> spread(x).round(1)
    array([ 1.1, 19.9])
    """
    return center_and_spread(x, mask, axis=axis)[1]


def center_and_spread(x: Any, mask: Any = None, *, axis: int = -2) -> tuple[Array, Array]:
    """Median of every feature, and its `spread` about it."""

    def measure(block: Block) -> tuple[Array, ...]:
        center = median(block)
        return center[..., 0], _spread(block, center)

    center, size = by_feature(x, mask, axis, measure)
    return center, size


def slack(sigma: Any, shape: Sequence[int], *, share: Any = 1.0) -> Any:
    r"""Weight of the noise part of stable principal component pursuit.

    In ``minimise ||L||_* + lam ||S||_1 + ||N||_F^2 / (2 slack)`` noise N alone makes no component of L as long as
    ``||N||_2 <= slack``. So the weight is the operator norm of an ``m x n`` matrix of noise of which a share is
    observed,

    .. math:: \mathrm{slack} = (\sqrt m + \sqrt n) \sqrt{\mathrm{share}} \; \sigma .

    A single cell enters S from :math:`\mathrm{lam} \cdot \mathrm{slack}` on.

    Parameters
    ----------
    sigma : float or array, broadcastable to ``shape``
        Standard deviation of the noise: one number, ``(n,)`` for each feature, or ``(..., 1, n)`` in a stack.
    shape : sequence of int
        Shape of the observed matrix or stack; the last two entries are ``m, n``.
    share : float or array, broadcastable to ``shape``, default 1.0
        Share of observed cells.

    Returns
    -------
    float or array
        Shape of ``sigma`` broadcast with ``share``.

    Raises
    ------
    ValueError
        If ``shape`` has fewer than two entries.

    References
    ----------
    .. [1] Z. Zhou, X. Li, J. Wright, E. Candès and Y. Ma, "Stable principal component pursuit", ISIT (2010).
    .. [2] K. R. Davidson and S. J. Szarek, "Local operator theory, random matrices and Banach spaces" (2001): the norm.

    Examples
    --------
    >>> slack(0.5, (1600, 100))
    25.0
    """
    if len(shape) < 2:
        raise ValueError(f"shape {tuple(shape)} has no frames and features: give at least two entries")
    return (shape[-2] ** 0.5 + shape[-1] ** 0.5) * share**0.5 * sigma


@dataclass(frozen=True)
class ColumnScale:
    """Centre and scale of every feature: ``apply`` makes features comparable, ``undo`` returns to their units.

    The centre is the median: a burst, a blink or a lost track must not move the resting level it is measured from,
    and the sparse part would otherwise carry the difference as an offset in every frame.

    Attributes
    ----------
    center : array, shape (features,) or (..., features)
        Median of every feature, in its units.
    scale : array, shape (features,) or (..., features)
        Positive; in the units of the feature.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((500, 2)) * [0.1, 100.0] + [3.0, 0.0]
    >>> scale = ColumnScale.fit(x)
    >>> z = scale.apply(x)
    >>> noise_level(z).round(6)
    array([1., 1.])
    >>> bool(np.allclose(scale.undo(z, center=True), x))
    True
    """

    center: Array
    scale: Array

    @classmethod
    def fit(
        cls,
        x: Any,
        mask: Any = None,
        *,
        by: Literal["noise", "spread", "none"] = "noise",
        groups: Sequence[Hashable] | None = None,
        shared: bool = False,
        floor: float = 0.05,
        exact: bool = False,
    ) -> "ColumnScale":
        """Measure centre and scale of every feature over the observed cells.

        Parameters
        ----------
        x : array, shape (..., frames, features)
            One recording or a stack of clips (each is measured on its own). NaN = missing.
        mask : array of bool, broadcastable to ``x``, optional
            True where a cell was observed.
        by : {"noise", "spread", "none"}, default "noise"
            ``"noise"``: :func:`noise_level`, so that the noise has standard deviation 1 in every feature, as the noise
            part of the model assumes. ``"spread"``: :func:`spread`, every feature weighs the same. ``"none"``: 1.
        groups : sequence of hashable, length features, optional
            Features with the same label are measured in the same unit (landmarks in pixels, action units). The
            floor of a feature then also looks at the typical spread of its group: an action unit that hardly moves
            is small against the others, and stays so.
        shared : bool, default False
            Give all features of a group the median of their scales: keeps relative sizes inside the group.
        floor : float, default 0.05
            Smallest scale, as a share of the feature's spread or of the median spread of its group, whichever is
            larger. A tracker that filters its output shows almost no noise between frames; without a floor its
            features would count as exact and outweigh all others.
        exact : bool, default False
            Round scales to powers of two: dividing and multiplying back is then free of rounding, at the price of
            scales off by up to a factor sqrt(2).

        Returns
        -------
        ColumnScale
            Constant and never observed features have scale 1 (0 as centre where nothing was observed).

        Raises
        ------
        ValueError
            If ``by`` is unknown, ``floor`` is negative, ``groups`` has the wrong length, or ``shared`` has no groups.
        """
        if by not in ("noise", "spread", "none"):
            raise ValueError(f"by={by!r} is not a way to scale: use 'noise', 'spread' or 'none'")
        if not 0 <= floor < math.inf:
            given = Setting("floor", floor)
            raise Refusal(given, " is not a share of the spread: give a number >= 0, such as 0.01")

        def measure(block: Block) -> tuple[Array, ...]:
            center = median(block)
            if by == "none":
                return (center[..., 0],)
            level = _noise_level(block) if by == "noise" else center[..., 0]
            return center[..., 0], _rounding(block)[..., 0], _spread(block, center), level

        center, *sizes = by_feature(x, mask, -2, measure)
        xp = array_namespace(center)
        if by == "none":
            return cls(center, xp.ones_like(center))
        rounding, size, level = sizes
        typical = size if groups is None else xp.maximum(size, _group_median(xp, size, groups))
        scale = xp.maximum(size if by == "spread" else level, floor * typical)
        if shared:
            if groups is None:
                raise ValueError("shared=True needs groups: give one label for each feature")
            scale = _group_median(xp, scale, groups)
        # A feature that is constant up to rounding is left as it is: dividing would turn rounding into signal.
        scale = xp.where(scale > rounding, scale, xp.ones_like(scale))
        return cls(center, _nearest_power_of_two(xp, scale) if exact else scale)

    def apply(self, x: Any) -> Array:
        """Return ``(x - center) / scale``; NaN stays NaN."""
        return (x - self.center[..., None, :]) / self.scale[..., None, :]

    def undo(self, part: Any, *, center: bool = False) -> Array:
        """Return ``part`` in the units of the input.

        Parameters
        ----------
        part : array, shape (..., frames, features)
            A part of a scaled matrix.
        center : bool, default False
            Add the centre: True for the base (or a whole matrix), False for transient and residual.

        Returns
        -------
        array, shape (..., frames, features)
        """
        part = part * self.scale[..., None, :]
        if center:
            part += self.center[..., None, :]
        return part


def _noise_level(block: Block) -> Array:
    xp, values = block.xp, block.values
    if values.shape[-1] < 2:
        return xp.zeros(values.shape[:-1], dtype=values.dtype, device=device(values))
    level = _step_size(block, 1)
    for step, there in () if block.known is None else steps_between(block, FARTHEST):
        level = xp.where(there, _step_size(block, step), level)
    return level


def _step_size(block: Block, step: int) -> Array:
    """Robust size of the differences of cells so many frames apart, over the root of two."""
    xp, values, known = block.xp, block.values, block.known
    steps = values[..., step:] - values[..., :-step]
    both = None if known is None else known[..., step:] & known[..., :-step]
    moves = xp.abs(steps) > _rounding(block)
    away = xp.abs(steps - median(block.over(steps, both)))
    return _robust_size(block.over(away, both), moves) / math.sqrt(2.0)


def _spread(block: Block, center: Array) -> Array:
    away = block.xp.abs(block.values - center)
    return _robust_size(block.over(away, block.known), away > _rounding(block))


def _robust_size(away: Block, moves: Array) -> Array:
    """1.4826 times the median of ``away`` over ``moves``, times the root of their share of the cells, (..., n)."""
    xp, dtype = away.xp, away.values.dtype
    moves = moves if away.known is None else moves & away.known
    moving = xp.sum(xp.astype(moves, dtype), axis=-1)
    if away.known is None:
        share = moving / moves.shape[-1]
    else:
        cells = xp.sum(xp.astype(away.known, dtype), axis=-1)
        share = moving / xp.where(cells > 0, cells, xp.ones_like(cells))
    return MAD_TO_SIGMA * median(away.over(away.values, moves))[..., 0] * xp.sqrt(share)


def _rounding(block: Block) -> Array:
    """Variation that rounding of a typical value explains, per feature, (..., n, 1)."""
    xp, values = block.xp, block.values
    return ROUNDING * xp.finfo(values.dtype).eps * median(block.over(xp.abs(values), block.known))


def _group_median(xp: Any, scale: Array, groups: Sequence[Hashable]) -> Array:
    """Median over the features of the same group that are not constant, for each feature, (..., n)."""
    if len(groups) != scale.shape[-1]:
        raise ValueError(f"groups has {len(groups)} labels for {scale.shape[-1]} features: give one per feature")
    medians = scale
    for label in dict.fromkeys(groups):
        member = xp.asarray([other == label for other in groups], device=device(scale))
        common = median(Block(xp, scale, member & (scale > 0)))
        medians = xp.where(member, common, medians)
    return medians


def _nearest_power_of_two(xp: Any, scale: Array) -> Array:
    return xp.pow(xp.full_like(scale, 2.0), xp.round(xp.log2(scale)))
