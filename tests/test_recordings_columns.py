"""Columns that say when, who, how sure and how much in ways of their own: clocks in two, turns, triples, units."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_tables import FRAMES, NAMES, measured, said
from typer.testing import CliRunner

from rpca_affect.cli.app import app
from rpca_affect.recordings import from_frame, read
from rpca_affect.refusals import Notice

# ---------------------------------------------------------------- when


@given(
    st.integers(0, 1_800_000_000),
    st.sampled_from([(1e3, "msec"), (1e6, "usec"), (1e6, "microseconds"), (1e9, "nsecs"), (1e9, "nanosec")]),
    st.sampled_from(["", "tv_", "header.stamp.", "time_", "sensor "]),
    st.sampled_from([10.0, 25.0, 30.0]),
)
@settings(max_examples=25, deadline=None)
def test_seconds_and_their_fractions_in_two_columns_are_one_time(start, fraction, before, rate):
    per_second, called = fraction
    seconds = np.arange(FRAMES) / rate + 0.3
    table = measured().assign(
        **{
            f"{before}sec": start + np.floor(seconds).astype(int),
            f"{before}{called}": np.round(per_second * (seconds % 1)).astype(int) % int(per_second),
        }
    )
    recording = from_frame(table)
    assert recording.feature_names == tuple(NAMES) and recording.sequence_id is None
    assert recording.fps == pytest.approx(rate, rel=0.01) and "read as one time" in said(recording)
    assert np.ptp(recording.time) == pytest.approx(np.ptp(seconds), abs=2e-3)


def test_two_whole_clocks_are_not_added():
    seconds = np.arange(FRAMES) / 30
    recording = from_frame(measured().assign(elapsed_s=seconds, elapsed_ms=np.round(1000 * seconds)))
    assert np.allclose(recording.time, seconds, atol=1e-3)


@pytest.mark.parametrize("name", ["perf_counter", "Sample counter", "n"])
def test_a_clock_called_a_counter_is_a_clock(name):
    recording = from_frame(measured().assign(**{name: 98123.456 + np.arange(FRAMES) / 30}))
    assert recording.feature_names == tuple(NAMES) and recording.fps == pytest.approx(30)


@pytest.mark.parametrize("name", ["time_to_blink", "onset_strength", "start_x", "end_y", "Offset x"])
def test_what_a_name_ends_in_says_whether_it_is_a_time(name):
    wave = np.sin(np.arange(FRAMES) / 9) + 2
    recording = from_frame(measured().assign(**{name: wave}))
    assert recording.n_features == 5 and recording.fps is None and recording.sequence_id is None


@pytest.mark.parametrize("name", ["fps", "Frame Rate", "video_fps"])
def test_a_rate_in_every_row_is_used_where_no_column_holds_times(name):
    recording = from_frame(measured().assign(frame=range(FRAMES), **{name: 24}))
    assert recording.fps == 24 and recording.feature_names == tuple(NAMES)


@pytest.mark.parametrize("line", ["Frame Time: 0.04", "Sampling interval: 0.040", "Frame rate: 25", "FPS: 25.0"])
def test_a_line_that_states_a_number_names_no_columns(tmp_path, line):
    """Motion capture in BVH: three cells of blanks above rows of three numbers."""
    rows = [" ".join(map(str, row[:3])) for row in measured().to_numpy()]
    (tmp_path / "motion.bvh").write_text("\n".join(["MOTION", f"Frames: {FRAMES}", line, *rows]))
    recording = read(tmp_path / "motion.bvh")
    assert np.array_equal(recording.values, measured().iloc[:, :3]) and recording.fps == pytest.approx(25)


@pytest.mark.parametrize("most", [1, 100])
def test_a_time_as_a_share_of_the_whole_is_said(most):
    share = np.linspace(0, most, FRAMES)
    assert "share of the whole" in said(from_frame(measured().assign(time=share)))
    assert "share of the whole" not in said(from_frame(measured().assign(time=share + 0.01)))


def test_a_notice_names_an_argument_in_python_and_a_flag_in_the_shell(tmp_path):
    table = measured().assign(time=range(FRAMES), yaw=np.linspace(300, 500, FRAMES) % 360)
    table.to_csv(tmp_path / "table.csv", index=False)
    notices = pickle.loads(pickle.dumps(read(tmp_path / "table.csv").notices))
    assert {"set fps.", "out (drop)."} <= {" ".join(notice.split()[-2:]) for notice in notices}
    named = [notice.sentence("shell") for notice in notices if isinstance(notice, Notice)]
    assert {"set --fps.", "out (--drop)."} <= {" ".join(notice.split()[-2:]) for notice in named}
    shown = CliRunner().invoke(app, ["inspect", str(tmp_path / "table.csv")], env={"COLUMNS": "400"}).stdout
    assert "set --fps." in shown and "(--drop)" in shown


@pytest.mark.parametrize(("header", "rows"), [(";", ","), ("\t", ","), (",", "\t"), (",", ";")])
def test_names_divided_by_another_mark_than_the_rows_are_kept(tmp_path, header, rows):
    body = [rows.join(map(str, row)) for row in measured().to_numpy()]
    (tmp_path / "table.csv").write_text("\n".join([header.join(NAMES), *body]))
    recording = read(tmp_path / "table.csv")
    assert recording.feature_names == tuple(NAMES) and np.array_equal(recording.values, measured())
    assert "another mark" in said(recording)


# ---------------------------------------------------------------- who


@given(st.integers(2, 5), st.integers(0, 99), st.booleans())
@settings(max_examples=15, deadline=None)
def test_sources_whose_rows_take_turns_are_kept_apart(sources, seed, timed):
    tables = [measured(seed=seed + k).assign(view=f"view {'abcde'[k]}") for k in range(sources)]
    for k, table in enumerate(tables):
        table["time"] = (np.arange(FRAMES) + k / sources) / 30
    joined = pd.concat(tables).sort_values("time", ignore_index=True)
    recording = from_frame(joined if timed else joined.drop(columns="time"))
    assert len(set(recording.sequence_id)) == sources and "told apart by view" in said(recording)
    assert recording.fps is None or recording.fps == pytest.approx(30)
    for k in range(sources):
        assert np.array_equal(recording.values[recording.sequence_id == k], tables[k][NAMES])


@given(st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_a_label_that_changes_at_will_is_no_source(seed):
    label = np.random.default_rng(seed).choice(["calm", "tense"], FRAMES)
    assert from_frame(measured().assign(mood_word=label)).sequence_id is None
    blocks = np.repeat(["calm", "tense"], FRAMES // 2)
    assert from_frame(measured().assign(mood_word=blocks, time=np.arange(FRAMES) / 25)).sequence_id is None


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["x", "y", "width", "height"], 4),
        (["Box.x", "Box.y", "Box.Width", "Box.Height"], 4),
        (["y", "brow", "cheek", "jaw"], 3),  # a label
        (["height", "brow", "cheek", "jaw"], 3),  # a person's
        (["frame_width", "frame_height", "brow", "cheek"], 2),  # a picture's
    ],
)
def test_sides_and_places_of_a_box_are_features(names, kept):
    assert from_frame(measured().set_axis(names, axis=1)).n_features == kept


# ---------------------------------------------------------------- how sure


def points(form: str, places: np.ndarray, sure: np.ndarray) -> pd.DataFrame:
    """Places of shape (n_frames, n_points, 2) and how sure they are, as programs name them."""
    found = {}
    for k in range(sure.shape[1]):
        both = {"x": places[:, k, 0], "y": places[:, k, 1]}
        if form == "triples":
            cells = (*both.values(), sure[:, k])
            found |= {f"face_keypoints_2d_{3 * k + j}": cell for j, cell in enumerate(cells)}
        elif form == "lists":
            found |= {f"keypoints_{k}_{j}": cell for j, cell in enumerate(both.values())}
            found[f"keypoint_scores_{k}"] = sure[:, k]
        elif form == "numbered":
            found |= {f"{axis}_{k}": cell for axis, cell in both.items()} | {f"confidence_{k}": sure[:, k]}
        else:
            found |= {f"landmarks_{k}.{axis}": cell for axis, cell in both.items()}
            found |= {f"landmarks_{k}.visibility": np.ones(len(sure)), f"landmarks_{k}.presence": sure[:, k]}
    return pd.DataFrame(found)


@given(st.integers(0, 99), st.sampled_from(["triples", "lists", "numbered", "named"]), st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_confidences_of_points_are_no_features_and_mask_their_places(seed, form, n_points):
    rng = np.random.default_rng(seed)
    places = rng.uniform(100, 500, (FRAMES, n_points, 2))
    sure = np.where(rng.random((FRAMES, n_points)) < 0.1, rng.uniform(0, 0.5, (FRAMES, n_points)), 0.95)
    recording = from_frame(points(form, places, sure))
    assert np.array_equal(recording.values, places.reshape(FRAMES, -1))
    assert np.array_equal(recording.mask, np.repeat(sure >= 0.8, 2, axis=1))


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(
            (name, 1)
            for name in ("face_not_found", "not_detected", "no_face", "NoFace", "no detection", "is_not_valid")
        ),
        *((name, 1) for name in ("without_face", "tracking_not_ok", "invalid", "lost")),
        *(
            (name, 0)
            for name in ("no_faces", "No of Faces", "face_not_lost", "not_missing", "valid", "Gesicht gefunden")
        ),
    ],
)
@pytest.mark.parametrize("words", [False, True])
def test_a_name_that_denies_turns_its_flag_over(name, bad, words):
    lost = np.arange(FRAMES) % 10 == 0
    flag = lost if bad else ~lost
    cells = np.where(flag, "Yes", "No") if words and "of" not in name and name != "no_faces" else flag.astype(int)
    recording = from_frame(measured().assign(**{name: cells}))
    assert recording.n_features == 4 and np.array_equal(recording.mask, np.repeat(~lost[:, None], 4, axis=1))


def test_third_numbers_that_are_no_confidences_are_features():
    values = np.random.default_rng(0).uniform(0, 9, (FRAMES, 9))
    assert from_frame(pd.DataFrame(values).add_prefix("keypoints_")).n_features == 9
    values[:, 2::3] /= 9
    assert from_frame(pd.DataFrame(values).add_prefix("embedding_")).n_features == 9


def test_the_presence_of_a_smile_is_no_confidence():
    smile = measured().set_axis(["smile_intensity", "smile_presence", "frown_intensity", "frown_presence"], axis=1)
    assert from_frame(smile).mask.all() and from_frame(smile).n_features == 4


@given(st.integers(0, 99), st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_rotations_whose_sign_turns_over_are_said(seed, before):
    rng = np.random.default_rng(seed)
    turn = np.cumsum(rng.normal(scale=0.02, size=(FRAMES, 4)), axis=0) + [1, 0.2, 0.1, 0]
    turn /= np.linalg.norm(turn, axis=1)[:, None]
    names = ["qw", "qx", "qy", "qz"]
    whole = pd.concat([measured().iloc[:, :before], pd.DataFrame(turn, columns=names)], axis=1)
    assert "quaternion" not in said(from_frame(whole))
    whole.loc[40:70, names] *= -1
    assert "qw, qx, qy, qz are a rotation as a quaternion, and all change their sign 2 times" in said(from_frame(whole))


# ---------------------------------------------------------------- how much


@given(
    st.integers(0, 99),
    st.sampled_from(["mm", " px", "°", " deg", "µV", " m/s²", " cm^2", "Hz"]),
    st.sampled_from([".", ","]),
)
@settings(max_examples=25, deadline=None)
def test_one_unit_behind_every_number_changes_no_number(tmp_path_factory, seed, unit, mark):
    table = 100 * measured(seed=seed) - 50
    path = tmp_path_factory.mktemp("units") / "table.csv"
    table.map(lambda cell: f"{cell:.2f}{unit}".replace(".", mark, 1)).to_csv(path, sep=";", index=False)
    recording = read(path)
    assert np.allclose(recording.values, table.round(2)) and f"followed by {unit.strip()!r}" in said(recording)


@pytest.mark.parametrize("last", ["1.5 cm", "1.5", "mm"])
def test_numbers_in_two_units_are_not_read(tmp_path, last):
    cells = measured().map(lambda cell: f"{cell:.2f} mm")
    cells.iloc[-1, 1] = last
    cells.to_csv(tmp_path / "table.csv", index=False)
    recording = read(tmp_path / "table.csv")
    assert recording.feature_names == ("brow", "jaw", "lips") and "text are passed through: cheek" in said(recording)


@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.replace(".", "٫").translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        lambda text: text.translate(str.maketrans("0123456789.", "０１２３４５６７８９．")),
        lambda text: f"{float(text):.5E}".replace("E", "D"),
        lambda text: f"{float(text):.5E}".replace("E", "d"),
    ],
)
def test_digits_and_exponents_of_others_change_no_number(tmp_path, write):
    table = measured()
    rows = [";".join(NAMES), *(";".join(write(f"{cell:.4f}") for cell in row) for row in table.to_numpy())]
    (tmp_path / "table.csv").write_text("\n".join(rows), encoding="utf-8")
    assert np.allclose(read(tmp_path / "table.csv").values, table)


@pytest.mark.parametrize(
    "word", ["(null)", "--undefined--", "[missing]", "<NaN>", "{none}", "1.#INF", "-1.#J", "nan(0x8)"]
)
def test_words_for_nothing_in_brackets_and_between_dashes(tmp_path, word):
    cells = measured().astype(str)
    cells.iloc[50, 1] = word
    cells.to_csv(tmp_path / "table.csv", index=False)
    recording = read(tmp_path / "table.csv")
    assert (~recording.mask).sum() == 1 and not recording.mask[50, 1]
