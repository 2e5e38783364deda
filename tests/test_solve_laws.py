"""Laws of `solve`, for every solver, on the tuned engine and on the reference loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import off, planted

import rpca_affect as ra
from rpca_affect import engine
from rpca_affect.solvers import available_solvers

LOW, SPARSE = planted()
M = LOW + SPARSE
CALLS = {
    "ialm": {"solver": "ialm"},
    "admm": {"solver": "admm"},
    "admm-noise": {"solver": "admm", "noise": 0.05},
    "admm-frames": {"solver": "admm", "sparse": "frames", "lam": 0.6},
    "godec": {"solver": "godec", "rank": 3, "cardinality": int((SPARSE != 0).sum()), "random_state": 0},
    "godec-soft": {"solver": ra.GoDec(rank=3, level=0.2, random_state=0)},
    "altproj": {"solver": "altproj", "rank": 3},
    "auto": {},
}
every_call = pytest.mark.parametrize("name", CALLS)
convex = pytest.mark.parametrize("name", [name for name in CALLS if name.startswith(("ialm", "admm", "auto"))])


@pytest.fixture(params=["engine", "reference"], autouse=True)
def home(request, monkeypatch):
    """Run every law on the tuned engine and on the reference loop."""
    if request.param == "reference":
        monkeypatch.setattr(engine, "accepts", lambda data, solver: False)
    return request.param


def test_every_registered_solver_is_under_these_laws():
    assert {name.split("-")[0] for name in CALLS} == {*available_solvers(), "auto"}


def unit_of(call, factor):
    """The same call in other units."""
    call = dict(call)
    if "noise" in call:
        call["noise"] = call["noise"] * factor
    if isinstance(call.get("solver"), ra.GoDec):
        call["solver"] = ra.GoDec(rank=3, level=0.2 * factor, random_state=0)
    return call


@every_call
@pytest.mark.parametrize("exponent", [-480, -20, 1, 480])
def test_change_of_units_by_a_power_of_two_is_exact(name, exponent):
    factor = 2.0**exponent
    one, other = ra.solve(M, **CALLS[name]), ra.solve(M * factor, **unit_of(CALLS[name], factor))
    assert np.array_equal(one.low_rank * factor, other.low_rank)
    assert np.array_equal(one.sparse * factor, other.sparse)
    assert one.n_iter == other.n_iter


@every_call
def test_change_of_units_by_any_factor(name):
    for factor in (1e-150, 0.3, 1e150):
        one, other = ra.solve(M, **CALLS[name]), ra.solve(M * factor, **unit_of(CALLS[name], factor))
        assert off(other.low_rank / factor, one.low_rank) < 2e-5


@convex
def test_transpose_permutation_and_signs_commute(name):
    call = CALLS[name]
    one = ra.solve(M, **call)
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(M.shape[0]), rng.permutation(M.shape[1])
    left, right = rng.choice([-1.0, 1.0], M.shape[0])[:, None], rng.choice([-1.0, 1.0], M.shape[1])
    assert off(ra.solve(M[rows][:, columns], **call).low_rank, one.low_rank[rows][:, columns]) < 1e-6
    assert off(ra.solve(left * M * right, **call).low_rank, left * one.low_rank * right) < 1e-6
    if "frames" not in name:  # frames are rows: the transposed problem is another one
        assert off(ra.solve(M.T, **call).low_rank, one.low_rank.T) < 1e-6


@every_call
def test_parts_add_up_and_only_noise_models_have_noise(name):
    split = ra.solve(M, **CALLS[name])
    assert off(split.low_rank + split.sparse + split.noise, M) < 1e-6
    assert split.residual < 1e-6
    if name in ("ialm", "admm", "auto", "admm-frames"):
        assert not split.noise.any()


@every_call
def test_missing_cells_are_predicted_and_never_read(name):
    missing = np.random.default_rng(2).random(M.shape) < 0.1
    holes = np.where(missing, np.nan, M)
    split = ra.solve(holes, **CALLS[name])
    assert np.isfinite(split.low_rank).all()
    assert not split.sparse[missing].any()
    assert not np.asarray(split.noise)[missing].any()
    garbage = np.where(missing, 1e6, M)
    masked = ra.solve(garbage, mask=~missing, **CALLS[name])
    assert np.array_equal(masked.low_rank, split.low_rank)
    if name in ("admm", "auto", "altproj"):
        assert off(split.low_rank, LOW) < 1e-4


@convex
def test_certificate_agrees_with_one_computed_from_first_principles(name):
    split = ra.solve(M, **CALLS[name], keep_dual=True)
    lam = 1 / np.sqrt(max(M.shape)) if "frames" not in name else 0.6
    slack = np.sqrt(M.shape).sum() * CALLS[name].get("noise", 0.0)  # the operator norm of the noise
    rest = np.abs(M - split.low_rank) if "frames" not in name else np.linalg.norm(M - split.low_rank, axis=1)
    knee = lam * slack
    primal = np.linalg.svd(split.low_rank, compute_uv=False).sum()
    primal += np.where(rest > knee, lam * (rest - knee / 2), rest**2 / (2 * slack) if slack else 0.0).sum()
    size = np.abs(split.dual) if "frames" not in name else np.linalg.norm(split.dual, axis=1)
    assert size.max() <= lam * (1 + 1e-9)
    dual = split.dual / max(1.0, np.linalg.norm(split.dual, 2))
    value = (M * dual).sum() - slack * (dual**2).sum() / 2
    assert value <= primal * (1 + 1e-12)
    assert split.gap == pytest.approx(max((primal - value) / primal, 0), rel=0.05, abs=2e-8)
    # IALM proves less than it reaches: its multiplier stops moving when the penalty has grown
    assert split.gap < (1e-3 if name in ("ialm", "auto") else 1e-5)


@pytest.mark.parametrize("name", ["ialm", "admm", "auto", "altproj", "godec"])
def test_exact_recovery_of_an_easy_problem(name):
    split = ra.solve(M, **CALLS[name])
    assert split.converged
    assert off(split.low_rank, LOW) < (1e-5 if name == "godec" else 2e-6)
    assert split.rank == 3


def test_ialm_is_caught_when_it_is_feasible_but_not_optimal():
    low_rank, sparse = planted(100, 100, rank=25, density=0.15, seed=3)
    hurried = ra.solve(low_rank + sparse, "ialm")
    assert hurried.residual < 1e-6
    assert hurried.gap > 1e-3
    assert "not optimal" in str(hurried.status)
    assert "admm" in str(hurried.status)
    automatic = ra.solve(low_rank + sparse)
    assert automatic.solver == "admm"
    assert automatic.gap < 1e-6


@convex
@settings(max_examples=4)
@given(seed=st.integers(0, 50))
def test_a_larger_weight_never_makes_the_sparse_part_larger(name, seed):
    low_rank, sparse = planted(20, 12, rank=2, density=0.1, seed=seed)
    call = {key: value for key, value in CALLS[name].items() if key != "lam"}
    if name in ("ialm", "auto"):
        call["solver"] = "admm"  # a law of the optimum, which the fast mode does not promise
    totals = []
    for lam in (0.15, 0.3, 0.6):
        split = ra.solve(low_rank + sparse, **call, lam=lam, tol=1e-6, max_iter=3000)
        rest = np.asarray(split.sparse)
        totals.append(np.linalg.norm(rest, axis=1).sum() if "frames" in name else np.abs(rest).sum())
    assert totals[0] >= totals[1] - 1e-3 * totals[0]
    assert totals[1] >= totals[2] - 1e-3 * totals[0]


@every_call
def test_same_input_same_output_and_untouched_input(name):
    given_matrix = M.copy()
    given_matrix.setflags(write=False)
    one, other = ra.solve(given_matrix, **CALLS[name]), ra.solve(given_matrix, **CALLS[name])
    assert np.array_equal(one.low_rank, other.low_rank)
    assert np.array_equal(given_matrix, M)


@every_call
@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed"])
def test_memory_layout_does_not_matter(name, layout):
    other = {
        "fortran": np.asfortranarray(M),
        "strided": np.repeat(np.repeat(M, 2, axis=0), 2, axis=1)[::2, ::2],
        "reversed": M[::-1].copy()[::-1],
    }[layout]
    assert off(ra.solve(other, **CALLS[name]).low_rank, ra.solve(M, **CALLS[name]).low_rank) < 1e-9


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("shape", [(60, 40), (40, 60)])
def test_the_default_weight_knows_how_much_was_observed(shape, share):
    """1 / sqrt(p max(m, n)), p the observed share; a frame that nobody saw is no frame."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((shape[0], 3)) @ rng.standard_normal((3, shape[1]))
    mask = rng.random(shape) < share
    mask[:, 0] = mask[0] = True
    matrix[~mask] = np.nan
    answer = ra.solve(matrix, "admm", max_iter=2)
    assert answer.lam == pytest.approx(1 / np.sqrt(mask.mean() * max(shape)), rel=1e-9)
    matrix = np.vstack([matrix, np.full((20, shape[1]), np.nan)])
    longer = ra.solve(matrix, "admm", max_iter=2)
    assert longer.lam == pytest.approx(answer.lam, rel=0.15)
