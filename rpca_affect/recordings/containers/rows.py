"""Rows and cells of delimited text: what divides them, what counts as a number, what as nothing."""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise
from typing import NamedTuple

from ..recording import RecordingError

SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", " ": "blank"}
# Cells that hold nothing.  Those with a bracket or a # are what C's printf writes on Windows.
MISSING = (
    "", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "null", "None", "NaN ", "nan ",
    "-nan(ind)", "nan(ind)", "-1.#IND", "1.#IND", "1.#QNAN", "-1.#QNAN", "\t", *(" " * n for n in range(1, 13)),
)  # fmt: skip
# A number, a time of day or a date: what stands in rows of data and not in a header.
DATA = re.compile(
    r"[-+]?(\d[\d.,]*|[.,]\d+)(e[-+]?\d+)?|\d+:\d\d?[:;.,\d]*|\d+[-/.]\d+[-/.]\d+([ T].*)?|[-+]?(nan|inf)(\(ind\))?",
    re.I,
)
_COMMA = re.compile(r"[-+]?\d*,\d+(e[-+]?\d+)?", re.I)


class Row(NamedTuple):
    """A row of a text file; a quoted cell may hold line ends, so it may span several lines."""

    first: int
    last: int
    text: str


def rows_of(text: str, name: str, whole: bool = True) -> Iterator[Row]:
    """Rows of a text; a quoted cell may hold line ends.  With `whole`, a quote that stays open is an error."""
    parts: list[str] = []
    started, quoted = 0, False
    for number, line in enumerate(StringIO(text, newline="\n"), start=1):
        started = started if parts else number
        parts.append(line)
        # Quotes inside quotes are doubled, so a row is complete when their number is even.
        if '"' in line:
            quoted ^= bool(line.count('"') % 2)
        if not quoted:
            yield Row(started, number, "".join(parts) if len(parts) > 1 else line)
            parts = []
    if parts and whole:
        raise RecordingError(f"{name}: the quote opened in line {started} is never closed.")


def fields(text: str, separator: str) -> list[str]:
    """Cells of a row; a row whose quotes do not delimit cells counts as one cell, so that it is refused."""
    text = text.rstrip("\r\n")
    if '"' not in text:
        return text.split() if separator == " " else text.split(separator)
    if separator == " ":
        text = re.sub(r"\s+", " ", text.strip())
    try:
        rows = list(csv.reader(StringIO(text, newline=""), delimiter=separator, skipinitialspace=True))
    except csv.Error:
        rows = []
    return rows[0] if len(rows) == 1 else [text]


def count(text: str, separator: str) -> int:
    """Number of cells of a row."""
    if separator == " " or '"' in text:
        return len(fields(text, separator))
    return text.count(separator) + 1


def is_blank(text: str) -> bool:
    """Whether a row holds nothing at all."""
    return not text.strip(" \r\n")


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a decimal point or comma, or empty."""
    text = cell.strip().replace(",", ".")
    try:
        float(text or "nan")
    except ValueError:
        return False
    return "_" not in text


def is_stated(cells: list[str]) -> bool:
    """Whether a row states a number under a name, as in ``Frame Time: 0.04``."""
    return any(word.endswith(":") and cell and is_number(cell) for word, cell in pairwise(cells))


def is_words(text: str, mark: str) -> bool:
    """Whether at most half of the cells of a row are numbers, times or dates."""
    cells = [cell.strip() for cell in fields(text, mark)[:200]]
    return 2 * sum(DATA.fullmatch(cell) is not None for cell in cells) <= len(cells)


def named_otherwise(line: str, width: int, separator: str) -> list[str] | None:
    """Names in a line above the rows that another mark divides into as many as the rows have cells."""
    for mark in SEPARATORS:
        names = [cell.strip() for cell in fields(line, mark)]
        if mark != separator and len(names) == width > 1 and is_words(line, mark) and len(set(names)) == width:
            return names
    return None


def decimal_mark(texts: list[str], separator: str) -> str:
    """Decimal mark of the cells: a comma where some cell has one and none has a point."""
    cells = [cell.strip() for text in texts for cell in fields(text, separator)[:400]]
    commas = [cell for cell in cells if _COMMA.fullmatch(cell)]
    if not commas:
        grouped = any(re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+,\d+", cell) for cell in cells)
        return "," if grouped else "."
    if any("." in cell and is_number(cell) and "," not in cell for cell in cells):
        # 1.342 beside 661,60 groups its thousands; 0.5 beside 1,234 does not
        points = [cell for cell in cells if "." in cell and "," not in cell and is_number(cell)]
        return "," if all(re.fullmatch(r"[-+]?[1-9]\d{0,2}(\.\d{3})+", cell) for cell in points) else "."
    if separator == "," and all(re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", cell) for cell in commas):
        return "."  # quoted thousands
    return ","
