"""Events for annotation programs: ELAN, BORIS, Praat and Audacity, on tiers where nothing overlaps."""

import os
import re
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.extras import needed
from rpca_affect.results.split_tables import guarded

__all__ = ["EXPORTS", "Annotation", "annotations", "export_events", "exporter_of", "known_program"]

# Program -> the file that `decompose --export` writes.
EXPORTS = {"elan": "events.eaf", "boris": "events.xlsx", "praat": "events.TextGrid", "audacity": "events.txt"}
DAY = 86_400.0  # s; a time beyond it is a clock, not a place in a video
WRITTEN = "2000-01-01T00:00:00+00:00"  # date in the file: the same split gives the same file
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")  # neither XML nor a line of text holds these


@dataclass(frozen=True)
class Annotation:
    """An event on its tier.

    Attributes
    ----------
    tier : str
        Feature group of the leading feature, with a number where events of the group overlap.
    start, end : int
        Milliseconds from the beginning of the video; the end is when the last frame is over.
    label, feature, comment : str
        Label of the event, its leading feature, and its sizes in words.
    subject : str
        Empty for a recording that is one sequence.
    """

    tier: str
    start: int
    end: int
    label: str
    feature: str
    comment: str
    subject: str = ""


def annotations(split: Any, *, events: pd.DataFrame | None = None, fps: float | None = None) -> list[Annotation]:
    """Put every event on a tier of its feature group; where two of a group overlap, on one more.

    Parameters
    ----------
    split : Split
    events : DataFrame, optional
        As `Split.events` returns them; all of them when left out.
    fps : float, optional
        Frames per second, for a recording without time: row 0 is then at 0 s.

    Returns
    -------
    list of Annotation
        In the order of their start; two of one tier have no millisecond in common.

    Raises
    ------
    ValueError
        If the recording has no time and ``fps`` is not given.
    """
    events = split.events() if events is None else events
    recording = split.recording
    group = {recording.feature_names[k]: name for name, columns in recording.groups.items() for k in columns}
    several = len(split.sequences) > 1
    apart = several and _overlap(split)
    free: dict[str, list[int]] = {}  # of each group, when its tiers are free again
    found = []
    for start, end, event in _timed(split, events, fps):
        subject = f"sequence {event.sequence}" if several else ""
        name = _clean(str(group.get(event.leading_feature, "features")))
        name = f"{name}, {subject}" if apart else name
        ends = free.setdefault(name, [])
        place = next((k for k, until in enumerate(ends) if until <= start), len(ends))
        ends[place : place + 1] = [end]
        tier = name if place == 0 else f"{name} ({place + 1})"
        comment = f"peak {event.peak:.4g} ({event.peak_sigma:+.1f} noise), {event.n_frames} frames: {event.features}"
        feature = _clean(event.leading_feature)
        found.append(Annotation(tier, start, end, _clean(event.label), feature, _clean(comment), subject))
    return found


def exporter_of(path: Any) -> str:
    """Program whose files end like this one.

    Examples
    --------
    >>> exporter_of("session.TextGrid")
    'praat'
    """
    for program, name in EXPORTS.items():
        if Path(path).suffix.casefold() == Path(name).suffix.casefold():
            return program
    endings = ", ".join(Path(name).suffix for name in EXPORTS.values())
    raise ValueError(
        f"{Path(path).name} ends like no annotation file: end it in {endings}, or say which program it is for"
    )


def known_program(name: str) -> str:
    """The name of a program that events can be written for, or a sentence about it."""
    if name not in EXPORTS:
        raise ValueError(f"there is no export to {name!r}: give one of {', '.join(EXPORTS)}")
    return name


def export_events(
    split: Any, path: Any, to: str | None = None, *, events: pd.DataFrame | None = None, fps: float | None = None
) -> Path:
    """Write the events of a split for an annotation program.

    Parameters
    ----------
    split : Split
    path : str or Path
        File to write; replaced when it exists.
    to : {"elan", "boris", "praat", "audacity"}, optional
        Read from the ending of ``path`` when left out.
    events, fps
        As in `annotations`.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ValueError
        If the program is unknown, the recording has no time, or a library is missing.
    """
    path = Path(path)
    to = exporter_of(path) if to is None else known_program(to)
    listed = annotations(split, events=events, fps=fps)
    write = {"elan": _elan, "boris": _boris, "praat": _praat, "audacity": _audacity}[to]
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
        fresh = Path(folder) / EXPORTS[to]
        write(listed, fresh, _length(split, fps))
        os.replace(fresh, path)
    return path


