"""The recordings of a study: files, folders searched through, names that stay apart, and files left out."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rpca_affect.recordings.containers.folders import one_recording, pieces_in
from rpca_affect.recordings.searching import SUFFIXES, recordings_in
from rpca_affect.refusals import absent
from rpca_affect.results.folder import Manifest

__all__ = ["Found", "Source", "find"]


@dataclass(frozen=True)
class Source:
    """A recording of a study.

    Attributes
    ----------
    path : Path
        A file, or a folder of clips or frames.
    name : str
        Unique name: the path below the folder given, such as ``p1/session``.
    """

    path: Path
    name: str

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        return pieces_in(self.path) if self.path.is_dir() else [self.path]


@dataclass(frozen=True)
class Found:
    """The recordings, and one sentence for each file that was left out and each folder that was taken for one."""

    sources: tuple[Source, ...]
    notes: tuple[str, ...]
    participants: tuple[Path, ...] = ()


def find(given: list[Path]) -> Found:
    """Find the recordings that files and folders stand for.

    Parameters
    ----------
    given : list of Path
        A file is taken as it is. A folder is searched through, hidden files and folders of results left out; so are,
        with a note, side files (``*_of_details.txt``) and tables about the other files (labels, participants). Three
        or more ``.npy`` files in one folder that have the same number of columns are clips of one recording, as
        `rpca_affect.read` reads that folder, and a note says so; they stay apart where their names are those of
        several people (``sub-01``, ``sub-02``), or a table of participants lies beside them.

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
                raise ValueError(absent(path))
            files.append((path, path.parent))
            continue
        inside = recordings_in(path, skip=_is_result)
        if not inside.files:
            raise ValueError(_nothing(path))
        recordings, told = _with_clips(inside.files, {table.parent for table in inside.tables if _of_people(table)})
        files += [(recording, path) for recording in recordings]
        notes += [*inside.notes, *told]
        tables += [table for table in inside.tables if _of_people(table)]
    once = {os.path.realpath(file): (file, root) for file, root in reversed(files)}
    kept = [pair for pair in files if once.pop(os.path.realpath(pair[0]), None) is not None]
    return Found(tuple(Source(file, name) for (file, _), name in zip(kept, _names(kept))), tuple(notes), tuple(tables))


def _with_clips(files: Iterable[Path], apart: set[Path]) -> tuple[list[Path], list[str]]:
    """The files, with a folder of clips in place of its clips, and a note about each such folder."""
    files = list(files)
    notes = []
    for folder in dict.fromkeys(file.parent for file in files if file.suffix in (".npy", ".json")):
        clips = pieces_in(folder)
        people = {found[0] for clip in clips if (found := re.match(r"sub-[^_.]+", clip.name))}
        if not clips or folder in apart or len(people) > 1 or not set(clips) <= set(files):
            continue
        if (why := one_recording(clips)) is not None:
            gone = set(clips)
            first = next(i for i, file in enumerate(files) if file in gone)
            files = [*files[:first], folder, *(file for file in files[first:] if file not in gone)]
            notes.append(
                f"{folder} was read as one recording of {why}; name the files instead of the folder to split each by "
                "itself."
            )
    return files, notes


def _of_people(table: Path) -> bool:
    return table.stem == "participants"


def _is_result(folder: Path) -> bool:
    return Manifest.read(folder) is not None


def _nothing(folder: Path) -> str:
    if _is_result(folder):
        return f"The folder {folder} holds results of an earlier run."
    if any((folder / name).exists() for name in ("zarr.json", ".zarray", ".zgroup")):
        return (
            f"{folder} is a zarr store, for matrices that are never loaded whole: use `rpca-affect solve`, or "
            "rpca_affect.distributed.solve in Python."
        )
    return f"The folder {folder} holds no file ending in {', '.join(SUFFIXES)}."


def _names(files: list[tuple[Path, Path]]) -> list[str]:
    """Where each file lies below its folder, without its ending; longer where that does not tell them apart."""
    whole = [file.relative_to(root) if file != root else Path(Path(os.path.abspath(file)).name) for file, root in files]
    for choice in (whole, _below_common([file for file, _ in files])):
        short = [path.as_posix() if file.is_dir() else _without_ending(path) for path, (file, _) in zip(choice, files)]
        twice = Counter(name.casefold() for name in short)
        names = [path.as_posix() if twice[name.casefold()] > 1 else name for path, name in zip(choice, short)]
        if len({name.casefold() for name in names}) == len(names):
            return names
    return [f"{name}-{number}" if twice[name.casefold()] > 1 else name for number, name in enumerate(short, start=1)]


def _without_ending(path: Path) -> str:
    stem = path.name.removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz").removesuffix(".zip")
    return path.with_name(Path(stem).stem or path.name).as_posix()


def _below_common(files: list[Path]) -> list[Path]:
    absolute = [Path(os.path.abspath(file)) for file in files]
    try:
        common = Path(os.path.commonpath([file.parent for file in absolute]))
    except ValueError:  # two drives
        return [Path(*file.parts[1:]) for file in absolute]
    return [file.relative_to(common) for file in absolute]
