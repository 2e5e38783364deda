"""A lock on a folder that dies with its process: no run that was killed leaves a folder locked."""

import errno
import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FolderLock"]

_NAME = ".rpca_affect.lock"


class FolderLock:
    """Exclusive lock on a folder, held by the operating system on a hidden file in it.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path):
        self.path = folder / _NAME
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock; False where another process, or another part of this one, holds it."""
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            if not _locked(handle):
                os.close(handle)
                return False
            # The holder before may have deleted the file between the two calls: then this lock guards nothing.
            try:
                current = os.stat(self.path)
            except FileNotFoundError:
                os.close(handle)
                continue
            if os.path.samestat(current, os.fstat(handle)):
                break
            os.close(handle)
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle
        return True

    def holder(self) -> str:
        """Words about the process that holds the lock."""
        try:
            number = self.path.read_text().strip()
        except OSError:
            return ""
        return f" (process {number})" if number.isdigit() else ""

    def release(self) -> None:
        """Give the lock back and delete its file."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        if fcntl is None:  # Windows deletes no open file
            os.close(handle)
            self.path.unlink(missing_ok=True)
        else:
            self.path.unlink(missing_ok=True)
            os.close(handle)


def _locked(handle: int) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except BlockingIOError:
        return False
    except PermissionError:  # raised by Windows for a second lock
        if fcntl is not None:
            raise
        return False
    except OSError as error:  # a file system without locks cannot tell two writers apart
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            raise
    return True
