"""What the engine promises on its own: no missed singular value, exact order statistics, threads given back."""

import gc
import math
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import off, spoiled
from threadpoolctl import threadpool_info

import rpca_affect as ra
from rpca_affect.engine import problem as ready
from rpca_affect.engine.answer import complete
from rpca_affect.engine.cells.blocks import Passes
from rpca_affect.engine.cells.reader import RowReader
from rpca_affect.engine.cells.selection import kth_largest, median_size
from rpca_affect.engine.spectrum import gram as squares
from rpca_affect.engine.spectrum import threshold
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.spectrum.threshold import Thresholder
from rpca_affect.engine.threads import Crew, hired
from rpca_affect.prox import keep_largest, singular_value_threshold


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["planted", "repeated", "clustered", "flat", "tiny"]))
def test_threshold_is_exact_or_flagged(seed, kind):
    """Every route, on spectra made to be hard, gives the threshold of the full decomposition."""
    rng = np.random.default_rng(seed)
    columns = 280
    left = np.linalg.qr(rng.standard_normal((300, columns)))[0]
    right = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
    spectrum = {
        "planted": np.concatenate([np.linspace(20, 5, 12), np.linspace(0.9, 0, columns - 12)]),
        "repeated": np.concatenate([np.full(9, 3.0), np.full(columns - 9, 0.5)]),
        "clustered": np.concatenate([[9.0, 1.01, 1.001, 1.0001], np.linspace(0.999, 0, columns - 4)]),
        "flat": np.full(columns, 1.5),
        "tiny": np.concatenate([[1e5, 1.1], np.linspace(0.8, 0, columns - 2)]),
    }[kind]
    a = (left * spectrum) @ right
    with hired() as crew:
        passes = Passes(RowReader(a.copy()), None, "cells", crew)
        thresholder = Thresholder(passes)
        for _ in range(3):
            low = thresholder(a, 1.0)
            left = low.left if low.left is not None else a @ low.basis if low.thin else a
            found = left @ low.right
        spare = np.empty_like(a)
        expected = singular_value_threshold(a, 1.0)
        # What is missed may be a value just above the threshold: it then adds at most its excess.
        assert np.linalg.norm(found - expected, 2) < 2e-3
        assert complete(passes, a, low, 1.0, spare)


@pytest.mark.parametrize("shape", [(420, 300), (700, 420), (600, 600)])  # vectors in place, and in memory of their own
@pytest.mark.parametrize("depth", [6.5, 7.0, 7.9])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_two_gram_matrices_resolve_what_one_loses(shape, depth, dtype):
    rng = np.random.default_rng(0)
    rows, columns = shape
    left = np.linalg.qr(rng.standard_normal((rows, columns)))[0]
    right = np.linalg.qr(rng.standard_normal((columns, columns)))[0]
    values = 10.0 ** -np.linspace(0, depth + 1, columns)
    values[5:9] = np.array([1.001, 1, 1, 0.999]) * threshold.SPLIT  # a cluster where the matrix is split
    a = ((left * np.sort(values)[::-1]) @ right).astype(dtype)
    level = 10.0**-depth
    u, s, vt = np.linalg.svd(a.astype(np.float64), full_matrices=False)
    expected = (u * np.maximum(s - level, 0)) @ vt
    before = a.copy()
    with hired() as crew:
        thresholder = Thresholder(Passes(RowReader(a), None, "cells", crew))
        errors = []
        for route in (thresholder.by_two_grams, thresholder.by_gram):
            for thresholder.memory in (np.empty_like(a), None):
                low = route(a, level)
                last = low.right.astype(np.float64)
                found = (a @ low.basis.astype(np.float64) if low.thin else a.astype(np.float64)) @ last
                errors.append(np.linalg.norm(found - expected, 2) / level)
    assert np.array_equal(a, before)
    if dtype == np.float64:
        assert max(errors[:2]) < 1e-5 < 1e-4 < min(errors[2:])
    else:  # the vectors are rounded too
        assert max(errors[:2]) < 1e-6 / level


