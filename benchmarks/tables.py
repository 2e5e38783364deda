"""From the rows of a race to a table that people read and a plot of cost against size."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt

__all__ = ["brief", "exponent", "markdown", "plot", "summary"]

LIMITS = {"truth": ("err_truth", 1e-5), "reference": ("err_reference", 1e-5), "gap": ("gap", 1e-3)}
# Okabe & Ito's colours for colour-blind readers.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7", "#999999")


def brief(row: dict) -> str:
    """One line about one run, for the progress output."""
    if row["status"] != "ok":
        return f"{row['contender']:16s} {row['status']}: {row['message']}"
    return (
        f"{row['contender']:16s} {row['seconds']:9.3f} s  {row['n_iter']:5d} steps  "
        f"{row['peak_mib'] / row['input_mib']:5.1f}x input memory"
    )


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Collapse runs to one line per problem and contender.

    Parameters
    ----------
    runs : DataFrame
        Rows of the race; of a contender that was run again, the newest turns count.

    Returns
    -------
    DataFrame
        Medians of the times, largest peak memory, accuracy of the first turn, ``excess`` of the objective over the
        best dual bound that anybody found for the problem, and ``accuracy``, the measure that decides.
    """
    lines = []
    for problem, rows in runs.groupby("problem", sort=False):
        bound = rows["dual_bound"].max()
        for contender, turns in rows[rows["kind"] != "optimum"].groupby("contender", sort=False):
            newest = turns.index[(turns["repeat"] == 0) | (turns["status"] != "ok")]
            # A contender that is skipped or ended has no later turns; else the last block of turns starts at repeat 0.
            turns = turns.loc[newest[turns.loc[newest, "repeat"].fillna(0) == 0].max() :]
            first, done = turns.iloc[0], turns[turns["status"] == "ok"]
            line = first.to_dict() | {"problem": problem, "contender": contender, "turns": len(done)}
            for column in ("seconds", "step_seconds"):
                line[column] = done[column].median()
            line["peak"] = (done["peak_mib"] / done["input_mib"]).max()
            line["excess"] = max((first["objective"] - bound) / first["objective"], 0.0) if bound > 0 else np.nan
            line["accuracy"] = line[LIMITS[first["metric"]][0]]
            lines.append(line)
    return pd.DataFrame(lines)


def markdown(runs: pd.DataFrame, head: str) -> str:
    """Write the table: first the ratios, then every contender on every problem.

    Parameters
    ----------
    runs : DataFrame
    head : str
        Machine and settings.

    Returns
    -------
    str
    """
    table: Any = summary(runs)
    text = ["# Time and accuracy", "", head + ".", "", "## Ratios", ""]
    text += [
        "| problem | ours | seconds | accuracy | best peer as accurate | ratio | full-SVD IALM | ratio "
        "| full-SVD step | ratio |",
        "|---|---|---:|---:|---|---:|---|---:|---|---:|",
    ]
    for problem, rows in table.groupby("problem", sort=False):
        done = rows[rows["status"] == "ok"].set_index("contender")
        text += [_ratios(problem, name, done) for name in ("ours", "ours-ialm", "ours-admm") if name in done.index]
    text += [
        "",
        "`ours` is `solve` with its defaults. Ratio: their time over ours. As accurate: the error that decides (to the "
        "planted truth, to the optimum, or the duality gap) at most 1e-5 (gap: 1e-3), or at most ten times that of the "
        "row. A full-SVD IALM that is less accurate than that is marked *. Full-SVD step: one step of the same method "
        "with a full SVD over one step of ours.",
    ]
    for problem, rows in table.groupby("problem", sort=False):
        text += ["", f"## {problem}", ""]
        text.append(
            "| contender | seconds | turns | steps | ms a step | error to truth | error to optimum | gap | own gap "
            "| excess | rank | objective | residual | memory | note |"
        )
        text.append("|---|" + "---:|" * 13 + "---|")
        text += [_line(row) for _, row in rows.iterrows()]
    slopes = exponent(table)
    if slopes:
        text += ["", "## Exponent of cost in frames", "", "| contender | solve | step |", "|---|---:|---:|"]
        text += [f"| {name} | {solve:.2f} | {step:.2f} |" for name, (solve, step) in slopes.items()]
    text += [
        "",
        "Gap: relative duality gap that the answer proves, recomputed here for everybody (from the multiplier where it "
        "is given away, else from one guessed from L and S). Own gap: what the contender claims. Excess: of the "
        "objective at a feasible point over the best dual bound that anybody found. Error to optimum: to the optimum "
        "computed to 1e-9. Memory: peak beyond the input, in multiples of the input, outputs included.",
    ]
    return "\n".join(text) + "\n"


