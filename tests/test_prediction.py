"""Hidden cells: what counts as predicted, which bases say nothing, and who is told."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

import rpca_affect as ra
from rpca_affect.recordings import from_frame
from rpca_affect.session import prediction
from rpca_affect.session.advice import advise
from rpca_affect.session.prediction import KNOWN, LIMIT, Prediction, hidden_stretches, predict_hidden, straight_lines


def smooth(rng, frames, columns, width=8.0):
    curves = gaussian_filter1d(rng.standard_normal((frames + 200, columns)), width, axis=0)[100 : 100 + frames]
    return curves / curves.std(axis=0)


def planted(rng, frames, columns, rank):
    return 4 * smooth(rng, frames, rank) @ rng.standard_normal((rank, columns)) + rng.standard_normal((frames, columns))


@given(st.integers(0, 10**6), st.integers(2, 80), st.integers(1, 30), st.integers(1, 70), st.floats(0.01, 0.2))
def test_only_observed_cells_are_hidden_and_about_as_many_as_asked(seed, frames, columns, length, share):
    rng = np.random.default_rng(seed)
    known = rng.random((frames, columns)) < 0.8
    hidden = hidden_stretches(known, length, share, rng)
    assert not (hidden & ~known).any()
    longest = max(1, min(length, frames // 4))
    assert hidden.sum() <= share * frames * columns + longest  # overlaps make it fewer
    per_feature = hidden.sum(axis=0) / longest
    assert per_feature.max() <= np.ceil(share * frames / longest) + 1  # and no feature bears it all


@given(st.integers(0, 10**6))
def test_lines_go_through_known_cells_and_straight_between_them(seed):
    rng = np.random.default_rng(seed)
    slope, start = rng.standard_normal((2, 4))
    ramp = start + slope * np.arange(30)[:, None]
    known = rng.random(ramp.shape) < 0.5
    known[[0, -1]] = True
    assert np.allclose(straight_lines(np.where(known, ramp, 1e6), known), ramp)


def whole(values, known, rows):
    return values


def test_the_truth_predicts_everything_and_the_median_nothing():
    rng = np.random.default_rng(0)
    values = planted(rng, 400, 12, 3)
    known = rng.random(values.shape) < 0.9
    usual = np.ones_like(known)
    truth = predict_hidden(values, known, usual, lambda seen, left, rows: values[rows])
    assert truth.predicted == 1 and truth.cells > 100

    def medians(seen, left, rows):
        return np.broadcast_to(np.nanmedian(np.where(left, seen, np.nan), axis=0), seen.shape)

    assert predict_hidden(values, known, usual, medians).predicted == pytest.approx(0, abs=1e-12)
    # whoever looks only where it may look knows nothing about hidden cells
    blind = predict_hidden(values - 100, known, usual, lambda seen, left, rows: np.where(left, seen, 0.0))
    assert blind.predicted < -5


def test_cells_that_the_split_calls_transient_do_not_count():
    rng = np.random.default_rng(0)
    values = planted(rng, 400, 12, 3)
    far = rng.random(values.shape) < 0.2
    spoiled = np.where(far, 1e6, values)
    known = np.ones_like(far)
    clean, other = (
        predict_hidden(seen, known, ~far, lambda seen, left, rows: 0.5 * values[rows]) for seen in (values, spoiled)
    )
    assert other.predicted == pytest.approx(clean.predicted, abs=0.02)


def test_sums_of_two_are_those_of_both():
    one, other = Prediction(1.0, 2.0, 4.0, 10), Prediction(3.0, 0.0, 12.0, 30)
    assert one.plus(other) == (4.0, 2.0, 16.0, 40)
    assert one.plus(other).predicted == 0.5
    assert one.doubt() is None, "ten cells say nothing"
    assert Prediction(9.0, 1.0, 10.0, 100).doubt().measure["predicted"] == pytest.approx(0.051, abs=1e-3)


@pytest.mark.parametrize("columns", [8, 17, 60])
@pytest.mark.parametrize("seed", [0, 1])
def test_noise_and_unrelated_features_are_told_from_shared_structure(columns, seed):
    rng = np.random.default_rng(seed)
    frames = 900
    noise = ra.decompose(rng.standard_normal((frames, columns)))
    unrelated = ra.decompose(4 * smooth(rng, frames, columns, 3.0) + rng.standard_normal((frames, columns)))
    related = ra.decompose(planted(rng, frames, columns, max(1, columns // 8)))
    for split in (noise, unrelated):
        doubt = next(doubt for doubt in split.status.doubts if doubt.kind == "predicts_nothing")
        assert doubt.severe and doubt.measure["predicted"] < LIMIT
        assert split.summary()["doubts"][0]["finding"].startswith("Meaningless split: the base predicts")
    assert related.prediction.predicted > 2 * LIMIT
    assert not any(doubt.severe for doubt in related.status.doubts)


@pytest.mark.parametrize("seed", range(3))
def test_fewer_frames_say_what_all_frames_say(monkeypatch, seed):
    rng, cells = np.random.default_rng(seed), 32_000
    common = planted(rng, 4000, 8, 2)
    tables = {
        "shared": common,
        "weakly shared": common + 5 * rng.standard_normal(common.shape),
        "unrelated": 4 * smooth(rng, 4000, 8) + rng.standard_normal((4000, 8)),
        "noise": rng.standard_normal((4000, 8)),
    }
    monkeypatch.setattr(prediction, "CELLS", cells)
    monkeypatch.setattr(prediction, "LONG", 1000)
    for kind, table in tables.items():
        told = []
        for few in (cells // 4, cells):
            monkeypatch.setattr(prediction, "FEW", few)
            told.append(ra.decompose(table, lags=1).prediction)
        first, whole = told
        said = [(found.doubt() is None, found.predicted < KNOWN) for found in told]
        assert said[0] == said[1], kind
        assert (first != whole) == (kind == "shared"), f"{kind}: all frames are asked where few are not clear"
        assert kind != "shared" or abs(first.predicted - whole.predicted) < 0.1


def test_few_frames_of_a_wide_table_are_not_asked_alone(monkeypatch):
    table = planted(np.random.default_rng(0), 700, 160, 4)
    whole = ra.decompose(table).prediction
    monkeypatch.setattr(prediction, "FEW", 300 * 160)
    assert ra.decompose(table).prediction == whole


def test_the_check_can_be_left_out_and_changes_nothing_else():
    values = np.random.default_rng(0).standard_normal((300, 10))
    asked, unasked = ra.decompose(values), ra.decompose(values, check=False)
    assert unasked.prediction is None and not unasked.status.severe
    assert unasked.summary()["predicted"] is None
    assert np.array_equal(asked.base_values, unasked.base_values)
    assert ra.decompose(values).prediction == asked.prediction


def test_an_exact_split_with_many_outliers_is_not_meaningless():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((240, 2)) @ rng.standard_normal((2, 120))
    values = truth + np.where(rng.random(truth.shape) < 0.4, rng.uniform(-20, 20, truth.shape), 0)
    split = ra.decompose(values, noise=None)
    assert np.linalg.norm(split.base_values - truth) < 0.05 * np.linalg.norm(truth)
    assert split.prediction.predicted > 0.9 and np.mean(split.transient_values != 0) > 0.3
    assert not any(doubt.severe for doubt in split.status.doubts)


def test_advice_is_a_choice_that_predicts_or_none():
    rng = np.random.default_rng(0)
    units = planted(rng, 300, 6, 1)
    table = pd.DataFrame(units, columns=[f"AU{i:02}_r" for i in (1, 2, 4, 6, 12, 25)])
    assert advise(from_frame(table)).predicted > LIMIT
    points = pd.DataFrame(rng.standard_normal((300, 68)), columns=[f"x_{i}" for i in range(68)])
    mixed = from_frame(pd.concat([table, points], axis=1))
    assert advise(mixed).features == ("AU_r",)
    noise = advise(from_frame(points))
    assert noise.features is None and noise.doubt.kind == "predicts_nothing"


def test_inspect_sends_nobody_to_an_empty_result(tmp_path, capsys):
    from rpca_affect.cli.inspecting import show_recording

    rng = np.random.default_rng(0)
    for name, values in (("noise", rng.standard_normal((300, 20))), ("face", planted(rng, 300, 20, 2))):
        np.save(tmp_path / f"{name}.npy", values)
    show_recording(tmp_path / "noise.npy", {}, as_json=True)
    noise = json.loads(capsys.readouterr().out)
    assert noise["suggested_command"] is None and noise["doubt"]["kind"] == "predicts_nothing"
    assert "--features" in noise["doubt"]["remedy"], "in the words of the shell"
    show_recording(tmp_path / "face.npy", {}, as_json=False)
    shown = capsys.readouterr().out
    assert "rpca-affect decompose" in shown and "predicted" in shown
