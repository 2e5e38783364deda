"""Parameters checked by name: every entry point refuses a wrong value in the same words."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

from rpca_affect.arrays import array_namespace, is_array_api_obj

__all__ = ["flag", "number", "of_solve", "one_of", "weight", "whole"]


def number(
    name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf, most: float = math.inf
) -> None:
    """Refuse anything but a finite number in a range.

    Parameters
    ----------
    name : str
    value : object
    above, least, most : float
        The number must be larger than ``above``, at least ``least`` and at most ``most``.

    Raises
    ------
    TypeError, ValueError
        That names the parameter and the range.

    Examples
    --------
    >>> number("threshold", -1.0, above=0)
    Traceback (most recent call last):
    ValueError: threshold is -1.0: give a number above 0
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}: give a number{_range(above, least, most)}")
    size = float(value)
    if not (math.isfinite(size) and above < size and least <= size <= most):
        raise ValueError(f"{name} is {value}: give a number{_range(above, least, most)}")


def whole(name: str, value: Any, *, least: int, most: float = math.inf) -> None:
    """Refuse anything but a whole number in a range."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is {value!r}: give a whole number{_range(-math.inf, least, most)}")
    if not least <= int(value) <= most:
        raise ValueError(f"{name} is {value}: give a whole number{_range(-math.inf, least, most)}")


def flag(name: str, value: Any) -> None:
    """Refuse anything but True or False."""
    if not isinstance(value, bool) and type(value).__name__ not in ("bool_", "bool"):
        raise TypeError(f"{name} is {value!r}: give True or False")


def one_of(name: str, value: Any, words: Sequence[str]) -> None:
    """Refuse anything but one of a few words."""
    if not (isinstance(value, str) and value in words):
        raise ValueError(f"{name} is {value!r}: give one of {', '.join(map(repr, words))}")


def weight(name: str, value: Any) -> None:
    """Refuse anything but a positive finite number, or an array of them."""
    if is_array_api_obj(value):
        xp = array_namespace(value)
        if not bool(xp.all(value > 0) & xp.all(xp.isfinite(value))):
            raise ValueError(f"{name} holds values that are not positive: give positive numbers")
        return
    number(name, value, above=0)


def of_solve(tol: Any, gap: Any, max_iter: Any, sparse: Any, lam: Any, callback: Any = None) -> None:
    """Refuse what no solve can be asked for."""
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}: give a function of the progress, or None")
    number("tol", tol, above=0)
    one_of("sparse", sparse, ("cells", "frames"))
    if gap is not None:
        number("gap", gap, above=0)
    if max_iter is not None:
        whole("max_iter", max_iter, least=1)
    if lam is not None:
        weight("lam", lam)


def _range(above: float, least: float, most: float) -> str:
    low = f" above {above:g}" if above > -math.inf else f" of at least {least:g}" if least > -math.inf else ""
    return low + (f"{' and' if low else ' of'} at most {most:g}" if most < math.inf else "")
