"""HDF5 files to Table, by h5py: arrays, MATLAB 7.3, and the computational sequences of CMU-MOSEI (.csd)."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..recording import RecordingError
from ..tables import Table
from .arrays import missing, table_of_arrays
from .matlab import with_vectors
from .source import Source

KINDS = ("hdf5",)
_MOST_CELLS = 1 << 31  # a damaged header asks for more


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read the arrays of an HDF5 file; objects of Python that pandas and PyTables pickle are never loaded."""
    try:
        import h5py
    except ImportError as error:
        raise missing("h5py", source) from error
    try:
        with h5py.File(io.BytesIO(source.data), "r") as file:
            sequences = _sequences(file, h5py)
            if sequences is not None:
                name, data = sequences
                return _csd(source, file, name, data, keys)
            held, pandas_store = _arrays(file, h5py, matlab=source.data.startswith(b"MATLAB"))
    except (RecordingError, MemoryError):
        raise
    except Exception as error:  # h5py raises OSError, KeyError, RuntimeError, ValueError and more
        raise source.damaged("HDF5", error) from error
    if pandas_store and not keys:
        raise RecordingError(
            f"{source.name} is a store of pandas, whose names are pickled and never loaded because that can run code; "
            "save it as Parquet or CSV."
        )
    return table_of_arrays(held, source.name, ",".join(keys) or None)


def _arrays(file, h5py, matlab: bool) -> tuple[dict[str, np.ndarray], bool]:
    """All datasets of numbers or words, by path; MATLAB writes its arrays transposed."""
    found: dict[str, np.ndarray] = {}
    pandas_store = False

    def visit(path: str, node: Any) -> None:
        nonlocal pandas_store
        pandas_store |= "pandas_type" in node.attrs
        if not isinstance(node, h5py.Dataset) or node.dtype.kind not in "biufSO" or not node.ndim:
            return
        if path.startswith(("#refs#", "#subsystem#")):
            return
        if node.ndim > 3 and node.dtype.kind in "biuf":  # its shape is enough to say that it is there
            found[path] = np.broadcast_to(np.zeros((), node.dtype), node.shape)
            return
        if node.size > _MOST_CELLS:
            raise RecordingError(f"{file.filename}: {path} says that it has shape {node.shape}, more than is read.")
        if node.dtype.kind in "SO":
            if h5py.check_string_dtype(node.dtype) is not None:
                found[path] = np.array(node.asstr(errors="replace")[()], dtype=str)
            return
        array = node[()]
        if matlab:
            array = array.T
        found[path] = array

    file.visititems(visit)
    return with_vectors(found) if matlab else found, pandas_store


def _sequences(file, h5py):
    """Name and group of the data of a computational sequence: ``<name>/data/<video>/features, intervals``."""
    for name, group in file.items():
        data = group.get("data") if isinstance(group, h5py.Group) else None
        if isinstance(data, h5py.Group) and len(data):
            first = next(iter(data.values()))
            if isinstance(first, h5py.Group) and {"features", "intervals"} <= set(first):
                return name, data
    return None


def _csd(source: Source, file, name: str, data, keys: Sequence[str]) -> Table:
    """One table of all videos: video, start of each interval, features."""
    asked = [key for key in keys if key in data]
    videos = asked[:1] or list(data)
    parts: list[np.ndarray] = []
    named: list[str] = []
    starts: list[np.ndarray] = []
    for video in videos:
        features, intervals = data[video]["features"], data[video]["intervals"]
        if features.ndim != 2 or intervals.shape != (features.shape[0], 2) or features.dtype.kind not in "biuf":
            raise RecordingError(
                f"{source.name}: video {video!r} has features {features.shape} and intervals {intervals.shape}, "
                "expected (n_frames, n_features) and (n_frames, 2)."
            )
        if parts and features.shape[1] != parts[0].shape[1]:
            raise RecordingError(
                f"{source.name}: video {video!r} has {features.shape[1]} features, expected {parts[0].shape[1]} as the "
                "others."
            )
        parts.append(features[()])
        starts.append(intervals[:, 0])
        named += [video] * features.shape[0]
    values = np.concatenate(parts).astype(np.float64)
    if not values.size:
        raise RecordingError(f"{source.name} holds no features, expected one row for each frame.")
    names = _dimension_names(file[name], values.shape[1]) or [f"{name}_{i}" for i in range(values.shape[1])]
    frame = pd.DataFrame(values, columns=pd.Index(names, dtype=object))
    frame.insert(0, "video", np.array(named, dtype=object))
    frame.insert(1, "start", np.concatenate(starts).astype(np.float64))
    return Table(frame, source.name, notices=source.notices, form={"csd": name} | ({"key": asked[0]} if asked else {}))


def _dimension_names(group, width: int) -> list[str] | None:
    try:
        written = group["metadata"]["dimension names"][()]
    except KeyError:
        return None
    import json

    words = np.atleast_1d(written)
    try:
        names = (
            json.loads(words[0]) if len(words) == 1 else [w.decode() if isinstance(w, bytes) else str(w) for w in words]
        )
    except (ValueError, UnicodeDecodeError):
        return None
    return [str(n) for n in names] if isinstance(names, list) and len(set(map(str, names))) == width else None
