"""The unit in which every feature is solved (its noise level, given or measured), and the solve in these units."""

from typing import Any

from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.decomposition import Decomposition
from rpca_affect.doubts import Doubt
from rpca_affect.noise import ColumnScale, noise_level, spread
from rpca_affect.solving import solve

__all__ = ["noise_unit", "split_scaled"]

# First differences of frames in time order are small against the spread; without order the two agree.
UNORDERED = 0.9


def noise_unit(observed: Observed, noise: Any) -> tuple[Array | None, tuple[Doubt, ...]]:
    """Return the standard deviation of the noise of every feature, and what is doubtful about it.

    Parameters
    ----------
    observed : Observed
        Frames (m, n), in time order for ``"auto"``.
    noise : "auto", float, array (n,) or None

    Returns
    -------
    unit : array, shape (n,), or None
        None stands for a model without noise.
    doubt : tuple of Doubt
        For the status.

    Raises
    ------
    ValueError
        If ``noise`` is an unknown word, has the wrong shape or is not positive.
    """
    xp = array_namespace(observed.values)
    if noise is None:
        return None, ()
    if isinstance(noise, str):
        return _measured(observed, noise)
    sigma = xp.asarray(noise, dtype=observed.values.dtype, device=device(observed.values))
    if sigma.ndim > 1 or (sigma.ndim and sigma.shape[0] not in (1, observed.values.shape[1])):
        raise ValueError(f"noise has shape {tuple(sigma.shape)}: give one number, or one per feature")
    if bool(xp.all(sigma == 0)):
        return None, ()
    if not bool(xp.all(sigma > 0)):
        raise ValueError("noise must be positive in every feature: give None for a model without noise")
    return sigma + xp.zeros_like(observed.values[0, :]), ()


def _measured(observed: Observed, word: str) -> tuple[Array | None, tuple[Doubt, ...]]:
    if word != "auto":
        raise ValueError(f"noise is {word!r}: give a standard deviation, one per feature, 'auto' or None")
    xp = array_namespace(observed.values)
    level, size = noise_level(*observed), spread(*observed)
    moving = size > 0
    ratio = xp.where(moving, level / xp.where(moving, size, xp.ones_like(size)), xp.zeros_like(size))
    count = float(xp.sum(xp.astype(moving, size.dtype)))
    if float(xp.sum(ratio)) > UNORDERED * count > 0:
        return None, (Doubt("unordered", {"ratio": float(xp.sum(ratio)) / count}),)
    return ColumnScale.fit(*observed, by="noise").scale, ()


def split_scaled(
    observed: Observed, unit: Array | None, head: Array | None = None, *, solver: Any = "auto", **options: Any
) -> tuple[Decomposition, Array, Array]:
    """Split frames after centring every feature at its median and dividing it by its unit.

    Parameters
    ----------
    observed : Observed
        Frames (m, n).
    unit : array, shape (n,), or None
        Standard deviation of the noise; None for a model without noise.
    head : array, shape (r, n), optional
        Centred rows put above the frames for the solve, in the units of the input: a base known before.
    solver, **options
        As in `rpca_affect.solve`.

    Returns
    -------
    split : Decomposition
        In the units of the solve, head included.
    low_rank, sparse : array, shape (m, n)
        In the units of the input, without the head; ``low_rank`` holds the centre.
    """
    xp = array_namespace(observed.values)
    scale = ColumnScale.fit(*observed, by="none")
    if unit is not None:
        scale = ColumnScale(scale.center, unit)
    scaled, mask = scale.apply(observed.values), observed.mask
    if mask is not None:
        scaled = xp.where(mask, scaled, xp.zeros_like(scaled))
    skipped = 0 if head is None else head.shape[0]
    if skipped:
        scaled = xp.concat([head / scale.scale, scaled], axis=0)
        mask = mask if mask is None else xp.concat([xp.ones_like(head, dtype=xp.bool), mask], axis=0)
    takes_noise = isinstance(solver, str) or hasattr(solver, "slack")
    split = solve(scaled, solver, mask=mask, noise=1.0 if unit is not None and takes_noise else None, **options)
    low_rank = scale.undo(split.low_rank[skipped:, :], center=True)
    return split, low_rank, scale.undo(split.sparse[skipped:, :])
