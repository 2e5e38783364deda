"""The race: contenders take turns on a problem, in processes of their own, within a cap on time."""

import hashlib
import json
import os
import queue
import subprocess
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.accuracy import dual_value
from benchmarks.contenders import CONTENDERS
from benchmarks.environment import ROOT
from benchmarks.problems import Data, Problem
from benchmarks.references import exact_optimum
from benchmarks.worker import write_problem
from rpca_affect import noise

__all__ = ["Race", "Rules", "Worker"]

LOADING = 10.0  # seconds beyond the cap: the problem is read before the clock of the worker starts
JUDGING = 300.0


@dataclass(frozen=True)
class Rules:
    """How the race is run.

    Attributes
    ----------
    python : str
        Interpreter of the workers.
    repeats : int
    threads : int
        BLAS threads of a worker.
    cap, patient_cap : float
        Seconds after which a run is ended, for most and for the contenders that every table needs.
    once_above : float
        A contender slower than this, in seconds, is not repeated.
    budget : float
        Seconds of the whole race; later only what is predicted to be quick, and the patient, still run.
    scratch : Path
        Folder for problem files and computed optima.
    """

    python: str
    repeats: int
    threads: int
    cap: float
    patient_cap: float
    once_above: float
    budget: float
    scratch: Path


class Worker:
    """A process that runs one contender; ended when it is over the cap."""

    def __init__(self, name: str, python: str, threads: int) -> None:
        count = {f"{who}_NUM_THREADS": str(threads) for who in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
        paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.process: Any = subprocess.Popen(
            [python, "-W", "ignore", "-m", "benchmarks.worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, **count, "PYTHONPATH": paths},
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.error = self._reply(120).get("error")

    def _listen(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put("")

    def _reply(self, timeout: float) -> dict:
        try:
            line = self.lines.get(timeout=timeout)
        except queue.Empty:
            self.close()
            return {"over_cap": True}
        if line:
            return json.loads(line)
        return {"error": f"the process ended with code {self.process.wait()} (out of memory?)"}

    def ask(self, command: dict, timeout: float) -> dict:
        """Send a command and wait for the reply, at most ``timeout`` seconds."""
        if self.process.poll() is not None:
            return {"error": "the process has ended"}
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._reply(timeout)

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.listener.join()
        self.process.stdout.close()


@dataclass
class Race:
    """The contenders, and how long each has needed so far.

    Attributes
    ----------
    names : tuple of str
        Contenders, in the order of their turns.
    rules : Rules
    workers : dict of str to Worker
        Started at a contender's first turn, kept for all problems.
    """

    names: tuple[str, ...]
    rules: Rules
    workers: dict[str, Worker] = field(default_factory=dict)
    start: float = field(default_factory=perf_counter)
    seen: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def run(self, problem: Problem) -> Iterator[dict]:
        """Run all contenders on one problem, in turns; yield a row per run as it ends."""
        data = problem.build()
        # Jitter-free cost model of everything that computes full decompositions: m n min(m, n).
        cost = float(sum(x.size * min(x.shape) for x in data.matrices))
        path = self.rules.scratch / "problem.npz"
        lams = [1 / np.sqrt(max(x.shape)) for x in data.matrices]
        slacks = [
            0.0 if data.sigmas is None else noise.slack(data.sigmas[i][None, :], x.shape)
            for i, x in enumerate(data.matrices)
        ]
        optima, bound = self._optima(problem, data, lams, slacks)
        write_problem(path, data, lams, slacks, optima)
        shape = {"m": data.matrices[0].shape[0], "n": data.matrices[0].shape[1], "matrices": len(data.matrices)}
        if bound is not None:
            yield self._row(problem, "optimum", shape, dual_bound=bound)
        del data, optima
        waiting = list(self._entrants(problem))
        for repeat in range(self.rules.repeats):
            for name in tuple(waiting):
                row = self._turn(problem, name, path, cost, repeat)
                if row["status"] != "ok" or row["seconds"] > self.rules.once_above:
                    waiting.remove(name)
                yield self._row(problem, name, shape, **row)
        path.unlink()

    def close(self) -> None:
        """End all workers."""
        for worker in self.workers.values():
            worker.close()

    def _entrants(self, problem: Problem) -> Iterable[str]:
        for name in self.names:
            groups = CONTENDERS[name].groups
            if (not groups or problem.group in groups) and (not problem.only or name in problem.only):
                yield name

    def _turn(self, problem, name, path, cost, repeat) -> dict:
        contender = CONTENDERS[name]
        cap = self.rules.patient_cap if contender.patient else self.rules.cap
        guess = self._predict(name, cost)
        steps = problem.full_svd_steps if contender.kind == "reference" and name.endswith("-full") else None
        steps = problem.peer_steps if contender.kind == "peer" else steps
        if repeat == 0 and steps is None and guess is not None:
            late = perf_counter() - self.start > self.rules.budget and not contender.patient
            if guess > 1.5 * cap or (late and guess > 5):
                why = "cap" if guess > 1.5 * cap else "budget of the race"
                return {"status": "skipped", "message": f"about {guess:.0f} s expected, over the {why}"}
        if name not in self.workers:
            self.workers[name] = Worker(name, self.rules.python, self.rules.threads)
        worker = self.workers[name]
        if worker.error:
            return {"status": "error", "message": worker.error}
        # Where the gap decides, our answers come with their dual matrix: in a second run, outside the clock.
        twice = problem.metric == "gap" and contender.kind == "ours" and repeat == 0
        command = {
            "path": str(path),
            "tol": problem.tol if contender.exact else 1e-7,
            "max_iter": steps,
            "exact": contender.exact,
            "keep_dual": twice,
            "keep": repeat == 0,
        }
        reply = worker.ask(command, (1 + twice) * cap + LOADING)
        if repeat == 0 and "seconds" in reply:
            reply |= worker.ask({"judge": str(path)}, JUDGING)
        if worker.process.poll() is not None:
            del self.workers[name]  # a new one for the next problem
        if "error" in reply:
            return {"status": "error", "message": reply["error"]}
        if reply.pop("over_cap", False) and "seconds" not in reply:
            return {"status": "over cap", "message": f"more than {cap:.0f} s"}
        if steps is None and repeat == 0:
            self.seen.setdefault(name, []).append((cost, reply["seconds"]))
        message = f"{steps} steps at most" if steps else ""
        return {"status": "ok", "repeat": repeat, "message": message, **reply}

    def _predict(self, name: str, cost: float) -> float | None:
        """Seconds expected from the nearest smaller problem, in proportion to ``m n min(m, n)``."""
        smaller = [pair for pair in self.seen.get(name, []) if pair[0] <= cost]
        if not smaller or max(smaller)[0] < 2e7:  # below that, the set-up dominates
            return None
        known, seconds = max(smaller)
        return seconds * cost / known

    def _row(self, problem: Problem, name: str, shape: dict, **more) -> dict:
        kind = CONTENDERS[name].kind if name in CONTENDERS else "optimum"
        about = {"problem": problem.name, "group": problem.group, "length": problem.length, "metric": problem.metric}
        return {**about, **shape, "contender": name, "kind": kind, "status": "ok", **more}

    def _optima(self, problem: Problem, data: Data, lams, slacks) -> tuple[list | None, float | None]:
        """Optima of the first matrices to 1e-9, kept between races; and the dual bound where it covers them all."""
        optima, bound = [], 0.0
        for matrix, lam, slack in list(zip(data.matrices, lams, slacks))[: problem.reference]:
            mark = hashlib.sha256(matrix.tobytes() + np.asarray(slack).tobytes()).hexdigest()[:16]
            path = self.rules.scratch / f"optimum-{mark}.npz"
            if not path.exists():
                print(f"   optimum of {problem.name} to 1e-9 ...", end=" ", flush=True)
                found = exact_optimum(matrix, lam, slack)
                print(f"{found.n_iter} steps, {found.error:.0e}", flush=True)
                np.savez(path, low_rank=found.low_rank, bound=dual_value(matrix, found.dual, lam, slack))
            with np.load(path) as archive:
                optima.append(archive["low_rank"])
                bound += float(archive["bound"])
        return optima or None, bound if len(optima) == len(data.matrices) else None
