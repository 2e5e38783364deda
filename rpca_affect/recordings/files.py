"""Columnar files to Table: text, Parquet and Feather, with the column names known before the rows are read."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd

from .recording import RecordingError
from .tables import Table, kind_of, open_file
from .text import read_text

COLUMNAR = ("text", "parquet", "feather")


def _arrow(path: Path):
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise RecordingError(
            f"{path} needs pyarrow to be read; install it with: pip install 'rpca-affect[files]'."
        ) from error


def _damaged(path: Path, kind: str, error: Exception) -> RecordingError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return RecordingError(f"{path} is a damaged {kind.capitalize()} file, expected one that opens: {reason}.")


def load(path: Path, key: str | None = None) -> Table:
    """Read a file of any kind into a Table; `key` chooses one of several arrays or tables in it."""
    kind = kind_of(path)
    return load_columns(path, kind) if kind in COLUMNAR else load_array(path, kind, key)


def load_columns(path: Path, kind: str) -> Table:
    """Read a text, Parquet or Feather file into a Table."""
    if kind == "text":
        return read_text(path)
    _arrow(path)
    import pyarrow as pa

    try:
        frame = pd.read_parquet(path) if kind == "parquet" else pd.read_feather(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _damaged(path, kind, error) from error
    return Table(frame, str(path))


def load_array(path: Path, kind: str, key: str | None = None) -> Table:
    """Read the 2-D array of an .npy or .npz file into a Table with columns feature_0, feature_1, ...

    Pickled objects are never loaded.
    """
    try:
        # The handle is opened here because numpy leaves its own open when the archive is damaged.
        with open_file(path) as handle, nullcontext(np.load(handle, allow_pickle=False)) as loaded:
            arrays = loaded if kind == "npz" else {"values": loaded}
            names = list(arrays)
            if key is None:
                # Arrays of more dimensions count as well: beside a video, a single mask is not the recording.
                numeric = [n for n in names if arrays[n].ndim >= 2]
                if len(numeric) != 1:
                    found = ", ".join(f"{n} {arrays[n].shape}" for n in names[:12]) or "nothing"
                    raise RecordingError(
                        f"{path} holds {len(numeric)} arrays of two or more dimensions, expected one of shape "
                        f"(n_frames, n_features); choose one with key=... "
                        f"(found: {found}{', ...' if len(names) > 12 else ''})."
                    )
                key = numeric[0]
            if key not in names:
                raise RecordingError(f"{path} has no array {key!r}; it holds {', '.join(names[:12])}.")
            return array_table(arrays[key], str(path), form={"key": key} if kind == "npz" else {})
    except RecordingError:
        raise
    except Exception as error:  # zipfile, zlib, struct, tokenize and ast each have errors of their own
        raise RecordingError(
            f"{path} is a damaged .{kind} file or holds Python objects, expected arrays of numbers: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}."
        ) from error


def array_table(array, source: str, names=None, form: dict | None = None) -> Table:
    """Table of a 2-D array of real numbers, one row for each frame."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise RecordingError(f"{source} holds {array.dtype} values, expected real numbers.")
    if array.ndim != 2 or not array.size:
        raise RecordingError(f"{source} has shape {array.shape}, expected (n_frames, n_features), none of them zero.")
    names = [f"feature_{i}" for i in range(array.shape[1])] if names is None else list(names)
    if len(names) != array.shape[1]:
        raise RecordingError(f"{source} has {array.shape[1]} columns but {len(names)} feature names were given.")
    return Table(
        pd.DataFrame(array.astype(np.float64), columns=pd.Index(names, dtype=object)),
        source,
        form={"array": True} | (form or {}),
    )
