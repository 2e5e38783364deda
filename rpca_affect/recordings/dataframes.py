"""DataFrames of other libraries as pandas tables: names, index, time and masks stay with the numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.arrays import unmasked

from .names import CLOCK, COUNTER, words_of
from .recording import RecordingError


def is_table(source: Any) -> bool:
    """Whether an object is a table with named columns, of whatever library."""
    return (
        isinstance(source, (pd.DataFrame, Mapping))
        or _is_records(source)
        or _is_xarray(source)
        or hasattr(source, "__dataframe__")
        or (
            _home(source) in ("polars", "pyarrow", "dask", "narwhals", "duckdb", "ibis", "pyspark", "modin", "cudf")
            and hasattr(type(source), "columns")  # a lazy frame would look for them
        )
    )


def to_pandas(source: Any) -> pd.DataFrame:
    """Pandas DataFrame of a table of pandas, polars, pyarrow, dask, xarray, a mapping of columns or rows by name.

    Raises
    ------
    RecordingError
        If the object is no table.
    """
    if isinstance(source, pd.DataFrame):
        return source
    if _is_xarray(source):
        return _from_xarray(source)
    if isinstance(source, Mapping) or _is_records(source):
        try:
            return pd.DataFrame(dict(source) if isinstance(source, Mapping) else source)
        except ValueError as error:
            raise RecordingError(f"The columns given do not make a table: {error}.") from error
    if _home(source) == "dask":
        return source.compute()  # keeps the index, which narwhals does not know
    import narwhals.stable.v2 as nw

    try:
        frame = nw.from_native(source)
    except TypeError as error:
        raise RecordingError(f"A {type(source).__name__} is no table, expected a DataFrame.") from error
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    return frame.to_pandas()


def with_index(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Table with the levels of its index as columns too, where they say more than when, and a sentence about it.

    An index without a name counts rows, and one of times is the time of the table: they stay what they are.
    """
    index = frame.index
    named = index.name is not None and not isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex))
    if not isinstance(index, pd.MultiIndex) and (not named or set(words_of(str(index.name))) & CLOCK):
        return frame, ()
    levels = [f"level_{k}" if name is None else name for k, name in enumerate(index.names)]
    taken = [k for k, name in enumerate(levels) if name not in frame.columns]
    if frame.columns.nlevels > 1 or not taken:
        return frame, ()
    columns = {levels[k]: index.get_level_values(k).to_numpy() for k in taken}
    said = f"The index was taken along as columns: {', '.join(str(levels[k]) for k in taken)}."
    return pd.concat([pd.DataFrame(columns, index=index), frame], axis=1), (said,)


def with_mask(array: Any) -> tuple[Any, np.ndarray | None]:
    """Array and, for a NumPy masked array, True where a cell counts; its masked cells become NaN."""
    if not isinstance(array, np.ma.MaskedArray):
        return array, None
    values = unmasked(array) if array.dtype.kind in "biuf" else np.asarray(array.data)
    return values, ~np.ma.getmaskarray(array)


def _home(source: Any) -> str:
    return type(source).__module__.partition(".")[0]


def _is_records(source: Any) -> bool:
    """Whether rows name their cells: a structured array, or a list of mappings."""
    if isinstance(source, np.ndarray):
        return source.dtype.names is not None and source.ndim == 1
    return isinstance(source, (list, tuple)) and bool(source) and all(isinstance(row, Mapping) for row in source)


def _is_xarray(source: Any) -> bool:
    return _home(source) == "xarray" and hasattr(source, "dims")


def _from_xarray(source: Any) -> pd.DataFrame:
    """Rows are the time dimension (the first where none is named so); coordinates along it are columns."""
    if hasattr(source, "data_vars"):
        return _from_dataset(source)
    if source.ndim != 2:
        raise RecordingError(f"The DataArray has the dimensions {tuple(source.dims)}, expected two: time and feature.")
    rows = _row_dimension(source.dims)
    columns = next(dim for dim in source.dims if dim != rows)
    values = source.transpose(rows, columns)
    labels = values[columns].to_index() if columns in values.coords else None
    names = [f"{columns}_{i}" for i in range(values.shape[1])] if labels is None else [str(label) for label in labels]
    frame = pd.DataFrame(np.asarray(values), columns=pd.Index(names, dtype=object), index=_index(values, rows))
    return _with_coordinates(frame, values, rows)


def _from_dataset(source: Any) -> pd.DataFrame:
    rows = _row_dimension(tuple(source.sizes))
    found: dict[str, Any] = {}
    for name, variable in source.data_vars.items():
        if rows not in variable.dims or variable.ndim > 2:
            raise RecordingError(
                f"The variable {name!r} has the dimensions {variable.dims}, expected {rows!r} and at most one more."
            )
        if variable.ndim == 1:
            found[str(name)] = np.asarray(variable)
            continue
        other = next(dim for dim in variable.dims if dim != rows)
        labels = variable[other].to_index() if other in variable.coords else range(variable.sizes[other])
        cells = np.asarray(variable.transpose(rows, other))
        single = sum(v.ndim == 2 for v in source.data_vars.values()) == 1
        found |= {str(label) if single and other in variable.coords else f"{name}_{label}": cells[:, k]
                  for k, label in enumerate(labels)}  # fmt: skip
    return _with_coordinates(pd.DataFrame(found, index=_index(source, rows)), source, rows)


def _row_dimension(dims) -> Any:
    named = [dim for dim in dims if set(words_of(str(dim))) & (CLOCK | COUNTER | {"t"})]
    return named[0] if named else dims[0]


def _index(source: Any, rows: Any) -> pd.Index:
    return source[rows].to_index() if rows in source.coords else pd.RangeIndex(source.sizes[rows])


def _with_coordinates(frame: pd.DataFrame, source: Any, rows: Any) -> pd.DataFrame:
    extra = {
        str(name): np.asarray(coordinate)
        for name, coordinate in source.coords.items()
        if name != rows and coordinate.dims == (rows,) and str(name) not in frame.columns
    }
    return frame.assign(**extra) if extra else frame
