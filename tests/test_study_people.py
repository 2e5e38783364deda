"""Whose a recording is: the table of participants beside a study."""

import pandas as pd
import pytest

from rpca_affect.study.people import joined, participants_of, path_of


def owners(people, tmp_path, *files, name="p.csv") -> tuple[list, list[str]]:
    """First columns of the row of the participants table that each recording is joined to, and the notes."""
    if isinstance(people, str):
        (tmp_path / name).write_text(people)
    elif name.endswith("xlsx"):
        pytest.importorskip("openpyxl")
        people.to_excel(tmp_path / name, index=False)
    recordings = pd.DataFrame({"recording": files, "file": [f"study/{file}.csv" for file in files]})
    paths = [path_of(*row) for row in recordings.itertuples(index=False)]
    table, notes = joined(recordings, participants_of(tmp_path / name, paths))
    return [None if pd.isna(found) else found for found in table.iloc[:, 1]], notes


@pytest.mark.parametrize("file, owner", [("sub-01_rest", "sub-01"), ("sub-011", None), ("x/SUB-01/s", "sub-01"),
                                         ("01/s", "sub-01"), ("sub-01/sub-02", None), ("p", None),
                                         ("sub-07_ses-02", None), ("sub-01_ses-02", "sub-01")])  # fmt: skip
def test_participants_are_found_as_whole_words(tmp_path, file, owner):
    assert owners("participant_id,age\nsub-01,3\nsub-02,4\n", tmp_path, file)[0] == [owner]


@pytest.mark.parametrize(
    "form", ["P{:02d}/session{}", "p{}_session_{}", "vp-{:03d}_s{}", "{:02d}_ses{}", "Person {} visit {}"]
)
@pytest.mark.parametrize("sessions", [1, 2, 3])
def test_numbers_of_participants_are_found_behind_their_word(tmp_path, form, sessions):
    people = "id,group\n" + "".join(f"{number},g{number}\n" for number in range(1, 8))
    files = [form.format(number, session) for number in range(1, 8) for session in range(1, sessions + 1)]
    found, notes = owners(people, tmp_path, *files)
    assert found == [str(number) for number in range(1, 8) for _ in range(sessions)]
    assert any("was taken for the numbers" in note for note in notes)


def test_numbers_that_may_be_of_two_things_are_left_alone(tmp_path):
    found, notes = owners("id,group\n1,a\n2,b\n", tmp_path, "a1_b2", "a2_b1")
    assert found == [None, None] and "none was chosen" in notes[0]


@pytest.mark.parametrize("second", ["session", "wave", "when"])
@pytest.mark.parametrize("form", ["P{}/session{}", "P{}_s{}"])
def test_a_row_for_each_session_of_a_participant(tmp_path, second, form):
    rows = [(number, session) for number in range(1, 5) for session in (1, 2)]
    people = f"id,age,{second},mood\n" + "".join(f"P{p},{20 + s},{s},m{p}{s}\n" for p, s in rows)
    recordings = pd.DataFrame({"recording": [form.format(*row) for row in rows], "file": "x"})
    (tmp_path / "p.csv").write_text(people)
    found = participants_of(tmp_path / "p.csv", [path_of(*row) for row in recordings.itertuples(index=False)])
    assert found.keys == ("id", second)
    assert joined(recordings, found)[0]["mood"].tolist() == [f"m{p}{s}" for p, s in rows]


def test_participants_from_a_workbook_and_with_decimal_commas(tmp_path):
    people = pd.DataFrame({"id": ["P1", "P2"], "group": ["a", "b"], "age": [20.5, 31]})
    assert owners(people, tmp_path, "P2/x", "P1/x", name="people.xlsx")[0] == ["P2", "P1"]
    (tmp_path / "p.csv").write_bytes("Kürzel;Größe\nP1;1,75\nP2;1,80\n".encode("windows-1252"))
    assert participants_of(tmp_path / "p.csv", []).table["Größe"].tolist() == [1.75, 1.8]


def test_participants_that_cannot_be_used(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        participants_of(tmp_path / "none.tsv", [])
    (tmp_path / "twice.tsv").write_text("participant_id\tage\na\t1\na\t2\n")
    with pytest.raises(ValueError, match="holds 'a' twice"):
        participants_of(tmp_path / "twice.tsv", ["a/one", "a/two"])
    (tmp_path / "no.xlsx").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match="is no table of participants"):
        participants_of(tmp_path / "no.xlsx", [])
