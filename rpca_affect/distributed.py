"""One matrix larger than memory: the same ADMM on a row-chunked dask array, one n x n reduction per step."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rpca_affect.decomposition import Decomposition, Status, doubts_about
from rpca_affect.noise import slack as noise_weight
from rpca_affect.penalty import STILL, Travel, factor, lines
from rpca_affect.solvers.admm import ADMM

__all__ = ["solve_chunked"]


def solve_chunked(
    observed: Any,
    *,
    lam: float | None = None,
    noise: float | None = None,
    relax: float = 1.6,
    tol: float = 1e-6,
    max_iter: int = 1000,
) -> Decomposition:
    """Split a tall dask array into low-rank, sparse and noise parts without ever holding it in one place.

    Solves ``argmin ||L||_* + lam ||S||_1 + ||N||_F^2 / (2 slack)  subject to  L + S + N = M`` on the observed cells by
    the iteration of `rpca_affect.ADMM`. The state stays where the chunks are; a step sends one n x n matrix out and
    brings one n x n matrix per chunk back. With a distributed scheduler a lost worker costs the time to compute its
    chunks again.

    Parameters
    ----------
    observed : dask.array.Array, shape (m, n)
        Frames x features, m much larger than n; NaN marks a missing cell. Chunks of columns are merged.
    lam : float, optional
        Weight of the sparse part; default ``1 / sqrt(p max(m, n))`` with p the observed share.
    noise : float, optional
        Standard deviation of dense noise, the same in all features (scale them first); None means no noise part.
    relax : float, default 1.6
        Relaxation, in (0, 2).
    tol : float, default 1e-6
        Stop when constraint and multipliers agree to this.
    max_iter : int, default 1000

    Returns
    -------
    Decomposition
        Its parts are dask arrays that have not been computed yet.

    Raises
    ------
    TypeError
        If ``observed`` is not a dask array.
    ValueError
        If its shape is not known, or no cell is observed.

    Notes
    -----
    Memory on a worker: M, one state matrix and one temporary for each of its chunks.

    Examples
    --------
    >>> import dask.array as da, numpy as np
    >>> M = np.outer(np.arange(1.0, 201.0), np.ones(6)); M[3, 5] += 1000.0
    >>> split = solve_chunked(da.from_array(M, chunks=(50, 6)))
    >>> split.rank, round(float(split.sparse[3, 5].compute()))
    (1, 1000)
    """
    import dask

    blocks, shape = _blocks(observed)
    facts = dask.compute(*[dask.delayed(_facts)(block) for block in blocks])
    cells, total, squares = (np.sum(column) for column in zip(*facts))
    if not cells:
        raise ValueError("every cell of the array is missing: nothing can be decomposed")
    lam = 1 / np.sqrt(cells / np.prod(shape) * max(shape)) if lam is None else lam
    slack = 0.0 if noise is None else float(noise_weight(noise, shape, share=cells / np.prod(shape)))
    mu = ADMM(slack=slack).penalty(np.full((1, 1), total / cells))
    numbers = _Numbers(lam, slack, float(mu[0, 0]), relax)
    # The penalty follows the distances travelled, as in `rpca_affect.penalty`; a few rows of each chunk stand for all.
    before: list[Any] = [None] * len(blocks)
    pace = lines(shape[0]).step

    states = dask.persist(*[dask.delayed(np.nan_to_num)(block, copy=True) for block in blocks])
    gram = sum(dask.compute(*[dask.delayed(_gram)(state) for state in states]))
    history: dict[str, list] = {"error": [], "rank": []}
    size, error, growth, total = np.sqrt(squares), np.inf, 1.0, 1.0
    for step in range(1, max_iter + 1):
        shrink, values = _threshold(gram, numbers.mu)
        numbers = replace(numbers, before=numbers.mu, mu=numbers.mu * growth)
        growth = 1.0
        moved = dask.persist(*[dask.delayed(_advance)(b, s, shrink, numbers) for b, s in zip(blocks, states)])
        looks = not noise and Travel.looks(step)
        earlier = states if looks else []  # two states of every chunk at seven steps only
        states = [pair[0] for pair in moved]
        reports = dask.compute(*[pair[1] for pair in moved])
        change, kept, gram = (sum(column) for column in zip(*reports))
        smaller = min(size, np.sqrt(kept)) if kept else size
        error = np.sqrt(change) / smaller if smaller else 0.0
        history["error"].append(float(error))
        history["rank"].append(int((values > 0).sum()))
        if error <= tol:
            break
        if looks:
            found = dask.persist(*[dask.delayed(_sample)(b, s, shrink, numbers, pace) for b, s in zip(blocks, earlier)])
            if step > 1:
                apart = dask.compute(*[dask.delayed(_apart)(x, y) for x, y in zip(found, before)])
                low, dual = (np.sqrt(sum(column)) for column in zip(*apart))
                ratio = dual / (numbers.mu * low) if low > STILL * np.sqrt(np.sum(values**2)) else np.nan
                growth = float(factor(step, np.asarray(ratio), np.asarray(total)))
                total *= growth
            before = list(found)
    numbers = replace(numbers, before=None)
    return _decomposition(blocks, states, gram, numbers, shape, observed.dtype, history, tol, int(cells), size)


@dataclass(frozen=True)
class _Numbers:
    lam: float
    slack: float
    mu: float
    relax: float
    before: float | None = None  # penalty of the threshold, where the shrinkage has another one

    @property
    def give(self) -> float:
        return 1 / (1 + self.mu * self.slack)


def _blocks(observed: Any) -> tuple[list, tuple[int, int]]:
    if not hasattr(observed, "rechunk"):
        raise TypeError(f"observed is a {type(observed).__name__}: give a dask array, dask.array.from_array(...)")
    if observed.ndim != 2 or any(np.isnan(axis) for axis in observed.shape):
        raise ValueError("the dask array needs two axes of known length: call compute_chunk_sizes() first")
    observed = observed.rechunk({1: -1})
    return list(observed.to_delayed().ravel()), (int(observed.shape[0]), int(observed.shape[1]))


def _facts(block: np.ndarray) -> tuple[float, float, float]:
    size = np.abs(np.nan_to_num(block))
    return float((~np.isnan(block)).sum()), float(size.sum()), float((size**2).sum())


def _gram(block: np.ndarray) -> np.ndarray:
    block = block.astype(np.float64, copy=False)
    return block.T @ block


def _threshold(gram: np.ndarray, mu: float) -> tuple[np.ndarray, np.ndarray]:
    """Return W with ``A W = SVT_{1/mu}(A)``, and the singular values that are left."""
    squares, vectors = np.linalg.eigh(gram)
    s = np.sqrt(np.maximum(squares, 0.0))
    left = np.maximum(s - 1 / mu, 0.0)
    share = np.divide(left, s, out=np.zeros_like(s), where=s > 0)
    return (vectors * share) @ vectors.T, left


def _split(block: np.ndarray, state: np.ndarray, shrink: np.ndarray, numbers: _Numbers) -> tuple[np.ndarray, ...]:
    """One block's L, e and c, as in `rpca_affect.solvers.base.Splitting.step`."""
    low_rank = state @ shrink.astype(state.dtype, copy=False)
    carried = state - low_rank
    if numbers.before is not None and numbers.before != numbers.mu:
        carried *= numbers.before / numbers.mu
    kept = np.nan_to_num((block - low_rank + carried) * numbers.give)
    np.clip(kept, -numbers.lam / numbers.mu, numbers.lam / numbers.mu, out=kept)
    return low_rank, carried, kept


