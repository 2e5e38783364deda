"""Splitting a recording: the parts add up in the input's own form, and a split that means nothing says so."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rpca_affect as ra
from rpca_affect.noise import noise_level
from rpca_affect.recordings import RecordingError, from_array, from_frame
from rpca_affect.synthetic import make_session


def face(frames=240, features=24, seed=0, noise=0.05, bursts=True):
    """Smooth base of rank 3, three bursts, noise; features in units from 0.01 to 100."""
    random = np.random.default_rng(seed)
    phases = np.outer(np.arange(frames), 1 / np.array([60.0, 45.0, 30.0]))
    values = np.sin(phases) @ random.standard_normal((3, features))
    planted = np.zeros_like(values)
    if bursts:
        for start, column in ((40, 2), (120, 10), (200, 17)):
            planted[start : start + 6, column : column + 3] = 1.5
    unit = np.geomspace(0.01, 100, features)
    return (values + planted + random.normal(0, noise, values.shape)) * unit, planted * unit


@pytest.fixture(scope="module")
def session():
    return make_session(duration=12, n_events=5, random_state=3)


@pytest.fixture(scope="module")
def split(session):
    return ra.decompose(session.frame)


def test_parts_add_up_and_keep_rows_columns_and_types(split, session):
    before = session.frame.copy(deep=True)
    features = list(split.recording.meta["feature_columns"])
    aside = list(split.recording.meta["left_out"])  # presence: its own base
    others = [name for name in session.frame if name not in [*features, *aside]]
    pd.testing.assert_frame_equal(split.base[aside], session.frame[aside])
    assert not split.transient[aside].any(axis=None) and not split.residual[aside].any(axis=None)
    known = split.mask[features].to_numpy() == 1
    total = (split.base + split.transient + split.residual)[features].to_numpy()
    np.testing.assert_allclose(total[known], session.frame[features].to_numpy()[known], rtol=1e-12, atol=1e-9)
    for part in (split.base, split.transient, split.residual, split.mask):
        assert list(part.columns) == list(session.frame.columns)
        assert part.index.equals(session.frame.index)
        pd.testing.assert_frame_equal(part[others], session.frame[others])
    assert (split.transient[features].to_numpy()[~known] == 0).all()
    assert (split.residual[features].to_numpy()[~known] == 0).all()
    assert np.isfinite(split.base[features].to_numpy()).all()
    pd.testing.assert_frame_equal(session.frame, before)


def test_a_generated_session_comes_apart_as_it_was_made(split, session):
    summary = split.summary()
    assert summary["rank_share"] < 0.15 and 0.003 < summary["density"] < 0.08 and summary["residual"] < 0.06
    assert split.status.converged and summary["duality_gap"] < 1e-4
    events = split.events()
    for known in session.events.itertuples():
        if known.offset == known.onset:
            continue  # one frame is no event
        near = events[(events.onset_frame - 1 <= known.apex) & (events.offset_frame - 1 >= known.apex)]
        assert any(set(names.split(";")) & set(known.features.split(";")) for names in near.features), known


def test_units_do_not_matter():
    values, _ = face()
    plain, scaled = ra.decompose(values), ra.decompose(values * 2.0**40 + 0.0)
    np.testing.assert_allclose(scaled.base_values, plain.base_values * 2.0**40, rtol=1e-9)
    assert np.array_equal(scaled.transient_values != 0, plain.transient_values != 0)
    for unit in (1e-150, 1e150):
        far = ra.decompose(values * unit)
        np.testing.assert_allclose(far.transient_values / unit, plain.transient_values, rtol=1e-6, atol=1e-6)
        assert far.summary()["residual_in_units"] == pytest.approx(plain.summary()["residual_in_units"])
    unit = np.geomspace(1e-6, 1e6, values.shape[1])
    mixed = ra.decompose(values * unit)
    np.testing.assert_allclose(mixed.transient_values / unit, plain.transient_values, rtol=1e-6, atol=1e-6)


def test_planted_bursts_are_found_and_the_rest_stays():
    values, planted = face()
    found = ra.decompose(values).transient_values != 0
    quiet = ra.decompose(values - planted).transient_values != 0
    assert found[planted != 0].mean() > 0.95
    # In so small a table a burst moves the base a little; on real recordings it is 0.1 % (below).
    assert (found != quiet)[planted == 0].mean() < 0.02


def faces():
    """The check of benchmarks/faces.py, which is no package of this one."""
    path = Path(__file__).parents[1] / "benchmarks" / "faces.py"
    spec = importlib.util.spec_from_file_location("faces", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "place", [pytest.param(i, marks=[] if i in (3, 4) else pytest.mark.slow) for i in range(8)]
)  # the sparsest and the noisiest recording always, all of them on demand
def test_real_faces(data_folder, place):
    check = faces()
    _, values, mask = list(check.recordings(data_folder))[place]
    row = check.check(values, mask, {"noise": 6 * noise_level(values, mask)}, seed=1)
    for key, (low, high) in check.LIMITS.items():
        assert low <= row[key] <= high, key
    assert row["found_noise"] >= 0.95 and row["changed_noise"] <= 0.01


def test_sources_agree(tmp_path):
    values, _ = face(frames=80, features=6)
    table = pd.DataFrame(values, columns=[f" f{i}" for i in range(6)], index=np.arange(80) * 10)
    from_table = ra.decompose(table)
    np.testing.assert_array_equal(ra.decompose(values).base_values, from_table.base_values)
    np.testing.assert_array_equal(ra.decompose(from_frame(table)).base_values, from_table.base_values)
    np.testing.assert_array_equal(ra.decompose(values[:, ::-1]).base_values.shape, values.shape)
    table.to_csv(tmp_path / "a.csv", index=False)
    from_file = ra.decompose(tmp_path / "a.csv")
    np.testing.assert_allclose(from_file.base_values, from_table.base_values, rtol=1e-9)
    assert list(from_file.base.columns) == list(table.columns)
    assert list(from_table.base.index) == list(table.index)


def test_every_sequence_is_solved_on_its_own():
    one, two = face(seed=1)[0], face(seed=2, frames=100)[0]
    time = np.r_[np.arange(240) / 25, 100 + np.arange(100) / 25]
    split = ra.decompose(from_array(np.vstack([one, two]), time=time))
    assert len(split.decompositions) == 2 and split.summary()["sequences"] == 2
    np.testing.assert_array_equal(split.base_values[:240], ra.decompose(one).base_values)
    np.testing.assert_array_equal(split.transient_values[240:], ra.decompose(two).transient_values)
    assert split.events()["sequence"].isin([0, 1]).all()
    with pytest.raises(ValueError, match="2 sequences"):
        _ = split.decomposition


def test_missing_cells_frames_and_features():
    values, _ = face()
    holed = values.copy()
    holed[50:70] = np.nan  # frames lost for longer than a window
    holed[100:110, 3] = np.nan
    split = ra.decompose(holed)
    assert np.isfinite(split.base_values).all()
    # Cells that the other features tell about are predicted, whole frames lie between their neighbours.
    scale = noise_level(values)[3]
    assert np.sqrt(np.mean((split.base_values[100:110, 3] - values[100:110, 3]) ** 2)) < 4 * scale
    before, after = split.base_values[49], split.base_values[70]
    np.testing.assert_allclose(split.base_values[55], before + 6 / 21 * (after - before))
    leading = holed.copy()
    leading[:20] = np.nan
    np.testing.assert_allclose(*(ra.decompose(leading).base_values[k] for k in (0, 20)))
    assert "20 of 240 frames have no observed cell" in str(split.status)
    assert (split.mask.to_numpy() == np.isfinite(holed)).all()


def test_a_feature_without_numbers_stays_as_it_was():
    values, _ = face(features=5)
    table = pd.DataFrame(values, columns=list("abcde")).assign(empty=np.nan, label="x")
    split = ra.decompose(table)
    for part in (split.base, split.transient):
        assert list(part.columns) == list(table.columns) and part["empty"].isna().all() and (part["label"] == "x").all()
    assert (split.mask["empty"] == 0).all()


@pytest.mark.parametrize(
    "values",
    [np.zeros((40, 5)), np.ones((40, 5)), np.ones((1, 4)), np.arange(50.0)[:, None], np.full((40, 3), 1e150)],
    ids=["zero", "constant", "one frame", "one feature", "gigantic"],
)
def test_trivial_recordings_are_their_own_base(values):
    split = ra.decompose(values)
    np.testing.assert_allclose(split.base_values + split.transient_values + split.residual_values, values, rtol=1e-9)
    assert np.isfinite(split.summary()["residual"])


def test_plain_ialm_on_noise_is_announced(split, session):
    bad = ra.decompose(session.frame, noise=None, solver="ialm")
    assert any(text.startswith("Meaningless split: rank ") and "noise='auto'" in text for text in bad.status.warnings)
    assert "Meaningless split" in str(bad.summary()) and "Meaningless split" in repr(bad)
    assert not any("Meaningless" in text for text in split.status.warnings)
    shown = [text.get_text() for ax in bad.plot().axes for text in ax.texts]
    assert any("Meaningless split" in text for text in shown)
    assert not any("Meaningless split" in text.get_text() for ax in split.plot().axes for text in ax.texts)


def test_short_sequences_are_said_once():
    values, _ = face(frames=200, features=8)
    time = np.arange(200) / 25 + 10.0 * (np.arange(200) // 20)
    status = ra.decompose(from_array(values, time=time)).status
    assert [doubt.measure["sequences"] for doubt in status.doubts if doubt.kind == "short"] == [list(range(10))]
    assert len(status.doubts) <= 3 and status.sentence.startswith("10 of 10 sequences converged")


@pytest.mark.parametrize("solver, words", [("godec", {"rank": 3, "cardinality": 60}), ("ialm", {}), (ra.ADMM(), {})])
def test_other_solvers(solver, words):
    values, _ = face()
    split = ra.decompose(values, solver=solver, random_state=0, **words)
    np.testing.assert_allclose(split.base_values + split.transient_values + split.residual_values, values, rtol=1e-9)
    assert split.summary()["rank"][0] <= 6


def test_whole_frames():
    values, _ = face(bursts=False)
    values[150:153] += np.geomspace(0.01, 100, 24) * np.where(np.arange(24) % 2, 1.5, -1.5)
    active = (ra.decompose(values, sparse="frames").transient_values != 0).any(axis=1)
    assert active[150:153].all() and active.sum() <= 6


def test_noise_can_be_given():
    values, _ = face()
    measured = ra.decompose(values)
    given = ra.decompose(values, noise=measured.sequences[0].sigma)
    np.testing.assert_allclose(given.base_values, measured.base_values, rtol=1e-6, atol=1e-9)
    louder = ra.decompose(values, noise=10 * measured.sequences[0].sigma)
    assert louder.summary()["density"] < measured.summary()["density"]


def test_thresholds_order_the_density():
    values, _ = face()
    densities = [ra.decompose(values, threshold=level).summary()["density"] for level in (1.0, 2.0, 4.0)]
    assert densities[0] > densities[1] > densities[2] > 0


def test_summary_is_json_and_prints(split):
    summary = split.summary()
    assert json.loads(json.dumps(summary))["rank"] == summary["rank"]
    assert "residual" in str(summary) and str(split.decomposition.rank) in str(summary)


@pytest.mark.parametrize(
    "words, sentence",
    [
        ({"noise": "loud"}, "noise is 'loud'"),
        ({"noise": -1.0}, "noise must be at least 0"),
        ({"threshold": 0.0}, "threshold is 0.0"),
        ({"sparse": "rows"}, "sparse is 'rows'"),
        ({"solver": "magic"}, "solver 'magic' is not known"),
        ({"scale": "std"}, "scale is 'std'"),
        ({"features": "nose"}, "No feature or feature group is called 'nose'"),
    ],
)
def test_wrong_parameters_get_one_sentence(words, sentence):
    with pytest.raises(ValueError, match=sentence):
        ra.decompose(face(frames=40, features=4)[0], **words)


def test_wrong_sources_get_one_sentence(tmp_path):
    with pytest.raises(RecordingError, match="does not exist"):
        ra.decompose(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="mask belongs to the reading"):
        ra.decompose(from_array(np.ones((4, 2))), mask=np.ones((4, 2), bool))


def test_a_refitted_solve_is_held_in_factors():
    """The convex parts are not those that are reported: certificate, rank and factors stay, three matrices do not."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((120, 2)).cumsum(axis=0) @ rng.standard_normal((2, 9)) + rng.normal(0, 0.1, (120, 9))
    solved = ra.decompose(features, lags=1, check=False).decomposition
    assert solved.low_rank is None and solved.sparse is None and solved.noise is None
    assert solved.factors.matrix().shape == (120, 9) and solved.gap is not None
    assert "(120, 9) numpy" in repr(solved) and "120 x 9" in solved._repr_html_()
    kept = ra.decompose(features, lags=1, refit=False, check=False).decomposition
    np.testing.assert_allclose(solved.factors.matrix(), kept.low_rank, atol=1e-8)


