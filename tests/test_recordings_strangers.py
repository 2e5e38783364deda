"""Tables as other people's programs write them: signs in numbers, units, summaries, clocks; read right, or refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.recordings import RecordingError, read, recordings_in

NAMES = ("browUp", "smile", "jawOpen", "headYaw", "headPitch")
FRAMES = 60


def table(seed: int, scale: float = 1.0, decimals: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=(FRAMES, len(NAMES))).cumsum(axis=0)).round(decimals)


def written(path, cells, clock=None, head="time", separator=",", above=(), below=()):
    """A table with a column of times; cells and times are texts."""
    clock = [f"{i / 30:.3f}" for i in range(FRAMES)] if clock is None else clock
    rows = [separator.join([head, *NAMES]), *(separator.join([when, *row]) for when, row in zip(clock, cells))]
    path.write_text("\n".join([*above, *rows, *below]) + "\n", encoding="utf-8")
    return path


def said(recording) -> str:
    return " ".join(recording.notices)


@given(
    st.integers(0, 99),
    st.sampled_from(["\u00a0", "\u202f", "\u2009", "'", "\u2019"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["-", "\u2212"]),
)
@settings(max_examples=25, deadline=None)
def test_signs_between_digits_change_no_number(tmp_path_factory, seed, blank, mark, minus):
    values = table(seed, 30_000.0, 2)
    swap = str.maketrans({",": blank, ".": mark, "-": minus})
    cells = [[f"{value:,.2f}".translate(swap) for value in row] for row in values]
    clock = [f"{i / 30:.3f}".replace(".", mark) for i in range(FRAMES)]
    path = written(tmp_path_factory.mktemp("signs") / "a.csv", cells, clock, separator=";")
    recording = read(path)
    assert recording.feature_names == NAMES and recording.fps == pytest.approx(30, rel=1e-3)
    np.testing.assert_array_equal(recording.values, values)
    assert "taken out" in said(recording)


@pytest.mark.parametrize("sign", ["%", " %", "\u00a0%"])
@pytest.mark.parametrize("mark", [".", ","])
def test_signs_of_per_cent_are_taken_off_and_said(tmp_path, sign, mark):
    values = table(1, 3.0, 1)
    cells = [[f"{value:.1f}".replace(".", mark) + sign for value in row] for row in values]
    clock = [f"{i / 30:.3f}".replace(".", mark) for i in range(FRAMES)]
    recording = read(written(tmp_path / "a.csv", cells, clock, separator=";"))
    np.testing.assert_array_equal(recording.values, values)
    assert "per cent" in said(recording)


def test_words_with_the_same_signs_stay_as_they_are(tmp_path):
    cells = [[f"{value:.3f}" for value in row] for row in table(2)]
    for row in cells:
        row[2] = "it's 5% of o'clock"
    recording = read(written(tmp_path / "a.csv", cells))
    assert set(recording.meta["passthrough"]["jawOpen"]) == {"it's 5% of o'clock"}
    assert "per cent" not in said(recording) and "apostrophes" not in said(recording)


@pytest.mark.parametrize("units", ["s,mm,mm,px,deg,deg", "[s],[a.u.],[a.u.],[a.u.],[deg],[deg]", "sec,%,%,%,rad,rad"])
def test_units_that_repeat_below_the_names_are_no_second_name(tmp_path, units):
    values = table(3)
    path = written(tmp_path / "a.csv", [[f"{value:.3f}" for value in row] for row in values])
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, units, *rows]) + "\n")
    recording = read(path)
    assert recording.feature_names == NAMES and "Line 2 holds units" in said(recording)
    np.testing.assert_array_equal(recording.values, values)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_rows_without_a_time_below_the_table_are_no_frames(tmp_path, count):
    values = table(4)
    summaries = [values.mean(axis=0), values.std(axis=0), values.min(axis=0), values.max(axis=0)][:count]
    below = ["," + ",".join(f"{value:.3f}" for value in row) for row in summaries]
    recording = read(written(tmp_path / "a.csv", [[f"{value:.3f}" for value in row] for row in values], below=below))
    assert len(recording.values) == FRAMES + count and "taken for a summary" in said(recording)
    assert not recording.mask[FRAMES:].any() and recording.mask[:FRAMES].all()


@pytest.mark.parametrize("word", ["Mean", "Mittelwert", "SD", "Total"])
def test_named_summaries_below_the_table_are_left_out_with_their_line(tmp_path, word):
    below, values = [word + ",1.5" * len(NAMES)], table(5)
    rows = [[f"{value:.3f}" for value in row] for row in values]
    recording = read(written(tmp_path / "a.csv", rows, below=below))
    assert f"Line {FRAMES + 2} below the table ('{word}')" in said(recording)
    np.testing.assert_array_equal(recording.values, values)
    path = written(tmp_path / "b.csv", rows, below=[*below, f"{FRAMES / 25:.2f}," + ",".join(rows[0])])
    with pytest.raises(RecordingError, match=f"line {FRAMES + 2}, column 'time' holds '{word}'"):
        read(path)


@given(st.sampled_from([24, 25, 30, 50, 60, 120]), st.integers(0, 23), st.integers(0, 58))
@settings(max_examples=25, deadline=None)
def test_thousandths_after_a_third_colon_are_no_frames(tmp_path_factory, rate, hour, minute):
    moments = [round(1000 * i / rate) for i in range(FRAMES)]
    clock = [f"{hour:02d}:{minute:02d}:{ms // 1000:02d}:{ms % 1000:03d}" for ms in moments]
    cells = [[f"{value:.3f}" for value in row] for row in table(6)]
    recording = read(written(tmp_path_factory.mktemp("clock") / "a.csv", cells, clock))
    np.testing.assert_allclose(recording.time - recording.time[0], np.array(moments) / 1000, atol=1e-9)
    assert "milliseconds" in said(recording)


def test_a_time_that_counts_rows_is_said(tmp_path):
    cells = [[f"{value:.3f}" for value in row] for row in table(7)]
    recording = read(written(tmp_path / "a.csv", cells, [str(i) for i in range(FRAMES)]))
    assert recording.fps == pytest.approx(1) and "if they count frames, set fps" in said(recording)
    seconds = read(written(tmp_path / "b.csv", cells, [str(i) for i in range(FRAMES)], head="time_s"))
    assert "if they count frames" not in said(seconds)


def test_numbers_that_nobody_can_read_are_named(tmp_path):
    """Not one column of numbers and six of text without names."""
    digits = str.maketrans("0123456789.", "abcdefghij,")
    cells = [[f"{value:.3f}".translate(digits) for value in row] for row in table(8)]
    with pytest.raises(RecordingError):
        read(written(tmp_path / "a.csv", cells, separator=";"))
    bare = tmp_path / "bare.csv"
    bare.write_text("".join(f"{i},x{i % 5},y{i % 3},z\n" for i in range(FRAMES)))
    with pytest.raises(RecordingError, match="line 1"):
        read(bare)


def test_features_of_a_program_that_hold_no_numbers_are_said(tmp_path):
    rows = [f"{i},{i / 30:.3f},0.98,1,0.{i % 9}1,007,0.{i % 7}3" for i in range(FRAMES)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["frame,timestamp,confidence,success,AU01_r,AU02_r,AU04_r", *rows]) + "\n")
    recording = read(path)
    assert recording.feature_names == ("AU01_r", "AU04_r") and "no numbers, and passed through: AU02_r" in said(
        recording
    )


def test_a_state_log_of_facereader_says_what_to_export(tmp_path):
    rows = [f"00:00:{i:02d}.000\t{word}" for i, word in enumerate(["Neutral", "Happy", "Unknown"] * 5)]
    head = "Video analysis state log\n\nFace Model\tGeneral\n\nVideo Time\tEmotion\n"
    (tmp_path / "a_state.txt").write_text(head + "\n".join(rows) + "\n")
    with pytest.raises(RecordingError, match=r"a_state.txt is a state log .* export the detailed log"):
        read(tmp_path / "a_state.txt")


def test_files_beside_a_take_are_left_out_with_a_note(tmp_path):
    from rpca_affect.recordings.formats import livelink

    take = tmp_path / "20240301_MySlate_1"
    take.mkdir()
    livelink.example(take, 0)
    for name in ("take.json", "video_metadata.json", "audio_metadata.json"):
        (take / name).write_text('{"version": 1}')
    (take / "frame_log.csv").write_text("time,kind\n0,V\n1,V\n")
    inside = recordings_in(tmp_path)
    assert [file.name for file in inside.files] == ["MySlate_1_iPhone.csv"] and len(inside.notes) == 4
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "frame_log.csv").write_text("time,AU12\n0,1\n1,2\n")
    assert "frame_log.csv" in [file.name for file in recordings_in(tmp_path / "other").files]


@pytest.mark.parametrize("word", ["1e999", "-inf", "1e300"])
@pytest.mark.parametrize("rows", [(0,), (10, 11), (5, 40), (0, 59)])
@pytest.mark.parametrize("head", ["time", "frame", "clock_us"])
def test_infinite_times_are_none_wherever_they_stand(tmp_path, word, rows, head):
    clock = [f"{i / 30:.3f}" if head == "time" else str(i * (1 if head == "frame" else 33_333)) for i in range(FRAMES)]
    for row in rows:
        clock[row] = word
    values = table(9)
    path = written(tmp_path / "a.csv", [[f"{value:.3f}" for value in row] for row in values], clock, head)
    try:
        recording = read(path)
    except RecordingError as error:
        assert "line" in str(error)
    else:
        kept = recording.values[:, [recording.feature_names.index(name) for name in NAMES]]
        assert np.isin(values, kept).all() and len(kept) == FRAMES
