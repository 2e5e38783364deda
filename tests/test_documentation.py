"""Documentation that runs: docstring examples, numpydoc sections, the README's code, the links it makes."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import rpca_affect

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    info.name for info in pkgutil.walk_packages(rpca_affect.__path__, "rpca_affect.") if "__main__" not in info.name
)


def load(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} needs an optional library: {error}")


def imported(module):
    """The packages that the examples of a module import."""
    for test in doctest.DocTestFinder().find(module):
        for example in test.examples:
            for node in ast.parse(example.source).body:
                if isinstance(node, ast.Import):
                    yield from (alias.name.partition(".")[0] for alias in node.names)


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name):
    module = load(name)
    for package in imported(module):
        pytest.importorskip(package)
    with np.printoptions():
        failures, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failures == 0


def public_functions():
    for name in rpca_affect.__all__:
        try:
            value = getattr(rpca_affect, name)
        except ImportError:  # an extra that is not installed
            continue
        if inspect.isfunction(value) or inspect.isclass(value):
            yield name, value
    for name in rpca_affect._MODULES:
        module = load(f"rpca_affect.{name}")
        for name in module.__all__:
            value = getattr(module, name)
            if (inspect.isfunction(value) or inspect.isclass(value)) and not name.endswith("Error"):
                yield f"{module.__name__}.{name}", value


@pytest.mark.parametrize(
    "name, value", list(public_functions()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_public_docstrings_are_numpydoc(name, value):
    text = inspect.getdoc(value) or ""
    first = text.splitlines()[0]
    assert first.endswith("."), f"{name}: the first line is one sentence"
    if inspect.isfunction(value):
        taken = [p for p in inspect.signature(value).parameters if not p.startswith("_")]
        if taken:
            assert "Parameters\n------" in text, f"{name} lists no parameters"
        for parameter in taken:
            assert re.search(rf"\b{parameter}\b", text), f"{name}: {parameter} is not described"
        assert "Returns\n------" in text or "Yields" in text, f"{name} does not say what it returns"
    else:
        assert "Parameters\n------" in text or "Attributes\n------" in text, f"{name} lists no parameters"
    assert ">>>" in text, f"{name} shows no example"


def readme_blocks():
    text = (ROOT / "README.md").read_text()
    return re.findall(r"```python\n(.*?)```", text, flags=re.S)


def test_readme_code_runs(tmp_path, monkeypatch):
    """The README's Python blocks run in order, in a folder that holds a session file."""
    monkeypatch.chdir(tmp_path)
    rpca_affect.synthetic.make_session(n_frames=200, random_state=0).frame.to_csv("session.csv", index=False)
    blocks = readme_blocks()
    assert len(blocks) >= 3
    scope: dict = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)


PAGES = sorted((ROOT / "docs").rglob("[!_]*.md"))


EXTRA = re.compile(r"rpca-affect\[\w+\]")


def blocks_of(page):
    """The fenced blocks of a page, in order: language and text; long lines are joined."""
    text = re.sub(r"\\\n\s*", "", page.read_text())
    return re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.S | re.M)


def run_in_r(text):
    if not text or shutil.which("Rscript") is None:
        return
    Path("page.R").write_text("options(warn = 2)\n" + text)
    answer = subprocess.run(["Rscript", "--vanilla", "page.R"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def run_in_shell(text):
    """The commands of the package in a block; lines that install something are for the reader."""
    from typer.testing import CliRunner

    from rpca_affect.cli.app import app

    for line in text.splitlines():
        if line.startswith("rpca-affect "):
            answer = CliRunner().invoke(app, shlex.split(line, comments=True)[1:], catch_exceptions=False)
            assert answer.exit_code == 0, f"{line}: {answer.output}"


@pytest.fixture
def a_readers_folder(tmp_path, monkeypatch):
    """What the pages take for granted: a recording, two folders of recordings, and who the people are."""
    monkeypatch.chdir(tmp_path)
    names = [f"p{i:02d}" for i in range(1, 5)]
    for seed, name in enumerate(names):
        session = rpca_affect.synthetic.make_session(duration=6, random_state=seed).frame
        session = session[[*session.columns[:5], *(c for c in session if c.startswith(("gaze", "AU")))]]
        for folder in (".", "processed", "recordings"):
            Path(folder).mkdir(exist_ok=True)
            session.to_csv(Path(folder, "session.csv" if folder == "." else f"{name}.csv"), index=False)
    conditions = ["calm", "calm", "stress", "stress"]
    people = "".join(f"{name}\t{condition}\n" for name, condition in zip(names, conditions))
    Path("participants.tsv").write_text("participant_id\tcondition\n" + people)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_as_it_is_written(page, a_readers_folder):
    """Python, shell and R of a page run in order, each page by itself, in a folder that holds recordings.

    Where a library is missing, the page has named the extra that the error names.
    """
    blocks = blocks_of(page)
    scope: dict = {}
    try:
        for language, text in blocks:
            if language == "python":
                exec(compile(text, page.name, "exec"), scope)
            elif language == "":
                run_in_shell(text)
    except (ImportError, AssertionError) as error:
        if not any(extra in str(error) for extra in EXTRA.findall(page.read_text())):
            raise
        pytest.skip(str(error))
    run_in_r("".join(text for language, text in blocks if language == "r"))


def test_commands_of_the_site_exist():
    """Every `make` target and every option of the shell that a page names is one."""
    from typer.main import get_command

    from rpca_affect.cli.app import app

    rules = (ROOT / "Makefile").read_text()
    commands = get_command(app).commands
    for page in [*PAGES, ROOT / "README.md"]:
        text = page.read_text()
        for target in set(re.findall(r"`make ([a-z-]+)`", text)):
            assert re.search(rf"^{target}:", rules, flags=re.M), f"{page.name}: make {target}"
        for line in re.findall(r"^rpca-affect (.+)$", text, flags=re.M):
            words = line.split("#")[0].split()
            known = {option for parameter in commands[words[0]].params for option in parameter.opts}
            assert {word for word in words if word.startswith("-")} <= known, f"{page.name}: rpca-affect {line}"


def test_readme_links_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


def test_every_make_target_of_the_readme_exists():
    text = (ROOT / "README.md").read_text()
    rules = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z-]+)`?", text)):
        assert re.search(rf"^{target}:", rules, flags=re.M), target
