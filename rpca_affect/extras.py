"""Which extra of the package brings which optional library, and the stand-in for a name whose library is missing."""

import importlib
from functools import cache
from typing import Any, NoReturn

__all__ = ["EXTRAS", "extra_of", "install", "needed", "stand_in"]

EXTRAS = {
    "cli": ("pandas", "matplotlib", "rich", "typer", "jinja2", "narwhals"),
    "files": ("pyarrow", "h5py", "openpyxl", "pyreadstat", "safetensors"),
    "annotations": ("pympi", "xarray"),
    "fast": ("numba",),
    "gpu": ("cupy",),
    "deep": ("torch", "skorch", "torchmetrics", "accelerate"),
    "dask": ("dask", "distributed", "zarr"),
}


def extra_of(library: str) -> str | None:
    """Name of the extra that brings a library, or None.

    Examples
    --------
    >>> extra_of("torch.nn"), extra_of("antigravity")
    ('deep', None)
    """
    name = library.partition(".")[0]
    return next((extra for extra, libraries in EXTRAS.items() if name in libraries), None)


def install(what: str, library: str) -> str:
    """Sentence about a library that is missing and the command that installs it.

    Examples
    --------
    >>> install("decompose", "pandas")
    "decompose needs pandas: install it with: pip install 'rpca-affect[cli]'."
    """
    extra = extra_of(library)
    library = library.partition(".")[0]
    package = library if extra is None else f"'rpca-affect[{extra}]'"
    return f"{what} needs {library}: install it with: pip install {package}."


def needed(what: str, library: str) -> Any:
    """Import an optional library.

    Raises
    ------
    ImportError
        The sentence of `install`, where the library is not there.

    Examples
    --------
    >>> needed("this line", "no_such_library.part")
    Traceback (most recent call last):
    ImportError: this line needs no_such_library: install it with: pip install no_such_library.
    """
    try:
        return importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != library.partition(".")[0]:
            raise  # the library is there and lacks something itself
        raise ImportError(install(what, library), name=library) from None


class MissingName:
    """Stand-in for a public name whose library is not installed: any use raises the sentence that names the extra.

    Looking at the package (`dir`, `hasattr`, `inspect.getmembers`, ``import *``, pydoc) works without the library.
    """

    def __init__(self, name: str, library: str):
        self.__name__ = name
        self.__doc__ = install(name, library)

    def _refuse(self) -> NoReturn:
        raise ImportError(self.__doc__, name=self.__name__)

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        self._refuse()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # asked for by inspection
        self._refuse()

    def __repr__(self) -> str:
        return f"<{self.__doc__}>"


@cache
def stand_in(name: str, library: str) -> MissingName:
    """Return the stand-in for a public name; as a module is one object, each name has one.

    Examples
    --------
    >>> stand_in("deep", "torch")
    <deep needs torch: install it with: pip install 'rpca-affect[deep]'.>
    >>> stand_in("deep", "torch") is stand_in("deep", "torch")
    True
    """
    return MissingName(name, library)
