"""The settings of results as plain values, whichever door they came through, and how two of them differ in words."""

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rpca_affect.results.identity import plain
from rpca_affect.results.split_tables import TableForm

__all__ = ["difference", "digest", "settings_of"]


def settings_of(given: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that results depend on beside their input.

    Parameters
    ----------
    given : dict
        Arguments of `rpca_affect.decompose`; what is left out has its default. What a split says beside them about
        itself, such as the solver that was chosen, is no setting.
    form : dict
        How the tables are written, as `rpca_affect.Split.save` takes it.

    Returns
    -------
    dict
        Plain values; of large arrays the hash of their content.
    """
    from rpca_affect.session import decompose

    words = {name: word.default for name, word in inspect.signature(decompose).parameters.items()}
    found = {name: value for name, value in words.items() if value is not inspect.Parameter.empty}
    found |= {name: value for name, value in given.items() if name != "callback" and not name.endswith("_used")}
    found["form"] = {
        "export": list(form.get("export", [])),
        **asdict(TableForm(**{name: value for name, value in form.items() if name != "export"})),
    }
    return plain({name: digest(value) for name, value in found.items() if name != "callback"})


def difference(changes: Mapping[str, tuple[Any, Any]]) -> str:
    """The first settings that differ, before and now."""
    return ", ".join(f"{name} {before}, now {now}" for name, (before, now) in list(changes.items())[:3])


def digest(value: Any) -> Any:
    """A setting as it is kept: the name of a file, the hash of a large array, any other value itself."""
    if isinstance(value, Path):
        return value.name
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.size > 16:
        return f"array {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]}"
    return value
