"""The tuned engine against the reference loop, and its own promises: certificate, memory, threads."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

import rpca_affect as ra
from rpca_affect import engine, loop
from rpca_affect.arrays import observe, power_of_two
from rpca_affect.certificate import relative_gap
from rpca_affect.engine import certify, spectra
from rpca_affect.engine.passes import LowRank, Passes
from rpca_affect.engine.selection import kth_largest, median_size
from rpca_affect.engine.threads import Crew, crew
from rpca_affect.engine.threshold import Thresholder
from rpca_affect.protocol import Request
from rpca_affect.prox import keep_largest, singular_value_threshold, soft_threshold
from rpca_affect.solvers import ADMM, AltProj, GoDec, InexactALM
from rpca_affect.solvers.base import framewise


def problem(rows, columns, rank=3, density=0.05, seed=0, missing=0.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    low_rank = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))
    outliers = rng.uniform(-10, 10, (rows, columns)) * (rng.random((rows, columns)) < density)
    observed = (low_rank + outliers).astype(dtype)
    observed[rng.random(observed.shape) < missing] = np.nan
    observed[0, 0] = low_rank[0, 0]
    return observed


def both(observed, solver, tol=1e-7, max_iter=80, init=None, **wishes):
    """The same solve by the engine and by the reference loop."""
    data, request = observe(observed), Request(tol, max_iter, keep_dual=True, **wishes)
    assert engine.accepts(data, solver)
    inits = init if init is not None else (None, None)
    homes = (engine, loop)
    return [home.run(data, power_of_two(data.values), solver, i, request) for home, i in zip(homes, inits)]


def distance(a, b):
    size = np.linalg.norm(b)
    return np.linalg.norm(a - b) / (size if size > 0 else 1.0)


COLUMN_SLACK = np.linspace(0.0, 1.0, 24)
MODELS = {
    "ialm": (InexactALM(), 0.0),
    "ialm, slower penalty, relaxed": (InexactALM(growth=1.2, relax=1.3, lam=0.1, mu=0.05), 0.0),
    "ialm, missing": (InexactALM(), 0.2),
    "ialm, frames": (InexactALM(shrink=framewise), 0.0),
    "ialm, noise": (InexactALM(slack=0.3), 0.0),
    "admm": (ADMM(), 0.0),
    "admm, missing": (ADMM(), 0.2),
    "admm, noise": (ADMM(slack=0.5), 0.0),
    "admm, noise per column, missing": (ADMM(slack=COLUMN_SLACK), 0.2),
    "admm, noise per row": (ADMM(slack=0.5 * np.ones((1, 1))), 0.0),
    "admm, frames": (ADMM(shrink=framewise), 0.0),
    "admm, frames, noise, missing": (ADMM(shrink=framewise, slack=0.3), 0.1),
    "godec": (GoDec(rank=2, cardinality=0.05, random_state=0), 0.0),
    "godec, missing": (GoDec(rank=2, cardinality=0.05, random_state=0), 0.2),
    "godec, soft": (GoDec(rank=2, level=0.5, random_state=0), 0.0),
    "altproj": (AltProj(rank=2, random_state=0), 0.0),
    "altproj, missing": (AltProj(rank=2, random_state=0), 0.1),
    "altproj, noise": (AltProj(rank=2, floor=0.2, random_state=0), 0.0),
}


@pytest.mark.parametrize("rows", [40, 24, 9])
@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_the_reference(name, rows):
    solver, missing = MODELS[name]
    observed = problem(rows, 24, rank=2, missing=missing)
    ours, theirs = both(observed, solver)
    assert (ours.n_iter, ours.rank, ours.converged) == (theirs.n_iter, theirs.rank, theirs.converged)
    for part in ("low_rank", "sparse", "noise"):
        assert distance(getattr(ours, part), getattr(theirs, part)) < 1e-8
    # In exact arithmetic too the penalty multiplies what rounding leaves in the dual matrix.
    if solver.convex:
        assert distance(ours.dual, theirs.dual) < 1e-4
        assert abs(ours.gap - theirs.gap) < 1e-5
    assert ours.sparsity == pytest.approx(theirs.sparsity, abs=1e-12)
    assert ours.residual == pytest.approx(theirs.residual, rel=1e-3, abs=1e-12)
    assert np.allclose(ours.history["error"], theirs.history["error"], rtol=1e-4, atol=1e-13)


@pytest.mark.parametrize("name", ["ialm", "admm, noise per column, missing", "admm, frames", "godec", "altproj"])
def test_agrees_in_single_precision(name):
    solver, missing = MODELS[name]
    ours, theirs = both(problem(60, 24, rank=2, missing=missing, dtype=np.float32), solver, tol=3e-6)
    assert ours.low_rank.dtype == ours.sparse.dtype == ours.noise.dtype == np.float32
    assert abs(ours.n_iter - theirs.n_iter) <= 1
    assert distance(ours.low_rank, theirs.low_rank) < 1e-4


@pytest.mark.parametrize("name", ["ialm", "admm", "admm, noise", "admm, frames", "godec", "altproj"])
@pytest.mark.parametrize("keep_dual", [True, False])
def test_warm_start_agrees_with_the_reference(name, keep_dual):
    solver, _ = MODELS[name]
    first = both(problem(30, 24, rank=2), solver, max_iter=10)
    if not keep_dual:
        first = [ra.Decomposition(**{**vars(answer), "dual": None}) for answer in first]
    ours, theirs = both(problem(30, 24, rank=2) * 1.5, solver, max_iter=10, init=first)
    assert distance(ours.low_rank, theirs.low_rank) < 1e-8


def test_warm_start_saves_steps():
    observed = problem(60, 40)
    cold = ra.solve(observed, "admm", keep_dual=True)
    assert ra.solve(observed, "admm", init=cold).n_iter <= 2
    assert ra.solve(observed * 1.001, "admm", init=cold).n_iter < 0.8 * cold.n_iter


@pytest.mark.parametrize("shape", [(1, 7), (7, 1), (1, 1), (2, 300), (300, 2)])
@pytest.mark.parametrize("solver", ["ialm", "admm"])
def test_thin_shapes_and_zeros(shape, solver):
    observed = np.random.default_rng(0).standard_normal(shape)
    answer = ra.solve(observed, solver)
    assert answer.low_rank.shape == shape
    assert np.abs(answer.low_rank + answer.sparse - observed).max() < 1e-5
    zero = ra.solve(np.zeros(shape), solver)
    assert zero.converged
    assert zero.rank == 0
    assert zero.gap == 0


@pytest.mark.parametrize("solver", ["ialm", "admm"])
def test_subspace_route_agrees_with_the_full_decomposition(solver):
    observed = problem(330, 300, rank=6)
    ours = ra.solve(observed, solver, tol=1e-9 if solver == "admm" else 1e-7, max_iter=60)
    kind = {"ialm": InexactALM, "admm": ADMM}[solver]()
    _, theirs = both(observed, kind, tol=1e-9 if solver == "admm" else 1e-7, max_iter=60)
    assert ours.n_iter == theirs.n_iter
    assert distance(ours.low_rank, theirs.low_rank) < 1e-9


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
    with crew() as team:
        passes = Passes(a.copy(), None, "cells", team)
        thresholder = Thresholder(passes)
        for _ in range(3):
            low = thresholder(a, 1.0)
            found = (a @ low.basis) @ (low.right if low.thin else low.basis.T * (low.shrunk / low.values)[:, None])
        spare = np.empty_like(a)
        expected = singular_value_threshold(a, 1.0)
        # What is missed may be a value just above the threshold: it then adds at most its excess.
        assert np.linalg.norm(found - expected, 2) < 2e-3
        assert certify.complete(passes, a, low, 1.0, spare, a.copy)


def test_certificate_sees_a_missing_singular_value():
    rng = np.random.default_rng(0)
    for columns in (60, 600):
        a = rng.standard_normal((700, columns)) / 60
        u, v = rng.standard_normal((700, 3)), rng.standard_normal((3, columns))
        a += 5 * np.linalg.qr(u)[0] @ np.linalg.qr(v.T)[0].T
        _, s, vt = np.linalg.svd(a, full_matrices=False)
        count = int((s > 1.5).sum())
        assert count == 3
        with crew() as team:
            passes = Passes(a.copy(), None, "cells", team)
            spare = np.empty_like(a)
            whole = LowRank(np.ascontiguousarray(vt[:3].T), s[:3], 1.5, False)
            holed = LowRank(np.ascontiguousarray(vt[[0, 2]].T), s[[0, 2]], 1.5, False)
            assert certify.complete(passes, a, whole, 1 / 1.5, spare, a.copy)
            assert not certify.complete(passes, a, holed, 1 / 1.5, spare, a.copy)


@pytest.mark.parametrize("solver", ["ialm", "admm"])
def test_planted_failure_is_repaired(solver, monkeypatch):
    """A subspace that never sees one direction must not change the answer."""
    observed = problem(330, 300, rank=5)
    expected = ra.solve(observed, solver, max_iter=60)
    honest = Thresholder.by_subspace

    def blinded(self, a, level):
        low = honest(self, a, level)
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
    assert distance(repaired.low_rank, expected.low_rank) < 1e-6 or not repaired.converged
    assert repaired.rank == expected.rank or not repaired.converged
    assert repaired.converged or solver == "admm"


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name][0].convex])
def test_gap_is_what_anybody_can_recompute(name):
    solver, missing = MODELS[name]
    observed = problem(40, 24, rank=2, missing=missing)
    data, request = observe(observed), Request(1e-7, 40, keep_dual=True)
    answer = engine.run(data, power_of_two(data.values), solver, None, request)
    outside = relative_gap(data, answer.low_rank, answer.dual, answer.lam, solver.slack, solver.sparse_kind)
    assert answer.gap == pytest.approx(max(float(outside[0, 0]), 0.0), abs=1e-9)


def test_gap_of_a_large_matrix_is_what_anybody_can_recompute():
    observed = problem(560, 540, rank=5)
    for solver in ("ialm", "admm"):
        answer = ra.solve(observed, solver, keep_dual=True, max_iter=40)
        outside = relative_gap(observe(observed), answer.low_rank, answer.dual, answer.lam)
        assert answer.gap == pytest.approx(float(outside[0, 0]), abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_norm_bound_never_lies(seed):
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((520, 520)) * rng.uniform(0, 1, 520)
    square = spectra.gram(y, Crew(1))
    assert np.allclose(square, y.T @ y)
    top = np.linalg.norm(y, 2)
    wrong = np.linalg.qr(rng.standard_normal((520, 3)))[0]
    assert top * (1 - 1e-12) <= spectra.norm_bound(square, wrong) <= top * (1 + 1e-6)
    assert np.allclose(square, y.T @ y), "the matrix must be left as it was"
    assert spectra.norm_is_below(square, top * 1.0001)
    assert not spectra.norm_is_below(square, top * 0.9999)


def test_largest_singular_value_by_krylov_steps():
    rng = np.random.default_rng(0)
    for x in (problem(400, 300), rng.standard_normal((300, 300)), np.eye(300)):
        passes = Passes(x.copy(), None, "cells", Crew(1))
        found = spectra.largest_singular_value(x, passes.product, passes.inner, Crew(1))
        assert found == pytest.approx(np.linalg.norm(x, 2), rel=1e-8)


@pytest.mark.parametrize("solver", ["ialm", "admm"])
@pytest.mark.parametrize("shape", [(330, 280), (60, 40)])
def test_laws(solver, shape):
    observed = problem(*shape, rank=3)
    answer = ra.solve(observed, solver, max_iter=60)
    scaled = ra.solve(observed * 2.0**30, solver, max_iter=60)
    assert np.array_equal(scaled.low_rank, answer.low_rank * 2.0**30)
    assert np.array_equal(scaled.sparse, answer.sparse * 2.0**30)
    assert distance(ra.solve(observed.T, solver, max_iter=60).low_rank.T, answer.low_rank) < 1e-8
    assert distance(-ra.solve(-observed, solver, max_iter=60).sparse, answer.sparse) < 1e-8
    order = np.random.default_rng(0).permutation(shape[1])
    assert distance(ra.solve(observed[:, order], solver, max_iter=60).low_rank, answer.low_rank[:, order]) < 1e-8
    order = np.random.default_rng(0).permutation(shape[0])
    assert distance(ra.solve(observed[order], solver, max_iter=60).low_rank, answer.low_rank[order]) < 1e-8


@pytest.mark.parametrize("solver", ["ialm", "admm", GoDec(rank=3, cardinality=0.05), AltProj(rank=3)])
@pytest.mark.parametrize("shape", [(300, 280), (20, 90), (90, 20)])
def test_factors_multiply_out(solver, shape):
    observed = problem(*shape)
    whole = ra.solve(observed, solver, max_iter=30)
    factored = ra.solve(observed, solver, max_iter=30, factored=True)
    left, values, right = factored.factors
    assert factored.low_rank is None
    assert distance(factored.factors.matrix(), whole.low_rank) < 1e-12
    assert np.allclose(left.T @ left, np.eye(len(values)))
    assert np.allclose(right @ right.T, np.eye(len(values)))
    assert np.all(np.diff(values) <= 0)
    assert len(values) == whole.rank


@pytest.mark.parametrize("solver", ["ialm", "admm", GoDec(rank=2, cardinality=0.05), AltProj(rank=2)])
def test_inputs_are_left_alone(solver):
    observed = problem(50, 30, rank=2)
    expected = ra.solve(observed, solver, max_iter=20).low_rank
    frozen = observed.copy()
    frozen.flags.writeable = False
    strided = np.repeat(observed, 2, axis=1)[:, ::2]
    for given_form in (frozen, np.asfortranarray(observed), strided):
        before = given_form.copy()
        assert np.allclose(ra.solve(given_form, solver, max_iter=20).low_rank, expected, atol=1e-10)
        assert np.array_equal(before, given_form)


@pytest.mark.parametrize(
    "wishes",
    [
        {"solver": "ialm"},
        {"solver": "ialm", "factored": True},
        {"solver": "admm", "noise": 0.1},
        {"solver": "godec", "rank": 4, "cardinality": 0.05},
        {"solver": "altproj", "rank": 4},
    ],
)
@pytest.mark.parametrize("shape", [(30_000, 100), (100, 30_000), (1300, 1200)])
def test_peak_memory_is_three_times_the_input(shape, wishes):
    if shape[0] == 1300 and "noise" in wishes:
        pytest.skip("a square matrix of high rank during the first steps needs its singular vectors beside it")
    observed = problem(*shape, rank=4)
    ra.solve(observed[:50, :50], **{**wishes, "max_iter": 2})
    tracemalloc.start()
    try:
        ra.solve(observed, **{**wishes, "max_iter": 3})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # What comes on top: a megabyte of scratch, and the basis of the subspace, a tenth of a square matrix.
    assert peak < (3.6 if shape[0] == 1300 else 3.25) * observed.nbytes


def test_blas_threads_come_back():
    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def fails(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ra.solve(problem(60, 40), "ialm", callback=fails)
    with crew() as outer, crew() as inner:
        assert outer.size == inner.size
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
    assert [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"] == before


def test_workers_do_not_change_the_answer(monkeypatch):
    observed = problem(600, 300)
    one = ra.solve(observed, "ialm")
    monkeypatch.setattr("rpca_affect.engine.threads._gate.enter", lambda: 3)
    monkeypatch.setattr("rpca_affect.engine.threads._gate.leave", lambda: None)
    three = ra.solve(observed, "ialm")
    assert one.n_iter == three.n_iter
    assert distance(three.low_rank, one.low_rank) < 1e-10
    assert np.array_equal(three.low_rank, ra.solve(observed, "ialm").low_rank), "same input, same output"


def test_an_error_in_a_worker_is_raised():
    def work(worker, block):
        raise ZeroDivisionError(block)

    team = Crew(2)
    with pytest.raises(ZeroDivisionError):
        team.run(work, [1, 2, 3])
    team.close()


def test_operators_of_the_user_go_to_the_reference_loop():
    data = observe(problem(10, 8))

    def shrink(argument, level, base=None):
        return soft_threshold(argument, level)

    assert engine.accepts(data, InexactALM())
    assert not engine.accepts(data, InexactALM(shrink=shrink))
    assert not engine.accepts(data, InexactALM(lowrank=lambda argument, level: argument))
    assert not engine.accepts(data, ADMM(slack=np.ones((10, 8))))
    assert not engine.accepts(data, ADMM(slack=np.ones(8), shrink=framewise))
    answer = ra.solve(problem(10, 8), InexactALM(shrink=shrink))
    assert np.allclose(answer.low_rank, ra.solve(problem(10, 8), "ialm").low_rank)


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


def test_callback_stops_and_sees_the_rank():
    seen = []
    answer = ra.solve(problem(60, 40), "admm", callback=lambda progress: seen.append(progress) or len(seen) == 4)
    assert answer.n_iter == 4
    assert not answer.converged
    assert [progress.rank for progress in seen] == answer.history["rank"]
