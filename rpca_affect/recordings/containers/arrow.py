"""Parquet and Feather files to Table, by pyarrow."""

from collections.abc import Sequence

import pandas as pd

from ..dataframes import with_index
from ..recording import RecordingError
from ..tables import Table
from .arrays import missing
from .source import Source

KINDS = ("parquet", "feather")


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read a Parquet or Feather file; a saved pandas index comes back as the index."""
    try:
        import pyarrow as pa
        from pyarrow import feather, parquet
    except ImportError as error:
        raise missing("pyarrow", source) from error
    try:
        buffer = pa.BufferReader(source.data)
        table = parquet.read_table(buffer) if source.kind == "parquet" else feather.read_table(buffer)
        lists = [field.name for field in table.schema if pa.types.is_nested(field.type)]
        if len(lists) == len(table.schema.names) or (lists and len(table.schema.names) - len(lists) <= 3):
            raise RecordingError(
                f"{source.name}: column {lists[0]!r} holds lists, expected one number in each cell; "
                "export one column for each feature."
            )
        frame = table.to_pandas()
    except RecordingError:
        raise
    except Exception as error:  # Arrow, and pandas where the saved index is damaged
        raise source.damaged(source.kind.capitalize(), error) from error
    if not isinstance(frame, pd.DataFrame):
        raise source.damaged(source.kind.capitalize(), ValueError("it holds no table"))
    frame, said = with_index(frame)
    return Table(frame, source.name, notices=(*source.notices, *said))
