"""Excel workbooks to Table, by openpyxl: one sheet, with its header found as in text."""

import datetime
import io
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..recording import RecordingError
from ..tables import Table
from .arrays import missing
from .dialect import names_of_rows
from .rows import Row
from .source import Source

KINDS = ("xlsx",)


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
        said.append(f"The sheet {title!r} was read, the longest of {len(filled)}; choose another with key.")
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
    start, names, notices = names_of_rows(name, head, width)
    body = rows[start:]
    if not body:
        raise RecordingError(f"{name}: sheet {title!r} has a header but no rows, expected one row for each frame.")
    columns = {}
    for i in range(width):
        cells = [cells[i] if i < len(cells) else None for _, cells in body]
        label = names[i] if i < len(names) else ""
        if not label.strip() and all(cell is None for cell in cells):
            continue  # a column of nothing, such as one between two tables
        columns[i] = (label, _column(cells))
    frame = pd.DataFrame({i: column for i, (_, column) in columns.items()})
    frame.columns = pd.Index([label for label, _ in columns.values()], dtype=object)
    lines = np.array([number for number, _ in body])
    return Table(frame, f"{name}", lines, (*said, *notices), form)


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