def _ratios(problem: Any, name: str, done: Any) -> str:
    ours = done.loc[name]
    limit = max(LIMITS[ours["metric"]][1], 10 * ours["accuracy"])
    peers = done[(done["kind"] == "peer") & (done["accuracy"] <= limit)].sort_values("seconds")
    cells = [problem, name, f"{ours['seconds']:.3g}", f"{ours['metric']} {ours['accuracy']:.1e}"]
    if len(peers):
        quick = peers["seconds"].iloc[0]
        cells += [f"{peers.index[0]} {quick:.3g} s", f"**{quick / ours['seconds']:.1f}x**"]
    else:
        cells += ["none", "-"]
    if "ialm-full" in done.index and not _text(done.loc["ialm-full", "message"]):
        full = done.loc["ialm-full"]
        star = "" if full["accuracy"] <= limit else "*"
        cells += [f"{full['seconds']:.3g} s{star}", f"**{full['seconds'] / ours['seconds']:.1f}x**"]
    else:
        cells += ["-", "-"]
    slow = "admm-full" if name == "ours-admm" else "ialm-full"
    if slow in done.index and name != "ours":
        step = done.loc[slow, "step_seconds"]
        cells += [f"{slow} {step * 1e3:.3g} ms", f"**{step / ours['step_seconds']:.1f}x**"]
    else:
        cells += ["-", "-"]
    return "| " + " | ".join(cells) + " |"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _line(row: Any) -> str:
    note = _text(row["message"])
    note = note.replace("|", "/").replace("\n", " ")[:160]
    if row["status"] != "ok":
        return f"| {row['contender']} |" + " - |" * 13 + f" {row['status']}: {note} |"
    notes = [note] if note else []
    if row["turns"] == 1:
        notes.append("run once")

    def number(column: str, form: str) -> str:
        return "-" if pd.isna(row[column]) else format(row[column], form)

    cells = [row["contender"], number("seconds", ".3g"), str(row["turns"]), number("n_iter", ".0f")]
    cells.append(f"{row['step_seconds'] * 1e3:.3g}")
    cells += [number(name, ".1e") for name in ("err_truth", "err_reference", "gap", "claimed_gap", "excess")]
    cells += [number("rank", ".0f"), number("objective", ".8g"), number("residual", ".1e"), f"{row['peak']:.1f}x"]
    cells.append("; ".join(notes))
    return "| " + " | ".join(cells) + " |"


def exponent(table: Any) -> dict[str, tuple[float, float]]:
    """Slopes of log time against log frames, per solve and per step, from the group ``frames``."""
    slopes: dict[str, Any] = {}
    rows = table[(table["group"] == "frames") & (table["status"] == "ok")]
    for name, points in rows.groupby("contender", sort=False):
        if len(points) > 1:
            size = np.log(points["length"])
            slopes[name] = tuple(
                float(np.polyfit(size, np.log(points[column]), 1)[0]) for column in ("seconds", "step_seconds")
            )
    return slopes


def plot(runs: pd.DataFrame, path: Path) -> None:
    """Draw time against size, one panel for squares and one for frames, on logarithmic axes.

    Parameters
    ----------
    runs : DataFrame
    path : Path
    """
    table: Any = summary(runs)
    table = table[table["status"] == "ok"]
    # Two densities of the same size would draw a vertical line: keep the first.
    table = table.drop_duplicates(["group", "length", "contender"])
    groups = [group for group in ("squares", "frames") if group in set(table["group"])]
    if not groups:
        return
    slopes = exponent(table)
    names = list(dict.fromkeys(table["contender"]))
    figure, axes = plt.subplots(1, len(groups), figsize=(6 * len(groups), 5.2), layout="constrained", squeeze=False)
    for axis, group in zip(axes[0], groups):
        for name, points in table[table["group"] == group].groupby("contender", sort=False):
            which = names.index(name)
            style: dict[str, Any] = {"linewidth": 3 if name == "ours" else 1.5}
            style |= {"color": COLOURS[which % len(COLOURS)], "marker": "os^Dv*"[which // len(COLOURS)]}
            label = name
            if group == "frames" and name in slopes:
                label += f" (exponent {slopes[name][0]:.2f}, of a step {slopes[name][1]:.2f})"
            points = points.sort_values("length")
            axis.loglog(points["length"], points["seconds"], label=label, **style)
        axis.set(xlabel="n of an n x n matrix" if group == "squares" else "frames", ylabel="seconds for a solve")
        sizes = sorted(table.loc[table["group"] == group, "length"].unique())
        axis.set_xticks(sizes, [f"{size:,.0f}" for size in sizes])
        axis.minorticks_off()
        axis.grid(True, alpha=0.25)
        axis.legend(
            fontsize="x-small", loc="upper left", bbox_to_anchor=(0, -0.13), ncols=3 if group == "squares" else 1
        )
    figure.savefig(path, dpi=120)
    plt.close(figure)
