"""Laws of the proximal operators: minimality, firm non-expansion, scaling, Moreau, symmetries."""

import array_api_strict as strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rpca_affect import prox

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rpca-affect[deep]'")

finite = st.floats(-1e3, 1e3, allow_subnormal=False)
matrices = arrays(np.float64, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=finite)
levels = st.floats(0.0, 500.0, allow_subnormal=False)


def nuclear(x):
    return np.linalg.svd(x, compute_uv=False).sum()


# operator and the penalty it is the proximal operator of
CONVEX = {
    "cells": (prox.soft_threshold, lambda s: np.abs(s).sum()),
    "frames": (prox.group_threshold, lambda s: np.linalg.norm(s, axis=1).sum()),
    "features": (
        lambda x, level: prox.group_threshold(x, level, axis=-2),
        lambda s: np.linalg.norm(s, axis=0).sum(),
    ),
    "both": (
        lambda x, level: prox.sparse_group_threshold(x, level, 0.5 * level),
        lambda s: np.abs(s).sum() + 0.5 * np.linalg.norm(s, axis=1).sum(),
    ),
    "spectrum": (prox.singular_value_threshold, nuclear),
}
every_convex = pytest.mark.parametrize("name", CONVEX)


@every_convex
@given(x=matrices, level=levels, seed=st.integers(0, 99))
def test_answer_minimises_what_the_docstring_says(name, x, level, seed):
    operator, penalty = CONVEX[name]
    answer = operator(x, level)

    def cost(s):
        return level * penalty(s) + ((s - x) ** 2).sum() / 2

    rng = np.random.default_rng(seed)
    best = cost(answer)
    for size in (1e-3, 1.0, 100.0):
        other = answer + size * rng.standard_normal(x.shape)
        # the cost is 1-strongly convex, so every other point is worse by at least half the squared distance
        assert cost(other) >= best + ((other - answer) ** 2).sum() / 2 - 1e-8 * (1 + abs(best))
    assert best <= cost(np.zeros_like(x)) + 1e-8 * (1 + abs(best))


@every_convex
@given(x=matrices, level=levels, seed=st.integers(0, 99))
def test_firmly_nonexpansive(name, x, level, seed):
    operator, _ = CONVEX[name]
    y = x + np.random.default_rng(seed).standard_normal(x.shape) * (1 + np.abs(x).max())
    moved = operator(x, level) - operator(y, level)
    assert (moved**2).sum() <= (moved * (x - y)).sum() * (1 + 1e-9) + 1e-7


@every_convex
@given(x=matrices, level=levels)
def test_scaling_by_powers_of_two(name, x, level):
    operator, _ = CONVEX[name]
    np.testing.assert_allclose(operator(4.0 * x, 4.0 * level), 4.0 * operator(x, level), rtol=1e-9, atol=1e-9)


@every_convex
@given(x=matrices, level=levels)
def test_odd_and_zero_level_is_identity(name, x, level):
    operator, _ = CONVEX[name]
    np.testing.assert_allclose(operator(-x, level), -operator(x, level), atol=1e-9)
    np.testing.assert_allclose(operator(x, 0.0), x, atol=1e-9 * (1 + np.abs(x).max()))


@given(x=matrices, level=st.floats(0.01, 500.0))
def test_moreau_soft_threshold_leaves_a_clipped_rest(x, level):
    # x = prox of the norm + projection on the dual ball
    np.testing.assert_allclose(x - prox.soft_threshold(x, level), np.clip(x, -level, level), atol=1e-9)


@given(x=matrices, level=st.floats(0.01, 500.0))
def test_moreau_spectral_and_group_rests_fill_the_dual_ball(x, level):
    rest = x - prox.singular_value_threshold(x, level)
    assert np.linalg.norm(rest, 2) <= level * (1 + 1e-9) + 1e-9
    rest = x - prox.group_threshold(x, level)
    assert np.linalg.norm(rest, axis=1).max() <= level * (1 + 1e-9)


@given(x=matrices, rank=st.integers(0, 7))
def test_keep_rank_is_the_best_of_its_rank(x, rank):
    answer = prox.keep_rank(x, rank)
    s = np.linalg.svd(x, compute_uv=False)
    assert np.linalg.matrix_rank(answer, tol=1e-8 * (1 + s[0])) <= rank
    assert np.linalg.norm(answer - x) == pytest.approx(np.linalg.norm(s[rank:]), abs=1e-7 * (1 + s[0]))


@given(x=matrices, share=st.floats(0, 1))
def test_keep_largest_keeps_exactly_the_largest(x, share):
    count = int(share * x.size)
    answer = prox.keep_largest(x, count)
    kept = answer != 0
    assert kept.sum() <= count
    assert np.sort(np.abs(answer).ravel())[x.size - count :].sum() == pytest.approx(
        np.sort(np.abs(x).ravel())[x.size - count :].sum()
    )
    assert np.all(answer[kept] == x[kept])


def test_infinite_level_gives_zero_and_huge_cells_do_not_overflow():
    x = np.array([[1e200, -1e200], [1.0, 0.0]])
    assert np.all(prox.soft_threshold(x, np.inf) == 0)
    np.testing.assert_allclose(np.linalg.norm(prox.group_threshold(x, 1.0)[0] / 1e200), np.sqrt(2))


@pytest.mark.parametrize("operator, value", [(prox.keep_rank, -1), (prox.keep_largest, 99), (prox.keep_largest, -1)])
def test_impossible_numbers_are_named(operator, value):
    with pytest.raises(ValueError, match=f"{value}"):
        operator(np.ones((2, 2)), value)


@pytest.mark.parametrize("convert", [strict.asarray, torch.asarray], ids=["strict", "torch"])
def test_other_libraries_agree_on_stacks(convert):
    x = np.random.default_rng(0).standard_normal((3, 6, 4))
    level = np.array([0.1, 0.5, 1.0])[:, None, None]
    calls = {
        "soft": lambda a, v: prox.soft_threshold(a, v),
        "group": lambda a, v: prox.group_threshold(a, v),
        "spectral": lambda a, v: prox.singular_value_threshold(a, v),
        "rank": lambda a, v: prox.keep_rank(a, 2),
        "largest": lambda a, v: prox.keep_largest(a, 5),
    }
    for name, call in calls.items():
        wanted, found = call(x, level), call(convert(x), convert(level))
        assert type(found) is type(convert(x)), name
        np.testing.assert_allclose(np.asarray(found), wanted, atol=1e-12, err_msg=name)
