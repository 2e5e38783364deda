"""Events for annotation programs: every event is there, nothing overlaps on a tier, names stay names."""

import re
from itertools import groupby, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.results.annotations import EXPORTS, annotations
from rpca_affect.synthetic import make_session

HOSTILE = ["=1+1", "<b>&\"'", "a\tb\nc", "@x\x00y", 'say "hi"']


@pytest.fixture(scope="module")
def split():
    return ra.decompose(make_session(duration=10, n_events=8, random_state=1).frame, features="gaze,AU_r")


def table(split, starts, lengths, leaders):
    """Events of any kind, as `Split.events` lists them."""
    first = split.events().iloc[[0]]
    rows = []
    for start, length, leader in zip(starts, lengths, leaders):
        name = split.recording.feature_names[leader % split.recording.n_features]
        rows.append(first.assign(start=start, end=start + length, label=name, leading_feature=name, features=name))
    return pd.concat(rows, ignore_index=True)


@st.composite
def some_events(draw):
    count = draw(st.integers(1, 25))
    times = st.floats(0, 30, allow_nan=False)
    lengths = st.one_of(st.just(0.0), st.floats(1e-5, 10))
    return [draw(st.lists(kind, min_size=count, max_size=count)) for kind in (times, lengths, st.integers(0, 200))]


@settings(max_examples=60, deadline=None)
@given(some_events())
def test_nothing_overlaps_on_a_tier_and_no_event_is_lost(split, events):
    events = table(split, *events)
    found = annotations(split, events=events)
    assert len(found) == len(events)
    assert sorted(a.label for a in found) == sorted(events["label"])
    group = {split.recording.feature_names[k]: name for name, ks in split.recording.groups.items() for k in ks}
    for tier, members in groupby(sorted(found, key=lambda a: (a.tier, a.start)), key=lambda a: a.tier):
        members = list(members)
        assert {group[a.feature] for a in members} == {re.sub(r" \(\d+\)$", "", tier)}
        assert all(a.start < a.end for a in members)
        assert all(a.end <= b.start for a, b in pairwise(members))


def test_elan_reads_it(split, tmp_path):
    pympi = pytest.importorskip("pympi")
    eaf = pympi.Elan.Eaf(str(split.export(tmp_path / "s.eaf")))
    found = annotations(split)
    assert set(eaf.get_tier_names()) == {a.tier for a in found}
    for tier in eaf.get_tier_names():
        wanted = [(a.start, a.end, a.label) for a in found if a.tier == tier]
        assert sorted(item[:3] for item in eaf.get_annotation_data_for_tier(tier)) == wanted
    assert split.export(tmp_path / "again.eaf").read_bytes() == (tmp_path / "s.eaf").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.eaf", "s.eaf"]


