"""The longest path through the frames of a sequence: the cost of its steps, and the frames that it keeps."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from rpca_affect.engine import jit


def steps_of(x: Tensor, cells: Tensor, lag: int) -> Tensor:
    """Root mean square difference to the frame ``lag`` before, (B, T); NaN where there is nothing to compare."""
    out = torch.full(x.shape[:-1], torch.nan, dtype=x.dtype, device=x.device)
    if lag < x.shape[-2]:
        both = cells[:, lag:] & cells[:, :-lag]
        square = torch.where(both, x[:, lag:] - x[:, :-lag], 0.0).square().sum(-1)
        out[:, lag:] = (square / both.sum(-1)).sqrt()
    return out


def prices(x: Tensor, cells: Tensor, least: Tensor, most: Tensor, price: float) -> Tensor:
    """``price`` where the step from frame t - l to t is not believable, else 0, at [b, t, l - 1].

    Two frames without a feature in common cannot contradict each other.
    """
    if _compiles(x):
        costs = torch.empty((*x.shape[:-1], len(most)), dtype=x.dtype)
        known = torch.where(cells, x, 0.0), cells.to(x.dtype)
        _compiled_steps()(*(a.numpy(force=True) for a in (*known, least, most)), price, costs.numpy())
        return costs
    steps = torch.stack([steps_of(x, cells, lag) for lag in range(1, len(most) + 1)], -1)
    return torch.where((steps > most) | (steps < least), price, 0.0)


def _compiles(x: Tensor) -> bool:
    return x.device.type == "cpu" and jit.available() and not torch.compiler.is_compiling()


def longest(costs: Tensor, frames: Tensor, price: float) -> Tensor:
    """Frames of the path with the largest count less costs, by dynamic programming.

    ``costs[b, t, l - 1]`` is that of the step from t - l to t; ``price`` that of a step from any earlier frame.

    All numbers are small multiples of 1 / 2: sums are exact, and a sequence has the same path in every batch. Of
    equal paths the one with the longer last step is taken (of copies, the first).
    """
    batch, length, reach = costs.shape
    if _compiles(costs):
        found = np.zeros((batch, length), dtype=np.bool_)
        _compiled()(costs.double().numpy(), frames.numpy(), price, found)
        return torch.from_numpy(found)
    nothing = torch.full((batch,), -torch.inf, dtype=costs.dtype, device=costs.device)
    score = nothing.repeat(reach + length, 1)
    lags = torch.arange(1, reach + 1, device=costs.device)
    best, best_at = nothing, torch.full((batch,), -1, device=costs.device)
    before = []
    for t in range(length):
        linked = score[t : t + reach].flip(0).T - costs[:, t]
        lag = (linked + lags / (4 * reach)).argmax(-1)
        value, at = linked.gather(-1, lag[:, None])[:, 0], t - 1 - lag
        jump = best - price > value
        value, at = torch.where(jump, best - price, value), torch.where(jump, best_at, at)
        start = value <= 0
        value = torch.where(frames[:, t], torch.where(start, 0.0, value) + 1, -torch.inf)
        before.append(torch.where(start, -1, at))
        score[reach + t] = value
        better = value > best
        best, best_at = torch.where(better, value, best), torch.where(better, t, best_at)
    kept = torch.zeros_like(frames)
    at = best_at
    for t in reversed(range(length)):
        kept[:, t] = at == t
        at = torch.where(at == t, before[t], at)
    return kept


@cache
def _compiled() -> Callable:
    """Compile on first use; kept on disk where there is a place for it."""
    return jit.built((_tracks,), globals())


@cache
def _compiled_steps() -> Callable:
    """The same for the costs."""
    return jit.built((_priced,), globals())


def _priced(x, known, least, most, price, costs):
    """The same as `prices`; ``known`` is 1 or 0, and ``x`` is 0 where it is 0."""
    batch, length, features = x.shape
    for b in range(batch):
        for t in range(length):
            for lag in range(1, len(most) + 1):
                costs[b, t, lag - 1] = 0
                if lag > t:
                    continue
                square = count = 0.0
                for d in range(features):
                    both = known[b, t, d] * known[b, t - lag, d]
                    step = (x[b, t, d] - x[b, t - lag, d]) * both
                    square += step * step
                    count += both
                if count > 0:
                    size = np.sqrt(square / count)
                    if size > most[lag - 1] or size < least[lag - 1]:
                        costs[b, t, lag - 1] = price


def _tracks(costs, frames, price, kept):
    """The same as `longest`, one sequence after the other, written to ``kept`` (batch, length)."""
    batch, length, reach = costs.shape
    score, before = np.empty(length), np.empty(length, dtype=np.int64)
    for b in range(batch):
        best, best_at = -np.inf, -1
        for t in range(length):
            score[t], before[t] = -np.inf, -1
            if not frames[b, t]:
                continue
            linked, at = -np.inf, -1
            # From the longest step down: of equal ones the longest is taken.
            for lag in range(min(reach, t), 0, -1):
                value = score[t - lag] - costs[b, t, lag - 1]
                if value > linked:
                    linked, at = value, t - lag
            if best - price > linked:
                linked, at = best - price, best_at
            if linked > 0:
                score[t], before[t] = linked + 1, at
            else:
                score[t] = 1
            if score[t] > best:
                best, best_at = score[t], t
        at = best_at
        while at >= 0:
            kept[b, at] = True
            at = before[at]
