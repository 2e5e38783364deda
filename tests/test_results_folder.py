"""Folders of results: nothing of others is lost, nothing is half replaced, two writers never meet."""

import os
import subprocess
import sys

import pytest

from rpca_affect.results.folder import MANIFEST, FolderError, Manifest, ResultsFolder, identity


def write(place, files, settings=None, inputs=(), **words):
    with (
        ResultsFolder(place, protected=words.pop("protected", ())) as folder,
        folder.replacing(list(inputs), settings or {}, **words) as temporary,
    ):
        for name, text in files.items():
            (temporary / name).write_text(text)


def contents(place):
    return {path.name: path.read_text() for path in place.iterdir() if path.name != MANIFEST}


def test_results_are_replaced_whole_and_stale_ones_go(tmp_path):
    write(tmp_path / "o", {"base.csv": "1", "report.html": "old"})
    write(tmp_path / "o", {"base.csv": "2"})
    assert contents(tmp_path / "o") == {"base.csv": "2"}
    assert Manifest.read(tmp_path / "o").complete


@pytest.mark.parametrize("name", ["base.csv", "report.html", MANIFEST])
def test_files_of_others_are_kept_without_overwrite(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(FolderError, match="not from an earlier run"):
        write(tmp_path, {"base.csv": "1", "report.html": "2"})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}
    write(tmp_path, {"base.csv": "1", "report.html": "2"}, overwrite=True)
    assert contents(tmp_path) == {"base.csv": "1", "report.html": "2"}


def test_an_edited_result_belongs_to_its_editor(tmp_path):
    write(tmp_path, {"events.csv": "a", "base.csv": "b"})
    (tmp_path / "events.csv").write_text("a, annotated by hand")
    with pytest.raises(FolderError, match="edited since"):
        write(tmp_path, {"base.csv": "c"})  # would delete events.csv as stale
    assert contents(tmp_path) == {"events.csv": "a, annotated by hand", "base.csv": "b"}


@pytest.mark.parametrize("link", ["same", "symlink", "hard link", "through a linked folder"])
def test_the_input_is_never_replaced(tmp_path, link):
    own = tmp_path / "data"
    own.mkdir()
    source = own / "base.csv"
    source.write_text("input")
    place = own
    if link in ("symlink", "hard link"):
        place = tmp_path / "out"
        place.mkdir()
        (os.link if link == "hard link" else os.symlink)(source, place / "base.csv")
    elif link.startswith("through"):
        place = tmp_path / "alias"
        place.symlink_to(own)
    with pytest.raises(FolderError, match="is the input"):
        write(place, {"base.csv": "1"}, overwrite=True, protected=[source])
    assert source.read_text() == "input" and (place / "base.csv").read_text() == "input"


def test_a_manifest_cannot_name_files_outside(tmp_path):
    outside = tmp_path / "x"
    outside.write_text("mine")
    write(tmp_path / "o", {"base.csv": "1"})
    text = (tmp_path / "o" / MANIFEST).read_text().replace('"base.csv"', '"../x"')
    (tmp_path / "o" / MANIFEST).write_text(text)
    assert Manifest.read(tmp_path / "o").files == {}


def test_a_failed_run_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a" / "b", {"base.csv": 1 / 0})
    with (
        pytest.raises(KeyboardInterrupt),
        ResultsFolder(tmp_path / "a" / "b") as folder,
        folder.replacing([], {}) as temporary,
    ):
        (temporary / "base.csv").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("after", range(4))
def test_a_run_killed_while_it_renames_is_repaired_by_the_next(tmp_path, monkeypatch, after):
    write(tmp_path, {"a": "1", "b": "1", "c": "1"})
    real, count = os.replace, 0

    def replace(source, target):
        nonlocal count
        count += 1
        if count > after:
            raise SystemExit  # a kill runs no clean-up either; what matters is that nothing more is renamed
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(SystemExit):
        write(tmp_path, {"a": "2", "b": "2"})
    monkeypatch.undo()
    with ResultsFolder(tmp_path) as folder:
        assert (folder.finished() is None) == (after > 0)
    write(tmp_path, {"a": "3", "b": "3"})
    assert contents(tmp_path) == {"a": "3", "b": "3"}


def test_leftovers_are_cleared(tmp_path):
    with ResultsFolder(tmp_path / "o") as folder, folder.replacing([], {}) as temporary:
        (temporary / "base.csv").write_text("")
    (tmp_path / "o" / temporary.name).mkdir()
    with ResultsFolder(tmp_path / "o"):
        pass
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["base.csv", MANIFEST]


def test_two_writers_never_meet_and_a_killed_one_locks_nobody_out(tmp_path):
    code = (
        "import sys, time; from rpca_affect.results.folder import ResultsFolder\n"
        "with ResultsFolder(sys.argv[1]): print('in', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(FolderError, match=rf"process {other.pid}\) is writing"), ResultsFolder(tmp_path):
            pass
    finally:
        other.kill()
        other.wait()
        other.stdout.close()
    with ResultsFolder(tmp_path), pytest.raises(FolderError, match="another run"), ResultsFolder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_identity_is_name_and_content(tmp_path):
    for folder, text in (("p1", "1"), ("p2", "2"), ("p3", "1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "clip.csv").write_text(text)
    first, second, third = (identity(tmp_path / p / "clip.csv") for p in ("p1", "p2", "p3"))
    write(tmp_path / "o", {"a": ""}, {"threshold": 2.0, "lam": None}, [first])
    manifest = Manifest.read(tmp_path / "o")
    assert manifest.same_inputs([third]) and not manifest.same_inputs([second])
    assert manifest.changes({"threshold": 3.0, "lam": None}) == {"threshold": (2.0, 3.0)}
    assert manifest.changes({"threshold": 2.0}) == {} == manifest.changes({"threshold": 2.0, "lam": None})
    assert identity(tmp_path / "p1")["sha256"] == identity(tmp_path / "p3")["sha256"]


def test_claimed_files_are_ours_until_sealed(tmp_path):
    with ResultsFolder(tmp_path) as folder:
        folder.claim(["checkpoint"], {}, kind="training")
        (tmp_path / "checkpoint").write_text("1")
        folder.claim(["checkpoint"], {}, kind="training")
        folder.seal()
        assert folder.finished() is not None
    (tmp_path / "checkpoint").write_text("edited")
    with ResultsFolder(tmp_path) as folder, pytest.raises(FolderError):
        folder.check(["checkpoint"])
