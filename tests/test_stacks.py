"""Stacks of clips: the groups, the compiled lanes and the reference loop give one answer, clip by clip."""

import sys
from pathlib import Path

import numpy as np
import pytest
from problems import off, planted

import rpca_affect as ra
from rpca_affect import engine
from rpca_affect.arrays import observe, observed_extent
from rpca_affect.engine import jit, stacks
from rpca_affect.engine.cells import compiled
from rpca_affect.padding import pad_clips

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # benchmarks are no part of the package

PARTS = [planted(16, 60, seed=seed) for seed in range(11)]
LOW = np.stack([low for low, _ in PARTS])
CLIPS = LOW + np.stack([sparse for _, sparse in PARTS])
HOLES = np.where(np.random.default_rng(5).random(CLIPS.shape) < 0.05, np.nan, CLIPS)
CALLS = {
    "ialm": {"solver": "ialm"},
    "admm": {"solver": "admm"},
    "admm-noise": {"solver": "admm", "noise": 0.05},
    "admm-noise-per-feature": {"solver": "admm", "noise": np.linspace(0.0, 0.1, 60)},
    "admm-frames": {"solver": "admm", "sparse": "frames", "lam": 0.5},
    "own-weights": {"solver": "admm", "lam": np.linspace(0.12, 0.2, 11)[:, None, None]},
}
COMMON = {"max_iter": 600, "keep_dual": True}
needs_numba = pytest.mark.skipif(not jit.available(), reason="numba is not installed: there is no compiled path")
every_call = pytest.mark.parametrize("name", CALLS)


@pytest.fixture(params=["groups", "compiled"])
def home(request, monkeypatch):
    """Few clips take the compiled path only when told to."""
    if request.param == "compiled":
        if not jit.available():
            pytest.skip("numba is not installed: there is no compiled path")
        monkeypatch.setattr(stacks, "COMPILED_CLIPS", 1)
    monkeypatch.setattr(stacks, "GROUP_CELLS", 4 * 16 * 60)  # several groups even here
    return request.param


def by_reference(monkeypatch, *args, **options):
    with monkeypatch.context() as patch:
        patch.setattr(engine, "accepts", lambda data, solver: False)
        return ra.solve(*args, **options)


