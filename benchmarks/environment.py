"""The environment of the benchmark: the peers beside this package, away from the development environment."""

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["HOME", "ROOT", "ensure"]

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv-bench"


def ensure(home: Path = HOME) -> Path:
    """Create the environment where it is missing or its requirements have changed; return its interpreter.

    Parameters
    ----------
    home : Path

    Returns
    -------
    Path
        The environment's Python.
    """
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    requirements = Path(__file__).with_name("requirements.txt")
    stamp = home / "installed-requirements.txt"
    if python.exists() and stamp.exists() and stamp.read_text() == requirements.read_text():
        return python
    print(f"creating {home.name} with the peers ...", flush=True)
    venv.create(home, with_pip=True, clear=True)
    failed = []
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    if subprocess.run([*pip, "-r", str(requirements)], check=False).returncode:
        # One peer that cannot be installed must not hide the others: its import error then stands in the table.
        lines = [line for line in requirements.read_text().splitlines() if line and not line.startswith("#")]
        failed = [line for line in lines if subprocess.run([*pip, line], check=False).returncode]
        print("could not be installed:", ", ".join(failed), flush=True)
    subprocess.run([*pip, "--no-deps", "--editable", str(ROOT)], check=True)
    if not failed:
        stamp.write_text(requirements.read_text())
    return python
