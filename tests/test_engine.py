"""The tuned engine against the reference loop: same parts, same laws, same gap."""

import numpy as np
import pytest
from problems import off, spoiled

import rpca_affect as ra
from rpca_affect import engine, loop
from rpca_affect.arrays import observe, power_of_two
from rpca_affect.certificate import relative_gap
from rpca_affect.prox import soft_threshold
from rpca_affect.request import Request
from rpca_affect.solvers import ADMM, AltProj, GoDec, InexactALM
from rpca_affect.solvers.solver import framewise


def both(observed, solver, tol=1e-7, max_iter=80, init=None, **wishes):
    """The same solve by the engine and by the reference loop."""
    data, request = observe(observed), Request(tol, max_iter, keep_dual=True, **wishes)
    assert engine.accepts(data, solver)
    inits = init if init is not None else (None, None)
    homes = (engine, loop)
    return [home.run(data, power_of_two(data.largest()), solver, i, request) for home, i in zip(homes, inits)]


COLUMN_SLACK = np.linspace(0.0, 1.0, 24)
MODELS = {
    "ialm": (InexactALM(), 0.0),
    "ialm, slower penalty, relaxed": (InexactALM(growth=1.2, relax=1.3, lam=0.1, mu=0.05), 0.0),
    "ialm, missing": (InexactALM(), 0.2),
    "ialm, frames": (InexactALM(shrink=framewise), 0.0),
    "ialm, noise": (InexactALM(slack=0.3), 0.0),
    "admm": (ADMM(), 0.0),
    "admm, not relaxed": (ADMM(relax=1.0), 0.0),
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
    observed = spoiled(rows, 24, rank=2, missing=missing)
    ours, theirs = both(observed, solver)
    assert (ours.n_iter, ours.rank, ours.converged) == (theirs.n_iter, theirs.rank, theirs.converged)
    for part in ("low_rank", "sparse", "noise"):
        assert off(getattr(ours, part), getattr(theirs, part)) < 1e-8
    # In exact arithmetic too the penalty multiplies what rounding leaves in the dual matrix.
    if solver.convex:
        assert off(ours.dual, theirs.dual) < 1e-4
        assert abs(ours.gap - theirs.gap) < 1e-5
    assert ours.sparsity == pytest.approx(theirs.sparsity, abs=1e-12)
    assert ours.residual == pytest.approx(theirs.residual, rel=1e-3, abs=1e-12)
    assert np.allclose(ours.history["error"], theirs.history["error"], rtol=1e-4, atol=1e-13)


@pytest.mark.parametrize("name", ["ialm", "admm, noise per column, missing", "admm, frames", "godec", "altproj"])
def test_agrees_in_single_precision(name):
    solver, missing = MODELS[name]
    ours, theirs = both(spoiled(60, 24, rank=2, missing=missing, dtype=np.float32), solver, tol=3e-6)
    assert ours.low_rank.dtype == ours.sparse.dtype == ours.noise.dtype == np.float32
    assert abs(ours.n_iter - theirs.n_iter) <= 1
    assert off(ours.low_rank, theirs.low_rank) < 1e-4


@pytest.mark.parametrize("name", ["ialm", "admm", "admm, noise", "admm, frames", "godec", "altproj"])
@pytest.mark.parametrize("keep_dual", [True, False])
def test_warm_start_agrees_with_the_reference(name, keep_dual):
    solver, _ = MODELS[name]
    first = both(spoiled(30, 24, rank=2), solver, max_iter=10)
    if not keep_dual:
        first = [ra.Decomposition(**{**vars(answer), "dual": None}) for answer in first]
    ours, theirs = both(spoiled(30, 24, rank=2) * 1.5, solver, max_iter=10, init=first)
    assert off(ours.low_rank, theirs.low_rank) < 1e-8


def test_warm_start_saves_steps():
    observed = spoiled(60, 40)
    cold = ra.solve(observed, "admm", keep_dual=True)
    assert ra.solve(observed, "admm", init=cold).n_iter <= 2
    assert ra.solve(observed * 1.001, "admm", init=cold).n_iter < 0.8 * cold.n_iter


def test_warm_start_of_a_large_matrix_is_not_spoilt_by_a_coarse_subspace():
    observed = spoiled(500, 400, rank=8)
    cold = ra.solve(observed, "admm", keep_dual=True)
    assert ra.solve(observed, "admm", init=cold).n_iter <= 2


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
    observed = spoiled(330, 300, rank=6)
    kind = {"ialm": InexactALM(), "admm": ADMM(head_start=False)}[solver]
    ours = ra.solve(observed, kind, tol=1e-9 if solver == "admm" else 1e-7, max_iter=60)
    _, theirs = both(observed, kind, tol=1e-9 if solver == "admm" else 1e-7, max_iter=60)
    assert ours.n_iter == theirs.n_iter
    assert off(ours.low_rank, theirs.low_rank) < 1e-8


@pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name][0].convex])
def test_gap_is_what_anybody_can_recompute(name):
    solver, missing = MODELS[name]
    observed = spoiled(40, 24, rank=2, missing=missing)
    data, request = observe(observed), Request(1e-7, 40, keep_dual=True)
    answer = engine.run(data, power_of_two(data.largest()), solver, None, request)
    outside = relative_gap(data, answer.low_rank, answer.dual, answer.lam, solver.slack, solver.sparse_kind)
    assert answer.gap == pytest.approx(max(float(outside[0, 0]), 0.0), abs=1e-9)


