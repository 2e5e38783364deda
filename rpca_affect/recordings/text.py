"""Delimited text to Table: finds encoding, separator and header, and says at which line a damaged file breaks."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from .recording import RecordingError
from .tables import Table, open_file

_SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", " ": "blank"}
# From 3.1 on pandas reads every number exactly and warns of the option that older ones need for it.
_EXACT = {"float_precision": "round_trip"} if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1) else {}
# C printf on Windows writes these; pandas knows the other spellings of "missing" itself.
_MISSING = ["-nan(ind)", "nan(ind)", "-1.#IND", "1.#QNAN", "NaN ", "nan "]


@dataclass(frozen=True)
class Dialect:
    """How a text file is laid out: everything that is known before its rows are read."""

    encoding: str
    separator: str
    names: tuple[str, ...]
    has_header: bool
    skip: int  # physical lines before the first row of numbers
    decimal: str
    first: list[str]  # fields of the first row
    notices: tuple[str, ...]
    trailing: bool = False  # rows end with a separator that the header does not have


def _encoding(path: Path) -> str:
    with open_file(path) as handle:
        start = handle.read(4)
    return "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def _rows(path: Path, encoding: str) -> Iterator[tuple[int, int, str]]:
    """Yield (first line, last line, text) of each row; a quoted cell may hold line ends."""
    number, started, text, quoted = 0, 0, "", False
    with open_file(path, "r", encoding=encoding, newline="") as handle:
        try:
            for number, line in enumerate(handle, start=1):
                if "\0" in line:
                    raise RecordingError(f"{path}: line {number} holds binary bytes, expected text.")
                started = started if text else number
                text += line
                # Quotes inside quotes are doubled, so a row is complete when their number is even.
                quoted ^= bool(line.count('"') % 2)
                if quoted:
                    continue
                yield started, number, text
                text = ""
        except UnicodeError as error:
            raise RecordingError(_undecodable(path, encoding, number)) from error
        except OSError as error:
            raise RecordingError(f"{path} cannot be read: {error.strerror or error}.") from error
    if text:
        raise RecordingError(f"{path}: the quote opened in line {started} is never closed.")


def _undecodable(path: Path, encoding: str, number: int) -> str:
    """Sentence about the first byte that is no text; `number` lines were decoded before its block."""
    if encoding != "utf-8-sig":
        return f"{path}: the text after line {number} is not UTF-16; save the file as UTF-8."
    with open_file(path) as handle:
        for line, content in enumerate(handle, start=1):
            try:
                content.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = content[error.start]
                place = f"line {line}, byte {error.start + 1}"
                return f"{path}: {place}, is 0x{byte:02x}, which is not UTF-8 text; save the file as UTF-8."
    return f"{path}: the text after line {number} is not UTF-8; save the file as UTF-8."


def _fields(text: str, separator: str) -> list[str]:
    """Cells of a row; a row whose quotes do not delimit cells counts as one cell, so that it is refused."""
    text = text.rstrip("\r\n")
    if '"' not in text:
        return text.split() if separator == " " else text.split(separator)
    if separator == " ":
        text = re.sub(r"\s+", " ", text.strip())
    try:
        rows = list(csv.reader(StringIO(text, newline=""), delimiter=separator))
    except csv.Error:
        rows = []
    return rows[0] if len(rows) == 1 else [text]


def _count(text: str, separator: str) -> int:
    if separator == " " or '"' in text:
        return len(_fields(text, separator))
    return text.count(separator) + 1


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", ".") or "nan")
    except ValueError:
        return cell.strip() in _MISSING
    return True


def _is_blank(text: str) -> bool:
    return not text.strip(" \r\n")


def dialect(path: Path) -> Dialect:
    """Find out how a text file is laid out from its first lines.

    Lines at the top that are empty or start with ``#`` are a preamble.  The separator is the one that gives the
    header and the first rows the same number of fields.  A first row of numbers only means that there is no
    header, unless it counts 0, 1, 2, ... as a table without names does.
    """
    encoding = _encoding(path)
    head = list(islice(_rows(path, encoding), 64))
    top = 0
    while top < len(head) and (head[top][2].startswith("#") or not head[top][2].strip(" \t,;\r\n")):
        top += 1
    notices = []
    rows = [row for row in head[top:] if not _is_blank(row[2])]
    commented = head[top - 1][2].lstrip("# ") if top and head[top - 1][2].startswith("#") else None
    if not rows:
        raise RecordingError(f"{path} holds only comments, expected a header and one row for each frame.")
    separator = _separator([text for *_, text in rows[:20]])
    names = [name.rstrip("\r\n") for name in _fields(rows[0][2], separator)]
    numeric = [_is_number(name) for name in names]
    skip = rows[0][1]
    counts = [name.strip() for name in names] == [str(i) for i in range(len(names))]
    has_header = not all(numeric) or (counts and len(names) > 1)
    if has_header and sum(numeric) > 0.5 * len(names) and not all(re.fullmatch(r"\s*\d*\s*", n) for n in names[1:]):
        raise RecordingError(f"{path}: line {rows[0][0]} looks like a row of data, expected a header with names.")
    body = rows[1:] if has_header else rows
    if not has_header:
        skip = rows[0][0] - 1
        written = _fields(commented, separator) if commented else []
        if len(written) == len(names):  # numpy.savetxt writes its header as a comment
            names = [name.strip() for name in written]
        else:
            notices.append(f"The file has no header; its columns are named feature_0 to feature_{len(names) - 1}.")
            names = [f"feature_{i}" for i in range(len(names))]
    if top and not (not has_header and top == 1):
        notices.append(f"{top} lines above the header were skipped.")
    longer = bool(body) and all(_count(text, separator) == len(names) + 1 for *_, text in body)
    trailing = longer and separator != " " and all(not _fields(text, separator)[-1].strip() for *_, text in body)
    if trailing:
        notices.append("Every row ends with a separator that the header does not have; the empty last cell is ignored.")
    elif longer:
        names = ["", *names]  # R's write.table gives row names no header
        notices.append("The header has one name less than the rows have cells: the first column has no name.")
    cells = [cell.strip() for *_, text in body[:20] for cell in _fields(text, separator)]
    comma = any(re.fullmatch(r"[-+]?\d+,\d+(e[-+]?\d+)?", cell, re.I) for cell in cells)
    decimal = "," if separator != "," and comma and not any("." in cell and _is_number(cell) for cell in cells) else "."
    first = _fields(body[0][2], separator) if body else []
    return Dialect(encoding, separator, tuple(names), has_header, skip, decimal, first, tuple(notices), trailing)


def _separator(texts: list[str]) -> str:
    def agreement(separator: str) -> tuple[int, int]:
        counts = [_count(text, separator) for text in texts]
        rows = counts[1:] or counts
        # One more cell than names is R's unnamed column of row names.
        alike = sum(count in (counts[0], counts[0] + 1) for count in rows) if max(rows) > 1 else 0
        return alike, -list(_SEPARATORS).index(separator)

    marks = [separator for separator in _SEPARATORS if separator != " " and _count(texts[0], separator) > 1]
    # Blanks after commas would make blanks a separator too, and hide a damaged row.
    best = max(marks or _SEPARATORS, key=agreement)
    if agreement(best)[0]:
        return best
    # Nothing agrees: blame the rows, not the header.
    return max(marks or _SEPARATORS, key=lambda separator: _count(texts[0], separator))


def _check_rows(path: Path, form: Dialect) -> tuple[np.ndarray, tuple[str, ...]]:
    """Line number of every row, after making sure that each has as many cells as there are names."""
    width = len(form.names)
    lines, text = [], "\n"
    for started, ended, text in _rows(path, form.encoding):
        if ended <= form.skip or _is_blank(text):
            continue
        count = _count(text, form.separator)
        if form.trailing and count == width + 1 and not _fields(text, form.separator)[-1].strip():
            count = width
        if count != width:
            _refuse_row(path, form, started, text, count)
        lines.append(started)
    if not lines:
        raise RecordingError(f"{path} has a header but no rows, expected one row for each frame.")
    if text.endswith(("\n", "\r")):
        return np.array(lines), ()
    last = _fields(text, form.separator)[-1]
    if not form.trailing and not last.strip() and len(lines) > 1 and form.first[-1].strip():
        raise RecordingError(
            f"{path}: line {lines[-1]}, the last, ends before column {form.names[-1].strip()!r}: the file is truncated."
        )
    return np.array(lines), (
        f"Line {lines[-1]}, the last, has no line end; if the file was truncated its last number may be cut.",
    )


def _refuse_row(path: Path, form: Dialect, line: int, text: str, count: int) -> None:
    width = len(form.names)
    cells = f"{count} cell" if count == 1 else f"{count} cells"
    sentence = f"{path}: line {line} has {cells}, expected {width} (separator: {_SEPARATORS[form.separator]})"
    if count < width and not text.endswith(("\n", "\r")):
        column = form.names[count - 1].strip()
        raise RecordingError(f"{sentence}; the file is truncated in column {column!r} of its last line.")
    raise RecordingError(f"{sentence}.")


def read_text(path: Path) -> Table:
    """Read delimited text (CSV, TSV, blanks) into a Table, or say at which line and column it breaks.

    Parameters
    ----------
    path : Path
        A UTF-8 or UTF-16 text file with comma, tab, semicolon, bar or blanks between its columns.

    Returns
    -------
    Table
        The columns with the labels of the header as they stand there.

    Raises
    ------
    RecordingError
        If the file is empty, is not text, has rows of different length or is truncated.
    """
    form = dialect(path)
    lines, notices = _check_rows(path, form)
    width = len(form.names)
    codes = frozenset(i for i, cell in enumerate(form.first) if re.fullmatch(r'\s*"?0\d+"?\s*', cell))
    with open_file(path, "r", encoding=form.encoding, newline="") as handle:
        for _ in range(form.skip):
            handle.readline()
        try:
            frame = pd.read_csv(
                handle,
                sep=r"\s+" if form.separator == " " else form.separator,
                header=None,
                names=range(width + form.trailing),
                index_col=False,
                dtype=dict.fromkeys(codes, str),  # type: ignore[arg-type]
                skipinitialspace=True,
                na_values=_MISSING,
                decimal=form.decimal,
                **_EXACT,  # type: ignore[call-overload]
                low_memory=False,
            )
        except (pd.errors.ParserError, ValueError) as error:
            raise RecordingError(f"{path} is not a table: {str(error).strip().splitlines()[-1]}.") from error
    if form.trailing:
        frame = frame.iloc[:, :width]
    frame.columns = pd.Index(form.names, dtype=object)
    table = Table(
        frame,
        str(path),
        lines if len(lines) == len(frame) else None,
        form.notices + notices,
        {"separator": form.separator, "decimal": form.decimal, "header": form.has_header},
        codes,
    )
    if width == 1 and table.numbers(0, required=False) is None:
        raise RecordingError(
            f"{path}: found a single column of text, expected columns separated by comma, tab, semicolon or blanks."
        )
    return table
