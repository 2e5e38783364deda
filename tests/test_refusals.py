"""Refusals speak the words of their door, and change no other text."""

import ast
import inspect
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rpca_affect as ra
from rpca_affect.recordings.recording import RecordingError
from rpca_affect.refusals import Refusal, Setting, absent
from rpca_affect.study.failures import failure_of
from rpca_affect.words import FLAGS, setting

PACKAGE = Path(ra.__file__).parent
PARAMETERS = sorted({*inspect.signature(ra.decompose).parameters, "rank", "cardinality", "max_iter", "random_state"})
NAMES = st.sampled_from(PARAMETERS)
# Where errors begin that the shell shows too.
FOLDERS = ("recordings", "results", "study", "cli")
FILES = ("deep/training.py", "session/decomposing.py", "noise.py", "measuring.py", "checks.py")


def flags() -> set[str]:
    import typer.main

    from rpca_affect.cli.app import app

    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    return {name for command in commands for option in command.params for name in option.opts}


def raised():
    """Every ``raise`` whose error reaches the shell."""
    for path in [*(path for room in FOLDERS for path in (PACKAGE / room).rglob("*.py")), *map(PACKAGE.joinpath, FILES)]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise) and node.exc is not None:
                yield path, node


@given(NAMES, st.text(max_size=8), st.sampled_from([ValueError, TypeError, RecordingError]))
def test_what_looks_like_an_argument_in_a_name_stays(name, value, kind):
    sentence = " ".join(f"{name}={value}.csv cannot be read".split())
    assert failure_of(kind(sentence), door="shell").sentence == sentence


@given(NAMES, st.one_of(st.integers(), st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)))
def test_a_setting_is_an_argument_in_python_and_a_flag_in_the_shell(name, value):
    error = RecordingError("a.csv: give ", Setting(name, value), ".")
    assert str(error) == failure_of(error).sentence == f"a.csv: give {name}={value!r}."
    shell = failure_of(error, door="shell").sentence
    assert shell.startswith(f"a.csv: give {FLAGS.get(name, '--' + name.replace('_', '-'))} ")
    assert f"{name}=" not in shell.replace(str(value), "")


def test_refusals_survive_the_way_from_a_worker():
    error = RecordingError("choose one with ", Setting("key", "b"), ".")
    assert pickle.loads(pickle.dumps(error)).sentence("shell") == "choose one with --key b."


def test_every_setting_that_is_named_is_a_flag():
    known = flags()
    used = re.findall(r'\bSetting\("(\w+)"', "".join(path.read_text() for path in PACKAGE.rglob("*.py")))
    assert {"min_confidence", "key", "resume"} <= set(used)
    for name in [*used, *PARAMETERS]:
        if name not in ("source", "options"):
            value = False if name == "resume" else ...
            assert setting(name, value, "shell") in known, name


def test_no_sentence_spells_an_argument_as_text():
    spelled = re.compile(rf"\b({'|'.join(PARAMETERS)}|resume|overwrite)=")
    for path, node in raised():
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                assert not spelled.search(part.value), f"{path}:{node.lineno}: use Setting for {part.value!r}"


@pytest.mark.parametrize("door, words", [("python", "floor=-1"), ("shell", "--floor -1")])
def test_an_error_of_the_core_speaks_the_words_of_the_door(door, words):
    with pytest.raises(Refusal) as caught:
        ra.noise.ColumnScale.fit([[1.0, 2.0], [2.0, 1.0]], by="spread", floor=-1)
    assert failure_of(caught.value, door=door).sentence.startswith(words)


def test_a_name_that_is_nearly_right_is_corrected(tmp_path):
    (tmp_path / "Session_01.csv").touch()
    (tmp_path / "readme").touch()
    right = f"did you mean {tmp_path / 'Session_01.csv'}?"
    for wrong in ("sesion_01.csv", "session_01.CSV", "Session_1.csv"):
        with pytest.raises(RecordingError) as caught:
            ra.read(tmp_path / wrong)
        assert str(caught.value) == f"{tmp_path / wrong} does not exist; {right}"
        with pytest.raises(ValueError, match="does not exist; did you mean"):
            ra.decompose_many([tmp_path / wrong], tmp_path / "out")
    assert absent(tmp_path / "other.npy").endswith("other.npy does not exist.")
    assert absent(tmp_path / "data" / "a.csv").endswith(f"does not exist: there is no folder {tmp_path / 'data'}.")
