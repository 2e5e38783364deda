"""From the words of the shell to an exit code: errors become sentences or JSON, signals end the run in order."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from rpca_affect.cli.console import answer, fail, patient, sentence

__all__ = ["CODES", "Ended", "debugging", "interrupted", "run"]

# Exit codes, as the help of the command says them.
CODES = {"done": 0, "unforeseen": 1, "refused": 2, "interrupted": 130, "pipe": 141, "ended": 143}
_ONCE_MORE = 0.05  # seconds
_received: list[int] = []
_debug = False


class Ended(KeyboardInterrupt):
    """The system asked the run to end (SIGTERM, SIGHUP)."""


def interrupted() -> bool:
    """Whether a signal asked the run to end, also where a library turned that into an error of its own."""
    return bool(_received)


def debugging() -> bool:
    """Whether tracebacks are wanted."""
    return _debug


def run(words: list[str]) -> int:
    """Run the command line.

    Parameters
    ----------
    words : list of str
        Without the name of the program.

    Returns
    -------
    int
        The exit code.
    """
    patient()
    _received.clear()
    as_json = "--json" in words
    global _debug
    _debug = "--debug" in words or bool(os.environ.get("RPCA_AFFECT_DEBUG"))
    before, hook = _listen(), sys.unraisablehook
    sys.unraisablehook = partial(_swallowed, hook)
    try:
        return _call([word for word in words if word != "--debug"])
    except KeyboardInterrupt as stop:
        return _stopped(stop, as_json)
    except BrokenPipeError:
        return _unread()
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            return _unread()
        return stop.code if isinstance(stop.code, int) else CODES["done"]
    except Exception as error:
        if interrupted():
            return _stopped(error, as_json)
        if _debug:
            import traceback

            traceback.print_exc()
        return _refused(error, as_json)
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _call(words: list[str]) -> int:
    from rpca_affect.cli.app import app

    code = app(words, prog_name="rpca-affect", standalone_mode=False)
    sys.stdout.flush()
    if code == CODES["interrupted"]:
        raise KeyboardInterrupt  # typer answers with the code alone
    return code if isinstance(code, int) else CODES["done"]


def _unread() -> int:
    """Whoever read the output has seen enough: nothing may complain about that at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return CODES["pipe"]


def _refused(error: Exception, as_json: bool) -> int:
    message: Any = getattr(error, "format_message", None)  # of an option that the parser refuses
    if message is not None:
        kind, text = "usage", str(message())
    else:
        from rpca_affect.study.failures import failure_of

        failure = failure_of(error, door="shell")
        kind, text = failure.kind, failure.sentence
    if as_json:
        answer({"error": sentence(text), "kind": kind})
    else:
        fail(text)
    return CODES["unforeseen"] if kind == "unforeseen" else CODES["refused"]


def _stopped(stop: BaseException, as_json: bool) -> int:
    ended = isinstance(stop, Ended) or any(number != signal.SIGINT for number in _received)
    text = (
        f"{'ended by the system' if ended else 'interrupted'}; finished results are kept, and the same command goes on "
        "where it stopped."
    )
    if as_json:
        answer({"error": text, "kind": "interrupted"})
    else:
        fail(text)
    return CODES["ended" if ended else "interrupted"]


def _listen() -> dict[int, Any]:
    """Turn the signals that end a run into exceptions, and remember that they came; return the handlers before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # A signal that is ignored stays ignored: that is how nohup and background jobs are started.
    heard = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) is not signal.SIG_IGN}
    for number in heard:
        signal.signal(number, _raise)
    return heard


def _swallowed(hook: Callable[[Any], Any], what: Any) -> None:
    """A signal that came within a finaliser, which lets no exception out, is sent once more."""
    if isinstance(what.exc_value, KeyboardInterrupt) and _received:
        threading.Timer(_ONCE_MORE, os.kill, (os.getpid(), _received[-1])).start()
    else:
        hook(what)


def _raise(number: int, _: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt if number == signal.SIGINT else Ended
