"""Folders that are one recording: clips in .npy files of one width, or a file of JSON for each frame."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..phrases import counted
from ..recording import RecordingError
from ..tables import Table
from .arrays import table_of_arrays, values_of, width_of
from .records import by_records
from .source import open_source

_FRAMES = 10  # files that a recording of one frame in each has at least
_FEW = 4  # records in a list that may be the faces of a frame, whatever the list is called
_OF_A_FRAME = re.compile(
    r"(?i).*(face|people|person|landmark|key_?point|shape|detection|instance|categor|emotion|score|point)"
)
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)\.json", re.I)


def load_folder(folder: Path) -> Table:
    """Read a folder whose files are clips, or the frames of clips, in the order of their names."""
    if files := clips_in(folder):
        return table_of_arrays({file.stem: values_of(open_source(file)) for file in files}, str(folder), clips=True)
    files = frames_in(folder)
    if not files:
        raise RecordingError(f"{folder} is a folder, expected a file with one row for each frame.")
    parts = [_numbered(file) for file in files]
    several = len({part[::2] for part in parts}) > 1
    frames = []
    for file, (clip, number, rest) in zip(files, parts):
        held = _held(file)
        if not isinstance(held, dict):
            raise RecordingError(f"{file} is no object of JSON, expected one frame as in {files[0].name}.")
        frames.append({**({"clip": clip + rest} if several else {}), "frame": int(number), **held})
    frame, _ = by_records(str(folder), frames, None)
    said = f"{counted(len(files), 'file')} of one frame each were read, in the order of the numbers in their names."
    return Table(frame, str(folder), notices=(said,), form={"json": True})


def pieces_in(folder: Path) -> list[Path]:
    """The files of a folder that `load_folder` reads, in its order; none where it is no recording."""
    return clips_in(folder) or frames_in(folder)


def clips_in(folder: Path) -> list[Path]:
    """The .npy files of a folder."""
    return sorted(file for file in folder.glob("*.npy") if not file.name.startswith("."))


def frames_in(folder: Path) -> list[Path]:
    """The .json files of a folder if each holds a frame: their names differ by a number, and none lists frames."""
    files = [file for file in folder.glob("*.json") if not file.name.startswith(".")]
    if len(files) < _FRAMES or any(_NUMBERED.fullmatch(file.name) is None for file in files):
        return []
    names = sorted((clip, rest, int(number), file) for file in files for clip, number, rest in [_numbered(file)])
    clips = {name[:2] for name in names}
    if len(names) < _FRAMES * len(clips):
        return []
    for file in (names[0][-1], names[-1][-1]):
        with suppress(RecordingError):
            if not _is_frame(_held(file)):
                return []
    return [name[-1] for name in names]


def one_recording(files: Sequence[Path]) -> str | None:
    """Why files of a folder are one recording, for people; None where they are not."""
    if files[0].suffix.casefold() == ".json":
        return f"{len(files)} frames, for each of its .json files holds one"
    width = width_of(files)
    return None if width is None else f"{len(files)} clips, for its .npy files all have {width} columns"


def _numbered(file: Path) -> tuple[str, str, str]:
    found = _NUMBERED.fullmatch(file.name)
    assert found is not None
    return found[1], found[2], found[3]


def _held(file: Path) -> Any:
    try:
        return json.loads(open_source(file).data)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{file} is no JSON: {str(error).split(':')[0]}; expected one frame.") from error


def _is_frame(held: Any, name: str = "") -> bool:
    """Whether an object holds lists of what one frame shows, and no list of frames."""
    if isinstance(held, dict):
        return all(_is_frame(inner, str(key)) for key, inner in held.items())
    if not isinstance(held, list) or not any(isinstance(record, (dict, list)) for record in held):
        return True
    return bool(name) and (len(held) <= _FEW or _OF_A_FRAME.match(name) is not None)
