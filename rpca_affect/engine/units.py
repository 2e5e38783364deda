"""The unit of the data: 1 where that is safe, so that the caller's own array is read."""

import numpy as np

__all__ = ["in_unit", "safe_unit"]

PLAIN = 2.0**16  # units from its inverse up to it: neither squares nor single precision come near their limits


def safe_unit(unit: float) -> float:
    """Return a power of two to divide the data by, or 1, for which no copy is needed.

    Division by a power of two changes no digit, so an iteration in other units is the same one: they only have to be
    safe.
    """
    return 1.0 if 1 / PLAIN <= unit <= PLAIN else unit


def in_unit(values: np.ndarray, unit: float, known: np.ndarray | None = None) -> np.ndarray:
    """Divide the data by their unit, 0 where they are not known; the caller's own array, as it is, where that is 1."""
    if unit == 1.0:
        return values
    out = np.zeros(values.shape, values.dtype)  # what is not known could overflow
    return np.multiply(values, 1 / unit, out=out, where=True if known is None else known)
