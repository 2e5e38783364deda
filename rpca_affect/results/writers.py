"""Rows of a table to a file, a chunk at a time: text by pyarrow or, with the same characters, by pandas; Parquet."""

import csv
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Column", "Dialect", "open_table", "shortest"]

Write = Callable[[slice, np.ndarray], None]


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table: its name, and the feature that stands in it or the cells that are not of a feature."""

    name: str
    feature: int | None = None
    others: pd.Series | None = None


@dataclass(frozen=True)
class Dialect:
    """Separator, decimal mark, whether names stand on top, and what stands in an empty cell."""

    separator: str = ","
    decimal: str = "."
    header: bool = True
    empty: str = ""


@contextmanager
def open_table(path: Path, table: str, columns: list[Column], kind: np.dtype, dialect: Dialect) -> Iterator[Write]:
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

    Yields
    ------
    callable
        Takes a slice of rows and the features there, shape (rows, n_features).

    Raises
    ------
    ValueError
        If Parquet is wanted and pyarrow is not there.
    """
    try:
        import pyarrow as pa
    except ImportError:
        if table == "parquet":
            raise ValueError("Parquet needs pyarrow: pip install 'rpca-affect[files]', or write csv") from None
        pa = None
    if table == "parquet":
        with _parquet(pa, path, columns, kind) as write:
            yield write
        return
    with path.open("wb") as file:
        if dialect.header:
            file.write(_line([column.name for column in columns], dialect.separator))
        if pa is None or dialect.decimal != ".":  # pyarrow knows the point only
            yield _pandas(file, columns, dialect)
            return
        with _arrow(pa, file, columns, kind, dialect) as write:
            yield write


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
def _parquet(pa: Any, path: Path, columns: list[Column], kind: np.dtype) -> Iterator[Write]:
    from pyarrow import parquet

    named = [Column(column.name or f"index_{k}", column.feature, column.others) for k, column in enumerate(columns)]
    schema, batch = _batches(pa, named, kind)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        yield lambda rows, values: writer.write_batch(batch(rows, values))


@contextmanager
def _arrow(pa: Any, file: Any, columns: list[Column], kind: np.dtype, dialect: Dialect) -> Iterator[Write]:
    from pyarrow import csv as arrow_csv

    # pyarrow finds columns by place, so names may be anything here: the header stands already.
    unnamed = [Column(str(k), column.feature, column.others) for k, column in enumerate(columns)]
    schema, batch = _batches(pa, unnamed, kind)
    special = (dialect.separator, '"', "\n", "\r")
    quoted = any(_holds(column.others, special) for column in columns if column.others is not None)
    options = arrow_csv.WriteOptions(
        include_header=False,
        delimiter=dialect.separator,
        null_string=dialect.empty,
        quoting_style="needed" if quoted else "none",
    )
    with arrow_csv.CSVWriter(file, schema, write_options=options) as writer:
        yield lambda rows, values: writer.write_batch(batch(rows, values))


def _holds(column: pd.Series, special: tuple[str, ...]) -> bool:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return False
    text = _plain(column)
    return any(bool(text.str.contains(mark, regex=False).any()) for mark in special)


def _pandas(file: Any, columns: list[Column], dialect: Dialect) -> Write:
    others = {k: _plain(column.others) for k, column in enumerate(columns) if column.others is not None}

    def number(value: Any) -> str:
        return shortest(float(value)).replace(".", dialect.decimal)

    def write(rows: slice, values: np.ndarray) -> None:
        cells = {
            k: others[k].iloc[rows].to_numpy() if k in others else values[:, column.feature]
            for k, column in enumerate(columns)
        }
        pd.DataFrame(cells).to_csv(
            file,
            sep=dialect.separator,
            header=False,
            index=False,
            float_format=number,
            na_rep=dialect.empty,
            lineterminator="\n",
            encoding="utf-8",
        )

    return write


def shortest(value: float) -> str:
    """Fewest digits that give a number back, as pyarrow writes them.

    Examples
    --------
    >>> [shortest(value) for value in (1.0, 0.00001, 1.25e-7, 1e10)]
    ['1', '0.00001', '1.25e-7', '1e+10']
    """
    if not math.isfinite(value) or value == 0:
        return "-0" if value == 0 and math.copysign(1, value) < 0 else repr(value).removesuffix(".0")
    sign = "-" if value < 0 else ""
    digits, _, power = np.format_float_scientific(abs(value), unique=True, trim="-").partition("e")
    exponent = int(power)
    if -7 < exponent < 10:
        return sign + np.format_float_positional(abs(value), unique=True, trim="-")
    return f"{sign}{digits}e{'-' if exponent < 0 else '+'}{abs(exponent)}"
