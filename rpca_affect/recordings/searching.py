"""Which files of a folder are recordings, and which only stand beside them."""

import csv
import os
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .containers.sidecar import description
from .phrases import listed
from .recording import RecordingError

# Ends of file names that recordings have; contents decide whether they are.
SUFFIXES = (
    ".csv", ".tsv", ".txt", ".parquet", ".feather", ".npy", ".npz",
    ".xlsx", ".json", ".jsonl", ".sav", ".h5", ".hdf5", ".csd", ".mat", ".safetensors", ".arff",
    ".dta", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".tar", ".tgz",
)  # fmt: skip
# What Live Link Face puts beside the table of a take.
_OF_A_TAKE = ("take.json", "video_metadata.json", "audio_metadata.json", "depth_metadata.json", "frame_log.csv")
# Ends of the names in the UCI set of Grammatical Facial Expressions: labels of each frame, and the points they are of.
TARGETS, POINTS = "_targets.txt", "_datapoints.txt"
_SINGLY = 5  # files left out for one reason that are named one by one
_HEAD = 1 << 16  # bytes of a table that tell whether it is about other files
# Begins like a number, a time, a list or a JSON record, and is no sentence.
_NUMBER = re.compile(r"[\s\"'(\[]*(?:\{|[-+.,]*\d(?!.*[^\W\d_]{3}))", re.DOTALL)


@dataclass(frozen=True)
class Inside:
    """What a folder holds.

    Attributes
    ----------
    files : tuple of Path
        The recordings, sorted folder by folder.
    notes : tuple of str
        What looks like a recording and was left out: a sentence for each file, or for all left out for one reason.
    tables : tuple of Path
        Tables about the recordings: labels, participants.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]
    tables: tuple[Path, ...] = ()


def recordings_in(folder: str | Path, skip: Callable[[Path], bool] | None = None) -> Inside:
    """Search a folder and its subfolders for recordings.

    Left out are hidden files, what no tracker writes (``.hog``, ``.avi``) and, with a note, side files
    (``*_of_details.txt``), labels of frames (``*_targets.txt`` beside ``*_datapoints.txt``), tables about the other
    files (labels, participants) and texts without numbers. No file is read as a whole.

    Parameters
    ----------
    folder : path
        Where to begin.
    skip : callable, optional
        Takes a folder; True leaves it out with everything below it, such as results of an earlier run.

    Returns
    -------
    Inside

    Raises
    ------
    RecordingError
        If `folder` is no folder.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "p01").mkdir()
    >>> _ = (folder / "p01" / "session.csv").write_text("time,AU12_r\\n0.0,0.5\\n0.1,0.6\\n")
    >>> _ = (folder / "p01" / "session_of_details.txt").write_text("Input: p01.avi\\n")
    >>> inside = recordings_in(folder)
    >>> [file.name for file in inside.files], len(inside.notes)
    (['session.csv'], 1)
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RecordingError(f"{folder} is no folder, expected one that holds recordings.")
    notes: list[str] = []
    details: list[Path] = []
    candidates: list[Path] = []

    def unreadable(error: OSError) -> None:
        notes.append(f"{error.filename} cannot be looked into ({error.strerror}); left out.")

    for place, folders, names in os.walk(folder, onerror=unreadable):
        if skip is not None and skip(Path(place)):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        beside = {name.casefold() for name in names}
        for name in sorted(names):
            file = Path(place) / name
            if name.startswith(".") or not name.casefold().endswith(SUFFIXES):
                continue
            if not file.is_file():
                notes.append(f"{file} is no plain file; left out.")
            elif name.casefold().endswith("_of_details.txt") or _beside_a_take(name, names) or _describes(file, names):
                details.append(file)
            elif (labelled := name.casefold().replace(TARGETS, POINTS)) != name.casefold() and labelled in beside:
                notes.append(f"{file} holds the labels of {name[: -len(TARGETS)]}{POINTS}; left out.")
            else:
                candidates.append(file)
    # Names that only stand for something beside others: a table all of whose files are named in it is about them.
    stems = Counter(_stem(file.name) for file in candidates)
    heads = {file: _head(file) for file in candidates if file.suffix.casefold() in (".csv", ".tsv", ".txt")}
    about = [file for file, rows in heads.items() if _is_about(file, rows, stems)]
    prose = [file for file, rows in heads.items() if file not in about and _is_prose(rows)]
    notes += _left_out(details, "describes the recording beside it", "describe the recordings beside them")
    notes += _left_out(about, "is a table about the other files", "are tables about the other files")
    notes += _left_out(prose, "holds words, and no column of numbers", "hold words, and no columns of numbers")
    left = {*about, *prose}
    return Inside(tuple(file for file in candidates if file not in left), tuple(notes), tuple(about))


