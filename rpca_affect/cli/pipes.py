"""Standard input, pipes and process substitution: kept in a file for as long as the run needs them."""

import os
import select
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

__all__ = ["kept"]

_PATIENCE = 10.0  # seconds for somebody to begin to write into a named pipe
_BLOCK = 1 << 20


@contextmanager
def kept(paths: list[Path]) -> Iterator[list[tuple[Path, str]]]:
    """Give every path that can be read only once a file that can be read again.

    Parameters
    ----------
    paths : list of Path
        ``-`` is standard input.

    Yields
    ------
    list of (Path, str)
        Paths to read, and the name shown for each: empty for files, which are shown by their paths.
    """
    with TemporaryDirectory(prefix="rpca_affect-") as folder:
        found = []
        for number, path in enumerate(paths):
            called = _pipe(path)
            if called:
                file = Path(folder) / f"input{number}"
                _keep(path, called, file)
                found.append((file, called))
            else:
                found.append((path, ""))
        try:
            yield found
        except ValueError as error:
            text = str(error)
            for file, called in found:
                text = text.replace(str(file), called) if called else text
            if text == str(error):
                raise
            raise ValueError(text) from error


def _pipe(path: Path) -> str:
    """Name shown for a source that is no file; empty for files, folders and paths that do not exist."""
    if str(path) == "-":
        return "standard input"
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise ValueError(f"{path} is a device or a socket, expected a file with one row for each frame.")
    return str(path) if stat.S_ISFIFO(mode) else ""


def _keep(path: Path, called: str, file: Path) -> None:
    with file.open("wb") as copy:
        if str(path) == "-":
            if sys.stdin is None or sys.stdin.isatty():
                raise ValueError(
                    "standard input is a terminal: send a file to it, as in 'rpca-affect inspect - < file'."
                )
            shutil.copyfileobj(sys.stdin.buffer, copy, _BLOCK)
        else:
            with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb", buffering=0) as pipe:
                _drain(pipe, copy, called)


def _drain(pipe: Any, copy: IO[bytes], called: str) -> None:
    """Copy a pipe to its end; one that nobody writes to is not waited for without end."""
    until = time.monotonic() + _PATIENCE
    begun = False
    while True:
        ready = select.select([pipe], [], [], 0.2)[0]
        block = pipe.read(_BLOCK) if ready else None
        if block:
            begun = True
            copy.write(block)
        elif block is None:
            begun = begun or not ready  # somebody has it open, and takes their time
        elif begun:
            return
        elif time.monotonic() > until:
            raise ValueError(f"{called} is a pipe that nobody wrote to within {_PATIENCE:.0f} seconds.")
        else:
            time.sleep(0.05)
