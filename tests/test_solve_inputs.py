"""What `solve` makes of awkward matrices and of wrong calls: the right answer, or one clear sentence."""

from unittest import mock

import numpy as np
import pytest
from problems import off, planted

import rpca_affect as ra
from rpca_affect import engine, extremes, stages
from rpca_affect.arrays import largest_cell, observe

LOW, SPARSE = planted()
M = LOW + SPARSE
SOLVERS = ("ialm", "admm", "auto")
every = pytest.mark.parametrize("solver", SOLVERS)


@pytest.fixture(params=["engine", "reference"], autouse=True)
def home(request, monkeypatch):
    if request.param == "reference":
        monkeypatch.setattr(engine, "accepts", lambda data, solver: False)
    return request.param


@every
def test_zero_matrix(solver):
    split = ra.solve(np.zeros((8, 5)), solver)
    assert split.converged
    assert split.rank == 0
    assert split.gap == 0
    assert not split.low_rank.any()
    assert not split.sparse.any()


@every
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_tiny_matrices(solver, shape):
    matrix = np.random.default_rng(0).standard_normal(shape)
    split = ra.solve(matrix, solver)
    np.testing.assert_allclose(split.low_rank + split.sparse, matrix, atol=1e-6)
    assert split.gap < 1e-3


@every
def test_rank_one_and_constant_columns(solver):
    matrix = np.outer(np.ones(30), np.linspace(1, 3, 12))
    split = ra.solve(matrix, solver)
    assert split.rank == 1
    assert off(split.low_rank, matrix) < 1e-6


@every
def test_rows_and_columns_without_any_observation(solver):
    holes = M.copy()
    holes[7] = np.nan
    holes[:, 3] = np.nan
    split = ra.solve(holes, solver)
    assert np.isfinite(split.low_rank).all()
    assert not split.sparse[7].any()
    assert not split.sparse[:, 3].any()
    rows, columns = np.delete(np.arange(60), 7), np.delete(np.arange(40), 3)
    # nothing speaks for a value there: the smallest nuclear norm is zero
    assert np.abs(split.low_rank[7]).max() < 1e-4
    if solver != "ialm":
        alone = ra.solve(holes[np.ix_(rows, columns)], solver, lam=float(split.lam))
        assert off(split.low_rank[np.ix_(rows, columns)], alone.low_rank) < 1e-5


def test_one_gigantic_cell_does_not_change_the_base():
    spoiled = M.copy()
    spoiled[4, 4] = 1e12
    split = ra.solve(spoiled, "admm")
    assert off(split.low_rank, LOW) < 1e-4
    assert split.sparse[4, 4] == pytest.approx(1e12)


def test_a_head_start_that_ran_out_of_steps_leaves_the_clipped_data_alone(monkeypatch):
    spoiled = M.copy()
    spoiled[4, 4] = 1e12
    expected = ra.solve(spoiled, "admm")
    monkeypatch.setattr(stages, "AHEAD_STEPS", 3)
    found = ra.solve(spoiled, "admm")
    assert found.history["error"] != expected.history["error"], "the head start did not run out"
    assert off(found.low_rank, expected.low_rank) < 1e-5
    assert off(found.sparse, expected.sparse) < 1e-5


@pytest.mark.parametrize("wishes", [{"solver": "ialm"}, {"solver": "admm"}, {"solver": "admm", "noise": 0.1}])
def test_a_gigantic_low_rank_block_is_solved_as_it_is(wishes):
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((300, 1)), rng.standard_normal((1, 80))
    left[:40] *= 300
    right[:, :20] *= 300
    observed = left @ right
    observed[rng.random(observed.shape) < 0.05] += 30
    before = observed.copy()
    found = ra.solve(observed, **wishes, max_iter=200)
    assert np.array_equal(observed, before)
    limits = extremes.limits_of(observe(observed, None), largest_cell(observed))
    assert limits is not None, "there is nothing gigantic here, so the test says nothing"
    with mock.patch.object(extremes, "SUSPICIOUS", np.inf):
        plain = ra.solve(observed, **wishes, max_iter=200)
    assert off(found.low_rank, plain.low_rank) < 1e-9
    assert off(found.sparse, plain.sparse) < 1e-9


@every
def test_columns_of_different_units_still_reach_the_constraint(solver):
    units = 10.0 ** np.arange(-3, 3).repeat(7)[:40]
    split = ra.solve(M * units, solver)
    assert split.residual < 1e-6
    if solver != "ialm":
        assert split.gap < 1e-3


@pytest.mark.parametrize(
    "dtype, wanted", [(np.float32, np.float32), (np.float16, np.float32), (np.int32, np.float64), (bool, np.float64)]
)
def test_other_dtypes(dtype, wanted):
    matrix = (M * 10).astype(dtype)
    before = matrix.copy()
    split = ra.solve(matrix, "admm", tol=1e-5)
    assert split.low_rank.dtype == wanted
    assert split.sparse.dtype == wanted
    assert np.array_equal(matrix, before)
    exact = ra.solve(matrix.astype(np.float64), "admm", tol=1e-5)
    if dtype is not bool:
        assert off(split.low_rank, exact.low_rank) < 1e-3


def test_lists_frames_and_masked_arrays_are_read():
    import pandas as pd

    assert ra.solve([[1.0, 2.0], [2.0, 4.0]]).low_rank.shape == (2, 2)
    assert ra.solve(pd.DataFrame(M)).rank == 3
    hidden = np.ma.masked_array(np.where(SPARSE != 0, 1e9, M), SPARSE != 0)
    assert off(ra.solve(hidden).low_rank, LOW) < 1e-5


