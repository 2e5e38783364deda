"""A split as files in one folder, in the form of its input; `folder` puts them in their places."""

import csv
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from rpca_affect.results.identity import plain

__all__ = ["REPORT", "SUMMARY", "TABLES", "bytes_needed", "planned", "room_for", "write_files", "write_json"]

SUMMARY = "summary.json"
REPORT = "report.html"
TABLES = ("base.csv", "transient.csv", "residual.csv", "mask.csv", "events.csv")


def planned(report: bool) -> list[str]:
    """Names of the files that `write_files` writes."""
    return [*TABLES, *([REPORT] if report else []), SUMMARY]


def write_files(split: Any, folder: Path, *, report: bool, settings: dict[str, Any]) -> dict[str, Any]:
    """Write everything about a split into an empty folder and return what ``summary.json`` holds.

    Parameters
    ----------
    split : Split
    folder : Path
    report : bool
        Write ``report.html`` as well.
    settings : dict
        What was asked for; kept in the summary.

    Returns
    -------
    dict
    """
    summary = {**split.summary(), "settings": settings}
    for name in ("base", "transient", "residual", "mask"):
        _write_like_input(getattr(split, name), folder / f"{name}.csv", split.recording.meta)
    split.events().to_csv(folder / "events.csv", index=False, encoding="utf-8")
    if report:
        split.report(folder / REPORT)
    write_json(summary, folder / SUMMARY)
    return summary


def write_json(content: Any, path: Path) -> None:
    """Write readable JSON; numbers that JSON lacks become null."""
    path.write_text(json.dumps(plain(content), indent=2) + "\n", encoding="utf-8")


def bytes_needed(recording: Any) -> int:
    """Bytes that the tables of a recording take about: two of full numbers, one mostly of zeros, one of flags."""
    frames, features = recording.values.shape
    others = len(recording.meta["passthrough"].columns)
    return frames * (features * (19 + 19 + 4 + 2) + 4 * 10 * others)


def room_for(recording: Any, folder: Path) -> None:
    """Raise an OSError where the disk of a folder lacks the room for the tables: before the solve, not after it."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    needed, free = bytes_needed(recording), shutil.disk_usage(there).free
    if free < needed:
        raise OSError(
            f"the disk of {folder} has {_size(free)} left, and the results of {recording.meta['source']} need about "
            f"{_size(needed)} ({needed} bytes); nothing was written."
        )


def _size(number: float) -> str:
    power = min(int(math.log10(number) // 3), 4) if number >= 1 else 0
    return f"{number / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def _write_like_input(table: pd.DataFrame, path: Path, form: dict[str, Any]) -> None:
    """Text with the separator, decimal mark and header of the input; commas where that was no text."""
    separator = form.get("separator", ",")
    table.to_csv(
        path,
        sep=separator,
        decimal=form.get("decimal", "."),
        header=[str(label) for label in table.columns] if form.get("header", True) else False,
        index=not isinstance(table.index, pd.RangeIndex),
        encoding="utf-8",
        lineterminator="\n",
        quoting=csv.QUOTE_MINIMAL,
        na_rep="NaN" if separator == " " else "",  # between blanks an empty cell would vanish
    )
