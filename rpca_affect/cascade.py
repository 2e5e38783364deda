"""A base at several time scales: each level is a low-rank and sparse split of the remainder of the slower ones."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from rpca_affect.arrays import Array, array_namespace, observe
from rpca_affect.noise import noise_level, slack
from rpca_affect.solving import solve

__all__ = ["Levels", "cascade", "lift", "pool", "solve_levels"]


class Levels(NamedTuple):
    """A matrix as the sum of its levels.

    Attributes
    ----------
    widths : tuple of int
        Frames in a block of every level, slowest first.
    bases, transients : list of array, shape (..., n_frames, n_features)
        Of every level, at the rate of the frames.
    rest : array, shape (..., n_frames, n_features)
        Noise that no level holds; 0 in missing cells. The sum of all bases, all transients and the rest is the input.
    answers : list
        Split of every level.
    """

    widths: tuple[int, ...]
    bases: list[Array]
    transients: list[Array]
    rest: Array
    answers: list[Any]

    @property
    def base(self) -> Array:
        """The base of all levels together."""
        return sum(self.bases[1:], self.bases[0])

    @property
    def transient(self) -> Array:
        """The transients of all levels together."""
        return sum(self.transients[1:], self.transients[0])


def solve_levels(
    x: Any,
    widths: Sequence[int] = (32, 8, 1),
    *,
    mask: Any = None,
    noise: Any = "auto",
    threshold: float = 2.0,
    **options: Any,
) -> Levels:
    r"""Split a matrix into bases and transients at several time scales, slowest first.

    With :math:`R_0 = M`, the level of width :math:`w_j` takes medians over blocks of :math:`w_j` frames, splits them,
    and hands the rest to the next one:

    .. math::
        (L_j, S_j) = \arg\min_{L, S} \|L\|_* + \lambda \|S\|_1 + \|N\|_F^2 / (2\,\mathrm{slack})
        \;\text{ s.t. }\; L + S + N = P_{w_j} R_{j-1},
        \qquad R_j = R_{j-1} - U_{w_j} L_j - V_{w_j} S_j

    where :math:`P` takes the medians, :math:`U` draws lines between the middles of the blocks, and :math:`V` holds a
    value over its block. A median lets a fluctuation pass that is shorter than half a block, so a transient of a level
    lasts at least about half of its width, and shorter ones are found further down.

    Parameters
    ----------
    x : array, shape (..., n_frames, n_features)
        NaN = missing.
    widths : sequence of int
        Frames in a block, falling; the last is usually 1.
    mask : array of bool, optional
        True where a cell may be trusted.
    noise : "auto", float, array (n_features,) or None, default "auto"
        Noise of single frames. That of a slower level is always measured from its own blocks, for it is made of what
        moves quickly. None leaves the noise part out at every level.
    threshold : float, default 2.0
        Standard deviations of the noise beyond which a block, or a cell, enters the transients of its level.
    **options
        Of `rpca_affect.solve`, for every level.

    Returns
    -------
    Levels

    Raises
    ------
    ValueError
        Where the widths do not fall or leave the slowest level with fewer than two blocks.

    Examples
    --------
    >>> import numpy as np
    >>> time = np.arange(128)[:, None] / 128
    >>> slow, quick = np.cos(np.pi * time) * [1.0, 2, 0, 1], np.sin(16 * np.pi * time) * [0, 0, 1.0, 0.5]
    >>> found = solve_levels(slow + quick, (16, 1))
    >>> bool(np.linalg.norm(found.bases[0] - slow) < 0.2 * np.linalg.norm(slow))
    True
    """
    observed = observe(x, mask)
    length = observed.values.shape[-2]
    if len(widths) and length <= widths[0] > 1:
        raise ValueError(f"blocks of {widths[0]} frames leave one of {length} frames; give smaller widths.")

    def split(values: Array, known: Any, width: int) -> tuple[Array, Array, Any]:
        words = dict(options)
        if noise is not None:
            share = 1.0 if known is None else float(known.sum()) / math.prod(known.shape)
            # A slow level has few blocks, and its noise is their quick movement: a lighter weight than that of white
            # noise shrinks it less.
            weight = math.sqrt(2 * share * max(values.shape[-2:]))
            level = (
                noise_level(values, known)
                if width > 1 or isinstance(noise, str)
                else array_namespace(values).asarray(noise) + array_namespace(values).zeros_like(values[..., 0, :])
            )
            words |= {"noise": level[..., None, :] * (weight / slack(1.0, tuple(values.shape), share=share))}
            words.setdefault("lam", threshold / weight)
        answer = solve(values, mask=known, **words)
        return answer.low_rank, answer.sparse, answer

    return cascade(observed.values, observed.mask, widths, split)


def cascade(
    values: Array, mask: Array | None, widths: Sequence[int], split: Callable[[Array, Array | None, int], tuple]
) -> Levels:
    """The recursion of `solve_levels` around any ``split(values, mask, width) -> (low_rank, sparse, answer)``."""
    xp = array_namespace(values)
    widths, length = tuple(int(width) for width in widths), values.shape[-2]
    if not widths or min(widths) < 1 or any(a <= b for a, b in pairwise(widths)):
        raise ValueError(f"widths are {widths}; give falling numbers of frames, such as (32, 8, 1).")
    rest, found = values, Levels(widths, [], [], values, [])
    for width in widths:
        pooled, known = pool(rest, mask, width)
        low, sparse, answer = split(pooled, known, width)
        if known is not None:
            sparse = xp.where(known, sparse, xp.zeros_like(sparse))
        base, transient = lift(low, known, width, length), hold(sparse, width, length)
        rest = rest - base - transient
        if mask is not None:
            transient = xp.where(mask, transient, xp.zeros_like(transient))
            rest = xp.where(mask, rest, xp.zeros_like(rest))
        found.bases.append(base)
        found.transients.append(transient)
        found.answers.append(answer)
    return found._replace(rest=rest)


def pool(values: Array, mask: Array | None, width: int) -> tuple[Array, Array | None]:
    """Medians over blocks of frames, shape (..., n_blocks, n_features), and which of them hold an observed cell.

    A last block that is shorter takes the median of its own frames.
    """
    if width == 1:
        return values, mask
    xp = array_namespace(values)
    *stack, length, features = values.shape
    short = -length % width
    known = xp.ones_like(values, dtype=xp.bool) if mask is None else xp.broadcast_to(mask, values.shape)
    if short:
        empty = xp.zeros_like(values[..., :1, :])
        values = xp.concat([values, *[empty] * short], axis=-2)
        known = xp.concat([known, *[xp.zeros_like(empty, dtype=xp.bool)] * short], axis=-2)
    shape = (*stack, (length + short) // width, width, features)
    values, known = xp.reshape(values, shape), xp.reshape(known, shape)
    # Missing cells sort behind the others.
    ordered = xp.sort(xp.where(known, values, xp.full_like(values, xp.inf)), axis=-2)
    count = xp.sum(xp.astype(known, xp.int64), axis=-2, keepdims=True)
    some = count > 0
    last = xp.where(some, count - 1, xp.zeros_like(count))
    middle = (
        xp.take_along_axis(ordered, last // 2, axis=-2) + xp.take_along_axis(ordered, (last + 1) // 2, axis=-2)
    ) / 2
    middle = xp.where(some, middle, xp.zeros_like(middle))[..., 0, :]
    return middle, (None if mask is None else some[..., 0, :])


def lift(blocks: Array, known: Array | None, width: int, length: int) -> Array:
    """Lines between the middles of blocks (..., n_blocks, n_features), constant outside: (..., length, n_features).

    Blocks without an observed cell have no part in it; a frame nearer to none than those is 0.
    """
    if width == 1:
        return blocks
    xp = array_namespace(blocks)
    like = blocks[..., 0, 0] * 0
    count = blocks.shape[-2]
    frame = xp.astype(xp.arange(length, device=getattr(like, "device", None)), blocks.dtype)
    middle = (xp.astype(xp.arange(count, device=getattr(like, "device", None)), blocks.dtype) + 0.5) * width - 0.5
    inside = xp.clip(frame, min=float((0.5) * width - 0.5), max=float((count - 0.5) * width - 0.5))
    weight = xp.clip(1 - xp.abs(inside[:, None] - middle[None, :]) / width, min=0.0)
    if known is None:
        return weight @ blocks
    there = xp.astype(known, blocks.dtype)
    total = weight @ there
    return (weight @ (blocks * there)) / xp.where(total > 0, total, xp.ones_like(total))


def hold(blocks: Array, width: int, length: int) -> Any:
    """Every value for as long as its block lasts: (..., length, n_features)."""
    if width == 1:
        return blocks
    xp = array_namespace(blocks)
    return xp.repeat(blocks, width, axis=-2)[..., :length, :]
