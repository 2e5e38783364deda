"""One module for each kind of file; it turns bytes into a `Table`, whatever the program that wrote them.

A container module declares ``KINDS`` (what `kind_of` calls its files) and ``load(source, keys)``: of the names that the
user gave it takes the one of an array, sheet or table and tells it as ``form["key"]``; the others name columns.  Its
heavy reader is imported where it is used; a missing one is named with the extra that brings it.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

from ..names import names_of
from ..tables import Table
from .sidecar import described
from .source import Source, open_source


@cache
def containers() -> dict[str, ModuleType]:
    """The module that reads each kind of file."""
    modules = [import_module(f"{__name__}.{info.name}") for info in iter_modules(__path__)]
    return {kind: module for module in modules for kind in getattr(module, "KINDS", ())}


def load(path: Path, keys: Sequence[str] = ()) -> Table:
    """Read a file of any kind into a Table; one of `keys` may choose one of several arrays, sheets or tables in it."""
    if path.is_dir():
        from .folders import load_folder

        return load_folder(path)
    source = open_source(path, keys)
    if source.member is None:
        return described(load_source(source, keys), path)
    table = load_source(source, [key for key in keys if key != source.member])
    inner = names_of(table.form.get("key"))
    return replace(table, form={**table.form, "key": ",".join((source.member, *inner))})


def load_source(source: Source, keys: Sequence[str] = ()) -> Table:
    """Read the bytes of a file into a Table."""
    return containers()[source.kind].load(source, keys)
