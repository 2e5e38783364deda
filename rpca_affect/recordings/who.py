"""Who: the columns that tell people, faces, files or sources apart, and a number for each combination."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from . import names as vocabulary
from .clock import Times, is_rounding, step_of
from .evidence import Evidence, Role
from .names import words_of

_OF_ANYTHING = vocabulary.NAMING | {"code"}  # words that name what is no person, face, file or source as well
_MOST_SOURCES = 8  # cameras, eyes or faces whose rows are interleaved
_FRAMES_OF_A_KEY = 4  # that a key keeps its value at least, on average, in a table of one row for each time


def find_keys(seen: Evidence, times: Times | None, numbers: np.ndarray | None):
    """Columns that tell people, faces, files or sources apart, and a number for each combination."""
    stamps = times.seconds if times is not None else numbers
    chosen, parts = list(seen.clips), []
    for i in seen.open():
        if not _may_be_key(seen, i):
            continue
        role, undecided = _role_by_name(seen, i, stamps)
        seen.of[i] = role
        if role is not None and role.used:
            chosen.append(i)
        elif undecided:
            parts.append(i)
    codes = _with_parts(seen, chosen, parts, stamps)
    names = tuple(seen.table.names[i] for i in chosen)
    if codes is not None and codes.max() == 0:
        codes = None
    counted = numbers is not None and _doubled(numbers, codes, counted=True)
    if (times is None and counted) or (times is not None and _doubled(times.seconds, codes, counted)):
        frames = numbers if times is None or counted else times.seconds
        assert frames is not None
        codes = _by_order(seen, frames, codes)
    if codes is not None and chosen:
        filled = np.all([seen.values(i) >= 0 for i in chosen], axis=0)
        seen.notices.append(
            f"{len(np.unique(codes[filled]))} sequences, told apart by {' and '.join(names)}; each is kept apart."
        )
    return names, codes


def _may_be_key(seen: Evidence, i: int) -> bool:
    """Whether a column may tell sequences apart: given as a key, a text, or whole numbers with a name for it."""
    if seen.given.get(i) is not None or not seen.is_number(i):
        return seen.given.get(i) in (None, "key")
    named = set(words_of(seen.table.names[i])) & (vocabulary.WHO | vocabulary.PART)
    return bool(named) and seen.shape(i).integer


def _named(words: Sequence[str], given: str | None) -> tuple[bool, bool]:
    """Whether a name is that of a person, a face, a file or a source, and whether that of a part of a recording."""
    some = set(words)
    numbered = bool(words) and words[-1] in vocabulary.WHO | {"nr", "no", "number", "s"}
    alone = some <= vocabulary.WHO | vocabulary.CONTEXT
    part = bool(some & vocabulary.PART) and words[-1] not in vocabulary.WHO - vocabulary.NAMING
    return given == "key" or (bool(some & vocabulary.WHO) and (numbered or alone)), part and given is None


def _role_by_name(seen: Evidence, i: int, stamps: np.ndarray | None) -> tuple[Role | None, bool]:
    """Role of a column by its name and values; without one, whether the time may make it a part of a recording."""
    words, given, values = words_of(seen.table.names[i]), seen.given.get(i), seen.values(i)
    some, text = set(words), not seen.is_number(i)
    named, part = _named(words, given)
    n_values = int(values.max()) + 1
    if i in seen.table.codes and not named:
        return Role("text", "digits that are no numbers (they begin with 0)"), False
    if n_values > max(seen.n // 2, 1):
        return Role("text", "another text in nearly every row") if text or named else None, False
    if (named or part) and n_values <= 1:
        return Role("key", "named like a key; the same in every row" if n_values else "empty"), False
    if named and not part:
        if given is None and some & vocabulary.WHO <= _OF_ANYTHING and _flickers(values, stamps):
            return Role("label", "changes from frame to frame, as no person or file does"), False
        return Role("key", f"named like a key; {n_values} values", used=True), False
    if text and not some & (vocabulary.WHAT | vocabulary.LABEL) and _take_turns(values, n_values):
        return Role("key", f"its {n_values} values take turns, as interleaved sources do", used=True), False
    return None, part or text


def _with_parts(
    seen: Evidence, chosen: list[int], parts: Sequence[int], stamps: np.ndarray | None
) -> np.ndarray | None:
    """Add the parts of a recording at which the time starts again to the keys; return the number of each sequence."""
    codes = _combined(seen, chosen)
    backward = _falls(stamps, codes)
    for i in parts if stamps is None or backward else ():
        if stamps is None and not set(words_of(seen.table.names[i])) & vocabulary.PART:
            continue
        trial = _combined(seen, [*chosen, i])
        if stamps is None or _falls(stamps, trial) < 0.5 * backward:
            n_values = len(np.unique(seen.values(i)))
            why = "named like a part of a recording" if stamps is None else "the time starts again where it changes"
            seen.of[i] = Role("key", f"{why}; {n_values} values", used=True)
            chosen.append(i)
            codes, backward = trial, _falls(stamps, trial)
    for i in parts:
        if seen.of[i] is None and not seen.is_number(i):
            seen.of[i] = Role("text", "text")
        elif seen.of[i] is None:
            seen.of[i] = Role("key", "named like a part of a recording; the time goes on across it")
    return codes


def _flickers(values: np.ndarray, stamps: np.ndarray | None) -> bool:
    """Whether a column changes every few frames although no two rows share a time: it says what, not who."""
    if stamps is None or len(values) < 20 or not (np.diff(stamps) > 0).all():
        return False
    runs = 1 + int(np.count_nonzero(np.diff(values)))
    return len(values) < _FRAMES_OF_A_KEY * runs and runs > 5 * len(np.unique(values))


def _take_turns(values: np.ndarray, n_values: int) -> bool:
    """Whether each of a few values comes back in every so many rows, the others between: a, b, a, b."""
    if not 1 < n_values <= _MOST_SOURCES or len(values) < 10 * n_values:
        return False
    changes = (values[1:] != values[:-1]).mean()
    return bool(changes > 0.95 and (values[n_values:] == values[:-n_values]).mean() > 0.95)


def _combined(seen: Evidence, positions: Sequence[int]) -> np.ndarray | None:
    if not positions:
        return None
    keys = pd.DataFrame({k: seen.values(i) for k, i in enumerate(positions)})
    return keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy()


def _by_order(seen: Evidence, stamps: np.ndarray, codes: np.ndarray | None) -> np.ndarray:
    """Faces that no column tells apart: by their order within the frame."""
    keys = pd.DataFrame({"key": 0 if codes is None else codes, "stamp": stamps})
    keys["order"] = keys.groupby(["key", "stamp"]).cumcount()
    seen.notices.append(
        "Most time stamps stand in several rows and no column tells those apart: by their order in the frame, they "
        "are taken as several faces."
    )
    return keys.groupby(["key", "order"], sort=False).ngroup().to_numpy()


def _falls(stamps: np.ndarray | None, codes: np.ndarray | None) -> int:
    """How often the stamps fall back or stand still within a key."""
    if stamps is None:
        return 0
    with np.errstate(invalid="ignore", over="ignore"):  # of infinite stamps
        if codes is None:
            return int((np.diff(stamps) <= 0).sum())
        order = np.argsort(codes, kind="stable")
        same = np.diff(codes[order]) == 0
        return int(((np.diff(stamps[order]) <= 0) & same).sum())


def _doubled(stamps: np.ndarray, codes: np.ndarray | None, counted: bool) -> bool:
    """Whether most stamps stand in neighbouring rows twice or more, as several faces in a frame do."""
    keys = pd.DataFrame({"key": 0 if codes is None else codes, "stamp": stamps}).dropna()
    if len(keys) < 4:
        return False
    keys = keys.sort_values("key", kind="stable")
    with np.errstate(over="ignore"):
        steps = np.diff(keys["stamp"])[np.diff(keys["key"]) == 0]
    sizes = keys.groupby(["key", "stamp"]).size()
    if (sizes > 1).mean() < 0.5 or (steps == 0).sum() <= (steps < 0).sum():
        return False
    # Rounded stamps repeat for a while; their step is the unit they are rounded to.
    step = step_of(np.unique(keys["stamp"].to_numpy()))
    return counted or step is None or not is_rounding(step)
