"""The command line: the job end to end, what it says about bad files, and that nothing is ever half done."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rpca_affect import cli
from rpca_affect.results.split_tables import PARTS as TABLE_PARTS
from rpca_affect.synthetic import make_session

TABLES = (*(f"{part}.csv" for part in TABLE_PARTS), "events.csv")
FILES = (*TABLES, "report.html", "summary.json", "features.csv", "manifest.json")
PARTS = ("base.csv", "transient.csv", "residual.csv")


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line as the entry point does: (exit code, standard output, standard error)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["rpca-affect", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def session():
    return make_session(duration=6, n_events=3, random_state=2).frame


@pytest.fixture
def file(tmp_path, session):
    """A session in OpenFace's own form: blanks before the names."""
    path = tmp_path / "session.csv"
    columns = [name if i == 0 else f" {name}" for i, name in enumerate(session.columns)]
    session.set_axis(columns, axis=1).to_csv(path, index=False)
    return path


def header(path):
    return path.read_text(encoding="utf-8").partition("\n")[0]


def test_decompose_writes_everything_in_the_form_of_the_input(run, file, tmp_path):
    out = tmp_path / "out"
    code, stdout, stderr = run("decompose", file, "-o", out, "--report")
    assert code == 0 and stdout == "" and "base of rank" in stderr
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    given = pd.read_csv(file)
    tables = [pd.read_csv(out / name) for name in PARTS]
    mask = pd.read_csv(out / "mask.csv")
    for name in (*PARTS, "mask.csv"):
        assert header(out / name) == header(file)
    features = [name for name in given if name.strip().startswith(("gaze", "pose", "x_", "y_", "AU"))]
    others = [name for name in given if name not in features]
    for table in (*tables, mask):
        pd.testing.assert_frame_equal(table[others], given[others])
    known = mask[features].to_numpy() == 1
    total = sum(table[features].to_numpy() for table in tables)
    np.testing.assert_allclose(total[known], given[features].to_numpy()[known], rtol=1e-9, atol=1e-9)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["events"] == len(pd.read_csv(out / "events.csv"))
    assert (out / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_results_are_kept_until_overwritten(run, file, tmp_path):
    out = tmp_path / "out"
    run("decompose", file, "-o", out, "--report")
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    code, _, stderr = run("decompose", file, "-o", out)
    assert code == 0 and "are kept; use --overwrite" in stderr
    code, _, stderr = run("decompose", file, "-o", out, "--threshold", "3")
    assert code == 2 and "made with other settings (threshold 2.0, now 3.0): use --overwrite" in stderr
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    code, _, _ = run("decompose", file, "-o", out, "--threshold", "3", "--overwrite")
    assert code == 0 and json.loads((out / "summary.json").read_text())["parameters"]["threshold"] == 3
    assert not (out / "report.html").exists(), "the report of the earlier run does not belong to these tables"
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n3,4\n")
    code, _, stderr = run("decompose", other, "-o", out)
    assert code == 2 and "holds the results of session.csv" in stderr


def test_a_folder_resumes_and_says_which_file_is_bad(run, file, tmp_path, monkeypatch):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.csv", "b.csv", "d.csv"):
        (folder / name).write_bytes(file.read_bytes())
    (folder / "c.csv").write_text("x,y\n1,2\n1\n")
    (folder / "notes.md").write_text("no recording")
    code, _, stderr = run("decompose", folder, "-o", out, "--features", "AU_r")
    assert code == 2 and stderr.count("Error:") == 1 and "c.csv: line 3" in stderr
    study = ["features_long.csv", "manifest.json", "notes.txt", "study.csv", "study.html"]
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "d", *study]
    (out / "b" / "summary.json").unlink()  # as if the run had been interrupted there
    (folder / "c.csv").write_bytes(file.read_bytes())
    stamps = {name: (out / name / "base.csv").stat().st_mtime_ns for name in "abd"}
    code, _, stderr = run("decompose", folder, "-o", out, "--features", "AU_r")
    assert code == 0 and stderr.count("are kept") == 2
    again = {name: (out / name / "base.csv").stat().st_mtime_ns for name in "abd"}
    assert {name for name in "abd" if again[name] != stamps[name]} == {"b"} and (out / "c" / "summary.json").exists()


