"""Rows of a table to a file, a chunk at a time: as text, or as Parquet."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.extras import needed
from rpca_affect.results.numerals import PAD, numerals, padded

__all__ = ["Column", "Dialect", "open_table"]

LETTERS = 1 << 24  # of text that are laid beside each other at a time

Write = Callable[[slice, np.ndarray], None]


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table: its name, and the feature that stands in it or the cells that are not of a feature."""

    name: str
    feature: int | None = None
    others: pd.Series | None = None


@dataclass(frozen=True)
class Dialect:
    """Separator, decimal mark, whether names stand on top, and the content of an empty cell."""

    separator: str = ","
    decimal: str = "."
    header: bool = True
    empty: str = ""


@contextmanager
def open_table(
    path: Path, table: str, columns: list[Column], kind: np.dtype, dialect: Dialect, decimals: int | None = None
) -> Iterator[Write]:
    """Open a table for writing.

    Parameters
    ----------
    path : Path
    table : {"csv", "parquet"}
        ``"csv"`` stands for delimited text with any separator.
    columns : list of Column
    kind : dtype
        Of the features.
    dialect : Dialect
        Of the text.
    decimals : int, optional
        At which the features are rounded, where that is known: such numbers become text much faster.

    Yields
    ------
    callable
        Takes a slice of rows and the features there, shape (rows, n_features).

    Raises
    ------
    ImportError
        If Parquet is wanted and pyarrow is not there.
    """
    if table == "parquet":
        with _parquet(path, columns, kind) as write:
            yield write
        return
    with path.open("wb") as file:
        if dialect.header:
            file.write(_line([column.name for column in columns], dialect.separator))
        yield _text(file, columns, decimals, dialect)


def _line(names: list[str], separator: str) -> bytes:
    from io import StringIO

    text = StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator="\n").writerow(names)
    return text.getvalue().encode("utf-8")


def _plain(column: pd.Series) -> pd.Series:
    """Numbers as they are, everything else as the text that pandas writes; nothing where nothing was."""
    kind = column.dtype
    if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
        return column
    text = column.astype(object)
    return text.map(str).where(column.notna(), None)


def _batches(pa: Any, columns: list[Column], kind: np.dtype) -> tuple[Any, Callable[[slice, np.ndarray], Any]]:
    others = {
        k: pa.array(_plain(column.others), from_pandas=True)
        for k, column in enumerate(columns)
        if column.others is not None
    }
    number = pa.from_numpy_dtype(kind)
    types = [others[k].type if k in others else number for k in range(len(columns))]
    types = [pa.string() if pa.types.is_null(type_) else type_ for type_ in types]
    schema = pa.schema([pa.field(column.name, type_) for column, type_ in zip(columns, types)])

    def batch(rows: slice, values: np.ndarray) -> Any:
        by_feature = np.ascontiguousarray(values.T)
        cells = [
            others[k][rows].cast(types[k]) if k in others else pa.array(by_feature[column.feature], from_pandas=True)
            for k, column in enumerate(columns)
        ]
        return pa.record_batch(cells, schema=schema)

    return schema, batch


@contextmanager
def _parquet(path: Path, columns: list[Column], kind: np.dtype) -> Iterator[Write]:
    pa, parquet = needed("Parquet", "pyarrow"), needed("Parquet", "pyarrow.parquet")
    named = [Column(column.name or f"index_{k}", column.feature, column.others) for k, column in enumerate(columns)]
    schema, batch = _batches(pa, named, kind)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda rows, values: writer.write_batch(batch(rows, values))


def _text(file: Any, columns: list[Column], decimals: int | None, dialect: Dialect) -> Write:
    """Rows as text: words of one length beside each other, without the padding that fills them up."""
    others = {k: _words(column.others, dialect) for k, column in enumerate(columns) if column.others is not None}
    separator, empty = dialect.separator.encode(), dialect.empty.encode()
    order = [column.feature for column in columns if column.feature is not None]
    runs = [(kind, len(list(run))) for kind, run in groupby(range(len(columns)), others.__contains__)]
    width = sum(max(map(len, words), default=0) for words in others.values()) + 16 * len(order)
    most = max(1, LETTERS // width)

    def write(rows: slice, values: np.ndarray) -> None:
        for first in range(rows.start, rows.stop, most):
            some = slice(first, min(first + most, rows.stop))
            lay_out(some, values[some.start - rows.start : some.stop - rows.start])

    def lay_out(rows: slice, values: np.ndarray) -> None:
        cells = numerals(values[:, order], decimals, dialect.decimal, empty)
        blocks, column, feature = [], 0, 0
        for other, count in runs:
            if other:
                blocks += [_ended(padded(others[k][rows])[:, None], separator) for k in range(column, column + count)]
            else:
                blocks.append(_ended(cells[:, feature : feature + count], separator))
                feature += count
            column += count
        letters = np.concatenate(blocks, axis=1)
        letters[:, -1] = ord("\n")
        file.write(letters.tobytes().translate(None, PAD))

    return write


def _ended(words: np.ndarray, separator: bytes) -> np.ndarray:
    """Letters of words, shape (rows, letters), each word with the separator behind it."""
    ended = np.empty(words.shape, dtype=[("word", words.dtype), ("end", "S1")])
    ended["word"], ended["end"] = words, separator
    return ended.view(np.uint8)


def _words(column: pd.Series, dialect: Dialect) -> list[bytes]:
    """The cells of a column that is no feature."""
    plain = _plain(column)
    empty = dialect.empty.encode()
    kind = plain.dtype.kind if isinstance(plain.dtype, np.dtype) else "O"
    if kind in "iu":
        return [b"%d" % cell for cell in plain.tolist()]
    if kind == "f":
        words = numerals(plain.to_numpy()[:, None], None, dialect.decimal, empty)[:, 0]
        return [word.replace(PAD, b"") for word in words.tolist()]
    special = (dialect.separator, '"', "\n", "\r")
    return [empty if cell is None or cell is pd.NA else _quoted(str(cell), special) for cell in plain]


def _quoted(text: str, special: tuple[str, ...]) -> bytes:
    if any(mark in text for mark in special):
        text = '"' + text.replace('"', '""') + '"'
    return text.encode()
