"""A split as files in one folder, in the form of its input; `folder` puts them in their places."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

from rpca_affect.results.identity import plain
from rpca_affect.results.tables import PARTS, TableForm, write_tables

__all__ = ["REPORT", "SUMMARY", "TABLES", "bytes_needed", "planned", "room_for", "write_files", "write_json"]

SUMMARY = "summary.json"
REPORT = "report.html"
TABLES = (*(f"{part}.csv" for part in PARTS), "events.csv")


def planned(report: bool, *, table: str = "csv", **_: Any) -> list[str]:
    """Names of the files that `write_files` writes, of an input whose separator is not known yet."""
    return [*(f"{part}.{table}" for part in PARTS), "events.csv", *([REPORT] if report else []), SUMMARY]


def write_files(split: Any, folder: Path, *, report: bool, settings: dict[str, Any], **form: Any) -> dict[str, Any]:
    """Write everything about a split into an empty folder and return what ``summary.json`` holds.

    Parameters
    ----------
    split : Split
    folder : Path
    report : bool
        Write ``report.html`` as well.
    settings : dict
        What was asked for; kept in the summary.
    **form
        How the tables are written; see `rpca_affect.results.tables.TableForm`.

    Returns
    -------
    dict
    """
    summary = {**split.summary(), "settings": settings}
    summary["tables"] = write_tables(split, folder, TableForm(**form))
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
