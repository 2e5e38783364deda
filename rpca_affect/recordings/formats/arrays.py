"""Arrays without column names: frames by features, from NumPy, MATLAB, HDF5 or safetensors files."""

from pathlib import Path

import numpy as np

from ..containers.arrays import ALONG
from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..recording import RecordingError
from ..tables import Table

NAME = "array"
TITLE = "arrays of numbers"
CONVENTION = Convention(
    groups=(("landmarks", r"point\d+_[xyz]"), ("features", r"(?s).*")),
    roles=ALONG,
)


def score(table: Table) -> float:
    """Sure for every array: it has no column names to go by."""
    return float("array" in table.form)


def layout(table: Table) -> Layout:
    """Every column is a feature but those taken along; each clip, person or file is a sequence."""
    if "array" not in table.form:
        raise RecordingError(f"{table.source} is a table with names, expected an array without (.npy, .npz, .mat).")
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """A matrix in an .npy file, which tells no rate."""
    values = wandering([f"feature_{i}" for i in range(6)], 80, np.random.default_rng(random_state))
    path = folder / "features.npy"
    np.save(path, values.to_numpy())
    return Example(path, values, None, np.zeros(80, dtype=bool))
