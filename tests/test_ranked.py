"""A base of given rank: alternating projections find it with two fifths of the cells spoiled, at every door."""

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpca_affect as ra


def spoiled(share, offset, noise, ordered, seed, shape=(300, 80), rank=3):
    """A base of the given rank around an offset, with outliers in a share of the cells."""
    rng = np.random.default_rng(seed)
    moves = rng.standard_normal((shape[0], rank))
    if ordered:
        moves = 1.4 * np.sin(np.arange(shape[0])[:, None] / [9.0, 17, 31] + rng.uniform(0, 6, rank))
    base = moves @ rng.standard_normal((rank, shape[1])) / np.sqrt(rank) + offset * rng.standard_normal(shape[1])
    seen = np.where(rng.random(shape) < share, base + rng.uniform(-5, 5, shape), base)
    return base, seen + noise * rng.standard_normal(shape)


def off(found, base):
    return np.linalg.norm(found - base) / np.linalg.norm(base - base.mean(axis=0))


def lost_frames(status):
    return any(doubt.kind == "too_few_cells" for doubt in status.doubts)


@settings(max_examples=12)
@given(
    st.sampled_from([0.05, 0.3, 0.4]),
    st.sampled_from([0.0, 1.0, 20.0]),
    st.sampled_from([0.0, 0.02]),
    st.booleans(),
    st.integers(0, 9),
)
def test_two_fifths_of_the_cells_may_be_spoiled(share, offset, noise, ordered, seed):
    """A frame whose cells are nearly all taken for outliers may be wrong, and is said."""
    base, seen = spoiled(share, offset, noise, ordered, seed)
    split = ra.decompose(seen, solver="altproj", rank=3, check=False)
    limit = 0.03 if noise else 1e-3
    assert off(split.base_values, base) < limit or lost_frames(split.status)
    assert not split.status.severe
    model = ra.RobustPCA(3, solver="altproj").fit(seen)
    np.testing.assert_array_equal(model.low_rank_, split.base_values)
    told = ra.RobustPCA(3, solver="altproj", noise=noise or None).fit(seen)
    assert off(told.low_rank_, base) < limit or lost_frames(told.status_)


def test_the_base_by_name():
    base, seen = spoiled(0.05, 1.0, 0.02, True, 0)
    for name in ("altproj", "godec", "ialm", "admm"):
        model = ra.RobustPCA(3, solver=name).fit(seen)
        assert off(model.low_rank_, base) < 0.02, name
        assert not model.status_.severe
    with pytest.raises(ValueError, match="AltProj needs rank"):
        ra.RobustPCA(solver="altproj").fit(seen)


def test_missing_cells_and_other_libraries():
    base, seen = spoiled(0.2, 1.0, 0.0, True, 1, shape=(240, 60))
    seen[np.random.default_rng(0).random(seen.shape) < 0.1] = np.nan
    model = ra.RobustPCA(3, solver=ra.AltProj(), noise=None).fit(seen)
    assert off(model.low_rank_, base) < 1e-3
    other = ra.RobustPCA(3, solver=ra.AltProj(), noise=None).fit(array_api_strict.asarray(seen))
    np.testing.assert_allclose(np.asarray(other.low_rank_), model.low_rank_, atol=1e-4)


def test_an_offset_is_beside_the_rank():
    base, seen = spoiled(0.1, 5.0, 0.0, False, 2)
    with_offset, without = (ra.solve(seen, ra.AltProj(rank=3, offset=offset)) for offset in (True, False))
    assert off(with_offset.low_rank, base) < 1e-5 and with_offset.rank == 4
    assert off(without.low_rank, base) > 0.1
