"""Small tables about recordings (participants, labels), as text: whatever separates them, and workbooks."""

import io
from pathlib import Path

import pandas as pd

__all__ = ["NOTHING", "as_numbers", "text_table"]

NOTHING = ("n/a", "", "NA")


def text_table(path: Path, called: str) -> pd.DataFrame:
    """The cells of a table as text, without spaces around the names of its columns.

    Parameters
    ----------
    path : Path
        Text separated by tabs, commas or semicolons, or an Excel workbook.
    called : str
        What it is expected to be, for the error.

    Raises
    ------
    ValueError
        If it is no table.
    """
    try:
        table = _cells(path.read_bytes())
    except (pd.errors.ParserError, UnicodeError, ValueError, KeyError, OSError) as error:
        raise ValueError(f"{path} is no {called}: {str(error).strip()}.") from error
    if table is None:
        raise ValueError(f"{path} is no {called}, expected text or an Excel workbook.")
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    return table


def _cells(data: bytes) -> pd.DataFrame | None:
    if data.startswith(b"PK"):
        return pd.read_excel(io.BytesIO(data), dtype=str, keep_default_na=False)
    for encoding in ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "windows-1252"):
        try:
            text = data.decode(encoding)
        except UnicodeError:
            continue
        # csv.Sniffer would split the lone column "clip" at its p.
        separator = max(",;\t", key=text.lstrip().partition("\n")[0].count)
        return pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False)
    return None


def as_numbers(column: pd.Series) -> pd.Series:
    """A column as numbers where all its cells are numbers, with points or with commas."""
    column = column.str.strip().mask(column.str.strip().isin(NOTHING), None)
    for cells in (column, column.str.replace(",", ".", regex=False)):
        numbers = pd.to_numeric(cells, errors="coerce")
        if numbers.notna().equals(column.notna()):
            return numbers.astype("Int64") if (numbers.dropna() % 1 == 0).all() else numbers
    return column
