"""People: the table of participants of a study, and whose each of its recordings is."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from rpca_affect.recordings.text_table import as_numbers, text_table
from rpca_affect.refusals import absent

__all__ = ["People", "joined", "participants_of", "path_of"]

_KEYS = ("participant_id", "file", "filename", "recording")
# A word and the number behind it: P01, sub-01, session_2; or a number alone.
_NUMBERED = re.compile(r"(?<![^\W_])([^\W\d_]*)[ _-]?(\d+)(?![^\W_])")


class People(NamedTuple):
    """The table of participants.

    Attributes
    ----------
    table : DataFrame
        One row for each participant (or session); the keys come first, as text.
    keys : tuple of str
        Columns that together tell whose a recording is.
    """

    table: pd.DataFrame
    keys: tuple[str, ...]


def participants_of(path: Path, recordings: Sequence[str]) -> People:
    """Read a table with one row for each participant (or recording, or session of a participant).

    Parameters
    ----------
    path : Path
        Text separated by tabs, commas or semicolons, or an Excel workbook; ``n/a`` is missing. The column
        ``participant_id``, or ``file``, or otherwise the first one, tells whose a row is; where it holds the same
        twice, the column that tells most recordings of these rows apart belongs to the key as well.
    recordings : sequence of str
        Name and path of each recording.

    Returns
    -------
    People

    Raises
    ------
    ValueError
        If it has no rows, or several for one participant that no column tells apart.
    """
    if not path.is_file():
        raise ValueError(absent(path, "a table of participants"))
    table = text_table(path, "table of participants")
    if table.empty:
        raise ValueError(f"{path} has no rows, expected one for each participant.")
    names = {name.casefold(): name for name in table.columns}
    keys = [next((names[name] for name in _KEYS if name in names), table.columns[0])]
    table[keys[0]] = table[keys[0]].str.strip()
    if (twice := table[keys[0]].duplicated()).any():
        others = [name for name in table.columns[table.columns != keys[0]] if not table.duplicated([*keys, name]).any()]
        known = {name: int((_owners(table, (*keys, name), recordings)[0] >= 0).sum()) for name in others}
        second = max(others, key=lambda name: known[name], default=None)
        if second is None or not known[second]:
            raise ValueError(
                f"{path}: column {keys[0]!r} holds {table[keys[0]][twice].iloc[0]!r} twice and no other column tells "
                "their recordings apart, expected one row for each participant, or for each session of one."
            )
        keys.append(second)
    table = table[[*keys, *(name for name in table.columns if name not in keys)]]
    for name in table.columns[len(keys) :]:
        table[name] = as_numbers(table[name])
    return People(table, tuple(keys))


def joined(table: pd.DataFrame, people: People) -> tuple[pd.DataFrame, list[str]]:
    """Put the columns of the participants before the measures of their recordings.

    A recording belongs to the row whose keys stand in its path as whole words (``sub-01`` in
    ``study/sub-01_rest.csv``, and not in ``sub-011.csv``), the longest of them where several do. Keys that are whole
    numbers are looked for behind a word (1 in ``P01_session2``): behind the word that has most of them.

    Parameters
    ----------
    table : DataFrame
        With columns ``recording`` and ``file``.
    people : People

    Returns
    -------
    DataFrame, list of str
        The table, and sentences about the words that were chosen, and recordings and participants without each other.
    """
    paths = [path_of(name, file) for name, file in zip(table["recording"], table["file"])]
    whose, notes = _owners(people.table, people.keys, paths)
    taken = set(table.columns)
    fresh = people.table.rename(columns={name: f"participant_{name}" for name in people.table.columns if name in taken})
    rows = fresh.reindex(whose).set_index(table.index)
    notes += [f"No participant is known for {name}." for name in table["recording"][whose < 0]]
    missed = people.table.loc[~people.table.index.isin(whose), list(people.keys)]
    notes += [f"No recording was found for {', '.join(key)}." for key in missed.itertuples(index=False)]
    return pd.concat([table[["recording"]], rows, table.drop(columns="recording")], axis=1), notes


def path_of(name: object, file: object) -> str:
    """Text in which `participants_of` looks for a key: the name of a recording in the study and its path."""
    return f"{name}\n{file}"


def _owners(table: pd.DataFrame, keys: Sequence[str], paths: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """The row of the table that each recording belongs to, -1 for none, and notes on the assumptions made."""
    fit = np.zeros((len(paths), len(table)))
    notes: list[str] = []
    for key in keys:
        lengths, said = _fit(list(table[key].str.strip()), paths, key)
        fit = np.where((lengths > 0) & (fit >= 0), fit + lengths, -1.0)
        notes += said
    best = fit.max(axis=1, initial=-1.0)
    alone = (best > 0) & ((fit == best[:, None]).sum(axis=1) == 1)
    return np.where(alone, fit.argmax(axis=1), -1), notes


def _fit(keys: Sequence[str], paths: Sequence[str], called: str) -> tuple[np.ndarray, list[str]]:
    """How many characters of each key (columns) stand in each path (rows), and notes on the assumptions made."""
    bare = [key.removeprefix("sub-") for key in keys]
    if all(key.isdigit() for key in bare if key) and any(bare):
        given = [key != other for key, other in zip(keys, bare)]
        return _numbered(bare, paths, called, "sub" if all(given) else None)
    lengths = np.zeros((len(paths), len(keys)))
    for k, key in enumerate(keys):
        word = re.compile(rf"(?<![^\W_]){re.escape(key)}(?![^\W_])", re.IGNORECASE)
        lengths[:, k] = [len(key) if key and word.search(path) else 0 for path in paths]
    return lengths, []


def _numbered(keys: Sequence[str], paths: Sequence[str], called: str, word: str | None) -> tuple[np.ndarray, list[str]]:
    """`_fit` for whole numbers: they stand behind the word on which most paths and most keys agree."""
    wanted = {int(key) for key in keys if key}
    found: dict[str, list[set[int]]] = {}
    for row, path in enumerate(paths):
        for before, digits in _NUMBERED.findall(path):
            found.setdefault(before.casefold(), [set() for _ in paths])[row].add(int(digits))
    hits = {before: [numbers & wanted for numbers in rows] for before, rows in found.items()}

    def rank(before: str) -> tuple:
        alone = [numbers for numbers in hits[before] if len(numbers) == 1]
        like = bool(before) and (called.casefold().startswith(before) or before.startswith(called.casefold()))
        return before == word, len(alone), len(set().union(*alone)), like

    open_to = hits if word is None else {word, ""} & set(hits)
    words = sorted((before for before in open_to if any(hits[before])), key=rank, reverse=True)
    lengths = np.zeros((len(paths), len(keys)))
    if not words or (len(words) > 1 and rank(words[0]) == rank(words[1])):
        between = " and ".join(repr(before) for before in words[:2])
        said = f"The numbers of {called} stand behind {between} alike in the names of the recordings: none was chosen."
        return lengths, [said] if words else []
    for row, numbers in enumerate(hits[words[0]]):
        for k, key in enumerate(keys):
            lengths[row, k] = float(len(numbers) == 1 and key != "" and int(key) in numbers)
    behind = f"the numbers behind {words[0]!r}" if words[0] else "the numbers"
    return lengths, [] if words[0] == word else [f"{called} was taken for {behind} in the names of the recordings."]
