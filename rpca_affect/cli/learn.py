"""`train` and `predict`: the deep part behind two commands; without PyTorch one sentence says what to install."""

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from rich.text import Text

from rpca_affect.cli.console import answer, say
from rpca_affect.results.folder import FolderError, ResultsFolder

__all__ = ["run_prediction", "run_training"]

TRAINED = ("model.safetensors", "checkpoint.safetensors", "history.csv", "summary.json")


def _deep() -> Any:
    try:
        return importlib.import_module("rpca_affect.deep")
    except ImportError as error:
        if (error.name or "").startswith("rpca_affect"):
            raise  # a mistake of ours, not a library that is not there
        raise ImportError(
            f"train and predict need {error.name}: install the deep part with: pip install 'rpca-affect[deep]'."
        ) from error


def run_training(recipe: Path, out: Path, *, resume: bool, quiet: bool, as_json: bool, overwrite: bool = False) -> None:
    """Train from a recipe and print the scores; checkpoints of a run that was stopped are ours, and nothing else is."""
    if not recipe.is_file():
        raise ValueError(f"{recipe} does not exist, expected a recipe in TOML.")
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
        console.print(Text(f"{name:<12}{value}"))


def run_prediction(model: Path, data: Path, out: Path, *, overwrite: bool, quiet: bool) -> None:
    """Predict for one clip or a folder of them and write a table."""
    for path in (model, data):
        if not path.exists():
            raise ValueError(f"{path} does not exist.")
    if out.is_dir():
        raise FolderError(f"{out} is a folder, expected a file for the predictions", "elsewhere")
    inputs = [model / TRAINED[0] if model.is_dir() else model, *(data.glob("*.npy") if data.is_dir() else [data])]
    if out.exists() and any(out.samefile(path) for path in inputs if path.exists()):
        raise FolderError(f"{out} is an input, which is never replaced", "elsewhere")
    if os.path.lexists(out) and not overwrite:
        raise FolderError(f"{out} exists already", "overwrite", "elsewhere")
    table = _deep().predict(model, data, out)
    say(quiet).print(Text(f"{len(table)} rows -> {out}"))
