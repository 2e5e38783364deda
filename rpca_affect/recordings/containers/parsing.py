"""The rows of a text as columns: parsed piece by piece by pyarrow where it is installed, by pandas otherwise."""

import re
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from types import ModuleType

import numpy as np
import pandas as pd

from ..recording import RecordingError
from .dialect import Dialect
from .rows import MISSING, SEPARATORS, Row, count, fields, is_blank, is_number, rows_of

PIECE = 1 << 23  # bytes of text that are parsed at a time: nothing as large as the table is made beside it
# From 3.1 on pandas reads every number exactly and warns of the option that older ones need for it.
_EXACT = {"float_precision": "round_trip"} if tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1) else {}
_HEX = re.compile(rb"(^|[,;\t|\s])[-+]?0[xX]", re.MULTILINE)


def parsed(name: str, data: bytes, start: int, form: Dialect, codes: frozenset[int]) -> pd.DataFrame:
    """Columns "0", "1", ... of the rows of a text from `start` on; both parsers read the same digits.

    Columns in `codes` stay text.  Rows of the wrong length are refused.
    """
    blanks_before_quotes = any(re.search(r'[,;\t|]\s+"', row.text) for row in form.body)
    quick = form.separator != " " and not blanks_before_quotes and not _hexadecimal(data, start)
    if quick and (csv := _arrow_csv()) is not None:
        from pyarrow import ArrowInvalid, ArrowTypeError

        step = _step(form)
        # All at once where a column turns out to be of another type further down.
        for size in (step, len(data)) if len(data) - start > step else (len(data),):
            try:
                return _by_arrow(csv, data, start, form, codes, size)
            except (ArrowInvalid, ArrowTypeError):
                continue
    return _by_pandas(name, data, start, form, codes)  # a word far below numbers, where there is no damage


def _hexadecimal(data: bytes, start: int) -> bool:
    """Whether some cell begins as a hexadecimal number: the pattern is only tried where its letters are."""
    there = any(data.find(mark, start) >= 0 and data.find(b"0" + mark, start) >= 0 for mark in (b"x", b"X"))
    return there and _HEX.search(data, start) is not None


@cache
def _arrow_csv() -> ModuleType | None:
    try:
        from pyarrow import csv
    except ImportError:
        return None
    return csv


def _by_arrow(csv, data: bytes, start: int, form: Dialect, codes: frozenset[int], size: int) -> pd.DataFrame:
    """Parse so many bytes at a time; what the first piece holds decides the types of decimals and texts.

    Decimals of all pieces go straight into one block, in which pandas leaves them.
    """
    import pyarrow as pa

    rows = [fields(row.text, form.separator) for row in form.body]
    texts = {i for row in rows for i, cell in enumerate(row) if not is_number(cell) and cell.strip() not in MISSING}
    kinds = {str(i): pa.string() for i in texts | codes if i < form.width}
    columns = [str(i) for i in range(form.width)]
    rest: list[pa.Table] = []
    n_rows = 0
    for first, last in _pieces(data, start, size):
        table = _piece(csv, data, first, last, form, kinds)
        if not rest:
            kinds |= {field.name: field.type for field in table.schema if field.type in (pa.float64(), pa.string())}
            decimals = [column for column in columns if kinds.get(column) == pa.float64()]
            others = [column for column in columns if kinds.get(column) != pa.float64()]
            block = np.empty((len(decimals), data.count(b"\n", start) + 1))
        for k, column in enumerate(decimals):
            block[k, n_rows : n_rows + len(table)] = table[column].to_numpy()
        n_rows += len(table)
        rest.append(table.select(others))
        del table
    table = pa.concat_tables(rest, promote_options="permissive")
    empty = [field.name for field in table.schema if pa.types.is_null(field.type)]
    frame = table.to_pandas(use_threads=False).astype(dict.fromkeys(empty, np.float64))
    if any(cell[:1].isspace() for row in rows for i, cell in enumerate(row) if i in texts):
        for i in texts - codes:
            frame[str(i)] = frame[str(i)].str.strip()
    numbers = pd.DataFrame(block[:, :n_rows].T, columns=decimals, copy=False)
    return pd.concat([numbers, frame], axis=1)[columns]


