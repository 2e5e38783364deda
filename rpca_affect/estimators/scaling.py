"""The unit in which every feature is solved: its noise level, given or measured."""

from typing import Any

from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.noise import ColumnScale, noise_level, spread

__all__ = ["noise_unit"]

# First differences of frames in time order are small against the spread; without order the two agree.
UNORDERED = 0.9


def noise_unit(observed: Observed, noise: Any) -> tuple[Array | None, tuple[str, ...]]:
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
    doubt : tuple of str
        Sentences for the status.

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


def _measured(observed: Observed, word: str) -> tuple[Array | None, tuple[str, ...]]:
    if word != "auto":
        raise ValueError(f"noise is {word!r}: give a standard deviation, one per feature, 'auto' or None")
    xp = array_namespace(observed.values)
    level, size = noise_level(*observed), spread(*observed)
    moving = size > 0
    ratio = xp.where(moving, level / xp.where(moving, size, xp.ones_like(size)), xp.zeros_like(size))
    count = float(xp.sum(xp.astype(moving, size.dtype)))
    if float(xp.sum(ratio)) > UNORDERED * count > 0:
        return None, (
            "The frames show no order in time, so noise='auto' cannot tell noise from signal and no noise part "
            "was used: give the frames in order, or noise as a standard deviation.",
        )
    return ColumnScale.fit(*observed, by="noise").scale, ()
