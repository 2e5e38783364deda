"""Labelled sequences of people: the sets that the benchmark knows by name, and any file of the documented form.

A file is a `.npz` with arrays `x000`, `x001`, ... of shape (frames, features), NaN where a cell is missing; `y`, one
label for each; and `group`, who it is of (nobody is ever on both sides of a split). Instead of `group` there may be
`split`, "train" or "test", for sets with an official split. No array may hold objects.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np


class LabelledSet(NamedTuple):
    """Sequences (T_i, D), a label and a group for each, and whether each belongs to the official test half."""

    name: str
    X: list
    y: np.ndarray
    group: np.ndarray | None
    test: np.ndarray | None


def read(name: str) -> LabelledSet:
    """A set by its name, or from a file of the documented form."""
    if name in NAMED:
        if "RPCA_AFFECT_DATA" not in os.environ:
            raise SystemExit(f"{name} needs RPCA_AFFECT_DATA, the folder with the data sets; set it.")
        return NAMED[name](Path(os.environ["RPCA_AFFECT_DATA"]))
    path = Path(name)
    if not path.exists():
        raise SystemExit(f"{name} is neither a file nor one of {', '.join(NAMED)}; give one of them.")
    return from_file(path)


def from_file(path: Path) -> LabelledSet:
    """Read a file of the documented form; each thing that is wrong with it has its sentence."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, OSError) as error:
        raise SystemExit(f"{path.name} cannot be read as .npz without objects ({error}); save plain arrays.") from error
    keys = sorted((key for key in arrays if re.fullmatch(r"x\d+", key)), key=lambda key: int(key[1:]))
    if not keys:
        raise SystemExit(f"{path.name} has no sequences; name them x000, x001, ...")
    X = [arrays[key].astype(np.float32) for key in keys]
    for key, x in zip(keys, X):
        if x.ndim != 2 or x.shape[1] != X[0].shape[1]:
            raise SystemExit(
                f"{path.name}: {key} has shape {x.shape}, {keys[0]} {X[0].shape}; give (frames, features)."
            )
        if np.isinf(x).any() or not np.isfinite(x).any():
            raise SystemExit(
                f"{path.name}: {key} holds infinite values or nothing at all; mark missing cells with NaN."
            )
    for key in ("y", "group", "split"):
        if key in arrays and len(arrays[key]) != len(X):
            raise SystemExit(
                f"{path.name}: {key} has {len(arrays[key])} entries for {len(X)} sequences; give one each."
            )
    if "y" not in arrays:
        raise SystemExit(f"{path.name} has no y; give one label for each sequence.")
    if "group" not in arrays and "split" not in arrays:
        raise SystemExit(f"{path.name} says neither group (who) nor split; without one of them people would be mixed.")
    test = arrays["split"].astype(str) == "test" if "split" in arrays else None
    return LabelledSet(path.stem, X, arrays["y"].astype(str), arrays.get("group"), test)


def emodb(data: Path) -> LabelledSet:
    """Acted German speech, four emotions; people are speakers."""
    with np.load(data / "emodb/emodb4_egemaps.npz") as a:
        X = [a[key] for key in sorted(a.files) if key.startswith("x")]
        return LabelledSet("emodb", X, a["label"], a["speaker"], None)


def watch_walk(data: Path, moods: tuple[int, ...] = (-1, 1)) -> LabelledSet:
    """A smart watch on 44 people who walk after, or with, sad, neutral and happy music or films."""
    X, y, group = [], [], []
    with np.load(data / "watch_walk/watch_walk_1s.npz") as a:
        for key in sorted(a.files):
            person, _, mood = key.split("_")
            if int(mood) in moods:
                X.append(a[key].astype(np.float32))
                y.append({-1: "sad", 0: "neutral", 1: "happy"}[int(mood)])
                group.append(person)
    return LabelledSet(f"watch_walk_{len(moods)}", X, np.array(y), np.array(group), None)


def gfe(data: Path, frames: int = 32) -> LabelledSet:
    """Windows of 8 recordings of one signer, 10 points around their mean; a grammatical expression or none."""
    X, y, group = [], [], []
    with np.load(data / "gfe/gfe_person_a.npz") as a:
        for name in sorted(key[:-3] for key in a.files if key.endswith("__y")):
            points = a[f"{name}__X"].reshape(-1, 100, 3)[:, ::10, :2]
            points = (points - points.mean(1, keepdims=True)).reshape(len(points), -1).astype(np.float32)
            points -= np.median(points, 0)
            for start in range(0, len(points) - frames + 1, frames):
                X.append(points[start : start + frames])
                y.append("expression" if a[f"{name}__y"][start : start + frames].mean() > 0.5 else "none")
                group.append(name)
    return LabelledSet("gfe", X, np.array(y), np.array(group), None)


def natops(data: Path) -> LabelledSet:
    """Six arm gestures, official split."""
    with np.load(data / "natops/natops.npz") as a:
        X, y = [*a["X_train"], *a["X_test"]], np.concatenate([a["y_train"], a["y_test"]])
        return LabelledSet("natops", X, y.astype(str), None, np.arange(len(X)) >= len(a["X_train"]))


def japanese_vowels(data: Path) -> LabelledSet:
    """Nine speakers are the classes, official split."""
    with np.load(data / "japanese_vowels/japanese_vowels.npz") as a:
        X = [a[f"x{i:03d}"].astype(np.float32) for i in range(640)]
        return LabelledSet("japanese_vowels", X, a["y"].astype(str), None, np.arange(640) >= 270)


NAMED = {
    "emodb": emodb,
    "watch_walk": watch_walk,
    "watch_walk_3": lambda data: watch_walk(data, (-1, 0, 1)),
    "gfe": gfe,
    "natops": natops,
    "japanese_vowels": japanese_vowels,
}
