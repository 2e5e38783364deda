"""UCI Grammatical Facial Expressions as they lie on disks: stamps, lost depths, and labels beside the points."""

import numpy as np
import pytest

from rpca_affect.recordings import read, recordings_in


def written(folder, seed, zero_share=0.05):
    """A recording and its labels as the set holds them, with what reading them must give."""
    rng = np.random.default_rng(seed)
    n, points = int(rng.integers(60, 200)), int(rng.integers(10, 101))
    stamps = 1390385453000 + int(rng.integers(0, 1000)) + rng.integers(20, 300, n).cumsum()
    values = (rng.normal(size=(n, 3 * points)).cumsum(axis=0) + 500).round(3)
    depths = values[:, 2::3]
    depths[rng.random(depths.shape) < zero_share] = 0
    rows = [f"{s // 1000}.{s % 1000} " + " ".join(f"{v:.3f}" for v in row) for s, row in zip(stamps, values)]
    folder.mkdir(exist_ok=True)
    header = " ".join(f"{i}{axis}" for i in range(points) for axis in "xyz")
    (folder / "a_topics_datapoints.txt").write_text("\n".join([header, *rows]))
    labels = rng.integers(0, 2, n)
    (folder / "a_topics_targets.txt").write_text("\n".join(map(str, labels)) + "\n")
    return (stamps - stamps[0]) / 1000, values


@pytest.mark.parametrize("seed", range(12))
def test_points_come_out_as_they_were_written(tmp_path, seed):
    time, values = written(tmp_path, seed)
    recording = read(tmp_path / "a_topics_datapoints.txt")
    assert recording.meta["format"] == "gfe"
    assert recording.sequence_id is None or recording.sequence_id.max() == 0
    np.testing.assert_allclose(recording.time, time, atol=1e-6)
    np.testing.assert_array_equal(np.where(recording.mask, recording.values, 0), values)
    np.testing.assert_array_equal(recording.mask, values != 0)
    inside = recordings_in(tmp_path)
    assert [file.name for file in inside.files] == ["a_topics_datapoints.txt"] and "labels of" in inside.notes[0]


def test_targets_alone_are_a_table_like_any_other(tmp_path):
    written(tmp_path, 0)
    (tmp_path / "a_topics_datapoints.txt").unlink()
    assert len(recordings_in(tmp_path).files) == 1


def test_stamps_with_all_their_digits_stay_numbers(tmp_path):
    """Where nothing falls back the digits are decimals, as everywhere else."""
    rows = [f"{1390385453 + i / 16:.3f},{i % 7}.5,{i % 5}.25" for i in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["timestamp,u,v", *rows]) + "\n")
    recording = read(tmp_path / "a.csv")
    np.testing.assert_allclose(recording.time, np.arange(60) / 16, atol=1e-3)
    assert not any("leading zeros" in notice for notice in recording.meta["notices"])
