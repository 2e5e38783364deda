"""How a text file is laid out: separator, lines above the header, rows of names, decimal mark."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..cells import MEASURED
from ..recording import RecordingError
from .rows import (
    DATA,
    SEPARATORS,
    Row,
    count,
    decimal_mark,
    fields,
    is_blank,
    is_number,
    is_stated,
    is_words,
    named_otherwise,
    rows_of,
)

COMMENTS = ("#", "%", "//")
HEAD_ROWS, HEAD_CHARACTERS = 400, 4_000_000
_UNIT = re.compile(
    r"\[.*\]|\(.*\)|-|%|°c?|[mµμun]?s|sec(onds?)?|px|pixels?|[mcµμ]?m|rad|deg(rees)?|k?hz|[mµμu]?v|a\.?u\.?|bpm|db|g|"
    r"m/s(\^?2)?|n/?a|bool(ean)?|float\d*|int\d*|number|numeric|string|double|ratio|norm(alized)?|score|counts?|"
    r"\d+(\.\d+)?\s*(-|to|\.\.)\s*\d+(\.\d+)?",
    re.I,
)
# Programs that write several rows of names, and what they call them in the first cell.
_LEVELS = {"scorer", "individuals", "bodyparts", "coords"}


@dataclass(frozen=True)
class Dialect:
    """Everything that is known about a text file before its rows are read."""

    separator: str
    names: tuple[str, ...]  # one for each cell of a row, `spare` cells at the end not counted
    has_header: bool
    skip: int  # physical lines before the first row of numbers
    decimal: str
    body: tuple[Row, ...]  # first rows of data
    spare: int  # separators at the end of every row that the header does not have
    preamble: tuple[str, ...]  # lines above the header
    notices: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...] = ()  # names in several rows, as they stand there

    @property
    def width(self) -> int:
        """Cells of a row."""
        return len(self.names) + self.spare


def dialect(text: str, name: str, whole: bool = True) -> Dialect:
    """Find out how a text is laid out from its first rows.

    The rows of data decide: the separator and the number of columns are those of most of them.  The header is the
    last row of names above the first row of data; what stands above it is a preamble.  A first row of numbers only
    means that there is no header, unless it counts 0, 1, 2, ... as a table without names does.  `whole` tells that
    the text is the whole file, not its first part.
    """
    head: list[Row] = []
    size = 0
    for row in rows_of(text, name, whole):
        size += len(row.text)
        head.append(row)
        if len(head) >= HEAD_ROWS or (size > HEAD_CHARACTERS and len(head) > 12):
            break
    top = 0
    while top < len(head) and (head[top].text.startswith(COMMENTS) or not head[top].text.strip(' "\t,;\r\n')):
        top += 1
    comments = [row for row in head[:top] if row.text.strip()]
    rows = [row for row in head[top:] if not is_blank(row.text)]
    if not rows:
        raise RecordingError(f"{name} holds only comments, expected a header and one row for each frame.")
    hint = re.fullmatch(r'"?sep=(.|\\t)"?[;,\t]*', rows[0].text.strip("\r\n"), re.I)
    if hint:
        rows = rows[1:]
        if not rows:
            raise RecordingError(f"{name} has a header but no rows, expected one row for each frame.")
    given = hint[1].replace("\\t", "\t") if hint else None
    return _laid_out(name, rows, comments, given)


def _laid_out(name: str, rows: list[Row], comments: list[Row], given: str | None, width: int | None = None) -> Dialect:
    texts = [row.text for row in rows]
    separator = given if given in SEPARATORS else _separator(texts)
    notices: list[str] = []
    counts = [count(text, separator) for text in texts]
    width = width or _usual(counts)
    strays = [row for row, cells in zip(rows, counts) if row.text.startswith(COMMENTS) and cells != width > 1]
    rows = [row for row in rows if row not in strays]
    counts = [count(row.text, separator) for row in rows]
    start, levels, unit = _header(name, rows, counts, width, separator)
    body = rows[start:]
    skip = body[0].first - 1 if body else rows[-1].last
    above = [*comments, *rows[: start - len(levels) - unit]]
    preamble = tuple(row.text.strip("\r\n") for row in above)
    if levels:
        names, levels = _joined(levels)
        if len(levels) > 1:
            notices.append(f"The names stand in {len(levels)} rows and were joined, such as {names[-1]!r}.")
    else:
        names = [cell.strip() for cell in _commented(comments, separator)]
        if not comments and preamble and (other := named_otherwise(preamble[-1], width, separator)):
            names, preamble = other, preamble[:-1]
            notices.append("The names are divided by another mark than the rows.")
        elif len(names) == width and (width > 1 or not is_number(names[0])):
            preamble = preamble[:-1]  # numpy.savetxt writes its header as a comment
        else:
            names = [f"feature_{i}" for i in range(width)]
            notices.append(f"The file has no header; its columns are named feature_0 to feature_{width - 1}.")
    lines = rows[start - len(levels) - unit].first - 1 if levels else len(preamble)
    if preamble:
        said = "1 line above the header was" if lines == 1 else f"{lines} lines above the header were"
        notices.append(f"{said} skipped.")
    notices += [f"Line {row.first} is a comment: no frame, left out." for row in strays if row.first <= skip]
    if unit:
        notices.append(f"Line {rows[start - 1].first} holds units, not a frame, and was skipped.")
    names, spare = _fitted(name, list(names), [row.text for row in body[:20]], separator, notices)
    return Dialect(
        separator,
        tuple(names),
        bool(levels) or start > 0,
        skip,
        decimal_mark([row.text for row in body[:20]], separator),
        tuple(body[:20]),
        spare,
        preamble,
        tuple(notices),
        tuple(tuple(level) for level in levels) if len(levels) > 1 else (),
    )


def _commented(comments: list[Row], separator: str) -> list[str]:
    return fields(comments[-1].text.lstrip("#%/ "), separator) if comments else []


def _usual(counts: Sequence[int]) -> int:
    """The number of cells that most rows have; the later half decides, away from what stands above a header."""
    late = counts[len(counts) // 2 :] if len(counts) > 8 else counts[1:] or counts
    return Counter(late).most_common(1)[0][0]


def _separator(texts: list[str]) -> str:
    """The mark that divides most rows into the same number of cells, the header too."""
    late = texts[len(texts) // 2 :][:40] if len(texts) > 8 else texts[1:] or texts
    marks = []
    for position, mark in enumerate(SEPARATORS):
        counts = [count(text, mark) for text in late]
        usual = Counter(counts).most_common(1)[0][0]
        if usual < 2:
            continue
        # One more or less is a name that is missing, or a separator at the end of every row.
        header = any(abs(count(text, mark) - usual) <= 1 and is_words(text, mark) for text in texts[:12])
        alike = counts.count(usual) / len(counts)
        cells = [cell.strip() for text in late[:4] for cell in fields(text, mark)[:200]]
        share = sum(not cell or bool(DATA.fullmatch(cell) or MEASURED.fullmatch(cell)) for cell in cells) / len(cells)
        marks.append((share > 0.4, header, round(alike, 1), round(share, 1), alike, -position, mark))
    # Blanks after commas would make blanks a separator too, and hide a damaged row.
    firm = [mark for mark in marks if mark[-1] != " "]
    if firm:
        return max(firm)[-1]
    first = [mark for mark in SEPARATORS if mark != " " and count(texts[0], mark) > 2]
    if first and len(texts) > 1:
        return max(first, key=lambda mark: count(texts[0], mark))  # the rows are to blame, not the header
    return max(marks)[-1] if marks else ","


def _header(name: str, rows: list[Row], counts: list[int], width: int, separator: str):
    """Position of the first row of data, the rows of names above it, and whether the last of them holds units."""
    if counts[0] > 2 and width == 1 and len(rows) > 1:  # the rows are divided by something else, and are to blame
        return 1, [fields(rows[0].text, separator)], 0
    cells: dict[int, list[str]] = {}

    def of(i: int) -> list[str]:
        if i not in cells:
            cells[i] = [cell.strip() for cell in fields(rows[i].text, separator)]
        return cells[i]

    def raw(i: int) -> list[str]:
        return fields(rows[i].text, separator)

    def stated(i: int) -> bool:
        return ":" in rows[i].text and is_stated(of(i))

    def is_names(i: int) -> bool:
        found = of(i)
        filled = [cell for cell in found if cell]
        if not filled or stated(i):
            return False
        numeric = sum(DATA.fullmatch(cell) is not None for cell in filled)
        if not numeric or _counts_up(found):
            return True
        # Names differ from each other; the word for a failed frame is the same in all columns.
        return 2 * numeric <= len(filled) and len(set(filled)) == len(filled) and words_above_numbers(i)

    def words_above_numbers(i: int) -> bool:
        """Whether most columns that hold numbers in the rows below hold words here."""
        below = [of(k) for k in range(i + 1, min(i + 6, len(rows))) if counts[k] == counts[i]]
        columns = [k for k in range(counts[i]) if below and all(DATA.fullmatch(row[k]) for row in below)]
        words = sum(DATA.fullmatch(of(i)[k]) is None for k in columns)
        return not columns or 2 * words > len(columns)

    # The first row of data is the first that has the usual number of cells and is no row of names.
    near = [i for i in range(len(rows)) if counts[i] in (width, width - 1, width + 1) and not stated(i)]
    first = next((i for i in near if counts[i] == width and not is_names(i)), None)
    if first is None:  # every row could be names: a table of words only
        first = next((i + 1 for i in near), 1)
        return min(first, len(rows)), [raw(first - 1)], 0
    named: list[int] = []
    i = first - 1
    while i in near and is_names(i) and len(named) < 6:
        named.insert(0, i)
        i -= 1
    if not named:
        return _without_names(name, rows, counts, first, width, separator, is_names)
    # Rows of names where something failed (FIND_FAILED) stand below the header, not above it.
    same = [i for i in named if counts[i] == width] or named
    last = of(same[-1])
    if not _repeats(last):  # a row that names less than half of the columns is a title
        filled = sum(map(bool, last))
        same = [i for i in same if i == same[-1] or 2 * sum(map(bool, of(i))) > filled]
    if len(same) > 1 and not _repeats(of(same[-2])) and not _titled(of(same[-2])) and _units(of(same[-1])):
        return first, [raw(same[-2])], 1
    if of(same[0])[0].casefold() in _LEVELS or _repeats(of(same[0])) or (len(same) > 1 and _repeats(last)):
        return first, [of(i) for i in same], 0
    if len(same) > 1:
        header = same[0] if all(_repeats(of(i)) for i in same[1:]) else same[-1]
        return (header + 1 if header != same[-1] else first), [raw(header)], 0
    return first, [raw(same[0])], 0


def _without_names(name, rows, counts, first, width, separator, is_names):
    """A table whose first row of data has no row of names above: no header, or one of another length."""
    above = first - 1
    if above >= 0 and counts[above] > 1 and is_names(above):
        return first, [fields(rows[above].text, separator)], 0  # refused row by row
    if above >= 0 and counts[above] > 1 and counts[above] != width:
        cells = [cell.strip() for cell in fields(rows[above].text, separator)]
        if sum(is_number(cell) for cell in cells) > 0.5 * len(cells):
            raise RecordingError(
                f"{name}: line {rows[above].first} has {counts[above]} cells, expected {width} "
                f"(separator: {SEPARATORS[separator]})."
            )
    cells = [cell.strip() for cell in fields(rows[first].text, separator)]
    if any(not is_number(cell) and not DATA.fullmatch(cell) for cell in cells[:1]) and first == 0 and len(rows) > 1:
        texts = sum(not is_number(cell) for cell in cells)
        if texts <= 0.5 * len(cells):
            raise RecordingError(
                f"{name}: line {rows[first].first} looks like a row of data, expected a header with names."
            )
    return first, [], 0


def _counts_up(cells: list[str]) -> bool:
    """Whether the numbers among the names count 0, 1, 2, ... or rise, as the names of an embedding do."""
    numbers = [cell for cell in cells if cell and DATA.fullmatch(cell)]
    if len(numbers) < 2 or not all(is_number(cell) for cell in numbers):
        return False
    if len(numbers) == len(cells) and numbers != [str(i) for i in range(len(numbers))]:
        return False
    words = [cell for cell in cells if cell and not DATA.fullmatch(cell)]
    steps = [float(cell.replace(",", ".")) for cell in numbers]
    whole = all(cell.isdigit() for cell in numbers) and numbers == [
        str(int(numbers[0]) + i) for i in range(len(numbers))
    ]
    rising = len(numbers) > 4 and bool(words) and all(a < b for a, b in pairwise(steps))
    return whole or rising


def _repeats(cells: list[str]) -> bool:
    filled = [cell for cell in cells[1:] if cell]
    return len(filled) > len(set(filled)) and len(filled) > 1


def _units(cells: list[str]) -> bool:
    """Whether a row holds units, of most columns, and nothing else."""
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(_UNIT.fullmatch(cell) for cell in filled)


def _titled(cells: list[str]) -> bool:
    """Whether a row says things about the file, "title: session", rather than naming columns."""
    return sum(":" in cell for cell in cells) > 0.4 * len(cells)


def _joined(levels: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """One name for each column from one or more rows of names; levels that are the same everywhere say nothing."""
    if len(levels) == 1:
        return levels[0], levels
    first = ""
    if levels[-1][0] and not any(levels[-1][1:]):  # pandas writes the name of the index in a row of its own
        first, levels = levels[-1][0], levels[:-1]
    width = max(map(len, levels))
    levels = [level + [""] * (width - len(level)) for level in levels]
    for level in levels[:-1]:  # programs write a name once above the columns it stands for
        for i in range(2, width):
            level[i] = level[i] or level[i - 1]
    telling = [level for level in levels if len({cell for cell in level[1:] if cell}) > 1]
    names = ["_".join(cell for level in telling if (cell := level[i])) for i in range(1, width)]
    return [first, *names], levels


def _fitted(name: str, names: list[str], texts: list[str], separator: str, notices: list[str]) -> tuple[list[str], int]:
    """Names for every cell of a row where the header has one more or less than the rows."""
    if not texts:
        return names, 0
    counts = {count(text, separator) for text in texts}
    if counts == {len(names) - 1} and not names[-1].strip():
        return names[:-1], 0
    if counts != {len(names) + 1}:
        return names, 0
    rows = [fields(text, separator) for text in texts]
    if not any(row[-1].strip() for row in rows):
        notices.append("Every row ends with a separator that the header does not have; it was ignored.")
        return names, 1
    # R's write.table gives its row names no header, and some programs none to their first column, the time.
    firsts = [row[0].strip() for row in rows]
    quoted = all(text.lstrip().startswith('"') for text in texts)
    numbers = [float(cell) for cell in firsts if cell and is_number(cell) and "," not in cell]
    steps = [a <= b for a, b in pairwise(numbers)]
    rises = separator in " \t" and len(numbers) == len(firsts) and sum(steps) >= 0.8 * len(steps)
    said = re.match(r"(?i)\s*(frame|index|row|id\b|time|t$|sample)", names[0])
    if (quoted or rises or not numbers) and not said:
        notices.append("The header has one name less than the rows have cells: the first column has no name.")
        return ["", *names], 0
    return names, 0  # refused at the first row


def dialect_of_rows(name: str, rows: list[Row], width: int) -> tuple[int, Dialect]:
    """Position of the first row of data and layout of a sheet whose rows are tab-separated and of one width."""
    form = _laid_out(name, rows, [], "\t", width)
    return next((i for i, row in enumerate(rows) if row.last > form.skip), len(rows)), form
