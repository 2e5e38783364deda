"""Tables that say a known thing in another way: where the key stands, what stands for nothing, which way is up."""

import json
import shlex
import zipfile
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from rpca_affect.cli.app import app
from rpca_affect.recordings import RecordingError, describe, read
from rpca_affect.session.advice import advise

AUS = [f"AU{number:02d}_r" for number in (1, 2, 4, 6, 12)]
FRAMES = 60


def intensities(seed: int = 0, frames: int = FRAMES) -> pd.DataFrame:
    """Action units from 0 to 5, with four decimals."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.uniform(0.2, 4.8, (frames, len(AUS))).round(4), columns=AUS)


def timed(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(time=np.arange(len(table)) / 25)[["time", *table.columns]]


def said(recording) -> str:
    return " ".join(recording.notices)


# ---------------------------------------------------------------- keys, and the command that inspect suggests


def _workbook(folder, people):
    pytest.importorskip("openpyxl")
    path = folder / "book.xlsx"
    with pd.ExcelWriter(path) as book:
        people.to_excel(book, sheet_name="Data", index=False)
        pd.DataFrame({"note": ["x"]}).to_excel(book, sheet_name="Notes", index=False)
    return path, "Data"


def _archive(folder, people):
    path = folder / "archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", people.to_csv(index=False))
        archive.writestr("b.csv", people.iloc[::-1].to_csv(index=False))
    return path, "a.csv"


def _single(folder, people):
    path = folder / "single.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("single.csv", people.to_csv(index=False))
    return path, None


def _entries(folder, people):
    path = folder / "entries.json"
    path.write_text(json.dumps({"info": "x", "rows": people.to_dict("records")}))
    return path, "rows"


def _packed(folder, people):
    path = folder / "packed.tsv.gz"
    people.to_csv(path, sep="\t", index=False)
    return path, None


@pytest.mark.parametrize("make", [_workbook, _archive, _single, _entries, _packed])
def test_a_key_names_a_part_of_the_file_and_columns(tmp_path, make):
    people = pd.concat([timed(intensities(seed)).assign(who=f"p{seed}") for seed in range(3)])
    path, part = make(tmp_path, people)
    keys = [part, "who"] if part else ["who"]
    recording = read(path, key=keys)
    assert recording.meta["keys"] == ("who",) and len(set(recording.sequence_id)) == 3
    np.testing.assert_array_equal(recording.values, people[AUS].to_numpy())
    with pytest.raises(ValueError, match="has no column 'nobody'"):
        read(path, key=[*keys, "nobody"])


@pytest.mark.parametrize("make", [_workbook, _archive, _single, _entries, _packed])
@pytest.mark.parametrize(
    "options", [{}, {"key": "who"}, {"fps": 30.0, "drop": ["AU01_r", "AU02_r"], "missing": ["-7"]}]
)
def test_the_suggested_command_reads_the_same_recording(tmp_path, make, options, monkeypatch):
    people = pd.concat([timed(intensities(seed)).assign(who=f"p{seed}") for seed in range(2)])
    path, part = make(tmp_path, people)
    if part == "a.csv":
        options = options | {"key": ",".join([part, *([options["key"]] if "key" in options else [])])}
    recording = read(path, **options)
    words = shlex.split(describe(recording)["suggested_command"])
    assert words[:2] == ["rpca-affect", "decompose"]
    start, end = words.index("-o"), words.index("--report")
    looked = CliRunner().invoke(app, ["inspect", *words[2:start], *words[end + 1 :], "--json"])
    assert looked.exit_code == 0, looked.output
    again = json.loads(looked.stdout)
    now = json.loads(json.dumps(describe(recording)))
    assert {k: again[k] for k in ("n_frames", "n_features", "n_sequences", "fps", "roles")} == {
        k: now[k] for k in ("n_frames", "n_features", "n_sequences", "fps", "roles")
    }
    assert (words[start + 1]) == f"{path.name.split('.')[0]}_split"


# ---------------------------------------------------------------- which way is up


@pytest.mark.parametrize(
    "keys", [["frame"], ["time"], ["subject", "frame"], ["frame", "time"], ["subject", "face", "time"]]
)
@pytest.mark.parametrize("by_feature", [True, False])
def test_long_form_with_any_number_of_keys(tmp_path, keys, by_feature):
    table = intensities()
    stamps = {"frame": np.arange(FRAMES), "time": np.arange(FRAMES) / 25, "subject": "p1", "face": 0}
    rows = table.assign(**{key: stamps[key] for key in keys}).melt(keys, var_name="feature", value_name="value")
    if not by_feature:
        rows = rows.sort_values(keys[-1], kind="stable")
    path = tmp_path / "long.csv"
    rows.to_csv(path, index=False)
    recording = read(path)
    np.testing.assert_array_equal(recording.values, table.to_numpy())
    assert recording.feature_names == tuple(AUS) and "long form" in said(recording)


@pytest.mark.parametrize("stamps", [np.arange(FRAMES), np.arange(FRAMES) / 25, np.arange(FRAMES) + 1])
@pytest.mark.parametrize("corner", ["", "feature"])
@pytest.mark.parametrize("names", [AUS, ["jawOpen", "mouthSmileLeft", "browInnerUp", "eyeBlinkLeft", "mine"]])
def test_a_table_with_a_feature_in_each_row_is_turned_over(tmp_path, stamps, corner, names):
    table = intensities() / 5
    turned = table.set_axis(names, axis=1).set_axis(stamps, axis=0).T
    turned.iloc[2, 5] = np.nan
    path = tmp_path / "turned.csv"
    turned.to_csv(path, index_label=corner)
    recording = read(path)
    assert recording.feature_names == tuple(names) and recording.n_frames == FRAMES
    np.testing.assert_array_equal(recording.values, turned.to_numpy().T)
    assert recording.mask.sum() == recording.mask.size - 1 and "turned over" in said(recording)


@pytest.mark.parametrize("column", [list("abcde"), ["AU01_r"] * 5, ["clip_1", "clip_2", "clip_3", "clip_4", "clip_5"]])
def test_rows_with_a_name_in_front_stay_rows(tmp_path, column):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(5, 40)))
    table.insert(0, "name", column)
    path = tmp_path / "rows.csv"
    table.to_csv(path, index=False)
    assert read(path).n_frames == 5


# ---------------------------------------------------------------- numbers and words for nothing


@given(st.sampled_from([-1, -2, -9, -99, 99, 999, -100]), st.integers(3, 40), st.integers(0, 9))
@example(-99, 4, 1)  # one of them alone in its column
@settings(max_examples=30, deadline=None)
def test_a_number_that_no_program_writes_is_a_missing_cell(tmp_path_factory, code, cells, seed):
    table = intensities(seed)
    rng = np.random.default_rng(seed)
    where = np.unravel_index(rng.choice(table.size, cells, replace=False), table.shape)
    values = table.to_numpy(copy=True)
    values[where] = code
    path = tmp_path_factory.mktemp("codes") / "a.csv"
    timed(pd.DataFrame(values, columns=AUS)).to_csv(path, index=False)
    recording = read(path)
    lost = np.zeros(values.shape, dtype=bool)
    lost[where] = True
    np.testing.assert_array_equal(recording.mask, ~lost)
    assert f" {code}" in said(recording)


@pytest.mark.parametrize(
    "change", [lambda x: x * 20, lambda x: (x * 20).round(), lambda x: x - 2.5, lambda x: x.clip(0, 3) * 2]
)
def test_other_units_are_no_missing_cells(tmp_path, change):
    path = tmp_path / "a.csv"
    timed(change(intensities())).to_csv(path, index=False)
    assert read(path).mask.all()


@pytest.mark.parametrize("word", ["n.a.", "N.A.", "n.d.", "k.A.", "n/a", "N.a", "n. a."])
@pytest.mark.parametrize("rows", [True, False])
def test_abbreviations_that_come_back_are_missing_cells(tmp_path, word, rows):
    table = intensities().astype(object)
    lost = np.zeros(table.shape, dtype=bool)
    if rows:
        lost[::7] = True
    else:
        lost[np.random.default_rng(0).random(table.shape) < 0.1] = True
    path = tmp_path / "a.csv"
    timed(table.mask(lost, word)).to_csv(path, index=False)
    np.testing.assert_array_equal(read(path).mask, ~lost)


@pytest.mark.parametrize("word", ["1.2.3", "n.a.", "soso", "O.5"])
def test_a_single_word_among_numbers_is_refused_with_its_place(tmp_path, word):
    table = timed(intensities().astype(object))
    table.loc[10, "AU04_r"] = word
    path = tmp_path / "a.csv"
    table.to_csv(path, index=False)
    with pytest.raises(RecordingError, match="line 12, column 'AU04_r' holds"):
        read(path)


# ---------------------------------------------------------------- headers, rates, clocks, quality


@given(st.lists(st.integers(1, FRAMES - 1), min_size=1, max_size=4, unique=True), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=20, deadline=None)
def test_headers_that_come_again_are_left_out_and_named(tmp_path_factory, places, end):
    table = timed(intensities())
    rows = table.to_csv(index=False).splitlines()
    for place in sorted(places, reverse=True):
        rows.insert(place + 1, rows[0])
    path = tmp_path_factory.mktemp("headers") / "a.csv"
    path.write_bytes(end.join([*rows, ""]).encode())
    recording = read(path)
    np.testing.assert_array_equal(recording.values, table[AUS].to_numpy())
    for i, place in enumerate(sorted(places)):
        assert str(place + 2 + i) in said(recording)


@pytest.mark.parametrize("line", ["# fps: 25", "Frame rate;25", "sampling_rate = 25.0 Hz", "Video frame rate: 25,0"])
def test_a_rate_above_the_header_is_used_where_no_column_holds_times(tmp_path, line):
    path = tmp_path / "a.csv"
    path.write_text(f"{line}\n{intensities().to_csv(index=False)}")
    recording = read(path)
    assert recording.fps == pytest.approx(25) and "25 frames per second" in said(recording)
    assert read(path, fps=50).fps == 50
    path.write_text(f"{line}\n{timed(intensities()).assign(time=np.arange(FRAMES) / 10).to_csv(index=False)}")
    assert read(path).fps == pytest.approx(10)


@given(
    st.lists(st.sampled_from([0, 60, 120, -300, 330]), min_size=FRAMES, max_size=FRAMES), st.sampled_from(["T", " "])
)
@settings(max_examples=20, deadline=None)
def test_offsets_from_utc_move_no_frame(tmp_path_factory, minutes, between):
    start = datetime(2024, 3, 31, 0, 59, 58, tzinfo=UTC)
    stamps = [
        (start + timedelta(milliseconds=40 * i)).astimezone(timezone(timedelta(minutes=east)))
        for i, east in enumerate(minutes)
    ]
    table = intensities().assign(when=[stamp.isoformat(sep=between, timespec="milliseconds") for stamp in stamps])
    path = tmp_path_factory.mktemp("offsets") / "a.csv"
    table.to_csv(path, index=False)
    recording = read(path)
    np.testing.assert_allclose(recording.time, np.arange(FRAMES) / 25, atol=1e-6)


@pytest.mark.parametrize("name", ["FaceQuality (%)", "confidence [%]", "Quality_pct", "tracking confidence percent"])
def test_quality_in_per_cent_is_no_feature(tmp_path, name):
    good = np.random.default_rng(0).random(FRAMES) > 0.2
    path = tmp_path / "a.csv"
    timed(intensities()).assign(**{name: np.where(good, 97.5, 3.0)}).to_csv(path, index=False)
    recording = read(path)
    assert recording.feature_names == tuple(AUS)
    np.testing.assert_array_equal(recording.mask.all(axis=1), good)


def test_frames_stand_still_within_their_own_sequence(tmp_path):
    one = timed(intensities()).assign(frame=range(FRAMES))
    frozen = one.assign(**{name: one[name].where(one.frame <= 20).ffill() for name in AUS})
    path = tmp_path / "a.csv"
    for second, repeats in ((one, False), (frozen, True)):
        both = pd.concat([one.assign(face_id=0), second.assign(face_id=1)])
        both.sort_values(["frame", "face_id"]).to_csv(path, index=False)
        assert (f"{FRAMES - 21} frames" in said(read(path))) == repeats == ("repeat" in said(read(path)))


@pytest.mark.parametrize("name", ["hr", "HR", "min", "h", "day", "s", "ms"])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_column_called_like_a_unit_is_a_time_only_where_it_runs(tmp_path, name, rounded):
    beats = 70 + np.random.default_rng(0).normal(size=FRAMES).cumsum()
    path = tmp_path / "a.csv"
    timed(intensities()).assign(**{name: beats.round() if rounded else beats}).to_csv(path, index=False)
    assert name in read(path).feature_names


@pytest.mark.parametrize("name", ["emotion_code", "code", "gesture id", "id", "word name"])
@pytest.mark.parametrize("text", [False, True])
def test_what_changes_from_frame_to_frame_is_no_key(tmp_path, name, text):
    frames = 200
    codes = np.random.default_rng(0).integers(0, 5, frames)
    path = tmp_path / "a.csv"
    table = timed(intensities(frames=frames))
    table.assign(**{name: [f"w{code}" for code in codes] if text else codes}).to_csv(path, index=False)
    recording = read(path)
    assert recording.sequence_id is None and recording.feature_names == tuple(AUS)
    two = pd.concat([table.assign(**{"face id": face}) for face in (0, 1)]).sort_values("time", kind="stable")
    two.to_csv(path, index=False)
    assert len(set(read(path).sequence_id)) == 2


def test_nobody_is_sent_to_split_zeros_and_ones(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "a.csv"
    noise = pd.DataFrame(rng.uniform(0.1, 4.9, (300, 5)), columns=AUS)
    steps = np.sin(np.arange(300) / 30) > 0
    timed(noise).assign(speaking=steps * 1, looking=~steps * 1, nodding=np.roll(steps, 9) * 1).to_csv(path, index=False)
    assert advise(read(path)).features is None


@pytest.mark.parametrize("line", ["# pause", "#", "% the light changed", "# a, b"])
@pytest.mark.parametrize("places", [[5], [1, 2, 40]])
def test_comments_among_the_rows_are_left_out_and_named(tmp_path, line, places):
    table = timed(intensities())
    rows = table.to_csv(index=False).splitlines()
    for place in reversed(places):
        rows.insert(place, line)
    path = tmp_path / "a.csv"
    path.write_text("\n".join([*rows, ""]))
    recording = read(path)
    np.testing.assert_array_equal(recording.values, table[AUS].to_numpy())
    assert all(str(place + 1 + i) in said(recording) for i, place in enumerate(places)) and "comment" in said(recording)
    path.write_text("\n".join(rows[1:]) + "\n")  # without a header as well
    np.testing.assert_array_equal(read(path).values, table[AUS].to_numpy())


@pytest.mark.parametrize("tail", [b"\x1a", b"\x00" * 7, b"\x00" * 100_000, b"\x1a\x00\x00"])
@pytest.mark.parametrize("frames", [FRAMES, 5000])
def test_zeros_behind_the_last_row_are_no_data(tmp_path, tail, frames):
    table = timed(intensities(frames=frames))
    path = tmp_path / "a.csv"
    path.write_bytes(table.to_csv(index=False).encode() + tail)
    recording = read(path)
    np.testing.assert_array_equal(recording.values, table[AUS].to_numpy())
    assert ("bytes of zeros" in said(recording)) == (b"\x00" in tail)


@pytest.mark.parametrize("orient", ["split", "records", "index", "columns", "table"])
def test_json_of_pandas_keeps_the_names(tmp_path, orient):
    table = timed(intensities())
    path = tmp_path / "a.json"
    table.to_json(path, orient=orient)
    recording = read(path)
    assert recording.feature_names == tuple(AUS) and recording.fps == pytest.approx(25)
    np.testing.assert_allclose(recording.values, table[AUS].to_numpy())


def test_an_array_that_may_lie_on_its_side_says_so(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.random.default_rng(0).normal(size=(6, 300)))
    assert "transpose" in said(read(path))
    np.save(path, np.random.default_rng(0).normal(size=(300, 6)))
    assert "transpose" not in said(read(path))