def test_certificate_sees_a_missing_singular_value():
    rng = np.random.default_rng(0)
    for columns in (60, 600):
        a = rng.standard_normal((700, columns)) / 60
        u, v = rng.standard_normal((700, 3)), rng.standard_normal((3, columns))
        a += 5 * np.linalg.qr(u)[0] @ np.linalg.qr(v.T)[0].T
        _, s, vt = np.linalg.svd(a, full_matrices=False)
        count = int((s > 1.5).sum())
        assert count == 3
        with hired() as crew:
            passes = Passes(RowReader(a.copy()), None, "cells", crew)
            spare = np.empty_like(a)
            whole = LowRank(np.ascontiguousarray(vt[:3].T), s[:3], 1.5, False)
            holed = LowRank(np.ascontiguousarray(vt[[0, 2]].T), s[[0, 2]], 1.5, False)
            assert complete(passes, a, whole, 1 / 1.5, spare)
            assert not complete(passes, a, holed, 1 / 1.5, spare)


@pytest.mark.parametrize("solver", ["ialm", "admm"])
def test_planted_failure_is_repaired(solver, monkeypatch):
    """A subspace that never sees one direction must not change the answer."""
    observed = spoiled(330, 300, rank=5)
    expected = ra.solve(observed, solver, max_iter=60)
    honest = Thresholder.by_subspace

    def blinded(self, a, level):
        low = honest(self, a, level)
        if low is None:
            return None
        kept = [i for i in range(low.rank) if i != 1]
        return LowRank(np.ascontiguousarray(low.basis[:, kept]), low.values[kept], level, False)

    calls = []
    exact = Thresholder.by_gram

    def counted(self, a, level):
        calls.append(self.exact)
        return exact(self, a, level)

    monkeypatch.setattr(Thresholder, "by_subspace", blinded)
    monkeypatch.setattr(Thresholder, "by_gram", counted)
    repaired = ra.solve(observed, solver, max_iter=60)
    if solver == "ialm":
        assert True in calls, "the failure went unnoticed"
    assert off(repaired.low_rank, expected.low_rank) < 1e-6 or not repaired.converged
    assert repaired.rank == expected.rank or not repaired.converged
    assert repaired.converged or solver == "admm"


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_norm_bound_never_lies(seed):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((520, 520)) * rng.uniform(0, 1, 520)
    square = squares.gram(y, Crew(1))
    assert np.allclose(square, y.T @ y)
    top = np.linalg.norm(y, 2)
    wrong = np.linalg.qr(rng.standard_normal((520, 3)))[0]
    bound = squares.norm_bound(square.copy(order="F"), wrong, Crew(1))
    assert top * (1 - 1e-12) <= bound <= top + max(1e-6 * top, 0.11 * (top - 1))
    assert not squares.norm_is_below(square, top * 0.9999)
    assert np.allclose(square, y.T @ y), "after a no the matrix must be left as it was"
    assert squares.norm_is_below(square, top * 1.0001)


def test_largest_singular_value_by_krylov_steps():
    rng = np.random.default_rng(0)
    for x in (spoiled(400, 300), rng.standard_normal((300, 300)), np.eye(300)):
        passes = Passes(RowReader(x.copy()), None, "cells", Crew(1))
        found = squares.largest_singular_value(x, passes.product, passes.inner, Crew(1))
        assert found == pytest.approx(np.linalg.norm(x, 2), rel=1e-5)


