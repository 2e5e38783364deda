"""Observed, base, transient and residual over time, one column of four panels for each feature."""

from typing import Any

import numpy as np

from rpca_affect.plots.parts import COLORS, NAMES, Parts, announce, new_axes, parts_of, short, style

__all__ = ["plot_decomposition"]

BINS = 1000  # stretches of time that a panel can show; of each, the smallest and the largest value are drawn


def plot_decomposition(
    split: Any, features: Any = None, *, observed: Any = None, count: int = 3, window: Any = None, axes: Any = None
) -> Any:
    """Draw the observed features and their three parts, stacked.

    Observed and base share one scale, transient and residual another, so that sizes can be compared down a column.
    Lost frames are shaded. A meaningless split is announced on the picture.

    Parameters
    ----------
    split : Split or Decomposition
        As returned by `rpca_affect.decompose` or `rpca_affect.solve` (one matrix).
    features : list of str or int, optional
        Which features; those with the most transient energy when left out.
    observed : array, shape (n_frames, n_features), optional
        The matrix that was solved, for a Decomposition; the sum of its parts when left out.
    count : int, default 3
        How many features, where ``features`` does not say it.
    window : (float, float), optional
        Part of the time axis to show, in its unit.
    axes : array of Axes, shape (4, k) or (4,), optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If a feature does not exist or ``axes`` has another shape.

    Examples
    --------
    >>> import matplotlib, numpy as np, rpca_affect as ra
    >>> matplotlib.use("Agg")
    >>> M = np.outer(np.sin(np.arange(60.0) / 9), np.ones(8)); M[30:33, 2] += 2.0
    >>> figure = ra.plot_decomposition(ra.solve(M), features=[2, 3])
    >>> len(figure.axes)
    8
    """
    parts = parts_of(split, observed)
    wanted = [features] if isinstance(features, (str, int)) else features
    columns = parts.leading(count) if wanted is None else [parts.column(feature) for feature in wanted]
    if not columns:
        raise ValueError("features is empty: name at least one feature")
    with style():
        if axes is None:
            size = (3.2 * max(len(columns), 1.6), 5.2)
            axes = new_axes(4, len(columns), size=size, sharex=True)
        grid = np.asarray(axes, dtype=object)
        grid = grid[:, None] if grid.ndim == 1 else grid
        if grid.shape != (4, len(columns)):
            raise ValueError(f"axes has shape {grid.shape}, expected (4, {len(columns)}): four parts by features")
        for column, feature in enumerate(columns):
            _draw_feature(grid[:, column], parts, feature, first=column == 0)
            grid[-1, column].set_xlabel(parts.axis)
        low, high = np.nanmin(parts.time), np.nanmax(parts.time)
        for ax in grid.flat:
            if high > low:
                ax.set_xlim(*(window or (low, high)))
        announce(grid[0, len(columns) // 2], parts.doubts)
        figure = grid[0, 0].figure
        if figure.get_layout_engine() is not None:
            figure.align_ylabels(list(grid[:, 0]))
    return figure


def _draw_feature(column: Any, parts: Parts, feature: int, first: bool) -> None:
    values = {name: parts.series(name, feature) for name in NAMES}
    whole = _limits(values["observed"], values["base"])
    detail = _limits(values["transient"], values["residual"], symmetric=True)
    for ax, name in zip(column, NAMES):
        for rows in parts.sequences:
            shown = rows[peaks(values[name][rows], BINS)]
            ax.plot(parts.time[shown], values[name][shown], color=COLORS[name])
        _shade(ax, parts, ~parts.mask[:, feature])
        ax.set_ylim(*(whole if name in ("observed", "base") else detail))
        ax.tick_params(labelbottom=name == NAMES[-1])
        ax.margins(x=0)
        if first:
            ax.set_ylabel(name, color=COLORS[name] if name != "residual" else "#555555", fontweight="bold")
    column[0].set_title(short(parts.names[feature]), parse_math=False)


def peaks(series: np.ndarray, bins: int) -> np.ndarray:
    """Places to draw of a long series: smallest and largest value of each of ``bins`` stretches, and every gap.

    Parameters
    ----------
    series : ndarray, shape (n,)
        NaN where nothing is drawn.
    bins : int

    Returns
    -------
    ndarray of int
        Increasing; all places of a series of at most ``3 * bins``.
    """
    length = len(series)
    if length <= 3 * bins:
        return np.arange(length)
    width = -(-length // bins)
    padded = np.full(-(-length // width) * width, np.nan)
    padded[:length] = series
    block = padded.reshape(-1, width)
    gone = np.isnan(block)
    start = np.arange(len(block)) * width
    kept = [np.array([0, length - 1])]
    some = ~gone.all(axis=1)
    kept.append(start[some] + np.where(gone, np.inf, block)[some].argmin(axis=1))
    kept.append(start[some] + np.where(gone, -np.inf, block)[some].argmax(axis=1))
    edges = np.flatnonzero(np.diff(np.isnan(series)))  # the ends of a gap, and the values beside it
    return np.unique(np.concatenate([*kept, edges, edges + 1]))


def _limits(*series: np.ndarray, symmetric: bool = False) -> tuple[float, float]:
    values = np.concatenate([part[np.isfinite(part)] for part in series])
    if not len(values):
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    if symmetric:
        low, high = -max(-low, high), max(-low, high)
    pad = 0.06 * (high - low) or max(abs(high), 1.0) * 0.1
    return low - pad, high + pad


def _shade(ax: Any, parts: Parts, lost: np.ndarray) -> None:
    """Grey bars where the feature was not observed."""
    if not lost.any():
        return
    steps = np.diff(parts.time)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
    edges = np.flatnonzero(np.diff(np.r_[0, lost.astype(np.int8), 0]))
    spans = [(parts.time[a] - step / 2, parts.time[b - 1] - parts.time[a] + step) for a, b in edges.reshape(-1, 2)]
    ax.broken_barh(spans, (0, 1), transform=ax.get_xaxis_transform(), facecolors=COLORS["lost"], zorder=0)