@pytest.mark.parametrize(
    "matrix, kind, words",
    [
        (np.ones(4), ValueError, "1 axis"),
        (np.ones((0, 3)), ValueError, "empty"),
        (np.full((3, 3), np.nan), ValueError, "every cell"),
        (np.array([[1.0, np.inf]]), ValueError, r"inf at index \(0, 1\)"),
        (np.array([["a"]]), TypeError, "real numbers"),
        (np.array([[1j]]), TypeError, "real numbers"),
        (np.array([[object()]]), TypeError, "not numbers"),
    ],
)
def test_matrices_that_cannot_be_decomposed_are_refused(matrix, kind, words):
    with pytest.raises(kind, match=words):
        ra.solve(matrix)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"solver": "pcp"}, "'pcp' is not known"),
        ({"tol": 0}, "tol is 0"),
        ({"max_iter": 0}, "max_iter is 0"),
        ({"sparse": "rows"}, "one of 'cells', 'frames'"),
        ({"noise": "some"}, "'auto'"),
        ({"noise": -1.0}, "at least 0"),
        ({"noise": np.ones(3)}, "3 values for 40 features"),
        ({"noise": np.ones(40), "sparse": "frames"}, "one noise level"),
        ({"solver": "godec", "rank": 3}, "cardinality"),
        ({"solver": "godec", "rank": 99, "cardinality": 1}, "rank is 99"),
        ({"solver": "godec", "rank": 3, "cardinality": 10**6}, "from 0 to 2400"),
        ({"solver": "godec", "rank": 3, "cardinality": 5, "lam": 0.1}, "does not take lam"),
        ({"mask": np.ones((3, 3), bool)}, "does not fit"),
        ({"mask": np.zeros((60, 40), bool)}, "every cell"),
    ],
)
def test_wrong_calls_get_one_sentence(options, words):
    with pytest.raises(ValueError, match=words) as caught:
        ra.solve(M, **options)
    assert str(caught.value).count("\n") == 0


def test_a_thing_that_is_no_solver():
    with pytest.raises(TypeError, match="init"):
        ra.solve(M, object())


def test_factors_agree_with_the_matrix():
    full, thin = ra.solve(M, "admm"), ra.solve(M, "admm", factored=True)
    assert thin.low_rank is None
    assert thin.factors.values.shape == (3,)
    assert off(thin.factors.matrix(), full.low_rank) < 1e-8
    np.testing.assert_allclose(thin.factors.left.T @ thin.factors.left, np.eye(3), atol=1e-9)


def test_steps_run_out_and_callbacks_stop_with_a_sentence():
    short = ra.solve(M, "admm", max_iter=3)
    assert not short.converged
    assert "raise max_iter" in str(short.status)
    seen = []
    stopped = ra.solve(M, "admm", callback=lambda progress: seen.append(progress) or progress.n_iter == 5)
    assert stopped.n_iter == 5
    assert [progress.n_iter for progress in seen] == [1, 2, 3, 4, 5]
    assert "Stopped by the callback" in str(stopped.status)
    assert len(stopped.history["error"]) == 5


def test_warm_starts_save_steps_and_reach_the_same_answer():
    cold = ra.solve(M, "admm", keep_dual=True)
    again = ra.solve(M, "admm", init=cold)
    assert again.n_iter <= 3
    assert off(again.low_rank, cold.low_rank) < 1e-6
    nearby = ra.solve(M, "admm", lam=0.9 * cold.lam, init=cold)
    assert off(nearby.low_rank, ra.solve(M, "admm", lam=0.9 * cold.lam).low_rank) < 1e-6
    with pytest.raises(ValueError, match="shape"):
        ra.solve(M[:-1], "admm", init=cold)
    lams = [0.12, 0.14, 0.16]
    for lam, split in zip(lams, ra.lambda_path(M, lams)):
        assert off(split.low_rank, ra.solve(M, "admm", lam=lam).low_rank) < 1e-5


def test_dense_noise_without_a_noise_model_is_called_meaningless():
    noisy = LOW + np.random.default_rng(5).standard_normal(LOW.shape)
    assert "Meaningless split" in str(ra.solve(noisy, "ialm").status)
    assert not ra.solve(noisy, noise=1.0, lam=0.3).status.warnings


@pytest.mark.parametrize("door", [ra.solve, ra.decompose])
def test_a_tensor_that_asks_for_gradients_is_refused_in_a_sentence(door):
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.random.default_rng(0).normal(size=(40, 5)), requires_grad=True)
    with pytest.raises(TypeError, match=r"asks for gradients, .* x\.detach\(\)"):
        door(x)
    door(x.detach())


@pytest.mark.parametrize(("door", "words", "sentence"), [
    (ra.solve, {"callback": 3}, "callback is 3: give a function"),
    (ra.solve, {"init": "before"}, "init is str: give the Decomposition"),
    (ra.decompose, {"callback": 3}, "callback is 3: give a function"),
    (ra.decompose, {"check": "no"}, "check is 'no': give True or False"),
    (ra.decompose, {"fps": "30"}, "fps is '30', expected frames per second"),
])  # fmt: skip
def test_a_parameter_of_another_kind_is_named(door, words, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        door(np.random.default_rng(0).standard_normal((40, 4)), **words)
