"""Evidence: the columns of a table as the decision about their roles sees them, and the roles decided so far."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .convention import ROLES, Convention
from .tables import Table

COLUMNS = 64  # that are looked at together: no second copy of the table


@dataclass(frozen=True)
class Role:
    """What a column is, and why in words; `used` tells whether the reading depends on it.

    Of a quality, `counts` tells that it is the number of faces or points found; of a text, `foreign` that the program
    which wrote the table does not write this column.
    """

    kind: str
    reason: str
    group: str | None = None
    used: bool = False
    counts: bool = False
    foreign: bool = False


@dataclass(frozen=True)
class Shape:
    """What the values of a numeric column look like, in the order of the rows."""

    known: int
    integer: bool
    low: float
    high: float
    rises: float  # share of the steps that go up, stay, go down, or are exactly 1
    stays: float
    falls: float
    ones: float
    even: bool  # rises in every step, and by nearly the same

    @property
    def constant(self) -> bool:
        return self.known > 0 and self.low == self.high

    @property
    def binary(self) -> bool:
        return self.integer and self.low == 0 and self.high == 1


def shape_of(values: np.ndarray) -> Shape:
    """Look at the values of a column."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Shape(0, False, np.nan, np.nan, 0, 0, 0, 0, False)
    with np.errstate(over="ignore", invalid="ignore"):
        steps = np.diff(known)
    n = max(len(steps), 1)
    median = np.median(steps) if len(steps) else 0.0
    even = len(steps) > 18 and median > 0 and bool((np.abs(steps - median) < 0.6 * median).mean() > 0.98)
    return Shape(
        len(known), bool((known == np.floor(known)).all()), float(known.min()), float(known.max()),
        float((steps > 0).sum() / n), float((steps == 0).sum() / n), float((steps < 0).sum() / n),
        float((steps == 1).sum() / n), even,
    )  # fmt: skip


class Evidence:
    """A table, what a convention says about its columns, and the roles decided so far (`of`)."""

    def __init__(self, table: Table, convention: Convention, foreign: str | None):
        self.table, self.convention, self.foreign = table, convention, foreign
        self.n = len(table)
        self.of: list[Role | None] = [None] * len(table.names)
        self.groups = [convention.group(name) for name in table.names]
        self.given = {i: role for role in ROLES for i in reversed(convention.columns(role, table.names))}
        self.notices: list[str] = []
        self.clips: dict[int, np.ndarray] = {}  # of a column that names pictures: the clip of each
        self._shapes: dict[int, Shape] = {}
        self.quick = self._ranges()

    def _ranges(self) -> dict[int, tuple[float, float, bool]]:
        """Lowest and highest value of each plain column, and whether its start rises."""
        cells = self.table.cells
        plain_ones = [i for i in range(len(self.of)) if cells.plain(i)]
        found: dict[int, tuple[float, float, bool]] = {}
        for start in range(0, len(plain_ones), COLUMNS):
            part = plain_ones[start : start + COLUMNS]
            block = self.table.frame.iloc[:, part].to_numpy(np.float64)
            with np.errstate(invalid="ignore", over="ignore"):
                low, high = np.fmin.reduce(block), np.fmax.reduce(block)
                head = np.diff(block[:200], axis=0)
                rises = (head >= 0).sum(axis=0) >= 0.7 * len(head)
            found |= {i: (low[k], high[k], bool(rises[k])) for k, i in enumerate(part)}
        return found

    def numbers(self, position: int) -> np.ndarray | None:
        """Numbers of a column, or None for text; bad cells are NaN here and refused when the column is used."""
        if position in self.table.codes:
            return None
        column = self.table.cells.read(position)
        return None if column.is_text else column.numbers

    def shape(self, position: int) -> Shape:
        if position not in self._shapes:
            numbers = self.numbers(position)
            self._shapes[position] = shape_of(np.empty(0) if numbers is None else numbers)
        return self._shapes[position]

    def is_number(self, position: int) -> bool:
        return position in self.quick or self.numbers(position) is not None

    def values(self, position: int) -> np.ndarray:
        """Codes of the different values of a column, -1 where empty; of the clips where it names pictures."""
        if position in self.clips:
            return self.clips[position]
        return pd.factorize(self.table.frame.iloc[:, position])[0]

    def open(self) -> list[int]:
        return [i for i, role in enumerate(self.of) if role is None]


def regular(numbers: np.ndarray | None) -> bool:
    """Whether values in any order are those of a clock or counter: each once, in nearly equal steps when sorted."""
    if numbers is None:
        return False
    known = np.sort(numbers[np.isfinite(numbers)])
    steps = np.diff(known)
    if len(steps) < 10:
        return False
    median = np.median(steps)
    return bool(median > 0 and (np.abs(steps - median) < 0.6 * median).mean() > 0.9)
