"""One matrix larger than memory or than one machine: the solvers of the core on shards of rows."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rpca_affect import apart, checks, stages
from rpca_affect.arrays import Observed, power_of_two
from rpca_affect.decomposition import Decomposition, Factors, gap_limit
from rpca_affect.distributed import survey
from rpca_affect.distributed.chunks import chunks_of, dtype_of, opened
from rpca_affect.distributed.journal import Journal, layout_in
from rpca_affect.distributed.local import threads
from rpca_affect.distributed.placement import Placement, reserve
from rpca_affect.distributed.run import Matrix, Run
from rpca_affect.distributed.shard import DRAFT, PARTS
from rpca_affect.distributed.shard_data import Facts
from rpca_affect.doubts import Doubt
from rpca_affect.engine.problem import accepts, safe_unit
from rpca_affect.measuring import noise_weight
from rpca_affect.request import Progress, Request
from rpca_affect.solvers.solver import default_lam_of, framewise
from rpca_affect.solving import configured, with_doubts

__all__ = ["solve"]

STEPS = 2  # changes with the steps: a checkpoint is gone on from with the same bits or not at all


def solve(
    x: Any,
    solver: Any = "auto",
    *,
    lam: float | None = None,
    noise: Any = None,
    mask: Any = None,
    sparse: str = "cells",
    tol: float | None = None,
    gap: float | None = None,
    max_iter: int | None = None,
    callback: Callable[[Progress], Any] | None = None,
    scheduler: Any = None,
    checkpoint: str | Path | None = None,
    spill: str | Path | None = None,
    out: str | Path | None = None,
) -> Decomposition:
    """Split a tall matrix that is never in one place into low-rank, sparse and noise parts.

    The model, its parameters and the answer are those of `rpca_affect.solve`: the same steps on shards of rows. Every
    worker holds its rows and their state; in a step some directions (n x k) travel out, and sums and their images come
    back, or a Gram matrix (n x n) where a subspace would not pay. Every block of the input is read once.

    Parameters
    ----------
    x : array or path, shape (m, n)
        Frames x features, with m >= n; NaN marks a missing cell. A dask, zarr, xarray or NumPy array, or the path of an
        ``.npy`` file, a zarr array, or a folder of Parquet files (all columns numbers, rows in the order of the names).
    solver : {"auto", "ialm", "admm"} or solver object
    lam, noise, mask, sparse, tol, gap, max_iter, callback
        As in `rpca_affect.solve`; the mask may be a dask array.
    scheduler : dask.distributed.Client, address, or "threads", optional
        Whose workers hold the shards, one for each of their threads: by default those of the current client, as
        everywhere in dask, otherwise the threads of this process. Folders must be the same ones for all workers.
    checkpoint : path, optional
        Folder for the state of the iteration, every ten steps and after Ctrl-C, and its last two. The same call goes
        on from there and ends with the same bits; with other data or settings it is refused.
    spill : path, optional
        Folder for files that hold data and state, where memory is short: two and a half times the matrix.
    out : path, optional
        Folder to which the workers write the parts as ``low_rank.npy``, ``sparse.npy`` and, with a noise part,
        ``noise.npy``.

    Returns
    -------
    Decomposition
        Its parts are dask arrays, in memory, in the files of ``spill`` or in those of ``out``. ``factors`` hold the
        low-rank part: ``values`` and ``right`` in memory, ``left`` as a dask array.

    Raises
    ------
    TypeError, ValueError
        With one sentence, for data or parameters that cannot be used.
    MemoryError
        Before anything is read, where memory will not suffice.

    Notes
    -----
    A worker that is lost takes nothing with it: another one reads its blocks again and lives through the messages since
    the last checkpoint. Its parts, after the solve, are lost with it: ``out`` keeps them.

    Steps are those of the core: the first ones in single precision, a subspace instead of all singular vectors where
    that costs less, and extrapolation after 100 steps of a small matrix. Newton's method is left out.

    Examples
    --------
    >>> import numpy as np, dask.array as da
    >>> M = np.outer(np.arange(1.0, 201.0), np.ones(6)); M[3, 5] += 1000.0
    >>> split = solve(da.from_array(M, chunks=(50, 6)))
    >>> split.rank, round(float(split.sparse[3, 5].compute()))
    (1, 1000)
    """
    calm = tol is None
    tol = 1e-7 if tol is None else tol
    checks.of_solve(tol, gap, max_iter, sparse, lam, callback)
    if out is not None:
        _refuse_existing(Path(out))
    data = opened(x)
    chunks, dtype = chunks_of(data, mask), dtype_of(data)
    shape = (int(data.shape[0]), int(data.shape[1]))
    if shape[0] < shape[1]:
        raise ValueError(
            f"the matrix of shape {shape} is wider than long: rows are shared out, so give its transpose "
            "(sparse cells mean the same there), or use rpca_affect.solve"
        )
    like = np.broadcast_to(np.zeros((), dtype), shape)
    request = Request(tol, max_iter or 0, callback, gap=gap)
    auto = isinstance(solver, str) and solver == "auto"
    if auto and calm and gap is None:
        request = replace(request, calm=gap_limit(like))
    folder = None if checkpoint is None else Path(checkpoint)
    with _crew(scheduler) as crew:
        edges = layout_in(folder) or crew.edges(shape, chunks)
        placements = [
            Placement(a, b, *shape, str(dtype), None if spill is None else str(spill)) for a, b in pairwise(edges)
        ]
        crew.check_memory(placements, chunks)
        crew.open(placements, chunks)
        _refuse_infinite(crew.load(), shape[1])
        facts = survey.added(crew.ask("facts"))
        if not facts.cells:
            raise ValueError("every cell of a matrix is missing (NaN or masked): nothing can be decomposed")
        solvers, unsure = _solvers(crew, solver, facts, like, lam, noise, sparse)
        limits = survey.limits_of(crew.ask, facts, shape, dtype) if sparse == "cells" else None
        settings = None
        if folder is not None:
            data = [str(dtype), *shape, *crew.ask("fingerprint")]
            settings = {"steps": STEPS, "shards": edges, "data": data, "solver": [_numbers(one) for one in solvers]}
            settings |= {"tol": tol, "gap": gap, "max_iter": max_iter, "calm": request.calm}
        answer, run = _solved(Journal(crew, folder, settings), solvers, facts, like, limits, request, auto)
        if limits is not None and not all(crew.ask("stays", *run.told)):
            crew.ask("unclip")
            again = None if folder is None else folder / "unclipped"
            answer, run = _solved(Journal(crew, again, settings), solvers, facts, like, None, request, auto)
        noisy = not (isinstance(solvers[-1].slack, float) and solvers[-1].slack == 0.0)
        answer = _with_parts(crew, answer, run, noisy, None if out is None else Path(out))
    own = apart.doubts(answer) if sparse == "frames" else ()
    return replace(answer, status=with_doubts(answer, Observed(like), unsure, own, noisy))


@contextmanager
def _crew(scheduler: Any) -> Iterator[Any]:
    """The workers that hold the shards."""
    client = scheduler
    if scheduler is None and "distributed" in sys.modules:
        with suppress(ValueError):
            client = sys.modules["distributed"].get_client()
    if client is None or (isinstance(client, str) and client == "threads"):
        with threads() as crew:
            yield crew
        return
    from dask.distributed import Client

    from rpca_affect.distributed.cluster import cluster

    if isinstance(client, str):
        with Client(client) as own, cluster(own) as crew:
            yield crew
    else:
        with cluster(client) as crew:
            yield crew


def _refuse_infinite(places: list[int | None], columns: int) -> None:
    found = [place for place in places if place is not None]
    if found:
        place = divmod(min(found), columns)
        raise ValueError(f"the matrix holds inf at index {place}: replace it by NaN to treat the cell as missing")


def _solvers(
    crew: Any, solver: Any, facts: Facts, like: np.ndarray, lam: Any, noise: Any, sparse: str
) -> tuple[list[Any], tuple[Doubt, ...]]:
    """The solver that was asked for, or the two that "auto" may need, with the weights of the model; and doubts."""
    features = int(np.count_nonzero(facts.by_feature))
    share = facts.cells / (facts.frames * features)
    numbers: dict[str, Any] = {} if lam is None else {"lam": lam}
    unsure: tuple[Doubt, ...] = ()
    if noise is not None:
        levels = lambda: survey.measured_levels(crew.ask, like.shape, like.dtype)  # noqa: E731
        weight, unsure = noise_weight(noise, sparse, like, (facts.frames, features), share, levels)
        weight = np.asarray(weight, like.dtype)
        if weight.ndim > 1 and weight.shape[0] > 1:
            raise ValueError(f"noise has shape {weight.shape}: give one number, or one for each feature")
        numbers["slack"] = float(weight.reshape(())) if weight.size == 1 else weight.reshape(1, -1)
    if sparse == "frames":
        numbers["shrink"] = framewise
    auto = isinstance(solver, str) and solver == "auto"
    plain = auto and not {"slack", "shrink"} & set(numbers) and facts.cells == like.size
    names = ["ialm", "admm"] if plain else ["admm"] if auto else [solver]
    found = [configured(name, numbers) for name in names]
    for one in found:
        if not accepts(Observed(like), one):
            raise ValueError(
                f"solver {one.name!r} does not run on shards: give 'auto', 'ialm' or 'admm', or use rpca_affect.solve"
            )
    weight = default_lam_of(facts.frames, features, facts.cells, sparse)
    return [replace(one, lam=weight) if one.lam is None else one for one in found], unsure


def _numbers(solver: Any) -> list[Any]:
    """Identity of a solver in JSON: its name and numbers."""
    numbers = [solver.lam, solver.mu, solver.growth, solver.relax]
    ahead = getattr(solver, "head_start", None), getattr(solver, "adaptive", None)
    exact = [None if number is None else float(number).hex() for number in numbers]
    return [solver.name, solver.sparse_kind, *exact, np.asarray(solver.slack).tobytes().hex(), *ahead]


def _solved(
    journal: Journal,
    solvers: list[Any],
    facts: Facts,
    like: np.ndarray,
    limits: np.ndarray | None,
    request: Request,
    by_auto: bool,
) -> tuple[Decomposition, Run]:
    """Run the solvers on the data in their unit, gigantic cells read as they should be."""
    top, sure = facts.top, solvers[-1]
    if limits is not None:
        top = max(found[1] for found in journal.crew.ask("clip", limits))
    size = float(power_of_two(np.full((1, 1), top, like.dtype))[0, 0])
    unit = safe_unit(size)
    kind = "rows" if sure.shrink is framewise else "cells"
    norm = math.sqrt(sum(journal.crew.ask("model", unit, kind, float(sure.lam), sure.slack / unit)))
    sizes = survey.added(journal.crew.ask("facts"))
    run = Run(journal, Matrix(like, facts.cells, unit, size / unit, norm, sizes.total, sizes.top, limits is not None))
    data = Observed(like)
    if len(solvers) == 2:
        limit = request.gap or gap_limit(like)
        plan = stages.quick_first(solvers[0], sure, request.gap, limit, bool(request.calm))
    else:
        plan, request = stages.by_itself(sure, None), replace(request, calm=None)
        if by_auto and facts.cells < like.size:
            plan = stages.masked(plan)
    with journal.interruptible():
        return stages.run(plan, data, np.full((1, 1), unit), None, request, run.one), run


def _with_parts(crew: Any, answer: Decomposition, run: Run, noisy: bool, out: Path | None) -> Decomposition:
    """Let the shards write the parts, and show them as dask arrays."""
    import dask.array as da

    low = run.last.low
    like, cells = run.matrix.like, run.matrix.cells
    names = PARTS[: 2 + noisy]
    if out is not None:
        _prepare(out, names, like)
    nonzero = sum(crew.ask("finish", *run.told, None if out is None else str(out)))
    if out is None:
        parts = {name: crew.parts(name) for name in names}
    else:
        for name in names:
            os.replace(out / (name + DRAFT), out / f"{name}.npy")
        parts = {name: opened(out / f"{name}.npy") for name in names}
    parts.setdefault("noise", da.zeros(like.shape, dtype=like.dtype))
    values, right = low.shrunk[: answer.rank] * run.matrix.unit, low.basis[:, : answer.rank].T
    left = parts["low_rank"] @ (right.T / values)
    factors = Factors(left, values.astype(like.dtype), np.ascontiguousarray(right))
    return replace(answer, **parts, sparsity=nonzero / cells, factors=factors)


def _refuse_existing(out: Path) -> None:
    """Overwrite nothing: said before hours have passed."""
    for name in PARTS:
        if (out / f"{name}.npy").exists():
            raise FileExistsError(f"{out / name}.npy exists: nothing is overwritten, give another folder")


def _prepare(out: Path, names: tuple[str, ...], like: np.ndarray) -> None:
    """Make the files that the shards will fill; they get their names when they are complete."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = out / (name + DRAFT)
        np.lib.format.open_memmap(path, "w+", like.dtype, like.shape)
        with path.open("r+b") as file:
            reserve(file, path.stat().st_size, out)
