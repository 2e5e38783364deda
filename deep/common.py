"""What the experiments share: results are written whole or not at all, and printed as mean and spread."""

import os
from pathlib import Path

import pandas as pd


def finish(frame: pd.DataFrame, path: Path) -> None:
    """Write a table under a temporary name and rename it, so that an interrupted run leaves a whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    frame.to_csv(temporary, index=False)
    os.replace(temporary, path)


def table(frame: pd.DataFrame, rows: list[str], value: str, columns: str | None = None, digits: int = 3) -> str:
    """Markdown of mean and standard deviation over what is left (the seeds)."""
    keys = [*rows, columns] if columns else rows
    found = frame.groupby(keys, sort=False)[value].agg(["mean", "std"]).fillna(0.0)
    text = found.apply(lambda r: f"{r['mean']:.{digits}g} ± {r['std']:.1g}", axis=1)
    shown = text.unstack(columns).reset_index() if columns else text.reset_index(name=value)
    header = "| " + " | ".join(map(str, shown.columns)) + " |"
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in shown.itertuples(index=False)]
    return "\n".join([header, "|" + "---|" * len(shown.columns), *lines])
