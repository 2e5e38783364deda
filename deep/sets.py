"""Labelled sequences of people: the sets that the benchmark knows by name, and any file of the documented form.

A file is a `.npz` with arrays `x000`, `x001`, ... of shape (frames, features), NaN where a cell is missing; `y`, one
label for each; and `group`, who it is of (nobody is ever on both sides of a split). Instead of `group`, or beside it,
there may be `split`, "train" or "test", for sets with an official split. Labels and groups may be text or numbers.

    np.savez("yours.npz", y=["calm", "tense", ...], group=["ann", "ann", "bob", ...],
             **{f"x{i:03d}": features for i, features in enumerate(recordings)})
"""

import os
import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

LARGEST = 1e15  # squares of single-precision numbers, and their sums, must be finite


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
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except Exception as error:  # zipfile, zlib, struct and ast each have errors of their own
        raise SystemExit(f"{path.name} is no whole .npz file of plain arrays; save one with numpy.savez.") from error
    X = sequences(path.name, arrays)
    if "y" not in arrays:
        raise SystemExit(f"{path.name} has no y; give one label for each sequence.")
    if "group" not in arrays and "split" not in arrays:
        raise SystemExit(f"{path.name} says neither group (who) nor split; without one of them people would be mixed.")
    y, group, split = (entries(path.name, arrays, key, len(X)) for key in ("y", "group", "split"))
    assert y is not None
    trainable(path.name, y, group, split)
    return LabelledSet(path.stem, X, y, group, None if split is None else split == "test")


def sequences(name: str, arrays: dict) -> list[np.ndarray]:
    """Arrays x000, x001, ... in the order of their numbers, float32."""
    number = {key: int(key[1:]) for key in arrays if re.fullmatch(r"x\d+", key)}
    keys = sorted(number, key=number.__getitem__)
    if not keys:
        raise SystemExit(f"{name} has no sequences; name them x000, x001, ...")
    for before, key in pairwise(keys):
        if number[key] != number[before] + 1:
            raise SystemExit(f"{name}: {key} follows {before}; number the sequences without gaps, in the order of y.")
    for key in keys:
        x = arrays[key]
        if x.ndim != 2 or x.shape[1:] != arrays[keys[0]].shape[1:]:
            shapes = f"{key} has shape {x.shape}, {keys[0]} {arrays[keys[0]].shape}"
            raise SystemExit(f"{name}: {shapes}; give (frames, features), the same features in all.")
        if x.dtype.kind not in "biuf":
            raise SystemExit(f"{name}: {key} holds {x.dtype} values; give real numbers.")
        if not np.isfinite(x).any():
            raise SystemExit(f"{name}: {key} has no observed cell; leave it out, and its entries of y and group.")
        if np.isinf(x).any() or np.nanmax(np.abs(x.astype(np.float64))) > LARGEST:
            raise SystemExit(
                f"{name}: {key} holds infinite values or some beyond {LARGEST:g}; mark missing cells with NaN, "
                "or choose other units."
            )
    X = [arrays[key].astype(np.float32) for key in keys]
    unseen = np.flatnonzero(~np.any([np.isfinite(x).any(0) for x in X], axis=0))
    if len(unseen):
        raise SystemExit(f"{name}: feature {unseen[0]} has no observed cell in any sequence; leave it out.")
    return X


def entries(name: str, arrays: dict, key: str, count: int) -> np.ndarray | None:
    """What ``y``, ``group`` or ``split`` says of each sequence, as text; nothing may be empty."""
    if key not in arrays:
        return None
    values = arrays[key]
    if values.shape != (count,):
        raise SystemExit(f"{name}: {key} has shape {values.shape} for {count} sequences; give one entry for each.")
    words = values.astype(str)
    empty = np.flatnonzero((np.char.strip(words) == "") | (values != values))
    if len(empty):
        raise SystemExit(f"{name}: entry {empty[0]} of {key} is empty; leave that sequence out, or say what it is.")
    return words


def trainable(name: str, y: np.ndarray, group: np.ndarray | None, split: np.ndarray | None) -> None:
    """Refuse labels that nobody could learn without looking at the people who are held out."""
    if len(set(y)) < 2:
        raise SystemExit(f"{name}: y holds one class, {y[0]}; give at least two.")
    if split is not None:
        wrong = sorted(set(split) - {"train", "test"})
        if wrong or len(set(split)) < 2:
            raise SystemExit(f"{name}: split holds {', '.join(sorted(set(split)))}; give train and test, and both.")
        both = set() if group is None else set(group[split == "train"]) & set(group[split == "test"])
        if both:
            raise SystemExit(f"{name}: {min(both)} is on both sides of the split; keep every person on one side.")
        unknown = set(y) - set(y[split == "train"])
        if unknown:
            raise SystemExit(f"{name}: class {min(unknown)} is on the test side only; leave it out.")
    if group is None:
        return
    learnt = np.ones(len(y), bool) if split is None else split == "train"
    people = len(set(group[learnt]))
    least = 3 if split is None else 2
    if people < least:
        raise SystemExit(
            f"{name} has {people} {'person' if people == 1 else 'people'} to learn from; epochs and sizes are chosen "
            f"on people who are held out, which needs at least {least}."
        )
    if split is None:
        for label in sorted(set(y)):
            if len(set(group[y == label])) < 2:
                raise SystemExit(
                    f"{name}: class {label} is of {group[y == label][0]} alone, so nobody can be tested on it; "
                    "leave it out, or give it of more people."
                )


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
