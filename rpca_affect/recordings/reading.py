"""Read a file, DataFrame or array as a Recording, with the format detected or forced."""

import ctypes
import sys
from dataclasses import replace
from inspect import signature
from pathlib import Path
from types import ModuleType

import numpy as np

from .assemble import assemble
from .containers import load
from .containers.arrays import array_table
from .dataframes import to_pandas, with_index, with_mask
from .formats import formats, prepared
from .layout import Choice, overridden
from .names import names_of
from .recording import Recording, RecordingError
from .tables import Table


def available_formats() -> tuple[str, ...]:
    """Names of the formats that `read` knows.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> {"array", "livelink", "openface", "pyfeat", "table"} <= set(available_formats())
    True
    """
    return tuple(sorted(formats()))


def _chosen(format: str | None, table: Table) -> ModuleType:
    if format is None:
        return max(formats().values(), key=lambda module: module.score(table))
    if format not in formats():
        raise ValueError(f"There is no format {format!r}; the formats are {', '.join(available_formats())}.")
    return formats()[format]


def _as_written(format: str | None, table: Table) -> tuple[ModuleType, Table]:
    """The format of a table, and the table with its rows and columns as that format lays them out."""
    module = _chosen(format, table)
    made = prepared(module, table)
    return (module if made is table or format is not None else _chosen(None, made)), made


def detect(path) -> str:
    """Name of the format of a file, by its contents.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        One of `available_formats`; ``"table"`` for columns of unknown origin.

    Raises
    ------
    RecordingError
        If the file cannot be read at all.

    Examples
    --------
    >>> import pathlib, tempfile, rpca_affect as ra
    >>> path = pathlib.Path(tempfile.mkdtemp(), "session.csv")
    >>> ra.synthetic.make_session(n_frames=40, random_state=0).frame.to_csv(path, index=False)
    >>> detect(path)
    'openface'
    """
    return _as_written(None, load(Path(path)))[0].NAME


def read(
    path,
    format: str | None = None,
    *,
    features=None,
    min_confidence: float = 0.8,
    mask=None,
    max_gap: float = 1.0,
    fps: float | None = None,
    key=None,
    time: str | None = None,
    confidence: str | None = None,
    drop=None,
    missing=None,
) -> Recording:
    """Read a recording from a file.

    Rows are never dropped: frames in which the tracker failed or was not confident are masked.

    Parameters
    ----------
    path : str or Path
        Text (CSV, TSV and the like), Parquet, Feather, Excel, JSON, HDF5, SPSS, Stata, MATLAB, safetensors, ARFF,
        ``.npy`` or ``.npz``, also packed with gzip, bzip2, xz, zstd, lz4, zip or tar; or a folder of ``.npy`` clips, or
        of ``.json`` files with a frame in each.
    format : str, optional
        One of `available_formats`; detected from the contents when left out.
    features : str or list of str, optional
        Groups, names or patterns of features to keep; see `Recording.select`.
    min_confidence : float
        Frames whose confidence (OpenFace ``confidence``, py-feat ``FaceScore``) is lower are masked.
    mask : array or DataFrame of bool, optional
        True where a cell counts as observed; shape (n_frames, n_features) or (n_frames,), combined with the mask
        of the format.  The features are those with at least one number, before `features` is applied.
    max_gap : float
        A gap in the time longer than this many seconds, and than five frames, starts a new sequence.  Where frames
        are numbered but not timed, one second counts as 25 frames.
    fps : float, optional
        Frames per second: the time then comes from the frame numbers (or the rows), not from the file's stamps.
    key : str or list of str, optional
        Columns that tell people, faces, files or sources apart, each of them a sequence of its own; found from names
        and values when left out.  In a file that holds several tables, the name of the array, sheet, entry or member
        to read, before those of columns.
    time : str, optional
        Column that holds the time.
    confidence : str, optional
        Column that holds the confidence of each row, from 0 to 1 or in per cent.
    drop : str or list of str, optional
        Columns, patterns or groups that are no features; they are passed through.
    missing : str or list of str, optional
        More words (or numbers) that stand for a missing cell, such as ``"-"`` or ``"-999"``.

    Returns
    -------
    Recording
        Values of shape (n_frames, n_features) in the units of the file.

    Raises
    ------
    RecordingError
        If the file is missing, unreadable, damaged or not of the format, with the place and what was expected.
    ValueError
        If an argument is out of range or `features` matches nothing.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "clip.csv"
    >>> _ = path.write_text("time,AU06,AU12\\n0.0,0.1,0.2\\n0.1,0.1,\\n0.2,0.3,0.2\\n")
    >>> recording = read(path)
    >>> recording.feature_names, recording.mask.tolist()
    (('AU06', 'AU12'), [[True, True], [True, False], [True, True]])
    """
    table = load(Path(path), names_of(key))
    inside = names_of(table.form.get("key"))  # an array, sheet or member of the file, not a column
    columns = () if "array" in table.form else tuple(name for name in names_of(key) if name not in inside)
    choice = Choice.of(time, columns, confidence, drop, features)
    recording = _made(table, format, choice, missing, features, min_confidence, mask, max_gap, fps)
    asked = {
        "format": format,
        "min_confidence": min_confidence,
        "max_gap": max_gap,
        "fps": fps,
        "key": key,
        "time": time,
        "confidence": confidence,
        "drop": drop,
        "missing": missing,
        "features": features,
    }
    asked = {name: value for name, value in asked.items() if value not in (_DEFAULTS[name], [], ())}
    del table
    give_back()
    return replace(recording, meta={**recording.meta, "path": str(path), "asked": asked})


