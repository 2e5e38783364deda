"""Arrays of which nothing is in memory yet: recognised, and refused where all of it would be loaded."""

from typing import Any

__all__ = ["is_lazy", "refuse_lazy"]


def is_lazy(x: Any) -> bool:
    """Tell whether x is a dask or zarr array, or an xarray object over one.

    Examples
    --------
    >>> import numpy as np
    >>> is_lazy(np.ones(3))
    False
    """
    kind = _kind(x)
    if kind == "xarray":
        return any(getattr(variable, "chunks", None) for variable in (x, *getattr(x, "data_vars", {}).values()))
    return (kind == "dask" and hasattr(x, "rechunk")) or (kind == "zarr" and hasattr(x, "chunks"))


def refuse_lazy(x: Any) -> None:
    """Refuse a lazy array, or a list that holds one, with a TypeError that names the function for it."""
    for part in x if isinstance(x, (list, tuple)) else (x,):
        if is_lazy(part):
            whole = "x[:]" if _kind(part) == "zarr" else "x.compute()"
            raise TypeError(
                f"the data are a lazy {_kind(part)} {type(part).__name__}, and all of it would be loaded here: call "
                f"rpca_affect.distributed.solve(x), which never does that, or give {whole} where it fits in memory"
            )


def _kind(x: Any) -> str:
    return type(x).__module__.partition(".")[0]
