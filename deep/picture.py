"""The card in one picture and one table: every model on every set, on clean recordings and with broken frames.

`python deep/picture.py` reads the summaries in deep/results, writes deep/results/held_out.svg and prints the table.
"""

import json
from pathlib import Path

import matplotlib
import numpy as np
from judge import shown
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from rivals import BASELINES

RESULTS = Path(__file__).parent / "results"
SHOWN = {  # what it is called, and the score of guessing
    "emodb-person": ("Emo-DB, held-out speakers", 1 / 4),
    "watch_walk_2-person": ("Watch and walk, held-out people", 1 / 2),
    "gfe": ("Facial grammar, held-out recordings", 1 / 2),
    "natops": ("natops*, official split", 1 / 6),
    "japanese_vowels": ("japanese_vowels*, official split", 1 / 9),
}
COLOURS = {"lsef": "#D55E00", "no SEM, no DDM": "#0072B2"}
ORDER = (*BASELINES, "no SEM, no DDM", "lsef")
NOTE = """Full dot: clean recordings. Ring: 30 % of the frames broken.
A short line is a robust model.

Orange: LSEF. Blue: LSEF without SEM and DDM.
Grey: other kinds of model.

* looked at when LSEF's form was chosen.
Most differences on clean recordings are within
their intervals: see the tables."""


def draw(found: dict[str, dict], path: Path) -> None:
    """One panel for each set: where a model is on clean recordings, and where broken frames take it."""
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False,
                                "svg.hashsalt": "held out", "svg.fonttype": "none"}):  # fmt: skip
        figure = Figure(figsize=(11, 5), layout="constrained")
        axes = figure.subplots(2, 3, sharey=True).ravel()
        for ax, (name, (title, chance)) in zip(axes, SHOWN.items()):
            models = {model["model"]: model for model in found[name]["models"]}
            for place, model in enumerate(ORDER):
                clean = models[model]["clean"]
                colour = COLOURS.get(model, "#777777")
                ax.plot([clean, clean - models[model]["loss"]["0.3"]], [place, place], color=colour, linewidth=2)
                ax.plot(clean - models[model]["loss"]["0.3"], place, "o", color=colour, markerfacecolor="white")
                ax.plot(clean, place, "o", color=colour)
            ax.axvline(chance, color="#bbbbbb", linestyle=":", linewidth=1)
            ax.set_yticks(range(len(ORDER)), ORDER)
            ax.tick_params("y", length=0)
            ax.set(title=title, xlabel="UAR (dotted: guessing)")
        axes[-1].axis("off")
        axes[-1].text(0, 0.5, NOTE, va="center", fontsize=9, transform=axes[-1].transAxes)
        with path.open("wb") as file:
            FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})


def table(found: dict[str, dict]) -> str:
    """LSEF beside the best other kind of model and beside itself without SEM and DDM, a row for each set."""
    lines = [
        "| set | folds, seeds | best other, clean | LSEF less it, clean | loss at 30 %: LSEF, it "
        "| LSEF less itself without SEM, DDM: clean, loss |",
        "|---|---|---|---|---|---|",
    ]
    for name, (title, _) in SHOWN.items():
        models = {model["model"]: model for model in found[name]["models"]}
        less = {row["model"]: row for row in found[name]["lsef less"]}
        best = max((model for model in BASELINES if model in models), key=lambda model: models[model]["clean"])
        plain = less["no SEM, no DDM"]
        cells = [
            title,
            f"{found[name]['folds'] // found[name]['seeds']}, {found[name]['seeds']}",
            f"{best} {shown(models[best]['clean'], np.nan)}",
            shown(less[best]["clean"], less[best]["half"], "+"),
            f"{models['lsef']['loss']['0.3']:.3f}, {models[best]['loss']['0.3']:.3f}",
            f"{shown(plain['clean'], plain['half'], '+')}, {shown(plain['loss'], plain['loss_half'], '+')}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    found = {name: json.loads((RESULTS / f"benchmark-{name}.json").read_text()) for name in SHOWN}
    draw(found, RESULTS / "held_out.svg")
    print(table(found))


if __name__ == "__main__":
    main()
