"""Clips as people have them: recordings of any supported format, or plain arrays, and the labels that go with them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rpca_affect.deep.lists import read_abaw, read_dfew, read_ferv39k, read_gfe, read_veatic
from rpca_affect.recordings import read
from rpca_affect.recordings.searching import SUFFIXES, recordings_in

PER_FRAME = {"veatic": read_veatic, "abaw": read_abaw, "gfe": read_gfe}
LISTS = ("table", "dfew", "ferv39k", *PER_FRAME)


class Clips(NamedTuple):
    """Sequences that have the same features.

    Attributes
    ----------
    sequences : list of ndarray (T_i, D), float32
        NaN where a cell is missing, or where its reader does not trust the frame.
    names : tuple of str, optional
        Of the features; None where the clips are plain arrays.
    notices : tuple of str
        What was taken for what, or left out.
    """

    sequences: list[np.ndarray]
    names: tuple[str, ...] | None
    notices: tuple[str, ...]


class Labelled(NamedTuple):
    """Clips and what they are labelled with.

    Attributes
    ----------
    clips : Clips
    y : list
        A class or one array of ratings for each clip; or arrays (T_i, K) of ratings for each frame, NaN = not rated.
    clip : list of str
    person, split : ndarray or None
    """

    clips: Clips
    y: list
    clip: list[str]
    person: np.ndarray | None
    split: np.ndarray | None


def read_clips(files: Sequence[Path], features: Any = None, names: Iterable[str] | None = None) -> Clips:
    """Read clips that are to have the same features.

    Parameters
    ----------
    files : sequence of path
        Plain ``(T, D)`` ``.npy`` arrays, or recordings of any format that `rpca_affect.read` knows: their own masks say
        which cells were observed.
    features : str or list of str, optional
        Groups, names or patterns of the features of a recording, see `rpca_affect.read`.
    names : iterable of str, optional
        Features that every clip must have, in this order; left out, those that all of the clips have.

    Returns
    -------
    Clips

    Raises
    ------
    ValueError
        If a file cannot be read, holds several people, or the clips do not have the same features.
    """
    plain = [file.suffix.casefold() == ".npy" for file in files]
    if all(plain) and not names:
        return Clips([read_clip(file) for file in files], None, ())
    if any(plain):
        raise ValueError(
            f"{files[plain.index(True)].name} is an array, whose features have no names, and others have names; "
            "give recordings only, or arrays only."
        )
    found = [_read(file, features) for file in files]
    notices = [notice for recording in found for notice in recording.notices]
    if names is None:
        held = Counter(name for recording in found for name in recording.feature_names)
        names = [name for name in found[0].feature_names if held[name] == len(files)]
        lost = [name for name in held if held[name] < len(files)]
        if lost:
            notices.append(f"{len(lost)} features that not every clip has are left out: {_shown(lost)}.")
        if not names:
            raise ValueError(f"{files[0].name} and the others have no feature in common; name them alike.")
    names = tuple(names)
    for file, recording in zip(files, found):
        lacking = [name for name in names if name not in recording.feature_names]
        if lacking:
            raise ValueError(f"{file.name} lacks the features {_shown(lacking)}; the model was trained on them.")
    sequences = []
    for recording in found:
        columns = [recording.feature_names.index(name) for name in names]
        values = np.where(recording.mask, recording.values, np.nan)[:, columns]
        sequences.append(values.astype(np.float32))
    said = Counter(notices)
    return Clips(
        sequences, names, tuple(f"{text} ({count} clips)" if count > 1 else text for text, count in said.items())
    )


def _read(file: Path, features: Any) -> Any:
    recording = read(file, features=features)
    keys = recording.meta.get("keys") or ()
    if keys and recording.sequence_id is not None:
        raise ValueError(
            f"{file.name} holds several sequences, told apart by {_shown(keys)}, expected one clip; write a file for "
            "each."
        )
    return recording


def _shown(names: Iterable[Any]) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def clips_in(source: Path) -> tuple[list[Path], list[str], tuple[str, ...]]:
    """Files of the clips in a folder (or the one file), their names, and what was left out."""
    if not source.is_dir():
        return [source], [_stem(source.name)], ()
    inside = recordings_in(source)
    if not inside.files:
        raise ValueError(f"{source} holds no clip; give (T, D) .npy arrays, or files that `rpca-affect formats` lists.")
    files = list(inside.files)
    return files, [_stem(file.relative_to(source).as_posix()) for file in files], inside.notes


class Folder:
    """Finds the file of a clip by its name in a label list: as it stands, or without the end of the file's name."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.listed: dict[Path, dict[str, list[Path]]] = {}

    def __getitem__(self, clip: str) -> Path:
        path = self.folder / clip
        if path.is_file():
            return path
        if path.parent not in self.listed:
            known: dict[str, list[Path]] = {}
            for file in sorted(path.parent.iterdir()) if path.parent.is_dir() else ():
                if file.name.casefold().endswith(SUFFIXES):
                    known.setdefault(_stem(file.name), []).append(file)
            self.listed[path.parent] = known
        found = self.listed[path.parent].get(path.name, [])
        if not found:
            raise FileNotFoundError(
                f"{clip} is in the label list but not in {self.folder}; remove the row or add the file."
            )
        if len(found) > 1:
            raise ValueError(f"{clip} may be {found[0].name} or {found[1].name}; name the file in the label list.")
        return found[0]


