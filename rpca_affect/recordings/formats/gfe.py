"""Points of the Grammatical Facial Expressions set (UCI), ``*_datapoints.txt``: a time, then x, y and z of each point.

Source: F. A. Freitas, S. M. Peres, C. A. M. Lima and F. V. Barbosa, Grammatical Facial Expressions (2014), UCI Machine
Learning Repository, https://doi.org/10.24432/C59S3R.  A Kinect saw 100 points; x and y are in pixels, z in millimetres.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "gfe"
TITLE = "UCI Grammatical Facial Expressions"
CONVENTION = Convention(groups=(("landmarks", r"\d+[xyz]"),), roles=(("time", ""),), suggested=("landmarks",))
_FEWEST = 10  # points that leave no doubt


def score(table: Table) -> float:
    """Sure when the names count points, 0x 0y 0z 1x and so on, after one column that has no name."""
    first, *points = table.names
    n, rest = divmod(len(points), 3)
    counted = not rest and n >= _FEWEST and points == [f"{i}{axis}" for i in range(n) for axis in "xyz"]
    # a table with row numbers is not from there: stamps are fractions of a second, or milliseconds since 1970
    if not counted or first:
        return 0.0
    numbers = table.numbers(0, required=False)
    return float(numbers is None or (numbers % 1 != 0).any() or np.nanmin(numbers) > 1e9)


def layout(table: Table) -> Layout:
    """The first column is the time since 1970; a depth of 0 says that the Kinect measured none for this point."""
    made = lay_out(table, NAME, CONVENTION, TITLE)
    depths = {i: table.numbers(i, required=True) for i in made.features if table.names[i].endswith("z")}
    seen = {i: (depth != 0).astype(np.float64) for i, depth in depths.items() if depth is not None}
    lost = int(sum((depth == 0).sum() for depth in depths.values() if depth is not None))
    said = (f"{lost} depths are 0, where the camera measured none, and count as missing.",) if lost else ()
    return replace(made, cell_confidence=made.cell_confidence | seen, notices=(*made.notices, *said))


def example(folder: Path, random_state: int) -> Example:
    """A recording of 16 frames a second, as the set holds them."""
    values = wandering(
        [f"{i}{axis}" for i in range(12) for axis in "xyz"], 80, np.random.default_rng(random_state), 200, 900, 3
    )
    stamps = (1390385453172 + np.arange(80) * 1000 // 16).tolist()
    times = [f"{stamp // 1000}.{stamp % 1000}" for stamp in stamps]  # as there, milliseconds have no leading zeros
    rows = [f"{time} " + " ".join(f"{value:.3f}" for value in row) for time, row in zip(times, values.to_numpy())]
    path = folder / "a_affirmative_datapoints.txt"
    path.write_text("\n".join([" ".join(values.columns), *rows]) + "\n")
    return Example(path, values, 16.0, np.zeros(80, dtype=bool))
