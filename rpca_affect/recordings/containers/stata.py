"""Stata files to Table, by pandas."""

import io
from collections.abc import Sequence

import pandas as pd

from ..tables import Table
from .source import Source

KINDS = ("stata",)


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read a .dta file; numbers with labels are the words of their labels."""
    try:
        frame = pd.read_stata(io.BytesIO(source.data))
    except MemoryError:
        raise
    except Exception as error:  # struct, encodings and pandas have errors of their own
        raise source.damaged("Stata", error) from error
    labelled = [name for name, kind in frame.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]
    return Table(frame.astype(dict.fromkeys(labelled, "str")), source.name, notices=source.notices)
