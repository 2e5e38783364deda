"""SPSS files to Table, by pyreadstat."""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..tables import Table
from .arrays import missing
from .source import Source

KINDS = ("sav",)


def load(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read a .sav or .zsav file; user-defined missing values are missing."""
    try:
        import pyreadstat
    except ImportError as error:
        raise missing("pyreadstat", source) from error
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = source.path
        if path is None or not path.is_file():
            path = Path(folder) / "unpacked.sav"
            path.write_bytes(source.data)
        try:
            frame, _ = pyreadstat.read_sav(str(path), user_missing=False)
        except MemoryError:
            raise
        except Exception as error:  # ReadstatError, and what its conversions raise
            raise source.damaged("SPSS", error) from error
    return Table(frame, source.name, notices=source.notices)
