"""One self-contained HTML page of a study: outliers, a table of the recordings with links, errors, notes."""

import base64
import io
import warnings
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd

from rpca_affect.results.saving import REPORT
from rpca_affect.study.measures import MEASURES

__all__ = ["write_page"]

_SHARES = {"missing", "density", "residual", "predicted"}


def write_page(study: Any, jobs: list[Any], path: Path) -> None:
    """Write the page.

    Every name is escaped, links lead to the folders beside the page only, and the picture is embedded.

    Parameters
    ----------
    study : Study
    jobs : list of Job
        Of the rows, in their order.
    path : Path
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((files(__package__) / "study.html.jinja").read_text(encoding="utf-8"))
    table = study.table
    shown = [name for name in MEASURES if pd.to_numeric(table[name], errors="coerce").notna().any()]
    known = list(table.columns[1 : table.columns.get_loc("file")])
    path.write_text(
        template.render(
            count=len(table),
            failed=[{"name": row.recording, "error": row.error} for row in table.itertuples() if row.error],
            people=known[:4],
            measures=[MEASURES[name] for name in shown],
            rows=[_row(row, job, shown, known[:4]) for (_, row), job in zip(table.iterrows(), jobs)],
            standing=[
                {"name": row.recording, "why": ", ".join(MEASURES[name] for name in row.stands_out.split("; "))}
                for row in table.itertuples()
                if row.stands_out
            ],
            notes=study.notes,
            picture=_picture(table, shown) if len(table) > 1 and shown else None,
        ),
        encoding="utf-8",
    )


def _row(row: pd.Series, job: Any, shown: list[str], known: list[str]) -> dict[str, Any]:
    target = f"{row['recording']}/{REPORT}" if (job.target / REPORT).is_file() else f"{row['recording']}/"
    stands_out = row["stands_out"].split("; ")
    return {
        "name": row["recording"],
        "link": None if row["error"] else "./" + quote(target),
        "people": ["" if pd.isna(row[name]) else str(row[name]) for name in known],
        "frames": "" if pd.isna(row["frames"]) else f"{int(row['frames']):,}",
        "cells": [{"text": _number(name, row[name]), "out": name in stands_out} for name in shown],
        "doubts": row["doubts"].replace("_", " "),
        "failed": bool(row["error"]),
    }


def _number(name: str, value: Any) -> str:
    if value is None or pd.isna(value):
        return ""
    if name in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _picture(table: pd.DataFrame, shown: list[str]) -> str:
    """A strip for each measure: a point for each recording, those that stand out filled and named."""
    from matplotlib.figure import Figure

    from rpca_affect.plots.parts import style

    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(7.2, 0.95 * len(shown) + 0.2), layout="constrained")
        for ax, name in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown):
            values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=float)
            values = 100 * values if name in _SHARES else values
            out = np.array([name in text.split("; ") for text in table["stands_out"]])
            shift = np.random.default_rng(0).uniform(-0.25, 0.25, len(values))  # so that equal points are seen apart
            ax.scatter(values[~out], shift[~out], s=22, facecolors="none", edgecolors="#0072B2", linewidths=1.1)
            ax.scatter(values[out], shift[out], s=26, color="#B34E00", marker="D")
            for row in np.flatnonzero(out)[:6]:
                label = str(table["recording"].iloc[row]).replace("$", r"\$")
                ax.annotate(label[-24:], (values[row], shift[row]), xytext=(-5, 5), textcoords="offset points",
                            fontsize=8, ha="right")  # fmt: skip
            ax.set(ylim=(-0.6, 0.9), yticks=[], xlabel=MEASURES[name] + (" (%)" if name in _SHARES else ""))
            ax.spines[["left", "right", "top"]].set_visible(False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