def _step(form: Dialect) -> int:
    """Bytes that are parsed at a time, several rows at least."""
    return max(PIECE, 16 * max(len(row.text) for row in form.body))


def _pieces(data: bytes, start: int, size: int) -> Iterator[tuple[int, int]]:
    """Begin and end of pieces of a text that end where a row ends."""
    while start < len(data):
        end = start + size
        end = data.rfind(b"\n", start, end) + 1 or len(data) if end < len(data) else len(data)
        if data.count(b'"', start, end) % 2:  # within a quoted cell
            end = len(data)
        yield start, end
        start = end


def _piece(csv, data: bytes, first: int, last: int, form: Dialect, kinds: dict):
    """Table of a piece of a text; what looks like a date stays as it is written, and is noted among `kinds`."""
    import pyarrow as pa

    columns = [str(i) for i in range(form.width)]
    while True:
        # On one thread: a process that ends while Arrow still starts others is aborted, and they save no time here.
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(memoryview(data)[first:last])),
            csv.ReadOptions(column_names=columns, block_size=_step(form), use_threads=False),
            csv.ParseOptions(delimiter=form.separator, newlines_in_values=data.find(b'"', first, last) >= 0),
            csv.ConvertOptions(
                column_types=kinds,
                null_values=list(MISSING),
                strings_can_be_null=True,
                decimal_point=form.decimal,
                timestamp_parsers=["\x01"],
            ),
            # Arrow's own pool keeps gigabytes of addresses, for which a limit on memory counts.
            pa.system_memory_pool(),
        )
        dated = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
        if not dated:
            return table
        kinds |= dict.fromkeys(dated, pa.string())


def _by_pandas(name: str, data: bytes, start: int, form: Dialect, codes: frozenset[int]) -> pd.DataFrame:
    check_rows(name, data, start, form)  # pandas fills short rows up
    handle = BytesIO(data)
    handle.seek(start)
    try:
        frame = pd.read_csv(
            handle,
            sep=r"\s+" if form.separator == " " else form.separator,
            header=None,
            names=range(form.width),
            index_col=False,
            dtype=dict.fromkeys(codes, str),  # type: ignore[arg-type]
            skipinitialspace=True,
            na_values=list(MISSING),
            keep_default_na=False,
            decimal=form.decimal,
            **_EXACT,  # type: ignore[call-overload]
            low_memory=False,
        )
    except (pd.errors.ParserError, ValueError, OverflowError) as error:
        raise RecordingError(f"{name} is not a table: {str(error).strip().splitlines()[-1].rstrip('.')}.") from error
    frame.columns = [str(i) for i in range(form.width)]
    return frame


def check_rows(name: str, data: bytes, start: int, form: Dialect) -> np.ndarray:
    """Line number of every row, after making sure that each has as many cells as the header has names."""
    lines = []
    for row in _later_rows(name, data, start, form):
        cells = count(row.text, form.separator)
        if cells != form.width:
            _refuse_row(name, form, row, cells)
        lines.append(row.first)
    return np.array(lines)


def _later_rows(name: str, data: bytes, start: int, form: Dialect):
    for row in rows_of(data[start:].decode(), name):
        if not is_blank(row.text):
            yield Row(row.first + form.skip, row.last + form.skip, row.text)


def _refuse_row(name: str, form: Dialect, row: Row, cells: int) -> None:
    width = len(form.names)
    found = f"{cells} cell" if cells == 1 else f"{cells} cells"
    sentence = f"{name}: line {row.first} has {found}, expected {width} (separator: {SEPARATORS[form.separator]})"
    if cells < form.width and not row.text.endswith("\n"):
        column = form.names[min(cells, width) - 1].strip()
        raise RecordingError(f"{sentence}; the file is truncated in column {column!r} of its last line.")
    digits = [cell.strip() for cell in fields(row.text, form.separator)]
    whole = sum(cell.lstrip("+-").isdigit() for cell in digits)
    if form.separator == "," and cells > 1.3 * width and whole == len(digits):
        raise RecordingError(
            f"{sentence}; the decimal mark seems to be a comma as well: export the table with semicolons between its "
            "columns, or with decimal points."
        )
    raise RecordingError(f"{sentence}.")
