"""DeepLabCut and lightning-pose: points with a likelihood, named in three or four rows."""

from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, some_frames, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "deeplabcut"
TITLE = "DeepLabCut"
_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
CONVENTION = Convention(
    groups=(("points", r".+_[xyz]"),),
    roles=(("index", "|".join(_LEVELS)),),
    suggested=("points",),
)


def score(table: Table) -> float:
    """Sure when the rows of names are those that it writes."""
    first = {str(level[0]).strip().casefold() for level in table.form.get("levels", ()) if level}
    return float({"bodyparts", "coords"} <= first)


def layout(table: Table) -> Layout:
    """A point whose likelihood is low is missing there; the frames have a number and no time."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """Three points, all of them out of sight for a moment."""
    rng = np.random.default_rng(random_state)
    points = ("browL", "browR", "mouth")
    values = wandering([f"{point}_{axis}" for point in points for axis in "xy"], 80, rng, 0, 640, digits=3)
    lost = some_frames(80, rng)
    sure = np.where(lost, 0.1, 0.99)
    places = values.to_numpy().reshape(80, 3, 2)
    cells = np.concatenate([places, np.broadcast_to(sure[:, None, None], (80, 3, 1))], axis=2).reshape(80, 9)
    rows = [
        ",".join(["scorer"] + ["DLC_resnet50_face"] * 9),
        ",".join(["bodyparts", *(point for point in points for _ in range(3))]),
        ",".join(["coords", *["x", "y", "likelihood"] * 3]),
    ]
    rows += [",".join([str(i), *(repr(float(cell)) for cell in row)]) for i, row in enumerate(cells)]
    path = folder / "videoDLC_resnet50_face.csv"
    path.write_text("\n".join(rows) + "\n")
    return Example(path, values, None, lost)
