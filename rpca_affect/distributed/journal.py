"""What was asked and answered, in order: the whole memory of the driver, which a resumed one lives through again."""

from collections.abc import Callable
from typing import Any

__all__ = ["Journal"]

Answer = dict[str, Any]


class Journal:
    """Asks all shards and keeps what their answers come to.

    Everything the driver decides follows from these answers, so a run that was interrupted is brought back by reading
    them instead of asking.

    Parameters
    ----------
    crew : object with ``ask(command, *arguments) -> list``
    """

    def __init__(self, crew: Any) -> None:
        self.crew = crew

    def ask(self, digest: Callable[[list[Any]], Answer], command: str, *arguments: Any) -> Answer:
        """Let every shard answer, and return what ``digest`` makes of the answers: a few numbers and small arrays."""
        return digest(self.crew.ask(command, *arguments))
