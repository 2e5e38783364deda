"""Containers: a table written with the library of each kind of file is read back with the same names and numbers."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.recordings import RecordingError, read
from rpca_affect.recordings.containers import load, parsing

NAMES = ["time", "AU06", "pose Rx", "Größe"]


def numbers(seed, n=24, names=NAMES):
    """Numbers of every size and sign, none twice, with a few empty cells."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, len(names))) * 10.0 ** rng.integers(-12, 12, (n, len(names)))
    values[rng.integers(1, n, 3), rng.integers(1, len(names), 3)] = np.nan
    values[:, 0] = np.arange(n) / 30
    return pd.DataFrame(values, columns=names)


def came_back(path, table, names=None):
    found = load(path)
    assert found.names == tuple(table.columns if names is None else names)
    back = np.column_stack([found.numbers(i, required=True) for i in range(len(found.names))])
    np.testing.assert_array_equal(back, table.to_numpy())


def zipped(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.csv", data)
    return buffer.getvalue()


def tarred(data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("./inside.csv")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


PACKINGS = {
    "none": bytes,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "tar": tarred,
}
PACKINGS["tar.gz"] = lambda data: gzip.compress(tarred(data))


@given(
    seed=st.integers(0, 99),
    marks=st.sampled_from([",.", "\t.", ";.", "|.", " .", ";,", "\t,", "|,"]),
    line=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    quoting=st.sampled_from([0, 1]),
    packing=st.sampled_from(sorted(PACKINGS)),
    by_arrow=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_text_of_every_dialect_and_packing(seed, marks, line, encoding, quoting, packing, by_arrow, tmp_path_factory):
    table = numbers(seed)
    if marks[0] == " ":
        table = table.rename(columns=lambda name: name.replace(" ", "_")).fillna(0.5)
    path = tmp_path_factory.mktemp("text") / "table.csv"
    text = table.to_csv(index=False, sep=marks[0], decimal=marks[1], lineterminator=line, quoting=quoting)
    path.write_bytes(PACKINGS[packing](text.encode(encoding)))
    with pytest.MonkeyPatch.context() as patch:
        if not by_arrow:
            patch.setattr(parsing, "_arrow_csv", lambda: None)
        came_back(path, table)


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
@pytest.mark.parametrize("tar", [True, False])
def test_packings_of_arrow(kind, tar, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    table, path = numbers(0), tmp_path / "table.dat"
    data = table.to_csv(index=False).encode()
    path.write_bytes(arrow.Codec(kind).compress(tarred(data) if tar else data).to_pybytes())
    came_back(path, table)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(RecordingError, match=f"damaged {kind} file|closed"):
        read(path)


def to_json(table, path):
    path.write_text(json.dumps(table.astype(object).where(table.notna(), None).to_dict("records")))


def to_json_columns(table, path):
    path.write_text(json.dumps(table.astype(object).where(table.notna(), None).to_dict("list")))


def to_json_lines(table, path):
    records = table.astype(object).where(table.notna(), None).to_dict("records")
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def to_arff(table, path):
    head = "@relation frames\n" + "".join(f"@attribute '{name}' numeric\n" for name in table.columns) + "@data\n"
    path.write_text(head + table.to_csv(index=False, header=False, na_rep="?"))


def to_dta(table, path):
    table.rename(columns=lambda name: name.replace(" ", "_")).to_stata(path, write_index=False, version=118)


def to_sav(table, path):
    pytest.importorskip("pyreadstat").write_sav(table.rename(columns=lambda name: name.replace(" ", "_")), path)


TABLES = {
    "parquet": lambda table, path: table.to_parquet(path),
    "feather": lambda table, path: table.to_feather(path),
    "xlsx": lambda table, path: table.to_excel(path, index=False),
    "json": to_json,
    "json of columns": to_json_columns,
    "jsonl": to_json_lines,
    "arff": to_arff,
    "sav": to_sav,
    "dta": to_dta,
}
NEEDS = {"parquet": "pyarrow", "feather": "pyarrow", "xlsx": "openpyxl"}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("seed", [0, 1])
def test_tables_of_every_kind(kind, seed, tmp_path):
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind])
    table = numbers(seed)
    path = tmp_path / "table.dat"  # contents decide, not the suffix
    if kind == "xlsx":  # Excel files hold 16 digits
        path, table = tmp_path / "table.xlsx", table.map(lambda value: float(f"{value:.16g}"))
    TABLES[kind](table, path)
    names = [name.replace(" ", "_") for name in table.columns] if kind in ("sav", "dta") else None
    came_back(path, table, names)


def to_npy(array, path):
    with path.open("wb") as file:
        np.save(file, array)


def to_npz(array, path):
    with path.open("wb") as file:
        np.savez_compressed(file, X=array)


def to_mat(array, path):
    from scipy.io import savemat

    with path.open("wb") as file:
        savemat(file, {"X": array})


def to_safetensors(array, path):
    pytest.importorskip("safetensors.numpy").save_file({"X": np.ascontiguousarray(array)}, path)


def to_hdf5(array, path):
    with pytest.importorskip("h5py").File(path, "w") as file:
        file["group/X"] = array


@pytest.mark.parametrize("write", [to_npy, to_npz, to_mat, to_safetensors, to_hdf5])
@pytest.mark.parametrize("seed", [0, 1])
def test_arrays_of_every_kind(write, seed, tmp_path):
    table = numbers(seed)
    path = tmp_path / "array.dat"
    write(table.to_numpy(), path)
    came_back(path, table, [f"feature_{i}" for i in range(len(NAMES))])


@given(seed=st.integers(0, 10**6), n_bytes=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_garbage_among_numbers_is_no_letter_of_windows(seed, n_bytes, tmp_path_factory):
    """Bytes above ASCII inside a number are damage, however many rows there are and however short the table is."""
    rng = np.random.default_rng(seed)
    table = numbers(seed, n=int(rng.integers(2, 12)), names=["time", "AU06", "AU12"]).fillna(0.25)
    data = bytearray(table.to_csv(index=False).encode())
    starts = [
        i
        for i in range(data.index(b"\n"), len(data) - 1)
        if data[i : i + 1].isdigit() and data[i + 1 : i + 2].isdigit()
    ]
    for at in rng.choice(starts, n_bytes):
        data[at] = int(rng.integers(0xC0, 0xFF))
    path = tmp_path_factory.mktemp("garbage") / "table.csv"
    path.write_bytes(bytes(data))
    with pytest.raises(RecordingError, match=r"table\.csv"):
        read(path)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    ends=st.booleans(),
    cross=st.sampled_from("|+"),
    dashes=st.sampled_from(["---", ":---", "---:", ":--------:"]),
    above=st.sampled_from(["", "# Session 3\n\nSeen from the left.\n\n"]),
    end=st.sampled_from(["\n", "\r\n"]),
    padding=st.sampled_from(["", " ", "   "]),
)
def test_markdown_tables(tmp_path_factory, seed, ends, cross, dashes, above, end, padding):
    table = numbers(seed)
    rows = [list(table.columns), *([("" if np.isnan(x) else repr(float(x))) for x in row] for row in table.to_numpy())]
    lines = [f"{padding}|{padding}".join(row) for row in rows]
    lines.insert(1, cross.join([dashes] * len(NAMES)))
    if ends:
        lines = [f"|{padding}{line}{padding}|" if k != 1 else f"|{line}|" for k, line in enumerate(lines)]
    path = tmp_path_factory.mktemp("md") / "session.md"
    path.write_bytes((above.replace("\n", end) + end.join(lines) + end).encode())
    came_back(path, table)
    found = load(path)
    first = above.count("\n") + 3
    assert found.lines[0] == first and f"line {first - 1}, its rule" in " ".join(found.notices)


@pytest.mark.parametrize("row", ["0.0|---|---", "---|0.5|---"])
def test_dashes_for_missing_numbers_are_no_rule(tmp_path, row):
    path = tmp_path / "session.txt"
    body = "".join(f"{k / 25}|{k % 7}.5|{k % 5}.25\n" for k in range(40))
    path.write_text(f"time|AU01_r|AU02_r\n{row}\n{body}")
    assert "Markdown" not in " ".join(load(path).notices) and len(load(path).frame) == 41


@pytest.mark.parametrize("height", [1, 5, 18, 60])
@pytest.mark.parametrize("titled", [False, True])
def test_a_table_beside_another_in_a_sheet_is_left_out_and_named(height, titled, tmp_path):
    sheet = pytest.importorskip("openpyxl").Workbook().active
    table = numbers(0, n=40).fillna(0.5)
    above = [["A study"], []] if titled else []
    rows = [*above, list(table.columns), *table.round(6).to_numpy().tolist()]
    beside = [*([[]] * len(above)), ["Label", "Mean"], *[[f"joy {k}", k / 7] for k in range(height)]]
    for number in range(max(len(rows), len(beside))):
        left = rows[number] if number < len(rows) else []
        right = beside[number] if number < len(beside) else []
        sheet.append([*left, *[None] * (len(table.columns) - len(left)), None, *right])
    sheet.parent.save(tmp_path / "a.xlsx")
    recording = read(tmp_path / "a.xlsx")
    assert recording.feature_names == tuple(NAMES[1:]) and len(recording.values) == 40
    assert any("stand Label, Mean" in notice and "another table" in notice for notice in recording.notices)


@pytest.mark.parametrize("gap", [0, 1, 3])
@pytest.mark.parametrize("words", [["Mean", "SD"], ["Mittelwert"], ["exported by hand"]])
def test_sums_below_the_table_of_a_sheet_are_no_frames(gap, words, tmp_path):
    sheet = pytest.importorskip("openpyxl").Workbook().active
    table = numbers(1, n=40).fillna(0.5)
    for row in [list(table.columns), *table.to_numpy().tolist(), *[[]] * gap]:
        sheet.append(row)
    for word in words:
        sheet.append([word] if " " in word else [word, *table.mean().tolist()[1:]])
    sheet.parent.save(tmp_path / "a.xlsx")
    recording = read(tmp_path / "a.xlsx")
    assert len(recording.values) == 40 and recording.fps == pytest.approx(30)
    assert any(f"{42 + gap}" in notice and "below the table" in notice for notice in recording.notices)
