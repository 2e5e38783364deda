"""Delimited text to Table: laid out by its dialect, without what is no row, its rows counted and their damage told."""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from ..recording import RecordingError
from ..spelled import UNPADDED
from ..tables import Table
from .below import without_notes
from .dialect import HEAD_CHARACTERS, Dialect, dialect
from .encoding import decoded
from .markdown import without_bars
from .parsing import check_rows, parsed
from .rows import SEPARATORS, fields
from .source import Source
from .strays import without_strays

KINDS = ("text",)
_HEAD_OF_STAMPS = 1 << 20


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read a text file into a Table.

    Parameters
    ----------
    source : Source
        Text with comma, tab, semicolon, bar or blanks between its columns, in UTF-8, UTF-16 or windows-1252.

    Returns
    -------
    Table
        The columns with the labels of the header as they stand there.

    Raises
    ------
    RecordingError
        If the file is empty, is not text, has rows of different length or is truncated.
    """
    data, notices = decoded(source)
    data, said = without_bars(data)
    return read_rows(source.name, data, notices=(*source.notices, *notices, *said))


def read_rows(name: str, data: bytes, form: Dialect | None = None, notices: tuple[str, ...] = ()) -> Table:
    """Table of UTF-8 text; `form` says how it is laid out where that is known."""
    head, whole = _head(data)
    form = form or dialect(head, name, whole)
    start = _offset(data, form.skip)
    if not data[start : start + 65536].strip() and not data[start:].strip():
        raise RecordingError(f"{name} has a header but no rows, expected one row for each frame.")
    data, strays = without_strays(data, start, form)
    data, said = without_notes(data, start, form)
    codes = _codes(form) | _unpadded(data[start : start + _HEAD_OF_STAMPS], form)
    frame = parsed(name, data, start, form, codes)
    lines = _lines(name, data, start, form, len(frame))
    frame = _without_spare(name, frame, form, lines)
    frame.columns = pd.Index(form.names, dtype=object)
    table = Table(
        frame,
        name,
        lines,
        (*notices, *form.notices, *strays, *said, *_truncated(name, data, form, lines)),
        {
            "separator": form.separator,
            "decimal": form.decimal,
            "header": form.has_header,
            **({"preamble": form.preamble} if form.preamble else {}),
            **({"levels": form.levels} if form.levels else {}),
        },
        codes,
    )
    _refuse_single_text(table)
    _refuse_unnamed_text(table, form)
    return table


def _head(data: bytes) -> tuple[str, bool]:
    if len(data) <= HEAD_CHARACTERS:
        return data.decode(), True
    end = data.rfind(b"\n", 0, HEAD_CHARACTERS) + 1
    while data.count(b"\n", 0, end) < 24 and end < len(data):  # lines of 100,000 columns are a megabyte each
        end = (data.find(b"\n", end) + 1) or len(data)
    return data[:end].decode(), end == len(data)


def _offset(data: bytes, lines: int) -> int:
    at = 0
    for _ in range(lines):
        at = data.find(b"\n", at) + 1
        if not at:
            return len(data)
    return at


def _codes(form: Dialect) -> frozenset[int]:
    """Columns of digits that are no numbers: 007 must not come back as 7.

    One such cell among decimals is a damaged number, and makes no code of its column.
    """
    rows = [fields(row.text, form.separator) for row in form.body]
    led = {
        i
        for row in rows
        for i, cell in enumerate(row)
        if cell[:8].strip()[:1] == "0" and re.fullmatch(r"\s*0\d+\s*", cell)
    }
    decimal = re.compile(rf"\s*[-+]?\d*[{re.escape(form.decimal)}]\d+\s*")
    return frozenset(i for i in led if not any(i < len(row) and decimal.fullmatch(row[i]) for row in rows))


def _unpadded(head: bytes, form: Dialect) -> frozenset[int]:
    """Columns of seconds since 1970 whose milliseconds lack their leading zeros: 5.47 stands between 5.0 and 5.109.

    Only their texts tell 5.47 (47 ms) from 5.470.
    """
    first = fields(form.body[0].text, form.separator) if form.body else []
    like = [i for i, cell in enumerate(first) if UNPADDED.fullmatch(cell.strip())]
    rows = [fields(line, form.separator) for line in head.decode(errors="replace").splitlines()[:-1]] if like else []
    found = set()
    for i in like:
        stamps = [match for row in rows if len(row) > i and (match := UNPADDED.fullmatch(row[i].strip()))]
        counted = [(int(stamp[1]), int(stamp[2])) for stamp in stamps]
        if counted == sorted(counted) and any(float(a[0]) > float(b[0]) for a, b in pairwise(stamps)):
            found.add(i)
    return frozenset(found)


def _lines(name: str, data: bytes, start: int, form: Dialect, n_rows: int) -> np.ndarray | None:
    """Line number of every row."""
    ends = data.count(b"\n", start) + (not data.endswith(b"\n"))
    if ends == n_rows:
        return np.arange(form.skip + 1, form.skip + 1 + n_rows)
    lines = check_rows(name, data, start, form)
    return lines if len(lines) == n_rows else None


def _without_spare(name: str, frame: pd.DataFrame, form: Dialect, lines) -> pd.DataFrame:
    """Drop the cells after separators at the end of the rows; they must be empty throughout."""
    names = list(form.names)
    for i in range(len(names), form.width):
        filled = np.flatnonzero(frame.iloc[:, i].notna())
        if len(filled):
            place = f"line {lines[filled[0]]}" if lines is not None else f"row {filled[0] + 1}"
            raise RecordingError(
                f"{name}: {place} has {form.width} cells, expected {len(names)} "
                f"(separator: {SEPARATORS[form.separator]})."
            )
    return frame.iloc[:, : len(names)] if form.spare else frame


def _truncated(name: str, data: bytes, form: Dialect, lines: np.ndarray | None) -> tuple[str, ...]:
    """What a last line without an end may mean."""
    if data.endswith(b"\n") or lines is None:
        return ()
    text = data[data.rfind(b"\n") + 1 :].decode()
    last = fields(text, form.separator)[-1]
    first = fields(form.body[0].text, form.separator)[-1]
    if not last.strip() and len(lines) > 1 and first.strip():
        raise RecordingError(
            f"{name}: line {lines[-1]}, the last, ends before column {form.names[-1].strip()!r}: the file is truncated."
        )
    return (f"Line {lines[-1]}, the last, has no line end; if the file was truncated its last number may be cut.",)


def _refuse_unnamed_text(table: Table, form: Dialect) -> None:
    """A file of which no row is a row of names, and most columns no numbers, is laid out in a way that nobody knows."""
    kinds = [isinstance(kind, np.dtype) and kind.kind in "fiub" for kind in table.frame.dtypes]
    if form.has_header or sum(kinds) >= 0.5 * len(kinds) or len(kinds) < 3:
        return
    words = [i for i, number in enumerate(kinds) if not number and table.numbers(i, required=False) is None]
    if len(words) > 0.5 * len(kinds):
        cell = str(table.frame.iat[0, words[0]])
        raise RecordingError(
            f"{table.source}: {table.place(0)} holds {cell!r}, expected a number; no row above it names the columns."
        )


def _refuse_single_text(table: Table) -> None:
    """Say where a table that can only be read as text went wrong: one column, or lists in its cells."""
    kinds = table.frame.dtypes
    texts = [i for i, kind in enumerate(kinds) if not (isinstance(kind, np.dtype) and kind.kind in "fiub")]
    if len(kinds) == 1 and texts and table.numbers(0, required=False) is None:
        raise RecordingError(
            f"{table.source}: found a single column of text, expected columns separated by comma, tab, semicolon or "
            "blanks."
        )
    for i in texts:
        cell = str(table.frame.iat[0, i])
        if re.match(r"\s*(array\()?[\[(]+\s*[-+.\d]", cell) and len(kinds) - len(texts) <= 3:
            raise RecordingError(
                f"{table.source}: {table.place(0)}, column {table.names[i]!r} holds a list, expected one number in "
                "each cell; export one column for each feature."
            )
