"""Output in the shell: answers on standard output, all else on standard error, no control character in either."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from rpca_affect.refusals import Notice
from rpca_affect.results.identity import plain

__all__ = ["answer", "fail", "harmless", "patient", "say", "sentence", "spoken"]

_MARKS = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "␡"} | dict.fromkeys(range(0x80, 0xA0), "�")
# Marks that turn the direction of the text behind them could make one name look like another.
_MARKS |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], "�")


def harmless(text: str) -> str:
    """Text whose control characters are visible marks, so that no name of a file or column steers the terminal.

    Examples
    --------
    >>> harmless("AU06\\x1b[2J")
    'AU06␛[2J'
    """
    return text.translate(_MARKS)


def spoken(notice: str) -> str:
    """Return what a reader says in the words of the shell, where it names settings."""
    return notice.sentence("shell") if isinstance(notice, Notice) else notice


def sentence(text: str) -> str:
    """One line of harmless text."""
    return harmless(" ".join(text.split()))


def fail(text: str) -> int:
    """Print the sentence of an error on standard error and return its exit code."""
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(f"Error: {sentence(text)}", style="red")
    return 2


class _Harmless(Console):
    """A console that prints nothing that the input could have planted."""

    def print(self, *items: Any, **words: Any) -> None:
        super().print(*(_cleaned(item) for item in items), **words)


def _cleaned(item: Any) -> Any:
    if isinstance(item, str):
        return Text("\n".join(harmless(line) for line in item.split("\n")))
    if isinstance(item, Text):
        # one mark for each character: the styles stay where they are
        clean = "".join(char if char == "\n" else harmless(char) for char in item.plain)
        return Text(clean, spans=list(item.spans), style=item.style)
    return item


def say(quiet: bool = False) -> Console:
    """Console for everything but answers: standard error, so that answers can be piped."""
    return _Harmless(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)


def answer(content: Any) -> None:
    """Print JSON on standard output: valid whatever it holds, and readable in any encoding."""
    unicode = (sys.stdout.encoding or "").casefold().replace("-", "") == "utf8"
    text = json.dumps(plain(content), indent=2, ensure_ascii=not unicode, allow_nan=False)
    sys.stdout.write(text + "\n")


def patient() -> None:
    """Let no character fail on the encoding of the terminal or of a redirection."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
