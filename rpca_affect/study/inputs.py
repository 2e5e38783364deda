"""Which recordings a study has: files, folders searched through, names that stay apart, and what was left out."""

import csv
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rpca_affect.results.folder import Manifest

__all__ = ["Found", "Source", "find"]

# Ends of file names that recordings have; contents decide whether they are.
SUFFIXES = (
    ".csv", ".tsv", ".txt", ".parquet", ".feather", ".npy", ".npz",
    ".xlsx", ".json", ".jsonl", ".sav", ".h5", ".hdf5", ".csd", ".mat", ".safetensors", ".gz",
)  # fmt: skip
_HEAD = 1 << 16  # bytes of a table that tell whether it is about other files


@dataclass(frozen=True)
class Source:
    """A recording of a study.

    Attributes
    ----------
    path : Path
    name : str
        What tells it apart from the others: where it lies below the folder given, ``p1/session``.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class Found:
    """The recordings, and one sentence for each file that looks like one and was left out."""

    sources: tuple[Source, ...]
    notes: tuple[str, ...]
    participants: tuple[Path, ...] = ()


def find(given: list[Path]) -> Found:
    """Find the recordings that files and folders stand for.

    Parameters
    ----------
    given : list of Path
        A file is taken as it is. A folder is searched through, hidden files and folders of results left out; so are,
        with a note, side files (``*_of_details.txt``) and tables about the other files (labels, participants).

    Returns
    -------
    Found

    Raises
    ------
    ValueError
        If a folder holds no recording, or a file does not exist.
    """
    files: list[tuple[Path, Path]] = []  # with the folder that names are counted from
    notes: list[str] = []
    tables: list[Path] = []
    for path in given:
        if not path.is_dir():
            if not os.path.lexists(path):
                raise ValueError(f"{path} does not exist.")
            files.append((path, path.parent))
            continue
        inside, left_out, about = _search(path)
        if not inside:
            raise ValueError(_nothing(path))
        files += [(file, path) for file in inside]
        notes += left_out
        tables += about
    once = {os.path.realpath(file): (file, root) for file, root in reversed(files)}
    kept = [pair for pair in files if once.pop(os.path.realpath(pair[0]), None) is not None]
    return Found(tuple(Source(file, name) for (file, _), name in zip(kept, _names(kept))), tuple(notes), tuple(tables))


def _search(folder: Path) -> tuple[list[Path], list[str], list[Path]]:
    notes: list[str] = []
    candidates: list[Path] = []

    def unreadable(error: OSError) -> None:
        notes.append(f"{error.filename} cannot be looked into ({error.strerror}); left out.")

    for place, folders, names in os.walk(folder, onerror=unreadable):
        if Manifest.read(Path(place)) is not None:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(place) / name
            if name.startswith(".") or not name.casefold().endswith(SUFFIXES):
                continue
            if not file.is_file():
                notes.append(f"{file} is no plain file; left out.")
            elif name.casefold().endswith("_of_details.txt"):
                notes.append(f"{file} describes the recording beside it; left out.")
            else:
                candidates.append(file)
    # Names that only stand for something beside others: a table all of whose files are named in it is about them.
    stems = Counter(_stem(file.name) for file in candidates)
    about = [file for file in candidates if _is_about(file, stems)]
    notes += [f"{file} is a table about the other files; left out." for file in about]
    return [file for file in candidates if file not in about], notes, [f for f in about if f.stem == "participants"]


def _is_about(file: Path, stems: Counter[str]) -> bool:
    """Whether a text table lists other files, or is the participants table of BIDS."""
    if file.suffix.casefold() not in (".csv", ".tsv", ".txt"):
        return False
    if file.stem.casefold() == "participants":
        return True
    try:
        with file.open("rb") as opened:
            text = opened.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError:
        return False
    others = set(stems) - {_stem(file.name)}
    lines = text.splitlines()[:-1] if len(text) >= _HEAD else text.splitlines()
    separator = max(",\t;", key=lines[0].count) if lines else ","
    try:
        rows = [row for row in csv.reader(lines, delimiter=separator) if row]
    except csv.Error:
        return False
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


def _nothing(folder: Path) -> str:
    if Manifest.read(folder) is not None:
        return f"The folder {folder} holds results of an earlier run."
    return f"The folder {folder} holds no file ending in {', '.join(SUFFIXES)}."


def _names(files: list[tuple[Path, Path]]) -> list[str]:
    """Where each file lies below its folder, without its ending; longer where that does not tell them apart."""
    whole = [file.relative_to(root) if file != root else Path(file.name) for file, root in files]
    for choice in (whole, _below_common([file for file, _ in files])):
        short = [_without_ending(path) for path in choice]
        twice = Counter(name.casefold() for name in short)
        names = [path.as_posix() if twice[name.casefold()] > 1 else name for path, name in zip(choice, short)]
        if len({name.casefold() for name in names}) == len(names):
            return names
    return [f"{name}-{number}" if twice[name.casefold()] > 1 else name for number, name in enumerate(short, start=1)]


def _without_ending(path: Path) -> str:
    stem = path.name.removesuffix(".gz")
    return path.with_name(Path(stem).stem or path.name).as_posix()


def _below_common(files: list[Path]) -> list[Path]:
    absolute = [Path(os.path.abspath(file)) for file in files]
    try:
        common = Path(os.path.commonpath([file.parent for file in absolute]))
    except ValueError:  # two drives
        return [Path(*file.parts[1:]) for file in absolute]
    return [file.relative_to(common) for file in absolute]