def _stem(name: str) -> str:
    """A name without the ends that recordings have (``.csv.gz``)."""
    ends = "|".join(re.escape(end) for end in SUFFIXES)
    return re.sub(rf"({ends})+$", "", name, flags=re.IGNORECASE)


def read_folder(
    folder: str | Path,
    labels: str | Path,
    target: str | Sequence[str] = "label",
    *,
    form: str = "table",
    numbering: str | None = None,
    features: Any = None,
) -> Labelled:
    """Clips of a folder and their labels.

    Parameters
    ----------
    folder : path
        One file for each clip, named like the clip.
    labels : path
        Table, list or folder of ratings.
    target : str or sequence of str
        Of a table: one column of class labels, or the columns of continuous values.
    form : {"table", "dfew", "ferv39k", "veatic", "abaw", "gfe"}
        What ``labels`` is: a CSV with columns ``clip``, the target and optionally ``person`` (never on both sides of a
        split) and ``split`` ("train", "test"); a list of DFEW or FERV39k; a folder of VEATIC's or ABAW's ratings, or of
        the labels of UCI's Grammatical Facial Expressions (1 or 0 in each frame).
    numbering : str, optional
        Of FERV39k's labels, see `rpca_affect.deep.lists.read_ferv39k`.
    features : str or list of str, optional
        See `read_clips`.

    Returns
    -------
    Labelled
    """
    folder, labels = Path(folder), Path(labels)
    if form not in LISTS:
        raise ValueError(f"the label list has the form {form!r}; give one of {', '.join(LISTS)}.")
    where = Folder(folder)
    if form in PER_FRAME:
        ratings: Mapping[str, np.ndarray] = PER_FRAME[form](labels)
        names = list(ratings)
        clips = read_clips([where[name] for name in names], features)
        for name, sequence in zip(names, clips.sequences):
            if len(sequence) != len(ratings[name]):
                raise ValueError(
                    f"{name} has {len(sequence)} frames and {len(ratings[name])} ratings in {labels.name}; align them."
                )
        return Labelled(clips, list(ratings.values()), names, None, None)
    if form == "table":
        table = read_table(labels, [target] if isinstance(target, str) else target)
    else:
        table = read_dfew(labels) if form == "dfew" else read_ferv39k(labels, numbering)
        target = "label"
    clips = read_clips([where[clip] for clip in table["clip"]], features)
    columns = target if isinstance(target, str) else list(target)
    person, split = (table[name].to_numpy() if name in table else None for name in ("person", "split"))
    return Labelled(clips, list(table[columns].to_numpy()), table["clip"].tolist(), person, split)


def read_table(labels: Path, targets: Sequence[str]) -> pd.DataFrame:
    """A table of labels, each clip once and no label empty."""
    try:
        table = pd.read_csv(labels, dtype={"clip": str, "person": str, "split": str})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        raise ValueError(f"{labels.name} is no table of labels: {str(error).strip()}.") from error
    if table.empty:
        raise ValueError(f"{labels.name} has no rows, expected one for each clip.")
    wanted = ["clip", *targets]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(f"{labels.name} has no column {missing[0]!r}; its columns are {', '.join(table.columns)}.")
    for name in wanted:
        empty = np.flatnonzero(table[name].isna() | (table[name].astype(str).str.strip() == ""))
        if len(empty):
            raise ValueError(
                f"{labels.name}: line {empty[0] + 2}, column {name!r} is empty, expected a label; fill it or remove "
                "the row."
            )
    twice = np.flatnonzero(table["clip"].duplicated())
    if len(twice):
        raise ValueError(
            f"{labels.name}: line {twice[0] + 2}, {table['clip'][twice[0]]} is there already; keep one row for a clip."
        )
    return table


def read_clip(path: str | Path) -> np.ndarray:
    """One ``(T, D)`` array of numbers from a ``.npy`` file, float32."""
    path = Path(path)
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, MemoryError, SyntaxError) as error:
        raise ValueError(f"{path.name} is not a plain .npy array of numbers; save it with numpy.save.") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{path.name} holds {array.dtype} of shape {array.shape}; give numbers of shape (frames, features)."
        )
    return array.astype(np.float32)
