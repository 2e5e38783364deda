"""A matrix on shards of rows gets the answer that the core gives it whole, whatever the shards, and is read once."""

import errno
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import off, planted

import rpca_affect as ra

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'rpca-affect[dask]'")

from rpca_affect import distributed  # noqa: E402
from rpca_affect.distributed import local  # noqa: E402


@pytest.fixture(params=[1, 3])
def shards(request, monkeypatch):
    """Solve on so many shards, whatever this machine has."""
    monkeypatch.setattr(distributed, "threads", lambda: local.threads(request.param))
    return request.param


def made(case, seed=0, shape=(240, 24), unit=1.0, dtype=np.float64):
    """A planted matrix, changed as a case says, and the words of its solve."""
    rng = np.random.default_rng(seed)
    low, sparse = planted(*shape, rank=3, seed=seed)
    M, words = low + sparse, {}
    if "noise" in case:
        levels = rng.uniform(0.05, 0.2, shape[1]) if "each" in case else np.full(shape[1], 0.1)
        M = M + levels * rng.standard_normal(shape)
        words["noise"] = "auto" if "auto" in case else levels * unit if "each" in case else 0.1 * unit
    if "order" in case:  # frames that have an order in time
        M = M - low + np.cumsum(low, axis=0) / 5
    if "nan" in case:
        M[rng.random(shape) < 0.08] = np.nan
    if "mask" in case:
        words["mask"] = rng.random(shape) > 0.1
    if "frames" in case:
        M[7::40] += rng.standard_normal((len(M[7::40]), shape[1])) * 9
        words["sparse"] = "frames"
    if "giant" in case:
        M[[len(M) // 20, len(M) // 5, len(M) // 2], [1, -1, 1]] = [1e9, -3e7, 1e12]
    if "unseen" in case:
        M[:, 5 % shape[1]] = np.nan
        M[17] = np.nan
    return (M * unit).astype(dtype), words


CASES = [
    "plain", "nan", "mask", "noise", "noise each", "noise auto", "noise auto order", "noise auto nan mask order",
    "frames", "frames nan", "frames noise", "giant", "giant nan noise",
    "unseen", "unseen noise auto", "nan unseen mask",
]  # fmt: skip


def compare(M, words, chunks=(50, 7), within=1e-8, apart=1, **more):
    whole = ra.solve(M, **words, **more)
    split = distributed.solve(da.from_array(M, chunks=chunks), **words, **more)
    top = max(np.nanmax(np.abs(M)), np.finfo(M.dtype).tiny) if M.dtype.kind == "f" else 1.0
    for name in ("low_rank", "sparse", "noise"):
        found, wanted = getattr(split, name).compute() / top, getattr(whole, name) / top
        distance = np.linalg.norm(found - wanted)
        reach = within * max(
            np.linalg.norm(wanted), np.linalg.norm(whole.low_rank / top), 1e-7
        )  # where all is rounding
        assert distance <= reach, f"{name}: {distance / reach:.3g} times as far as it may be"
    assert (split.rank, split.solver) == (whole.rank, whole.solver)
    assert abs(split.n_iter - whole.n_iter) <= apart
    assert split.sparsity == pytest.approx(whole.sparsity, abs=2e-3)
    assert split.lam == pytest.approx(float(whole.lam), rel=1e-6)
    assert split.gap == pytest.approx(whole.gap, abs=max(1e-6, 10 * within))
    assert [doubt.kind for doubt in split.status.doubts] == [doubt.kind for doubt in whole.status.doubts]
    assert split.status.reason == whole.status.reason
    return split, whole


@pytest.mark.parametrize("case", CASES)
def test_shards_do_not_change_the_answer(case, shards):
    M, words = made(case)
    compare(M, words)


@pytest.mark.parametrize("case", ["plain", "nan mask", "noise each", "frames noise", "giant nan noise", "unseen"])
def test_first_steps_in_single_precision_and_subspaces_are_those_of_the_core(case, monkeypatch):
    """Large enough for both: what the shards are told is counted."""
    monkeypatch.setattr(distributed, "threads", lambda: local.threads(3))
    looks, steps = [], local.Shard.step

    def step(self, low, *words):
        looks.append((self.steps.argument.dtype.name, type(low).__name__))
        return steps(self, low, *words)

    monkeypatch.setattr(local.Shard, "step", step)
    M, words = made(case, shape=(2400, 80))
    # Not by inexact ALM, whose growing penalty keeps the rounding of first steps in its answer, like its own gap.
    compare(M, words, chunks=(500, 80), tol=1e-6, solver="admm")
    assert {name for name, _ in looks} == {"float32", "float64"}
    assert ("float64", "Spanned") in looks


def test_slow_iterations_are_extrapolated_as_in_the_core(shards, monkeypatch):
    led, extrapolate = [], local.Shard.extrapolate
    monkeypatch.setattr(local.Shard, "extrapolate", lambda self, *words: led.append(1) or extrapolate(self, *words))
    M, words = made("nan")
    split, _ = compare(M, words)
    assert split.n_iter > 120 and len(led) > 5


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    case=st.sampled_from(CASES),
    seed=st.integers(0, 99),
    frames=st.integers(60, 300),
    features=st.integers(3, 40),
    rows=st.integers(7, 150),
    solver=st.sampled_from(["auto", "admm"]),
)
def test_generated_matrices_agree(case, seed, frames, features, rows, solver):
    M, words = made(case, seed, (frames, features))
    compare(M, words, (rows, 11), within=2e-8, solver=solver, max_iter=300)


@pytest.mark.parametrize("unit", [1e-150, 1e-20, 1e20, 1e150])
@pytest.mark.parametrize("case", ["plain", "nan noise each", "giant"])
def test_units_do_not_matter(case, unit, shards):
    M, words = made(case, unit=unit)
    split, _ = compare(M, words)
    plain = distributed.solve(da.from_array(made(case)[0]), **made(case)[1])
    assert off(split.low_rank.compute() / unit, plain.low_rank.compute()) < 1e-7


@pytest.mark.parametrize("case", ["plain", "nan", "noise each", "frames"])
def test_single_precision_stays_single(case, shards):
    M, words = made(case, dtype=np.float32)
    split, whole = compare(M, words, within=2e-4, apart=10)
    assert split.low_rank.dtype == split.sparse.dtype == whole.low_rank.dtype == np.float32
    assert split.low_rank.compute().dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.int16, bool])