def test_an_interrupted_run_leaves_no_half_results(run, file, tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr("rpca_affect.results.saving.write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    code, _, stderr = run("decompose", file, "-o", out, "--features", "AU_r")
    assert code == 130 and "interrupted" in stderr.casefold()
    assert not out.exists()


def test_a_signal_within_a_finaliser_still_ends_the_run(run, file, tmp_path, monkeypatch):
    """Python lets no exception out of a finaliser: the run must not go on as if nobody had asked."""

    class Finalised:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    def write(*_):
        Finalised()
        for _ in range(200):
            time.sleep(0.05)

    monkeypatch.setattr("rpca_affect.results.saving.write_json", write)
    code, _, stderr = run("decompose", file, "-o", tmp_path / "out", "--features", "AU_r")
    assert code == 143 and "Traceback" not in stderr and not (tmp_path / "out").exists()


DAMAGED = {
    "empty": (b"", "is empty"),
    "header only": (b"a,b\n", "no rows"),
    "truncated": (b"a,b,c\n1,2,3\n4,5", "line 3"),
    "text in a number column": (b"AU01_r,AU02_r\n1,2\n3,x\n5,6\n", "line 3, column 'AU02_r' holds 'x'"),
    "duplicate columns": (b"a,b,a\n1,2,3\n4,5,6\n", "columns 1 and 3 are both called 'a'"),
    "binary": (bytes(range(256)) * 8, "binary"),
    "pickle": (b"\x80\x05\x95abc", "pickle"),
    "not UTF-8": (b"a,b\n1,2\n\xff\x81,3\n", "UTF-8"),
    "wrong delimiter": (b"a b,c\n1,2\n3,4;5,6\n", "line 3"),
    "no numbers": (b"a,b\nx,y\nz,w\n", "no feature column"),
}


@pytest.mark.parametrize("content, sentence", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("command", ["decompose", "inspect"])
def test_damaged_files_get_one_sentence(run, tmp_path, command, content, sentence):
    path, out = tmp_path / "bad.csv", tmp_path / "out"
    path.write_bytes(content)
    code, stdout, stderr = run(command, path, *(["-o", out, "--report"] if command == "decompose" else []))
    assert code == 2 and stdout == ""
    assert sentence in stderr and "bad.csv" in stderr and "Traceback" not in stderr
    assert len(stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_files_that_cannot_be_opened(run, tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        code, _, stderr = run("decompose", path, "-o", tmp_path / "out")
        assert code == 2 and str(path) in stderr and len(stderr.strip().splitlines()) == 1
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere.csv")
    assert run("inspect", tmp_path / "link.csv")[0] == 2
    (tmp_path / "taken").write_text("")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n")
    code, _, stderr = run("decompose", tmp_path / "a.csv", "-o", tmp_path / "taken")
    assert code == 2 and "is a file, expected a folder" in stderr


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--noise", "loud"], "give 'auto', 'none' or a standard deviation"),
        (["--solver", "magic"], "solver 'magic' is not known"),
        (["--features", "nose"], "called 'nose'"),
        (["--min-confidence", "2"], "min_confidence is 2.0"),
        (["--format", "xyz"], "no format 'xyz'"),
        (["--threshold", "0"], "threshold is 0"),
        (["--false-alarms", "-1"], "false_alarms is -1"),
    ],
)
def test_wrong_options_get_one_sentence(run, file, tmp_path, words, sentence):
    code, _, stderr = run("decompose", file, "-o", tmp_path / "out", *words)
    assert code == 2 and sentence in stderr and "Traceback" not in stderr and not (tmp_path / "out").exists()


def test_lags_and_the_rate_of_false_alarms_reach_the_model(run, file, tmp_path):
    words = ["--lags", "1", "--max-transient", "0.4", "--no-refit", "--false-alarms", "25", "--no-check", "--json"]
    code, stdout, _ = run("decompose", file, "-o", tmp_path / "o", *words)
    assert code == 0
    made = json.loads(stdout)["parameters"]
    assert (made["lags"], made["max_transient"], made["refit"], made["false_alarms"]) == (1, 0.4, False, 25.0)


def test_quiet_and_json(run, file, tmp_path):
    code, stdout, stderr = run("decompose", file, "-o", tmp_path / "a", "--features", "AU_r", "--quiet")
    assert (code, stdout, stderr) == (0, "", "")
    code, stdout, stderr = run("decompose", file, "-o", tmp_path / "b", "--features", "AU_r", "--json")
    assert code == 0 and stderr == "" and json.loads(stdout)["features"] == 17
    code, stdout, _ = run("inspect", file, "--json")
    assert json.loads(stdout)["format"] == "openface"


def test_inspect_says_what_is_there(run, file):
    code, stdout, _ = run("inspect", file)
    assert code == 0 and "openface" in stdout and "AU_r" in stdout and "rpca-affect decompose" in stdout


def test_a_meaningless_split_is_announced(run, tmp_path):
    path = tmp_path / "noise.csv"
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 30))).add_prefix("f")
    table.to_csv(path, index=False)
    code, _, stderr = run("decompose", path, "-o", tmp_path / "out", "--noise", "none", "--solver", "ialm", "--report")
    assert code == 0 and "Meaningless split: rank" in stderr
    assert "Meaningless split" in (tmp_path / "out" / "summary.json").read_text()
    assert "Do not interpret this split" in (tmp_path / "out" / "report.html").read_text()


