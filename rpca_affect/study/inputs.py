"""Which recordings a study has: files, folders searched through, names that stay apart, and what was left out."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rpca_affect.recordings.searching import SUFFIXES, recordings_in
from rpca_affect.results.folder import Manifest

__all__ = ["Found", "Source", "find"]


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
        inside = recordings_in(path, skip=_is_result)
        if not inside.files:
            raise ValueError(_nothing(path))
        files += [(file, path) for file in inside.files]
        notes += inside.notes
        tables += [table for table in inside.tables if table.stem == "participants"]
    once = {os.path.realpath(file): (file, root) for file, root in reversed(files)}
    kept = [pair for pair in files if once.pop(os.path.realpath(pair[0]), None) is not None]
    return Found(tuple(Source(file, name) for (file, _), name in zip(kept, _names(kept))), tuple(notes), tuple(tables))


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
    whole = [file.relative_to(root) if file != root else Path(file.name) for file, root in files]
    for choice in (whole, _below_common([file for file, _ in files])):
        short = [_without_ending(path) for path in choice]
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
