"""Folders of clips in a study: one recording for each, told by a rule that says what it did, and resumed."""

from pathlib import Path

import numpy as np
import pytest

import rpca_affect as ra
from rpca_affect.results.folder import FolderError
from rpca_affect.study.corpus import find


def tables(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*.csv"))}


def clips(folder: Path, n: int, width: int, seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        values = rng.normal(size=(40 + number, 2)).cumsum(axis=0) @ rng.normal(size=(2, width))
        np.save(folder / f"clip{number:02d}.npy", values + rng.normal(0, 0.05, values.shape))


@pytest.mark.parametrize("seed", range(12))
def test_each_folder_of_clips_is_one_recording(tmp_path, seed):
    """Generated siblings: folders of clips, of two files, of several widths, of several people, and single files."""
    rng = np.random.default_rng(seed)
    expected = []
    for number in range(int(rng.integers(1, 5))):
        folder, kind = tmp_path / f"s.{number}" / "deep"[: int(rng.integers(0, 2)) * 4], rng.choice(
            ["clips", "two", "widths", "people", "listed", "cube"])  # fmt: skip
        n, width, name = int(rng.integers(3, 7)), int(rng.integers(2, 9)), folder.relative_to(tmp_path).as_posix()
        clips(folder, 2 if kind == "two" else n, width)
        held = sorted(folder.glob("*.npy"))
        if kind == "widths":
            np.save(held[int(rng.integers(n))], np.ones((30, width + 1)))
        if kind == "people":
            held = [file.rename(folder / f"sub-{i}_face.npy") for i, file in enumerate(held)]
        if kind == "listed":
            (folder / "participants.tsv").write_text("participant_id\tage\n" + "".join(f"{f.stem}\t3\n" for f in held))
        if kind == "cube":
            np.savez(folder / "more.npz", **{f"a{i}": np.ones((20, width)) for i in range(4)})
            expected.append(f"{name}/more")
        expected += [name] if kind in ("clips", "cube") else [f"{name}/{file.stem}" for file in held]
    found = find([tmp_path])
    assert sorted(source.name for source in found.sources) == sorted(expected)
    assert sorted(file for source in found.sources for file in source.files) == sorted(
        file for file in tmp_path.rglob("*.np[yz]"))  # fmt: skip
    for source in found.sources:
        assert source.path.is_dir() == any(note.startswith(f"{source.path} was read as one") for note in found.notes)


def test_clips_are_resumed_by_names_and_contents(tmp_path):
    """Results of clips are kept while the clips are the same, wherever the results lie; a changed clip is another."""
    folder = tmp_path / "in" / "p1"
    clips(folder, 3, 6)
    clips(tmp_path / "in" / "p2", 4, 5, seed=1)
    out = folder / "out"  # beside the clips, whose identity it must not be part of
    first = ra.decompose_many(tmp_path / "in", out, fps=25)
    assert first.table[["recording", "frames"]].to_numpy().tolist() == [["p1", 123], ["p2", 166]]
    before, made = tables(out), (out / "p1" / "summary.json").stat().st_mtime_ns
    ra.decompose_many(tmp_path / "in", out, fps=25)
    assert tables(out) == before and (out / "p1" / "summary.json").stat().st_mtime_ns == made
    (out / "p2" / "manifest.json").unlink()  # as if it had been killed before
    ra.decompose_many(tmp_path / "in", out, fps=25, overwrite=True)
    assert tables(out) == before
    (folder / "clip01.npy").rename(folder / "clip09.npy")
    again = ra.decompose_many(tmp_path / "in", out, fps=25)
    assert "holds the results of another p1" in again.table["error"][0] and not again.table["error"][1]


def test_a_damaged_clip_does_not_scatter_the_others(tmp_path):
    clips(tmp_path / "in" / "p1", 4, 6)
    file = tmp_path / "in" / "p1" / "clip02.npy"
    for kept in (0, 60, 300):
        file.write_bytes(file.read_bytes()[:kept])
        study = ra.decompose_many(tmp_path / "in", tmp_path / f"out{kept}")
        assert study.table["recording"].tolist() == ["p1"] and "clip02.npy" in study.table["error"][0]
        clips(tmp_path / "in" / "p1", 4, 6)
    with pytest.raises(FolderError, match="is no place for their results"):
        ra.decompose_many(tmp_path / "in", tmp_path / "in")
