"""A refusal that names settings: one record, and a sentence in the words of whichever door shows it."""

from typing import Any, NamedTuple

from rpca_affect import words

__all__ = ["Refusal", "Setting"]


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
        return "".join(
            words.setting(part.name, part.value, door) if isinstance(part, Setting) else str(part) for part in self.args
        )

    def __str__(self) -> str:
        return self.sentence("python")