def _timed(split: Any, events: pd.DataFrame, fps: float | None) -> list[tuple[int, int, Any]]:
    """Start and end in milliseconds with each event, in the order of their start."""
    if not len(events):
        return []
    if events["start"].notna().all():
        origin = _origin(split)
        start, end = events["start"].to_numpy() - origin, events["end"].to_numpy() - origin
    else:
        rate, first = _rate(split, fps), split.frame_numbers[0]
        start = (events["onset_frame"].to_numpy() - first) / rate
        end = (events["offset_frame"].to_numpy() - first + 1) / rate
    begin = np.maximum(np.rint(1000 * start), 0).astype(int)
    until = np.maximum(np.rint(1000 * end).astype(int), begin + 1)
    order = np.lexsort((until, begin))
    rows = list(events.itertuples(index=False))
    return [(int(begin[k]), int(until[k]), rows[k]) for k in order]


def _rate(split: Any, fps: float | None) -> float:
    if fps is None:
        source = Path(str(split.recording.meta["source"])).name
        raise ValueError(f"{source} has no time, and annotations need one: give its frames per second (fps)")
    if not 0 < fps < np.inf:
        raise ValueError(f"fps is {fps}, expected frames per second above 0")
    return fps


def _origin(split: Any) -> float:
    """Time that counts as 0: that of the first frame where the times are those of a clock, 0 otherwise."""
    time = split.recording.time
    first = float(np.nanmin(time))
    return first if first < 0 or first > DAY else 0.0


def _length(split: Any, fps: float | None) -> float:
    time = split.recording.time
    if time is not None and np.isfinite(time).any():
        return float(np.nanmax(time)) - _origin(split)
    return split.recording.n_frames / fps if fps else 0.0


def _overlap(split: Any) -> bool:
    """Whether two sequences share a stretch of time, as two faces in one video do."""
    time = split.recording.time
    if time is None:
        return False
    spans = sorted((np.nanmin(time[part.rows]), np.nanmax(time[part.rows])) for part in split.sequences)
    return any(start < until for (_, until), (start, _) in pairwise(spans))


def _clean(text: Any) -> str:
    return CONTROL.sub(" ", str(text)).strip()


def _elan(listed: list[Annotation], path: Path, length: float) -> None:
    pympi = needed("this export", "pympi")
    eaf = pympi.Elan.Eaf(author="rpca_affect")
    eaf.adocument["DATE"] = WRITTEN
    eaf.remove_tier("default")
    for tier in dict.fromkeys(item.tier for item in listed) or ["transient"]:
        eaf.add_tier(tier)
    for item in listed:
        eaf.add_annotation(item.tier, item.start, item.end, item.label)
    pympi.Elan.to_eaf(str(path), eaf)


def _praat(listed: list[Annotation], path: Path, length: float) -> None:
    pympi = needed("this export", "pympi")
    last = max([length, *(item.end / 1000 for item in listed), 0.001])
    grid = pympi.Praat.TextGrid(xmin=0, xmax=last)
    for name in dict.fromkeys(item.tier for item in listed) or ["transient"]:
        tier = grid.add_tier(name.replace('"', '""'))
        for item in listed:
            if item.tier == name:
                tier.add_interval(item.start / 1000, item.end / 1000, item.label, check=False)
    grid.to_file(str(path))


def _audacity(listed: list[Annotation], path: Path, length: float) -> None:
    lines = [f"{item.start / 1000:.3f}\t{item.end / 1000:.3f}\t{item.tier}: {item.label}\n" for item in listed]
    path.write_text("".join(lines), encoding="utf-8")


def _boris(listed: list[Annotation], path: Path, length: float) -> None:
    """A state event for each: one row where it starts and one where it stops, stops first where they meet."""
    openpyxl = needed("this export", "openpyxl")
    moments = [(time, stops, item) for item in listed for time, stops in ((item.start, False), (item.end, True))]
    moments.sort(key=lambda moment: (moment[0], not moment[1]))
    rows = [
        {
            "time": time / 1000,
            "subject": item.subject,
            "code": item.tier,
            "modifier": item.feature,
            "comment": f"{item.label}: {item.comment}",
        }
        for time, _, item in moments
    ]
    table, changed = guarded(pd.DataFrame(rows, columns=["time", "subject", "code", "modifier", "comment"]))
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "events"
    sheet.append(list(table.columns))
    for row in table.itertuples(index=False):
        sheet.append([None if value == "" else value for value in row])
    if changed:
        book.create_sheet("notes").append([f"{changed} cells begin with =, +, - or @ and were given an apostrophe."])
    book.save(path)
