"""Options that several commands share, with the words that their help says."""

import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

__all__ = [
    "Commands",
    "Confidence",
    "Digits",
    "Drop",
    "Export",
    "Features",
    "Format",
    "Fps",
    "Gap",
    "Json",
    "Key",
    "Mask",
    "Missing",
    "MissingKind",
    "MissingWords",
    "Overwrite",
    "Quality",
    "Quiet",
    "Scale",
    "Sparse",
    "Table",
    "TableKind",
    "Time",
]


class Sparse(enum.StrEnum):
    """Unit of a transient."""

    cells = "cells"
    frames = "frames"


class Scale(enum.StrEnum):
    """Unit of the features in the solve."""

    noise = "noise"
    spread = "spread"
    none = "none"


class TableKind(enum.StrEnum):
    """File format of the tables."""

    csv = "csv"
    parquet = "parquet"


class MissingKind(enum.StrEnum):
    """Content of a cell that was not observed."""

    interpolate = "interpolate"
    NA = "NA"


Format = Annotated[str | None, typer.Option("--format", help="Format of the file; detected when left out.")]
Features = Annotated[
    str | None, typer.Option("--features", help="Groups, names or patterns, such as au,gaze or 'AU*_r'.")
]
Confidence = Annotated[float, typer.Option("--min-confidence", help="Frames below it are masked.")]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames per second, where the file does not say it.")]
Gap = Annotated[float, typer.Option("--max-gap", help="A longer gap, in seconds, starts a new sequence.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", help="Columns that tell people, faces or clips apart; or the array, sheet or member of a file to read."
    ),
]
Time = Annotated[str | None, typer.Option("--time", help="Column that holds the time.")]
Quality = Annotated[str | None, typer.Option("--confidence", help="Column that holds the confidence of each frame.")]
Drop = Annotated[str | None, typer.Option("--drop", help="Columns, patterns or groups that are no features.")]
MissingWords = Annotated[
    list[str] | None,
    typer.Option("--missing-words", help="A word or number that means missing; give it once for each."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON on standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]
Mask = Annotated[
    Path | None,
    typer.Option("--mask", help="Table like mask.csv, or a .npy array: 1 where a cell counts as observed."),
]
Table = Annotated[TableKind, typer.Option("--table", help="What the tables are written as.")]
Target = Annotated[
    list[str] | None,
    typer.Option("--target", help="Column of the labels (default: label), or, repeated, of the ratings."),
]
Digits = Annotated[str, typer.Option("--digits", help="'auto', or significant digits from 1 to 17 (all).")]
Missing = Annotated[MissingKind, typer.Option("--missing", help="In cells that were not observed: the base, or NA.")]
Export = Annotated[
    list[str] | None,
    typer.Option("--export", help="Events for annotation programs as well: elan, boris, praat, audacity."),
]


class Commands(TyperGroup):
    """Help that reads well: no value beside a flag, which takes none, and lines as wide as the terminal."""

    def get_params(self, ctx: Any) -> list:
        return _without_values(super().get_params(ctx))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _without_values(command.get_params(ctx))
            command.help = "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
        return command


def _without_values(options: list) -> list:
    for option in options:
        if getattr(option, "is_flag", False):
            option.metavar = ""
    return options