def test_whole_numbers_are_split_in_double_precision(dtype):
    M = np.abs(np.round(made("plain")[0] * 9)).astype(dtype)
    split, _ = compare(M, {"noise": 0.5})
    assert split.low_rank.dtype == split.low_rank.compute().dtype == np.float64
    assert np.any(split.low_rank.compute() % 1)


@pytest.mark.parametrize("solver", ["ialm", "admm", ra.ADMM(head_start=False), ra.InexactALM(growth=1.2)])
def test_solvers_by_name_and_by_hand(solver, shards):
    compare(*made("plain"), solver=solver)


@pytest.mark.parametrize("words", [{"gap": 1e-3}, {"max_iter": 5}, {"lam": 0.1}, {"tol": 1e-4}, {"max_iter": 1}])
@pytest.mark.parametrize("case", ["nan", "frames noise"])
def test_the_words_of_a_solve_mean_the_same(case, words):
    compare(*made(case), **words, solver="admm")


def test_a_callback_sees_every_step_and_may_stop():
    M, words = made("nan")
    seen = []
    split = distributed.solve(M, **words, callback=lambda progress: seen.append(progress) or len(seen) == 7)
    assert [progress.n_iter for progress in seen] == list(range(1, 8))
    assert (split.n_iter, split.status.reason, split.converged) == (7, "callback", False)


def test_infinity_is_refused_where_the_core_refuses_it():
    M, _ = made("plain")
    M[77, 3] = np.inf
    for solve in (ra.solve, distributed.solve):
        with pytest.raises(ValueError, match=r"inf at index \(77, 3\): replace it by NaN"):
            solve(M)
    compare(M, {"mask": np.isfinite(M)})


def test_every_block_is_read_once(shards):
    M, words = made("nan noise auto")
    reads = []

    def read(block, place):
        reads.append(place)
        return block

    import dask

    pieces = [da.from_delayed(dask.delayed(read)(M[k : k + 40], k), (40, 24), float) for k in range(0, 240, 40)]
    split = distributed.solve(da.concatenate(pieces), **words)
    _ = split.low_rank.compute(), split.sparse.compute(), split.noise.compute(), split.factors.left.compute()
    assert sorted(reads) == list(range(0, 240, 40))


def test_factors_are_those_of_the_low_rank_part(shards):
    M, words = made("nan noise each", unit=1e20)
    split = distributed.solve(M, **words)
    left, values, right = split.factors
    left = left.compute()
    assert off((left * values) @ right, split.low_rank.compute()) < 1e-12
    assert np.allclose(left.T @ left, np.eye(split.rank), atol=1e-10)
    assert np.allclose(right @ right.T, np.eye(split.rank), atol=1e-10)


