"""One module for each format; a module that is put in this folder is a format.

A format module has ``NAME``, ``score(kind, names)`` (how sure it is, 0 to 1, that a file of this kind with these
column names is its own), ``load(path, kind, key)`` (file to Table) and ``layout(table)`` (what the columns are).
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType


@cache
def formats() -> dict[str, ModuleType]:
    """All formats by name, found by listing this folder."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    return {module.NAME: module for module in modules}