def _left_out(files: list[Path], one: str, many: str) -> list[str]:
    """A note for each of a few files, one note for more of them: forty sessions have forty files beside them."""
    if len(files) <= _SINGLY:
        return [f"{file} {one}; left out." for file in files]
    return [f"{listed(files, _SINGLY)} {many}; left out."]


def _head(file: Path) -> list[list[str]]:
    """The first rows of a text table, cell by cell; none where it cannot be read so."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError:
        return []
    lines = text.splitlines()[:-1] if len(text) >= _HEAD else text.splitlines()
    separator = max(",\t;", key=lines[0].count) if lines else ","
    try:
        return [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return []


def _is_prose(rows: list[list[str]]) -> bool:
    """Whether no column holds numbers, however they are spelled: a readme, notes about people."""
    # Whatever separates cells below lines of a title does so here: a decimal comma makes two numbers of one.
    body = [re.split(r"[,;\t|]", ",".join(row)) for row in rows[1:]]
    if not body or any("\x00" in cell for row in body for cell in row):  # UTF-16 is no prose yet
        return False
    for column in range(max(map(len, body))):
        cells = [row[column] for row in body if len(row) > column and row[column].strip()]
        if 2 * len(cells) >= len(body) and 2 * sum(bool(_NUMBER.match(cell)) for cell in cells) > len(cells):
            return False  # a column, not a year in a sentence
    return True


def _beside_a_take(name: str, names: list[str]) -> bool:
    """Whether a file belongs to a take of Live Link Face, which always has its ``take.json``."""
    folded = {other.casefold() for other in names}
    return name.casefold() in _OF_A_TAKE and "take.json" in folded and any(n.endswith(".csv") for n in folded)


def _describes(file: Path, names: list[str]) -> bool:
    """Whether a JSON file describes the table beside it that has its name, as in BIDS."""
    tables = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
    if file.suffix.casefold() != ".json" or not any(file.stem + end in names for end in tables):
        return False
    return description(file) is not None


def _is_about(file: Path, rows: list[list[str]], stems: Counter[str]) -> bool:
    """Whether a text table lists other files, or is the participants table of BIDS."""
    if file.stem.casefold() == "participants":
        return True
    others = set(stems) - {_stem(file.name)}
    for column in range(min(map(len, rows), default=0)):
        cells = [Path(row[column].strip().replace("\\", "/")).name for row in rows[1:]]
        named = [stem for cell in cells if not _is_count(cell) and (stem := _stem(cell)) in others]
        # most of its rows name other files, or most of the other files are named in it: in either case once each
        if named and len(set(named)) == len(named) and 2 * len(named) > min(len(cells), len(others)):
            return True
    return False


def _stem(name: str) -> str:
    return name.partition(".")[0].casefold()


def _is_count(cell: str) -> bool:
    """Whether a cell is a number that may as well count frames: 12, and neither 012 nor 12.csv."""
    return cell.isdigit() and not (cell.startswith("0") and len(cell) > 1)
