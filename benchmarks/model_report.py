"""Everything that `make model` measured, as one page: benchmarks/results/model.md.

Run `python -m benchmarks.model_report` after the parts that it reads: `benchmarks.model_tables`,
`benchmarks.model_checks`, `benchmarks.alarms` and `benchmarks.doubt_curve`.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from benchmarks.doubt_curve import rates
from rpca_affect.session.prediction import LIMIT

HERE = Path(__file__).parent
SHORT = 60  # frames below which recordings are summed up by their group of features


def markdown(table: pd.DataFrame, digits: int = 3) -> str:
    """A table of Markdown, numbers with a few significant digits."""

    def shown(value: object) -> str:
        if isinstance(value, float):
            return "-" if pd.isna(value) else f"{value:.{digits}g}"
        return str(value)

    rows = [
        list(table.columns),
        ["---"] * len(table.columns),
        *([shown(v) for v in row] for row in table.values.tolist()),
    ]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows) + "\n"


def by_length(table: pd.DataFrame, values: list[str]) -> pd.DataFrame:
    """Long recordings one by one, short clips as the median over their group of features."""
    long = table[table["frames"] >= SHORT]
    short = table[table["frames"] < SHORT].copy()
    if not len(short):
        return long
    short["group"] = short["recording"].str.split().str[-1]
    keys = ["group", *(["method"] if "method" in table else [])]
    parts = short.groupby(keys, sort=False)
    summed = parts[[*values, "frames", "features"]].median().reset_index()
    summed["frames"], summed["features"] = summed["frames"].round().astype(int), summed["features"].round().astype(int)
    summed["recording"] = [f"median of {n} clips, {name}" for n, name in zip(parts.size(), summed["group"])]
    return pd.concat([long, summed], ignore_index=True)[list(table.columns)]


def gross(table: pd.DataFrame) -> pd.DataFrame:
    """Worst of all values, by kind and share."""
    worst = table.groupby(["spoiled", "share"], sort=False)[["error_ratio", "time_ratio"]].max().reset_index()
    return worst.rename(columns={"error_ratio": "error / clean, worst", "time_ratio": "time / clean, worst"})


def siblings(table: pd.DataFrame) -> pd.DataFrame:
    """Ratios of errors by value and kind."""
    found = table.groupby(["value", "kind"])["ratio"].agg(["count", "median", "max"]).reset_index()
    return found.merge(table.groupby(["value", "kind"])["silent"].sum().reset_index())


def bursts(table: pd.DataFrame) -> str:
    """Means over the recordings by group of features, and the long recordings under two methods."""
    table = table.copy()
    groups = [name.split()[-1] if " " in name else "landmarks_2d" for name in table["recording"]]
    table["of"] = [f"{group}, {'clips' if m < SHORT else 'recordings'}" for group, m in zip(groups, table["frames"])]
    values = ["found", "false", "density", "amplitude"]
    means = table.groupby(["of", "method"], sort=False)[values].mean().reset_index()
    single = table[(table["frames"] >= SHORT) & table["method"].isin(["decompose", "RobustPCA"])]
    return markdown(means) + "\n" + markdown(single[["recording", "frames", "features", "method", *values]])


def curve(table: pd.DataFrame) -> str:
    """False alarms and misses at the limit, in all and by size."""
    rows = [["all", "all", *rates(table, LIMIT), len(table)]]
    rows += [[m, n, *rates(part, LIMIT), len(part)] for (m, n), part in table.groupby(["frames", "columns"])]
    return markdown(pd.DataFrame(rows, columns=["frames", "columns", "false alarms", "misses", "tables"]))


SECTIONS = (
    ("Sentinels and gross cells", "model-gross",
     "Error of the base and time of `decompose` beside the clean table (600 x 40, rank 4), the worst of the values "
     "-999, 1e3, 1e6 and 1e9; asked are 1.5 and 2.", lambda t: markdown(gross(t))),
    ("Their siblings", "model-siblings",
     "Sentinels in generated tables of 4 to 300 columns and 100 frames or more, some with resting columns, drift, and "
     "levels among which the sentinel is an ordinary value. `silent`: an error beyond 1.5 times the clean one of which "
     "no doubt speaks.", lambda t: markdown(siblings(t))),
    ("Hidden cells", "model-hidden",
     "Error in hidden stretches of 10 frames (5 % of the cells), relative to that of the median; 1 knows nothing. "
     "Rivals beside it: straight lines in time, a low-pass of 2 Hz, a Hampel filter, scikit-learn's PCA with 95 %.",
     lambda t: markdown(by_length(t, ["plain", "lags", "line", "low_pass", "hampel", "pca"]))),
    ("Hidden cells of other recordings", "model-aside",
     "The same where nothing was ever chosen: walkers with a watch (13 features, one frame a second), sentences, arm "
     "gestures, and a video of a face in blocks.",
     lambda t: markdown(t)),
    ("Curve of doubt", "doubt-curve",
     f"Share of the tables with structure that are flagged and of the others that pass, at the limit of {LIMIT}.\n\n"
     "![False alarms and misses over the limit](doubt-curve.png)", curve),
    ("What real files raise", "model-real",
     "`predicted` and `line`: how far base and straight lines come from the median to the truth in hidden stretches of "
     "two seconds. Doubts with ! forbid an interpretation. Recordings of about a second say too little: most that are "
     "flagged are such.", lambda t: markdown(t)),
    ("Planted bursts", "model-bursts",
     "30 bursts (1-10 frames, 1-8 features, 3-10 standard deviations of the frame-to-frame noise) in every recording, "
     "fewer where these would strike more than 5 % of its cells: share found, other cells that become transient, "
     "density before, share of the amplitude that comes back.", bursts),
    ("False alarms", "events-alarms",
     "Events per minute that pure noise raises, 20 features, by what was asked.",
     lambda t: markdown(t)),
    ("Events by amplitude and duration", "events-bursts",
     "Bursts of 4 of 40 features in white noise on a base of rank 4, default rate of false alarms.",
     lambda t: markdown(t)),
    ("The demo", "events-demo", "Generated sessions of 40 s.", lambda t: markdown(t)),
    ("Rank", "model-ranks", "Rank of the base of noise, and of 4 planted in it.", lambda t: markdown(t)),
    ("Zhou and others' setting", "model-zhou",
     "Error of the base over that of an oracle which knows both spaces and the struck cells (200 x 200, noise 0.1, "
     "outliers uniform in -5 to 5).", lambda t: markdown(t)),
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Write the page from the tables that are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=Path, default=HERE / "results", help="folder of the CSV tables")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "model.md")
    given = parser.parse_args(argv)
    page = [
        "# The default model in figures\n",
        "`python -m benchmarks.model_report` writes this page from the CSV tables; below each stands the command that "
        "made it.\n",
    ]
    path = given.tables / "made.csv"
    made = pd.read_csv(path, dtype={"commit": str}).set_index("table") if path.exists() else pd.DataFrame()
    for title, name, text, shown in SECTIONS:
        path = given.tables / f"{name}.csv"
        if path.exists():
            page += [f"## {title}\n", f"{text}\n", shown(pd.read_csv(path))]
            if name in made.index:
                command, commit, minutes = made.loc[name, ["command", "commit", "minutes"]]
                page.append(f"`{command}` on {commit}" + ("" if pd.isna(minutes) else f", {minutes:g} minutes") + ".\n")
        else:
            print(f"{path.name} is not there: '{title}' is left out", file=sys.stderr)
    given.out.write_text("\n".join(page), encoding="utf-8")
    print(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
