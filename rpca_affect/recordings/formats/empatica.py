"""Empatica E4 exports: a first row of start times, a second of sampling rates, then the samples."""

from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..recording import RecordingError
from ..tables import Table

NAME = "empatica"
TITLE = "Empatica E4"
CONVENTION = Convention(groups=(("signals", r"(?s).*"),), roles=(("time", "time"),), unit=1.0)
_SIGNALS = {"acc", "bvp", "eda", "hr", "temp"}  # what the files of an export are called


def score(table: Table) -> float:
    """Sure when the first row is one unix time throughout and the second one rate."""
    return float("start" in table.form or _start_and_rate(table) is not None or _start_of_beats(table) is not None)


def prepare(table: Table) -> Table:
    """Samples with their times; the two rows above them are no samples."""
    found = _start_and_rate(table)
    if found is None:
        if "start" in table.form:
            return table
        if (start := _start_of_beats(table)) is not None:
            return _beats(table, start)
        raise RecordingError(f"{table.source} has no start time and sampling rate above its samples, expected both.")
    start, rate = found
    frame = table.frame.iloc[2:].reset_index(drop=True)
    called = PurePath(table.source).name.partition(".")[0].lower()
    signal = called if called in _SIGNALS else "signal"
    width = frame.shape[1]
    axes = "xyz" if width == 3 else range(width)
    frame.columns = pd.Index([signal] if width == 1 else [f"{signal}_{axis}" for axis in axes], dtype=object)
    frame.insert(0, "time", np.arange(len(frame)) / rate)
    said = (
        f"The first two rows are the start ({start:.0f} s, unix time) and the rate ({rate:g} per second), not samples."
    )
    return replace(
        table,
        frame=frame,
        lines=None if table.lines is None else table.lines[2:],
        notices=(*(text for text in table.notices if "no header" not in text), said),
        form=table.form | {"header": True, "start": start, "rate": rate},
        codes=frozenset(),
    )


def layout(table: Table) -> Layout:
    """Every column is a signal."""
    return lay_out(table, NAME, CONVENTION, TITLE)


def example(folder: Path, random_state: int) -> Example:
    """ACC.csv, three axes at 32 samples a second."""
    rng = np.random.default_rng(random_state)
    values = wandering(["acc_x", "acc_y", "acc_z"], 200, rng, -64, 64, digits=0).astype(int)
    path = folder / "ACC.csv"
    rows = ["1700000000.000000, 1700000000.000000, 1700000000.000000", "32.000000, 32.000000, 32.000000"]
    path.write_text("\n".join(rows) + "\n" + values.to_csv(index=False, header=False))
    return Example(path, values, 32.0, np.zeros(200, dtype=bool))


def _beats(table: Table, start: float) -> Table:
    """Intervals between heart beats, each with the time of its beat."""
    frame = table.frame.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index(["time", "ibi"], dtype=object)
    said = f"The first row is the start ({start:.0f} s, unix time), no beat."
    return replace(
        table,
        frame=frame,
        lines=None if table.lines is None else table.lines[1:],
        notices=(*(text for text in table.notices if "no header" not in text), said),
        form=table.form | {"header": True, "start": start},
        codes=frozenset(),
    )


def _start_of_beats(table: Table) -> float | None:
    if table.form.get("header", True) or len(table.names) != 2 or len(table) < 3:
        return None
    first, word = table.frame.iloc[0]
    start = float(pd.to_numeric(first, errors="coerce"))
    return start if 1e9 < start < 3e9 and str(word).strip().casefold() == "ibi" else None


def _start_and_rate(table: Table) -> tuple[float, float] | None:
    if table.form.get("header", True) or not 1 <= len(table.names) <= 8 or len(table) < 4:
        return None
    top = table.frame.iloc[:2].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    if (top != top[:, :1]).any():  # NaN differs from itself
        return None
    start, rate = float(top[0, 0]), float(top[1, 0])
    return (start, rate) if 1e9 < start < 3e9 and 0 < rate <= 4096 else None