@pytest.mark.parametrize("held", ["a number", "noise", "the cell before", "sentinels"])
@pytest.mark.parametrize("pattern", ["cells", "frames in turn", "features in turn"])
def test_what_stands_in_masked_cells_has_no_say(held, pattern):
    values, _ = face(frames=200, features=8)
    rng = np.random.default_rng(1)
    frames, features = np.indices(values.shape)
    mask = {
        "cells": rng.random(values.shape) > 0.2,
        "frames in turn": frames % 2 == 0,
        "features in turn": (frames + features) % 2 == 0,
    }[pattern]
    guess = {
        "a number": np.full(values.shape, 0.5),
        "noise": rng.standard_normal(values.shape) * values.std(axis=0),
        "the cell before": pd.DataFrame(values).where(mask).ffill().bfill().to_numpy(),
        "sentinels": np.full(values.shape, -999.0),
    }[held]
    found = ra.decompose(np.where(mask, values, guess), mask=mask, fps=30.0)
    wanted = ra.decompose(np.where(mask, values, np.nan), fps=30.0)
    np.testing.assert_array_equal(found.base_values, wanted.base_values)
    np.testing.assert_array_equal(found.transient_values, wanted.transient_values)
    pd.testing.assert_frame_equal(found.events(false_alarms=10.0), wanted.events(false_alarms=10.0))
    assert len(wanted.events(false_alarms=10.0))
    assert found.status == wanted.status
