"""Matrices that advance together: one step for a whole group by the eigenproblem of the smaller Gram matrix."""

import math
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.certificate import gap_of, loss
from rpca_affect.penalty import Travel, lines
from rpca_affect.prox import group_threshold
from rpca_affect.request import Progress, Request
from rpca_affect.stopping import FIRST, LATER

__all__ = ["Answer", "Group", "empty", "gap", "gram", "iterate", "length", "shrink"]


class Group(NamedTuple):
    """Matrices (b, d, n) with d <= n that one worker iterates together, in units where cells are at most 2.

    Attributes
    ----------
    values, argument : array, shape (b, d, n)
        Data with 0 on missing cells; argument of the first singular-value threshold.
    known : array of float, shape (b, d, n), or None
        1 on observed cells, 0 on missing ones.
    lam, mu, cap, growth, relax, size : array, shape (b, 1, 1)
        As in `rpca_affect.solvers.solver.Splitting`; ``cap`` is the largest penalty, ``size`` the length of the data.
    slack : array that broadcasts to (b, d, n), or None
    axis : int or None
        Axis of a sparse line; None when single cells are sparse.
    two_sided : bool
        Whether the error also looks at the multiplier, as ADMM's does.
    travels : bool
        Whether the penalty follows the distances travelled.
    """

    values: np.ndarray
    argument: np.ndarray
    known: np.ndarray | None
    lam: np.ndarray
    mu: np.ndarray
    cap: np.ndarray
    growth: np.ndarray
    relax: np.ndarray
    size: np.ndarray
    slack: np.ndarray | None
    axis: int | None
    two_sided: bool
    travels: bool

    def rows(self, which: Any) -> "Group":
        """Return some of the matrices with their numbers."""
        chosen: list[Any] = [x[which] if isinstance(x, np.ndarray) else x for x in self]
        return Group(*chosen)


class Answer(NamedTuple):
    """Result of the iteration on a group: the parts (b, d, n), and one number per matrix (b,).

    ``nuclear`` is the nuclear norm of the low-rank part, ``violation`` the length of M - L - S - N; ``errors`` and
    ``penalties`` hold, per step, the largest among the matrices still at work.
    """

    low_rank: np.ndarray
    sparse: np.ndarray
    noise: np.ndarray | None
    dual: np.ndarray
    error: np.ndarray
    steps: np.ndarray
    mu: np.ndarray
    rank: np.ndarray
    nuclear: np.ndarray
    violation: np.ndarray
    errors: np.ndarray
    penalties: np.ndarray


def iterate(group: Group, answer: Answer, request: Request) -> Answer:
    """Step the matrices of a group together; those at work fill the front of every array."""
    work = _copies(group)
    place = np.arange(len(work.values))
    errors, penalties = [], []
    low, kept = np.empty_like(work.values), np.empty_like(work.values)
    travel = Travel() if group.travels else None
    look = FIRST
    some = lines(work.values.shape[-1])
    now = work  # views of the first rows: those of the matrices still at work
    for step in range(1, request.max_iter + 1):
        change, base = now.argument, low[: len(place)]
        shrunk, weights = _threshold(change, now.mu)
        np.matmul(weights, change, out=base)
        change_of_mu = None if travel is None else travel.taken()
        mu = np.minimum((now.growth if change_of_mu is None else change_of_mu) * now.mu, now.cap)
        change -= base
        if not np.array_equal(mu, now.mu):
            change *= now.mu / mu
        wanted = np.subtract(now.values, base, out=kept[: len(place)])
        wanted += change
        if now.known is not None:
            wanted *= now.known
        held, _, _ = shrink(now, wanted, now.lam, mu, now.slack, out=wanted)
        np.subtract(held, change, out=change)
        violation = length(change if now.known is None else change * now.known)
        error = violation / _scale(now, held)
        now.mu[...] = mu
        if travel is not None and travel.looks(step):
            travel(step, base[..., some], mu * held[..., some], mu)
        done = error <= request.tol
        if request.gap is not None and step >= look:
            look = math.ceil(LATER * step)
            done |= _gap(now, base, mu * held, shrunk.sum(axis=-1)) <= request.gap
        errors.append(error.max())
        penalties.append(mu.max())
        stop = request.callback and request.callback(Progress(step, errors[-1], None, penalties[-1]))
        if stop or step == request.max_iter:
            done[:] = True
        if done.any():
            _record(answer, now, place, done, base, held, change)
            rows = place[done]
            answer.error[rows], answer.violation[rows], answer.steps[rows] = error[done], violation[done], step
            answer.rank[rows] = np.count_nonzero(shrunk[done], axis=-1)
            answer.nuclear[rows] = shrunk[done].sum(axis=-1)
            if done.all():
                break
        _advance(now, base, held, change)
        if done.any():
            place, stay = _close_up(work, place, done)
            now = work.rows(slice(len(place)))
            if travel is not None:
                travel.rows(stay)
    return answer._replace(errors=np.array(errors), penalties=np.array(penalties))


def _copies(group: Group) -> Group:
    """The group with arrays of its own, one row per matrix."""
    count = len(group.values)
    slack = group.slack
    if slack is not None:
        slack = np.broadcast_to(slack, (count, *slack.shape[1:])).copy()
    arrays = {name: getattr(group, name).copy() for name in ("argument", "mu", "lam", "cap", "growth", "relax", "size")}
    known = None if group.known is None else group.known.copy()
    return group._replace(values=group.values.copy(), known=known, slack=slack, **arrays)


