"""Every notebook runs from top to bottom at a small size, and says the same as its paired script."""

from pathlib import Path

import pytest

WHY = "the notebooks need their extra: pip install 'rpca-affect[notebooks]'"
jupytext = pytest.importorskip("jupytext", reason=WHY)
nbformat = pytest.importorskip("nbformat", reason=WHY)
NotebookClient = pytest.importorskip("nbclient", reason=WHY).NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's own event loop
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets of the kernel that just ended
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv("RPCA_AFFECT_NOTEBOOK_FAST", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(bool(cell.outputs) for cell in code) >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_and_script_say_the_same(path):
    script, notebook = jupytext.read(path.with_suffix(".py")), nbformat.read(path, as_version=4)
    assert [cell.source for cell in script.cells] == [cell.source for cell in notebook.cells]


def test_all_notebooks_are_here():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06", "07"]
