"""One module for each kind of file; it turns bytes into a `Table`, whatever the program that wrote them.

A container module declares ``KINDS`` (what `kind_of` calls its files) and ``load(source, key)``.  Its heavy reader is
imported where it is used; a missing one is named with the extra that brings it.
"""

from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from ..tables import Table
from .source import Source, open_source


@cache
def containers() -> dict[str, ModuleType]:
    """The module that reads each kind of file."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    return {kind: module for module in modules for kind in getattr(module, "KINDS", ())}


def load(path: Path, key: str | None = None) -> Table:
    """Read a file of any kind into a Table; `key` chooses one of several arrays, sheets or tables in it."""
    if path.is_dir():
        from .arrays import load_folder

        return load_folder(path)
    return load_source(open_source(path, key), key)


def load_source(source: Source, key: str | None = None) -> Table:
    """Read the bytes of a file into a Table."""
    return containers()[source.kind].load(source, key)