_DEFAULTS = {name: parameter.default for name, parameter in signature(read).parameters.items()}


def give_back() -> None:
    """Return the memory to the system that pyarrow and malloc keep when what it held is gone.

    Matrices that come later are too large to be put there.
    """
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
        if trim is not None:
            trim(0)


def from_frame(
    frame,
    format: str | None = None,
    *,
    features=None,
    min_confidence: float = 0.8,
    mask=None,
    max_gap: float = 1.0,
    fps: float | None = None,
    key=None,
    time: str | None = None,
    confidence: str | None = None,
    drop=None,
    missing=None,
) -> Recording:
    """Make a recording of a DataFrame with one row for each frame.

    Parameters
    ----------
    frame : DataFrame
        Of pandas, polars, pyarrow, dask or whatever narwhals knows, or a DataArray or Dataset of xarray (its time
        dimension gives the rows), or a mapping of names to columns.  Columns as one of the formats names them, or of
        any name.  It is not modified.  The levels of its index count as columns, and are added to the results; an index
        of times is the time, and one that does not count the rows numbers the frames.
    format, features, min_confidence, mask, max_gap, fps, key, time, confidence, drop, missing
        As in `read`.

    Returns
    -------
    Recording
        With the index of `frame`.

    Raises
    ------
    RecordingError
        If there is no row, no numeric column, or text among the numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> recording = from_frame(pd.DataFrame({"AU01_r": [0.1, 0.4, None], "AU12_r": [1.0, 1.5, 2.0]}), fps=25)
    >>> recording.n_frames, recording.n_features, int(recording.mask.sum())
    (3, 2, 5)
    """
    held, said = with_index(to_pandas(frame))
    table = Table(held, "DataFrame", notices=said)
    choice = Choice.of(time, key, confidence, drop, features)
    return _made(table, format, choice, missing, features, min_confidence, mask, max_gap, fps)


def from_array(
    array,
    *,
    feature_names=None,
    time=None,
    fps: float | None = None,
    mask=None,
    features=None,
    max_gap: float = 1.0,
) -> Recording:
    """Make a recording of a 2-D array.

    Parameters
    ----------
    array : array of shape (n_frames, n_features)
        Real numbers; NaN is missing, and so are the masked cells of a NumPy masked array.  It is copied.
    feature_names : sequence of str, optional
        One name for each column; ``feature_0``, ``feature_1``, ... when left out.
    time : array of shape (n_frames,), optional
        Time in seconds.
    fps, mask, features, max_gap
        As in `read`.

    Returns
    -------
    Recording

    Raises
    ------
    RecordingError
        If the array is not 2-D, is empty or does not hold real numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from_array(np.ones((3, 2)), fps=25.0).time
    array([0.  , 0.04, 0.08])
    """
    values, given = with_mask(array)
    table = array_table(values, "array", feature_names)
    layout = formats()["array"].layout(table)
    if time is not None:
        stamps = np.asarray(time, dtype=np.float64)
        if stamps.shape != (len(table),):
            raise RecordingError(f"time has shape {stamps.shape}, expected ({len(table)},): one entry for each frame.")
        layout = replace(layout, time=stamps)
    if given is not None:
        mask = given if mask is None else given & _as_cells(mask, given.shape)
    recording = assemble(table, layout, mask=mask, max_gap=max_gap, fps=fps)
    return recording if features is None else recording.select(features)


def _as_cells(mask, shape: tuple[int, int]) -> np.ndarray:
    """A mask given for the rows or cells, as one for the cells; other shapes are refused where it is used."""
    mask = np.asarray(mask)
    return mask[:, None] if mask.shape == shape[:1] else mask


def _made(table, format, choice, missing, features, min_confidence, mask, max_gap, fps) -> Recording:
    module, table = _as_written(format, table)
    words = (missing,) if isinstance(missing, str) else tuple(str(word) for word in missing or ())
    lost = module.CONVENTION.lost if hasattr(module, "CONVENTION") else ()
    if words or lost:
        table = replace(table, missing=(*table.missing, *words, *lost))
    layout = overridden(table, module.layout(table), choice)
    recording = assemble(table, layout, min_confidence=min_confidence, mask=mask, max_gap=max_gap, fps=fps)
    return recording if features is None else recording.select(features)
