"""Outlying frames that agree with each other pass for base, and the status says so; nothing else makes it say that."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import rpca_affect as ra
from rpca_affect.apart import frames_apart
from rpca_affect.cli.app import app

SHAPES = [(200, 30, 3), (300, 60, 4), (400, 24, 2)]


def outlying(kind, count, features, rng):
    direction = rng.standard_normal(features)
    return {
        "none": np.zeros((0, features)),
        "scattered": 5 * rng.standard_normal((count, features)),
        "identical": np.tile(10 * direction, (count, 1)),
        "cluster": 10 * direction + rng.standard_normal((count, features)),
        "line": 10 * rng.standard_normal((count, 1)) * direction,
    }[kind]


def table(shape, kind, seed, walk=False, share=0.2):
    """Frames of a random base, some of them replaced; and which."""
    frames, features, rank = shape
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal((frames, rank))
    scores = np.cumsum(scores, axis=0) * 3 / np.sqrt(frames) if walk else scores
    values = scores @ rng.standard_normal((rank, features))
    hit = np.sort(rng.permutation(frames)[: round(share * frames)])
    rows = outlying(kind, len(hit), features, rng)
    values[hit[: len(rows)]] = rows
    return values, hit


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("walk", [False, True])
@pytest.mark.parametrize("kind", ["identical", "cluster", "line"])
def test_outliers_that_agree_are_told(shape, walk, kind):
    values, hit = table(shape, kind, 0, walk)
    split = ra.solve(values, sparse="frames")
    told = [doubt for doubt in split.status.doubts if doubt.kind == "apart"]
    assert told, "the status is silent about a base that outliers have bent"
    assert told[0].measure["frames"] == shape[0]
    assert set(frames_apart(split.low_rank)) <= set(hit) and told[0].measure["apart"] > 0.6 * len(hit)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("walk", [False, True])
@pytest.mark.parametrize("kind", ["none", "scattered"])
def test_other_frames_are_no_reason(shape, walk, kind):
    values, _ = table(shape, kind, 1, walk)
    split = ra.solve(values, sparse="frames")
    assert "apart" not in [doubt.kind for doubt in split.status.doubts]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), rank=st.integers(2, 6), share=st.floats(0.05, 0.3))  # at 0.32 a search in 90 fails
def test_the_frames_of_a_planted_direction_are_found(seed, rank, share):
    values, hit = table((150, 20, rank), "identical", seed, share=share)
    assert frames_apart(values).tolist() == hit.tolist()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), rank=st.integers(1, 6), scale=st.floats(1e-6, 1e6))
def test_a_gaussian_base_has_none_in_any_unit(seed, rank, scale):
    values, _ = table((150, 20, rank), "none", seed)
    assert frames_apart(scale * values) is None


def test_cells_are_not_asked():
    values, _ = table(SHAPES[0], "identical", 0)
    assert "apart" not in [doubt.kind for doubt in ra.solve(values).status.doubts]


def degrees(low_rank, planted):
    """Largest angle between the spaces of the rows, of the rank of the second."""
    base = np.linalg.svd(planted, full_matrices=False)[2][: np.linalg.matrix_rank(planted)]
    found = np.linalg.svd(low_rank, full_matrices=False)[2][: len(base)]
    return float(np.degrees(np.arccos(np.clip(np.linalg.svd(base @ found.T)[1].min(), 0, 1))))


@pytest.mark.parametrize("shape", [*SHAPES, (300, 60, 6)])
@pytest.mark.parametrize("walk", [False, True])
@pytest.mark.parametrize("kind", ["identical", "cluster", "line"])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
def test_without_them_the_planted_base_is_found(shape, walk, kind, share):
    values, hit = table(shape, kind, 0, walk, share)
    others = np.delete(np.arange(shape[0]), hit)
    assert degrees(ra.solve(values, sparse="frames").low_rank, values[others]) > 45
    split = ra.solve(values, sparse="frames", apart=True)
    assert degrees(split.low_rank, values[others]) < 0.01 and split.rank == shape[2]
    assert np.allclose(split.low_rank + split.sparse, values, atol=1e-5) and split.gap < 1e-4
    (told,) = [doubt for doubt in split.status.doubts if doubt.kind == "set_apart"]
    assert 0.6 * len(hit) < told.measure["apart"] <= len(hit)
    assert not np.abs(split.sparse[others]).max() > 1e-3


@pytest.mark.parametrize("kind", ["none", "scattered"])
@pytest.mark.parametrize("noise", [None, 0.1])
def test_where_none_have_one_nothing_changes(kind, noise):
    values, _ = table(SHAPES[0], kind, 1)
    values = values + (noise or 0.0) * np.random.default_rng(0).standard_normal(values.shape)
    plain, split = (ra.solve(values, sparse="frames", noise=noise, apart=apart) for apart in (False, True))
    assert np.array_equal(plain.low_rank, split.low_rank) and np.array_equal(plain.sparse, split.sparse)
    assert plain.status == split.status


def test_noise_missing_cells_and_factors_go_with_it():
    values, hit = table(SHAPES[1], "cluster", 0)
    others = np.delete(np.arange(len(values)), hit)
    rng = np.random.default_rng(0)
    noisy = values + 0.1 * rng.standard_normal(values.shape)
    seen = rng.random(values.shape) > 0.1
    split = ra.solve(np.where(seen, noisy, np.nan), sparse="frames", noise=0.1, apart=True)
    assert degrees(split.low_rank, values[others]) < 3
    whole = split.low_rank + split.sparse + split.noise
    assert np.allclose(whole[seen], noisy[seen], atol=1e-5) and not split.sparse[~seen].any()
    factored = ra.solve(noisy, sparse="frames", noise=0.1, apart=True, factored=True)
    assert factored.low_rank is None and degrees(factored.factors.matrix(), values[others]) < 3


def test_groups_are_left_out_one_after_the_other():
    values, hit = table((300, 60, 4), "identical", 0, share=0.1)
    values[np.delete(np.arange(300), hit)[:40]] = np.random.default_rng(7).standard_normal(60) * 8
    split = ra.solve(values, sparse="frames", apart=True)
    (told,) = [doubt for doubt in split.status.doubts if doubt.kind == "set_apart"]
    assert told.measure["apart"] == 70 and split.rank == 4


@pytest.mark.parametrize("given", [{"sparse": "cells"}, {"sparse": "frames", "stack": True}])
def test_it_is_refused_where_it_means_nothing(given):
    values, _ = table(SHAPES[0], "none", 0)
    values = np.stack([values, values]) if given.pop("stack", False) else values
    with pytest.raises(ValueError, match=r"apart=True is for one matrix with sparse='frames'"):
        ra.solve(values, apart=True, **given)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["identical", "cluster", "line"])
def test_every_door_takes_it(shape, kind, tmp_path):
    values, hit = table(shape, kind, 0)
    values = values + 0.1 * np.random.default_rng(1).standard_normal(shape[:2])
    words = {"sparse": "frames", "noise": 0.1, "lags": 1}
    plain, split = (ra.decompose(values, **words, apart=apart, check=False) for apart in (False, True))
    (told,) = [doubt for doubt in split.status.doubts if doubt.kind == "set_apart"]
    assert split.parameters["apart"] and "apart" not in plain.parameters
    assert 0.9 * len(hit) < told.measure["apart"] <= len(hit)
    left = [np.mean(np.abs(np.asarray(each.transient)[hit])) for each in (plain, split)]
    assert left[1] > 3 * left[0] and left[1] > 0.8 * np.mean(np.abs(values[hit]))
    model = ra.RobustPCA(**words, apart=True, tol=1e-5).fit(values)
    assert np.allclose(model.low_rank_, split.base) and told in model.status_.doubts
    names = ",".join(f"f{k}" for k in range(shape[1]))
    np.savetxt(tmp_path / "table.csv", values, delimiter=",", header=names, comments="")
    flags = ["--sparse", "frames", "--noise", "0.1", "--lags", "1", "--no-check", "--quiet", "--apart"]
    done = CliRunner().invoke(app, ["decompose", str(tmp_path / "table.csv"), "-o", str(tmp_path / "out"), *flags])
    assert done.exit_code == 0, done.output
    written = pd.read_csv(tmp_path / "out" / "base.csv")[names.split(",")]
    assert np.allclose(written, split.base, atol=1e-3)
    assert "were left out" in (tmp_path / "out" / "summary.json").read_text()


def test_the_shell_refuses_it_in_its_own_words(tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n" + "".join(f"{k % 7},{k % 5}\n" for k in range(60)))
    done = CliRunner().invoke(app, ["decompose", str(tmp_path / "table.csv"), "-o", str(tmp_path / "out"), "--apart"])
    assert done.exit_code != 0 and "--apart is for one matrix with --sparse frames" in done.output


def test_a_matrix_that_is_never_loaded_refuses_it():
    da = pytest.importorskip("dask.array")
    with pytest.raises(ValueError, match="apart"):
        ra.solve(da.ones((40, 20), chunks=20), sparse="frames", apart=True)
