"""One self-contained HTML page about a training run: scores, confusion matrices, learning curves, notices."""

import base64
import io
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from rpca_affect.deep.storage import write_text

SIDES = {"validation": "held out to choose the epoch", "test": "test"}
SCORES = {"uar": "UAR", "war": "WAR", "score": "CCC"}
MEANT = {
    "UAR": "share recognised, mean over classes: every class counts alike",
    "WAR": "share recognised of all clips",
    "CCC": "concordance with the ratings, all frames pooled",
}


def write_card(path: Path, summary: dict[str, Any], history: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    """Write the page; every name that comes from data or recipe is escaped, and nothing on it is a script.

    Parameters
    ----------
    path : Path
    summary : dict
        As returned by `rpca_affect.deep.train`.
    history : list of dict
        One row per epoch: "epoch", "loss", "score".
    facts : dict of str to str
        Data, model and settings of the training, in the order of the page.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((files(__package__) / "card.html.jinja").read_text(encoding="utf-8"))
    confusion = summary.get("confusion", {})
    shown = ["uar", "war"] if confusion else ["score"]
    sides = {key: words for key, words in SIDES.items() if key in summary and not np.isnan(summary[key]["score"])}
    text = template.render(
        facts=facts,
        scores=[SCORES[name] for name in shown],
        meant={SCORES[name]: MEANT[SCORES[name]] for name in shown},
        rows=[
            {"side": words, "numbers": [f"{summary[key][name]:.3f}" for name in shown]} for key, words in sides.items()
        ],
        matrices=[
            {"side": words, **_matrix(confusion["classes"], confusion[key])}
            for key, words in sides.items()
            if key in confusion
        ],
        curves=_curves(history, summary["best_epoch"], "UAR" if confusion else "CCC"),
        best=summary["best_epoch"],
        epochs=summary["epochs"],
        notices=summary.get("notices", []),
    )
    write_text(path, text)


def _matrix(classes: list[str], counts: list[list[int]]) -> dict[str, Any]:
    """Rows of a confusion matrix: each cell with its share of the row, in steps of a tenth for its colour."""
    rows = []
    for name, row in zip(classes, counts):
        total = sum(row)
        cells = [
            {"count": n, "tenth": round(10 * n / total) if total else 0, "right": c == name}
            for n, c in zip(row, classes)
        ]
        recall = f"{100 * row[classes.index(name)] / total:.0f} %" if total else ""
        rows.append({"name": name, "cells": cells, "recall": recall})
    return {"classes": classes, "rows": rows}


def _curves(history: list[dict[str, Any]], best: int, score: str) -> str:
    """Loss in training and score on held-out clips against the epochs."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(9.6, 3.0), layout="constrained")
        left, right = figure.subplots(1, 2)
        epochs = [row["epoch"] for row in history]
        left.plot(epochs, [row["loss"] for row in history], color="#0072B2", marker="." if len(epochs) < 40 else "")
        left.set(xlabel="epoch", ylabel="loss in training")
        values = [row["score"] for row in history]
        right.set(xlabel="epoch", ylabel=f"{score}, held out")
        if np.isfinite(values).any():
            right.plot(epochs, values, color="#D55E00", marker="." if len(epochs) < 40 else "")
            right.axvline(best, color="#444444", linestyle=":")
            right.annotate(f" kept: epoch {best}", (best, 0.03), xycoords=("data", "axes fraction"))
        else:
            right.text(0.5, 0.5, "nothing was held out", transform=right.transAxes, ha="center")
        buffer = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
