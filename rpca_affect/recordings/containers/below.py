"""Lines below a table: notes, and rows such as "Mean" and "SD" that sum its columns up."""

import re
from itertools import pairwise

from ..cells import DASHES, MISSING
from .dialect import Dialect
from .rows import DATA, Row, fields, is_blank, is_number

_FEW, _SHARE = 5, 0.01  # rows that may stand below a table, whichever is more
# A word, several of them, or n alone: one letter else is more likely a slip in a row of data.
_WORD = re.compile(r"[nN]|[^\W\d_].*[^\W\d_].*|[^\W\d_]\W.*", re.DOTALL)


def without_notes(data: bytes, start: int, form: Dialect) -> tuple[bytes, tuple[str, ...]]:
    """The text without what stands below its last row of data, and a notice that names the lines left out.

    A row stands below when the cell of its clock or counter is a word, no other clock or counter runs on in it, and no
    row of data follows.  Such rows must be few; one whose clock is a number or empty is never one of them.
    """
    clocks = _clocks_of(form)
    if not clocks:
        return data, ()
    found: list[tuple[int, list[str]]] = []  # where each begins, and its cells
    end, last = len(data), None
    while end > start and last is None:
        begin = data.rfind(b"\n", start, end - 1) + 1 or start
        text = data[begin:end].decode()
        if not is_blank(text):
            cells = [cell.strip() for cell in fields(text, form.separator)]
            if _is_note(text, cells, clocks[0]):
                found.append((begin, cells))
            else:
                last = cells
        end = begin
    if not found or last is None or any(_runs_on(cells, last, clocks[1:]) for _, cells in found):
        return data, ()
    cut = found[-1][0]
    if len(found) > max(_FEW, _SHARE * data.count(b"\n", start, cut)):
        return data, ()
    lines = [data.count(b"\n", 0, begin) + 1 for begin, _ in reversed(found)]
    words = ", ".join(repr(cells[0][:40]) for _, cells in reversed(found[-3:]))
    where = f"Line {lines[0]}" if len(lines) == 1 else f"Lines {lines[0]} to {lines[-1]}"
    called = form.names[clocks[0]] or f"column {clocks[0] + 1}"
    return data[:cut], (
        f"{where} below the table ({words}{', ...' if len(found) > 3 else ''}) "
        f"{'has' if len(lines) == 1 else 'have'} a word where {called} has numbers: no frame, left out.",
    )


def _clocks_of(form: Dialect) -> list[int]:
    """Positions of the columns whose numbers rise, over rows that no note stands among."""
    rows = [[cell.strip() for cell in fields(row.text, form.separator)] for row in _upper(form.body)]
    if len(rows) < 3 or form.separator == " ":
        return []
    found = []
    for i in range(min(len(form.names), *map(len, rows))):
        cells = [row[i] for row in rows]
        if not all(cell and DATA.fullmatch(cell) for cell in cells):
            continue
        numbers = [number for cell in cells if (number := _number(cell)) is not None]
        if not numbers or (len(numbers) == len(cells) and all(a < b for a, b in pairwise(numbers))):
            found.append(i)  # times of day and dates are no numbers
    return found


def _number(cell: str) -> float | None:
    return float(cell.replace(",", ".")) if cell and is_number(cell) else None


def _runs_on(cells: list[str], last: list[str], clocks: list[int]) -> bool:
    """Whether a clock or counter goes on from the last row of data: then this is a row of data with a slip in it."""
    for i in clocks:
        if i >= min(len(cells), len(last)) or not DATA.fullmatch(cells[i]):
            continue
        now, before = _number(cells[i]), _number(last[i])
        if now is None or before is None or now > before:
            return True
    return False


def _upper(body: tuple[Row, ...]) -> tuple[Row, ...]:
    return body[: max(3, len(body) // 2)]


def _is_note(text: str, cells: list[str], clock: int) -> bool:
    if text.count('"') % 2 or (len(cells) <= clock and clock):  # or a row of data that was cut short before its clock
        return False
    cell = cells[clock]
    if not _WORD.fullmatch(cell) or DATA.fullmatch(cell) or cell.casefold() in MISSING | DASHES:
        return False
    filled = [other for other in cells if other]
    return len(filled) == 1 or len(set(filled)) > 1  # one word in every cell says that a frame failed
