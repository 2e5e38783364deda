"""Refusals and notices that name settings: one record, spelled as arguments in Python and as flags in the shell."""

import difflib
import os
from pathlib import Path
from typing import Any, NamedTuple

from rpca_affect import words

__all__ = ["Notice", "Refusal", "Setting", "absent"]


class Setting(NamedTuple):
    """A parameter, with a value where one is meant."""

    name: str
    value: Any = ...


class Refusal(ValueError):
    """An error of the caller, made of text and of `Setting`; as text it speaks Python.

    Examples
    --------
    >>> error = Refusal("two tables in a.zip; choose one with ", Setting("key", "b.csv"), ".")
    >>> str(error), error.sentence("shell")
    ("two tables in a.zip; choose one with key='b.csv'.", 'two tables in a.zip; choose one with --key b.csv.')
    """

    def sentence(self, door: words.Door) -> str:
        """Return the sentence in the words of a door."""
        return _spoken(self.args, door)

    def __str__(self) -> str:
        return self.sentence("python")


class Notice(str):
    """What a reader took for granted, made of text and of `Setting`; as text it speaks Python.

    Examples
    --------
    >>> notice = Notice("no column holds times; set ", Setting("fps"), ".")
    >>> notice, notice.sentence("shell")
    ('no column holds times; set fps.', 'no column holds times; set --fps.')
    """

    parts: tuple

    def __new__(cls, *parts: Any) -> "Notice":
        """Join the parts in the words of Python."""
        made = super().__new__(cls, _spoken(parts, "python"))
        made.parts = parts
        return made

    def __getnewargs__(self) -> tuple:
        return self.parts

    def sentence(self, door: words.Door) -> str:
        """Return the sentence in the words of a door."""
        return _spoken(self.parts, door)


def _spoken(parts: tuple, door: words.Door) -> str:
    return "".join(
        words.setting(part.name, part.value, door) if isinstance(part, Setting) else str(part) for part in parts
    )


def absent(path: str | os.PathLike[str], expected: str = "") -> str:
    """Say that a file does not exist, and name a file beside it with nearly its name.

    Examples
    --------
    >>> absent("nowhere/session.csv")
    'nowhere/session.csv does not exist: there is no folder nowhere.'
    >>> absent("recipe.toml", "a recipe in TOML")
    'recipe.toml does not exist, expected a recipe in TOML.'
    """
    folder, name = Path(path).parent, Path(path).name
    text = f"{path} does not exist" + (f", expected {expected}" if expected else "")
    if not folder.is_dir():
        return f"{text}: there is no folder {folder}."
    try:
        names = {other.casefold(): other for other in sorted(os.listdir(folder))}
    except OSError:  # a folder that may be entered, not listed
        names = {}
    near = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0.75)
    return f"{text}; did you mean {folder / names[near[0]]}?" if near else f"{text}."
