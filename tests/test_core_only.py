"""The core without its extras: looking at the package works, solving works, and what is missing names its extra."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rpca_affect import extras

BLOCK = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""
EVERYTHING = {"pandas", "matplotlib", "rich", "typer", "jinja2", "narwhals", "pyarrow", "h5py", "numba", "cupy", "dask",
              "torch", "skorch", "torchmetrics", "safetensors", "accelerate", "distributed"}  # fmt: skip


def python(code: str, blocked: set[str] = EVERYTHING) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", BLOCK.format(blocked=blocked) + code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "code",
    [
        "import rpca_affect as ra; assert all(hasattr(ra, name) for name in dir(ra))",
        "import inspect, rpca_affect as ra; assert 'decompose' in dict(inspect.getmembers(ra))",
        "from rpca_affect import *; import numpy as np; assert solve(np.eye(4)).rank >= 0; RobustPCA; deep",
        "import pydoc, rpca_affect as ra; assert 'pip install' in pydoc.render_doc(ra, renderer=pydoc.plaintext)",
        "import rpca_affect as ra; repr(ra.deep); help(ra.decompose) if False else None",
    ],
)
def test_looking_at_the_package_needs_no_extra(code):
    done = python(code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "use, extra",
    [
        ("ra.decompose('x.csv')", "cli"),
        ("ra.read('x.csv')", "cli"),
        ("ra.plots.plot_events", "cli"),
        ("ra.plot_events(None)", "cli"),
        ("ra.decompose_many([], 'x')", "cli"),
        ("ra.deep.train", "deep"),
        ("ra.distributed.solve(numpy.eye(9))", "dask"),
    ],
)
def test_what_is_missing_names_its_extra(use, extra):
    done = python(
        f"import numpy, rpca_affect as ra\n{use}", EVERYTHING - set(() if extra == "cli" else extras.EXTRAS["cli"])
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError") and f"rpca-affect[{extra}]" in last, done.stderr


def test_the_shell_without_its_extra_is_one_sentence():
    done = python("import sys; sys.argv = ['rpca-affect', '--help']\nfrom rpca_affect.cli import main; main()")
    assert done.returncode == 1 and done.stderr.startswith("Error: the command line needs ")
    assert len(done.stderr.strip().splitlines()) == 1 and "rpca-affect[cli]" in done.stderr


def test_every_extra_brings_the_libraries_that_name_it():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    for extra, libraries in extras.EXTRAS.items():
        brought = project["optional-dependencies"][extra]
        for library in libraries:
            assert any(re.search(rf"\b{library}\b", requirement) for requirement in brought), f"{library} in {extra}"


def test_a_library_that_lacks_something_itself_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_a_library.py").write_text("import something_it_lacks")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_it_lacks"):
        extras.needed("this", "half_a_library")


def test_no_test_takes_an_extra_for_granted():
    """`make lowest` installs the shell and what tests; whatever else a test file needs it asks for."""
    others = {library for extra, libraries in extras.EXTRAS.items() if extra != "cli" for library in libraries}
    for path in [*Path(__file__).parent.glob("*.py"), *(Path(__file__).parent / "estimators").glob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not others & {name.partition(".")[0] for name in names}, f"{path.name}: pytest.importorskip"
