"""`train` and `predict`: the deep part behind two commands; without PyTorch one sentence says what to install."""

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from rich.text import Text

from rpca_affect.cli.app import say

__all__ = ["run_prediction", "run_training"]


def _deep() -> Any:
    try:
        return importlib.import_module("rpca_affect.deep")
    except ImportError as error:
        if (error.name or "").startswith("rpca_affect"):
            raise  # a mistake of ours, not a library that is not there
        raise ImportError(
            f"train and predict need {error.name}: install the deep part with: pip install 'rpca-affect[deep]'."
        ) from error


def run_training(recipe: Path, out: Path, *, resume: bool, quiet: bool, as_json: bool) -> None:
    """Train from a recipe and print the scores."""
    if not recipe.is_file():
        raise ValueError(f"{recipe} does not exist, expected a recipe in TOML.")
    result = _deep().train(recipe, out, resume=resume, quiet=quiet or as_json)
    if as_json:
        sys.stdout.write(json.dumps(result, indent=2, default=str) + "\n")
        return
    console = say(quiet)
    for name, value in result.items():
        console.print(Text(f"{name:<12}{value}"))


def run_prediction(model: Path, data: Path, out: Path, *, overwrite: bool, quiet: bool) -> None:
    """Predict for one clip or a folder of them and write a table."""
    for path in (model, data):
        if not path.exists():
            raise ValueError(f"{path} does not exist.")
    if out.exists() and not overwrite:
        raise ValueError(f"{out} exists already: use --overwrite to replace it, or -o for another file.")
    table = _deep().predict(model, data, out)
    say(quiet).print(Text(f"{len(table)} rows -> {out}"))
