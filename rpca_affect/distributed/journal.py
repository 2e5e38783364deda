"""Questions and answers in order: the whole memory of the driver, which a resumed one replays."""

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Journal", "layout_in"]

EVERY = 10  # steps from one checkpoint to the next
KEPT = 2  # states that are kept
MANIFEST = "checkpoint.json"

Answer = dict[str, Any]


class Journal:
    """Asks all shards and keeps the digests of their answers.

    Everything the driver decides follows from these answers, so a run that was interrupted is brought back by reading
    them instead of asking; the shards then go on from their saved state, and every bit is as it would have been.

    Parameters
    ----------
    crew : object with ``ask(command, *arguments) -> list``
    folder : Path, optional
        Where checkpoints are written, and looked for.
    settings : dict
        Identity of the problem; a checkpoint with another is refused.
    """

    def __init__(self, crew: Any, folder: Path | None = None, settings: dict[str, Any] | None = None) -> None:
        self.crew, self.folder, self.settings = crew, folder, settings
        self.answers: list[Answer] = []
        self.place = self.written = self.steps = 0
        self.states: list[int] = []
        self.files: list[str] = []
        self.interrupted = False
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._open(folder)

    @property
    def lives_again(self) -> bool:
        """Whether answers are still read instead of asked for."""
        return self.place < len(self.answers)

    def ask(self, digest: Callable[[list[Any]], Answer], command: str, *arguments: Any) -> Answer:
        """Let every shard answer, and return the ``digest`` of the answers: a few numbers and small arrays."""
        if self.lives_again:
            answer = self.answers[self.place]
            self.place += 1
            if not self.lives_again:
                self.crew.ask("load", str(self._state(self.states[-1])))
            return answer
        answer = digest(self.crew.ask(command, *arguments))
        if self.folder is not None:
            self.answers.append(answer)
            self.place += 1
            self.steps += command == "step"
            if command == "step" and (self.steps >= EVERY or self.interrupted):
                self._write()
        if self.interrupted:
            raise KeyboardInterrupt
        return answer

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C wait for the end of a step, and for a checkpoint after it; a second one does not wait."""
        if self.folder is None or threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: Any) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _state(self, count: int) -> Path:
        assert self.folder is not None
        return self.folder / f"state-{count:06d}"

    def _write(self) -> None:
        """Write the state after the last step, and the answers so far; a checkpoint counts once its list does."""
        assert self.folder is not None
        count = len(self.answers)
        self._state(count).mkdir(exist_ok=True)
        self.crew.ask("save", str(self._state(count)))
        self.crew.saved(str(self._state(count)))
        fresh = enumerate(self.answers[self.written : count], start=self.written)
        cells = {f"{k}/{name}": value for k, answer in fresh for name, value in answer.items()}
        name = f"answers-{count:06d}.npz"
        with (self.folder / name).open("wb") as file:
            np.savez(file, **cells)
        self.files.append(name)
        self.states, old = [*self.states, count][-KEPT:], self.states
        content = {"count": count, "answers": self.files, "states": self.states, "settings": self.settings}
        draft = self.folder / (MANIFEST + ".part")
        draft.write_text(json.dumps(content))
        os.replace(draft, self.folder / MANIFEST)
        for gone in set(old) - set(self.states):
            shutil.rmtree(self._state(gone), ignore_errors=True)
        self.written, self.steps = count, 0

    def _open(self, folder: Path) -> None:
        """Read a checkpoint, where there is one; refuse that of another run."""
        content = _manifest(folder)
        if content is None:
            return
        assert self.settings is not None
        other = [name for name, value in self.settings.items() if content["settings"].get(name) != value]
        if other:
            raise ValueError(
                f"the checkpoint in {folder} belongs to other {' and '.join(other)}: give another folder, or what it "
                "was begun with"
            )
        found: dict[int, Answer] = {}
        for name in content["answers"]:
            with np.load(folder / name) as cells:
                for key in cells.files:
                    number, word = key.split("/")
                    found.setdefault(int(number), {})[word] = cells[key]
        self.answers = [found[k] for k in range(content["count"])]
        self.written, self.files, self.states = content["count"], content["answers"], content["states"]


def layout_in(folder: Path | None) -> list[int] | None:
    """First rows of the shards of an earlier run."""
    content = None if folder is None else _manifest(folder)
    return None if content is None else content["settings"]["shards"]


def _manifest(folder: Path) -> Any:
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path} is damaged: remove the folder to begin anew") from error
