"""The steps of a small complete matrix with sparse cells, in one function: calls would cost more than arithmetic.

The arithmetic is that of `rpca_affect.engine.spectrum.threshold` and `rpca_affect.engine.cells.blocks`.
"""

import numpy as np

from rpca_affect.acceleration import Anderson
from rpca_affect.engine.answer import Step, prove
from rpca_affect.engine.cells.blocks import Passes, Sums, square_length
from rpca_affect.engine.monitor import Monitor
from rpca_affect.engine.spectrum.gram import eigh_descending, gram
from rpca_affect.engine.spectrum.lowrank import SQUARE, LowRank
from rpca_affect.engine.spectrum.threshold import Thresholder

__all__ = ["advance", "suits"]


def suits(passes: Passes) -> bool:
    """Tell whether a matrix is small enough: complete, C-ordered, one block, few columns."""
    plain = passes.kind == "cells" and passes.known is None and passes.reader.plain and passes.reader.patches is None
    return plain and passes.workers == 1 and len(passes.blocks) == 1 and passes.values.shape[1] <= SQUARE


def advance(
    passes: Passes,
    threshold: Thresholder,
    monitor: Monitor,
    argument: np.ndarray,
    spare: np.ndarray,
    mu: float,
    accelerate: Anderson | None,
) -> Step:
    """Step on from ``argument`` to ``spare`` and back; return the last step.

    Parameters
    ----------
    passes : Passes
    threshold : Thresholder
        Computes the singular values where the threshold lies too far below the largest for their squares.
    monitor : Monitor
    argument, spare : array, shape (m, n)
    mu : float
    accelerate : Anderson, optional
    """
    values, noisy, relax = passes.values, passes.noisy, monitor.relax
    base, kept = passes.pair(0)
    while True:
        level, mu_next = 1 / mu, monitor.mu_after(mu)
        if threshold.is_extreme(level):
            low = threshold.by_svd(argument, level)
            basis, singular = low.basis, low.values
        else:
            squares, basis = eigh_descending(gram(argument, passes.crew))
            rank = int(np.count_nonzero(squares > level * level))
            basis, singular = basis[:, :rank], np.sqrt(squares[:rank])
        rank = len(singular)
        threshold.top = float(singular[0]) if rank else threshold.top
        weighed = (basis * ((singular - level) / singular)) @ basis.T
        np.matmul(argument, weighed.astype(values.dtype, copy=False), out=base)
        carried = np.subtract(argument, base, out=spare)
        if mu_next != mu:
            carried *= mu / mu_next
        np.subtract(values, base, out=kept)
        kept += carried
        if noisy:
            kept *= passes.give(mu_next)
        limit = passes.lam / mu_next
        kept.clip(-limit, limit, out=kept)
        own = square_length(kept) if monitor.two_sided else 0.0
        base += carried
        kept -= carried
        np.multiply(kept, relax, out=carried)
        carried += base
        violated, error = monitor.judge(Sums(square_length(kept), own), rank, mu_next)
        changes = False
        if monitor.ended or monitor.looks or monitor.watches:
            found = LowRank(np.array(basis, dtype=values.dtype, order="C"), singular, level, True)
            changes = monitor.follow(argument, found, spare, mu, mu_next)
            if monitor.watches:
                memory = np.empty_like(spare)
                monitor.ends(argument, found, lambda: prove(passes, argument, found, mu, mu_next, memory).gap)  # noqa: B023
        if monitor.ended:
            return Step(argument, spare, found, mu, mu_next, violated, error)
        if accelerate is not None and changes:
            accelerate.forget()
        elif accelerate is not None:
            np.copyto(spare, accelerate(argument, spare))
        argument, spare, mu = spare, argument, mu_next
