"""`init`, `train` and `predict`: the work of the deep part's commands; without PyTorch one sentence names the extra."""

import importlib
import importlib.util
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from rpca_affect.cli.console import answer, say
from rpca_affect.extras import extra_of, install
from rpca_affect.recordings import recordings_in
from rpca_affect.refusals import absent
from rpca_affect.results.folder import FolderError, ResultsFolder

__all__ = ["run_init", "run_prediction", "run_training"]

TRAINED = ("model.safetensors", "checkpoint.safetensors", "history.csv", "summary.json", "card.html")
SIDES = ("validation", "test")
SHOWN = 4  # notices in the shell


def _deep() -> Any:
    try:
        return importlib.import_module("rpca_affect.deep")
    except ModuleNotFoundError as error:
        if error.name is None or extra_of(error.name) is None:
            raise  # a mistake of ours, not a library that is not there
        raise ImportError(install("the deep part", error.name)) from error


RECIPE = """\
# Trained by: rpca-affect train {name} -o model
task = "{task}"
validation = 0.2         # share of the training clips{whose} held out to choose the best epoch
patience = 10            # epochs without a better score before training stops; 0 = never

[data]
kind = "folder"
folder = {folder}        # one file for each clip: a recording of any format known, or a (frames, features) array .npy
labels = {labels}        # table with the columns clip, {target} and, if there are any, person and split (train, test)
target = {target}
# features = ["AU"]      # groups, names or patterns; all that every clip has when left out
# list = "dfew"          # what labels is, if not such a table: dfew, ferv39k, or veatic, abaw, gfe (of every frame)

[estimator]
model = "lsef"           # or a baseline: gru, tcn, transformer
hidden = 32
epochs = 50
batch_size = 16
{balance}random_state = 0
"""


def run_init(out: Path, clips: Path, labels: Path, target: Sequence[str], *, overwrite: bool, quiet: bool) -> None:
    """Write a recipe for a folder of clips and a table of labels, and say how the labels were understood."""
    import pandas as pd

    if os.path.lexists(out) and not overwrite:
        raise FolderError(f"{out} exists already", "overwrite", "elsewhere")
    if not clips.is_dir():
        raise ValueError(f"{clips} is not a folder, expected one with a file for each clip.")
    _deep()
    from rpca_affect.deep.clips import read_table
    from rpca_affect.deep.naming import Folder

    table, where = read_table(labels, target), Folder(clips)
    for clip in table["clip"]:
        where[clip]  # a clip without a file is said now, not when training begins
    numbers = [pd.api.types.is_numeric_dtype(table[name]) for name in target]
    if len(target) > 1 and not all(numbers):
        raise ValueError(f"{target[numbers.index(False)]} of {labels.name} is no rating; give one column of classes.")
    ratings = len(target) > 1 or pd.api.types.is_float_dtype(table[target[0]])

    def place(path: Path) -> str:
        return json.dumps(Path(os.path.relpath(path, out.parent)).as_posix())

    text = RECIPE.format(
        name=out.name,
        task="regression" if ratings else "classification",
        whose=" (of the persons: nobody is on both sides)" if "person" in table else "",
        folder=place(clips),
        labels=place(labels),
        target=json.dumps(target[0] if len(target) == 1 else list(target)),
        balance="" if ratings else 'class_weight = "balanced"   # every class counts alike, however rare\n',
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, out)
    kind = "ratings" if ratings else f"{table[target[0]].nunique()} classes"
    people = f"{table['person'].nunique()} persons" if "person" in table else "no column person: clips are mixed freely"
    say(quiet).print(Text(f"{', '.join(target)}: {kind}, {len(table)} clips, {people} -> {out}"))


def run_training(recipe: Path, out: Path, *, resume: bool, quiet: bool, as_json: bool, overwrite: bool = False) -> None:
    """Train from a recipe and print the scores; checkpoints of a run that was stopped are ours, and nothing else is."""
    if not recipe.is_file():
        raise ValueError(absent(recipe, "a recipe in TOML"))
    deep = _deep()
    with ResultsFolder(out, protected=[recipe]) as folder:
        folder.claim(TRAINED, {"recipe": recipe.name}, kind="training", overwrite=overwrite)
        try:
            result = deep.train(recipe, out, resume=resume, quiet=quiet or as_json)
        except Exception:
            folder.disclaim()
            raise
        folder.seal()
    if as_json:
        answer(result)
        return
    console = say(quiet)
    for name, value in result.items():
        if name == "notices":
            _tell(console, value, f"all are in {out / 'card.html'}")
        elif name != "confusion":  # the card has it as a table
            shown = (
                {key: part for key, part in value.items() if key != "score"}
                if name in SIDES and "uar" in value
                else value
            )
            console.print(Text(f"{name:<12}{_rounded(shown)}"))
    console.print(Text(f"{'card':<12}{out / 'card.html'}"))


def run_prediction(
    model: Path,
    data: Path,
    out: Path,
    *,
    overwrite: bool,
    quiet: bool,
    labels: Path | None = None,
    target: Sequence[str] = ("label",),
    form: str = "table",
) -> None:
    """Predict for one clip or a folder of them and write a table; with labels, say how well they agree."""
    for path in (model, data, *([] if labels is None else [labels])):
        if not path.exists():
            raise ValueError(absent(path))
    if out.is_dir():
        raise FolderError(f"{out} is a folder, expected a file for the predictions", "elsewhere")
    inputs = [model / TRAINED[0] if model.is_dir() else model, *([] if labels is None else [labels])]
    inputs += recordings_in(data).files if data.is_dir() else [data]
    if out.exists() and any(out.samefile(path) for path in inputs if path.exists()):
        raise FolderError(f"{out} is an input, which is never replaced", "elsewhere")
    if os.path.lexists(out) and not overwrite:
        raise FolderError(f"{out} exists already", "overwrite", "elsewhere")
    deep = _deep()
    columns = target[0] if len(target) == 1 else list(target)
    given = {} if labels is None else {"labels": labels, "target": columns, "form": form}
    table = deep.predict(model, data, out, **given)
    console = say(quiet)
    _tell(console, table.attrs.get("notices", ()), "`rpca-affect inspect` shows those of a file")
    console.print(Text(f"{len(table)} rows -> {out}"))
    if labels is not None:
        for name, value in deep.scores(table).items():
            console.print(Text(f"{name:<12}{_rounded(value)}"))


def _tell(console: Any, notices: Sequence[str], where: str) -> None:
    """The first notices, and how many more there are."""
    for notice in notices[:SHOWN]:
        console.print(Text(notice))
    if len(notices) > SHOWN:
        console.print(Text(f"and {len(notices) - SHOWN} more notices; {where}"))


def _rounded(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_rounded(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_rounded, value))
    return f"{value:.3f}" if isinstance(value, float) else str(value)
