"""Label lists as they lie on people's disks, and the numberings that must not be mixed up."""

import numpy as np
import pandas as pd
import pytest

from rpca_affect.deep.lists import emotion, read_dfew, read_ferv39k, read_veatic, split_by_video, split_in_time


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
