"""The tables of a split on disk: rows, columns and dialect of the input, in the digits that the input justifies."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Literal

import numpy as np
import pandas as pd

from rpca_affect.results.writers import Column, Dialect, open_table

__all__ = ["PARTS", "Digits", "TableForm", "guarded", "table_names", "tables_beside", "unguarded"]

PARTS = ("base", "transient", "residual", "mask")
CHUNK = 1 << 17  # cells that are rounded and written at a time: a few megabytes for each table
SAMPLE = 1000  # frames that tell how many decimals the input has
GUARD = 2  # decimals beyond those of the input
BELOW_NOISE = 7  # decimal places below the noise, where the input has no last digit of its own
FULL = 17  # significant digits that give a double back to the last bit
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula


@dataclass(frozen=True)
class TableForm:
    """How tables are written.

    Attributes
    ----------
    table : {"csv", "parquet"}
    digits : "auto" or int
        Significant digits of every number, 17 for all there are; ``"auto"`` rounds each feature at the decimal that its
        input justifies: two more than the input has, and no more than seven below its noise.
    missing : {"interpolate", "NA"}
        What stands in a cell that was not observed: the prediction of the base, and 0 in transient and residual; or
        nothing in all three.
    """

    table: Literal["csv", "parquet"] = "csv"
    digits: int | Literal["auto"] = "auto"
    missing: Literal["interpolate", "NA"] = "interpolate"

    def __post_init__(self) -> None:
        if self.table not in ("csv", "parquet"):
            raise ValueError(f"table is {self.table!r}: give 'csv' or 'parquet'")
        if self.digits != "auto" and not (isinstance(self.digits, int) and 1 <= self.digits <= FULL):
            raise ValueError(f"digits is {self.digits!r}: give 'auto' or significant digits from 1 to {FULL}")
        if self.missing not in ("interpolate", "NA"):
            raise ValueError(f"missing is {self.missing!r}: give 'interpolate' or 'NA'")


def table_names(recording: Any, table: str = "csv") -> tuple[str, ...]:
    """Names of the files that `tables_beside` writes: ``.tsv`` where the input is separated by tabs.

    Parameters
    ----------
    recording : Recording
    table : {"csv", "parquet"}

    Returns
    -------
    tuple of str
        Base, transient, residual, mask, events; the events are always comma-separated text.
    """
    ending = table
    if table == "csv":
        ending = {",": "csv", ";": "csv", "\t": "tsv"}.get(recording.meta.get("separator", ","), "txt")
    return (*(f"{name}.{ending}" for name in PARTS), "events.csv")


@contextmanager
def tables_beside(split: Any, folder: Path, form: TableForm | None = None) -> Iterator[dict[str, Any]]:
    """Write the events, and base, transient, residual and mask beside what is done in the context: whole at its end.

    Parameters
    ----------
    split : Split
    folder : Path
        Where the files of `table_names` are written; files of these names are replaced.
    form : TableForm, optional

    Yields
    ------
    dict
        Part of the summary about the tables: ``table``, ``digits``, ``decimals`` (fewest and most, where digits is
        "auto"), ``missing``, ``files`` and ``guarded`` (cells of events.csv that begin with =, +, - or @ and were given
        an apostrophe, so that no spreadsheet runs them).
    """
    form = TableForm() if form is None else form
    digits = Digits.of(split, form.digits)
    names = table_names(split.recording, form.table)
    stop = Event()
    with ThreadPoolExecutor(min(len(PARTS), os.cpu_count() or 1)) as pool:
        try:
            jobs = [
                pool.submit(_write_part, split, part, folder / file, form, digits, stop)
                for part, file in zip(PARTS, names)
            ]
            events, changed = guarded(_rounded_events(split.events(), form.digits))
            events.to_csv(folder / names[-1], index=False, encoding="utf-8", lineterminator="\n")
            yield {
                "table": form.table,
                "digits": form.digits,
                "decimals": digits.range,
                "missing": form.missing,
                "files": list(names),
                "guarded": changed,
            }
            for job in jobs:
                job.result()
        except BaseException:
            stop.set()  # nobody waits for tables that will be thrown away
            raise


@dataclass(frozen=True)
class Digits:
    """Where numbers are rounded: at ``decimals`` of each feature, at ``significant`` digits, or not at all."""

    decimals: np.ndarray | None = None
    significant: int | None = None

    @classmethod
    def of(cls, split: Any, digits: int | str) -> "Digits":
        """Find the digits that an input justifies, or take those that were asked for."""
        if digits != "auto":
            return cls(significant=None if digits == FULL else int(digits))
        recording = split.recording
        some = slice(None, None, max(1, recording.n_frames // SAMPLE))
        values = np.where(recording.mask[some], recording.values[some], 0.0)
        decimals = _decimals(values) + GUARD
        sigma = np.min([part.sigma for part in split.sequences], axis=0)
        with np.errstate(divide="ignore"):
            noise = np.where(sigma > 0, BELOW_NOISE - np.floor(np.log10(sigma)), np.inf)
        return cls(decimals=np.minimum(decimals, noise))

    @property
    def range(self) -> list[int] | None:
        """Fewest and most decimals; None where digits are not counted from the point."""
        if self.decimals is None or not np.isfinite(self.decimals).any():
            return None
        known = self.decimals[np.isfinite(self.decimals)]
        return [int(known.min()), int(known.max())]

    @property
    def most(self) -> int | None:
        """Decimals at which every feature is rounded; None where some need all their digits."""
        if self.decimals is None or not np.isfinite(self.decimals).all():
            return None
        return max(0, int(self.decimals.max()))

    def round(self, values: np.ndarray) -> np.ndarray:
        """Round a part, shape (frames, n_features); NaN stays, and so do numbers that need all their digits."""
        if self.decimals is not None:
            return _at(values, np.where(np.isfinite(self.decimals), self.decimals, 400.0))
        if self.significant is None:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.floor(np.log10(np.abs(values)))
        return _at(values, np.where(np.isfinite(size), self.significant - 1 - size, 400.0))


def _at(values: np.ndarray, decimals: np.ndarray | float) -> np.ndarray:
    """Round at decimals of any sign; powers of ten are exact up to 22, so this is the double next to the decimal."""
    with np.errstate(over="ignore", invalid="ignore"):
        up = 10.0 ** np.clip(decimals, 0, 22)
        down = 10.0 ** np.clip(-decimals, 0, 22)
        raised = values * up
        # A whole number at the last decimal needs no rounding; NaN is neither below nor above.
        keep = ~(np.abs(raised) < 2.0**52) | (np.abs(decimals) > 22)
        if np.any(down != 1):
            rounded = np.rint(raised / down) * down / up
        else:
            rounded = np.rint(raised, out=raised)
            rounded /= up
    return (np.where(keep, values, rounded) if keep.any() else rounded) + 0.0  # no negative zeros


def _decimals(values: np.ndarray) -> np.ndarray:
    """Decimals with which each column was written; inf where its numbers have no last digit."""
    found = np.full(values.shape[1], np.inf)
    for decimals in range(16):
        open_ = np.flatnonzero(np.isinf(found))
        if not len(open_):
            break
        column = values[:, open_]
        near = np.abs(_at(column, float(decimals)) - column) <= 4 * np.finfo(float).eps * np.abs(column)
        # With 16 significant digits any number would pass.
        counted = np.log10(np.maximum(np.abs(column).max(axis=0, initial=0.0), 1e-300)) + decimals < 15
        found[open_[near.all(axis=0) & counted]] = decimals
    return found


def _write_part(split: Any, part: str, path: Path, form: TableForm, digits: Digits, stop: Event) -> None:
    recording = split.recording
    frames, features = recording.values.shape
    step = max(1, CHUNK // max(features, 1))
    columns = list(_columns(recording, part))
    meta = recording.meta
    empty = "NA" if form.missing == "NA" else "NaN" if meta.get("separator") == " " else ""
    dialect = Dialect(meta.get("separator", ","), meta.get("decimal", "."), bool(meta.get("header", True)), empty)
    kind = np.int8 if part == "mask" else np.float64
    decimals = 0 if part == "mask" else digits.most
    with open_table(path, form.table, columns, np.dtype(kind), dialect, decimals) as write:
        for start in range(0, frames, step):
            if stop.is_set():
                return
            rows = slice(start, min(start + step, frames))
            write(rows, _cells(split, part, rows, form, digits))


def _cells(split: Any, part: str, rows: slice, form: TableForm, digits: Digits) -> np.ndarray:
    """Some rows of a part as they are written, shape (rows, n_features)."""
    known = split.recording.mask[rows]
    if part == "mask":
        return known.astype(np.int8)
    if part == "residual" and digits.decimals is not None:
        # The input less the two other tables, so that the three add up to it in the digits that are written.
        others = digits.round(split.base_values[rows]) + digits.round(split.transient_values[rows])
        with np.errstate(invalid="ignore"):
            cells = np.where(known, digits.round(split.recording.values[rows] - others), 0.0)
    else:
        cells = digits.round(getattr(split, f"{part}_values")[rows])
    return np.where(known, cells, np.nan) if form.missing == "NA" else cells


def _columns(recording: Any, part: str) -> Iterator[Column]:
    """The columns of the input in its order: row names, features by their position, and all others as they were."""
    meta = recording.meta
    index = meta["index"]
    if not index.equals(pd.RangeIndex(len(index))) or index.names != [None]:  # row numbers say nothing
        for level in range(index.nlevels):
            label = index.names[level]
            if label in meta["columns"]:  # a level that was taken along as a column
                continue
            yield Column("" if label is None else str(label), others=pd.Series(index.get_level_values(level)))
    place = {label: k for k, label in enumerate(meta["feature_columns"])}
    rest = meta["passthrough"]
    for label in meta["columns"]:
        if label in place:
            yield Column(str(label), feature=place[label])
            continue
        column = rest[label]
        if label in meta["left_out"]:
            if part == "mask":
                column = column.notna().astype(np.int8)
            elif part != "base":  # a column that was not decomposed is its own base
                column = column.where(column.isna(), 0.0)
        yield Column(str(label), others=column)


def _rounded_events(events: pd.DataFrame, digits: int | str) -> pd.DataFrame:
    """Events with their sizes in six digits, or in those that were asked for; times have six decimals already."""
    sizes = [name for name in ("peak", "peak_sigma", "energy") if name in events]
    wanted = Digits(significant=6 if digits == "auto" else None if digits == FULL else int(digits))
    return events.assign(**{name: wanted.round(events[name].to_numpy(dtype=float)) for name in sizes})


def guarded(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Put an apostrophe before every text that a spreadsheet would take for a formula, and count them.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    DataFrame, int
    """
    changed = 0
    fresh = table.copy()
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name]):
            continue
        text = table[name].astype(str)
        risky = text.str.startswith(DANGEROUS) & table[name].notna()
        if risky.any():
            fresh[name] = table[name].where(~risky, "'" + text)
            changed += int(risky.sum())
    return fresh, changed


def unguarded(column: pd.Series) -> pd.Series:
    """Texts of a column without the apostrophe that `guarded` put before them."""
    marks = tuple(f"'{mark}" for mark in DANGEROUS)
    return column.map(lambda cell: cell[1:] if isinstance(cell, str) and cell.startswith(marks) else cell)
