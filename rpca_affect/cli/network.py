"""`init`, `train` and `predict` with their options; their work is in `rpca_affect.cli.learn`, loaded when called."""

from pathlib import Path
from typing import Annotated

import typer

from rpca_affect.cli.options import Json, Overwrite, Quiet, Target

__all__ = ["init", "predict", "train"]


def init(
    clips: Annotated[Path, typer.Argument(help="Folder with a recording, or a (T, D) .npy file, for each clip.")],
    labels: Annotated[Path, typer.Argument(help="Table with the columns clip and TARGET: CSV, or a workbook.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="TOML file for the recipe.")] = Path("recipe.toml"),
    target: Target = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Write a recipe that `train` understands."""
    from rpca_affect.cli.learn import run_init

    run_init(out, clips, labels, target or ["label"], overwrite=overwrite, quiet=quiet)


def train(
    recipe: Annotated[Path, typer.Argument(help="TOML file that says data, network and training.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the model.")] = Path("out/model"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew, not from the checkpoint in OUT.")] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train an unrolled network from a recipe; a run that was stopped goes on."""
    from rpca_affect.cli.learn import run_training

    run_training(recipe, out, resume=not fresh, overwrite=overwrite, quiet=quiet, as_json=json)


def predict(
    model: Annotated[Path, typer.Argument(help="model.safetensors, or the folder that train wrote.")],
    data: Annotated[Path, typer.Argument(help="A recording or (T, D) .npy file, or a folder of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file for the predictions.")] = Path("predictions.csv"),
    labels: Annotated[Path | None, typer.Option(help="What is true of the clips: scores are printed.")] = None,
    target: Target = None,
    form: Annotated[
        str, typer.Option("--list", help="What the labels are: table, dfew, ferv39k, veatic, abaw or gfe.")
    ] = "table",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Predict with a trained network."""
    from rpca_affect.cli.learn import run_prediction

    run_prediction(
        model, data, out, labels=labels, target=target or ["label"], form=form, overwrite=overwrite, quiet=quiet
    )
