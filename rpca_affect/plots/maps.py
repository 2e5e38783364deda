"""Heat maps of the four parts of a recording on one scale, and the map of its missing cells."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from rpca_affect.plots.parts import CELLS, COLORS, NAMES, Parts, announce, new_axes, parts_of, short, style

__all__ = ["plot_heatmaps", "plot_missing"]

WIDTH = 1200  # columns of pixels that a picture can show; more frames than that are drawn by their largest cell
HEIGHT = 600


def plot_heatmaps(split: Any, *, observed: Any = None, axes: Any = None) -> Any:
    """Draw all features over time as four heat maps with one colour scale.

    Observed and base are shown as the distance from the median of the feature. All are divided by the noise of the
    feature, on a scale that is linear up to two standard deviations and logarithmic beyond. Missing cells are grey.

    Parameters
    ----------
    split : Split or Decomposition
    observed : array, shape (n_frames, n_features), optional
        As in `rpca_affect.plot_decomposition`.
    axes : array of 4 Axes, optional

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If ``axes`` are not four.

    Examples
    --------
    >>> import matplotlib, numpy as np, rpca_affect as ra
    >>> matplotlib.use("Agg")
    >>> M = np.outer(np.sin(np.arange(60.0) / 9), np.ones(8)); M[30:33, 2] += 2.0
    >>> figure = ra.plot_heatmaps(ra.solve(M))
    >>> [ax.get_title(loc="left") for ax in figure.axes[:4]]
    ['observed', 'base', 'transient', 'residual']
    """
    from matplotlib import colormaps
    from matplotlib.colors import SymLogNorm

    parts = parts_of(split, observed)
    order, ticks, labels = _by_group(parts)
    with style():
        if axes is None:
            axes = new_axes(4, 1, size=(7.2, 6.4), sharex=True)
        grid = np.asarray(axes, dtype=object).ravel()
        if grid.shape != (4,):
            raise ValueError(f"axes has {grid.size} entries, expected 4: one for each part")
        shown = {}
        for name in NAMES:
            shown[name] = _thinned(*_scaled(parts, name, order), len(parts.mask), len(order))
        top = max(float(np.abs(shown[name].filled(0.0)).max()) for name in ("observed", "base", "transient"))
        norm = SymLogNorm(2.0, vmin=-max(top, 4.0), vmax=max(top, 4.0), base=10)
        colors = colormaps["PuOr_r"].with_extremes(bad=COLORS["lost"])
        extent = (*_span(parts), len(order) - 0.5, -0.5)
        for ax, name in zip(grid, NAMES):
            image = ax.imshow(
                shown[name].T, aspect="auto", norm=norm, cmap=colors, interpolation="nearest", extent=extent
            )
            ax.set_yticks(ticks, labels, parse_math=False)
            ax.set_title(name, loc="left", fontweight="bold")
            ax.tick_params(labelbottom=name == NAMES[-1])
        grid[-1].set_xlabel(parts.axis)
        figure = grid[0].figure
        unit = "standard deviations of the noise" if (parts.sigma != 1).any() else "input's unit"
        bar = figure.colorbar(image, ax=list(grid), shrink=0.6, pad=0.01, label=unit)
        tens = [10.0**k for k in range(6) if 2 < 10.0**k <= top]
        # The outermost tens are enough where they would collide.
        ends = tens[-2:] if len(tens) > 2 else tens
        bar.set_ticks([-v for v in ends[::-1]] + [-2, 0, 2] + ends, labels=[f"{v:g}" for v in
                      [-v for v in ends[::-1]] + [-2, 0, 2] + ends])  # fmt: skip
        bar.minorticks_off()
        announce(grid[0], parts.doubts)
    return figure


def plot_missing(split: Any, *, observed: Any = None, ax: Any = None) -> Any:
    """Draw where cells were missing: features down, time to the right, missing cells dark.

    Parameters
    ----------
    split : Split or Decomposition
    observed : array, shape (n_frames, n_features), optional
        As in `rpca_affect.plot_decomposition`.
    ax : Axes, optional
        Where to draw; a new figure when left out.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib, numpy as np, rpca_affect as ra
    >>> matplotlib.use("Agg")
    >>> M = np.outer(np.sin(np.arange(60.0) / 9), np.ones(8)); M[:6] = np.nan
    >>> ra.plot_missing(ra.solve(M), observed=M).get_title(loc="left")
    'missing cells: 10.0%'
    """
    from matplotlib.colors import ListedColormap

    parts = parts_of(split, observed)
    order, ticks, labels = _by_group(parts)
    with style():
        ax = new_axes(size=(7.2, 1.8))[0, 0] if ax is None else ax
        whole = len(parts.mask), len(order)
        missing = _thinned(lambda rows: ~_in_order(parts.mask[rows], order), lambda rows: True, *whole)
        colors = ListedColormap(["#F4F4F4", "#222222"])
        extent = (*_span(parts), len(order) - 0.5, -0.5)
        ax.imshow(missing.T, aspect="auto", cmap=colors, vmin=0, vmax=1, interpolation="nearest", extent=extent)
        ax.set_yticks(ticks, labels, parse_math=False)
        ax.set_xlabel(parts.axis)
        share = 1 - parts.mask.mean()
        ax.set_title(f"missing cells: {share:.1%}", loc="left", fontweight="bold")
    return ax


def _by_group(parts: Parts) -> tuple[np.ndarray, list[float], list[str]]:
    """Features ordered by group, and where the name of each group stands."""
    members = [np.asarray(columns, dtype=int) for columns in parts.groups.values()]
    order = np.concatenate(members)
    starts = np.cumsum([0, *map(len, members)])
    middle = [float((a + b - 1) / 2) for a, b in pairwise(starts)]
    labels = [short(str(name), 16) for name in parts.groups]
    # A small group next to a large one has no room for a label of its own.
    near, kept = -np.inf, []
    for k in np.argsort(middle):
        if middle[k] - near >= 0.09 * len(order):
            kept.append(k)
            near = middle[k]
    return order, [middle[k] for k in kept], [labels[k] for k in kept]


Rows = Callable[[slice], Any]


def _scaled(parts: Parts, name: str, order: np.ndarray) -> tuple[Rows, Rows]:
    """Some rows of a part in standard deviations of the noise, and which of its cells are known."""
    part = getattr(parts, name)
    centre = parts.centre[order] if name in ("observed", "base") else 0.0
    sigma = parts.sigma[order]

    def values(rows: slice) -> np.ndarray:
        return (_in_order(part[rows], order) - centre) / sigma

    def known(rows: slice) -> Any:
        return True if name == "base" else _in_order(parts.mask[rows], order)

    return values, known


def _in_order(cells: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Columns in an order; as they stand, without a copy, where that is it."""
    return cells if len(order) == cells.shape[1] and (order[1:] > order[:-1]).all() else cells[:, order]


