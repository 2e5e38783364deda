"""Roles of columns: generated siblings of the tables that people have, with spellings, units, orders and decoys."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_tables import noticed, smooth

from rpca_affect.recordings import RecordingError, describe, from_array, from_frame

N, FPS = 120, 30.0


def role_of(recording, column):
    return next(role for role in recording.meta["roles"] if role["column"] == column)


def spelled(draw, words):
    """A name of the given words in one of the usual ways to write several."""
    style = draw(st.sampled_from(["snake", "camel", "Pascal", "blank", "dot", "UPPER", "R"]))
    return {
        "snake": "_".join(words),
        "camel": words[0] + "".join(w.title() for w in words[1:]),
        "Pascal": "".join(w.title() for w in words),
        "blank": " ".join(w.title() for w in words),
        "dot": ".".join(words),
        "UPPER": "_".join(words).upper(),
        "R": "X." + ".".join(words),
    }[style]


SECONDS = np.arange(N) / FPS


def _text(form):
    return [form(t) for t in SECONDS]


TIMES = {
    "s": SECONDS.round(4),
    "ms": (SECONDS * 1e3).round(1),
    "us": (SECONDS * 1e6).round(),
    "ns": (SECONDS * 1e9).round(),
    "unix s": 1.7e9 + SECONDS.round(4),
    "unix ms": (1.7e12 + SECONDS * 1e3).round(),
    "spreadsheet days": 45000.5 + SECONDS / 86400,
    "hh:mm:ss": _text(lambda t: f"00:{int(t // 60):02d}:{t % 60:06.3f}"),
    "mm:ss,s": _text(lambda t: f"{int(t // 60):02d}:{t % 60:06.3f}".replace(".", ",")),
    "ISO": _text(lambda t: str(pd.Timestamp("2024-03-01T10:00") + pd.Timedelta(t, "s"))),
    "German": _text(lambda t: f"01.03.2024 10:00:{t:06.3f}"),
    "American": _text(lambda t: f"3/1/2024 10:00:{t:06.3f} AM"),
    "SMPTE": [f"10:00:{i // 30:02d}:{i % 30:02d}" for i in range(N)],
    "amounts": _text(lambda t: f"{t * 1e3:.1f} ms"),
}
TIME_NAMES = [("time",), ("timestamp",), ("frame", "time"), ("video", "time"), ("media", "time"), ("time", "stamp"),
              ("elapsed", "time"), ("zeitstempel",), ("tiempo",), ("temps",)]  # fmt: skip


@st.composite
def timed_table(draw):
    kind = draw(st.sampled_from(sorted(TIMES)))
    name = spelled(draw, draw(st.sampled_from(TIME_NAMES)))
    if kind in ("s", "ms") and draw(st.booleans()):
        name += draw(st.sampled_from([f" ({kind})", f" [{kind}]", f"_{kind}", f"_in_{kind}"]))
    table = smooth()
    table.insert(draw(st.integers(0, len(table.columns))), name, TIMES[kind])
    if draw(st.booleans()):
        counter = spelled(draw, draw(st.sampled_from([("frame",), ("frame", "number"), ("row",), ("sample", "index")])))
        table.insert(draw(st.integers(0, len(table.columns))), counter, np.arange(N) + draw(st.integers(0, 1)))
    if draw(st.booleans()):
        quality = spelled(draw, draw(st.sampled_from([("confidence",), ("face", "score"), ("tracking", "confidence")])))
        table[quality] = 0.97
    return table, name, draw(st.randoms(use_true_random=False))


@given(timed_table())
@settings(max_examples=80, deadline=None)
def test_a_clock_is_found_in_any_spelling_and_unit(case):
    table, name, _ = case
    recording = from_frame(table)
    assert recording.feature_names == ("AU01", "AU02", "AU04", "AU06", "AU12")
    assert role_of(recording, name.strip())["used"] and recording.fps == pytest.approx(FPS, rel=0.01)
    np.testing.assert_allclose(recording.time - recording.time[0], SECONDS, atol=2e-3)


@given(unit=st.sampled_from([1.0, 1e3, 1e6]), name=st.sampled_from(["wibble", "czas_nagrania", "q7"]))
@settings(max_examples=9, deadline=None)
def test_a_clock_needs_no_name(unit, name):
    recording = from_frame(smooth().assign(**{name: (SECONDS * unit).round(4)}))
    assert role_of(recording, name)["role"] == "time" and recording.fps == pytest.approx(FPS, rel=0.01)


@pytest.mark.parametrize(
    "name", ["Unnamed: 0", "Row", "index", "frame_no", "FrameNumber", "#", "wibble", "EEG.Counter"]
)
def test_counters_are_no_features(name):
    recording = from_frame(smooth().assign(**{name: np.arange(N)}))
    assert role_of(recording, name)["role"] == "index" and recording.n_features == 5


WHO = [("participant",), ("face", "id"), ("subject", "id"), ("file", "name"), ("event", "source"), ("speaker",),
       ("video",), ("track", "id"), ("clip",), ("person",)]  # fmt: skip


@st.composite
def grouped_table(draw):
    words = draw(st.sampled_from(WHO))
    n_keys = draw(st.integers(2, 4))
    numbers = draw(st.booleans()) and words[-1] in ("id", "participant", "person", "clip")
    labels = [float(k) if numbers else f"k {k}" for k in range(n_keys)]
    name = spelled(draw, words)
    timed = draw(st.booleans())
    parts = [
        smooth(seed=k).assign(**{name: labels[k]}, **({"time": SECONDS.round(4)} if timed else {}))
        for k in range(n_keys)
    ]
    table = pd.concat(parts)
    if timed and draw(st.booleans()):  # interleaved, as faces of one video are
        table = table.sort_values(["time", name], kind="stable")
    return table.reset_index(drop=True), name, n_keys, timed


@given(grouped_table())
@settings(max_examples=60, deadline=None)
def test_people_faces_and_files_are_sequences_of_their_own(case):
    table, name, n_keys, timed = case
    recording = from_frame(table)
    expected = pd.factorize(table[name])[0]
    np.testing.assert_array_equal(recording.sequence_id, expected)
    assert role_of(recording, name.strip())["role"] == "key" and recording.n_features == 5
    assert describe(recording)["n_sequences"] == n_keys
    if timed:
        assert recording.fps == pytest.approx(FPS, rel=0.01)


def test_rows_of_a_source_without_features_are_not_counted():
    face = smooth().assign(source="camera", t_ms=SECONDS * 1e3)
    other = pd.DataFrame({"source": "eye tracker", "t_ms": np.arange(480) * 1000 / 120 + 1})
    recording = from_frame(pd.concat([face, other]).sort_values("t_ms", ignore_index=True))
    assert describe(recording)["n_sequences"] == 1 and recording.fps == pytest.approx(FPS, rel=0.01)
    assert describe(recording)["gaps"] == []


def test_faces_without_a_key_are_told_apart_by_their_order():
    both = pd.concat([smooth(seed=k).assign(frame=np.arange(N)) for k in range(2)]).sort_values("frame", kind="stable")
    recording = from_frame(both)
    np.testing.assert_array_equal(recording.sequence_id, np.arange(2 * N) % 2)
    assert noticed(recording, "several faces")


@given(st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_disorder_is_sorted_and_undone_in_the_output(seed):
    """Law: swapped or shuffled rows make the recording of the ordered table, and come back where they stood."""
    rng = np.random.default_rng(seed)
    whole = smooth(seed=seed).assign(time=SECONDS.round(4))
    order = np.arange(N)
    if seed % 2:
        order = rng.permutation(N)
    else:
        for i, j in rng.choice(N, (15, 2), replace=False):
            order[[i, j]] = order[[j, i]]
    mixed = whole.iloc[order]
    recording = from_frame(mixed)
    assert recording.sequence_id is None and noticed(recording, "out of order")
    np.testing.assert_array_equal(recording.values, whole.iloc[:, :5])
    pd.testing.assert_frame_equal(recording.frame(), mixed)


@given(first=st.integers(60, 120), second=st.integers(30, 120))
@settings(max_examples=15, deadline=None)
def test_a_time_that_starts_again_is_not_mixed(first, second):
    one, two = smooth(seed=1).assign(time=SECONDS).iloc[:first], smooth(seed=2).assign(time=SECONDS).iloc[:second]
    recording = from_frame(pd.concat([one, two], ignore_index=True))
    np.testing.assert_array_equal(recording.sequence_id, [0] * first + [1] * second)


# ---------------------------------------------------------------- quality, presence, decoys


def test_quality_in_per_cent_in_words_and_of_single_points():
    table = smooth()
    assert not from_frame(table.assign(confidence=np.where(np.arange(N) < 10, 20.0, 95.0))).mask[:10].any()
    status = np.where(np.arange(N) < 10, "LOST", "ok")
    assert not from_frame(table.assign(tracking_status=status)).mask[:10].any()
    points = smooth(names=["nose_x", "nose_y", "lip_x", "lip_y"]).assign(nose_likelihood=0.99, lip_likelihood=0.99)
    points.loc[:9, "nose_likelihood"] = 0.1
    recording = from_frame(points)
    assert recording.feature_names == ("nose_x", "nose_y", "lip_x", "lip_y")
    assert recording.mask.sum() == 4 * N - 20


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Age", np.full(N, 34)), ("gender", np.repeat(["f", "m"], N // 2)), ("FixationSeq", np.arange(N) // 10),
        ("label", np.arange(N) % 3), ("MediaTime", np.arange(N) // 2 * 33.0), ("FrameWidth", np.full(N, 640)),
        ("NoOfFaces", np.full(N, 1)), ("ExportDate", np.full(N, 20240301)),
    ],
)  # fmt: skip
def test_decoys_are_no_features(name, values):
    recording = from_frame(smooth().assign(time=SECONDS, **{name: values}))
    assert recording.n_features == 5 and recording.fps == pytest.approx(FPS, rel=0.01)


def test_the_users_word_counts_more():
    table = smooth().assign(clock=SECONDS * 2, time=SECONDS, group_nr=np.arange(N) // 60, sure=0.5, frame=np.arange(N))
    recording = from_frame(table, time="clock", key="group_nr", confidence="sure", drop="AU0*", min_confidence=0.4)
    assert recording.feature_names == ("AU12",) and recording.fps == pytest.approx(15)
    assert np.bincount(recording.sequence_id).tolist() == [60, 60]
    assert from_frame(table, features="frame,AU12").feature_names == ("AU12", "frame")
    with pytest.raises(ValueError, match="no column 'tme'"):
        from_frame(table, time="tme")
    with pytest.raises(ValueError, match="No column of DataFrame is called 'AU9\\*'"):
        from_frame(table, drop="AU9*")


def test_long_form_becomes_wide():
    wide = smooth().assign(frame=np.arange(N), timestamp_ms=(SECONDS * 1e3).round())
    long = wide.melt(["frame", "timestamp_ms"], var_name="blendshape", value_name="score").sort_values(
        "frame", kind="stable"
    )
    recording = from_frame(long.reset_index(drop=True))
    assert set(recording.feature_names) == {"AU01", "AU02", "AU04", "AU06", "AU12"} and recording.n_frames == N
    assert recording.fps == pytest.approx(FPS, rel=0.01) and noticed(recording, "long form")
    with pytest.raises(RecordingError, match="repeats"):
        from_frame(pd.concat([long, long.iloc[:1]], ignore_index=True))


def test_rounded_stamps_are_spread():
    stamps = [f"00:{t:04.1f}" for t in np.floor(SECONDS * 10) / 10]
    recording = from_frame(smooth().assign(timestamp=stamps))
    assert recording.fps == pytest.approx(FPS, rel=0.02) and (np.diff(recording.time) > 0).all()


# ---------------------------------------------------------------- doors


def test_tables_of_other_libraries_keep_names_time_and_confidence():
    table = smooth().assign(time=SECONDS, confidence=np.where(np.arange(N) < 10, 0.1, 0.9))
    expected = from_frame(table)
    tables = [table.to_dict("list")]
    pa = pytest.importorskip("pyarrow")
    tables.append(pa.table(table))
    for library, make in (
        ("polars", lambda m: m.from_pandas(table)),
        ("dask.dataframe", lambda m: m.from_pandas(table, npartitions=3)),
    ):
        try:
            tables.append(make(__import__(library, fromlist=["x"])))
        except ImportError:
            continue
    for other in tables:
        recording = from_frame(other)
        np.testing.assert_array_equal(recording.values, expected.values)
        np.testing.assert_array_equal(recording.mask, expected.mask)
        assert recording.feature_names == expected.feature_names and recording.fps == expected.fps


def test_xarray_dimensions_and_coordinates():
    xr = pytest.importorskip("xarray")
    table = smooth()
    array = xr.DataArray(
        table.to_numpy().T, dims=("feature", "time"), coords={"feature": list(table.columns), "time": SECONDS,
                                                               "confidence": ("time", np.full(N, 0.9))},
    )  # fmt: skip
    for source in (array, array.to_dataset(name="face"), array.drop_vars("confidence").to_dataset("feature")):
        recording = from_frame(source)
        assert recording.feature_names == tuple(table.columns) and recording.fps == pytest.approx(FPS, rel=0.01)
        np.testing.assert_array_equal(recording.values, table)


def test_masked_arrays_are_honoured():
    values = smooth().to_numpy()
    hidden = np.random.default_rng(0).random(values.shape) < 0.1
    recording = from_array(np.ma.array(np.where(hidden, 1e20, values), mask=hidden))
    np.testing.assert_array_equal(recording.mask, ~hidden)


# ---------------------------------------------------------------- extremes


def test_extreme_numbers_and_widths():
    table = smooth().assign(time=np.arange(N) * 1e300, big=["1" * 400] * 3 + [str(i % 7) for i in range(N - 3)])
    recording = from_frame(table)
    assert recording.n_frames == N and not recording.mask[:3, recording.feature_names.index("big")].any()
    frames = smooth().assign(frame=np.where(np.arange(N) == 5, np.inf, np.arange(N)))
    assert from_frame(frames).n_features == 5
    wide = pd.DataFrame(np.random.default_rng(0).random((12, 20_000)), columns=[f"f{i}" for i in range(20_000)])
    recording = from_frame(wide)
    assert recording.n_features == 20_000 and recording.frame().shape == wide.shape
