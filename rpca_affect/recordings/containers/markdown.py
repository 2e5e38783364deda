"""Tables of Markdown and of Org: bars at both ends of a row, and a rule of dashes below the header."""

import re

_RULE = re.compile(rb"^[ \t]*\|?([ \t]*:?-{3,}:?[ \t]*[|+])+([ \t]*:?-{3,}:?)?[ \t]*\r?$", re.M)
_ENDS = re.compile(rb"^[ \t]*\|[ \t]*|[ \t]*\|[ \t]*(?=\r?$)", re.M)
_PADDING = re.compile(rb"[ \t]*\|[ \t]*")
_HEAD = 1 << 16


def without_bars(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The text with bars between cells only, where a rule stands below a row of names that has as many bars.

    The rule becomes a blank line, so that every row keeps its number.
    """
    for rule in _RULE.finditer(data, 0, _HEAD):
        top = data.rfind(b"\n", 0, max(rule.start() - 1, 0)) + 1
        if data.count(b"|", top, rule.start()) == rule[0].count(b"|") + rule[0].count(b"+"):
            break
    else:
        return data, ()
    cells = data[top : rule.start()] + data[rule.end() :]
    if cells.lstrip(b" \t").startswith(b"|"):  # else a bar at an end divides the last cell, an empty one
        cells = _ENDS.sub(b"", cells)
    cells = _PADDING.sub(b"|", cells)
    line = data.count(b"\n", 0, rule.start()) + 1
    return data[:top] + cells, (
        f"This is a table of Markdown: line {line}, its rule, and the bars at the ends of rows are no part of it.",
    )