def test_gap_of_a_large_matrix_is_what_anybody_can_recompute():
    observed = spoiled(560, 540, rank=5)
    for solver in ("ialm", "admm"):
        answer = ra.solve(observed, solver, keep_dual=True, max_iter=40)
        outside = float(relative_gap(observe(observed), answer.low_rank, answer.dual, answer.lam)[0, 0])
        # The spectral norm of so large a dual matrix is bounded from above, which may cost a tenth, and never helps.
        assert outside - 1e-9 <= answer.gap <= 1.2 * outside + 1e-6


@pytest.mark.parametrize("solver", ["ialm", "admm"])
@pytest.mark.parametrize("shape", [(330, 280), (60, 40)])
def test_laws(solver, shape):
    observed = spoiled(*shape, rank=3)
    answer = ra.solve(observed, solver, max_iter=60)
    scaled = ra.solve(observed * 2.0**30, solver, max_iter=60)
    assert np.array_equal(scaled.low_rank, answer.low_rank * 2.0**30)
    assert np.array_equal(scaled.sparse, answer.sparse * 2.0**30)
    assert off(ra.solve(observed.T, solver, max_iter=60).low_rank.T, answer.low_rank) < 1e-8
    assert off(-ra.solve(-observed, solver, max_iter=60).sparse, answer.sparse) < 1e-8
    order = np.random.default_rng(0).permutation(shape[1])
    assert off(ra.solve(observed[:, order], solver, max_iter=60).low_rank, answer.low_rank[:, order]) < 1e-8
    order = np.random.default_rng(0).permutation(shape[0])
    assert off(ra.solve(observed[order], solver, max_iter=60).low_rank, answer.low_rank[order]) < 1e-8


@pytest.mark.parametrize("solver", ["ialm", "admm", GoDec(rank=3, cardinality=0.05), AltProj(rank=3)])
@pytest.mark.parametrize("shape", [(300, 280), (20, 90), (90, 20)])
def test_factors_multiply_out(solver, shape):
    observed = spoiled(*shape)
    whole = ra.solve(observed, solver, max_iter=30)
    factored = ra.solve(observed, solver, max_iter=30, factored=True)
    left, values, right = factored.factors
    assert factored.low_rank is None
    assert off(factored.factors.matrix(), whole.low_rank) < 1e-12
    assert np.allclose(left.T @ left, np.eye(len(values)))
    assert np.allclose(right @ right.T, np.eye(len(values)))
    assert np.all(np.diff(values) <= 0)
    assert len(values) == whole.rank


@pytest.mark.parametrize("solver", ["ialm", "admm", GoDec(rank=2, cardinality=0.05), AltProj(rank=2)])
def test_inputs_are_left_alone(solver):
    observed = spoiled(50, 30, rank=2)
    expected = ra.solve(observed, solver, max_iter=20).low_rank
    frozen = observed.copy()
    frozen.flags.writeable = False
    strided = np.repeat(observed, 2, axis=1)[:, ::2]
    for given_form in (frozen, np.asfortranarray(observed), strided):
        before = given_form.copy()
        assert np.allclose(ra.solve(given_form, solver, max_iter=20).low_rank, expected, atol=1e-10)
        assert np.array_equal(before, given_form)


def test_operators_of_the_user_go_to_the_reference_loop():
    data = observe(spoiled(10, 8))

    def shrink(argument, level, base=None):
        return soft_threshold(argument, level)

    assert engine.accepts(data, InexactALM())
    assert not engine.accepts(data, InexactALM(shrink=shrink))
    assert not engine.accepts(data, InexactALM(lowrank=lambda argument, level: argument))
    assert not engine.accepts(data, ADMM(slack=np.ones((10, 8))))
    assert not engine.accepts(data, ADMM(slack=np.ones(8), shrink=framewise))
    answer = ra.solve(spoiled(10, 8), InexactALM(shrink=shrink))
    assert np.allclose(answer.low_rank, ra.solve(spoiled(10, 8), "ialm").low_rank)


def test_callback_stops_and_sees_the_rank():
    seen = []
    answer = ra.solve(spoiled(60, 40), "admm", callback=lambda progress: seen.append(progress) or len(seen) == 4)
    assert answer.n_iter == 4
    assert not answer.converged
    assert [progress.rank for progress in seen] == answer.history["rank"]
