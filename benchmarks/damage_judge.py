"""What a damaged file may say, judged by the file it was made from.

Rows of text that the damage left alone are known by their bytes, wherever they stand now: their numbers must be those
of the undamaged reading to the last digit, in the columns of the same names and in the order of the file, and as many
seconds apart.  While the lines of names are untouched, a feature that is gone is named in a notice.  Containers without
lines and without a checksum (Parquet, HDF5, .npy) may hold other numbers where bytes were changed; such files are
counted apart, because nobody can tell.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rpca_affect.recordings import Recording, read
from rpca_affect.recordings.containers import load

__all__ = ["Known", "judged", "moved"]


@dataclass(frozen=True, eq=False)
class Known:
    """An undamaged file: its bytes, its reading, and the bytes of each row where it has lines."""

    data: bytes
    recording: Recording
    rows: list[bytes] | None
    names: bytes | None  # the lines above the first row

    @classmethod
    def of(cls, path: Path) -> "Known":
        """Read an undamaged file."""
        recording, data = read(path), path.read_bytes()
        rows, lines = _rows(path, recording), load(path).lines
        names = None if rows is None or lines is None else b"".join(data.splitlines(keepends=True)[: lines.min() - 1])
        return cls(data, recording, rows, names)


def _rows(path: Path, recording: Recording) -> list[bytes] | None:
    """Bytes of the line that each row of a reading came from; None where rows are no lines of the file."""
    table = load(path)
    if table.lines is None or len(table) != recording.n_frames:
        return None
    lines = path.read_bytes().split(b"\n")
    if len(lines) < table.lines.max():  # packed, or in an encoding of two bytes
        return None
    order = recording.meta.get("order")
    numbers = table.lines if order is None else table.lines[order]
    return [lines[number - 1].rstrip(b"\r") for number in numbers]


def judged(known: Known, path: Path, recording: Recording) -> tuple[str, str]:
    """A verdict on the reading of a damaged file and what is wrong; ("", "") where nothing is."""
    if said := moved(known.recording, recording):
        return "silent shift", said
    if said := _gone(known, path, recording):
        return "name lost", said
    shared = [name for name in recording.feature_names if name in known.recording.feature_names]
    ours = known.recording.values[:, [known.recording.feature_names.index(name) for name in shared]]
    theirs = recording.values[:, [recording.feature_names.index(name) for name in shared]]
    rows = _rows(path, recording)
    if known.rows is None or rows is None:
        alike = ours.shape == theirs.shape and not (np.isfinite(ours) & (ours != theirs)).any()
        return ("", "") if alike or theirs.size == 0 else ("other numbers, no checksum", "")
    pairs = _pairs(known.rows, rows)
    if said := _disordered(known, recording, pairs):
        return "rows moved", said
    before, now = ours[pairs[:, 0]], theirs[pairs[:, 1]]
    wrong = np.isfinite(before) & (before != now)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        said = f"{shared[column]} at row {pairs[row, 1]}: {now[row, column]!r}, was {before[row, column]!r}"
        return "digits changed", f"{said}; {wrong.sum()} cells; {recording.meta['notices']}"
    if any("Too short to tell the rate" in notice for notice in recording.meta["notices"]):
        return "", ""
    return _timed(known.recording.time, recording.time, pairs)


def _pairs(before: list[bytes], now: list[bytes]) -> np.ndarray:
    """Rows before and now that have the same bytes, each of them once in the file, shape (n_pairs, 2)."""
    counts = Counter(before)
    place = {text: row for row, text in enumerate(before) if counts[text] == 1}
    counts = Counter(now)
    found = [(place[text], row) for row, text in enumerate(now) if text in place and counts[text] == 1]
    return np.array(found, dtype=int).reshape(-1, 2)


def _disordered(known: Known, recording: Recording, pairs: np.ndarray) -> str:
    falls = np.flatnonzero(np.diff(pairs[:, 0]) < 0)
    said = any("out of order" in notice for notice in recording.meta["notices"])
    return "" if said or not len(falls) else f"row {pairs[falls[0] + 1, 1]} stands before the row above it"


def _gone(known: Known, path: Path, recording: Recording) -> str:
    """The first feature that is gone although the lines of names are as they were, and that no notice names."""
    if known.names is None or not path.read_bytes().startswith(known.names):
        return ""
    notices = " ".join(recording.meta["notices"])
    for name in known.recording.feature_names:
        if name not in recording.feature_names and name not in notices and " more" not in notices:
            return f"{name}; {recording.meta['notices']}"
    return ""


def _timed(before: np.ndarray | None, now: np.ndarray | None, pairs: np.ndarray) -> tuple[str, str]:
    """The same seconds between the rows that are left, whatever became of the others."""
    if before is None or now is None or len(pairs) < 3:
        return "", ""
    was, are = before[pairs[:, 0]], now[pairs[:, 1]]
    known = np.isfinite(was) & np.isfinite(are)
    if known.sum() < 3:
        return "", ""
    was, are = was[known] - was[known][0], are[known] - are[known][0]
    step = np.median(np.abs(np.diff(was)))
    off = np.abs(was - are).max()
    return ("time changed", f"by {off:.4g} s of {was.max():.4g} s") if off > 2 * step else ("", "")


def moved(original: Recording, damaged: Recording) -> str:
    """What moved between columns, or "" where every number that is left stands in its own."""
    names = {name: k for k, name in enumerate(original.feature_names)}
    columns = {name: np.flatnonzero(np.isfinite(original.values[:, k])) for name, k in names.items()}
    for k, name in enumerate(damaged.feature_names):
        values = damaged.values[:, k]
        values = values[np.isfinite(values)]
        if len(values) < 8 or name not in names:
            continue
        own = original.values[columns[name], names[name]]
        if _kept(values, own) >= 0.5:
            continue
        for other, i in names.items():
            if other != name and _kept(values, original.values[columns[other], i]) > 0.9 and len(set(values)) > 4:
                return f"{name} holds the numbers of {other}"
    return ""


def _kept(values: np.ndarray, own: np.ndarray) -> float:
    """Share of the numbers that stand in a column of the original too."""
    return float(np.isin(values, own).mean()) if len(own) else 0.0
