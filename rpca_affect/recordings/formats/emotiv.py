"""EmotivPRO exports: channels called EEG.AF3, below a line that describes the session."""

from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "emotiv"
TITLE = "EmotivPRO"
CONVENTION = Convention(
    groups=(
        ("EEG", r"EEG\.(?!Counter|Interpolated|RawCq|Battery|Marker|Timestamp)\w+"),
        ("power", r"POW\.\w+\.\w+"),
        ("performance", r"PM\.\w+\.\w+"),
        ("motion", r"MOT\.(?!Counter|Interpolated)\w+"),
    ),
    roles=(
        ("time", r"timestamp"),
        # The counter begins anew after 127; contact quality is no confidence in a frame.
        ("aside", r".*(counter|interpolated|rawcq|battery|marker|originaltimestamp).*|[ce]q\..*"),
    ),
    unit=1.0,
    suggested=("EEG",),
)


def score(table: Table) -> float:
    """Sure when channels are called EEG and their sensor."""
    own = sum(CONVENTION.group(name) in ("EEG", "power") for name in table.names)
    return float(table.position("Timestamp") is not None and own > 2)


def layout(table: Table) -> Layout:
    """Contact quality and counters are passed through."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """Five channels at 128 samples a second."""
    rng = np.random.default_rng(random_state)
    values = wandering([f"EEG.{name}" for name in ("AF3", "T7", "Pz", "T8", "AF4")], 300, rng, 4000, 4300, digits=3)
    written = values.copy()
    written.insert(0, "Timestamp", [f"{1.7e9 + i / 128:.6f}" for i in range(300)])
    written.insert(1, "EEG.Counter", np.arange(300) % 128)
    top = "title:session,start timestamp:1700000000.0,stop timestamp:1700000002.3,headset type:INSIGHT,samples:300\n"
    path = folder / "session.csv"
    path.write_text(top + written.to_csv(index=False))
    return Example(path, values, 128.0, np.zeros(300, dtype=bool))
