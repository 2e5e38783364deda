"""Arrays without column names to Table: NumPy, MATLAB and safetensors files, and collections of clips."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from rpca_affect.arrays import of_objects, to_numpy
from rpca_affect.extras import install
from rpca_affect.refusals import Setting

from ..phrases import listed
from ..recording import RecordingError
from ..tables import Table
from .source import Source

KINDS = ("npy", "npz", "safetensors")
# Arrays with an entry for each frame that go with it, by what they are; others are said to be left out.
ALONG = (
    (
        "key",
        r"clips?|subjects?|participants?|persons?|people|speakers?|videos?|files?|(face|track|subject|person)?_?ids?",
    ),
    ("time", r"t|times?|timestamps?|seconds"),
    ("index", r"frames?"),
    ("quality", r"confidences?|likelihoods?|scores?"),
    ("status", r"success|valid|tracked|detected"),
)
_STAMPS = ("t", "time", "times", "timestamp", "timestamps", "seconds", "frame", "frames")
_NAMES = ("columns", "names", "feature_names", "features", "column_names")
_RATES = ("fps", "rate", "frame_rate", "framerate", "sampling_rate", "fs")


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read the arrays of a file; pickled objects are never loaded."""
    return table_of_arrays(
        {"npy": _npy, "npz": _npz, "safetensors": _safetensors}[source.kind](source),
        source.name,
        ",".join(keys) or None,
    )


def values_of(source: Source) -> np.ndarray:
    """The array of an .npy file."""
    return _npy(source)["values"]


def width_of(files: Sequence[Path]) -> int | None:
    """Columns that .npy files share which can be clips of one recording, and None where they cannot.

    Only their headers are read.  A damaged file neither joins nor divides: reading the clips will name it.
    """
    shapes = {file.name: shape for file in files if (shape := _shape(file)) is not None}
    return next(iter(shapes.values()))[1] if _are_clips(shapes) else None


def _shape(file: Path) -> tuple[int, ...] | None:
    """Shape that the header of an .npy file names; None where it has none that can be read."""
    try:
        with file.open("rb") as handle:
            return _header(handle)[0]
    except (OSError, ValueError, SyntaxError):
        return None


def table_of_arrays(arrays: Mapping[str, np.ndarray], name: str, key: str | None = None, clips: bool = False) -> Table:
    """Table of the arrays of a file.

    One array of shape (n_frames, n_features) is the recording.  Several of one width, or one of three dimensions
    (n_clips, n_frames, n_features), are clips, each a sequence of its own.  Arrays of one dimension named like times
    or column names go with them.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        What the file holds.
    name : str
        The file, for sentences.
    key : str, optional
        The array to take.
    clips : bool
        Whether all arrays are clips, however many there are.
    """
    held = {str(k): v for k, v in arrays.items()}
    shapes = {k: np.shape(v) for k, v in held.items()}
    numbers = [
        k for k, v in held.items() if getattr(v, "dtype", np.dtype(float)).kind in "biuf" and len(shapes[k]) >= 2
    ]
    if key is not None:
        if key not in held:
            raise RecordingError(f"{name} has no array {key!r}; it holds {', '.join(list(held)[:12])}.")
        numbers = [key]
    columns = {} if numbers else _columns(held)
    if columns and key is None:
        return Table(pd.DataFrame(columns), name)
    series = clips or (key is None and _are_clips({k: shapes[k] for k in numbers}))
    if not series and len(numbers) != 1:
        if len(held) == 1:  # it is the only one: say what is wrong with it
            numbers = list(held)
        else:
            found = ", ".join(f"{k} {shapes[k]}" for k in list(held)[:12]) or "nothing"
            raise RecordingError(
                f"{name} holds {len(numbers)} arrays of two or more dimensions, expected one of shape (n_frames, "
                f"n_features) or clips of one width{'; choose one with ' if numbers else ''}",
                *([Setting("key", min(numbers, key=lambda k: len(shapes[k])))] if numbers else []),
                f" (found: {found}{', ...' if len(held) > 12 else ''}).",
            )
    form = {"array": True} | ({"key": key or numbers[0]} if len(held) > 1 and not series else {})
    if series:
        made = _stacked({k: held[k] for k in numbers}, name, held)
    elif len(shapes[numbers[0]]) == 3:
        made = _cube(np.asarray(held[numbers[0]]), name)
    else:
        made = _plain(np.asarray(held[numbers[0]]), name, numbers[0], held)
    frame, said = made
    return Table(frame, name, form=form, notices=tuple(said))