@every_call
@pytest.mark.parametrize("clips", [CLIPS, HOLES], ids=["full", "holes"])
def test_groups_take_the_steps_of_the_reference(name, clips, home, monkeypatch):
    found = ra.solve(clips, **CALLS[name], **COMMON)
    wanted = by_reference(monkeypatch, clips, **CALLS[name], **COMMON)
    assert np.array_equal(found.n_iter, wanted.n_iter)
    assert np.array_equal(found.rank, wanted.rank)
    for part in ("low_rank", "sparse", "noise"):
        assert np.linalg.norm(getattr(found, part) - getattr(wanted, part)) <= 1e-9 * np.linalg.norm(LOW)
    np.testing.assert_allclose(found.gap, wanted.gap, rtol=1e-2, atol=1e-7)
    np.testing.assert_allclose(found.lam, wanted.lam, rtol=1e-12)
    np.testing.assert_allclose(found.residual, wanted.residual, rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(found.history["error"], wanted.history["error"], rtol=1e-4, atol=1e-12)
    np.testing.assert_allclose(found.history["mu"], wanted.history["mu"], rtol=1e-9)
    np.testing.assert_allclose(found.sparsity, wanted.sparsity, atol=2 / 960)
    assert found.converged == wanted.converged


@every_call
def test_a_clip_does_not_depend_on_its_neighbours(name, home):
    call = dict(CALLS[name])
    together = ra.solve(HOLES, **call, **COMMON)
    for i in (0, 7, 10):
        if name == "own-weights":
            call["lam"] = CALLS[name]["lam"][i : i + 1]
        alone = ra.solve(HOLES[i : i + 1], **call, **COMMON)
        for part in ("low_rank", "sparse", "dual"):
            assert np.array_equal(getattr(alone, part)[0], getattr(together, part)[i])
        assert alone.n_iter[0] == together.n_iter[i]
        assert alone.gap[0] == together.gap[i]


@pytest.mark.parametrize("name", ["ialm", "admm", "admm-noise"])
def test_a_clip_of_a_stack_is_that_clip_alone(name, home):
    together = ra.solve(CLIPS, **CALLS[name], max_iter=400)
    for i in (2, 9):
        # one matrix may have its extreme cells clipped first: other steps to the same optimum
        accelerated = ra.solve(CLIPS[i], **CALLS[name], max_iter=400)
        assert off(together.low_rank[i], accelerated.low_rank) < 1e-6
        plain = {"solver": ra.ADMM(memory=0)} if CALLS[name]["solver"] == "admm" else {}
        alone = ra.solve(CLIPS[i], **{**CALLS[name], **plain}, max_iter=400)
        assert off(together.low_rank[i], alone.low_rank) < (1e-6 if "noise" in name else 1e-9)
        assert together.rank[i] == alone.rank
        assert together.gap[i] == pytest.approx(alone.gap, rel=1e-2, abs=1e-7)


@pytest.mark.parametrize("name", ["ialm", "admm", "admm-noise"])
def test_tall_clips_are_the_wide_ones_turned(name, home):
    wide = ra.solve(HOLES, **CALLS[name], **COMMON)
    tall = ra.solve(np.swapaxes(HOLES, 1, 2), **CALLS[name], **COMMON)
    assert off(np.swapaxes(tall.low_rank, 1, 2), wide.low_rank) < 1e-9
    assert np.array_equal(tall.n_iter, wide.n_iter)


def test_stacks_of_stacks_keep_their_shape(home):
    clips = CLIPS[:8].reshape(2, 2, 2, 16, 60)
    lam = np.linspace(0.12, 0.2, 8).reshape(2, 2, 2, 1, 1)
    nested = ra.solve(clips, "admm", lam=lam, max_iter=50)
    flat = ra.solve(CLIPS[:8], "admm", lam=lam.reshape(8, 1, 1), max_iter=50)
    assert nested.low_rank.shape == clips.shape
    assert nested.rank.shape == nested.gap.shape == nested.n_iter.shape == (2, 2, 2)
    assert np.array_equal(nested.sparse.reshape(8, 16, 60), flat.sparse)


def test_other_units_of_single_clips_change_nothing_else(home):
    units = 2.0 ** np.linspace(-400, 400, 11).round()[:, None, None]
    plain, scaled = ra.solve(CLIPS, "ialm"), ra.solve(CLIPS * units, "ialm")
    assert np.array_equal(plain.low_rank * units, scaled.low_rank)


def test_zero_clips_and_clips_without_anything_to_split(home):
    clips = CLIPS[:4].copy()
    clips[1] = 0
    clips[2] = np.outer(np.ones(16), np.linspace(1, 2, 60))
    split = ra.solve(clips, "admm", max_iter=500)
    assert not split.low_rank[1].any()
    assert split.gap[1] == 0
    assert split.rank.tolist()[1:3] == [0, 1]
    assert off(split.low_rank[2], clips[2]) < 1e-6


def test_a_warm_start_continues(home):
    first = ra.solve(HOLES, "admm", keep_dual=True, tol=1e-5)
    again = ra.solve(HOLES, "admm", init=first, tol=1e-5)
    assert again.n_iter.max() <= 5
    other = ra.solve(HOLES, "admm", init=ra.solve(HOLES, "admm", tol=1e-5), tol=1e-5)
    assert off(other.low_rank, first.low_rank) < 1e-3


def test_single_precision_comes_back_single(home):
    single, double = ra.solve(CLIPS.astype(np.float32), "admm"), ra.solve(CLIPS, "admm")
    assert single.low_rank.dtype == single.sparse.dtype == single.gap.dtype == np.float32
    assert off(single.low_rank, double.low_rank) < 1e-3


def test_a_callback_sees_every_step_of_the_whole_stack(home):
    seen = []
    split = ra.solve(CLIPS, "ialm", callback=lambda progress: seen.append(progress) or progress.n_iter == 6)
    assert [progress.n_iter for progress in seen] == [1, 2, 3, 4, 5, 6]
    assert split.n_iter.tolist() == [6] * 11
    assert not split.converged
    assert [progress.error for progress in seen] == split.history["error"]


def test_finished_clips_leave_the_reference_loop_with_their_answer(monkeypatch):
    plain = ra.ADMM(memory=0)
    whole = by_reference(monkeypatch, HOLES, plain, max_iter=400)
    assert len(set(whole.n_iter.tolist())) > 5
    for i in range(11):
        alone = by_reference(monkeypatch, HOLES[i], plain, max_iter=400)
        assert alone.n_iter == whole.n_iter[i]
        assert np.array_equal(alone.low_rank, whole.low_rank[i])


def test_without_numba_the_groups_do_the_work(monkeypatch):
    with_it = ra.solve(CLIPS, "ialm")
    monkeypatch.setattr(stacks, "COMPILED_CLIPS", 1)
    monkeypatch.setattr(jit, "available", lambda: False)
    assert np.array_equal(ra.solve(CLIPS, "ialm").low_rank, with_it.low_rank)


def test_few_clips_do_not_wait_for_a_compiler(monkeypatch):
    def compile_now():
        raise AssertionError("compiled for a handful of clips")

    monkeypatch.setattr(compiled, "kernel", compile_now)
    assert ra.solve(CLIPS, "ialm").converged


def in_lanes(matrices):
    """Matrices (lanes, d, d) as the compiled routine holds them: (d, d * lanes), a lane's entries lanes apart."""
    return np.ascontiguousarray(np.moveaxis(matrices, 0, -1)).reshape(matrices.shape[1], -1)


@needs_numba
@pytest.mark.parametrize("case", ["warm", "cold", "hidden", "slow"])
def test_lanes_find_every_eigenvalue_above_their_level(case):
    rng, d, lanes = np.random.default_rng(3), 16, compiled.LANES
    compiled.kernel()
    basis = np.linalg.qr(rng.standard_normal((lanes, d, d)))[0]
    spectrum = np.sort(rng.uniform(0.1, 3.0, (lanes, d)) ** 3)
    gram = np.einsum("bik,bk,bjk->bij", basis, spectrum, basis)
    own = np.eye(d) if case == "cold" else basis + 1e-3 * rng.standard_normal(basis.shape)
    own = np.broadcast_to(np.swapaxes(np.linalg.qr(own)[0], -1, -2), gram.shape)
    if case == "hidden":  # the diagonal lies below the level, every entry beside it is small, the sum is not
        own, gram = np.broadcast_to(np.eye(d), gram.shape), np.full_like(gram, 0.02) + 0.88 * np.eye(d)
    if case == "slow":  # next to values that are only split off one just above the level settles slowly; a lane waits
        mixed = 0.025 * np.sign(rng.standard_normal(gram.shape))
        mixed = np.triu(mixed, 1) + np.swapaxes(np.triu(mixed, 1), 1, 2)
        own, gram = np.broadcast_to(np.eye(d), gram.shape), mixed + np.diag([1.001] + [0.95] * (d - 1))
        gram[0] = 0.02 + 0.88 * np.eye(d)
    levels, allowed = np.ones(lanes), np.full(lanes, 1e-26)
    turned, vectors = in_lanes(own @ gram @ np.swapaxes(own, -1, -2)), in_lanes(own)
    compiled._diagonalise(turned, vectors, allowed, levels)
    rows = np.moveaxis(vectors.reshape(d, d, lanes), -1, 0)
    for b in range(lanes):
        values = turned.reshape(d, d, lanes)[range(d), range(d), b]
        wanted, exact = np.linalg.eigh(gram[b])
        np.testing.assert_allclose(np.sort(values[values > 1]), wanted[wanted > 1], rtol=1e-12)
        np.testing.assert_allclose(rows[b] @ rows[b].T, np.eye(d), atol=1e-12)
        kept, known = rows[b][values > 1], exact[:, wanted > 1]
        np.testing.assert_allclose(kept.T @ kept, known @ known.T, atol=1e-9)


def test_planted_parts_are_found_where_the_convex_model_can():
    parts = [planted(40, 60, rank=2, seed=seed) for seed in range(5)]
    split = ra.solve(np.stack([low + sparse for low, sparse in parts]), "admm")
    assert off(split.low_rank, np.stack([low for low, _ in parts])) < 1e-5
    assert split.rank.tolist() == [2] * 5


LENGTHS = (16, 9, 40, 12)


@pytest.mark.parametrize("name", ["ialm", "admm"])
def test_a_padded_clip_is_the_clip_alone(name, home):
    clips = [sum(planted(length, 24, rank=2, seed=length)) for length in LENGTHS]
    together = ra.solve(clips, name, max_iter=300)
    assert np.array_equal(together.low_rank, ra.solve(pad_clips(clips), name, max_iter=300).low_rank)
    for i, clip in enumerate(clips):
        alone = ra.solve(clip[None], name, max_iter=300)
        assert alone.lam[0] == pytest.approx(together.lam[i], rel=1e-12)
        assert off(together.low_rank[i, : len(clip)], alone.low_rank[0]) < 1e-6
        assert not together.low_rank[i, len(clip) :].any() or np.abs(together.low_rank[i, len(clip) :]).max() < 1e-5
        assert together.rank[i] == alone.rank[0]


def test_extents_of_full_and_holed_stacks():
    holes = CLIPS.copy()
    holes[0, 3] = np.nan
    holes[1, :, :5] = np.nan
    frames, features = observed_extent(observe(holes))
    assert frames.ravel()[:3].tolist() == [15, 16, 16]
    assert features.ravel()[:3].tolist() == [60, 55, 60]
    assert observed_extent(observe(CLIPS))[0].ravel().tolist() == [16] * 11


@pytest.mark.parametrize(
    "clips, words", [([], "no clip"), ([np.ones((2, 3)), np.ones((2, 4))], "same features"), ([np.ones(3)], "frames x")]
)
def test_clips_that_do_not_stack(clips, words):
    with pytest.raises(ValueError, match=words):
        pad_clips(clips)


def test_the_race_of_clips_runs_and_reports():
    from benchmarks import clips

    result = clips.race(clips=6, sample=2, rounds=2)
    names = [row["name"] for row in result["rows"]]
    assert names[0] == "ours, NumPy"
    assert "full-SVD IALM" in names
    for row in result["rows"]:
        assert row["clips_per_second"] > 0
        assert row["excess"] > -1e-6
    assert "clips/s" in clips.report(result)


def test_the_gpu_table_is_walked_on_numpy(monkeypatch, capsys):
    from benchmarks import gpu as table

    rows = list(table.rows_of(np, {"tiny": ((12, 8), 1, 1), "clips": ((3, 8, 20), 1, 1)}))
    assert [row["difference"] < 1e-3 for row in rows] == [True] * 4
    monkeypatch.setattr(table, "SMALL", {"tiny": ((12, 8), 1, 1)})
    table.main(["--numpy", "--small"])
    heading, *lines = capsys.readouterr().out.splitlines()
    assert "full SVD" in heading
    assert [line.split()[:2] for line in lines[:2]] == [["tiny", "float64"], ["tiny", "float32"]]
