"""Levels of a recording: parts that add up, planted time scales, gaps and short sequences, the summary, a plot."""

import matplotlib
import numpy as np
import pandas as pd
import pytest
from test_cascade import cosine, session

import rpca_affect as ra
from rpca_affect.report import methods

matplotlib.use("Agg")
WIDTHS = (32, 8, 1)


@pytest.fixture(scope="module")
def planted():
    return session(features=12)


def parts_add_up(split, x):
    known = np.isfinite(x)
    whole = split.base_values + split.transient_values + split.residual_values
    np.testing.assert_allclose(whole[known], x[known], atol=1e-9 * np.nanmax(np.abs(x)))
    assert not split.residual_values[~known].any() and not split.transient_values[~known].any()
    for name in ("base_values", "transient_values"):
        total = sum(getattr(level, name) for level in split.levels)
        np.testing.assert_allclose(total, getattr(split, name), atol=1e-9 * np.nanmax(np.abs(x)))


def test_planted_time_scales_are_found(planted):
    slow, quick, long, short, x = planted
    split = ra.decompose(x, levels=WIDTHS, check=False)
    parts_add_up(split, x)
    assert [level.width for level in split.levels] == list(WIDTHS)
    first, _, last = split.levels
    centred = first.base_values - first.base_values.mean(0)
    assert cosine(centred, slow - slow.mean(0)) > 0.9 > 0.3 > abs(cosine(centred, quick))
    assert cosine(last.transient_values, short) > 0.9 > 0.1 > abs(cosine(first.transient_values, short))
    assert cosine(split.levels[0].transient_values + split.levels[1].transient_values, long) > 0.5
    assert cosine(split.base_values, slow + quick) > 0.97
    assert any("take events from a split on one level" in text for text in split.summary()["notices"])
    told = split.summary()["levels"]
    assert [level["frames"] for level in told] == list(WIDTHS)
    assert sum(level["movement"] for level in told) == pytest.approx(1) and told[0]["movement"] > 0.6
    assert "blocks of 32, 8 frames" in methods(split.summary())["text"]


def test_one_level_is_the_plain_split_to_the_last_bit(planted):
    x = planted[-1][:200]
    one, plain = ra.decompose(x, levels=[1], check=False), ra.decompose(x, check=False)
    for name in ("base_values", "transient_values", "residual_values"):
        assert np.array_equal(getattr(one, name), getattr(plain, name))
    assert len(one.levels) == 1 and plain.levels == ()
    assert one.summary()["notices"] == plain.summary()["notices"]
    assert "levels" not in plain.summary() and "levels" not in plain.parameters


@pytest.mark.parametrize("noise", ["auto", 0.2, None])
@pytest.mark.parametrize("seed", range(2))
def test_missing_cells_gaps_and_features_that_a_sequence_lacks(planted, noise, seed):
    rng = np.random.default_rng(seed)
    x = planted[-1][:300].copy()
    x[rng.random(x.shape) < 0.1] = np.nan
    x[40:60] = np.nan
    x[150:, 5] = np.nan
    before = x.copy()
    time = np.arange(300) / 25 + 60.0 * (np.arange(300) >= 150) + 60.0 * (np.arange(300) >= 290)
    table = pd.DataFrame(x, columns=[f"AU{i:02d}_r" for i in range(12)]).assign(timestamp=time)
    split = ra.decompose(table, levels=(16, 1), noise=noise, check=False)
    assert len(split.sequences) == 3 and np.array_equal(x, before, equal_nan=True)
    parts_add_up(split, x)
    slow, quick = split.levels
    assert slow.rank[2] == 0 and not slow.base_values[290:].any() and quick.base_values[290:].any()
    assert any("1 of 3 sequences are shorter than 8 blocks of 16 frames" in text for text in split.summary()["notices"])
    assert np.array_equal(split.base_values[150:290, 5], np.full(140, np.nanmedian(x[:, 5])))
    assert slow.seconds == pytest.approx(16 / 25) and slow.name == "16 frames (0.64 s)"
    assert slow.base.shape == table.shape and (slow.transient["timestamp"] == time).all()


@pytest.mark.parametrize("levels", [(8, 32, 1), (8, 8, 1), (16,), (), 8, (2.5, 1), "ab", (0, 1)])
def test_widths_that_are_none(planted, levels):
    with pytest.raises(ValueError, match="give falling numbers of frames that end with 1"):
        ra.decompose(planted[-1], levels=levels)


def test_blocks_that_are_too_long(planted):
    with pytest.raises(ValueError, match="the longest sequence has 512 frames, fewer than 8 blocks of 65"):
        ra.decompose(planted[-1], levels=(65, 1))


def test_the_base_of_all_levels_is_asked_for_hidden_cells(planted):
    x = planted[-1][:256]
    asked, plain = (ra.decompose(x, levels=levels).summary()["predicted"] for levels in ((16, 1), None))
    assert 0.1 < asked != plain


def test_a_picture_of_the_levels(planted):
    split = ra.decompose(planted[-1], levels=(16, 1), check=False)
    figure = ra.plot_levels(split, 3)
    drawn = figure.axes[1].lines[0].get_ydata() + figure.axes[2].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, figure.axes[0].lines[1].get_ydata())
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["feature_3", "16 frames", "single frames"]
    with pytest.raises(ValueError, match="levels=\\(32, 8, 1\\)"):
        ra.plot_levels(ra.decompose(planted[-1][:100], check=False))
    matplotlib.pyplot.close("all")
