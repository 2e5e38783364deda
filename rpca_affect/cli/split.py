"""`inspect` and `decompose`: one recording at a time, what is done is kept, what is wrong is said in one sentence."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from rpca_affect.cli.app import fail, say
from rpca_affect.cli.outputs import SUMMARY, finished, save_split
from rpca_affect.words import sentence

__all__ = ["decompose_all", "noise_of", "show_recording"]

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".feather", ".npy", ".npz")


def noise_of(text: str) -> Any:
    """Turn the word of the command line into what `rpca_affect.decompose` takes."""
    if text.casefold() in ("auto", "none"):
        return "auto" if text.casefold() == "auto" else None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--noise {text!r}: give 'auto', 'none' or a standard deviation.") from None


def show_recording(file: Path, words: dict[str, Any], as_json: bool) -> None:
    """Read a file and print what it holds."""
    from rich.console import Console

    from rpca_affect.recordings import describe, read

    about = describe(read(file, **words))
    if as_json:
        sys.stdout.write(json.dumps(about, indent=2, ensure_ascii=False) + "\n")
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
        *(("note", text) for text in about["notices"]),
    ]  # fmt: skip
    for name, value in rows:
        table.add_row(name, Text(value))
    console.print(table)
    console.print(_roles(about["roles"]))
    if about["suggested_command"]:
        console.print(Text(f"\n{about['suggested_command']}", style="bold"))


def _roles(roles: list[dict[str, Any]]) -> Table:
    """Columns with what they are taken for and why; columns of one kind that follow each other share a line."""
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
        table.add_row(Text(name or "(no name)"), Text(first["role"] + unused), Text(first["reason"]))
    if len(runs) > 200:
        table.add_row(Text(f"and {sum(map(len, runs[200:]))} columns more"), Text(""), Text("see --json"))
    return table


def decompose_all(
    given: list[Path], out: Path, words: dict[str, Any], *, report: bool, overwrite: bool, quiet: bool, as_json: bool
) -> int:
    """Split every recording and return the exit code: 0, or 2 where a file could not be used."""
    files = _inputs(given, out)
    single = len(given) == 1 and not given[0].is_dir()
    targets = [out] if single else [out / name for name in _folder_names(files)]
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: give a folder for the results with -o.")
    console = say(quiet or as_json)
    answers: list[dict[str, Any]] = []
    code = 0
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[step]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or as_json) as progress:
        task = progress.add_task("", total=len(files), step="")
        for file, target in zip(files, targets):
            progress.update(task, description=file.name, step="reading")

            def step(now: Any) -> None:
                progress.update(task, step=f"step {now.n_iter}, error {now.error:.0e}")

            try:
                kept = None if overwrite else _kept(file, target, words, report)
                if kept is None:
                    summary = _decompose_one(file, target, words, report, step)
                    _tell(console, summary, target)
                else:
                    summary, note = kept
                    console.print(Text(f"{file}: results in {target} are kept{note}; use --overwrite to replace them."))
                answers.append(summary)
            except (ValueError, TypeError, OSError) as error:
                text = str(error)
                code = fail(text if str(file) in text or len(files) == 1 else f"{file}: {text}")
            except KeyboardInterrupt:
                fail("interrupted; finished recordings are kept, and the same command goes on with the others.")
                return 130
            progress.advance(task)
    if as_json and answers:
        sys.stdout.write(
            json.dumps(answers[0] if single else answers, indent=2, ensure_ascii=False, default=str) + "\n"
        )
    return code


def _decompose_one(file: Path, target: Path, words: dict[str, Any], report: bool, step: Any) -> dict[str, Any]:
    from rpca_affect.session import decompose

    split = decompose(file, callback=step, **words)
    return save_split(split, target, report=report, settings={**words, **_identity(file)})


def _inputs(given: list[Path], out: Path) -> list[Path]:
    """The files, those of a folder in the order of their names; results of earlier runs are no input."""
    files: list[Path] = []
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        inside = [
            file
            for file in sorted(path.iterdir())
            if file.suffix.casefold() in SUFFIXES and file.is_file() and not file.name.startswith(".")
        ]
        if not inside or (path / SUMMARY).exists():
            what = "holds results of an earlier run" if inside else f"holds no file ending in {', '.join(SUFFIXES)}"
            raise ValueError(f"The folder {path} {what}.")
        files += inside
    return list(dict.fromkeys(files))


def _folder_names(files: list[Path]) -> list[str]:
    """A folder for each file: its name without the ending, as far as that tells them apart."""
    stems = [file.stem for file in files]
    names = [file.name if stems.count(file.stem) > 1 else file.stem for file in files]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"Two of the files are called {twice}: decompose them one by one, each with its own -o.")
    return names


def _kept(file: Path, target: Path, words: dict[str, Any], report: bool) -> tuple[dict[str, Any], str] | None:
    """Results of an earlier run that answer the same question, with a note where they do not quite."""
    found = finished(target)
    if found is None:
        return None
    before = found.get("settings", {})
    identity = _identity(file)
    if {name: before.get(name) for name in identity} != identity:
        raise ValueError(
            f"{target} holds the results of {found.get('source', 'another file')}: "
            f"give another folder with -o for {file}, or --overwrite."
        )
    if before != {**json.loads(json.dumps(words, default=str)), **identity}:
        return found, " although they were made with other settings"
    if report and not (target / "report.html").exists():
        return None
    return found, ""


def _identity(file: Path) -> dict[str, Any]:
    """What tells a file from another, wherever its folder is moved to."""
    return {"file": file.name, "bytes": file.stat().st_size}


def _tell(console: Any, summary: dict[str, Any], target: Path) -> None:
    """A few lines about one result: the numbers, then every reason for caution, then where it is."""
    ranks = summary["rank"] or [0]
    rank = str(ranks[0]) if len(ranks) == 1 else f"{min(ranks)}-{max(ranks)} in {len(ranks)} sequences"
    lines = Text()
    lines.append(f"{summary['source']}\n", style="bold")
    lines.append(
        f"  {summary['frames']} frames x {summary['features']} features, {summary['format']}: base of rank {rank}, "
        f"{summary['density']:.1%} transient, residual {summary['residual']:.1%}, {summary['events']} events\n"
    )
    if not summary["converged"]:
        lines.append(f"  Warning: {summary['status']}\n", style="yellow")
    for doubt in summary.get("doubts", []):
        text = sentence(doubt, "shell")
        lines.append(f"  Warning: {text}\n", style="bold red" if doubt["severe"] else "yellow")
    for text in summary["notices"]:
        lines.append(f"  Note: {text}\n", style="dim")
    report = target / "report.html"
    lines.append(f"  -> {report if report.exists() else target}")
    console.print(lines)
