"""NumPy files: the 2-D array of an .npy or .npz file, frames by features; pickles are never loaded."""

from ..assemble import Layout
from ..files import load_array
from ..recording import RecordingError
from ..tables import Table

NAME = "array"


def score(kind: str, names: tuple[str, ...]) -> float:
    """Sure for every NumPy file: they have no column names to go by."""
    return float(kind in ("npy", "npz"))


def load(path, kind, key=None) -> Table:
    """The array as a table."""
    if kind not in ("npy", "npz"):
        raise RecordingError(f"{path} is a {kind} file, expected a NumPy .npy or .npz file.")
    return load_array(path, kind, key)


def layout(table: Table) -> Layout:
    """Every column is a feature."""
    return Layout(NAME, dict.fromkeys(range(len(table.names)), "features"))
