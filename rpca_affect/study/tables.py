"""The tables of a study: one row for each recording, one for each feature of each, and what is known of the people."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.refusals import absent

__all__ = ["COUNTS", "MEASURES", "joined", "outliers", "participants_of", "row_of"]

# What recordings of a study are compared by, and how each is called on the page.
MEASURES = {
    "missing": "missing cells",
    "rank": "rank",
    "predicted": "predicted share",
    "density": "transient cells",
    "residual": "residual",
    "events_per_minute": "events a minute",
}
COUNTS = ("frames", "features", "sequences", "rank", "events")
_STANDS_OUT = 3.5  # robust standard deviations
_FEWEST = 5  # recordings among which one can stand out


def row_of(outcome: Any) -> dict[str, Any]:
    """The row of a recording in study.csv.

    Parameters
    ----------
    outcome : Outcome

    Returns
    -------
    dict
        Plain values; those of a recording that could not be split are None, and ``error`` says why.
    """
    job, summary = outcome.job, outcome.summary or {}
    frames, fps, events = summary.get("frames"), summary.get("fps"), summary.get("events")
    minutes = frames / fps / 60 if frames and fps else None
    doubts = [doubt["kind"] for doubt in summary.get("doubts", [])]
    return {
        "recording": job.name,
        "file": str(job.shown or job.source),
        "format": summary.get("format"),
        "frames": frames,
        "features": summary.get("features"),
        "fps": fps,
        "minutes": None if minutes is None else round(minutes, 4),
        "sequences": summary.get("sequences"),
        "missing": summary.get("missing_share"),
        "rank": max(summary.get("rank") or [0]) if summary else None,
        "predicted": _predicted(summary),
        "density": summary.get("density"),
        "residual": summary.get("residual"),
        "events": events,
        "events_per_minute": None if minutes is None or events is None else round(events / minutes, 4),
        "converged": summary.get("converged"),
        "doubts": "; ".join(dict.fromkeys(doubts)),
        "severe": any(doubt["severe"] for doubt in summary.get("doubts", [])) if summary else None,
        "error": outcome.failure.sentence if outcome.failure else "",
    }


def _predicted(summary: dict[str, Any]) -> float | None:
    """Share of hidden cells' variation that the base predicts, where the split measured it."""
    for name in ("predicted_share", "predicted"):
        if isinstance(summary.get(name), (int, float)):
            return float(summary[name])
    return None


def participants_of(path: Path) -> pd.DataFrame:
    """Read a table with one row for each participant (or recording), as BIDS has it.

    Parameters
    ----------
    path : Path
        Separated by tabs, commas or semicolons; ``n/a`` is missing. The column ``participant_id``, or ``file``, or
        otherwise the first one, tells whose a row is.

    Returns
    -------
    DataFrame
        The first column is the key, as text.

    Raises
    ------
    ValueError
        If it has no rows, or two for the same key.
    """
    if not path.is_file():
        raise ValueError(absent(path, "a table of participants"))
    try:
        table = pd.read_csv(path, sep=None, engine="python", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (pd.errors.ParserError, UnicodeError, ValueError) as error:
        raise ValueError(f"{path} is no table of participants: {error}.") from error
    table.columns = [str(name).strip() for name in table.columns]
    names = {name.casefold(): name for name in table.columns}
    key = next((names[n] for n in ("participant_id", "file", "filename", "recording") if n in names), table.columns[0])
    table = table[[key, *(name for name in table.columns if name != key)]]
    table[key] = table[key].str.strip()
    if table.empty:
        raise ValueError(f"{path} has no rows, expected one for each participant.")
    twice = table[key][table[key].duplicated()]
    if len(twice):
        raise ValueError(f"{path}: column {key!r} holds {twice.iloc[0]!r} twice, expected one row for each.")
    for name in table.columns[1:]:
        column = table[name].replace({"n/a": None, "": None, "NA": None})
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.notna().equals(column.notna()):
            whole = (numbers.dropna() % 1 == 0).all()
            column = numbers.astype("Int64") if whole else numbers
        table[name] = column
    return table


def joined(table: pd.DataFrame, people: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Put what is known of the participants before the measures of their recordings.

    A recording belongs to the participant whose key stands in its path as a whole word (``sub-01`` in
    ``study/sub-01_rest.csv``, and not in ``sub-011.csv``); the longest key counts.

    Parameters
    ----------
    table : DataFrame
        With columns ``recording`` and ``file``.
    people : DataFrame
        As `participants_of` returns it.

    Returns
    -------
    DataFrame, list of str
        The table, and sentences about recordings and participants without each other.
    """
    key = people.columns[0]
    whose = [
        _owner(f"{name}\n{file}", people[key]) for name, file in zip(table["recording"], table["file"].astype(str))
    ]
    taken = set(table.columns)
    fresh = people.rename(columns={name: f"participant_{name}" for name in people.columns if name in taken})
    rows = fresh.set_index(fresh.columns[0]).reindex(whose)
    rows = rows.reset_index(names=fresh.columns[0]).set_index(table.index)
    notes = [f"No participant is known for {name}." for name, owner in zip(table["recording"], whose) if owner is None]
    notes += [f"No recording was found for {name}." for name in people[key] if name not in whose]
    return pd.concat([table[["recording"]], rows, table.drop(columns="recording")], axis=1), notes


def _owner(text: str, keys: Iterable[str]) -> str | None:
    found = [
        (len(spelling), key)
        for key in keys
        for spelling in dict.fromkeys((key, key.removeprefix("sub-")))
        if spelling and re.search(rf"(?<![^\W_]){re.escape(spelling)}(?![^\W_])", text, re.IGNORECASE)
    ]
    longest = {key for length, key in found if length == max(found)[0]}
    return longest.pop() if len(longest) == 1 else None


def outliers(table: pd.DataFrame, measures: Sequence[str] = tuple(MEASURES)) -> list[list[str]]:
    """Measures by which each recording stands out among the others.

    Parameters
    ----------
    table : DataFrame
        One row for each recording.
    measures : sequence of str

    Returns
    -------
    list of list of str
        For each recording, the measures that lie more than 3.5 robust standard deviations (from the median of the
        absolute deviations, at least a twentieth of the median, and half a unit of a count) off the median; none among
        fewer than five.  Missing cells stand out where there are many, not where there are none.

    Examples
    --------
    >>> outliers(pd.DataFrame({"rank": [4, 5, 5, 4, 6, 40]}), ["rank"])[-1]
    ['rank']
    """
    found: list[list[str]] = [[] for _ in range(len(table))]
    for name in measures:
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
        seen = values[np.isfinite(values)]
        if len(seen) < _FEWEST:
            continue
        middle = np.median(seen)
        spread = 1.4826 * np.median(np.abs(seen - middle))
        least = max(spread, 0.05 * abs(middle), 0.5 if name in COUNTS else 1e-3)
        away = values - middle if name == "missing" else np.abs(values - middle)
        for row in np.flatnonzero(away > _STANDS_OUT * least):
            found[row].append(name)
    return found
