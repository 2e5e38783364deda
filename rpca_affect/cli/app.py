"""The commands and their options; each does its work in a module of its own, loaded when it is called."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rpca_affect.cli import network
from rpca_affect.cli.large import solve
from rpca_affect.cli.options import (
    Commands,
    Confidence,
    Digits,
    Drop,
    Export,
    Features,
    Format,
    Fps,
    Gap,
    Json,
    Key,
    Mask,
    Missing,
    MissingKind,
    MissingWords,
    Overwrite,
    Quality,
    Quiet,
    Scale,
    Sparse,
    Table,
    TableKind,
    Time,
)

__all__ = ["app"]

_EXITS = (
    "Exit codes: 0 all done; 1 an error that nobody foresaw; 2 an input, an option or a folder cannot be used; "
    "130 interrupted; 141 the reader of the output went away; 143 ended by the system."
)

app = typer.Typer(
    cls=Commands,
    help="Separate the emotional base from transient fluctuations in per-frame features of video.",
    epilog=_EXITS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _examples(*lines: str) -> str:
    """The examples at the end of a help text, one a line."""
    return "\n\n".join(["Examples:", *lines])


def _version(wanted: bool) -> None:
    if wanted:
        from rpca_affect import __version__

        sys.stdout.write(f"rpca-affect {__version__}\n")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; anywhere in the line.")
    ] = False,
) -> None:
    """Separate the emotional base from transient fluctuations in per-frame features of video."""


@app.command(
    epilog=_examples(
        "rpca-affect inspect session.csv",
        "zcat session.csv.gz | rpca-affect inspect - --json",
    )
)
def inspect(
    file: Annotated[Path, typer.Argument(help="File to look at; - is standard input.")],
    format: Format = None,
    min_confidence: Confidence = 0.8,
    fps: Fps = None,
    max_gap: Gap = 1.0,
    key: Key = None,
    time: Time = None,
    confidence: Quality = None,
    features: Features = None,
    drop: Drop = None,
    missing_words: MissingWords = None,
    json: Json = False,
) -> None:
    """Describe a file: format, frame rate, gaps, feature groups, missing cells, and a command to go on with."""
    from rpca_affect.cli.inspecting import show_recording

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


@app.command(
    epilog=_examples(
        "rpca-affect decompose session.csv -o out --report",
        "rpca-affect decompose study_folder -o results --participants participants.tsv --jobs 4",
        "rpca-affect decompose study_folder -o results --scheduler tcp://10.0.0.1:8786",
        "rpca-affect decompose session.csv -o out --features au --threshold 3 --overwrite",
        "zcat session.csv.gz | rpca-affect decompose - -o out --json",
    )
)
def decompose(
    files: Annotated[list[Path], typer.Argument(help="Files, or folders that are searched; - is standard input.")],
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
    missing_words: MissingWords = None,
    mask: Mask = None,
    noise: Annotated[str, typer.Option(help="'auto', 'none', or a standard deviation in the file's units.")] = "auto",
    threshold: Annotated[
        float, typer.Option(help="Noise standard deviations off the base that make a transient.")
    ] = 2.0,
    lam: Annotated[float | None, typer.Option(help="Weight of the sparse part; replaces the threshold.")] = None,
    solver: Annotated[str, typer.Option(help="auto, admm, ialm, godec, altproj.")] = "auto",
    sparse: Annotated[Sparse, typer.Option(help="What a transient is: single cells, or whole frames.")] = Sparse.cells,
    apart: Annotated[
        bool,
        typer.Option("--apart", help="With --sparse frames: keep frames that are alike, and rare, out of the base."),
    ] = False,
    scale: Annotated[Scale, typer.Option(help="What features are divided by for the solve.")] = Scale.noise,
    floor: Annotated[
        float, typer.Option(help="Smallest noise of a feature, as a share of its standard deviation.")
    ] = 0.02,
    lags: Annotated[
        str,
        typer.Option(
            help="Frames that are solved side by side, so that the base may use time: a number, 1 for each frame "
            "alone, or 'auto' (1 above 150 features, else about half a second and at most 400 columns)."
        ),
    ] = "auto",
    levels: Annotated[
        str | None, typer.Option(help="Frames in a block of every time scale, such as 32,8,1; one scale when left out.")
    ] = None,
    max_transient: Annotated[
        float | None,
        typer.Option(
            "--max-transient",
            help="Longest transient in seconds: --lags auto takes twice that instead of half a second.",
        ),
    ] = None,
    refit: Annotated[
        bool, typer.Option(help="Give transients their full size back, and predict the base below them from the rest.")
    ] = True,
    false_alarms: Annotated[
        float, typer.Option("--false-alarms", help="Events per minute that noise alone may add to the list.")
    ] = 0.1,
    rank: Annotated[int | None, typer.Option(help="Rank of the base, for godec and altproj.")] = None,
    cardinality: Annotated[float | None, typer.Option(help="Cells in the sparse part, for godec.")] = None,
    tol: Annotated[float, typer.Option(help="Relative error to stop at.")] = 1e-5,
    gap: Annotated[
        float | None, typer.Option("--gap", help="Stop as soon as a relative duality gap of this is proved, too.")
    ] = None,
    max_iter: Annotated[int | None, typer.Option("--max-iter", help="Most steps of the solver.")] = None,
    check: Annotated[bool, typer.Option(help="Ask whether the base predicts cells that are hidden from it.")] = True,
    random_state: Annotated[int | None, typer.Option("--random-state", help="Seed of solvers that draw.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Recordings at a time, one thread each.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a dask scheduler (tcp://...) whose workers do it.")
    ] = None,
    participants: Annotated[
        Path | None, typer.Option("--participants", help="Table of participants that study.csv is joined to.")
    ] = None,
    table: Table = TableKind.csv,
    digits: Digits = "auto",
    missing: Missing = MissingKind.interpolate,
    export: Export = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Split recordings into base, transient and residual tables with the rows and columns of the input.

    One file is written to the folder OUT itself; several, or a folder, make a study: a folder for each recording,
    study.csv, features_long.csv and study.html. Finished recordings are kept, so that an interrupted run goes on where
    it stopped; other settings or another input need --overwrite or another OUT.
    """
    from rpca_affect.cli.decompose import decompose_all, digits_of, lags_of, levels_of, noise_of, programs_of

    settings: dict[str, Any] = {
        "features": features,
        "min_confidence": min_confidence,
        "format": format,
        "fps": fps,
        "max_gap": max_gap,
        "key": key,
        "time": time,
        "confidence": confidence,
        "drop": drop,
        "missing": missing_words,
        "mask": mask,
        "noise": noise_of(noise),
        "threshold": threshold,
        "lam": lam,
        "solver": solver,
        "sparse": sparse.value,
        "apart": apart,
        "scale": scale.value,
        "floor": floor,
        "lags": lags_of(lags),
        "levels": levels_of(levels),
        "max_transient": max_transient,
        "refit": refit,
        "false_alarms": false_alarms,
        "tol": tol,
        "check": check,
    }
    extra = {"rank": rank, "cardinality": cardinality, "gap": gap, "max_iter": max_iter, "random_state": random_state}
    settings |= {name: value for name, value in extra.items() if value is not None}
    raise typer.Exit(
        decompose_all(
            files,
            out,
            settings,
            report=report,
            overwrite=overwrite,
            quiet=quiet,
            as_json=json,
            jobs=jobs,
            scheduler=scheduler,
            participants=participants,
            form={
                "table": table.value,
                "digits": digits_of(digits),
                "missing": missing.value,
                "export": programs_of(export or []),
            },
        )
    )


