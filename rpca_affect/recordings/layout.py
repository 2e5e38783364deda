"""Layout: what the columns of a table are to a recording, by conventions, values, and the user's word."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import numpy as np
import pandas as pd

from .clock import from_numbers
from .convention import Convention
from .names import names_of
from .phrases import listed
from .plausible import RANGES
from .recording import RecordingError
from .roles import Role, decide
from .spelled import from_text
from .tables import Table


@dataclass(frozen=True)
class Layout:
    """What a format says about the columns of a table; the rows are as in the table."""

    format: str
    features: dict[int, str]  # column position -> feature group
    time: np.ndarray | None = None  # seconds
    frame_number: np.ndarray | None = None
    confidence: np.ndarray | None = None  # per row; NaN where the tracker found no face
    failed: np.ndarray | None = None  # per row; True where the tracker says that it failed
    sequence: np.ndarray | None = None  # per row; a key for each face, file or clip
    notices: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()  # of every column; made from the rest where a format leaves it out
    cell_confidence: dict[int, np.ndarray] = field(default_factory=dict)  # features with a confidence of their own
    keys: tuple[str, ...] = ()  # names of the columns behind `sequence`
    ranges: dict[str, tuple[float, float]] = field(default_factory=lambda: dict(RANGES))  # of feature groups
    presence: tuple[str, ...] = ()  # groups whose features say only whether something is there


@dataclass(frozen=True)
class Choice:
    """What the user says about the columns; None leaves it to the evidence."""

    time: str | None = None
    key: tuple[str, ...] = ()
    confidence: str | None = None
    drop: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @classmethod
    def of(cls, time=None, key=None, confidence=None, drop=None, features=None) -> "Choice":
        """Choice from the arguments of `read`; several names come in a list or separated by commas."""
        return cls(time, names_of(key), confidence, names_of(drop), names_of(features))


def lay_out(
    table: Table,
    name: str,
    convention: Convention | None = None,
    title: str | None = None,
    *,
    time: np.ndarray | None = None,
    notices: Sequence[str] = (),
) -> Layout:
    """Layout of a table: the roles of its columns, by a program's convention, the values and the names.

    Parameters
    ----------
    table : Table
        As read.
    name : str
        Name of the format.
    convention : Convention, optional
        What the program calls its columns; tables of unknown origin have none.
    title : str, optional
        Name of the program, for people: numbers in columns that it does not write are then no features.
    time : ndarray of shape (n_frames,), optional
        Seconds, in place of the time column, for programs whose stamps need their own reading.
    notices : sequence of str
        What the format itself has to say.

    Raises
    ------
    RecordingError
        If a convention is given and none of its features is there, or a column that is needed is damaged.
    """
    roles = decide(table, convention, foreign=title if convention is not None else None)
    features = {i: str(roles.of[i].group) for i in roles.positions("feature")}
    known = set(features.values()) - {"features"}
    said = [*notices, *(notice for notice in roles.notices if time is None or "time stamps" not in notice)]
    if convention is None:
        said += _set_aside(table, roles.of)
        suggested = tuple(sorted(known))
    else:
        if not features:
            raise RecordingError(
                f"{table.source} has none of the feature columns of {title}; found {listed(table.names)}."
            )
        others = [table.names[i] for i in roles.positions("text") if roles.of[i].foreign]
        if others:
            said.append(f"Columns that {title} does not write are passed through: {listed(others)}.")
        unread = [table.names[i] for i in roles.positions("text") if convention.group(table.names[i]) is not None]
        if unread:
            said.append(f"Named like features of {title}, but no numbers, and passed through: {listed(unread)}.")
        suggested = tuple(group for group in convention.suggested if group in known)
    seconds = roles.time.seconds if roles.time is not None else None
    return Layout(
        name,
        features,
        time=seconds if time is None else time,
        frame_number=roles.frame_number,
        confidence=roles.confidence,
        failed=roles.failed,
        sequence=roles.sequence,
        notices=tuple(said),
        suggested=suggested,
        roles=tuple(roles.of),
        cell_confidence=roles.cell_confidence,
        keys=roles.keys,
        presence=() if convention is None else convention.presence,
        ranges=RANGES | ({} if convention is None else convention.ranges),
    )


def _set_aside(table: Table, roles: Sequence[Role]) -> list[str]:
    """Sentences about the columns that are no features."""
    names = {kind: [table.names[i] for i, role in enumerate(roles) if role.kind == kind] for kind in _KIND_NAMES}
    return [f"{called}: {listed(names[kind], 8)}." for kind, called in _KIND_NAMES.items() if names[kind]]


_KIND_NAMES = {
    "time": "Times, not features",
    "index": "Counters, not features",
    "key": "Columns taken as keys, not as features",
    "quality": "The tracker's word on its quality, no features",
    "label": "Labels, not features",
    "constant": "The same in every row, passed through",
    "text": "Columns of text are passed through",
}


def overridden(table: Table, layout: Layout, choice: Choice) -> Layout:
    """Layout with the user's word in place of the evidence."""
    roles = list(layout.roles or _plain_roles(table, layout))
    features, said = dict(layout.features), list(layout.notices)
    changes: dict = {}

    def take(name: str, kind: str, reason: str) -> int:
        position = table.position(name)
        if position is None:
            others = [what for what in table.form.get("members", ()) if what not in names_of(table.form.get("key"))]
            beside = f", and beside the table {listed(others)}" if others else ""
            raise ValueError(f"{table.source} has no column {name!r}; it has {listed(table.names, 8)}{beside}.")
        features.pop(position, None)
        roles[position] = Role(kind, reason, used=True)
        return position

    if choice.key:
        positions = [take(name, "key", "you said so") for name in choice.key]
        frame = pd.DataFrame({k: pd.factorize(table.frame.iloc[:, i])[0] for k, i in enumerate(positions)})
        codes = frame.groupby(list(frame.columns), sort=False).ngroup().to_numpy()
        changes |= {"sequence": codes if codes.max() > 0 else None, "keys": choice.key}
    if choice.time:
        i = take(choice.time, "time", "you said so")
        numbers = table.numbers(i, required=False)
        sequence = changes.get("sequence", layout.sequence)
        times = (
            from_text(table.frame.iloc[:, i]) if numbers is None else from_numbers(numbers, table.names[i], sequence)
        )
        if times is None:
            raise RecordingError(f"{table.source}: column {table.names[i]!r} holds no times.")
        roles = [replace(r, used=False) if r.kind == "time" and k != i else r for k, r in enumerate(roles)]
        said += [notice for notice in times.notices if notice not in said]
        changes["time"] = times.seconds
    if choice.confidence:
        i = take(choice.confidence, "quality", "you said so")
        numbers = table.numbers(i, required=True)
        assert numbers is not None
        top = np.nanmax(numbers, initial=0.0)
        changes |= {"confidence": numbers / 100 if 1 < top <= 100 else numbers, "failed": None}
    for pattern in choice.drop:
        found = [i for i in features if table.names[i] == pattern or fnmatchcase(table.names[i], pattern)]
        found += [i for i, group in features.items() if group.casefold() == pattern.casefold()]
        if not found and table.position(pattern) is None:
            raise ValueError(f"No column of {table.source} is called {pattern!r}; it has {listed(table.names, 8)}.")
        for i in set(found):
            del features[i]
            roles[i] = Role("text", "you dropped it")
    for pattern in choice.features:  # what is asked for by name is a feature, whatever the evidence says
        position = table.position(pattern)
        asked = position is not None and position not in features and pattern.casefold() not in {
            group.casefold() for group in features.values()
        }  # fmt: skip
        if asked and position is not None and table.numbers(position, required=False) is not None:
            features[position] = "features"
            roles[position] = Role("feature", "you asked for it", "features")
    if choice.drop and not features:
        raise RecordingError(f"{table.source} has no feature column left, expected at least one.")
    ordered = {i: features[i] for i in sorted(features)}
    return replace(layout, features=ordered, roles=tuple(roles), notices=tuple(said), **changes)


def _plain_roles(table: Table, layout: Layout) -> list[Role]:
    """Roles of a format that names its features and nothing else."""
    return [
        Role("feature", f"named like {layout.features[i]}", layout.features[i])
        if i in layout.features
        else Role("text", f"no feature of {layout.format}")
        for i in range(len(table.names))
    ]
