"""The API reference: one list for each public module, made from its ``__all__`` so that no name can be forgotten."""

import importlib
from pathlib import Path

# Public module -> what it is for; the order of the page.
MODULES = {
    "rpca_affect": "Front doors, estimators, solvers and pictures: everything that `import rpca_affect as ra` offers.",
    "rpca_affect.recordings": "Files and tables to recordings.",
    "rpca_affect.solvers": "What a solver of one's own is made of, and what its steps are given.",
    "rpca_affect.prox": "Proximal operators.",
    "rpca_affect.noise": "Noise levels and scales.",
    "rpca_affect.metrics": "How well a split agrees with a known one.",
    "rpca_affect.synthetic": "Problems and sessions with known answers.",
    "rpca_affect.distributed": "Matrices beyond memory, on dask.",
    "rpca_affect.deep": "Unrolled solvers: SEM, DDM, CIM, RAO, LSEF. A reconstruction from published roles.",
}


def write(target: Path) -> None:
    """Write the page of all public names to ``target``."""
    lines = ["# Reference", "", "Every public name, from its docstring. Arrays are frames x features throughout.", ""]
    seen: list[object] = []  # a name that two modules offer has its page under the first
    for name, purpose in MODULES.items():
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            raise SystemExit(f"the reference needs {error.name}: install the extras `all` and `docs`") from error
        offered = {item: getattr(module, item) for item in module.__all__}
        documented = [item for item, thing in offered.items() if _has_page(thing) and thing not in seen]
        seen += [offered[item] for item in documented]
        table = [f".. currentmodule:: {name}", "", ".. autosummary::", f"   :toctree: {name}", "   :nosignatures:", ""]
        table += [f"   {item}" for item in documented]
        lines += [f"## {name}", "", purpose, "", "```{eval-rst}", *table, "```", ""]
        for page in (target.parent / name).glob("*.rst"):  # of names that are no longer
            if page.stem.removeprefix(f"{name}.") not in documented:
                page.unlink()
    target.parent.mkdir(exist_ok=True)
    text = "\n".join(lines)
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


def _has_page(thing: object) -> bool:
    return callable(thing) and bool(getattr(thing, "__doc__", None))
