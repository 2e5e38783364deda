"""The recordings of a study shared out to processes of this machine, or to the workers of a dask cluster."""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial

from rpca_affect.results.folder import FolderError, ResultsFolder
from rpca_affect.study.failures import Failure
from rpca_affect.study.one import Job, Outcome, Stage, run

__all__ = ["outcomes_from", "outcomes_of"]

_WATCH = 0.5  # seconds between two looks whether the process that gave the work is still there


def outcomes_of(work: list[Job], jobs: int = 1, stage: Stage | None = None, debug: bool = False) -> Iterator[Outcome]:
    """Do the jobs and yield their outcomes, as they end."""
    if jobs == 1 or len(work) == 1:
        for job in work:
            yield run(job, None if stage is None else partial(stage, job), debug)
        return
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    left = {job.name: job for job in work}
    try:
        with parallel_config("loky", inner_max_num_threads=1):
            try:
                with _unheard():
                    answers = Parallel(jobs, return_as="generator_unordered", batch_size=1)(
                        delayed(_watched)(job, os.getpid(), os.getcwd()) for job in work
                    )
                for outcome in answers:
                    del left[outcome.job.name]
                    yield outcome
            except TerminatedWorkerError:  # one recording took all memory: each of the rest gets a process of its own
                for job in list(left.values()):
                    yield _alone(job)
                    del left[job.name]
    finally:
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
        _clear(left.values())


def outcomes_from(work: list[Job], scheduler: str) -> Iterator[Outcome]:
    """Let the workers of a dask cluster do the jobs, and yield their outcomes, as they end."""
    from rpca_affect.distributed.cluster import each

    far = [replace(job, source=job.source.absolute(), target=job.target.absolute()) for job in work]
    left = dict(enumerate(work))
    try:
        for place, outcome in each(run, far, scheduler):
            job = left.pop(place)
            if isinstance(outcome, BaseException):  # the worker is gone, and so were those that tried again
                sentence = f"{job.source}: its worker was lost ({outcome})."
                yield Outcome(job, failure=Failure("memory", sentence))
            else:
                yield replace(outcome, job=job)
    finally:
        _clear(left.values())


@contextmanager
def _unheard() -> Iterator[None]:
    """Let processes that start here hear no Ctrl-C, which a terminal sends to all: this one ends them in order."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _clear(jobs: Iterable[Job]) -> None:
    """Clear the unfinished files of workers that were ended while they wrote."""
    for job in jobs:
        if job.target.is_dir():
            with suppress(FolderError), ResultsFolder(job.target):
                pass
            with suppress(OSError):
                job.target.rmdir()  # only where it is empty


def _watched(job: Job, parent: int, folder: str) -> Outcome:
    """Do a job in a process that ends when the one that asked for it is gone, killed or not.

    The process may have been started for something else, in another folder than paths are now relative to.
    """
    _end_with(parent)
    os.chdir(folder)
    return run(job)


@cache
def _end_with(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _alone(job: Job) -> Outcome:
    """Do a job in a process that nothing else depends on."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    with ProcessPoolExecutor(1, env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}) as pool:
        try:
            return pool.submit(_watched, job, os.getpid(), os.getcwd()).result()
        except TerminatedWorkerError:
            sentence = f"{job.source}: its process was ended by the system, most likely for want of memory."
            return Outcome(job, failure=Failure("memory", sentence))