def test_other_separators_come_back(run, tmp_path):
    path = tmp_path / "german.csv"
    frames = np.arange(60)
    table = pd.DataFrame({"Zeit;s": frames / 25, "AU01": np.sin(frames / 9), "AU02": np.cos(frames / 9)})
    table.to_csv(path, sep=";", decimal=",", index=False)
    assert run("decompose", path, "-o", tmp_path / "out")[0] == 0
    base = pd.read_csv(tmp_path / "out" / "base.csv", sep=";", decimal=",")
    assert list(base.columns) == list(table.columns) and len(base) == 60


def test_demo(run, tmp_path):
    out = tmp_path / "demo"
    code, stdout, stderr = run("demo", "-o", out, "--seconds", "8")
    assert code == 0 and stdout == "" and "known events found" in stderr and "report.html" in stderr
    assert set(FILES) | {"session.csv"} == {*(path.name for path in out.iterdir()), "features.csv"}
    code, _, stderr = run("demo", "-o", out)
    assert code == 2 and "--overwrite" in stderr
    assert run("demo", "-o", out, "--seconds", "4", "--overwrite", "--quiet") == (0, "", "")


def test_bench(run):
    code, stdout, _ = run("bench", "--frames", "40", "--features", "30", "--repeat", "1", "--json")
    rows = {row["solver"]: row for row in json.loads(stdout)}
    assert code == 0 and {"admm", "ialm", "godec"} <= set(rows)
    assert all(row["seconds"] > 0 and row["reference_seconds"] > 0 for row in rows.values())
    assert rows["admm"]["base_error"] < 1e-3


