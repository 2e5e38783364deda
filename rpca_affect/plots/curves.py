"""Curves about the solve itself: singular values of the parts, and error and rank over the steps."""

from typing import Any

import numpy as np

from rpca_affect.arrays import to_numpy
from rpca_affect.plots.parts import COLORS, announce, new_axes, parts_of, powers, style

__all__ = ["plot_convergence", "plot_spectrum"]


def plot_spectrum(split: Any, *, count: int = 60, ax: Any = None) -> Any:
    """Draw the singular values of the observed matrix, of its base and of its residual.

    A good split shows a base whose values follow the observed ones (less the threshold) and stop, and a residual that
    stays flat below that point. Values are those of the matrix that was solved: features divided by their scale.

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
        # The sequence with the most frames speaks for the others.
        solve = max(parts.solves, key=lambda answer: answer.sparse.shape[-2])
        low_rank = to_numpy(solve.factors.matrix() if solve.low_rank is None else solve.low_rank)
        sparse, noise = to_numpy(solve.sparse), to_numpy(solve.noise)
        matrices = {"observed": low_rank + sparse + noise, "base": low_rank, "residual": noise}
        marks = {"observed": "o", "base": "s", "residual": "^"}
        for name, matrix in matrices.items():
            values = np.linalg.svd(matrix, compute_uv=False)
            values = values[: min(count, solve.rank if name == "base" else count)]
            values = values[values > 0]
            if len(values):
                place = np.arange(1, len(values) + 1)
                ax.semilogy(place, values, marks[name], color=COLORS[name], markersize=3, label=name, fillstyle="none")
        ax.axvline(solve.rank + 0.5, color=COLORS["base"], linewidth=0.7, linestyle="--")
        right = solve.rank < 0.7 * min(count, min(sparse.shape))
        ax.annotate(
            f"rank {solve.rank}", (solve.rank + 0.5, 1), xycoords=("data", "axes fraction"),
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
