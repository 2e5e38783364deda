"""Make the notebooks from their paired scripts, executed at full size: ``python notebooks/build.py [name ...]``."""

import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent


def build(script: Path) -> Path:
    notebook = jupytext.read(script)
    place = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=place).execute()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # stable, so that a rebuild changes only what changed
        cell.metadata.pop("execution", None)
    target = script.with_suffix(".ipynb")
    nbformat.write(notebook, target)
    return target


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("[0-9]*.py")):
        if not sys.argv[1:] or any(path.name.startswith(name) for name in sys.argv[1:]):
            print(build(path).name)
