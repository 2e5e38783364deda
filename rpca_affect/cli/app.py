"""The commands and their options; each does its work in a module of its own, loaded when it is called."""

import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

__all__ = ["app", "fail"]

app = typer.Typer(
    help="Separate the emotional base from transient fluctuations in per-frame features of video.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Sparse(enum.StrEnum):
    """What a transient is."""

    cells = "cells"
    frames = "frames"


class Scale(enum.StrEnum):
    """What features are divided by."""

    noise = "noise"
    spread = "spread"
    none = "none"


Format = Annotated[str | None, typer.Option("--format", help="Format of the file; detected when left out.")]
Features = Annotated[
    str | None, typer.Option("--features", help="Groups, names or patterns, such as au,gaze or 'AU*_r'.")
]
Confidence = Annotated[float, typer.Option("--min-confidence", help="Frames below it are masked.")]
Fps = Annotated[float | None, typer.Option("--fps", help="Frames per second, where the file does not say it.")]
Gap = Annotated[float, typer.Option("--max-gap", help="A longer gap, in seconds, starts a new sequence.")]
Key = Annotated[
    str | None, typer.Option("--key", help="Columns that tell people, faces or clips apart; the array in an .npz file.")
]
Time = Annotated[str | None, typer.Option("--time", help="Column that holds the time.")]
Quality = Annotated[str | None, typer.Option("--confidence", help="Column that holds the confidence of each frame.")]
Drop = Annotated[str | None, typer.Option("--drop", help="Columns, patterns or groups that are no features.")]
Missing = Annotated[
    list[str] | None,
    typer.Option("--missing-words", help="A word or number that means missing; give it once for each."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON on standard output.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing results.")]


def fail(sentence: str) -> int:
    """Print one sentence about what is wrong on standard error and return the exit code for it."""
    sentence = " ".join(sentence.split())
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(f"Error: {sentence}", style="red")
    return 2


def say(quiet: bool = False) -> Console:
    """Console for everything but answers: standard error, so that answers can be piped."""
    return Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="File to look at.")],
    format: Format = None,
    min_confidence: Confidence = 0.8,
    fps: Fps = None,
    max_gap: Gap = 1.0,
    key: Key = None,
    time: Time = None,
    confidence: Quality = None,
    features: Features = None,
    drop: Drop = None,
    missing_words: Missing = None,
    json: Json = False,
) -> None:
    """Say what a file holds: format, frame rate, gaps, feature groups, missing cells, and a command to go on with."""
    from rpca_affect.cli.split import show_recording

    words = {
        "format": format,
        "min_confidence": min_confidence,
        "fps": fps,
        "max_gap": max_gap,
        "key": key,
        "time": time,
        "confidence": confidence,
        "features": features,
        "drop": drop,
        "missing": missing_words,
    }
    show_recording(file, words, json)


@app.command()
def decompose(
    files: Annotated[list[Path], typer.Argument(help="Files, or folders of files.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("out"),
    report: Annotated[bool, typer.Option("--report", help="Write report.html as well.")] = False,
    features: Features = None,
    min_confidence: Confidence = 0.8,
    format: Format = None,
    fps: Fps = None,
    max_gap: Gap = 1.0,
    key: Key = None,
    time: Time = None,
    confidence: Quality = None,
    drop: Drop = None,
    missing_words: Missing = None,
    noise: Annotated[str, typer.Option(help="'auto', 'none', or a standard deviation in the file's units.")] = "auto",
    threshold: Annotated[
        float, typer.Option(help="Noise standard deviations off the base that make a transient.")
    ] = 2.0,
    lam: Annotated[float | None, typer.Option(help="Weight of the sparse part; replaces the threshold.")] = None,
    solver: Annotated[str, typer.Option(help="auto, admm, ialm, godec, altproj.")] = "auto",
    sparse: Annotated[Sparse, typer.Option(help="What a transient is: single cells, or whole frames.")] = Sparse.cells,
    scale: Annotated[Scale, typer.Option(help="What features are divided by for the solve.")] = Scale.noise,
    rank: Annotated[int | None, typer.Option(help="Rank of the base, for godec and altproj.")] = None,
    cardinality: Annotated[float | None, typer.Option(help="Cells in the sparse part, for godec.")] = None,
    tol: Annotated[float, typer.Option(help="Relative error to stop at.")] = 1e-5,
    max_iter: Annotated[int | None, typer.Option("--max-iter", help="Most steps of the solver.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Split recordings into base, transient and residual tables with the rows and columns of the input.

    One file is written to the folder OUT itself; several, or a folder, to one folder each inside OUT. Finished
    recordings are skipped, so that an interrupted run goes on where it stopped.
    """
    from rpca_affect.cli.split import decompose_all, noise_of

    words: dict[str, Any] = {
        "features": features,
        "min_confidence": min_confidence,
        "format": format,
        "fps": fps,
        "max_gap": max_gap,
        "key": key,
        "noise": noise_of(noise),
        "threshold": threshold,
        "lam": lam,
        "solver": solver,
        "sparse": sparse.value,
        "scale": scale.value,
        "tol": tol,
    }
    extra: dict[str, Any] = {"rank": rank, "cardinality": cardinality, "max_iter": max_iter}
    extra |= {"time": time, "confidence": confidence, "drop": drop, "missing": missing_words}
    words |= {name: value for name, value in extra.items() if value is not None}
    raise typer.Exit(decompose_all(files, out, words, report=report, overwrite=overwrite, quiet=quiet, as_json=json))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the session and its results.")] = Path(
        "demo-out"
    ),
    seconds: Annotated[float, typer.Option(min=2.0, help="Length of the session.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Which session.")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Generate a face session in OpenFace form, split it, report it, and compare it with what was put in."""
    from rpca_affect.cli.demo import run_demo

    run_demo(out, seconds, seed, overwrite=overwrite, quiet=quiet)


@app.command()
def bench(
    frames: Annotated[int, typer.Option(min=20, help="Frames of the generated matrix.")] = 500,
    features: Annotated[int, typer.Option(min=20, help="Features of the generated matrix.")] = 200,
    repeat: Annotated[int, typer.Option(min=1, help="Runs in turns; the median counts.")] = 3,
    json: Json = False,
) -> None:
    """Time the solvers on this machine against the reference loop, on a matrix whose parts are known."""
    from rpca_affect.cli.bench import run_bench

    run_bench(frames, features, repeat, as_json=json)


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="TOML file that says data, network and training.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the model.")] = Path("out/model"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew, not from the checkpoint in OUT.")] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train an unrolled network from a recipe; a run that was stopped goes on."""
    from rpca_affect.cli.learn import run_training

    run_training(recipe, out, resume=not fresh, quiet=quiet, as_json=json)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="model.safetensors, or the folder that train wrote.")],
    data: Annotated[Path, typer.Argument(help="One (T, D) .npy file, or a folder of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file for the predictions.")] = Path("predictions.csv"),
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Predict with a trained network."""
    from rpca_affect.cli.learn import run_prediction

    run_prediction(model, data, out, overwrite=overwrite, quiet=quiet)
