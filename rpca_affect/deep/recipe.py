"""Recipes: data, model and training in a TOML file."""

import os
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from rpca_affect.deep.clips import Labelled, read_folder
from rpca_affect.deep.learners import LSEFClassifier, LSEFRegressor
from rpca_affect.deep.lists import split_by_video, split_in_time
from rpca_affect.deep.planted_affect import planted_affect


@dataclass(frozen=True)
class Recipe:
    """The entries of a TOML recipe; unknown names are refused.

    Attributes
    ----------
    task : {"classification", "regression"}
    data : dict
        ``kind = "folder"`` with ``folder``, ``labels``, ``target`` and optionally ``list`` (form of ``labels``, see
        `rpca_affect.deep.clips.read_folder`), ``numbering``, ``features``, ``test_labels`` (a second list) and, for
        ratings per frame, ``split`` ("time" or "video"); ``kind = "npz"`` with ``file`` (arrays X_train, y_train and
        optionally X_test, y_test); or ``kind = "planted"`` with the arguments of `planted_affect`. Environment
        variables in paths are expanded.
    estimator : dict
        Parameters of `LSEFClassifier` or `LSEFRegressor` (epochs, hidden, optimizer, random_state, ...).
    validation : float
        Share of the training sequences (of the persons, where they are known) held out for early stopping.
    patience : int
        Epochs without a better validation score before training stops; 0 = never.
    mixed_precision : {"no", "fp16", "bf16"}
    """

    task: str = "classification"
    data: dict[str, Any] = field(default_factory=dict)
    estimator: dict[str, Any] = field(default_factory=dict)
    validation: float = 0.2
    patience: int = 0
    mixed_precision: str = "no"

    @classmethod
    def read(cls, path: str | Path) -> "Recipe":
        """Read a TOML file."""
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"the recipe {path} does not exist; see deep/configs for examples.")
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path.name} is not valid TOML: {error}.") from error
        known = {f.name for f in fields(cls)}
        for name in content:
            if name not in known:
                raise ValueError(f"{path.name} has the unknown entry {name!r}; known are {', '.join(sorted(known))}.")
        recipe = cls(**content)
        if recipe.task not in ("classification", "regression"):
            raise ValueError(f"{path.name} has task {recipe.task!r}; give classification or regression.")
        return recipe

    def new_estimator(self) -> LSEFClassifier | LSEFRegressor:
        """The estimator that the recipe describes, not fitted."""
        kind = LSEFClassifier if self.task == "classification" else LSEFRegressor
        known = kind().get_params()
        for name in self.estimator:
            if name not in known:
                raise ValueError(f"the recipe's [estimator] has {name!r}; known are {', '.join(sorted(known))}.")
        return kind(**self.estimator)


def read_data(data: dict[str, Any], base: Path) -> dict[str, Any]:
    """Training and test sequences of a recipe: "X", "y", "person" and, where there are any, "X_test", "y_test".

    Of recordings also the names of their "features", and "notices".
    """
    data = dict(data)
    kind = data.pop("kind", "folder")
    readers = {"folder": _from_folder, "npz": _from_arrays, "planted": _from_generator}
    if kind not in readers:
        raise ValueError(f"the recipe's data has kind {kind!r}; give folder, npz or planted.")
    return readers[kind](data, base)


def _place(data: dict[str, Any], kind: str, name: str, base: Path) -> Path:
    """A path that the recipe names: environment variables filled in, seen from the recipe where it is relative."""
    if name not in data:
        raise ValueError(f"the recipe's [data] of kind {kind!r} lacks {name!r}; give a path.")
    path = Path(os.path.expandvars(data[name]))
    if "$" in str(path):
        raise ValueError(f"{data[name]!r} names an environment variable that is not set; set it or give a path.")
    return path if path.is_absolute() else base / path


def _from_generator(data: dict[str, Any], base: Path) -> dict[str, Any]:
    seed = data.pop("random_state", 0)
    X, y = planted_affect(**data, random_state=seed)
    X_test, y_test = planted_affect(**data, random_state=seed + 1)
    return {"X": X, "y": y, "person": None, "X_test": X_test, "y_test": y_test}