def test_praat_and_audacity_read_it(split, tmp_path):
    pympi = pytest.importorskip("pympi")
    found = annotations(split)
    grid = pympi.Praat.TextGrid(str(split.export(tmp_path / "s.TextGrid")), codec="utf-8")
    for tier in grid.tiers:
        wanted = [(a.start / 1000, a.end / 1000, a.label) for a in found if a.tier == tier.name]
        marked = [item for item in tier.get_intervals() if item[2]]
        assert [text for *_, text in marked] == [text for *_, text in wanted]
        np.testing.assert_allclose([item[:2] for item in marked], [item[:2] for item in wanted], atol=1e-6)
        ends = [0.0, *(b for _, b, _ in tier.get_all_intervals())]
        assert [a for a, _, _ in tier.get_all_intervals()] == pytest.approx(ends[:-1]), "intervals join without a gap"
    lines = split.export(tmp_path / "s.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(found) and all(len(line.split("\t")) == 3 for line in lines)


def test_boris_reads_it(split, tmp_path):
    pytest.importorskip("openpyxl")
    path = split.export(tmp_path / "s.xlsx")
    rows = pd.read_excel(path, sheet_name=0, engine="openpyxl")
    assert list(rows.columns) == ["time", "subject", "code", "modifier", "comment"]
    assert len(rows) == 2 * len(split.events()) and rows["time"].is_monotonic_increasing
    running = {}
    for row in rows.itertuples():  # a state starts and stops in turns
        started = running.pop(row.code, None)
        if started is None:
            running[row.code] = row
        else:
            assert started.comment == row.comment and started.time < row.time
    assert not running


@pytest.mark.parametrize("program", EXPORTS)
def test_no_name_breaks_a_file_or_becomes_a_formula(tmp_path, program):
    pytest.importorskip("pympi")
    openpyxl = pytest.importorskip("openpyxl")
    rng = np.random.default_rng(0)
    values = np.outer(np.sin(np.arange(200) / 20), np.ones(5)) + rng.normal(0, 0.05, (200, 5))
    values[50:56] += np.where(np.arange(5) == 3, 2.0, 0)
    values[90:96] += np.where(np.arange(5) == 0, 2.0, 0)
    split = ra.decompose(pd.DataFrame(values, columns=HOSTILE), fps=25)
    path = split.export(tmp_path / EXPORTS[program])
    if program == "boris":
        cells = [cell for row in openpyxl.load_workbook(path).worksheets[0].iter_rows() for cell in row]
        assert not [cell for cell in cells if cell.data_type == "f" or str(cell.value).startswith(("=", "@", "+"))]
        assert "apostrophe" in openpyxl.load_workbook(path)["notes"]["A1"].value
    elif program == "elan":
        import pympi

        assert pympi.Elan.Eaf(str(path)).get_tier_names()
    else:
        assert "\x00" not in path.read_text(encoding="utf-8")


def test_without_time_the_rate_is_asked_for(tmp_path):
    frames = np.arange(200)
    values = np.outer(np.sin(frames / 20), np.ones(5)) + np.random.default_rng(0).normal(0, 0.05, (200, 5))
    values[50:56, 1] += 2.0
    split = ra.decompose(pd.DataFrame(values).assign(frame=frames + 1000).rename(columns=str))
    with pytest.raises(ValueError, match=r"has no time.*give its frames per second"):
        split.export(tmp_path / "s.eaf")
    assert not list(tmp_path.iterdir())
    event = annotations(split, fps=25)[0]
    assert (event.start, event.end) == (2000, 2240)
    with pytest.raises(ValueError, match="fps is -1"):
        annotations(split, fps=-1)
    for path, to, sentence in (("s.srt", None, "end it in .eaf"), ("s.eaf", "anvil", "no export to 'anvil'")):
        with pytest.raises(ValueError, match=sentence):
            split.export(tmp_path / path, to)


def test_no_event_is_an_empty_file(tmp_path):
    pytest.importorskip("pympi")
    pytest.importorskip("openpyxl")
    split = ra.decompose(np.zeros((40, 3)))
    for name in EXPORTS.values():
        assert split.export(tmp_path / name).exists()


def test_clock_times_start_at_zero_and_two_faces_have_their_own_tiers():
    session = make_session(duration=6, n_events=6, random_state=2).frame
    clock = session.assign(timestamp=session["timestamp"] + 1.6e9)
    plain, shifted = (annotations(ra.decompose(frame, features="AU_r,gaze")) for frame in (session, clock))
    assert abs(plain[0].start - shifted[0].start) <= 1 + 1000 * session["timestamp"].iloc[0]
    two = pd.concat([session.assign(face_id=0), session.assign(face_id=1)], ignore_index=True)
    tiers = {a.tier for a in annotations(ra.decompose(two, features="AU_r,gaze"))}
    assert any("sequence 0" in tier for tier in tiers) and any("sequence 1" in tier for tier in tiers)


def test_everything_is_saved_or_nothing(split, tmp_path):
    pytest.importorskip("pympi")
    out = split.save(tmp_path / "out", export=["elan", "audacity"])
    names = {path.name for path in out.iterdir()}
    assert {"base.csv", "mask.csv", "events.eaf", "events.txt", "summary.json", "manifest.json"} <= names
    assert split.save(out, export=["elan", "audacity"]) == out, "the same results may be written again"
    with pytest.raises(ValueError, match="other settings"):
        split.save(out, digits=5)
    other = ra.decompose(make_session(duration=5, random_state=3).frame, features="gaze,AU_r")
    with pytest.raises(ValueError, match="another input"):
        other.save(out)
    split.save(out, digits=5, table="parquet", overwrite=True)
    assert {path.name for path in out.iterdir()} == {
        *(f"{part}.parquet" for part in ("base", "transient", "residual", "mask")),
        "events.csv", "features.csv", "summary.json", "manifest.json",
    }  # fmt: skip
    with pytest.raises(ValueError, match="no export to 'srt'"):
        split.save(tmp_path / "no", export="srt")
    with pytest.raises(ValueError, match="table is 'xls'"):
        split.save(tmp_path / "no", table="xls")
    assert not (tmp_path / "no").exists()


def test_labelled_arrays(split):
    pytest.importorskip("xarray")
    data = split.to_xarray()
    np.testing.assert_array_equal(data["base"], split.base_values)
    assert data["base"].dims == ("frame", "feature")
    np.testing.assert_array_equal(data["base"].sel(feature="AU12_r"), split.base["AU12_r"])
    np.testing.assert_array_equal(data.coords["time"], split.recording.time)
    assert set(data.coords["group"].values) == set(split.recording.groups)


def test_notebooks_show_it_escaped():
    values = np.random.default_rng(0).standard_normal((60, 3)).cumsum(axis=0)
    split = ra.decompose(pd.DataFrame(values, columns=["<script>alert(1)</script>", "b", "c"]))
    for shown in (split, split.recording, split.decomposition):
        text = shown._repr_html_()
        assert "<table>" in text and "<script" not in text
    assert str(split.summary()["events"]) in split._repr_html_()