def _advance(block: np.ndarray, state: np.ndarray, shrink: np.ndarray, numbers: _Numbers) -> tuple:
    low_rank, carried, kept = _split(block, state, shrink, numbers)
    change = kept - carried
    moved = low_rank + carried + numbers.relax * change
    violated = np.where(np.isnan(block), 0.0, change)
    return moved, (float((violated**2).sum()), float((kept**2).sum()), _gram(moved))


def _sample(block: np.ndarray, state: np.ndarray, shrink: np.ndarray, numbers: _Numbers, pace: int) -> np.ndarray:
    """A few rows of L and Y after a step, shape (2, rows, n)."""
    low_rank, _, kept = _split(block[::pace], state[::pace], shrink, numbers)
    return np.stack([low_rank, numbers.mu * kept])


def _apart(now: np.ndarray, before: np.ndarray) -> np.ndarray:
    return ((now - before) ** 2).sum(axis=(1, 2))


def _finish(block: np.ndarray, state: np.ndarray, shrink: np.ndarray, numbers: _Numbers) -> tuple[np.ndarray, tuple]:
    """Stack L, S, N of one block, shape (3, rows, n), and report what residual, gap and density need of it."""
    low_rank, carried, kept = _split(block, state, shrink, numbers)
    wanted = np.nan_to_num(block - low_rank + carried)
    level = numbers.lam / (numbers.mu * numbers.give)
    sparse = wanted - np.clip(wanted, -level, level)
    noise = (wanted - sparse) * (1 - numbers.give)
    values, dual = np.nan_to_num(block), numbers.mu * kept
    rest = np.where(np.isnan(block), 0.0, values - low_rank)
    size, knee = np.abs(rest), numbers.lam * numbers.slack
    square = size**2 / (2 * numbers.slack) if numbers.slack else size
    penalty = np.where(size > knee, numbers.lam * (size - knee / 2), square).sum()
    residual = np.where(np.isnan(block), 0.0, rest - sparse - noise)
    report = ((residual**2).sum(), penalty, (values * dual).sum(), (dual**2).sum(), (sparse != 0).sum(), _gram(dual))
    return np.stack([low_rank, sparse, noise]), report


