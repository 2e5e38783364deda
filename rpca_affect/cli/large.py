"""`solve`: one matrix larger than memory, or on a cluster, into files of its parts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rpca_affect.cli.console import answer, say
from rpca_affect.cli.options import Json, Quiet, Sparse

__all__ = ["solve"]

SAID = 10  # steps from one line about the progress to the next


def solve(
    matrix: Annotated[
        Path, typer.Argument(help="An .npy file, a zarr array or a folder of Parquet files: frames x features.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for low_rank.npy, sparse.npy and noise.npy.")],
    noise: Annotated[str, typer.Option(help="'auto', 'none', or a standard deviation.")] = "auto",
    lam: Annotated[float | None, typer.Option(help="Weight of the sparse part.")] = None,
    solver: Annotated[str, typer.Option(help="auto, admm, ialm.")] = "auto",
    sparse: Annotated[Sparse, typer.Option(help="What a transient is: single cells, or whole frames.")] = Sparse.cells,
    tol: Annotated[float, typer.Option(help="Relative error to stop at.")] = 1e-7,
    max_iter: Annotated[int | None, typer.Option("--max-iter", help="Most steps of the solver.")] = None,
    spill: Annotated[Path | None, typer.Option(help="Folder for data and state where memory is short.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Folder to go on from after a crash or Ctrl-C.")] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler (tcp://...) whose workers hold the rows.")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Split one matrix that may be larger than memory, as it is: features are neither scaled nor chosen."""
    from rpca_affect import distributed
    from rpca_affect.cli.decompose import noise_of

    console = say(quiet or json)

    def watch(progress: Any) -> None:
        if progress.n_iter % SAID == 0:
            console.print(f"step {progress.n_iter}: error {progress.error:.1e}, rank {progress.rank}")

    split = distributed.solve(
        matrix,
        solver,
        lam=lam,
        noise=noise_of(noise),
        sparse=sparse.value,
        tol=tol,
        max_iter=max_iter,
        callback=watch,
        scheduler="threads" if scheduler is None else scheduler,
        checkpoint=checkpoint,
        spill=spill,
        out=out,
    )
    console.print(f"{out}: rank {split.rank}, {split.sparsity:.1%} of the cells in the sparse part. {split.status}")
    if json:
        answer(
            {
                "source": str(matrix),
                "out": str(out),
                "shape": list(split.sparse.shape),
                "rank": split.rank,
                "sparsity": split.sparsity,
                "steps": split.n_iter,
                "gap": split.gap,
                "converged": split.converged,
                "status": str(split.status),
            }
        )
