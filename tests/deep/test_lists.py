"""Label lists as they lie on people's disks, and the numberings that must not be mixed up."""

import numpy as np
import pandas as pd
import pytest

from rpca_affect.deep.clips import read_folder
from rpca_affect.deep.lists import (
    emotion,
    read_dfew,
    read_ferv39k,
    read_gfe,
    read_veatic,
    split_by_video,
    split_in_time,
)


@pytest.mark.parametrize("header", ["", "video_name,label\n", "order,annotation\n"])
def test_dfew(tmp_path, header):
    path = tmp_path / "set_1.csv"
    path.write_text(header + "00012,1\n2345,7\n", encoding="utf-8")
    assert read_dfew(path).to_dict("list") == {"clip": ["00012", "02345"], "label": ["happy", "fear"]}
    path.write_text("00012,0\n", encoding="utf-8")
    with pytest.raises(ValueError, match="dfew numbering"):
        read_dfew(path)


@pytest.mark.parametrize(
    ("lines", "numbering"),
    [
        ("Action/Happy/0267 Happy\nCrime/Angry/0001 Angry\n", None),
        ("Action/Happy/0267 0\nCrime/Angry/0001 3\n", "ferv39k"),
        ("Action/Happy/0267,3\nCrime/Angry/0001,0\n", "alphabetical"),
        ("Action/Happy/0267 3\nCrime/Angry/0001 0\n", None),
    ],
)
def test_ferv39k_in_both_numberings(tmp_path, lines, numbering):
    path = tmp_path / "train_All.csv"
    path.write_text(lines, encoding="utf-8")
    found = read_ferv39k(path, numbering)
    assert found.label.tolist() == ["happy", "angry"] and found.scene.tolist() == ["Action", "Crime"]


def test_a_wrong_numbering_shows(tmp_path):
    path = tmp_path / "train_All.csv"
    path.write_text("Action/Happy/0267 3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="another numbering"):
        read_ferv39k(path, "ferv39k")
    path.write_text("0267 3\n", encoding="utf-8")
    with pytest.raises(ValueError, match="Scene/Emotion"):
        read_ferv39k(path)
    with pytest.raises(ValueError, match="numbering"):
        emotion(3)
    with pytest.raises(ValueError, match="not one of"):
        emotion("contempt")


def test_veatic_ratings_and_both_splits(tmp_path):
    for name in ("0", "1", "10"):
        for kind in ("valence", "arousal"):
            pd.Series(np.linspace(-1, 1, 10), name=kind).to_csv(
                tmp_path / f"{name}_{kind}.csv", index=False, header=name == "1"
            )
    ratings = read_veatic(tmp_path)
    assert list(ratings) == ["0", "1", "10"] and all(r.shape == (10, 2) for r in ratings.values())
    (early, late), *_ = split_in_time([10])
    assert early.stop == late.start == 7
    train, test = split_by_video(10)
    assert set(train).isdisjoint(test) and len(train) + len(test) == 10
    (tmp_path / "0_arousal.csv").unlink()
    with pytest.raises(FileNotFoundError, match="0_arousal"):
        read_veatic(tmp_path)
    with pytest.raises(ValueError, match="averaged ratings"):
        read_veatic(tmp_path / "none")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["clip,label", "00001,3", "", "00002,9"], "set.csv, line 4: label 9 is not in the dfew numbering"),
        (["00001,3", "00002"], "set.csv, line 2: found '00002', expected a clip and a label"),
        (["00001,3", "00002,"], "set.csv, line 2"),
        (["00001,3", "00002,joyful"], "set.csv, line 2: 'joyful' is not one of"),
        ([""], "set.csv is empty"),
    ],
)
def test_a_bad_row_is_named_with_its_line(rows, said, tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("\n".join(rows) + "\n")
    with pytest.raises(ValueError, match=said):
        read_dfew(path)


@pytest.mark.parametrize("seed", range(4))
def test_labels_of_gfe_go_with_their_points(tmp_path, seed):
    rng = np.random.default_rng(seed)
    for name in ("a_topics", "b_topics"):
        n = int(rng.integers(20, 60))
        points = " ".join(f"{i}{axis}" for i in range(10) for axis in "xyz")
        rows = [
            f"{1390385453 + i}.{i % 1000} " + " ".join(f"{v:.3f}" for v in rng.normal(500, 9, 30)) for i in range(n)
        ]
        (tmp_path / f"{name}_datapoints.txt").write_text("\n".join([points, *rows]))
        (tmp_path / f"{name}_targets.txt").write_text("\n".join(map(str, rng.integers(0, 2, n))))
    held = read_folder(tmp_path, tmp_path, form="gfe")
    assert held.clip == ["a_topics_datapoints", "b_topics_datapoints"]
    assert [y.shape for y in held.y] == [(len(x), 1) for x in held.clips.sequences]
    for name, y in zip("ab", held.y):
        written = (tmp_path / f"{name}_topics_targets.txt").read_text().split()
        np.testing.assert_array_equal(y[:, 0], np.array(written, dtype=float))


@pytest.mark.parametrize("cell", ["2", "0.5", "x", "-5"])
def test_a_label_that_is_none_is_named(tmp_path, cell):
    (tmp_path / "b_targets.txt").write_text(f"0\n1\n{cell}\n0\n")
    with pytest.raises(ValueError, match=r"b_targets\.txt, line 3: found"):
        read_gfe(tmp_path)
