"""Pictures: what they show, where they draw, and that no name or hole in the data breaks them."""

import io
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

import rpca_affect as ra
from rpca_affect import plots
from rpca_affect.plots.parts import parts_of
from rpca_affect.synthetic import make_session


@pytest.fixture(scope="module")
def split():
    return ra.decompose(make_session(duration=8, n_events=4, random_state=1).frame, features="gaze,AU_r")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def rendered(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60)
    return buffer.getvalue()


def test_panels_show_the_parts(split):
    figure = ra.plot_decomposition(split, features=["AU12_r", "AU04_r"])
    grid = np.array(figure.axes).reshape(4, 2)
    column = split.recording.feature_names.index("AU12_r")
    for ax, values in zip(grid[1:3, 0], (split.base_values, split.transient_values)):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), values[:, column])
    observed = grid[0, 0].lines[0].get_ydata()
    assert (np.isnan(observed) == ~split.recording.mask[:, column]).all()
    assert [ax.get_title() for ax in grid[0]] == ["AU12_r", "AU04_r"]
    assert [ax.get_ylabel() for ax in grid[:, 0]] == ["observed", "base", "transient", "residual"]
    assert grid[0, 0].get_ylim() == grid[1, 0].get_ylim() and grid[2, 0].get_ylim() == grid[3, 0].get_ylim()
    assert grid[3, 0].get_xlabel() == "time (s)"
    assert rendered(figure)


def test_leading_features_are_those_with_transients(split):
    energy = (split.transient_values / split.sequences[0].sigma) ** 2
    first = split.recording.feature_names[int(energy.sum(axis=0).argmax())]
    assert split.plot().axes[0].get_title() == first


@pytest.mark.parametrize("draw", [plots.plot_spectrum, plots.plot_convergence, plots.plot_events, plots.plot_missing])
def test_pictures_go_where_they_are_told(split, draw):
    figure, ax = plt.subplots()
    assert draw(split, ax=ax) is ax
    assert ax.has_data() or ax.images or ax.collections
    assert rendered(figure)
    assert draw(split).figure is not figure


def test_panels_and_maps_take_axes(split):
    figure, axes = plt.subplots(4, 1)
    assert ra.plot_decomposition(split, features=["AU12_r"], axes=axes) is figure
    figure, axes = plt.subplots(4, 1)
    assert plots.plot_heatmaps(split, axes=axes) is figure
    norms = {id(ax.images[0].norm) for ax in axes}
    assert len(norms) == 1, "the four maps share one scale"
    with pytest.raises(ValueError, match="four parts by features"):
        ra.plot_decomposition(split, features=["AU12_r", "AU04_r"], axes=axes)
    with pytest.raises(ValueError, match="expected 4"):
        plots.plot_heatmaps(split, axes=axes[:2])


def test_events_are_bars_from_start_to_end(split):
    events = split.events()
    _, ax = plt.subplots()
    ra.plot_events(split, ax=ax)
    paths = [path.vertices[:, 0] for path in ax.collections[0].get_paths()]
    bars = sorted((x.min(), x.max()) for x in paths)
    np.testing.assert_allclose(bars, sorted(zip(events["start"], events["end"])))
    assert ra.plot_events(split, events=events.iloc[:0]).texts[0].get_text() == "no transient events"


def test_spectrum_names_the_rank(split):
    ax = ra.plot_spectrum(split)
    assert any(text.get_text() == f"rank {split.sequences[0].rank}" for text in ax.texts)
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert len(lines["base"]) == split.sequences[0].rank
    assert (lines["base"] <= lines["observed"][: len(lines["base"])] * (1 + 1e-9)).all()


def test_a_decomposition_is_drawn_as_well():
    M = np.outer(np.sin(np.arange(50.0) / 7), np.ones(8))
    M[20:23, 4] += 3.0
    answer = ra.solve(M)
    figure = ra.plot_decomposition(answer, observed=M)
    assert figure.axes[0].get_title() == "feature_4"
    assert ra.plot_convergence(answer).has_data() and ra.plot_spectrum(answer).has_data()
    assert rendered(plots.plot_heatmaps(answer))
    with pytest.raises(ValueError, match="one matrix of a stack"):
        ra.plot_decomposition(ra.solve(np.stack([M, M])))
    with pytest.raises(TypeError, match="nothing to draw"):
        ra.plot_decomposition(M)
    with pytest.raises(ValueError, match="observed has shape"):
        ra.plot_decomposition(answer, observed=M.T)


@pytest.mark.parametrize(
    "wanted, sentence", [(["nose"], "'nose' does not exist"), ([99], "99 does not"), ([], "empty")]
)
def test_unknown_features_get_one_sentence(split, wanted, sentence):
    with pytest.raises(ValueError, match=sentence):
        ra.plot_decomposition(split, features=wanted)


