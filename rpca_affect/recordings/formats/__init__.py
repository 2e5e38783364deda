"""One module for each format; a module that is put in this folder is a format.

A format module declares

- ``NAME``, ``TITLE`` (the program, for people), ``CONVENTION`` (a `Convention`: what its columns are),
- ``score(table)``: how sure it is, 0 to 1, that a table is its own,
- ``layout(table)``: the `Layout` of such a table, mostly `lay_out` with the convention,
- ``example(folder, random_state)``: writes a small file as the program does, and returns an `Example`,

and, only where rows or columns must be made first (one blendshape for each row, start times above the numbers),
``prepare(table)``, which returns the table to lay out.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from ..tables import Table


@cache
def formats() -> dict[str, ModuleType]:
    """All formats by name, found by listing this folder."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    return {module.NAME: module for module in modules}


def prepared(module: ModuleType, table: Table) -> Table:
    """Table as the format lays it out."""
    return module.prepare(table) if hasattr(module, "prepare") else table
