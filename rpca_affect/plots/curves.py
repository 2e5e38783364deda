"""Curves about the solve itself: singular values of the parts, and error and rank over the steps."""

from typing import Any

import numpy as np

from rpca_affect.arrays import to_numpy
from rpca_affect.plots.parts import CELLS, COLORS, announce, new_axes, parts_of, powers, style

__all__ = ["plot_convergence", "plot_spectrum"]


def plot_spectrum(split: Any, *, count: int = 60, ax: Any = None) -> Any:
    """Draw the singular values of the observed matrix, of its base and of its residual.

    A good split shows a base whose values follow the observed ones and stop, and a residual that stays flat below that
    point. Features are divided by their scale; of a recording, the parts are those that are reported.

    Parameters
    ----------
    split : Split or Decomposition
    count : int, default 60
        How many values.
    ax : Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib, numpy as np, rpca_affect as ra
    >>> matplotlib.use("Agg")
    >>> M = np.outer(np.sin(np.arange(60.0) / 9), np.ones(8)); M[30:33, 2] += 2.0
    >>> ra.plot_spectrum(ra.solve(M)).get_ylabel()
    'singular value'
    """
    parts = parts_of(split)
    with style():
        ax = new_axes(size=(3.5, 2.6))[0, 0] if ax is None else ax
        rank, smaller, spectra = _spectra(split)
        marks = {"observed": "o", "base": "s", "residual": "^"}
        for name, values in spectra.items():
            values = values[: min(count, rank if name == "base" else count)]
            values = values[values > 0]
            if len(values):
                place = np.arange(1, len(values) + 1)
                ax.semilogy(place, values, marks[name], color=COLORS[name], markersize=3, label=name, fillstyle="none")
        ax.axvline(rank + 0.5, color=COLORS["base"], linewidth=0.7, linestyle="--")
        right = rank < 0.7 * min(count, smaller)
        ax.annotate(
            f"rank {rank}", (rank + 0.5, 1), xycoords=("data", "axes fraction"),
            xytext=(4 if right else -4, 0),
            textcoords="offset points", ha="left" if right else "right", va="top", color=COLORS["base"],
        )  # fmt: skip
        powers(ax)
        ax.set_xlabel("component")
        ax.set_ylabel("singular value")
        if ax.get_legend_handles_labels()[0]:
            ax.legend(loc="best")
        else:
            ax.text(0.5, 0.5, "the matrix is zero", transform=ax.transAxes, ha="center", va="center")
        announce(ax, parts.doubts)
    return ax


def _spectra(split: Any) -> tuple[int, int, dict[str, np.ndarray]]:
    """Rank of the base, the smaller side, and the singular values of the observed matrix, its base and its residual."""
    if not hasattr(split, "recording"):
        low_rank = to_numpy(split.factors.matrix() if split.low_rank is None else split.low_rank)
        noise = to_numpy(split.noise)
        matrices = {"observed": low_rank + to_numpy(split.sparse) + noise, "base": low_rank, "residual": noise}
        values = {name: np.linalg.svd(matrix, compute_uv=False) for name, matrix in matrices.items()}
        return int(split.rank), min(low_rank.shape), values
    # The sequence with the most frames speaks for the others.
    part = max(split.sequences, key=lambda part: (part.decomposition is not None, len(part.rows)))
    rank = int(part.rank)
    features = split.recording.n_features
    grams = {name: np.zeros((features, features)) for name in ("observed", "base", "residual")}
    step, scale = max(1, CELLS // features), part.scale.scale
    ends = [np.abs(end(split.base_values, axis=0) - part.scale.center) / scale for end in (np.min, np.max)]
    top = float(np.max(ends))
    unit = top if 0 < top < np.inf else 1.0  # the squares of gigantic values would overflow
    for start in range(0, len(part.rows), step):  # by their Gram matrices: nothing as large as the recording is made
        rows = part.rows[start : start + step]
        base = (split.base_values[rows] - part.scale.center) / scale / unit
        noise = split.residual_values[rows] / scale / unit
        observed = base + split.transient_values[rows] / scale / unit + noise
        for name, block in (("observed", observed), ("base", base), ("residual", noise)):
            grams[name] += block.T @ block
    values = {name: unit * _roots(gram) for name, gram in grams.items()}
    return rank, min(len(part.rows), features), values


def _roots(gram: np.ndarray) -> np.ndarray:
    """Singular values from a Gram matrix, falling; those that drown in its rounding are left out."""
    squares = np.linalg.eigvalsh(gram)[::-1]
    return np.sqrt(squares[squares > 64 * np.finfo(float).eps * len(gram) * squares[0]])


def plot_convergence(split: Any, *, tol: float | None = None, ax: Any = None) -> Any:
    """Draw the error of the solver over its steps, and the rank where the solver knows it.

    Parameters
    ----------
    split : Split or Decomposition
        One line for each sequence.
    tol : float, optional
        Draws the tolerance; taken from the Split when left out.
    ax : Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib, numpy as np, rpca_affect as ra
    >>> matplotlib.use("Agg")
    >>> M = np.outer(np.sin(np.arange(60.0) / 9), np.ones(8)); M[30:33, 2] += 2.0
    >>> ra.plot_convergence(ra.solve(M), tol=1e-7).get_xlabel()
    'step'
    """
    solves = split.decompositions if hasattr(split, "decompositions") else (split,)
    tol = split.parameters.get("tol") if tol is None and hasattr(split, "parameters") else tol
    with style():
        ax = new_axes(size=(3.5, 2.6))[0, 0] if ax is None else ax
        for answer in solves:
            error = np.asarray(answer.history.get("error", []), dtype=float)
            steps = np.arange(1, len(error) + 1)
            shown = np.isfinite(error) & (error > 0)
            ax.semilogy(steps[shown], error[shown], color=COLORS["base"], alpha=1.0 if len(solves) == 1 else 0.5)
        if tol is not None:
            ax.plot([1, 1], [tol / 10, 1.0], linestyle="none")  # room for it, also where no error was above zero
            ax.axhline(tol, color=COLORS["transient"], linewidth=0.7, linestyle="--")
            ax.annotate(
                "tolerance", (1.0, tol), xycoords=("axes fraction", "data"), xytext=(0, 2),
                textcoords="offset points", ha="right", color=COLORS["transient"],
            )  # fmt: skip
        ranks = [rank for rank in solves[0].history.get("rank", []) if rank is not None] if len(solves) == 1 else []
        if ranks and len(ranks) == len(solves[0].history["error"]):
            other = ax.twinx()
            other.plot(np.arange(1, len(ranks) + 1), ranks, color=COLORS["residual"], drawstyle="steps-mid")
            other.set_ylabel("rank of the base", color="#555555")
            other.set_ylim(0, 1.05 * max(ranks) or 1.0)
            other.spines["right"].set_visible(True)
        if ax.get_yscale() == "log":
            powers(ax)
        ax.set_xlabel("step")
        ax.set_ylabel("relative error", color=COLORS["base"])
    return ax
