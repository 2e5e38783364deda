"""What a program calls its columns: the declaration that every format consists of."""

import re
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from .assemble import Layout, listed
from .groups import BLENDSHAPES
from .recording import RecordingError
from .tables import Table

ROLES = ("time", "index", "key", "quality", "status", "aside")


@dataclass(frozen=True)
class Convention:
    """Names, units and ranges of the columns that one program writes.

    Parameters
    ----------
    groups : tuple of (group, pattern)
        Feature groups; the pattern matches the whole name, the first one that does decides.  A pattern is a regular
        expression that minds upper and lower case; begin it with ``(?i)`` where the program does not.  The word
        ``"blendshapes"`` stands for the 53 names of ARKit and MediaPipe in any case.
    roles : tuple of (role, pattern)
        Columns that are no features: ``"time"``, ``"index"`` (frame numbers), ``"key"`` (which face, person or
        clip), ``"quality"`` (0 to 1, higher is better), ``"status"`` (0 where the tracker failed) and ``"aside"``
        (numbers about the row that are no measurement of the face).  Case does not count.
    unit : float, optional
        Seconds in one unit of the time column; left out where the program writes several.
    ranges : dict of group to (low, high)
        What the numbers of a group can be.
    presence : tuple of str
        Groups whose columns say only whether something is there, 0 or 1.
    lost : tuple of str
        Words that stand in a feature's cell where nothing was measured.
    suggested : tuple of str
        Groups worth starting with.

    Examples
    --------
    >>> program = Convention(groups=(("AU", r"AU\\d+"),), roles=(("time", "timestamp"),), ranges={"AU": (0.0, 5.0)})
    >>> program.group("AU12"), program.group("heart_rate"), program.role("Timestamp")
    ('AU', None, 'time')
    """

    groups: tuple[tuple[str, str], ...] = ()
    roles: tuple[tuple[str, str], ...] = ()
    unit: float | None = None
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    presence: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    suggested: tuple[str, ...] = ()

    @cached_property
    def _groups(self) -> list[tuple[str, re.Pattern[str] | None]]:
        return [(group, None if pattern == "blendshapes" else re.compile(pattern)) for group, pattern in self.groups]

    @cached_property
    def _roles(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(role, re.compile(pattern, re.IGNORECASE)) for role, pattern in self.roles]

    def group(self, name: str) -> str | None:
        """Feature group of a column, or None where it is no feature of this program."""
        if self.role(name) is not None:
            return None
        for group, pattern in self._groups:
            if name.casefold() in BLENDSHAPES if pattern is None else pattern.fullmatch(name):
                return group
        return None

    def role(self, name: str) -> str | None:
        """Role of a column that is no feature, or None."""
        return next((role for role, pattern in self._roles if pattern.fullmatch(name)), None)

    def columns(self, role: str, names: tuple[str, ...]) -> list[int]:
        """Positions of the columns of a role, those of an earlier pattern first."""
        ordered = [pattern for known, pattern in self._roles if known == role]
        return [i for pattern in ordered for i, name in enumerate(names) if pattern.fullmatch(name)]


def lay_out(
    table: Table, name: str, convention: Convention, title: str, *, time: np.ndarray | None = None, notices=()
) -> Layout:
    """Layout of a table whose columns follow a convention.

    `time` in seconds replaces the time column, for programs whose stamps need their own reading.
    """
    names = table.names
    groups = {i: group for i, called in enumerate(names) if (group := convention.group(called)) is not None}
    if not groups:
        raise RecordingError(f"{table.source} has none of the feature columns of {title}; found {listed(names)}.")
    said = list(notices)
    others = [called for i, called in enumerate(names) if i not in groups and convention.role(called) is None]
    if others:
        said.append(f"Columns that {title} does not write are passed through: {listed(others)}.")

    def numbers(role: str) -> np.ndarray | None:
        found = (table.numbers(i, required=True) for i in convention.columns(role, names))
        return next((x for x in found if x is not None and not np.isnan(x).all()), None)

    status = numbers("status")
    present = set(groups.values())
    return Layout(
        name,
        groups,
        time=_seconds(table, convention, said) if time is None else time,
        frame_number=numbers("index"),
        confidence=numbers("quality"),
        failed=None if status is None else ~(status > 0),
        sequence=_keys(table, convention),
        notices=tuple(said),
        suggested=tuple(group for group in convention.suggested if group in present),
    )


def _keys(table: Table, convention: Convention) -> np.ndarray | None:
    """One number for each combination of keys, None where there is a single one."""
    columns = convention.columns("key", table.names)
    if not columns:
        return None
    keys = table.frame.iloc[:, columns]
    codes = keys.groupby(list(keys.columns), dropna=False, sort=False).ngroup().to_numpy()
    return codes if codes.max() > 0 else None


def _seconds(table: Table, convention: Convention, notices: list[str]) -> np.ndarray | None:
    from .formats.table import _elapsed, _in_seconds

    for position in convention.columns("time", table.names):
        numbers = table.numbers(position, required=False)
        if numbers is not None:
            if np.isnan(numbers).all():
                continue
            if convention.unit is not None:
                return numbers * convention.unit
            return _in_seconds(numbers, table.names[position], notices)
        stamps = table.frame.iloc[:, position]
        if pd.api.types.is_datetime64_any_dtype(stamps):
            return _elapsed(stamps)
        text = stamps.astype(str).str.strip()
        for parse in (pd.to_timedelta, pd.to_datetime):
            try:
                return _elapsed(pd.Series(parse(text)))
            except (ValueError, TypeError):
                continue
    return None
