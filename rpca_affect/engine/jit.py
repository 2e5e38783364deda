"""Functions compiled by numba, where it is installed."""

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

__all__ = ["available", "built"]


@cache
def available() -> bool:
    """Tell whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def built(functions: tuple[Callable, ...], home: dict[str, Any], **options: Any) -> Callable:
    """Compile functions that call each other, in the order of their calls; return the last one.

    Parameters
    ----------
    functions : tuple of callable
    home : dict
        Globals of their module, in which the compiled forms replace the functions.
    **options
        Further options of ``numba.njit``.
    """
    import numba

    options |= {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
    new = [function for function in functions if not hasattr(function, "py_func")]  # others may share some of them
    try:
        compiled = [numba.njit(cache=True, **options)(function) for function in new]
    except RuntimeError:  # nowhere to write
        compiled = [numba.njit(**options)(function) for function in new]
    home.update({function.__name__: ready for function, ready in zip(new, compiled)})
    return compiled[-1]