def test_without_torch_one_sentence_says_what_to_install(run, tmp_path, monkeypatch):
    (tmp_path / "r.toml").write_text("")
    for name in [name for name in sys.modules if name.startswith("rpca_affect.deep")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, _, stderr = run("train", tmp_path / "r.toml")
    assert code == 2 and "pip install 'rpca-affect[deep]'" in stderr and len(stderr.strip().splitlines()) == 1


def test_train_and_predict_call_the_deep_part(run, tmp_path, monkeypatch):
    from rpca_affect.cli import learn

    class Deep:
        @staticmethod
        def train(recipe, out, **words):
            return {"recipe": recipe.name, "out": str(out), **words}

        @staticmethod
        def predict(model, data, out):
            return pd.DataFrame({"clip": ["a"]})

    monkeypatch.setattr(learn, "_deep", lambda: Deep)
    (tmp_path / "r.toml").write_text("")
    code, stdout, _ = run("train", tmp_path / "r.toml", "-o", tmp_path / "m", "--fresh", "--json")
    assert code == 0 and json.loads(stdout)["resume"] is False
    (tmp_path / "clips").mkdir()
    clip = tmp_path / "clips/a.csv"
    clip.write_text("time,AU12_r\n0.0,0.5\n")
    code, _, stderr = run("predict", tmp_path / "r.toml", tmp_path / "clips", "-o", tmp_path / "p.csv")
    assert code == 0 and "1 rows" in stderr
    code, _, stderr = run("predict", tmp_path / "r.toml", tmp_path / "clips", "-o", clip, "--overwrite")
    assert code == 2 and "an input, which is never replaced" in stderr
    assert run("train", tmp_path / "none.toml")[0] == 2
    assert run("predict", tmp_path / "r.toml", tmp_path / "none", "-o", tmp_path / "p.csv")[0] == 2
    (tmp_path / "p.csv").write_text("")
    code, _, stderr = run("predict", tmp_path / "r.toml", tmp_path / "clips", "-o", tmp_path / "p.csv")
    assert code == 2 and "--overwrite" in stderr


def test_the_entry_point_starts():
    done = subprocess.run(
        [sys.executable, "-m", "rpca_affect", "inspect", "nowhere.csv"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and done.stderr.strip() == "Error: nowhere.csv does not exist."


def shared_files():
    """Every file of the three trackers, by a name that needs no data to be listed; most of the clips on demand."""
    clips = [f"pyfeat/news_sample/{i:03d}.csv" for i in range(1, 21)]
    others = ["openface/OpenFace_Test.csv", "livelink/alex_rom_3.csv", "pyfeat/001.csv", "pyfeat/002.csv",
              "pyfeat/Feat_Test.csv", clips[6]]  # fmt: skip
    return [*others, *(pytest.param(name, marks=pytest.mark.slow) for name in clips if name not in others)]


@pytest.mark.parametrize("name", shared_files())
def test_every_shared_file_comes_through_the_shell(run, data_folder, tmp_path, name):
    source: Path = data_folder / name
    code, _, stderr = run("decompose", source, "-o", tmp_path / "out")
    assert code == 0 and "Error" not in stderr
    given = pd.read_csv(source)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    for doubt in summary["doubts"]:  # every doubt says what was found and what to do
        assert doubt["finding"] and doubt["remedy"] and "nan" not in str(doubt).casefold()
    parts = {table: pd.read_csv(tmp_path / "out" / table) for table in TABLES[:4]}
    for table in parts.values():
        assert list(table.columns) == list(given.columns) and len(table) == len(given)
    mask = parts["mask.csv"]
    numbers = [
        column for column in given.select_dtypes("number") if not mask[column].equals(given[column])
        and set(mask[column].unique()) <= {0, 1}
    ]  # fmt: skip
    total = sum(parts[part][numbers].to_numpy(float) for part in PARTS)
    known = (mask[numbers] == 1).to_numpy()
    assert known.any()
    np.testing.assert_allclose(total[known], given[numbers].to_numpy(float)[known], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("command", ["", "inspect", "decompose", "solve", "demo", "bench", "init", "train", "predict"])
def test_help_asks_no_value_of_a_flag_and_fills_its_lines(run, command):
    code, text, _ = run(*command.split(), "--help")
    assert code == 0 and "<bool>" not in text and "--help" in text
    paragraphs = text.partition("Arguments")[0].split("\n \n")
    assert all(len(line) > 100 for part in paragraphs for line in part.strip().splitlines()[:-1] if line.strip())
