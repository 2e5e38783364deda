"""Identity of an input, wherever it lies: name, size, date and hash of its content; settings as plain values."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["content_hash", "identity", "plain"]


def content_hash(path: str | os.PathLike) -> str:
    """SHA-256 of a file; of a folder, of the names and contents of its clips or frames, or else of all files in it."""
    path = Path(path)
    if not path.is_dir():
        with path.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    whole = hashlib.sha256()
    for file in _parts(path):
        whole.update(f"{file.relative_to(path).as_posix()}\0{content_hash(file)}\0".encode(errors="surrogateescape"))
    return whole.hexdigest()


def _parts(folder: Path) -> list[Path]:
    """Identity of a folder of clips or frames: these alone, without other files beside them, such as the results."""
    from rpca_affect.recordings.containers.folders import pieces_in  # pandas takes its time, and files need none

    return pieces_in(folder) or sorted(item for item in folder.rglob("*") if item.is_file())


def identity(path: str | os.PathLike) -> dict[str, Any]:
    """Identity of an input.

    Parameters
    ----------
    path : path
        A file, or a folder that is one input.

    Returns
    -------
    dict
        ``name``, ``bytes``, ``modified`` (seconds since 1970), ``sha256``.

    Raises
    ------
    OSError
        Where it cannot be read.
    """
    path = Path(path)
    about = [part.stat() for part in _parts(path)] if path.is_dir() else [path.stat()]
    return {
        "name": Path(os.path.abspath(path)).name,
        "bytes": sum(part.st_size for part in about),
        "modified": max((part.st_mtime for part in about), default=path.stat().st_mtime),
        "sha256": content_hash(path),
    }


def plain(value: Any) -> Any:
    """The same value in the types of JSON, with None for numbers that JSON lacks."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return json.loads(json.dumps(str(value)))
    return str(value)
