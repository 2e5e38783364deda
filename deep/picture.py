"""The picture of the card: every model on every set, clean score against what 30 % broken frames cost.

`python deep/picture.py` reads the summaries in deep/results and writes deep/results/held_out.svg.
"""

import json
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from rivals import BASELINES

RESULTS = Path(__file__).parent / "results"
SHOWN = {
    "emodb-person": "Emo-DB, held-out speakers,\nspeaker's level taken out",
    "watch_walk_2-person": "Watch and walk, held-out people,\nperson's level taken out",
    "gfe": "Facial grammar, held-out\nrecordings of one signer",
    "natops": "natops, official split\n(used to choose LSEF's form)",
    "japanese_vowels": "japanese_vowels, official split\n(used to choose LSEF's form)",
}
COLOURS = {"lsef": "#D55E00", "no SEM, no DDM": "#0072B2"}

NOTE = """Good is right and low.
Orange: LSEF.  Blue: LSEF without SEM and DDM.
Grey: other kinds of model.

The intervals are in the tables;
most differences are within them."""


def main():
    found = {name: json.loads((RESULTS / f"benchmark-{name}.json").read_text()) for name in SHOWN}
    with matplotlib.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False,
                                "svg.hashsalt": "held out", "svg.fonttype": "none"}):  # fmt: skip
        figure = Figure(figsize=(11, 6), layout="constrained")
        axes = figure.subplots(2, 3).ravel()
        for ax, (name, title) in zip(axes, SHOWN.items()):
            for model in found[name]["models"]:
                place = model["clean"], model["loss"]["0.3"]
                if model["model"] in BASELINES or model["model"] in COLOURS:
                    colour = COLOURS.get(model["model"], "#777777")
                    ax.plot(*place, "o", color=colour)
                    ax.annotate(
                        model["model"],
                        place,
                        xytext=(4, -9 if colour == "#0072B2" else 3),
                        textcoords="offset points",
                        color=colour,
                    )
            ax.axhline(0, color="#cccccc", linewidth=0.8, zorder=0)
            ax.margins(0.25, 0.2)
            ax.set(title=title, xlabel="UAR on clean recordings", ylabel="UAR lost, 30 % of the frames broken")
        axes[-1].axis("off")
        axes[-1].text(0, 0.5, NOTE, va="center", fontsize=9)
        with (RESULTS / "held_out.svg").open("wb") as file:
            FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
