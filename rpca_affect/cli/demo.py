"""`demo`: a generated session through the whole chain, and how well the planted parts were recovered."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from rpca_affect.cli.console import say
from rpca_affect.results.features import FEATURES
from rpca_affect.results.folder import FolderError, ResultsFolder
from rpca_affect.results.saving import REPORT, SUMMARY, write_files
from rpca_affect.results.split_tables import PARTS

__all__ = ["recovery", "run_demo"]

SESSION = "session.csv"
FILES = (*(f"{part}.csv" for part in PARTS), "events.csv", FEATURES, REPORT, SUMMARY)


def run_demo(out: Path, seconds: float, seed: int, *, overwrite: bool, quiet: bool) -> None:
    """Generate a session, write it as OpenFace would, decompose the file and compare with the truth."""
    from rpca_affect.recordings import read
    from rpca_affect.session import decompose
    from rpca_affect.synthetic import make_session

    console = say(quiet)
    settings = {"seconds": seconds, "seed": seed}
    with ResultsFolder(out) as folder:
        if folder.finished() is not None and not overwrite:
            raise FolderError(f"{out} holds results already", "overwrite", "elsewhere")
        folder.check([SESSION, *FILES], overwrite=overwrite)
        truth = make_session(duration=seconds, random_state=seed)
        with folder.replacing([], settings, kind="demo", overwrite=overwrite) as temporary:
            truth.frame.to_csv(temporary / SESSION, index=False)
            recording = read(temporary / SESSION)
            split = decompose(replace(recording, meta={**recording.meta, "source": str(out / SESSION)}))
            write_files(split, temporary, report=True, settings=settings)
    console.print(Text(str(split.summary())))
    table = Table(title="What was put in and what came out", title_justify="left", box=None, show_header=False)
    table.add_column("", no_wrap=True)
    table.add_column("", overflow="fold")
    for name, value in recovery(split, truth).items():
        table.add_row(name, value)
    console.print(table)
    console.print(Text(f"report: {out / 'report.html'}", style="bold"))


def recovery(split: Any, truth: Any) -> dict[str, str]:
    """Compare a split with the generated session it came from.

    Parameters
    ----------
    split : Split
    truth : GeneratedSession

    Returns
    -------
    dict of str to str
        Lines to print: known events found, detected events that are known, and for each feature group the relative
        error of the base and the correlation of the transients, on tracked frames.
    """
    names = list(split.recording.feature_names)
    rows = truth.mask
    events = split.events()
    first = int(truth.frame["frame"].iloc[0]) if "frame" in truth.frame else 0
    known = [
        (event.onset + first, event.apex + first, event.offset + first, set(event.features.split(";")))
        for event in truth.events.itertuples()
    ]
    detected = [(e.onset_frame, e.offset_frame, set(e.features.split(";")), e.energy) for e in events.itertuples()]
    found = sum(any(a <= apex <= b and members & which for a, b, which, _ in detected) for _, apex, _, members in known)
    true = [any(a <= last and start <= b and members & which for start, _, last, members in known)
            for a, b, which, _ in detected]  # fmt: skip
    energy = np.array([item[3] for item in detected])
    share = float(energy[np.array(true, dtype=bool)].sum() / energy.sum()) if len(detected) else 0.0
    lines = {
        "known events found": f"{found} of {len(known)}",
        "detected events that are known ones": f"{sum(true)} of {len(detected)}, {share:.0%} of their energy",
    }
    for group, columns in split.recording.groups.items():
        labels = [names[i] for i in columns]
        noise = split.sequences[0].sigma[columns]
        base, brief = truth.base[labels].to_numpy()[rows], truth.transient[labels].to_numpy()[rows]
        error = (split.base_values[rows][:, columns] - base) / noise
        size = (base - np.median(base, axis=0)) / noise
        line = f"base error {np.linalg.norm(error) / (np.linalg.norm(size) or 1.0):.1%}"
        if np.any(brief):
            mine = split.transient_values[rows][:, columns]
            if np.any(mine):
                line += (
                    f", transient correlation {np.corrcoef((mine / noise).ravel(), (brief / noise).ravel())[0, 1]:.2f}"
                )
        lines[group] = line
    return lines
