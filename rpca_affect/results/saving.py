"""A split as files in one folder, in the form of its input; `folder` puts them in their places."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rpca_affect.results.annotations import EXPORTS, export_events, known_program
from rpca_affect.results.features import FEATURES, feature_table
from rpca_affect.results.folder import FolderError, ResultsFolder
from rpca_affect.results.identity import identity, plain
from rpca_affect.results.settings import difference, settings_of
from rpca_affect.results.split_tables import TableForm, table_names, tables_beside

__all__ = ["REPORT", "SUMMARY", "bytes_needed", "planned", "room_for", "save", "write_files", "write_json"]

SUMMARY = "summary.json"
REPORT = "report.html"


def planned(recording: Any, *, report: bool, table: str = "csv", export: Iterable[str] = (), **_: Any) -> list[str]:
    """Names of the files that `write_files` writes."""
    pages = [REPORT] if report else []
    return [*table_names(recording, table), *(EXPORTS[name] for name in export), *pages, FEATURES, SUMMARY]


def write_files(
    split: Any,
    folder: Path,
    *,
    report: bool,
    settings: dict[str, Any],
    export: Iterable[str] = (),
    stage: Callable[[str], None] | None = None,
    **form: Any,
) -> dict[str, Any]:
    """Write everything about a split into an empty folder and return the content of ``summary.json``.

    Parameters
    ----------
    split : Split
    folder : Path
    report : bool
        Write ``report.html`` as well.
    settings : dict
        Settings of the call; kept in the summary.
    export : iterable of str
        Annotation programs to write the events for; see `rpca_affect.results.annotations.EXPORTS`.
    stage : callable, optional
        Told "report" when that begins.
    **form
        How the tables are written; see `rpca_affect.results.split_tables.TableForm`.

    Returns
    -------
    dict
    """
    with tables_beside(split, folder, TableForm(**form)) as tables:
        summary = {**split.summary(), "settings": settings, "tables": tables}
        feature_table(split).to_csv(folder / FEATURES, index=False, encoding="utf-8", lineterminator="\n")
        for program in export:
            export_events(split, folder / EXPORTS[program], program)
        if report:
            if stage is not None:
                stage("report")
            split.report(folder / REPORT)
    write_json(summary, folder / SUMMARY)
    return summary


def save(split: Any, folder: Any, *, report: bool, overwrite: bool, export: Iterable[str] = (), **form: Any) -> Path:
    """Write everything about a split into a folder, whole or not at all; see `rpca_affect.Split.save`."""
    export = [known_program(name) for name in ([export] if isinstance(export, str) else export)]
    settings = settings_of(split.parameters, {**form, "export": export})  # before anything is written
    source = Path(str(split.recording.meta["source"]))
    inputs = [identity(source) if source.exists() else _values(split.recording)]
    with ResultsFolder(folder, protected=[source] if source.exists() else []) as place:
        found = None if overwrite else place.finished()
        if found is not None and not found.same_inputs(inputs):
            raise FolderError(f"{folder} holds the results of another input", "elsewhere", "overwrite")
        if found is not None and (other := found.changes(settings)):
            said = f"{folder} holds results made with other settings ({difference(other)})"
            raise FolderError(said, "overwrite", "elsewhere")
        place.check(planned(split.recording, report=report, export=export, **form), overwrite=overwrite)
        with place.replacing(inputs, settings, overwrite=overwrite) as temporary:
            write_files(split, temporary, report=report, settings=settings, export=export, **form)
    return Path(folder)


def _values(recording: Any) -> dict[str, Any]:
    """Identity of a recording that came from no file."""
    whole = hashlib.sha256(recording.values.tobytes())
    whole.update(recording.mask.tobytes())
    return {"name": str(recording.meta["source"]), "bytes": recording.values.nbytes, "sha256": whole.hexdigest()}


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
