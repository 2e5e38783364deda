"""`decompose_many`: find the recordings of a study, split each, and sum them up in the folder of the study."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import pandas as pd

from rpca_affect.results.features import FEATURES
from rpca_affect.results.folder import FolderError, ResultsFolder, identity
from rpca_affect.results.split_tables import guarded
from rpca_affect.study.corpus import find
from rpca_affect.study.measures import COUNTS, outliers, row_of
from rpca_affect.study.one import Job, Outcome, refuse_changed, settings_of
from rpca_affect.study.page import write_page
from rpca_affect.study.people import joined, participants_of, path_of
from rpca_affect.study.study import FILES, LONG, NOTES, PAGE, TABLE, Study
from rpca_affect.study.workers import outcomes_from, outcomes_of
from rpca_affect.words import Door

__all__ = ["StudyFolder", "decompose_many", "plan"]


def decompose_many(
    sources: Any,
    out: Any,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    participants: Any = None,
    report: bool = False,
    overwrite: bool = False,
    callback: Callable[[pd.Series], Any] | None = None,
    **settings: Any,
) -> Study:
    """Split many recordings, each into a folder of its own, and compare them.

    A recording that cannot be read becomes a row with its error; the others go on. A run that was stopped goes on where
    it stopped: finished recordings are kept as long as their content and the settings are the same.

    Parameters
    ----------
    sources : path, or iterable of paths
        Files, or folders that are searched through. Side files and tables about the other files are left out with a
        note.
    out : path
        Folder for the study.
    jobs : int, default 1
        Recordings at a time, each in a process with one BLAS thread.
    scheduler : str, optional
        Address of a dask scheduler, ``"tcp://..."``, whose workers split the recordings instead. They must see the same
        files under the same names.
    participants : path, optional
        Table with one row for each participant, such as the ``participants.tsv`` of BIDS; one that lies in the folder
        searched is taken by itself.
    report : bool, default False
        Write a report for each recording as well.
    overwrite : bool, default False
        Replace existing results, and files of others where results belong. Inputs are never replaced.
    callback : callable, optional
        Called with the row of each recording as it is finished.
    **settings
        As in `rpca_affect.decompose`.

    Returns
    -------
    Study

    Raises
    ------
    ValueError
        If there is no recording, or existing files are in the way.

    Examples
    --------
    >>> import tempfile, numpy as np, rpca_affect as ra
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("p1", "p2"):
    ...     np.save(folder / f"{name}.npy", np.random.default_rng(0).normal(size=(60, 8)).cumsum(axis=0))
    >>> study = ra.decompose_many(folder, folder / "study", fps=25)
    >>> study.table[["recording", "frames"]].values.tolist()
    [['p1', 60], ['p2', 60]]
    """
    given = [sources] if isinstance(sources, (str, Path)) else list(sources)
    if not (isinstance(jobs, int) and jobs >= 1):
        raise ValueError(f"jobs is {jobs!r}: give the number of recordings to split at a time, at least 1")
    work, notes, people = plan([Path(item) for item in given], Path(out), settings, report=report, overwrite=overwrite)
    people = participants if participants is not None else people
    with StudyFolder(work, Path(out), notes, None if people is None else Path(people), overwrite) as folder:
        done = []
        outcomes = outcomes_of(work, jobs) if scheduler is None else outcomes_from(work, scheduler)
        for outcome in outcomes:
            done.append(outcome)
            if callback is not None:
                callback(pd.Series(row_of(outcome)))
        return folder.conclude(done)


def plan(
    given: list[Path],
    out: Path,
    settings: dict[str, Any],
    *,
    report: bool = False,
    overwrite: bool = False,
    door: Door = "python",
    form: dict[str, Any] | None = None,
) -> tuple[list[Job], list[str], Path | None]:
    """Plan the study: a job for each recording, notes, and the table of participants that was found."""
    found = find(given)
    inputs = tuple(file for source in found.sources for file in source.files)
    work = [
        Job(source.name, source.path, out / source.name, settings, report, overwrite, inputs, door=door,
            form=form or {})
        for source in found.sources
    ]  # fmt: skip
    for job in work:
        if job.source.is_dir() and job.target.resolve() == job.source.resolve():
            raise FolderError(f"{job.target} holds the clips, and is no place for their results", "elsewhere")
    refuse_changed(work)
    return work, list(found.notes), found.participants[0] if len(found.participants) == 1 else None


class StudyFolder:
    """Exclusive hold on the folder of a study, as a context: files in the way are found before the first solve.

    Parameters
    ----------
    work : list of Job
    out : Path
    notes : iterable of str
    participants : Path, optional
    overwrite : bool
    """

    def __init__(
        self, work: list[Job], out: Path, notes: Iterable[str], participants: Path | None, overwrite: bool = False
    ):
        self.work, self.notes, self.overwrite = work, list(notes), overwrite
        self.people = (
            None
            if participants is None
            else participants_of(participants, [path_of(job.name, job.shown or job.source) for job in work])
        )
        inputs = [job.source for job in work]
        self._folder = ResultsFolder(out, [*inputs, *([] if participants is None else [participants])])

    def __enter__(self) -> Self:
        self._folder.__enter__()
        try:
            self._folder.check(FILES, overwrite=self.overwrite)
        except BaseException:
            self._folder.__exit__()
            raise
        return self

    def __exit__(self, *stop: object) -> None:
        self._folder.__exit__(*stop)

    def conclude(self, done: Iterable[Outcome]) -> Study:
        """Write the tables and the page of the study, whatever order the recordings were finished in."""
        place = {job.name: number for number, job in enumerate(self.work)}
        done = sorted(done, key=lambda outcome: place[outcome.job.name])
        table = pd.DataFrame([row_of(outcome) for outcome in done])
        table = table.astype(dict.fromkeys(COUNTS, "Int64"))  # whole numbers, also beside a recording without any
        error = table.pop("error")
        table = table.assign(stands_out=["; ".join(names) for names in outliers(table)], error=error)
        long = _long(done)
        told = self.notes
        if self.people is not None:
            table, more = joined(table, self.people)
            told = told + more
            if len(long):
                long = table.iloc[:, : 1 + len(self.people.table.columns)].merge(long, on="recording", how="right")
        study = Study(self._folder.path, table, long, tuple(told))
        about = [{"name": outcome.job.name, **_identity(outcome.job.source)} for outcome in done]
        with self._folder.replacing(
            about, settings_of(done[0].job), kind="study", overwrite=self.overwrite
        ) as temporary:
            for name, rows in ((TABLE, table), (LONG, long)):  # no spreadsheet runs a file called =cmd.csv
                guarded(rows)[0].to_csv(temporary / name, index=False, encoding="utf-8", lineterminator="\n")
            (temporary / NOTES).write_text("".join(f"{note}\n" for note in told), encoding="utf-8")
            write_page(study, [outcome.job for outcome in done], temporary / PAGE)
        return study


def _long(done: list[Outcome]) -> pd.DataFrame:
    parts = []
    for outcome in done:
        file = outcome.job.target / FEATURES
        if outcome.failure is None and file.is_file():
            part = pd.read_csv(file, encoding="utf-8", dtype={"feature": str, "group": str}, keep_default_na=False,
                               na_values={name: [""] for name in ("events_per_minute", "base_mean")})  # fmt: skip
            part.insert(0, "recording", outcome.job.name)
            parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"recording": []})


def _identity(path: Path) -> dict[str, Any]:
    try:
        return {name: value for name, value in identity(path).items() if name != "name"}
    except OSError:
        return {}
