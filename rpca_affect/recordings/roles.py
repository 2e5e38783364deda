"""Roles: what each column of a table is (time, key, counter, quality, feature), decided by its values and its name.

Words of a name only propose a role; the values must agree.  A column whose values leave no doubt needs no word: a whole
number that counts the rows, a number that rises in equal steps, a text that explains why the time starts again.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from . import names as vocabulary
from .clock import Times
from .convention import Convention
from .evidence import Evidence, Role
from .groups import ANY
from .names import words_of
from .tables import Table
from .trust import find_quality
from .when import find_counter, find_time, index_count, numbered_names
from .who import find_keys


@dataclass
class Roles:
    """Roles of all columns, and what was made of time, counter, keys and quality."""

    of: list[Role]
    time: Times | None = None
    frame_number: np.ndarray | None = None
    confidence: np.ndarray | None = None
    failed: np.ndarray | None = None
    cell_confidence: dict[int, np.ndarray] = field(default_factory=dict)  # feature position -> its own confidence
    sequence: np.ndarray | None = None
    keys: tuple[str, ...] = ()
    notices: list[str] = field(default_factory=list)

    def positions(self, *kinds: str) -> list[int]:
        """Positions of the columns of some kinds."""
        return [i for i, role in enumerate(self.of) if role.kind in kinds]


def decide(table: Table, convention: Convention | None = None, *, foreign: str | None = None) -> Roles:
    """Role of every column of a table.

    Parameters
    ----------
    table : Table
        As read.
    convention : Convention, optional
        What the program that wrote the table calls its columns: its word counts more than the values.
    foreign : str, optional
        Name of that program: numbers in columns that it does not write are no features.
    """
    seen = Evidence(table, convention or Convention(groups=ANY), foreign)
    for i, group in enumerate(seen.groups):
        if group is not None and seen.of[i] is None and seen.is_number(i):
            seen.of[i] = Role("feature", f"named like {group}", group)
    _by_words(seen)
    times = find_time(seen)
    numbers = find_counter(seen)
    if times is None and numbers is None:
        numbers = numbered_names(seen)
        numbers = index_count(seen) if numbers is None else numbers
    quality = find_quality(seen)
    keys, sequence = find_keys(seen, times, numbers)
    _rest(seen)
    return Roles(
        [role or Role("text", "not a number") for role in seen.of],
        time=times,
        frame_number=numbers,
        sequence=sequence,
        keys=keys,
        notices=seen.notices,
        **quality,
    )


def _by_words(seen: Evidence) -> None:
    """Columns whose names say that they describe a person, a picture, a label or a row, whatever they hold."""
    known = {words_of(name) for name in seen.table.names}
    for i in seen.open():
        if i in seen.given:
            if seen.given[i] == "aside":
                seen.of[i] = Role("constant", f"{seen.foreign} writes it; no measurement")
            continue
        words = words_of(seen.table.names[i])
        last, some = (words[-1] if words else ""), set(words)
        # y beside x is a place and no label, height beside width that of a box and no person's
        beside = last in _BESIDE and (*words[:-1], _BESIDE[last]) in known
        body = some & {"height", "weight", "bmi"} and not some <= vocabulary.PERSON | {"cm", "kg", "m", "subject"}
        if some & vocabulary.PERSON and not body and not beside and not some & {"eye", "pupil"}:
            seen.of[i] = Role("key", "describes the person, not the frame")
        elif some == {"fps"}:
            seen.of[i] = Role("time", "frames per second, no time")
        elif last in vocabulary.PICTURE and some & {"frame", "image", "video", "picture", "camera"}:
            seen.of[i] = Role("constant", "describes the picture")
        elif (
            not beside
            and some <= vocabulary.LABEL | {"event", "emotion", "the", "s", "id", "name"}
            and (some & vocabulary.LABEL)
        ):
            seen.of[i] = Role("label", "named like a label")
        elif some & vocabulary.WHAT and last in vocabulary.NAMING | {"code", "nr", "no", "number"}:
            seen.of[i] = Role("label", f"named like the {last} of {' '.join(words[:-1])}")
        elif some and some <= vocabulary.WHAT and _is_code(seen, i):
            seen.of[i] = Role("label", f"a few whole numbers, codes of the {last}")


_BESIDE = {"y": "x", "height": "width"}
_FEW = 12  # emotions, gestures or actions that a code tells apart
_LARGE = 1e9  # from which a whole number in any order identifies something


def _is_code(seen: Evidence, i: int) -> bool:
    numbers = seen.numbers(i)
    return numbers is not None and seen.shape(i).integer and len(np.unique(numbers[np.isfinite(numbers)])) <= _FEW


def _identifies(seen: Evidence, i: int) -> bool:
    """Whether a column holds another large whole number in every row, in no order."""
    shape, numbers = seen.shape(i), seen.numbers(i)
    if not shape.integer or not shape.high > _LARGE or shape.known < 10 or max(shape.rises, shape.falls) > 0.7:
        return False
    return numbers is not None and len(np.unique(numbers)) == len(numbers) and bool(np.median(np.abs(numbers)) > _LARGE)


def _rest(seen: Evidence) -> None:
    for i, role in enumerate(seen.of):
        if role is not None and role.kind != "feature":
            continue
        if role is None and not seen.is_number(i):
            bool_like = pd.api.types.is_bool_dtype(seen.table.frame.dtypes.iloc[i])
            seen.of[i] = Role("text", "true or false" if bool_like else "text")
            continue
        quick = seen.quick.get(i)
        low, high = quick[:2] if quick is not None else (seen.shape(i).low, seen.shape(i).high)
        if role is None and (not low <= high or (low == high and np.isinf(low))):
            seen.of[i] = Role("feature", "no finite number in it; left out", "features")
        elif role is None and seen.foreign:
            seen.of[i] = Role("text", f"no column that {seen.foreign} writes", foreign=True)
        elif role is None and high > _LARGE and _identifies(seen, i):
            seen.of[i] = Role("key", "another large whole number in every row, as an identifier is")
        elif role is None and low == high and seen.n > 9:
            seen.of[i] = Role("constant", f"{low:g} in every row")
        elif role is None:
            seen.of[i] = Role("feature", "a number that varies", "features")
    if not any(role and role.kind == "feature" for role in seen.of):
        # Nothing varies: what is the same in every row is still what the table holds.
        for i, role in enumerate(seen.of):
            if role is not None and role.kind == "constant" and seen.is_number(i):
                seen.of[i] = Role("feature", role.reason, "features")