def test_blas_threads_come_back():
    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def fails(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ra.solve(spoiled(60, 40), "ialm", callback=fails)
    with hired() as outer, hired() as inner:
        assert outer.size == inner.size
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
    assert [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"] == before


def test_workers_do_not_change_the_answer(monkeypatch):
    observed = spoiled(600, 300)
    one = ra.solve(observed, "ialm")
    monkeypatch.setattr("rpca_affect.engine.threads._gate.enter", lambda: 3)
    monkeypatch.setattr("rpca_affect.engine.threads._gate.leave", lambda: None)
    three = ra.solve(observed, "ialm")
    assert one.n_iter == three.n_iter
    assert off(three.low_rank, one.low_rank) < 1e-8  # the first steps round to single precision
    assert np.array_equal(three.low_rank, ra.solve(observed, "ialm").low_rank), "same input, same output"


def test_an_error_in_a_worker_is_raised():
    def work(worker, block):
        raise ZeroDivisionError(block)

    crew = Crew(2)
    with pytest.raises(ZeroDivisionError):
        crew.run(work, [1, 2, 3])
    crew.close()


def test_a_crew_keeps_the_order_and_nothing_else():
    class Large:
        pass

    large = Large()
    alive, crew = weakref.ref(large), Crew(3)
    assert crew.run(lambda worker, block, known=large: (block, worker < 2), [4, 5]) == [(4, True), (5, True)]
    assert crew.run(lambda worker, block: block * block, range(50)) == [i * i for i in range(50)]
    crew.run(lambda worker, block, known=large: None, range(9))
    del large
    gc.collect()
    assert alive() is None, "a helper that waits holds what its last function knew"
    crew.close()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 60), st.booleans())
