"""Lines among the rows of a table that are no rows: headers that come again, and comments."""

from ..phrases import listed
from .dialect import COMMENTS, Dialect
from .rows import count


def without_strays(data: bytes, start: int, form: Dialect) -> tuple[bytes, tuple[str, ...]]:
    """The text with blank lines for headers that come again, as in joined files, and for comments among the rows."""
    if form.width < 2:
        return data, ()
    above = [line for line in data[:start].split(b"\n") if count(line.decode(), form.separator) == form.width]
    headers = {line.rstrip(b"\r") for line in above} if form.has_header else set()
    found: dict[str, list[int]] = {"repeats the header": [], "is a comment": []}
    strays = []
    for mark in {*headers, *(mark.encode() for mark in COMMENTS)}:
        at = start - 1
        while (at := data.find(b"\n" + mark, at)) >= 0:
            end = data.find(b"\n", at + 1)
            end = len(data) if end < 0 else end
            line = data[at + 1 : end].rstrip(b"\r")
            if line in headers if mark in headers else _is_comment(line, form, headers):
                found["repeats the header" if mark in headers else "is a comment"].append(data.count(b"\n", 0, at) + 2)
                strays.append((at + 1, at + 1 + len(line)))
            at = max(end - 1, at + 1)
    for first, last in sorted(strays, reverse=True):
        data = data[:first] + data[last:]
    return data, tuple(
        f"{'Line' if len(lines) == 1 else 'Each of the lines'} {listed(map(str, sorted(lines)), 4)} {what}: no frame, "
        "left out."
        for what, lines in found.items()
        if lines
    )


def _is_comment(line: bytes, form: Dialect, headers: set[bytes]) -> bool:
    return line not in headers and count(line.decode(), form.separator) != form.width
