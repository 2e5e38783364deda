"""What other programs read of our results: R the tables, pympi the annotations, BORIS's rules the workbook.

    python -m benchmarks.readers          # make readers

R (Debian: r-base-core) reads every table of a session and of a study with its own defaults and prints the means; they
must be those of pandas to twelve digits.  ELAN's file and Praat's grid are read back by pympi-ling.  A program that is
not there is named, and its part is left out.
"""

import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.commands import parser
from rpca_affect import decompose, decompose_many
from rpca_affect.results.annotations import annotations
from rpca_affect.synthetic import make_session

_R = """
for (file in commandArgs(trailingOnly = TRUE)) {
  table <- if (grepl("[.]tsv$", file)) read.delim(file) else read.csv(file)
  numbers <- table[sapply(table, is.numeric)]
  for (name in names(numbers))
    cat(file, nrow(table), ncol(table), match(name, names(table)),
        sprintf("%.17g", mean(numbers[[name]], na.rm = TRUE)), "\\n", sep = "\\t")
}
"""


def main() -> int:
    """Write results, have them read, print and write the table, and return the exit code."""
    given = parser("benchmarks.readers", __doc__).parse_args()
    with tempfile.TemporaryDirectory(prefix="readers-") as name:
        place = Path(name)
        results(place)
        rows = [in_r(place), *annotated(place), boris(place)]
    lines = ["# Results in other programs", "", "| reader | what | verdict |", "|---|---|---|"]
    text = "\n".join([*lines, *(f"| {reader} | {what} | {verdict} |" for reader, what, verdict in rows)])
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "readers.md").write_text(text + "\n", encoding="utf-8")
    return int(any(verdict.startswith("WRONG") for _, _, verdict in rows))


def results(place: Path) -> None:
    """A session with commas and one with tabs, cells without a measurement, annotations, and a study of both."""
    for number, (separator, ending) in enumerate(((",", "csv"), ("\t", "tsv"))):
        session = make_session(duration=10, n_events=6, random_state=number).frame
        session.to_csv(place / f"s{number}.{ending}", index=False, sep=separator)
        split = decompose(place / f"s{number}.{ending}", check=False)
        split.save(place / f"out{number}", missing="NA", export=["elan", "boris", "praat", "audacity"])
    decompose_many([place / "s0.csv", place / "s1.tsv"], place / "study", check=False)


def in_r(place: Path) -> tuple[str, str, str]:
    """Means of all numeric columns by R, against those of pandas."""
    if shutil.which("Rscript") is None:
        return "R", "all tables", "left out: Rscript is not here (Debian: r-base-core)"
    files = sorted(str(file) for ending in ("csv", "tsv") for file in place.rglob(f"*.{ending}"))
    (place / "means.R").write_text(_R)
    run = subprocess.run(["Rscript", "means.R", *files], cwd=place, capture_output=True, text=True, check=False)
    if run.returncode:
        return "R", "all tables", f"WRONG: {run.stderr[-300:]}"
    found = [line.split("\t")[:5] for line in run.stdout.splitlines()]
    tables = {file: pd.read_csv(file, sep="\t" if file.endswith("tsv") else ",") for file in files}
    wrong = []
    for file, n_rows, n_columns, column, mean in found:
        table = tables[file]
        ours = table.iloc[:, int(column) - 1].mean()
        same = (
            np.isclose(float(mean), ours, rtol=1e-12, atol=1e-15, equal_nan=True) if mean != "NaN" else np.isnan(ours)
        )
        if (int(n_rows), int(n_columns)) != table.shape or not same:
            wrong.append(f"{Path(file).name}, column {column}: {mean}, pandas {ours!r}")
    unread = sorted(set(files) - {row[0] for row in found})
    wrong += [f"{Path(file).name} has no numbers in R" for file in unread if len(tables[file])]
    version = subprocess.run(["Rscript", "--version"], capture_output=True, text=True, check=False)
    said = (version.stdout + version.stderr).split("version ")[-1].split()[0]
    verdict = f"WRONG: {wrong[0]}; {len(wrong)} in all" if wrong else "same shape, same means to 12 digits"
    return f"R {said}", f"{len(files)} tables, {len(found)} columns", verdict


def annotated(place: Path) -> list[tuple[str, str, str]]:
    """ELAN's file and Praat's grid, read back: the same annotations, none overlapping within a tier."""
    try:
        from pympi import Eaf, TextGrid
    except ImportError:
        return [("pympi", "ELAN, Praat", "left out: pympi-ling is not here")]
    rows = []
    for number, ending in ((0, "csv"), (1, "tsv")):
        listed = annotations(decompose(place / f"s{number}.{ending}", check=False))
        wanted = sorted((item.tier, item.start, item.end, item.label) for item in listed)
        eaf = Eaf(str(place / f"out{number}" / "events.eaf"))
        names = eaf.get_tier_names()
        elan = sorted(
            (tier, a, b, label) for tier in names for a, b, label, *_ in eaf.get_annotation_data_for_tier(tier)
        )
        rows.append(("pympi (ELAN)", f"{len(elan)} annotations", _verdict(wanted, elan)))
        grid = TextGrid(str(place / f"out{number}" / "events.TextGrid"))
        praat = sorted(
            (tier.name, round(1000 * a), round(1000 * b), label)
            for tier in grid.get_tiers()
            for a, b, label in tier.get_all_intervals()
            if label.strip()
        )
        rows.append(("pympi (Praat)", f"{len(praat)} intervals", _verdict(wanted, praat)))
    return rows


def _verdict(wanted: list[tuple], found: list[tuple]) -> str:
    if wanted != found:
        return f"WRONG: {len(wanted)} events, {len(set(wanted) ^ set(found))} differ"
    overlaps = sum(a[0] == b[0] and b[1] < a[2] for a, b in pairwise(found))
    return f"WRONG: {overlaps} overlap" if overlaps else "the same, none overlaps"


def boris(place: Path) -> tuple[str, str, str]:
    """The workbook by the rules of BORIS's import: its columns, and every state that starts also stops.

    BORIS itself needs a desktop (Qt) for its importer, which is therefore not run here.
    """
    table = pd.read_excel(place / "out0" / "events.xlsx")
    columns = ["time", "subject", "code", "modifier", "comment"]
    if list(table.columns)[:5] != columns:
        return "BORIS's rules", "events.xlsx", f"WRONG: columns {list(table.columns)}"
    odd = [code for code, part in table.groupby("code") if len(part) % 2]
    ordered = bool(table["time"].is_monotonic_increasing)
    verdict = "columns, order and pairs fit; its Qt importer was not run" if ordered and not odd else f"WRONG: {odd}"
    return "BORIS's rules", f"events.xlsx, {len(table)} rows", verdict


if __name__ == "__main__":
    sys.exit(main())