def test_selection_is_exact_with_ties(seed, count, tied):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 4, (12, 5)).astype(float) if tied else rng.standard_normal((12, 5))
    level, last = kth_largest(x, count, Crew(1), [slice(0, 7), slice(7, 12)])
    kept = (np.abs(x) > level) | ((np.abs(x) == level) & (np.arange(60).reshape(12, 5) <= last))
    assert np.array_equal(np.where(kept, x, 0), keep_largest(x, count))
    nonzero = np.sort(np.abs(x[x != 0]))
    assert median_size(x, Crew(1), [slice(0, 12)]) == (nonzero[len(nonzero) // 2] if len(nonzero) else 0)


def test_selection_of_a_large_matrix():
    x = np.random.default_rng(0).standard_normal((700, 300)) ** 3
    for count in (1, 10, 10_500, 209_999, 210_000):
        level, _ = kth_largest(x, count, Crew(1), [slice(0, 700)])
        assert level == np.sort(np.abs(x).ravel())[-count]


@pytest.mark.parametrize("shape", [(2000, 70), (70, 2000), (400, 340)])
@pytest.mark.parametrize(
    "wishes",
    [
        {"solver": "ialm"},
        {"solver": "ialm", "sparse": "frames"},
        {"solver": ra.ADMM(memory=0), "noise": 0.1},
        {"solver": ra.ADMM(memory=0)},
        {"solver": ra.ADMM(memory=0), "mask": True},
    ],
)
def test_a_start_in_single_precision_changes_no_answer(monkeypatch, shape, wishes):
    observed = spoiled(*shape, rank=4)
    if "noise" in wishes or wishes["solver"] == "ialm":
        observed += 0.05 * np.random.default_rng(5).standard_normal(shape)
    if "mask" in wishes:
        wishes = {**wishes, "mask": np.random.default_rng(6).random(shape) < 0.9}
    mixed = ra.solve(observed, **wishes)
    monkeypatch.setattr(ready, "MIXED", math.inf)
    double = ra.solve(observed, **wishes)
    assert mixed.low_rank.dtype == np.float64
    assert mixed.converged
    # The penalty of ADMM without a noise part follows measured distances: rounding may end it a look earlier or later.
    assert abs(mixed.n_iter - double.n_iter) <= (0.2 if mixed.solver == "admm" else 0.05) * double.n_iter + 2
    # Inexact ALM does not end at an optimum here, so where it starts to round decides a little of where it ends.
    close = 1e-4 if wishes["solver"] == "ialm" else 1e-5
    assert off(mixed.low_rank, double.low_rank) < close
    assert abs(mixed.gap - double.gap) < 0.1 * double.gap + 1e-6


def test_steps_in_both_precisions_are_one_count():
    observed = spoiled(500, 300, rank=4)
    seen = []
    answer = ra.solve(observed, "ialm", callback=lambda progress: seen.append(progress.n_iter))
    assert seen == list(range(1, answer.n_iter + 1))
    for last in (1, 2, 5, answer.n_iter - 2):
        stopped = ra.solve(observed, "ialm", callback=lambda progress, last=last: progress.n_iter == last)
        limited = ra.solve(observed, "ialm", max_iter=last)
        loose = ra.solve(observed, "ialm", tol=1.001 * answer.history["error"][last - 1])
        for early in (stopped, limited, loose):
            assert early.n_iter == len(early.history["error"]) == last
            assert early.low_rank.dtype == np.float64
            assert off(early.low_rank, limited.low_rank) < 1e-2  # early subspaces are not exact
        assert not limited.converged
        assert not stopped.converged
        assert loose.converged


@pytest.mark.parametrize("rank", [20, 40, 60])
def test_spectra_without_a_gap_keep_to_the_subspace(rank, monkeypatch):
    """Real features decay slowly: the vectors below the threshold come from the last full decomposition."""
    rng = np.random.default_rng(rank)
    left, right = np.linalg.qr(rng.standard_normal((900, 300)))[0], np.linalg.qr(rng.standard_normal((300, 300)))[0]
    observed = (left * 0.97 ** (60 / rank * np.arange(300))) @ right.T * 500
    calls = []
    exact = Thresholder.by_gram

    def counted(self, a, level):
        calls.append(level)
        return exact(self, a, level)

    monkeypatch.setattr(Thresholder, "by_gram", counted)
    quick = ra.solve(observed, ra.ADMM(memory=0), noise=0.3, tol=1e-6)
    assert quick.n_iter > 30
    assert len(calls) < 0.3 * quick.n_iter
    monkeypatch.setattr(Thresholder, "pays", lambda self, rank: False)
    plain = ra.solve(observed, ra.ADMM(memory=0), noise=0.3, tol=1e-6)
    assert abs(quick.n_iter - plain.n_iter) <= 2
    assert off(quick.low_rank, plain.low_rank) < 1e-5


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_wanted_gap_is_approached_in_single_precision(missing, monkeypatch):
    """Double precision takes the last steps only: those that prove it."""
    rng = np.random.default_rng(3)
    observed = spoiled(700, 300, rank=20, missing=missing) + rng.standard_normal((700, 300))
    taken = []
    step = Passes.step
    monkeypatch.setattr(Passes, "step", lambda self, a, *rest: (taken.append(a.dtype), step(self, a, *rest))[1])
    split = ra.solve(observed, ra.ADMM(memory=0), tol=1e-12, gap=1e-4)
    assert split.status.reason == "gap" and split.gap <= 1e-4
    assert taken.count(np.float64) <= 5 < taken.count(np.float32)


def test_a_subspace_that_does_not_pay_is_tried_ever_less_often(monkeypatch):
    rng, tries = np.random.default_rng(0), []
    monkeypatch.setattr(Thresholder, "pays", lambda self, rank: 2 * rank <= self.columns)
    with hired() as crew:
        thresholder = Thresholder(Passes(RowReader(rng.standard_normal((400, 200))), None, "cells", crew))
        by_subspace = thresholder.by_subspace
        monkeypatch.setattr(thresholder, "by_subspace", lambda a, level: (tries.append(1), by_subspace(a, level))[1])
        for _ in range(100):  # no direction stands out, and none stays
            assert thresholder(rng.standard_normal((400, 200)), 25.0).exact
    assert 3 <= len(tries) <= 7
