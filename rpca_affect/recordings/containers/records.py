"""JSON and JSON lines to Table: one record for each frame, whatever it nests."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..names import WHO, words_of
from ..recording import RecordingError
from ..tables import Table
from .encoding import decoded
from .nested import Frames
from .source import Source

KINDS = ("json",)
_NAMES = ("name", "categoryName", "category_name", "displayName", "display_name", "label", "Type", "type")
_VALUES = ("score", "value", "weight", "confidence", "Confidence", "intensity")
_FACES = ("faces", "faceBlendshapes", "face_blendshapes", "faceLandmarks", "face_landmarks", "people", "detections")
_PLAIN = {"categories", "blendshapes", "blendShapes", "data", "features", "landmarks", "keypoints", "aus", "AUs"}
_MOST_COLUMNS = 200_000


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read records: a list of them, one in each line, a list inside an object (``frames``), or lists by column."""
    data, said = decoded(source)
    try:
        held = json.loads(data)
        lines = None
    except RecursionError as error:
        raise source.damaged("JSON", ValueError("it nests too deeply")) from error
    except ValueError as error:
        held, lines = _by_line(source, data, error)
    asked = next((key for key in keys if isinstance(held, dict) and key in held), None)
    try:
        found = Frames(source, held, asked)
        if isinstance(found.held, dict):
            frame = _by_columns(source, found.held)
        else:
            frame, lines = by_records(source.name, found.held, lines if found.held is held else None)
    except RecursionError as error:
        raise source.damaged("JSON", ValueError("it nests too deeply")) from error
    form = {"json": found.key, "preamble": tuple(found.above)} | ({} if asked is None else {"key": asked})
    return Table(frame, source.name, lines, (*source.notices, *said, *found.notices), form)


def _by_line(source: Source, data: bytes, error: ValueError) -> tuple[list, np.ndarray]:
    """Records of JSON lines with their line numbers; one object over several lines is damage in it."""
    records, lines = [], []
    texts = data.split(b"\n")
    for number, line in enumerate(texts, start=1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except RecursionError as deep:
            raise source.damaged("JSON", ValueError("it nests too deeply")) from deep
        except ValueError as broken:
            if not records:
                place = f"line {getattr(error, 'lineno', 1)}, column {getattr(error, 'colno', 1)}"
                raise RecordingError(f"{source.name}: {place}, is no JSON: {str(error).split(':')[0]}.") from error
            raise RecordingError(
                f"{source.name}: line {number} is no JSON: {str(broken).split(':')[0]}; expected one record."
            ) from broken
        lines.append(number)
    return records, np.array(lines)


def _by_columns(source: Source, held: dict) -> pd.DataFrame:
    lengths = {name: len(value) for name, value in held.items()}
    if len(set(lengths.values())) != 1:
        first, *others = lengths
        other = next(name for name in others if lengths[name] != lengths[first])
        raise RecordingError(
            f"{source.name}: {other!r} has {lengths[other]} entries, expected {lengths[first]} as {first!r} has."
        )
    return pd.DataFrame({str(name): _series(value) for name, value in held.items()})


def by_records(source: str, held: Any, lines) -> tuple[pd.DataFrame, np.ndarray | None]:
    """Rows of records, one for each face of a frame, and the line of each where lines of the records are given."""
    if not isinstance(held, list) or not held:
        raise RecordingError(f"{source} holds no list of records, expected one record for each frame.")
    rows, places = [], []
    names: dict[str, None] = {}
    for number, record in enumerate(held):
        if not isinstance(record, (dict, list)):
            place = f"line {lines[number]}" if lines is not None else f"record {number + 1}"
            raise RecordingError(f"{source}: {place} is {str(record)[:40]!r}, expected a record with names.")
        for face in _faces(record):
            row = dict(_flat(face, ""))
            names |= dict.fromkeys(row)
            if len(names) > _MOST_COLUMNS:
                raise RecordingError(f"{source} has a different set of names in every record, expected one set.")
            rows.append(row)
            places.append(number if lines is None else lines[number])
    if "face" in names:
        for row in rows:
            row.setdefault("face", 0)  # where there is one, it is the first
    if not names:
        raise RecordingError(f"{source} holds records without names or numbers, expected features.")
    short = _short(list(names))
    frame = pd.DataFrame({short[name]: _series([row.get(name) for row in rows]) for name in names})
    return frame, (np.array(places) if lines is not None else None)


def _faces(record: Any) -> Iterator[Any]:
    """The record itself, or one for each face in it."""
    if isinstance(record, dict):
        lists = {
            k: v
            for k, v in record.items()
            if k in _FACES and isinstance(v, list) and len(v) > 1 and _named_scores(v)[0] is None
        }
        n_faces = {len(v) for v in lists.values()}
        if len(n_faces) == 1 and all(isinstance(face, (dict, list)) for v in lists.values() for face in v):
            rest = {k: v for k, v in record.items() if k not in lists}
            named = any(_tell_apart(v) for v in lists.values())
            for face in range(n_faces.pop()):
                yield {**rest, **({} if named else {"face": face}), **{k: [v[face]] for k, v in lists.items()}}
            return
    yield record


def _tell_apart(faces: list) -> bool:
    """Whether every face of a list says who it is."""
    names = [
        {key for key, value in face.items() if isinstance(value, (int, str)) and set(words_of(key)) & WHO}
        if isinstance(face, dict)
        else set()
        for face in faces
    ]
    shared = set.intersection(*names)
    return any(len({face[key] for face in faces}) == len(faces) for key in shared)


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Names and numbers of a record: keys are joined by dots, lists of names and scores are columns by name."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list):
        name, score = _named_scores(value)
        if name:
            for entry in value:
                yield f"{prefix}.{entry[name]}" if prefix else str(entry[name]), entry.get(score)
        elif len(value) == 1 and isinstance(value[0], (dict, list)):
            yield from _flat(value[0], prefix)
        else:
            for i, inner in enumerate(value):
                yield from _flat(inner, f"{prefix}_{i}" if prefix else str(i))
    elif value is None or isinstance(value, (int, float, str)):
        yield prefix or "value", value


def _named_scores(entries: list) -> tuple[str | None, str | None]:
    if len(entries) < 2 or not all(isinstance(entry, dict) for entry in entries):
        return None, None
    name = next((n for n in _NAMES if all(isinstance(e.get(n), str) and e[n] for e in entries)), None)
    score = next((v for v in _VALUES if all(isinstance(e.get(v), (int, float)) for e in entries)), None)
    if name is None or score is None or len({entry[name] for entry in entries}) < len(entries):
        return None, None
    return name, score


def _short(names: list[str]) -> dict[str, str]:
    """Names without the keys that hold them, where the last part tells them apart."""
    parts = {name: name.split(".") for name in names}
    last = [part[-1] for part in parts.values()]
    short = {}
    for name, part in parts.items():
        kept = [word for word in part[:-1] if word not in (*_PLAIN, *_FACES)] + part[-1:]
        short[name] = part[-1] if last.count(part[-1]) == 1 else ".".join(kept)
    return short if len(set(short.values())) == len(names) else {name: name for name in names}


def _series(values: list) -> pd.Series:
    if all(value is None or isinstance(value, (int, float)) for value in values):
        if any(isinstance(value, bool) for value in values) and all(isinstance(v, bool) for v in values):
            return pd.Series(values, dtype=bool)
        return pd.Series([np.nan if value is None else _float(value) for value in values], dtype=float)
    return pd.Series([None if value is None else str(value) for value in values], dtype="str")


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of 400 digits
        return float("inf") if value > 0 else float("-inf")
