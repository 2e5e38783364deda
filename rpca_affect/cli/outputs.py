"""Results on disk: tables in the form of the input, all or nothing, the summary last as the sign that all is there."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from rpca_affect.results.tables import PARTS, write_tables

__all__ = ["finished", "save_split", "write_json"]

SUMMARY = "summary.json"
TABLES = tuple(f"{part}.csv" for part in PARTS)
FILES = (*TABLES, "events.csv", "report.html", SUMMARY)
OTHERS = tuple(f"{part}.{ending}" for part in PARTS for ending in ("tsv", "txt", "parquet"))


def finished(folder: Path) -> dict[str, Any] | None:
    """Summary of the results in a folder, or None where they are not there or not complete."""
    try:
        found = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and all((folder / name).exists() for name in _tables(found)) else None


def _tables(summary: dict[str, Any]) -> list[str]:
    return summary.get("tables", {}).get("files", [*TABLES])


def save_split(split: Any, folder: Path, *, report: bool, settings: dict[str, Any]) -> dict[str, Any]:
    """Write everything about a split into a folder.

    The files are written to a hidden folder beside their place and then renamed, the summary last: whoever finds a
    summary finds complete tables, and an interrupted run leaves none.

    Parameters
    ----------
    split : Split
    folder : Path
        Made when it is not there.
    report : bool
        Write ``report.html`` as well.
    settings : dict
        What was asked for; kept in the summary, so that a later run can tell whether it asks for the same.

    Returns
    -------
    dict
        What ``summary.json`` holds.
    """
    summary = {**split.summary(), "settings": settings}
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".writing-"))
    try:
        summary["tables"] = write_tables(split, temporary)
        if report:
            split.report(temporary / "report.html")
        write_json(summary, temporary / SUMMARY)
        (folder / SUMMARY).unlink(missing_ok=True)
        for name in (*OTHERS, *FILES):
            if (temporary / name).exists():
                os.replace(temporary / name, folder / name)
            else:
                (folder / name).unlink(missing_ok=True)  # of an earlier run: it would not belong to these tables
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return summary


def write_json(content: Any, path: Path) -> None:
    """Write readable JSON."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")
