"""Every error as a kind and one sentence, for the table of a study and for the shell."""

import errno
from dataclasses import dataclass
from typing import Any

from rpca_affect.extras import extra_of, install
from rpca_affect.refusals import Refusal
from rpca_affect.results.folder import FolderError
from rpca_affect.words import Door

__all__ = ["Failure", "failure_of"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Failure:
    """The error of one recording.

    Attributes
    ----------
    kind : {"input", "folder", "disk", "system", "memory", "missing", "unforeseen"}
        "unforeseen" is a mistake of this package; all others can be mended by whoever called it.
    sentence : str
        One line.
    """

    kind: str
    sentence: str


def failure_of(error: BaseException, subject: Any = None, door: Door = "python") -> Failure:
    """Put an error into words.

    Parameters
    ----------
    error : BaseException
    subject : path, optional
        The recording that it happened with; named where the sentence does not name it.
    door : {"python", "shell"}
        Whose words to use: arguments, or flags.

    Returns
    -------
    Failure

    Examples
    --------
    >>> failure_of(MemoryError(), "session.csv").sentence
    'session.csv: there is not enough memory for this recording; fewer features or a shorter piece of it need less.'
    """
    kind, sentence = _told(error, door)
    sentence = " ".join(sentence.split()) or type(error).__name__
    if subject is not None and kind != "folder" and str(subject) not in sentence:
        sentence = f"{subject}: {sentence}"
    return Failure(kind, sentence)


def _told(error: BaseException, door: Door) -> tuple[str, str]:
    if isinstance(error, Refusal):
        return "folder" if isinstance(error, FolderError) else "input", error.sentence(door)
    if isinstance(error, MemoryError):
        return "memory", (
            "there is not enough memory for this recording; fewer features or a shorter piece of it need less."
        )
    if isinstance(error, ModuleNotFoundError) and error.name and extra_of(error.name):
        return "missing", install("this", error.name)
    if isinstance(error, ImportError):
        return "missing", str(error)
    if isinstance(error, OSError) and error.errno is not None:
        place = f"{error.filename}: " if error.filename is not None else ""
        if error.errno in _FULL:
            return "disk", f"{place}the disk is full or a limit on files is reached; earlier results are untouched."
        return "system", f"{place}{(error.strerror or type(error).__name__).casefold()}."
    if isinstance(error, OSError):
        return "system", str(error)
    if isinstance(error, (ValueError, TypeError)):
        return "input", str(error)
    debug = "; --debug shows where" if door == "shell" else ""
    return "unforeseen", f"an error that nobody foresaw, {type(error).__name__}: {error}{debug}. Please report it."
