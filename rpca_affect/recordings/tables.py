"""Table: the columns of a file or DataFrame as read, able to say where in the input a cell stands."""

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from rpca_affect.cached import cached_property

from .cells import Cells
from .names import plain
from .recording import RecordingError


@dataclass(frozen=True, eq=False)
class Table:
    """Columns with the labels of the input; `lines[i]` is the line of a text file that row `i` came from."""

    frame: pd.DataFrame
    source: str
    lines: np.ndarray | None = None
    notices: tuple[str, ...] = ()
    form: dict = field(default_factory=dict)  # separator, decimal mark and header of a text file, for writing alike
    codes: frozenset[int] = frozenset()  # columns of digits that are no numbers: 007 must not come back as 7
    missing: tuple[str, ...] = ()  # more words for a missing cell

    def __post_init__(self):
        if isinstance(self.frame.columns, pd.MultiIndex):
            raise RecordingError(
                f"{self.source}: columns have several header levels, expected one name for each: join them, "
                "table.columns = ['_'.join(map(str, names)) for names in table.columns]."
            )
        if self.frame.empty:
            what = "no rows below its header" if len(self.frame.columns) else "no columns"
            raise RecordingError(f"{self.source} has {what}, expected one row for each frame.")
        seen: dict[str, int] = {}
        for position, name in enumerate(self.names, start=1):
            if name in seen:
                called = f"called {name!r}" if name else "without a name"
                raise RecordingError(
                    f"{self.source}: columns {seen[name]} and {position} are both {called}, expected different names."
                )
            seen[name] = position

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Column names without surrounding blanks."""
        return tuple(str(label).strip() for label in self.frame.columns)

    def __len__(self) -> int:
        return len(self.frame)

    def place(self, row: int) -> str:
        """Where row `row` (counted from 0) stands: a line number as in a text editor, or a row number from 1."""
        return f"line {self.lines[row]}" if self.lines is not None else f"row {row + 1}"

    @cached_property
    def positions(self) -> dict[str, int]:
        """Position of each column by its name; blanks and case do not count, nor what R puts before a name."""
        found = {plain(name).casefold(): i for i, name in reversed(list(enumerate(self.names)))}
        return found | {name.casefold(): i for i, name in reversed(list(enumerate(self.names)))}

    def position(self, name: str) -> int | None:
        """Position of the column of this name, or None."""
        return self.positions.get(name.strip().casefold())

    def column(self, name: str) -> pd.Series | None:
        """Column of this name (blanks and case do not count), or None."""
        position = self.position(name)
        return None if position is None else self.frame.iloc[:, position]

    @cached_property
    def cells(self) -> "Cells":
        """The columns read as numbers, each once."""
        return Cells(self.frame, self.codes, self.form.get("decimal", "."), self.missing)

    def numbers(self, position: int, required: bool) -> np.ndarray | None:
        """Column at `position` as float64, missing cells as NaN; None for a column of text.

        A column is text when at least half of its filled cells are no numbers; fewer are damage.  With
        `required`, any text is damage.
        """
        if position in self.codes and not required:
            return None
        kind = self.frame.dtypes.iloc[position]
        if isinstance(kind, np.dtype) and kind.kind == "c":
            raise RecordingError(f"{self.source}: column {self.names[position]!r} is complex, expected real numbers.")
        if required and pd.api.types.is_bool_dtype(kind):
            return self.frame.iloc[:, position].to_numpy(np.float64, na_value=np.nan)
        column = self.cells.read(position)
        if not len(column.bad):
            return column.numbers
        if not required and column.is_text:
            return None
        raise RecordingError(self.damage(position, int(column.bad[0])))

    def damage(self, position: int, row: int) -> str:
        """Sentence about a cell that is no number."""
        cell = str(self.frame.iat[row, position])
        about = ""
        if re.fullmatch(r"\s*[-+]?\d{1,3}([.,]\d{3})+([.,]\d+)?\s*", cell):
            about = " (it looks like a number with thousands separators: export without them)"
        elif cell.lstrip().startswith(("[", "{")):
            about = " (a list in a cell: export one column for each feature)"
        elif re.search(r"[^\W\d]", cell):
            about = "; if it stands for a missing cell, name it among the words for missing ones"
        return (
            f"{self.source}: {self.place(row)}, column {self.names[position]!r} holds {_shown(cell)}, "
            f"expected a number{about}."
        )

    def nearly_numbers(self) -> str:
        """What the first text that begins with a number holds, such as 45.2°; empty where there is none."""
        for i, name in enumerate(self.names):
            if self.cells.plain(i) or i in self.codes:
                continue
            cells = self.frame.iloc[:, i].astype("string").str.strip()
            begins = cells.str.match(r"[^\w]{0,3}\d*[.,]?\d").fillna(False).to_numpy(bool)
            if begins.mean() > 0.5 and self.cells.read(i).is_text and cells.nunique() > 0.1 * len(cells):
                row = int(begins.argmax())
                return f"{self.place(row)}, column {name!r} holds {_shown(cells.iloc[row])}: export bare numbers"
        return ""


def _shown(value: object) -> str:
    text = repr(str(value))
    return text if len(text) <= 40 else f"{text[:36]}...'"