app.command(
    epilog=_examples("rpca-affect solve features.npy -o parts --noise auto --spill scratch --checkpoint kept"),
)(solve)


@app.command(epilog=_examples("rpca-affect formats", "rpca-affect inspect session.csv --format openface"))
def formats(json: Json = False) -> None:
    """List the programs whose files are known; each is detected by its columns, or forced with --format."""
    from rpca_affect.cli.inspecting import show_formats

    show_formats(json)


@app.command(epilog=_examples("rpca-affect demo -o demo-out"))
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the session and its results.")] = Path(
        "demo-out"
    ),
    seconds: Annotated[float, typer.Option(min=2.0, help="Length of the session.")] = 40.0,
    seed: Annotated[int, typer.Option(help="Which session.")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Generate a face session in OpenFace form, split it, report it, and compare the parts with the planted ones."""
    from rpca_affect.cli.demo import run_demo

    run_demo(out, seconds, seed, overwrite=overwrite, quiet=quiet)


@app.command(epilog=_examples("rpca-affect bench --frames 2000 --features 500"))
def bench(
    frames: Annotated[int, typer.Option(min=20, help="Frames of the generated matrix.")] = 500,
    features: Annotated[int, typer.Option(min=20, help="Features of the generated matrix.")] = 200,
    repeat: Annotated[int, typer.Option(min=1, help="Runs in turns; the median counts.")] = 3,
    json: Json = False,
) -> None:
    """Time the solvers on this machine against the reference loop, on a matrix whose parts are known."""
    from rpca_affect.cli.bench import run_bench

    run_bench(frames, features, repeat, as_json=json)


app.command(epilog=_examples("rpca-affect init clips labels.csv -o recipe.toml"))(network.init)
app.command(epilog=_examples("rpca-affect train recipe.toml -o model"))(network.train)
app.command(
    epilog=_examples(
        "rpca-affect predict model clips -o predictions.csv",
        "rpca-affect predict model clips -o predictions.csv --labels labels.csv",
    )
)(network.predict)
