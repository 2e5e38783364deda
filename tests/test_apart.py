"""Outlying frames that agree with each other pass for base, and the status says so; nothing else makes it say that."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.apart import frames_apart

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
@given(seed=st.integers(0, 10**6), rank=st.integers(2, 6), share=st.floats(0.05, 0.35))
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
