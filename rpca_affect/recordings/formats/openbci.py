"""OpenBCI raw recordings: channels, accelerometer and time, below lines that begin with %."""

from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "openbci"
TITLE = "OpenBCI"
CONVENTION = Convention(
    groups=(("EXG", r"(?i:e[xe]g channel \d+)"), ("accelerometer", r"(?i:accel channel \d+)")),
    roles=(
        ("time", r"timestamp"),
        # The index of the sample begins anew after 255 or fewer.
        (
            "aside",
            r"sample index|timestamp \(formatted\)|other.*|(digital|analog|marker) channel.*|not used|packet.*",
        ),
    ),
    unit=1.0,
    suggested=("EXG",),
)


def score(table: Table) -> float:
    """Sure when the index of the sample stands before EXG channels."""
    own = any(CONVENTION.group(name) == "EXG" for name in table.names)
    return float(table.position("Sample Index") is not None and own)


def layout(table: Table) -> Layout:
    """Every channel is a feature."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """Four channels at 200 samples a second."""
    rng = np.random.default_rng(random_state)
    values = wandering([f"EXG Channel {i}" for i in range(4)], 600, rng, -100, 100)
    written = values.copy()
    written.insert(0, "Sample Index", np.arange(600) % 200)
    written["Timestamp"] = [f"{1.7e9 + i / 200:.6f}" for i in range(600)]
    top = ["%OpenBCI Raw EXG Data", "%Number of channels = 4", "%Sample Rate = 200 Hz"]
    path = folder / "OpenBCI-RAW-2026-01-01.txt"
    rows = written.to_csv(index=False).replace(",", ", ")
    path.write_text("\n".join(top) + "\n" + rows)
    return Example(path, values, 200.0, np.zeros(600, dtype=bool))
