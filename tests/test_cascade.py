"""Levels: medians over blocks, lines back to frames, and a cascade whose parts add up and are found where planted."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from rpca_affect import solve, solve_levels
from rpca_affect.cascade import cascade, hold, lift, pool


def cosine(a, b):
    return (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)


def session(length=512, features=20, seed=0):
    """Slow tone, quick movements, transients of 40 frames and of 3, noise of 0.2."""
    rng = np.random.default_rng(seed)

    def scores(width):
        found = gaussian_filter1d(rng.normal(size=(length + 400, 2)), width, axis=0)[200:-200]
        return found / found.std(0)

    slow = 2 * scores(60) @ rng.normal(size=(2, features))
    quick = scores(4) @ rng.normal(size=(2, features))
    long, short = np.zeros((2, length, features))
    long[200:240, 3] += 5
    long[350:390, 7] -= 5
    for start in rng.choice(length - 5, 12):
        short[start : start + 3, rng.choice(features, 4)] += 6
    return slow, quick, long, short, slow + quick + long + short + 0.2 * rng.normal(size=(length, features))


@pytest.mark.parametrize("width", [1, 3, 7, 10])
@pytest.mark.parametrize("seed", range(3))
def test_blocks_are_medians_of_what_was_observed(width, seed):
    rng = np.random.default_rng(seed)
    x, mask = rng.normal(size=(2, 23, 3)), rng.random((2, 23, 3)) < 0.6
    mask[0, 5:14] = False
    found, known = pool(x, mask, width)
    for b in range(2):
        for i, start in enumerate(range(0, 23, width)):
            for d in range(3):
                there = x[b, start : start + width, d][mask[b, start : start + width, d]]
                assert known[b, i, d] == (len(there) > 0)
                if len(there) and width > 1:
                    assert found[b, i, d] == pytest.approx(np.median(there))
    complete, nothing = pool(x, None, width)
    assert nothing is None and np.allclose(complete, pool(x, np.ones_like(mask), width)[0])


def test_lines_are_numpys_and_pass_over_blocks_without_an_observation():
    rng = np.random.default_rng(0)
    blocks = rng.normal(size=(6, 2))
    middles = np.arange(6) * 5 + 2
    expected = np.stack([np.interp(np.arange(28), middles, column) for column in blocks.T], 1)
    np.testing.assert_allclose(lift(blocks, None, 5, 28), expected)
    known = np.ones((6, 2), bool)
    np.testing.assert_allclose(lift(blocks, known, 5, 28), expected)
    known[3, 0] = False
    assert np.allclose(lift(np.where(known, blocks, 1e6), known, 5, 28)[:, 1], expected[:, 1])
    assert abs(lift(np.where(known, blocks, 1e6), known, 5, 28)[:, 0]).max() < 10
    assert hold(blocks, 5, 28).shape == (28, 2) and (hold(blocks, 5, 28)[5:10] == blocks[1]).all()


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_levels_add_up_and_are_found_where_they_were_planted(missing):
    slow, quick, long, short, x = session()
    rng = np.random.default_rng(1)
    x = np.where(rng.random(x.shape) < missing, np.nan, x)
    known = np.isfinite(x)
    found = solve_levels(x, (32, 8, 1), tol=1e-5)
    np.testing.assert_allclose((found.base + found.transient + found.rest)[known], x[known], atol=1e-10)
    assert cosine(found.bases[0], slow) > 0.9
    assert cosine(found.bases[1] + found.bases[2], quick) > 0.8
    assert cosine(found.transients[0], long) > 0.5
    assert cosine((found.transients[1] + found.transients[2])[known], short[known]) > 0.9
    assert np.linalg.norm(found.base - slow - quick) < 0.15 * np.linalg.norm(slow + quick)
    # A short burst does not reach the slow level: with it or without, that one is nearly the same.
    without = solve_levels(x - short, (32, 8, 1), tol=1e-5)
    assert np.linalg.norm(found.bases[0] - without.bases[0]) < 0.05 * np.linalg.norm(slow)


def test_one_level_is_the_plain_split():
    *_, x = session(length=60, features=8)
    found = solve_levels(x, (1,), noise=None)
    plain = solve(x)
    assert np.array_equal(found.base, plain.low_rank) and np.array_equal(found.transient, plain.sparse)
    assert found.answers[0].status.converged


def test_stacks_and_torch():
    torch = pytest.importorskip("torch")
    stack = np.stack([session(length=64, features=9, seed=s)[-1] for s in range(2)])
    many = solve_levels(stack, (16, 1), noise=None)
    for k in range(2):
        alone = solve_levels(stack[k], (16, 1), noise=None)
        np.testing.assert_allclose(many.base[k], alone.base, atol=1e-4)
    other = solve_levels(torch.as_tensor(stack[0]), (16, 1), noise=None)
    np.testing.assert_allclose(other.base.numpy(), solve_levels(stack[0], (16, 1), noise=None).base, atol=1e-4)


@pytest.mark.parametrize("widths", [(), (1, 8), (8, 8, 1), (8, 0)])
def test_widths_that_do_not_fall_are_refused(widths):
    with pytest.raises(ValueError, match="falling"):
        solve_levels(np.ones((30, 4)), widths)
    with pytest.raises(ValueError, match="leave one"):
        solve_levels(np.ones((30, 4)), (30, 1))


def test_cascade_takes_any_split():
    x = np.random.default_rng(0).normal(size=(12, 3))
    found = cascade(x, None, (4, 1), lambda values, known, width: (values, np.zeros_like(values), width))
    assert found.answers == [4, 1] and np.allclose(found.rest, 0) and np.allclose(found.base, x)
