"""Clips as people have them: recordings of any supported format, or plain arrays, and the labels that go with them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rpca_affect.deep.lists import read_abaw, read_dfew, read_ferv39k, read_gfe, read_veatic
from rpca_affect.deep.naming import Folder
from rpca_affect.recordings import read
from rpca_affect.recordings.text_table import NOTHING, as_numbers, text_table
from rpca_affect.refusals import absent

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
        How the files were understood, and which were left out.
    """

    sequences: list[np.ndarray]
    names: tuple[str, ...] | None
    notices: tuple[str, ...]


class Labelled(NamedTuple):
    """Clips and their labels.

    Attributes
    ----------
    clips : Clips
    y : list, or ndarray of shape (n, K)
        A class or a rating for each clip; K ratings for each clip; or a list of arrays (T_i, K) of ratings for each
        frame, NaN = not rated.
    clip : list of str
    person, split : ndarray or None
    """

    clips: Clips
    y: list | np.ndarray
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
    notices = _noticed(files, found)
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
    return Clips(sequences, names, tuple(notices))


def _noticed(files: Sequence[Path], found: Sequence[Any]) -> list[str]:
    """How many frames are missing in all; then each notice of the readers once, with its file."""
    lost = [int((~recording.mask.any(axis=1)).sum()) for recording in found]
    said: dict[str, list[str]] = {}
    for file, recording in zip(files, found):
        for notice in recording.notices:
            said.setdefault(notice, []).append(file.name)
    notices = []
    if any(lost):
        frames, clips = sum(len(recording.mask) for recording in found), np.count_nonzero(lost)
        notices.append(f"{sum(lost)} of {frames} frames are missing, in {clips} of {len(files)} clips.")
    for text, names in said.items():
        notices.append(f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {text}")
    return notices


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
        Form of ``labels``: a table (CSV with any separator, or a workbook) with columns ``clip``, the target and
        optionally ``person`` (never on both sides of a split) and ``split`` ("train", "test"); a list of DFEW or
        FERV39k; a folder of VEATIC's or ABAW's ratings, or of the labels of UCI's Grammatical Facial Expressions (1 or
        0 in each frame).
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
    y = table[target].tolist() if isinstance(target, str) else table[list(target)].to_numpy()
    person, split = (table[name].to_numpy() if name in table else None for name in ("person", "split"))
    return Labelled(clips, y, table["clip"].tolist(), person, split)


def read_table(labels: Path, targets: Sequence[str]) -> pd.DataFrame:
    """A table of labels, each clip once and no cell empty that is read; targets are numbers where all of them are.

    Columns are found in capitals too.
    """
    if not labels.is_file():
        raise ValueError(absent(labels, f"a table with the columns clip and {', '.join(targets)}"))
    table = text_table(labels, "table of labels")
    if table.empty:
        raise ValueError(f"{labels.name} has no rows, expected one for each clip.")
    wanted = ["clip", *targets]
    table = _named(table, wanted, labels)
    for name in (*wanted, *(name for name in ("person", "split") if name in table)):
        table[name] = table[name].str.strip()
        for line in np.flatnonzero(table[name].isin(NOTHING)):
            raise ValueError(
                f"{labels.name}: line {line + 2}, column {name!r} is empty, expected a "
                f"{'label' if name in targets else name}; fill it or remove the row."
            )
    for line in np.flatnonzero(~table["split"].isin(["train", "test"])) if "split" in table else ():
        raise ValueError(
            f"{labels.name}: line {line + 2}, column 'split' holds {table['split'][line]!r}, expected train or test."
        )
    for line in np.flatnonzero(table["clip"].duplicated()):
        raise ValueError(
            f"{labels.name}: line {line + 2}, {table['clip'][line]} is there already; keep one row for a clip."
        )
    for name in targets:
        numbers = as_numbers(table[name])
        table[name] = numbers.to_numpy(np.int64) if pd.api.types.is_integer_dtype(numbers) else numbers
    return table


def _named(table: pd.DataFrame, wanted: Sequence[str], labels: Path) -> pd.DataFrame:
    """The table with the columns wanted under their names, and "person" and "split" where it has them."""
    held = {str(name).casefold(): name for name in reversed(table.columns)}
    for name in (*wanted, "person", "split"):
        if name not in table and name.casefold() in held:
            table = table.rename(columns={held[name.casefold()]: name})
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(
            f"{labels.name} has no column {missing[0]!r}; its columns are {', '.join(table.columns)}: rename one."
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
