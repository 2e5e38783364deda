"""openSMILE low-level descriptors: name and frameTime, or file, start and end, then the descriptors."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "opensmile"
TITLE = "openSMILE"
CONVENTION = Convention(
    groups=(("descriptors", r"(?s).*"),),
    roles=(("time", r"frametime|start"), ("key", r"name|file"), ("aside", r"end|frameindex")),
    suggested=("descriptors",),
)
_SMOOTHED = ("_sma3", "_sma3nz", "_sma", "_sma_de")


def score(table: Table) -> float:
    """Sure when the time of the frame stands before descriptors that openSMILE has smoothed."""
    folded = {name.casefold() for name in table.names}
    timed = "frametime" in folded or {"start", "end"} <= folded
    return float(timed and any(name.endswith(_SMOOTHED) for name in folded))


def layout(table: Table) -> Layout:
    """Each clip is a sequence; every descriptor is a feature."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """Two clips in one table, with semicolons as SMILExtract writes them."""
    rng = np.random.default_rng(random_state)
    names = ["Loudness_sma3", "alphaRatio_sma3", "slope0-500_sma3", "mfcc1_sma3", "F0semitoneFrom27.5Hz_sma3nz"]
    values = pd.concat([wandering(names, 120, rng) for _ in range(2)], ignore_index=True)
    written = values.copy()
    written.insert(0, "name", np.repeat(["'a'", "'b'"], 120))
    written.insert(1, "frameTime", np.tile(np.arange(120) / 100, 2))
    path = folder / "lld.csv"
    written.to_csv(path, sep=";", index=False)
    return Example(path, values, 100.0, np.zeros(240, dtype=bool), n_sequences=2)
