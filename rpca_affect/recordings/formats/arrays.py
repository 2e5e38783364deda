"""Arrays without column names: frames by features, from NumPy, MATLAB, HDF5 or safetensors files."""

from ..layout import Layout
from ..recording import RecordingError
from ..tables import Table

NAME = "array"
TITLE = "arrays of numbers"


def score(table: Table) -> float:
    """Sure for every array: it has no column names to go by."""
    return float("array" in table.form)


def layout(table: Table) -> Layout:
    """Every column is a feature."""
    if "array" not in table.form:
        raise RecordingError(f"{table.source} is a table with names, expected an array without (.npy, .npz, .mat).")
    return Layout(NAME, dict.fromkeys(range(len(table.names)), "features"))