def test_meaningless_splits_are_announced_on_every_picture():
    noise = np.random.default_rng(0).standard_normal((60, 30))
    bad = ra.decompose(noise, noise=None, solver="ialm")
    figures = [ra.plot_decomposition(bad), plots.plot_heatmaps(bad), ra.plot_spectrum(bad).figure]
    if len(bad.events()):
        figures.append(ra.plot_events(bad).figure)
    for figure in figures:
        assert any("Meaningless split" in text.get_text() for ax in figure.axes for text in ax.texts)


def test_a_split_that_was_told_of_no_noise_is_drawn_in_the_units_of_the_input():
    values = np.random.default_rng(0).normal(size=(60, 6)).cumsum(axis=0)
    quiet = ra.decompose(values, fps=25, noise=0, check=False)
    figure = plots.plot_heatmaps(quiet)
    assert rendered(figure) and "input's unit" in [ax.get_ylabel() for ax in figure.axes]


def test_strange_names_and_holes_are_drawn():
    values = np.random.default_rng(0).standard_normal((70, 4)).cumsum(axis=0)
    values[10:20] = np.nan
    values[40:, 1] = np.nan
    names = ["$x_1$", "<script>alert(1)</script>" * 4, "a_$^{b", "%s {}"]
    split = ra.decompose(pd.DataFrame(values, columns=names))
    for picture in (split.plot(features=names), plots.plot_heatmaps(split), plots.plot_missing(split).figure):
        assert rendered(picture)
    assert rendered(ra.plot_events(split).figure)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9000), st.integers(1, 700), st.integers(1, 5000))
@settings(max_examples=25, deadline=None)
def test_maps_keep_the_largest_cell_of_every_block(seed, frames, features, cells):
    frames = min(frames, 400_000 // features)
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((frames, features))
    known = rng.random(values.shape) < 0.8
    with pytest.MonkeyPatch.context() as small:
        small.setattr(plots.maps, "CELLS", cells)
        image = plots.maps._thinned(lambda rows: values[rows], lambda rows: known[rows], frames, features)
    assert image.shape[0] <= plots.maps.WIDTH and image.shape[1] <= plots.maps.HEIGHT
    tall, wide = -(-frames // plots.maps.WIDTH), -(-features // plots.maps.HEIGHT)
    shown = np.where(known, values, 0.0)
    for i, k in zip(rng.integers(image.shape[0], size=20), rng.integers(image.shape[1], size=20)):
        place = slice(i * tall, (i + 1) * tall), slice(k * wide, (k + 1) * wide)
        assert abs(image.data[i, k]) == np.abs(shown[place]).max()
        assert bool(np.ma.getmaskarray(image)[i, k]) == (not known[place].any())


@given(st.integers(0, 2**32 - 1), st.integers(1, 5000), st.integers(1, 200))
@settings(max_examples=50, deadline=None)
def test_curves_keep_every_extreme_and_every_gap(seed, length, bins):
    rng = np.random.default_rng(seed)
    series = rng.standard_normal(length).cumsum()
    for start in rng.integers(length, size=rng.integers(4)):
        series[start : start + rng.integers(1, 60)] = np.nan
    places = plots.traces.peaks(series, bins)
    assert (np.diff(places) > 0).all()
    width = 1 if length <= 3 * bins else -(-length // bins)
    for start in range(0, length, width):
        block, kept = series[start : start + width], places[(places >= start) & (places < start + width)]
        if np.isfinite(block).any():
            assert np.nanmax(series[kept]) == np.nanmax(block) and np.nanmin(series[kept]) == np.nanmin(block)
    # Between two drawn neighbours the curve is drawn nowhere where it was not observed.
    for a, b in pairwise(places):
        if np.isfinite(series[a]) and np.isfinite(series[b]):
            assert np.isfinite(series[a:b]).all()


def test_thousands_of_events_are_one_artist(split):
    events = pd.concat([split.events()] * 200, ignore_index=True)
    _, ax = plt.subplots()
    ra.plot_events(split, events=events, ax=ax)
    assert len(ax.collections) == 2 and len(ax.collections[0].get_paths()) == len(events)
    assert all(artist.get_rasterized() for artist in ax.collections)


def test_drawing_leaves_the_style_alone(split):
    before = dict(plt.rcParams)
    split.plot()
    assert dict(plt.rcParams) == before


def test_parts_of_a_split_are_not_copies_to_write_on(split):
    before = split.base_values.copy()
    parts_of(split).of("observed")[:] = 0
    np.testing.assert_array_equal(split.base_values, before)


def test_spectrum_of_a_recording_is_that_of_its_reported_parts():
    """Singular values come from Gram matrices of row blocks, and are those of the whole matrices."""
    rng = np.random.default_rng(5)
    features = rng.standard_normal((90, 3)) @ rng.standard_normal((3, 7)) + rng.normal(0, 0.05, (90, 7))
    features[30:34, 2] += 4.0
    split = ra.decompose(features)
    ax = ra.plot_spectrum(split)
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    part = split.sequences[0]
    for name, values in (("observed", features - part.scale.center), ("residual", split.residual_values)):
        expected = np.linalg.svd(values / part.scale.scale, compute_uv=False)
        np.testing.assert_allclose(drawn[name], expected, rtol=1e-8)