def empty(group: Group) -> Answer:
    """An answer of the right shape, with all steps still to be taken."""
    count = len(group.values)
    nothing = np.empty(0)
    return Answer(
        low_rank=np.empty_like(group.values),
        sparse=np.empty_like(group.values),
        noise=None if group.slack is None else np.empty_like(group.values),
        dual=np.empty_like(group.values),
        error=np.zeros(count),
        steps=np.zeros(count, dtype=np.int64),
        mu=np.zeros(count),
        rank=np.zeros(count, dtype=np.int64),
        nuclear=np.zeros(count),
        violation=np.zeros(count),
        errors=nothing,
        penalties=nothing,
    )


def gram(x: np.ndarray) -> np.ndarray:
    """``x @ x.T`` of every matrix."""
    return x @ np.swapaxes(x, -1, -2)


def _threshold(argument: np.ndarray, mu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values less the threshold, at least 0, and the matrices W with ``SVT(A) = W A``."""
    power, vectors = np.linalg.eigh(gram(argument))
    singular = np.sqrt(np.maximum(power, 0))
    shrunk = np.maximum(singular - 1 / mu[:, 0], 0)
    share = shrunk / np.where(singular > 0, singular, 1)
    return shrunk, (vectors * share[:, None, :]) @ np.swapaxes(vectors, -1, -2)


def shrink(group: Group, wanted: Any, lam: Any, mu: Any, slack: Any, out: Any = None) -> tuple[Any, Any, Any]:
    """Kept part of ``wanted``, the scaled multiplier; with a noise part also S and ``wanted - S``."""
    if slack is None and group.axis is None:
        level = lam / mu
        return np.clip(wanted, -level, level, out=out), None, None
    give = 1.0 if slack is None else 1 / (1 + mu * slack)
    level = lam / (mu * give)
    if group.axis is None:
        loose = np.clip(wanted, -level, level)
        sparse = wanted - loose
    else:
        sparse = group_threshold(wanted, level, axis=group.axis)
        loose = wanted - sparse
    return np.multiply(loose, give, out=out), sparse, loose


def length(x: np.ndarray) -> np.ndarray:
    """Frobenius norm of every matrix, shape (b,)."""
    flat = np.reshape(x, (len(x), -1))
    return np.sqrt(np.vecdot(flat, flat))


def _scale(group: Group, held: np.ndarray) -> np.ndarray:
    """Length that the violation of the constraint is divided by, as in the solver's ``error``."""
    scale = group.size[:, 0, 0]
    if group.two_sided:
        own = length(held)
        scale = np.where(own > 0, np.minimum(scale, own), scale)
    return np.where(scale > 0, scale, 1.0)


def _advance(now: Group, base: np.ndarray, held: np.ndarray, change: np.ndarray) -> None:
    """Next argument ``L + e + relax (c - e) = L + c + (relax - 1)(c - e)``, over the old one."""
    if np.all(now.relax == 1):
        np.add(base, held, out=change)
    else:
        change *= now.relax - 1
        change += held
        change += base


def _record(
    answer: Answer, now: Group, place: np.ndarray, done: np.ndarray, base: np.ndarray, held: np.ndarray, change: Any
) -> None:
    """Write the parts of the finished matrices; S is formed again, so that its zeros are exact."""
    rows = place[done]
    ended = now.rows(done)
    base, held, change = base[done], held[done], change[done]
    wanted = ended.values - base + (held - change)
    if ended.known is not None:
        wanted *= ended.known
    kept, sparse, loose = shrink(ended, wanted, ended.lam, ended.mu, ended.slack)
    answer.low_rank[rows] = base
    answer.sparse[rows] = wanted - kept if sparse is None else sparse
    answer.dual[rows] = ended.mu * held
    answer.mu[rows] = ended.mu[:, 0, 0]
    if answer.noise is not None:
        answer.noise[rows] = loose - kept


def _close_up(work: Group, place: np.ndarray, done: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move the last matrices at work into the rows of those that are done; return the rows' new owners and old rows."""
    left = int(np.count_nonzero(~done))
    holes = np.flatnonzero(done[:left])
    fillers = left + np.flatnonzero(~done[left:])
    for x in (*work, place):
        if isinstance(x, np.ndarray):
            x[holes] = x[fillers]
    stay = np.arange(left)
    stay[holes] = fillers
    return place[:left], stay


def gap(group: Group, answer: Answer) -> np.ndarray:
    """Relative duality gap, as `rpca_affect.certificate.relative_gap`, without its singular value decompositions.

    The threshold has told the nuclear norm of L; the spectral norm of the dual matrix comes from its Gram matrix.
    """
    return _gap(group, answer.low_rank, answer.dual, answer.nuclear)


def _gap(group: Group, low_rank: np.ndarray, dual: np.ndarray, nuclear: np.ndarray) -> np.ndarray:
    top = np.sqrt(np.maximum(np.linalg.eigvalsh(gram(dual))[:, -1], 1))
    rest = group.values - low_rank
    if group.known is not None:
        rest *= group.known
    cells = np.reshape(group.values, (len(dual), -1)), np.reshape(dual, (len(dual), -1))
    linear = np.vecdot(*cells)
    size = np.abs(rest) if group.axis is None else np.sqrt(np.sum(rest * rest, axis=group.axis, keepdims=True))
    slack = 0.0 if group.slack is None else group.slack
    primal = nuclear + np.sum(loss(size, group.lam, slack), axis=(-2, -1))
    return gap_of(primal, linear, np.sum(slack * dual * dual, axis=(-2, -1)), top)