def test_parts_add_up_and_wait_in_files(tmp_path, shards):
    M, words = made("giant nan noise")
    spill, out = tmp_path / "spill", tmp_path / "out"
    spill.mkdir()
    first = distributed.solve(M, **words)
    split = distributed.solve(M, **words, spill=spill, out=out)
    assert sorted(path.name for path in out.iterdir()) == ["low_rank.npy", "noise.npy", "sparse.npy"]
    assert not list(spill.iterdir())
    for name in ("low_rank", "sparse", "noise"):
        assert np.array_equal(np.load(out / f"{name}.npy"), getattr(first, name).compute())
        assert np.array_equal(getattr(split, name).compute(), getattr(first, name).compute())
    known = np.isfinite(M)
    rest = np.where(known, M - split.low_rank - split.sparse - split.noise, 0)
    assert (np.abs(rest) / (1 + np.abs(np.nan_to_num(M)))).max() < 1e-6

    def never(progress):
        raise AssertionError("refused too late")

    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        distributed.solve(M, **words, out=out, callback=never)
    assert len(list(out.iterdir())) == 3


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be reserved here")
def test_a_full_disk_gets_a_sentence_before_anything_is_read(tmp_path, monkeypatch):
    def full(*words):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"has no room for .* MB more: No space left"):
        distributed.solve(made("plain")[0], spill=tmp_path / "new")


@pytest.mark.parametrize("x, words, error, sentence", [
    (np.ones((5, 9)), {}, ValueError, "wider than long"),
    (np.full((9, 2), np.nan), {}, ValueError, "every cell of a matrix is missing"),
    (np.ones(9), {}, ValueError, "1 axes"),
    (np.ones((0, 3)), {}, ValueError, "is empty"),
    (np.ones((9, 2)), {"noise": -0.1}, ValueError, "at least 0"),
    (np.ones((9, 2)), {"noise": np.ones(3)}, ValueError, "3 values for 2 features"),
    (np.ones((9, 2)), {"noise": np.ones((9, 1))}, ValueError, "one for each feature"),
    (np.ones((9, 2)), {"noise": "much"}, ValueError, "'auto' or None"),
    (np.ones((9, 2)), {"tol": -1}, ValueError, "tol is -1"),
    (np.ones((9, 2)), {"max_iter": 0}, ValueError, "max_iter is 0"),
    (np.ones((9, 2)), {"lam": 0}, ValueError, "lam is 0"),
    (np.ones((9, 2)), {"sparse": "columns"}, ValueError, "sparse is 'columns'"),
    (np.ones((9, 2)), {"solver": "godec"}, ValueError, "does not run on shards"),
    (np.ones((9, 2)), {"solver": "magic"}, ValueError, "not known"),
    (np.ones((9, 2)), {"mask": np.ones((4, 2), bool)}, ValueError, "does not fit"),
    (np.ones((9, 2)), {"mask": np.full((9, 2), 0.5)}, ValueError, "other than True and False"),
    (np.ones((9, 2), complex), {}, TypeError, "real numbers"),
    ([[1.0]], {}, TypeError, "give a dask"),
    ("nowhere.npy", {}, FileNotFoundError, "does not exist"),
])  # fmt: skip
def test_what_cannot_be_used_gets_a_sentence(x, words, error, sentence):
    with pytest.raises(error, match=sentence):
        distributed.solve(x, **words)


def test_nothing_and_next_to_nothing():
    assert distributed.solve(np.zeros((50, 4))).rank == 0
    assert distributed.solve(np.zeros((50, 4)), noise="auto").rank == 0
    compare(np.ones((40, 1)), {})
    compare(np.eye(30), {})


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_wanted_gap_ends_both_at_the_same_step(missing, shards):
    """Large enough for first steps in single precision, which are looked at too."""
    rng = np.random.default_rng(3)
    M, _ = made("noise", shape=(900, 160))
    M[rng.random(M.shape) < missing] = np.nan
    words = {"solver": ra.ADMM(memory=0), "tol": 1e-12, "gap": 1e-4}
    whole, split = ra.solve(M, **words), distributed.solve(da.from_array(M, chunks=(300, 160)), **words)
    assert split.status.reason == "gap" and max(split.gap, whole.gap) <= 1e-4
    assert abs(split.n_iter - whole.n_iter) <= 1 and off(np.asarray(split.low_rank), whole.low_rank) < 1e-5
