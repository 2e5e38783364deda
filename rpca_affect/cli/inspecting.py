"""`inspect`: the content of a file, in a table or as JSON, and a command to go on with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rpca_affect.cli.console import answer, harmless, spoken
from rpca_affect.cli.pipes import kept
from rpca_affect.words import record, sentence

__all__ = ["show_formats", "show_recording"]


def show_recording(file: Path, words: dict[str, Any], as_json: bool) -> None:
    """Read a file and print its description."""
    from rpca_affect.recordings import describe, read

    with kept([file]) as [(source, called)]:
        recording = read(source, **words)
        if called:
            meta = {name: value for name, value in recording.meta.items() if name != "path"}
            recording = replace(recording, meta={**meta, "source": called})
        about = describe(recording) | _tried(recording)
    if as_json:
        answer(about)
        return
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    rate = "unknown" if about["fps"] is None else f"{about['fps']:g} per second"
    length = "" if about["duration_s"] is None else f" ({about['duration_s']:g} s)"
    gaps = about["gaps"]
    longest = max((gap["seconds"] for gap in gaps), default=0.0)
    constant = about["constant_columns"]
    rows = [
        ("file", about["source"]),
        ("format", about["format"]),
        ("frames", f"{about['n_frames']}{length}, {rate}"),
        ("sequences", str(about["n_sequences"])),
        ("gaps", f"{len(gaps)}, the longest {longest:g} s" if gaps else "none"),
        ("features", str(about["n_features"])),
    ]
    missing = about["missing_percent_by_group"]
    rows += [(f"  {name}", f"{count}, {missing[name]:g} % missing") for name, count in about["groups"].items()]
    rows += [
        ("missing cells", f"{about['missing_percent']:g} %, {about['masked_frames']} frames without any"),
        ("constant", ", ".join(constant[:6]) + f" and {len(constant) - 6} more" * (len(constant) > 6) or "none"),
        *(("note", spoken(text)) for text in about["notices"]),
    ]  # fmt: skip
    if about["predicted"] is not None:
        named = " and ".join(about["suggested_features"] or []) or "all features"
        rows.append(("predicted", f"{max(about['predicted'], 0.0):.0%} of hidden cells, from a base of {named}"))
    for name, value in rows:
        table.add_row(Text(harmless(name)), Text(harmless(value)))
    console.print(table)
    console.print(_roles(about["roles"]))
    if about["doubt"] is not None:
        text = f"No command is suggested. {sentence(about['doubt'], 'shell')}"
        console.print(Text(f"\n{harmless(text)}", style="bold red"))
    if about["suggested_command"]:
        console.print(Text(f"\n{harmless(about['suggested_command'])}", style="bold"))


def show_formats(as_json: bool) -> None:
    """Print the formats with their programs and the groups of their features."""
    from rpca_affect.recordings.formats import formats

    known = [
        {
            "format": name,
            "title": module.TITLE,
            "groups": list(dict.fromkeys(group for group, _ in module.CONVENTION.groups)),
        }
        for name, module in sorted(formats().items())
    ]
    if as_json:
        answer(known)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2))
    for head in ("format", "written by", "groups of features"):
        table.add_column(head, overflow="fold")
    for one in known:
        table.add_row(one["format"], one["title"], ", ".join(one["groups"]))
    Console(highlight=False, soft_wrap=True).print(table)


def _tried(recording: Any) -> dict[str, Any]:
    """Result of a trial split: the features to name, how well their base predicts, and the command, where any is good.

    Nobody is sent to a result that must not be interpreted.
    """
    from rpca_affect.recordings.describe import suggested_command
    from rpca_affect.session.advice import advise

    advice = advise(recording)
    doubt = None if advice.features is not None or advice.doubt is None else record(advice.doubt, "shell")
    return {
        "suggested_features": None if advice.features is None else list(advice.features),
        "predicted": None if advice.predicted is None else round(advice.predicted, 3),
        "predicted_by_lines": None if advice.line is None else round(advice.line, 3),
        "doubt": doubt,
        "suggested_command": None if advice.features is None else suggested_command(recording, advice.features),
    }


def _roles(roles: list[dict[str, Any]]) -> Table:
    """Columns with their role and the reason for it; columns of one kind that follow each other share a line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2), title="columns", title_justify="left", title_style="bold")
    for head in ("column", "taken for", "because"):
        table.add_column(head, overflow="fold")
    runs: list[list[dict[str, Any]]] = []
    for role in roles:
        alike = runs and (runs[-1][0]["role"], runs[-1][0]["reason"]) == (role["role"], role["reason"])
        if alike:
            runs[-1].append(role)
        else:
            runs.append([role])
    for run in runs[:200]:
        first, last = run[0], run[-1]
        name = first["column"] if len(run) == 1 else f"{first['column']} to {last['column']} ({len(run)})"
        unused = "" if first["used"] or first["role"] not in ("time", "key", "index", "quality") else " (not used)"
        table.add_row(
            *(Text(harmless(text)) for text in (name or "(no name)", first["role"] + unused, first["reason"]))
        )
    if len(runs) > 200:
        table.add_row(Text(f"and {sum(map(len, runs[200:]))} columns more"), Text(""), Text("see --json"))
    return table
