"""MATLAB files of version 5 to Table, by SciPy; those of version 7.3 are HDF5."""

import io
from collections.abc import Sequence

import numpy as np

from ..tables import Table
from .arrays import table_of_arrays
from .source import Source

KINDS = ("matlab",)


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read the variables of a .mat file of version 5, and the fields of its structures."""
    from scipy.io import loadmat

    try:
        held = loadmat(io.BytesIO(source.data), squeeze_me=False)
    except Exception as error:  # scipy raises what NumPy and zlib raise
        raise source.damaged(".mat", error) from error
    found: dict[str, np.ndarray] = {}
    for called, array in held.items():
        if not called.startswith("__") and isinstance(array, np.ndarray):
            found |= _arrays_of(called, array)
    return table_of_arrays(with_vectors(found), source.name, ",".join(keys) or None)


def _arrays_of(called: str, array: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays in a variable of MATLAB: itself, or the fields of a structure; a row of structures is a table."""
    if array.dtype.names and array.size == 1:
        inner = {f"{called}.{field}": array[field].item() for field in array.dtype.names}
        parts = [_arrays_of(name, value) for name, value in inner.items() if isinstance(value, np.ndarray)]
        return {name: value for part in parts for name, value in part.items()}
    if array.dtype.names:
        columns = {field: list(array[field].flat) for field in array.dtype.names}
        single = {f: cells for f, cells in columns.items() if all(np.size(cell) == 1 for cell in cells)}
        plain = {field: np.array([np.asarray(cell).item() for cell in cells]) for field, cells in single.items()}
        return {field: cells for field, cells in plain.items() if cells.dtype.kind in "biuf"}
    if array.dtype.kind == "O" and all(np.size(cell) == 1 or np.asarray(cell).dtype.kind == "U" for cell in array.flat):
        return {called: np.array([str(np.asarray(c).item()) if np.size(c) == 1 else "" for c in array.flat])}
    if array.dtype.kind == "U":
        return {called: np.array([word.strip() for word in array.flat])}
    return {called: array} if array.dtype.kind in "biuf" else {}


def with_vectors(held: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of MATLAB, which knows no vectors: rows and columns are those beside a matrix or beside each other."""
    lines = [called for called, array in held.items() if array.ndim == 2 and 1 in array.shape]
    if len(lines) == len(held) and sum(held[called].size > 1 for called in lines) < 2:
        lines = [called for called in lines if held[called].size == 1]
    return held | {called: held[called].ravel() for called in lines}