def _thinned(values: Rows, known: Rows, frames: int, features: int) -> np.ma.MaskedArray:
    """At most WIDTH x HEIGHT cells, each block by its largest one, so that no short event disappears.

    Rows are asked for a few thousand at a time, so that nothing as large as the recording is made.
    """
    block = -(-frames // WIDTH)
    step = block * max(1, CELLS // (block * features))
    thin = []
    for start in range(0, frames, step):
        rows = slice(start, min(start + step, frames))
        cells = values(rows)
        there = np.broadcast_to(known(rows), cells.shape)
        thin.append(_largest(np.where(there, cells, 0), there, block, axis=0))
    data, there = (np.concatenate(part) for part in zip(*thin))
    data, there = _largest(data, there, -(-features // HEIGHT), axis=1)
    return np.ma.MaskedArray(data, mask=~there)


def _largest(data: np.ndarray, there: np.ndarray, block: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest cell of every block along an axis, and whether any of them is known."""
    if block == 1:
        return data, there
    padding = [(0, 0), (0, 0)]
    padding[axis] = (0, -data.shape[axis] % block)
    data, there = np.pad(data, padding), np.pad(there, padding)
    shape = (-1, block, data.shape[1]) if axis == 0 else (data.shape[0], -1, block)
    data, there = data.reshape(shape), there.reshape(shape)
    top = np.max(data, axis=axis + 1)
    if data.dtype != bool:
        low = np.min(data, axis=axis + 1)
        top = np.where(top >= -low, top, low)
    return top, np.any(there, axis=axis + 1)


def _span(parts: Parts) -> tuple[float, float]:
    """Left and right end of the picture; frame numbers where the time does not simply go on."""
    steps = np.diff(parts.time)
    if np.isfinite(parts.time).all() and (steps >= 0).all() and parts.time[-1] > parts.time[0]:
        return float(parts.time[0]), float(parts.time[-1])
    return -0.5, len(parts.time) - 0.5
