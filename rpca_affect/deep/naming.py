"""Which file is which clip: names of clips in folders and in label lists."""

import re
from collections.abc import Sequence
from pathlib import Path

from rpca_affect.recordings.searching import SUFFIXES, recordings_in


def clips_in(source: Path) -> tuple[list[Path], list[str], tuple[str, ...]]:
    """Files of the clips in a folder (or the one file), their names, and a notice about files left out."""
    if not source.is_dir():
        return [source], [_stem(source.name)], ()
    inside = recordings_in(source)
    if not inside.files:
        raise ValueError(f"{source} holds no clip; give (T, D) .npy arrays, or files that `rpca-affect formats` lists.")
    files = list(inside.files)
    return files, [_stem(file.relative_to(source).as_posix()) for file in files], inside.notes


class Folder:
    """Finds the file of a clip by its name in a label list.

    As it stands, or without the end of the file's name; a name without a folder also where a single file below has it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.listed: dict[tuple[Path, str], dict[str, list[Path]]] = {}

    def __getitem__(self, clip: str) -> Path:
        path = self.folder / clip.replace("\\", "/")
        if path.is_file():
            return path
        found = self._inside(path.parent, "*").get(path.name, [])
        if not found and path.parent == self.folder:
            below = self._inside(self.folder, "**/*")
            found = below.get(path.name, []) or below.get(_stem(path.name), [])
        if not found:
            raise FileNotFoundError(
                f"{clip} is in the label list but not in {self.folder}; remove the row or add the file."
            )
        if len(found) > 1:
            either = " or ".join(file.relative_to(self.folder).as_posix() for file in found[:2])
            raise ValueError(f"{clip} may be {either}; name the file in the label list.")
        return found[0]

    def _inside(self, folder: Path, pattern: str) -> dict[str, list[Path]]:
        """Files that may be clips, by their names without ends."""
        if (folder, pattern) not in self.listed:
            known: dict[str, list[Path]] = {}
            for file in sorted(folder.glob(pattern)) if folder.is_dir() else ():
                if file.name.casefold().endswith(SUFFIXES):
                    known.setdefault(_stem(file.name), []).append(file)
            self.listed[folder, pattern] = known
        return self.listed[folder, pattern]


def in_words_of(clips: Sequence[str], listed: Sequence[str]) -> list[str]:
    """Names in a label list as the clips are called: without ends, and with the folder where one clip alone has it.

    Names that belong to no clip stay.

    Examples
    --------
    >>> in_words_of(["ann/a", "ann/b", "bob/b"], ["ann/a.csv", "a.csv", "b"])
    ['ann/a', 'ann/a', 'b']
    """
    last: dict[str, list[str]] = {}
    for clip in clips:
        last.setdefault(clip.rsplit("/", 1)[-1], []).append(clip)
    names = [_stem(name.replace("\\", "/")) for name in listed]
    return [last[name][0] if name not in clips and len(last.get(name, ())) == 1 else name for name in names]


def _stem(name: str) -> str:
    """A name without the ends that recordings have (``.csv.gz``)."""
    ends = "|".join(re.escape(end) for end in SUFFIXES)
    return re.sub(rf"({ends})+$", "", name, flags=re.IGNORECASE)
