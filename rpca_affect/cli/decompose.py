"""`decompose`: one recording into the folder itself, or a study with a folder for each."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.text import Text

from rpca_affect import words
from rpca_affect.cli.console import answer, fail, say, spoken
from rpca_affect.cli.pipes import kept
from rpca_affect.cli.progress import Display
from rpca_affect.cli.running import CODES, debugging, interrupted

__all__ = ["decompose_all", "digits_of", "lags_of", "noise_of", "programs_of"]


def noise_of(text: str) -> Any:
    """Turn the word of the command line into what `rpca_affect.decompose` takes."""
    if text.casefold() in ("auto", "none"):
        return "auto" if text.casefold() == "auto" else None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--noise {text!r}: give 'auto', 'none' or a standard deviation.") from None


def digits_of(text: str) -> int | str:
    """Turn the word of the command line into what the tables take."""
    if text.casefold() == "auto":
        return "auto"
    if not text.isdecimal():
        raise ValueError(f"--digits {text!r}: give 'auto' or significant digits from 1 to 17.")
    return int(text)


def lags_of(text: str) -> int | str:
    """Turn the word of the command line into what `rpca_affect.decompose` takes."""
    if text.casefold() == "auto":
        return "auto"
    if not text.isdecimal():
        raise ValueError(f"--lags {text!r}: give 'auto' or a number of frames.")
    return int(text)


def programs_of(given: Iterable[str]) -> list[str]:
    """Annotation programs by name, separated by commas or given one at a time; each once."""
    from rpca_affect.results.annotations import EXPORTS

    names = [name.strip().casefold() for text in given for name in text.split(",")]
    for name in names:
        if name not in EXPORTS:
            raise ValueError(f"--export {name!r}: give one or more of {', '.join(EXPORTS)}, separated by commas.")
    return list(dict.fromkeys(names))


def levels_of(text: str | None) -> tuple[int, ...] | None:
    """Turn the word of the command line into what `rpca_affect.decompose` takes."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ValueError(f"--levels {text!r}: give numbers of frames, such as 32,8,1.")
    return tuple(int(word) for word in words)


def decompose_all(
    given: list[Path],
    out: Path,
    settings: dict[str, Any],
    *,
    report: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    as_json: bool = False,
    jobs: int = 1,
    scheduler: str | None = None,
    participants: Path | None = None,
    form: dict[str, Any] | None = None,
) -> int:
    """Split every recording and return the exit code: 0, or 2 where a file could not be used.

    Parameters
    ----------
    given : list of Path
        Files, folders, ``-`` for standard input.
    out : Path
    settings : dict
        Arguments of `rpca_affect.decompose`.
    report, overwrite, quiet, as_json : bool
    jobs : int
    scheduler : str, optional
    participants : Path, optional
    form : dict, optional
        How the tables are written.

    Returns
    -------
    int
    """
    console = say(quiet or as_json)
    single = len(given) == 1 and not given[0].is_dir()
    from rpca_affect.study.many import StudyFolder, plan

    with kept(given) as sources:
        called = {path: name for path, name in sources if name}
        work, notes, people = plan(
            [path for path, _ in sources], out, settings, report=report, overwrite=overwrite, door="shell", form=form
        )
        work = [replace(job, shown=called.get(job.source, "")) for job in work]
        _note(console, notes)
        tol = float(settings.get("tol", 1e-5))
        show = _Show(jobs, scheduler, console, tol, hidden=quiet or as_json, as_json=as_json)
        if single:
            done = show.outcomes([replace(job, target=out) for job in work])
        else:
            with StudyFolder(work, out, notes, participants or people, overwrite) as folder:
                done = show.outcomes(work)
                study = folder.conclude(done)
            _note(console, study.notes[len(notes) :])
            console.print(Text(f"study: {out / 'study.html'}", style="bold"))
    if as_json:
        answers = [_told(outcome) for outcome in done]
        answer(answers[0] if single else answers)
    failures = [outcome.failure for outcome in done if outcome.failure is not None]
    if any(failure.kind == "unforeseen" for failure in failures):
        return CODES["unforeseen"]
    return CODES["refused"] if failures else CODES["done"]


def _note(console: Any, notes: Iterable[str]) -> None:
    for note in notes:
        console.print(Text(f"Note: {note}", style="dim"))


@dataclass(frozen=True)
class _Show:
    """Does jobs, shows their progress, and reports the outcome of each."""

    jobs: int
    scheduler: str | None
    console: Any
    tol: float
    hidden: bool
    as_json: bool

    def outcomes(self, work: list[Any]) -> list[Any]:
        from rpca_affect.study.workers import outcomes_from, outcomes_of

        done = []
        with Display(self.console, len(work), self.tol, self.hidden) as display:
            if self.scheduler is not None:
                outcomes = outcomes_from(work, self.scheduler)
            else:
                outcomes = outcomes_of(work, self.jobs, display.stage, debugging())
            for outcome in outcomes:
                if outcome.failure is not None and interrupted():
                    raise KeyboardInterrupt  # that a library took for an error of its own
                done.append(outcome)
                _tell(self.console, outcome, self.as_json)
                display.done()
        order = {job.name: number for number, job in enumerate(work)}
        return sorted(done, key=lambda outcome: order[outcome.job.name])


def _told(outcome: Any) -> dict[str, Any]:
    if outcome.failure is None:
        return outcome.summary
    job = outcome.job
    return {"source": str(job.shown or job.source), "error": outcome.failure.sentence, "kind": outcome.failure.kind}


def _tell(console: Any, outcome: Any, as_json: bool) -> None:
    """A few lines about one recording: its numbers, every reason for caution and its folder; or its error."""
    job = outcome.job
    if outcome.failure is not None:
        if not as_json:
            fail(outcome.failure.sentence)
    elif outcome.kept:
        called = job.shown or job.source
        console.print(
            Text(f"{called}: results in {job.target} are kept{outcome.note}; use --overwrite to replace them.")
        )
    else:
        console.print(_lines(outcome.summary, job.target))


def _lines(summary: dict[str, Any], target: Path) -> Text:
    ranks = summary["rank"] or [0]
    rank = str(ranks[0]) if len(ranks) == 1 else f"{min(ranks)}-{max(ranks)} in {len(ranks)} sequences"
    lines = Text()
    lines.append(f"{summary['source']}\n", style="bold")
    lines.append(
        f"  {summary['frames']} frames x {summary['features']} features, {summary['format']}: base of rank {rank}, "
        f"{summary['density']:.1%} transient, residual {summary['residual']:.1%}, {summary['events']} events\n"
    )
    if summary.get("predicted") is not None:
        share, straight = max(summary["predicted"], 0.0), max(summary["predicted_by_lines"], 0.0)
        lines.append(f"  the base predicts {share:.0%} of hidden cells, straight lines in time {straight:.0%}\n")
    if not summary["converged"]:
        lines.append(f"  Warning: {summary['status']}\n", style="yellow")
    for doubt in summary.get("doubts", []):
        text = words.sentence(doubt, "shell")
        lines.append(f"  Warning: {text}\n", style="bold red" if doubt["severe"] else "yellow")
    for text in map(spoken, summary["notices"]):
        lines.append(f"  Note: {text}\n", style="dim")
    report = target / "report.html"
    lines.append(f"  -> {report if report.exists() else target}")
    return lines
