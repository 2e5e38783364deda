"""Inputs for a matrix that is never loaded whole: every form becomes blocks of rows that are read once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import as_floating
from rpca_affect.extras import needed
from rpca_affect.refusals import absent

__all__ = ["Chunk", "chunks_of", "dtype_of", "opened"]

READ = 1 << 23  # bytes that are read from an .npy file at a time


class Chunk(NamedTuple):
    """Some rows that are not loaded yet.

    Attributes
    ----------
    start, stop : int
    block, mask : dask Delayed, or None
    """

    start: int
    stop: int
    block: Any
    mask: Any = None


def opened(x: Any) -> Any:
    """Return a dask array (m, n) for whatever was given; nothing is read yet."""
    path = Path(x) if isinstance(x, (str, Path)) else None
    kind = "" if path is None else _kind_of(path)  # before anybody installs dask for what it cannot read
    da = needed("rpca_affect.distributed", "dask.array")
    if path is not None:
        return da.from_zarr(str(path)) if kind == "zarr" else _of_npy(path) if kind == "npy" else _of_parquet(path)
    module = type(x).__module__.split(".")[0]
    if module == "xarray":
        if not hasattr(x, "data") or not hasattr(x, "dims"):
            raise TypeError("x is an xarray Dataset: give one of its arrays, frames x features, such as ds['features']")
        x = x.data
        module = type(x).__module__.split(".")[0]
    if hasattr(x, "to_dask_array"):
        return x.to_dask_array(lengths=True)
    if module == "zarr":
        return da.from_zarr(x)
    if isinstance(x, np.ndarray):
        return da.from_array(x, chunks=(_height(x), *x.shape[1:]), name=False)
    if not isinstance(x, da.Array):
        raise TypeError(
            f"x is a {type(x).__name__}: give a dask, zarr, xarray or NumPy array, or the path of an .npy file, "
            "a zarr store or a folder of Parquet files"
        )
    return x


def chunks_of(x: Any, mask: Any = None) -> list[Chunk]:
    """Cut a dask array (m, n), and a mask that broadcasts to it, into its blocks of whole rows."""
    import dask.array as da

    if x.ndim != 2 or any(np.isnan(axis) for axis in x.shape):
        raise ValueError(
            f"the array has {x.ndim} axes of shape {x.shape}: give frames x features of known length, "
            "x.compute_chunk_sizes() measures it"
        )
    if 0 in x.shape:
        raise ValueError(f"the matrix of shape {x.shape} is empty: at least one frame and one feature are needed")
    x = x.rechunk({1: -1})
    edges = np.cumsum([0, *x.chunks[0]])
    masks = [None] * (len(edges) - 1)
    if mask is not None:
        mask = mask.data if type(mask).__module__.startswith("xarray") else mask
        mask = mask if isinstance(mask, da.Array) else da.from_array(np.asarray(mask), name=False)
        try:
            mask = da.broadcast_to(mask, x.shape)
        except ValueError as error:
            raise ValueError(
                f"mask of shape {mask.shape} does not fit a matrix of shape {x.shape}: give one value for each cell"
            ) from error
        masks = mask.rechunk(x.chunks).to_delayed().ravel()
    blocks = x.to_delayed().ravel()
    return [Chunk(int(a), int(b), block, known) for a, b, block, known in zip(edges, edges[1:], blocks, masks) if b > a]


def dtype_of(x: Any) -> np.dtype:
    """Precision of the solve: float32 and float64 are kept, integers become float64; other things are refused."""
    return np.dtype(np.float64) if x.dtype == object else as_floating(np.empty((0, 0), x.dtype)).dtype


def _kind_of(path: Path) -> str:
    """Name what a file or folder holds, or refuse it."""
    if not path.exists():
        raise FileNotFoundError(absent(path))
    if path.suffix == ".npy":
        return "npy"
    if path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zarray")):
        return "zarr"
    if path.suffix == ".parquet" or (path.is_dir() and any(path.glob("*.parquet"))):
        return "parquet"
    raise ValueError(
        f"{path} is no .npy file, no zarr array and no folder of .parquet files: give one of these, or `decompose` a "
        "table that fits in memory"
    )


def _height(x: Any) -> int:
    return max(1, READ // max(1, int(np.prod(x.shape[1:])) * x.dtype.itemsize))


def _joined(pieces: Iterator[tuple[Any, int]], columns: tuple[int, ...], dtype: Any) -> Any:
    import dask.array as da

    arrays = [da.from_delayed(piece, shape=(rows, *columns), dtype=dtype) for piece, rows in pieces]
    return da.concatenate(arrays)


def _of_npy(path: Path) -> Any:
    import dask

    try:
        x = np.load(path, mmap_mode="r")
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as a matrix of numbers: {error}") from error
    step = _height(x)
    read = dask.delayed(_some_rows)
    edges = [(k, min(k + step, len(x))) for k in range(0, max(len(x), 1), step)]
    return _joined(((read(str(path), a, b), b - a) for a, b in edges), x.shape[1:], x.dtype)


def _some_rows(path: str, start: int, stop: int) -> np.ndarray:
    return np.array(np.load(path, mmap_mode="r")[start:stop])


def _of_parquet(path: Path) -> Any:
    import dask
    import pyarrow.parquet as pq

    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    first = pq.ParquetFile(files[0]).schema_arrow
    kinds = [_kind(field.type) for field in first]
    words = [field.name for field, kind in zip(first, kinds) if kind is None]
    if words:
        raise ValueError(f"{files[0]}: columns {', '.join(words[:5])} hold no numbers: leave them out of the files")
    floating = [kind for kind in kinds if kind is not None and kind.kind == "f"]
    dtype = np.result_type(*floating) if len(floating) == len(kinds) else np.dtype(np.float64)
    read, pieces = dask.delayed(_row_group), []
    for path in files:
        file = pq.ParquetFile(path)
        if file.schema_arrow.names != first.names:
            raise ValueError(f"{path} has other columns than {files[0]}: give files with the same columns in order")
        heights = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
        pieces += [(read(str(path), k, str(dtype)), rows) for k, rows in enumerate(heights)]
    return _joined(iter(pieces), (len(first.names),), dtype)


def _kind(kind: Any) -> np.dtype | None:
    dtype = np.dtype(kind.to_pandas_dtype())
    return dtype if dtype.kind in "fiub" else None


def _row_group(path: str, k: int, dtype: str) -> np.ndarray:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path).read_row_group(k)
    columns = [column.to_numpy(zero_copy_only=False).astype(dtype) for column in table.columns]
    return np.stack(columns, axis=1)