def _from_arrays(data: dict[str, Any], base: Path) -> dict[str, Any]:
    file = _place(data, "npz", "file", base)
    found = _arrays(file)
    if "X_train" not in found or "y_train" not in found:
        raise ValueError(f"{file.name} lacks X_train or y_train; give both arrays.")
    for side in ("train", "test"):
        sequences, targets = found.get(f"X_{side}"), found.get(f"y_{side}")
        if sequences is not None and (targets is None or len(sequences) != len(targets)):
            count = "no" if targets is None else len(targets)
            raise ValueError(f"{file.name} has {len(sequences)} {side} sequences and {count} targets.")
    split: dict[str, Any] = {"X": list(found["X_train"]), "y": found["y_train"], "person": None}
    if "X_test" in found:
        split |= {"X_test": list(found["X_test"]), "y_test": found["y_test"]}
    return split


def _from_folder(data: dict[str, Any], base: Path) -> dict[str, Any]:
    allowed = {"folder", "labels", "target", "list", "numbering", "features", "test_labels", "split"}
    for name in data:
        if name not in allowed:
            raise ValueError(f"the recipe's [data] has {name!r}; known are {', '.join(sorted(allowed))}.")

    def labelled(name: str) -> Labelled:
        folder, labels = (_place(data, "folder", word, base) for word in ("folder", name))
        form = {"form": data.get("list", "table"), "numbering": data.get("numbering")}
        return read_folder(folder, labels, data.get("target", "label"), **form, features=data.get("features"))

    return _sides(labelled("labels"), labelled("test_labels") if "test_labels" in data else None, data.get("split"))


def _sides(found: Labelled, test: Labelled | None, split: str | None) -> dict[str, Any]:
    """Training and test side: by a second list, the table's own column, or a split of rated videos."""
    X, names = found.clips.sequences, found.clips.names
    y: Any = found.y
    if names != (test or found).clips.names:
        raise ValueError("training and test clips do not have the same features; name them with features = [...].")
    both = set(found.clip) & set(test.clip if test else ())
    if both:
        raise ValueError(f"{min(both)} is in labels and in test_labels; keep it in one of them.")
    person, notices = found.person, [*found.clips.notices, *(test.clips.notices if test else ())]
    sides: dict[str, Any] = {"features": names, "notices": list(dict.fromkeys(notices))}
    sides["person"] = person
    if split == "time":
        if not isinstance(y, list) or not isinstance(y[0], np.ndarray):
            raise ValueError("the recipe's data has split 'time', which cuts ratings of every frame; leave it out.")
        parts = split_in_time([len(x) for x in X])
        sides |= {name: [s[early] for s, (early, _) in zip(side, parts)] for name, side in (("X", X), ("y", y))}
        late = {name: [s[late] for s, (_, late) in zip(side, parts)] for name, side in (("X_test", X), ("y_test", y))}
        return sides | late
    if split == "video":
        out = np.ones(len(X), dtype=bool)
        out[split_by_video(len(X))[0]] = False
    elif split is None:
        out = np.zeros(len(X), bool) if found.split is None else found.split == "test"
    else:
        raise ValueError(f"the recipe's data has split {split!r}; give time or video.")
    sides |= {name: taken(side, np.flatnonzero(~out)) for name, side in (("X", X), ("y", y))}
    sides["person"] = None if person is None else person[~out]
    X_test, y_test = taken(X, np.flatnonzero(out)), taken(y, np.flatnonzero(out))
    if test is not None:
        X_test = X_test + test.clips.sequences
        y_test = np.concatenate([y_test, test.y]) if isinstance(y_test, np.ndarray) else y_test + list(test.y)
    return sides | ({"X_test": X_test, "y_test": y_test} if X_test else {})


def taken(targets: Any, rows: np.ndarray) -> Any:
    """Some of the targets (or sequences): an array stays one, for a list of arrays holds ratings of every frame."""
    return targets[rows] if isinstance(targets, np.ndarray) else [targets[i] for i in rows]


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a recipe of kind "npz"; nothing that is no plain array is read."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give an .npz file with X_train and y_train.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("X_train", "y_train", "X_test", "y_test") if name in arrays}
    except Exception as error:  # zipfile, zlib, struct and ast each have errors of their own
        raise ValueError(f"{path} is no whole .npz file of plain arrays; save one with numpy.savez.") from error
    if not all(isinstance(array, np.ndarray) and array.ndim for array in found.values()):
        raise ValueError(f"{path} holds single numbers; give arrays, one entry for each sequence.")
    return found
