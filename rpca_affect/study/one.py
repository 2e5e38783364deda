"""One recording of a study: read, split, written, or the reason why not; nothing but an interrupt escapes."""

import inspect
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rpca_affect.results import settings as results_settings
from rpca_affect.results.features import FEATURES
from rpca_affect.results.folder import FolderError, Manifest, ResultsFolder, identity
from rpca_affect.results.saving import REPORT, SUMMARY, planned, room_for, write_files
from rpca_affect.results.settings import difference, digest
from rpca_affect.study.failures import Failure, failure_of
from rpca_affect.words import Door

__all__ = ["Job", "Outcome", "Stage", "refuse_changed", "run", "settings_of"]

Stage = Callable[..., None]


@dataclass(frozen=True)
class Job:
    """A recording and the results wanted of it.

    Attributes
    ----------
    name : str
        Of the recording, in the tables of the study.
    source : Path
        File or folder of the recording.
    target : Path
        Folder for its results.
    settings : dict
        Arguments of `rpca_affect.decompose`.
    report, overwrite : bool
    protected : tuple of Path
        Files that are never replaced: all inputs.
    shown : str
        How the source is called in sentences and results, where it is read from elsewhere (standard input).
    door : {"python", "shell"}
    form : dict
        How the results are written, as `rpca_affect.Split.save` takes it; part of their identity.
    """

    name: str
    source: Path
    target: Path
    settings: dict[str, Any] = field(default_factory=dict)
    report: bool = False
    overwrite: bool = False
    protected: tuple[Path, ...] = ()
    shown: str = ""
    door: Door = "python"
    form: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Outcome of a job: a summary, of this or an earlier run, or a failure."""

    job: Job
    summary: dict[str, Any] | None = None
    kept: bool = False
    failure: Failure | None = None
    note: str = ""


def run(job: Job, stage: Stage | None = None, debug: bool = False) -> Outcome:
    """Do a job; every error but an interrupt becomes a failure with its sentence.

    Parameters
    ----------
    job : Job
    stage : callable, optional
        Called with the name of each stage, and in the solve with its progress.
    debug : bool
        Raise an unforeseen error instead of reporting it.

    Returns
    -------
    Outcome
    """
    try:
        return _run(job, stage or (lambda *_: None))
    except Exception as error:
        failure = failure_of(error, job.shown or job.source, job.door)
        if job.shown:
            failure = replace(failure, sentence=failure.sentence.replace(str(job.source), job.shown))
        if debug and failure.kind == "unforeseen":
            raise
        return Outcome(job, failure=failure)


def settings_of(job: Job) -> dict[str, Any]:
    """Settings that results depend on, as plain values; of large arrays the content hash."""
    return results_settings.settings_of(job.settings, job.form)


def refuse_changed(jobs: Iterable[Job]) -> None:
    """Raise one FolderError where finished recordings of a study were made with other settings."""
    jobs = list(jobs)
    changed = []
    for job in jobs:
        found = Manifest.read(job.target)
        if found is not None and found.complete and not job.overwrite and (other := found.changes(settings_of(job))):
            changed.append((job, other))
    if changed:
        job, other = changed[0]
        count = f"{len(changed)} of {len(jobs)} recordings have" if len(jobs) > 1 else f"{job.target} holds"
        raise FolderError(f"{count} results made with other settings ({difference(other)})", "overwrite", "elsewhere")


def _run(job: Job, stage: Stage) -> Outcome:
    stage("reading")
    inputs = [identity(job.source)]
    if job.shown:
        inputs[0]["name"] = job.shown
    mask = job.settings.get("mask")
    if isinstance(mask, Path):
        inputs.append(identity(mask))
    settings = settings_of(job)
    with ResultsFolder(job.target, protected=[job.source, *job.protected]) as folder:
        found = None if job.overwrite else folder.finished()
        if found is not None:
            if not found.same_inputs(inputs):
                raise FolderError(f"{job.target} holds {_called(found, inputs)}", "elsewhere", "overwrite")
            if other := found.changes(settings):
                raise FolderError(
                    f"{job.target} holds results made with other settings ({difference(other)})",
                    "overwrite",
                    "elsewhere",
                )
            if not job.report or REPORT in found.files:
                return _kept(job, found)
        folder.check([SUMMARY, FEATURES], overwrite=job.overwrite)
        recording = _recording(job)
        folder.check(planned(recording, report=job.report, **job.form), overwrite=job.overwrite)
        room_for(recording, folder.path)
        stage("noise")
        split = _split(job, recording, stage)
        stage("writing")
        with folder.replacing(inputs, settings, overwrite=job.overwrite) as temporary:
            summary = write_files(split, temporary, report=job.report, settings=settings, stage=stage, **job.form)
        return Outcome(job, summary)


def _words(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of reading, and those of the split."""
    from rpca_affect.recordings import read

    reading = {name: job.settings[name] for name in inspect.signature(read).parameters if name in job.settings}
    return reading, {name: value for name, value in job.settings.items() if name not in reading}


def _recording(job: Job) -> Any:
    from rpca_affect.recordings import read

    reading, _ = _words(job)
    if isinstance(reading.get("mask"), Path):
        reading["mask"] = _mask(reading["mask"])
    recording = read(job.source, **reading)
    return replace(recording, meta={**recording.meta, "source": job.shown}) if job.shown else recording


def _split(job: Job, recording: Any, stage: Stage) -> Any:
    from rpca_affect.session import decompose

    reading, words = _words(job)
    split = decompose(recording, **{"callback": lambda now: stage("solving", now), **words})
    # decompose was given a recording; the words that it was read with are settings of the split as well
    kept = {name: digest(value) for name, value in reading.items() if split.parameters.get(name) is None}
    return replace(split, parameters={**split.parameters, **kept})


def _mask(path: Path) -> Any:
    """Mask from a table (such as mask.csv) or an array: 1 or True where observed."""
    import pandas as pd

    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    return pd.read_csv(path, sep=None, engine="python", encoding="utf-8-sig")


def _kept(job: Job, found: Manifest) -> Outcome:
    from rpca_affect import __version__

    summary = json.loads((job.target / SUMMARY).read_text(encoding="utf-8"))
    note = "" if found.version == __version__ else f"; version {found.version} made them, this is {__version__}"
    return Outcome(job, summary, kept=True, note=note)


def _called(found: Manifest, inputs: list[dict[str, Any]]) -> str:
    """Whose results a folder holds: of another file, or of one of the same name with another content."""
    names = [item.get("name") for item in found.inputs]
    if found.kind != "recording":
        return f"the results of a {found.kind}"
    other = "another " if names == [item["name"] for item in inputs] else ""
    return f"the results of {other}{', '.join(map(str, names)) or 'another input'}"
