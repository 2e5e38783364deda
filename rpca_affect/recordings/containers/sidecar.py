"""What a JSON file beside a table says about it: the names of its columns, its rate (as physiology in BIDS)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..names import words_of
from ..tables import Table

_MOST_BYTES = 1 << 20


def description(path: Path) -> dict[str, Any] | None:
    """Content of a JSON file that describes something and holds no numbers of frames; None of any other file."""
    try:
        held = json.loads(path.read_bytes()) if path.stat().st_size <= _MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) and not any(map(_is_data, held.values())) else None


def beside(path: Path) -> Path:
    """The JSON file of the same name, up to its first point."""
    return path.with_name(f"{path.name.partition('.')[0]}.json")


def described(table: Table, path: Path) -> Table:
    """Table of a text without a header, with the names and the rate that the file beside it tells."""
    told = None if table.form.get("header", True) else description(beside(path))
    lists = [value for value in (told or {}).values() if isinstance(value, list) and len(value) == len(table.names)]
    names = next((words for words in lists if len({str(word).casefold() for word in words}) == len(words)), None)
    if told is None or names is None:
        return table
    single = {name: value for name, value in told.items() if not isinstance(value, (list, dict))}
    lines = [f"{' '.join(words_of(name))}: {value}" for name, value in single.items()]
    return replace(
        table,
        frame=table.frame.set_axis(pd.Index(list(map(str, names)), dtype=object), axis=1),
        notices=(*table.notices, f"Its columns got the names that {beside(path).name} beside the file gives them."),
        form={**table.form, "preamble": (*table.form.get("preamble", ()), *lines)},
    )


def _is_data(value: Any) -> bool:
    return isinstance(value, list) and any(not isinstance(entry, str) for entry in value)
