"""What a program calls its columns: the declaration that every format consists of."""

import re
from dataclasses import dataclass, field

from rpca_affect.cached import cached_property

from .groups import BLENDSHAPES
from .names import plain

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
        name = plain(name)
        if self.role(name) is not None:
            return None
        for group, pattern in self._groups:
            if name.casefold() in BLENDSHAPES if pattern is None else pattern.fullmatch(name):
                return group
        return None

    def role(self, name: str) -> str | None:
        """Role of a column that is no feature, or None."""
        name = plain(name)
        return next((role for role, pattern in self._roles if pattern.fullmatch(name)), None)

    def columns(self, role: str, names: tuple[str, ...]) -> list[int]:
        """Positions of the columns of a role, those of an earlier pattern first."""
        ordered = [pattern for known, pattern in self._roles if known == role]
        return [i for pattern in ordered for i, name in enumerate(names) if pattern.fullmatch(plain(name))]