def _decomposition(
    blocks: list,
    states: list,
    gram: np.ndarray,
    numbers: _Numbers,
    shape: tuple[int, int],
    dtype: Any,
    history: dict,
    tol: float,
    cells: int,
    size: float,
) -> Decomposition:
    import dask
    import dask.array as da

    shrink, values = _threshold(gram, numbers.mu)
    finished = [dask.delayed(_finish, nout=2)(b, s, shrink, numbers) for b, s in zip(blocks, states)]
    reports = dask.compute(*[report for _, report in finished])
    residual, penalty, inner, squares, nonzero, dual_gram = (sum(column) for column in zip(*reports))
    stretch = max(1.0, float(np.sqrt(np.linalg.eigvalsh(dual_gram)[-1])))
    primal = float(values.sum() + penalty)
    value = inner / stretch - numbers.slack * squares / stretch**2 / 2
    gap = max((primal - value) / primal, 0.0) if primal else 0.0
    rows = dask.compute(*[dask.delayed(len)(b) for b in blocks])
    stacked = [da.from_delayed(p, shape=(3, r, shape[1]), dtype=dtype) for (p, _), r in zip(finished, rows)]
    joined = da.concatenate(stacked, axis=1)
    steps, error = len(history["error"]), history["error"][-1]
    rank, density = int((values > 0).sum()), float(nonzero / cells)
    done = error <= tol
    measure = {"steps": steps, "error": error, "gap": gap, "tol": tol}
    answer = Decomposition(
        low_rank=joined[0],
        sparse=joined[1],
        noise=joined[2],
        n_iter=steps,
        status=Status(done, "tol" if done else "max_iter", (), measure),
        rank=rank,
        sparsity=density,
        residual=float(np.sqrt(residual) / size) if size else 0.0,
        gap=gap,
        lam=float(numbers.lam),
        history=history,
        solver="admm",
    )
    found = doubts_about(answer, shape, noisy=numbers.slack > 0)
    return replace(answer, status=replace(answer.status, doubts=found))
