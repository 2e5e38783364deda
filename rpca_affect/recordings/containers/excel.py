"""Excel workbooks to Table, by openpyxl: one sheet, with its header found as in text."""

import datetime
import io
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from rpca_affect.refusals import Notice, Setting

from ..phrases import listed
from ..recording import RecordingError
from ..tables import Table
from .arrays import missing
from .below import without_notes
from .dialect import Dialect, dialect_of_rows
from .rows import Row
from .source import Source

KINDS = ("xlsx",)
_UNEVEN = 0.1  # share of its rows by which a table beside another differs from it


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read a sheet of a workbook: the one that `keys` name, or the longest."""
    try:
        import openpyxl
    except ImportError as error:
        raise missing("openpyxl", source) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of drawings and validations that are no data
            book = openpyxl.load_workbook(io.BytesIO(source.data), read_only=True, data_only=True)
            try:
                asked = [sheet.title for sheet in book.worksheets if sheet.title in keys]
                sheets = {s.title: _cells(s) for s in book.worksheets if s.title in (asked or [s.title])}
            finally:
                book.close()
    except MemoryError:
        raise
    except Exception as error:  # openpyxl raises whatever XML, zip and its own checks raise
        raise source.damaged("Excel", error) from error
    filled = {title: rows for title, rows in sheets.items() if len(rows) > 1}
    if not filled:
        raise RecordingError(f"{source.name} is empty, expected a header and one row for each frame.")
    title = max(filled, key=lambda name: len(filled[name]))
    said = list(source.notices)
    if len(filled) > 1 and not asked:
        chosen = f"The sheet {title!r} was read, the longest of {len(filled)}; choose another with "
        said.append(Notice(chosen, Setting("key"), "."))
    return _table(
        source.name,
        title,
        filled[title],
        said,
        {"key": title, "members": tuple(filled)} if asked or len(filled) > 1 else {},
    )


def _cells(sheet) -> list[tuple[int, list]]:
    """Row number and cells of every row that holds anything."""
    sheet.reset_dimensions()  # programs write wrong ones
    rows = []
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = list(row)
        while cells and cells[-1] is None:
            cells.pop()
        if cells:
            rows.append((number, cells))
    return rows


def _table(name: str, title: str, rows: list[tuple[int, list]], said: list[str], form: dict) -> Table:
    width = max(len(cells) for _, cells in rows)
    head = [
        Row(n, n, "\t".join(_written(cell) for cell in cells + [None] * (width - len(cells))))
        for n, cells in rows[:400]
    ]
    start, layout = dialect_of_rows(name, head, width)
    names = layout.names
    body, notes = _without_notes(rows[start:], layout)
    if not body:
        raise RecordingError(f"{name}: sheet {title!r} has a header but no rows, expected one row for each frame.")
    columns = {}
    for i in range(width):
        cells = [cells[i] if i < len(cells) else None for _, cells in body]
        label = names[i] if i < len(names) else ""
        if not label.strip() and all(cell is None for cell in cells):
            continue  # a column of nothing, such as one between two tables
        columns[i] = (label, _column(cells))
    notes += _without_neighbours(columns, body)
    frame = pd.DataFrame({i: column for i, (_, column) in columns.items()})
    frame.columns = pd.Index([label for label, _ in columns.values()], dtype=object)
    lines = np.array([number for number, _ in body])
    return Table(frame, name, lines, (*said, *layout.notices, *notes), form)


def _without_notes(body: list[tuple[int, list]], layout: Dialect) -> tuple[list[tuple[int, list]], list[str]]:
    """Rows without means and notes below them, found as in text, and what is said about those left out."""
    if not body:
        return body, []
    texts = {number: "\t".join(map(_written, cells)) for number, cells in body}
    last = body[-1][0]
    text = "".join(f"{texts.get(number, '')}\n" for number in range(1, last + 1)).encode()
    kept, said = without_notes(text, body[0][0] - 1, layout)
    first_left = kept.count(b"\n") + 1
    return [row for row in body if row[0] < first_left], list(said)


def _without_neighbours(columns: dict[int, tuple[str, pd.Series]], body: list[tuple[int, list]]) -> list[str]:
    """Take out columns behind an empty one that end in another row than the table, and what is said about them."""
    positions = np.array(list(columns))
    blocks = np.split(positions, np.flatnonzero(np.diff(positions) > 1) + 1)
    filled = [sum(int(columns[i][1].notna().sum()) for i in block) for block in blocks]
    ends = [max(1 + int(np.flatnonzero(columns[i][1].notna()).max(initial=-1)) for i in block) for block in blocks]
    main = int(np.argmax(filled))
    said = []
    for block, end in zip(blocks, ends):
        if end and abs(end - ends[main]) > _UNEVEN * ends[main]:
            names = [columns.pop(int(i))[0] for i in block]
            said.append(
                f"Behind an empty column stand {listed(names)}, down to line {body[end - 1][0]} and not "
                f"{body[ends[main] - 1][0]}: another table, left out."
            )
    if said and ends[main] < len(body):
        del body[ends[main] :]
        columns.update({i: (label, column.iloc[: len(body)]) for i, (label, column) in columns.items()})
    return said


def _written(cell) -> str:
    return "" if cell is None else " ".join(str(cell).split())


def _column(cells: list) -> pd.Series:
    """Numbers, dates or text: a column of one kind keeps it, others become text cell by cell."""
    filled = [cell for cell in cells if cell is not None and cell != ""]
    if all(isinstance(cell, bool) for cell in filled) and filled:
        return pd.Series(cells, dtype="boolean" if len(filled) < len(cells) else bool)
    if all(isinstance(cell, (int, float)) for cell in filled):
        return pd.Series([np.nan if cell in (None, "") else float(cell) for cell in cells], dtype=float)
    if all(isinstance(cell, datetime.datetime) for cell in filled):
        return pd.Series(
            [pd.NaT if cell in (None, "") else pd.Timestamp(cell) for cell in cells], dtype="datetime64[us]"
        )
    return pd.Series([None if cell in (None, "") else str(cell).strip() for cell in cells], dtype="str")