def array_table(array, source: str, names: Sequence[str] | None = None, form: dict | None = None) -> Table:
    """Table of a 2-D array of real numbers, one row for each frame."""
    array = _real(to_numpy(array), source)
    if array.ndim != 2 or not array.size:
        raise RecordingError(f"{source} has shape {array.shape}, expected (n_frames, n_features), none of them zero.")
    names = [f"feature_{i}" for i in range(array.shape[1])] if names is None else list(names)
    if len(names) != array.shape[1]:
        raise RecordingError(f"{source} has {array.shape[1]} columns but {len(names)} feature names were given.")
    frame = pd.DataFrame(array.astype(np.float64), columns=pd.Index(names, dtype=object))
    return Table(frame, source, form={"array": True} | (form or {}))


def _real(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == object and array.ndim:
        with suppress(TypeError, ValueError):
            return of_objects(array)
    if array.dtype.kind not in "biuf":
        raise RecordingError(f"{name} holds {array.dtype} values, expected real numbers.")
    return array


def _are_clips(shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether arrays are clips of one recording or set: three or more, all of one width."""
    return (
        len(shapes) > 2
        and all(len(shape) == 2 for shape in shapes.values())
        and len({s[1] for s in shapes.values()}) == 1
    )


def _columns(held: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of a table: the fields of a structured array, or arrays of one length, two or more."""
    structured = [v for v in held.values() if v.dtype.names and v.ndim == 1]
    if len(structured) == 1 and len(held) == 1:
        return {name: structured[0][name] for name in structured[0].dtype.names or () if structured[0][name].ndim == 1}
    vectors = {k: v for k, v in held.items() if v.ndim == 1 and v.dtype.kind in "biufU"}
    longest = max(map(len, vectors.values()), default=0)
    columns = {k: v for k, v in vectors.items() if len(v) == longest}
    numeric = sum(v.dtype.kind in "biuf" for v in columns.values())
    return columns if longest > 1 and numeric > 1 else {}


def last_of(called: str) -> str:
    """Name of an array without those of the structures it lies in: ``time`` of ``data.time``."""
    return re.split(r"[./]", called)[-1]


def _named(name: str, width: int, held: Mapping) -> list[str]:
    """Column names from an array of words of the right length."""
    for called, array in held.items():
        words = np.asarray(array) if last_of(called).casefold() in _NAMES else np.empty(0)
        if words.ndim == 1 and len(words) == width and words.dtype.kind in "US":
            found = [word.decode() if isinstance(word, bytes) else str(word) for word in words]
            if len(set(found)) == width:
                return found
    return [f"feature_{i}" for i in range(width)]


def _plain(array: np.ndarray, name: str, called: str, held: Mapping) -> tuple[pd.DataFrame, list[str]]:
    frame = array_table(array, name, _named(name, np.shape(array)[-1], held) if np.ndim(array) == 2 else None).frame
    said: list[str] = []
    left: list[str] = []
    timed = False
    for other, vector in held.items():
        if np.shape(vector) != (len(frame),) or np.asarray(vector).dtype.kind not in "biufU":
            continue
        role = next((role for role, pattern in ALONG if re.fullmatch(pattern, last_of(other), re.I)), None)
        if role is None:
            left += [other] if len(frame) != array.shape[1] else []
        elif last_of(other) not in frame:
            frame.insert(0, last_of(other), np.asarray(vector))
            timed |= role in ("time", "index")
            said.append(f"The array {other} was taken along as a column.")
    if left:
        said.append(f"Arrays with an entry for each frame were left out: {listed(left)}.")
    rate = next(
        (float(np.asarray(v).item()) for k, v in held.items() if last_of(k).casefold() in _RATES and np.size(v) == 1),
        0.0,
    )
    if rate > 0 and not timed:
        frame.insert(0, "time", np.arange(len(frame)) / rate)
        said.append(f"The file says {rate:g} frames per second.")
    rows, columns = array.shape
    if 10 * rows < columns and rows < 30 and frame.columns[-1] == f"feature_{columns - 1}":
        said.append(
            f"Rows are frames, {rows} of them; if the frames lie in the {columns} columns, transpose the array."
        )
    return frame, said


def _cube(array: np.ndarray, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Clips of one length, or points with coordinates."""
    _real(array, name)
    clips, frames, width = array.shape
    if array.dtype == np.uint8:
        raise RecordingError(
            f"{name} has shape {array.shape} of bytes, which is a video; expected features, (n_frames, n_features)."
        )
    if not array.size:
        raise RecordingError(f"{name} has shape {array.shape}, expected (n_frames, n_features), none of them zero.")
    if width in (2, 3):  # points in the plane or in space
        names = [f"point{i}_{axis}" for i in range(frames) for axis in "xyz"[:width]]
        said = f"An array of shape {array.shape} was read as {clips} frames of {frames} points."
        return array_table(array.reshape(clips, -1), name, names).frame, [said]
    frame = array_table(array.reshape(-1, width), name).frame
    frame.insert(0, "clip", np.repeat(np.arange(clips), frames))
    said = f"An array of shape {array.shape} was read as {clips} clips of {frames} frames x {width} features."
    return frame, [said]


def _stacked(arrays: Mapping, name: str, held: Mapping) -> tuple[pd.DataFrame, list[str]]:
    parts = {called: _real(np.asarray(array), f"{name}, array {called!r},") for called, array in arrays.items()}
    first = next(iter(parts.values()))
    for called, part in parts.items():
        if part.ndim != 2 or part.shape[1:] != first.shape[1:] or not part.shape[1]:
            raise RecordingError(
                f"{name}: clip {called!r} has shape {part.shape}, expected (n_frames, {first.shape[-1]})."
            )
    width = first.shape[1]
    frame = array_table(np.concatenate(list(parts.values())), name, _named(name, width, held)).frame
    frame.insert(0, "clip", np.repeat(np.array(list(parts), dtype=object), [len(part) for part in parts.values()]))
    stamps = [_stamps_of(called, len(part), held) for called, part in parts.items()]
    if all(stamp is not None for stamp in stamps):
        frame.insert(1, "time", np.concatenate([stamp for stamp in stamps if stamp is not None]))
    return frame, [f"{len(parts)} clips of {width} features; each is a sequence of its own."]


def _stamps_of(called: str, length: int, held: Mapping) -> np.ndarray | None:
    """Times that go with a clip: ``name__t`` beside ``name__X``."""
    stem = re.split(r"[_.\-/]+[^_.\-/]*$", called)[0]
    for other, stamps in held.items():
        if other.startswith(stem) and other[len(stem) :].strip("_.-/").casefold() in _STAMPS:
            array = np.asarray(stamps)
            if array.shape == (length,) and array.dtype.kind in "iuf":
                return array.astype(np.float64)
    return None


# ---------------------------------------------------------------- files


def _header(handle: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array that an .npy file holds."""
    version = np.lib.format.read_magic(handle)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, kind = header.get(version, header[2, 0])(handle)
    return shape, kind


def _npy(source: Source) -> dict[str, np.ndarray]:
    try:
        with io.BytesIO(source.data) as handle:
            shape, kind = _header(handle)
            if not kind.hasobject and (size := math.prod(shape) * kind.itemsize) != len(source.data) - handle.tell():
                raise ValueError(f"its header says {size} bytes, {len(source.data) - handle.tell()} follow")
            handle.seek(0)
            return {"values": np.load(handle, allow_pickle=False)}
    except RecordingError:
        raise
    except Exception as error:  # tokenize, ast and struct have errors of their own
        raise _not_arrays(source, error) from error


def _npz(source: Source) -> dict[str, np.ndarray]:
    try:
        with np.load(io.BytesIO(source.data), allow_pickle=False) as loaded:
            found = {}
            for called in loaded:
                try:
                    found[called] = loaded[called]
                except ValueError as error:
                    if "allow_pickle" not in str(error):
                        raise
                    found[called] = np.empty(0, dtype="V8")  # Python objects beside the arrays are left alone
            return found
    except RecordingError:
        raise
    except Exception as error:
        raise _not_arrays(source, error) from error


def _not_arrays(source: Source, error: Exception) -> RecordingError:
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    if "allow_pickle" in said or "pickle" in said:
        said = "Python objects are never loaded because they can run code"
    return RecordingError(
        f"{source.name} is a damaged .{source.kind} file or holds Python objects, expected arrays of numbers: "
        f"{said[:200]}."
    )


def _safetensors(source: Source) -> dict[str, np.ndarray]:
    try:
        from safetensors.numpy import load as load_tensors
    except ImportError as error:
        raise missing("safetensors", source) from error
    try:
        return load_tensors(source.data)
    except Exception as error:  # SafetensorError, and whatever an unknown dtype raises
        raise source.damaged(".safetensors", error) from error


def missing(package: str, source: Source) -> RecordingError:
    """Sentence about a reader that is not installed."""
    return RecordingError(install(source.name, package))
