"""ARFF (Weka) to Table: names from the header, rows as comma-separated text."""

import re
from collections.abc import Sequence

from ..recording import RecordingError
from ..tables import Table
from .dialect import Dialect
from .encoding import decoded
from .rows import Row
from .source import Source
from .text import read_rows

KINDS = ("arff",)
_ATTRIBUTE = re.compile(r"@attribute\s+('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\S+)\s+(.+)", re.I)


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read an ARFF file; the words of its nominal attributes stay words, ``?`` is missing."""
    data, said = decoded(source)
    names, skip = [], 0
    start = None
    for skip, line in enumerate(data.splitlines(keepends=True), start=1):
        text = line.decode().strip()
        if re.match(r"@data\b", text, re.I):
            start = skip
            break
        match = _ATTRIBUTE.match(text)
        if match:
            names.append(match[1].strip("'\""))
        elif text and not text.startswith("%") and not re.match(r"@relation\b", text, re.I):
            raise RecordingError(f"{source.name}: line {skip} is no part of an ARFF header: {text[:40]!r}.")
    if start is None or not names:
        raise RecordingError(f"{source.name} is an ARFF file without @attribute or @data, expected both.")
    lines = data.split(b"\n")
    for i in range(start, len(lines)):
        line = lines[i]
        if line.lstrip().startswith(b"{"):
            raise RecordingError(f"{source.name}: line {i + 1} is sparse ARFF, expected a number for each attribute.")
        if line.lstrip().startswith(b"%"):
            lines[i] = b""
        elif b"?" in line or b"'" in line:
            # One quote for all readers; a question mark alone in its cell is missing.
            line = re.sub(rb"(^|,)\s*\?\s*(?=,|$)", rb"\1", line.rstrip(b"\r"))
            lines[i] = line.replace(b"'", b'"') if b'"' not in line else line
    body = [line.decode() for line in lines[start:] if line.strip()][:20]
    if not body:
        raise RecordingError(f"{source.name} has a header but no rows, expected one row for each frame.")
    rows = tuple(Row(start + i + 1, start + i + 1, text) for i, text in enumerate(body))
    form = Dialect(",", tuple(names), True, start, ".", rows, 0, (), ())
    return read_rows(source.name, b"\n".join(lines), form, (*source.notices, *said))
