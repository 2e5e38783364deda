"""Tables of unknown origin: the roles of their columns are decided by values and names alone."""

from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, wandering
from ..groups import ANY
from ..layout import Layout, lay_out
from ..long import by_frames
from ..tables import Table

NAME = "table"
TITLE = "tables of any origin"
CONVENTION = Convention(groups=ANY)  # names that many programs share


def score(table: Table) -> float:
    """Takes what no other format wants."""
    return 0.1


def layout(table: Table) -> Layout:
    """Numbers that vary are features, unless they are a clock, a counter, a key or a confidence."""
    return lay_out(table, NAME)


prepare = by_frames


def example(folder: Path, random_state: int) -> Example:
    """Measurements of any name beside seconds, in the way of a German spreadsheet."""
    values = wandering(["waerme", "druck", "puls", "atem"], 100, np.random.default_rng(random_state))
    written = values.copy()
    written.insert(0, "Zeit [s]", np.arange(100) / 25)
    path = folder / "messung.csv"
    written.to_csv(path, index=False, sep=";", decimal=",")
    return Example(path, values, 25.0, np.zeros(100, dtype=bool))
