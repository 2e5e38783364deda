"""Studies: folders searched, names apart, one row for each recording whatever happens to it, and the same again."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rpca_affect as ra
from rpca_affect.refusals import Refusal, Setting
from rpca_affect.results.folder import FolderError
from rpca_affect.study import one
from rpca_affect.study.corpus import find
from rpca_affect.study.failures import failure_of
from rpca_affect.study.measures import outliers
from rpca_affect.study.one import Job
from rpca_affect.study.workers import _clear, _unheard, outcomes_of


def recording(path: Path, seed: int = 0, frames: int = 60) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(frames, 2)).cumsum(axis=0) @ rng.normal(size=(2, 8)) + rng.normal(0, 0.05, (frames, 8))
    table = pd.DataFrame(values, columns=[f"AU{i:02d}" for i in range(8)])
    table.insert(0, "timestamp", np.arange(frames) / 30)
    table.to_csv(path, index=False)


@pytest.fixture
def study(tmp_path):
    """Six people, one session each, and what lies around in such folders."""
    folder = tmp_path / "in"
    for seed in range(6):
        recording(folder / f"sub-0{seed}" / "session.csv", seed)
    (folder / "sub-02" / "session.csv").write_text("AU01,AU02\n1,2\n1\n")
    (folder / "sub-00" / "session_of_details.txt").write_text("Input: x")
    (folder / "participants.tsv").write_text(
        "participant_id\tage\tmood\nsub-00\t30\tn/a\nsub-01\t25\tsad\nsub-9\t1\tx\n"
    )
    return folder


def tables(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name not in ("summary.json", "manifest.json", "report.html")
    }


def test_one_row_for_each_recording_and_one_bad_file_stops_none(study, tmp_path):
    rows = []
    answer = ra.decompose_many(study, tmp_path / "out", callback=rows.append)
    table = answer.table
    assert table["recording"].tolist() == [f"sub-0{i}/session" for i in range(6)] == [row["recording"] for row in rows]
    assert list(answer.errors.index) == ["sub-02/session"] and "line 3" in answer.errors.iloc[0]
    assert table["participant_id"].tolist()[:2] == ["sub-00", "sub-01"] and table["age"].tolist()[:2] == [30, 25]
    assert {"frames", "missing", "rank", "predicted", "density", "events_per_minute", "doubts"} <= set(table)
    good = table.drop(index=2)
    assert (good["frames"] == 60).all() and good["events_per_minute"].notna().all() and table["frames"].isna()[2]
    assert any("sub-9" in note for note in answer.notes) and any("sub-05" in note for note in answer.notes)
    long = answer.features
    assert len(long) == 5 * 8 and list(long.columns[:4]) == ["recording", "participant_id", "age", "mood"]
    part = ra.decompose(study / "sub-01" / "session.csv")
    mine = long[long["recording"] == "sub-01/session"].set_index("feature")
    np.testing.assert_allclose(mine["base_mean"], part.base_values.mean(axis=0))
    np.testing.assert_allclose(mine["transient_density"], (part.transient_values != 0).mean(axis=0))
    again = ra.Study.read(tmp_path / "out")
    pd.testing.assert_series_equal(again.table["recording"], table["recording"], check_dtype=False)
    assert again.notes == answer.notes and answer.folder_of("sub-01/session").is_dir()


def test_a_study_that_was_stopped_goes_on_and_ends_the_same(study, tmp_path):
    ra.decompose_many(study, tmp_path / "whole", report=True)
    seen = []

    def stop(row):
        seen.append(row)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ra.decompose_many(study, tmp_path / "half", report=True, callback=stop)
    assert not (tmp_path / "half" / "study.csv").exists()
    stamp = (tmp_path / "half" / "sub-00" / "session" / "base.csv").stat().st_mtime_ns
    ra.decompose_many(study, tmp_path / "half", report=True)
    assert tables(tmp_path / "half") == tables(tmp_path / "whole")
    assert (tmp_path / "half" / "sub-00" / "session" / "base.csv").stat().st_mtime_ns == stamp


def test_processes_change_nothing(study, tmp_path):
    for name in ("sub-03", "sub-04", "sub-05"):
        (study / name / "session.csv").unlink()
    ra.decompose_many(study, tmp_path / "one")
    ra.decompose_many(study, tmp_path / "two", jobs=2)
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


def test_workers_end_with_the_process_that_gave_them_work(tmp_path):
    """A killed study leaves nobody behind who holds a folder or goes on writing."""
    code = f"import time; from rpca_affect.study.workers import _end_with; _end_with({os.getppid()}); time.sleep(60)"
    orphan = subprocess.run([sys.executable, "-c", code], timeout=50, check=False)
    assert orphan.returncode == 1


class Deadly:
    """Ends the process that it is sent to, as the system does when memory runs out."""

    def __reduce__(self):
        return os._exit, (1,)


def test_a_recording_that_ends_its_process_costs_no_other(tmp_path):
    work = []
    for seed, name in enumerate(("a", "deadly", "b")):
        recording(tmp_path / f"{name}.csv", seed)
        settings = {"noise": Deadly()} if name == "deadly" else {"check": False}
        work.append(Job(name, tmp_path / f"{name}.csv", tmp_path / "out" / name, settings))
    found = {outcome.job.name: outcome for outcome in outcomes_of(work, jobs=2)}
    assert set(found) == {"a", "deadly", "b"}
    assert found["a"].summary and found["b"].summary
    assert found["deadly"].failure.kind == "memory" and "ended by the system" in found["deadly"].failure.sentence


def test_a_split_and_a_study_share_their_folders(study, tmp_path):
    """What somebody saves from Python with the settings of a study belongs to it, and the other way round."""
    words = {"threshold": 3.0, "check": False}
    ra.decompose_many(study, tmp_path / "out", **words)
    before = tables(tmp_path / "out")
    place, source = tmp_path / "out" / "sub-01" / "session", study / "sub-01" / "session.csv"
    again = ra.decompose(source, **words)
    again.save(place)
    assert tables(tmp_path / "out") == before
    for other in ({"threshold": 2.0}, {"drop": "AU01"}, {"check": True}, {"format": "table"}):
        with pytest.raises(FolderError, match=f"other settings .*{next(iter(other))}"):
            ra.decompose(source, **{**words, **other}).save(place)
    stamp = (place / "base.csv").stat().st_mtime_ns
    assert len(ra.decompose_many(study, tmp_path / "out", **words)) == 6
    assert (place / "base.csv").stat().st_mtime_ns == stamp and tables(tmp_path / "out") == before
    fresh = tmp_path / "fresh"
    again.save(fresh / "sub-01" / "session")
    stamp = (fresh / "sub-01" / "session" / "base.csv").stat().st_mtime_ns
    ra.decompose_many(study, fresh, **words)
    assert (fresh / "sub-01" / "session" / "base.csv").stat().st_mtime_ns == stamp and tables(fresh) == before


def test_names_that_are_formulas_are_guarded_and_read_back(tmp_path):
    names = ["=cmd|x", "-1", "+a", "@b", "'quoted", "plain"]
    for seed, name in enumerate(names):
        recording(tmp_path / "in" / f"{name}.csv", seed)
    made = ra.decompose_many(tmp_path / "in", tmp_path / "out", check=False)
    assert set(made.table["recording"]) == set(names)
    for file in ("study.csv", "features_long.csv"):
        cells = [line.partition(",")[0] for line in (tmp_path / "out" / file).read_text().splitlines()[1:]]
        assert cells and not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    read = ra.Study.read(tmp_path / "out")
    assert read.table["recording"].tolist() == made.table["recording"].tolist()
    assert set(read.features["recording"]) == set(names)


def test_a_stopped_study_clears_what_its_workers_left(tmp_path):
    half, whole = tmp_path / "half", tmp_path / "whole"
    for place in (half, whole):
        (place / ".rpca_affect-writing-x").mkdir(parents=True)
        (place / ".rpca_affect-writing-x" / "base.csv").write_text("half")
        (place / ".rpca_affect.lock").write_text("1")
    (whole / "mine.txt").write_text("mine")
    _clear([Job(name, tmp_path / name, tmp_path / name) for name in ("half", "whole", "never begun")])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine.txt", "whole"]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_workers_hear_no_interrupt_of_the_terminal():
    """They start with it blocked, and the process that starts them hears it again afterwards."""
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    with _unheard():
        deaf = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    hears = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (deaf.stdout.strip(), hears.stdout.strip()) == ("True", "False")


def test_changed_settings_are_refused_at_once(study, tmp_path):
    ra.decompose_many(study, tmp_path / "out")
    with pytest.raises(FolderError, match=r"5 of 6 recordings have results .*threshold 2.0, now 3.0.*overwrite=True"):
        ra.decompose_many(study, tmp_path / "out", threshold=3.0)
    assert ra.decompose_many(study, tmp_path / "out", threshold=2.0, sparse="cells").errors.shape == (1,)
    recording(study / "sub-01" / "session.csv", seed=99)
    changed = ra.decompose_many(study, tmp_path / "out")
    assert "holds the results of" in changed.errors["sub-01/session"]


def test_files_of_others_stand_before_the_first_solve(study, tmp_path, monkeypatch):
    (tmp_path / "study.csv").write_text("mine")
    monkeypatch.setattr("rpca_affect.study.workers.run", None)
    with pytest.raises(FolderError, match=r"study\.csv is not from an earlier run"):
        ra.decompose_many(study, tmp_path)
    assert (tmp_path / "study.csv").read_text() == "mine"


@pytest.mark.parametrize(
    "paths, names",
    [
        (["a/s.csv", "b/s.csv"], ["a/s", "b/s"]),
        (["s.csv", "s.tsv"], ["s.csv", "s.tsv"]),
        (["a/s.csv", "s.csv"], ["a/s", "s"]),
        (["a/x.csv.gz", "a/y.csv"], ["x", "y"]),
        (["S.csv", "s.csv"], ["S-1", "s-2"]),
    ],
)
def test_names_stay_apart(tmp_path, paths, names):
    for number, name in enumerate(paths):
        recording(tmp_path / name, number)
    assert [source.name for source in find([tmp_path / name for name in paths]).sources] == names


def test_tables_about_files_are_no_recordings(tmp_path):
    for name in ("a", "b", "007"):
        recording(tmp_path / f"{name}.csv")
    (tmp_path / "labels.csv").write_text("clip,label\na,1\nb.csv,0\n007,1\n")
    (tmp_path / "split.tsv").write_text("id\tfile\n1\tvideos/a.mp4\n2\tvideos/b.mp4\n")
    recording(tmp_path / ".hidden.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    found = find([tmp_path])
    assert [source.name for source in found.sources] == ["007", "a", "b"]
    assert [re.sub(r".*/(\S+) .*", r"\1", note) for note in found.notes] == ["pipe.csv", "labels.csv", "split.tsv"]


def test_results_are_no_input(study, tmp_path):
    ra.decompose_many(study, study / "out")
    assert len(find([study]).sources) == 6
    with pytest.raises(ValueError, match="holds results of an earlier run"):
        find([study / "out"])


def test_outliers_need_company():
    assert outliers(pd.DataFrame({"rank": [1, 1, 90]}), ["rank"]) == [[], [], []]
    assert outliers(pd.DataFrame({"rank": [4, 4, 4, 4, None, 4, 60]}), ["rank"]) == [[]] * 6 + [["rank"]]


@pytest.mark.parametrize("middle", [1, 4, 5, 12])
def test_one_more_or_less_is_no_outlier_of_a_count(middle):
    ranks = [middle] * 8 + [middle + 1, middle - 1, middle + 20]
    assert outliers(pd.DataFrame({"rank": ranks}), ["rank"]) == [[]] * 10 + [["rank"]]


def test_nothing_missing_does_not_stand_out():
    shares = [0.02, 0.021, 0.022, 0.019, 0.02, 0.0, 0.4]
    assert outliers(pd.DataFrame({"missing": shares}), ["missing"]) == [[]] * 6 + [["missing"]]


def test_the_page_escapes_names_and_stays_beside_itself(tmp_path):
    names = ['"><script>alert(1)<', "javascript:alert(1)", "$x$", "a b#c?d", "ä"]
    for seed, name in enumerate(names):
        recording(tmp_path / "in" / name / "s.csv", seed, 40)
    (tmp_path / "in" / names[0] / "s.csv").write_text("<img src=x onerror=alert(1)>,b\nx,y\n")
    ra.decompose_many(tmp_path / "in", tmp_path / "out")
    page = (tmp_path / "out" / "study.html").read_text(encoding="utf-8")
    assert "<script" not in page and "onerror=alert(1)>" not in page.replace("&gt;", "")
    links = re.findall(r'href="([^"]*)"', page)
    assert len(links) == 4 and all(re.fullmatch(r"\./[^:#?]*/", link) for link in links)
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    "error, kind, words",
    [
        (MemoryError(), "memory", "not enough memory"),
        (OSError(28, "No space left on device"), "disk", "disk is full"),
        (PermissionError(13, "Permission denied", "x.csv"), "system", "x.csv: permission denied"),
        (Refusal("choose one with ", Setting("key", "a b")), "input", "choose one with --key 'a b'"),
        (KeyError("x"), "unforeseen", "nobody foresaw, KeyError"),
        (ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow"), "missing", "rpca-affect[files]"),
        (RuntimeError(""), "unforeseen", "RuntimeError"),
    ],
)
def test_every_error_is_one_sentence(error, kind, words):
    failure = failure_of(error, "s.csv", "shell")
    assert failure.kind == kind and words in failure.sentence and failure.sentence.startswith(("s.csv", "x.csv", "Par"))
    assert "\n" not in failure.sentence


def test_every_parameter_of_decompose_is_a_flag():
    import typer.main

    from rpca_affect.cli.app import app

    command = typer.main.get_command(app).commands["decompose"]  # type: ignore[attr-defined]
    flags = {name for option in command.params for name in option.opts}
    parameters = [name for name in inspect.signature(ra.decompose).parameters if name not in ("source", "options")]
    flags |= {"--missing"} if "--missing-words" in flags else set()  # --missing says what the tables hold
    for name in [*parameters, "rank", "cardinality", "max_iter", "random_state"]:
        assert f"--{name.replace('_', '-')}" in flags, f"decompose takes {name}, its command lacks the flag"
    defaults = {option.name: option.default for option in command.params}
    defaults["missing"] = defaults["missing_words"]
    for name in parameters:
        default = inspect.signature(ra.decompose).parameters[name].default
        assert defaults[name] == default or str(defaults[name]) == str(default), name


def test_summary_and_manifest_name_the_input(study, tmp_path):
    ra.decompose_many(study / "sub-01", tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "session" / "manifest.json").read_text())
    assert manifest["inputs"][0]["name"] == "session.csv" and len(manifest["inputs"][0]["sha256"]) == 64
    assert manifest["settings"]["threshold"] == 2.0 and manifest["complete"] and manifest["version"] == ra.__version__


def test_stages_are_told_when_they_begin(tmp_path):
    rng = np.random.default_rng(0)
    source, target = tmp_path / "a.csv", tmp_path / "out"
    x = np.outer(np.sin(np.arange(120) / 20), np.ones(4)) + rng.normal(0, 0.1, (120, 4))
    pd.DataFrame(x, columns=list("abcd")).to_csv(source, index=False)
    told = []

    def stage(name, now=None):
        tables = len(list(tmp_path.rglob("base.csv")))
        if not told or told[-1] != (name, tables):
            told.append((name, tables))

    assert one.run(one.Job("a", source, target, report=True), stage).failure is None
    assert told == [("reading", 0), ("noise", 0), ("solving", 0), ("writing", 0), ("report", 1)]


def test_workers_that_were_started_elsewhere_find_relative_paths(tmp_path, monkeypatch):
    from joblib import Parallel, delayed

    monkeypatch.chdir(tmp_path.parent)
    Parallel(2)(delayed(os.getpid)() for _ in range(4))  # they wait for more work, in the folder of that time
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        recording(Path("in") / f"s{seed}.csv", seed)
    assert not len(ra.decompose_many("in", "out", jobs=2).errors)
