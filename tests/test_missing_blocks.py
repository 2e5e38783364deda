"""Missing blocks take what the base predicts: as good as a projection of the frames, better than straight lines."""

import numpy as np
import pandas as pd
import pytest

import rpca_affect as ra


def with_blocks(seed, features, hidden, noise):
    """Three waves with noise and gross cells, and five blocks of 30 frames that lack some of the features."""
    rng = np.random.default_rng(seed)
    time = np.arange(600)[:, None]
    clean = np.sin(time / [9.0, 17, 31] + rng.uniform(0, 6, 3)) @ rng.standard_normal((3, features))
    seen = clean + noise * rng.standard_normal(clean.shape)
    seen = np.where(rng.random(clean.shape) < 0.03, seen + rng.choice([-4.0, 4.0], clean.shape), seen)
    blocks = np.zeros(clean.shape, dtype=bool)
    for start in rng.integers(0, 570, 5):
        blocks[start : start + 30, rng.permutation(features)[:hidden]] = True
    return clean, np.where(blocks, np.nan, seen), blocks


@pytest.mark.parametrize("noise", [0.05, 0.2])
@pytest.mark.parametrize("features, hidden", [(40, 5), (40, 20), (60, 10)])
@pytest.mark.parametrize("lags", [1, "auto"])
def test_a_block_is_predicted_as_well_as_by_projection(features, hidden, noise, lags):
    errors = []
    for seed in range(2):
        clean, seen, blocks = with_blocks(seed, features, hidden, noise)
        model = ra.RobustPCA(lags=lags).fit(seen)
        lines = pd.DataFrame(seen).interpolate(limit_direction="both").to_numpy()
        found = model.low_rank_, model.inverse_transform(model.transform(seen)), lines
        errors.append([np.linalg.norm((part - clean)[blocks]) for part in found])
    base, projected, lines = np.mean(errors, axis=0)
    assert base < 1.3 * projected
    assert base < 0.5 * lines


@pytest.mark.parametrize("lags", [1, "auto"])
def test_lost_frames_are_no_worse_than_straight_lines(lags):
    clean, seen, blocks = with_blocks(3, 12, 12, 0.2)
    base = ra.decompose(seen, lags=lags, check=False).base_values
    lines = pd.DataFrame(seen).interpolate(limit_direction="both").to_numpy()
    assert np.linalg.norm((base - clean)[blocks]) < np.linalg.norm((lines - clean)[blocks])
