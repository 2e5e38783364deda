"""Lines among the rows of a table that are no rows: headers that come again, and comments."""

from collections.abc import Iterator

from ..phrases import listed
from .dialect import COMMENTS, Dialect
from .rows import count

_AGAIN, _COMMENT = "repeats the header", "is a comment"


def without_strays(data: bytes, start: int, form: Dialect) -> tuple[bytes, tuple[str, ...]]:
    """The text with blank lines for headers that come again, as in joined files, and for comments among the rows."""
    if form.width < 2:
        return data, ()

    def is_row(line: bytes) -> bool:
        return count(line.decode(), form.separator) == form.width

    headers = {line.rstrip(b"\r") for line in data[:start].split(b"\n") if is_row(line)} if form.has_header else set()
    strays = [(at, line, _AGAIN) for mark in headers for at, line in _lines(data, start, mark) if line in headers]
    for mark in COMMENTS:
        rest = _lines(data, start, mark.encode())
        strays += [(at, line, _COMMENT) for at, line in rest if line not in headers and not is_row(line)]
    found: dict[str, list[str]] = {_AGAIN: [], _COMMENT: []}
    pieces, last, number = [], 0, 1
    for at, line, what in sorted(strays):
        number += data.count(b"\n", last, at)
        found[what].append(str(number))
        pieces.append(data[last:at])
        last = at + len(line)
    return b"".join([*pieces, data[last:]]) if strays else data, tuple(
        f"{'Line' if len(lines) == 1 else 'Each of the lines'} {listed(lines, 4)} {what}: no frame, left out."
        for what, lines in found.items()
        if lines
    )


def _lines(data: bytes, start: int, mark: bytes) -> Iterator[tuple[int, bytes]]:
    """Where each line after ``start`` begins that begins with a mark, and the line."""
    at = max(start - 1, 0) if data.find(mark[:1], start) >= 0 else len(data)  # one byte is found much faster than two
    while (at := data.find(b"\n" + mark, at)) >= 0:
        end = data.find(b"\n", at + 1)
        end = len(data) if end < 0 else end
        yield at + 1, data[at + 1 : end].rstrip(b"\r")
        at = end
