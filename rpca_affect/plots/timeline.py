"""Transient events as a timeline: one row for each leading feature, one bar for each event."""

from typing import Any

import numpy as np
import pandas as pd

from rpca_affect.plots.parts import COLORS, announce, new_axes, parts_of, short, style

__all__ = ["plot_events"]

MANY = 500  # events from which on bars are drawn as pixels


def plot_events(split: Any, *, events: Any = None, most: int = 20, ax: Any = None) -> Any:
    """Draw when transient events happen and which feature leads them.

    A bar reaches from onset to offset, a tick marks the apex; the darker, the more energy. The rows are the leading
    features with the most energy, strongest on top.

    Parameters
    ----------
    split : Split
        As returned by `rpca_affect.decompose`.
    events : DataFrame, optional
        As `Split.events` returns them, to draw a selection; all events with default thresholds when left out.
    most : int, default 20
        Most rows to draw; a note says how many features were left out.
    ax : Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib, numpy as np, rpca_affect as ra
    >>> matplotlib.use("Agg")
    >>> features = np.outer(np.sin(np.arange(300) / 40), np.linspace(1, 3, 20))
    >>> features += np.random.default_rng(0).normal(0, 0.05, features.shape)
    >>> features[100:106, 1] += 1.0
    >>> ra.plot_events(ra.decompose(features)).get_title(loc="left")
    '1 transient event'
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    parts = parts_of(split)
    table = split.events() if events is None else events
    timed = parts.axis != "frame" and table["start"].notna().all()
    energy = table.groupby("leading_feature")["energy"].sum().sort_values(ascending=False, kind="stable")
    names = list(energy.index[:most])
    with style():
        if ax is None:
            ax = new_axes(size=(7.2, 0.9 + 0.17 * max(len(names), 3)))[0, 0]
        ax.set_xlabel("time (s)" if timed else "frame")
        if not names:
            ax.text(0.5, 0.5, "no transient events", transform=ax.transAxes, ha="center", va="center")
            ax.set_yticks([])
            return ax
        shown = table[table["leading_feature"].isin(names)]
        low, high = float(shown["energy"].min()), float(shown["energy"].max())
        norm = LogNorm(low, high if high > low else 10 * low)
        colors = colormaps["cividis_r"]
        _bars(ax, shown, names, timed, lambda value: colors(0.15 + 0.85 * float(norm(value))))
        ax.set_yticks(range(len(names)), [short(name) for name in names], parse_math=False)
        ax.set_ylim(len(names) - 0.4, -0.6)
        time = parts.time if timed else np.arange(len(parts.time))
        if np.nanmax(time) > np.nanmin(time) and timed:
            ax.set_xlim(np.nanmin(time), np.nanmax(time))
        ax.grid(axis="y", linewidth=0.3, color="#DDDDDD")
        ax.set_axisbelow(True)
        left = len(energy) - len(names)
        title = (
            f"{len(shown)} transient event"
            + "s" * (len(shown) != 1)
            + (f" ({left} weaker features not shown)" if left else "")
        )
        ax.set_title(title, loc="left", fontweight="bold")
        ax.figure.colorbar(
            ScalarMappable(norm, _upper(colors)), ax=ax, label="energy (noise units)", pad=0.01, aspect=12
        )
        announce(ax, parts.doubts)
    return ax


def _bars(ax: Any, shown: pd.DataFrame, names: list[str], timed: bool, color: Any) -> None:
    from matplotlib.collections import LineCollection, PolyCollection

    columns = ["start", "end", "apex"] if timed else ["onset_frame", "offset_frame", "apex_frame"]
    start, end, apex = shown[columns].to_numpy(dtype=float).T
    end = end + (0.0 if timed else 1.0)  # an event of one frame is one frame wide
    row = shown["leading_feature"].map({name: k for k, name in enumerate(names)}).to_numpy(dtype=float)
    x = np.stack([start, end, end, start], axis=1)
    y = np.stack([row - 0.31, row - 0.31, row + 0.31, row + 0.31], axis=1)
    faces = [color(energy) for energy in shown["energy"]]
    many = len(shown) > MANY
    # One artist for all bars: thousands of them would take longer to draw than to find.
    bars = PolyCollection(list(np.stack([x, y], axis=2)), facecolors=faces, edgecolors="#333333", linewidths=0.4)
    ticks = np.stack([np.stack([apex, apex], axis=1), np.stack([row - 0.31, row + 0.31], axis=1)], axis=2)
    for artist in (bars, LineCollection(list(ticks), colors=COLORS["transient"], linewidths=1.0)):
        artist.set_rasterized(many)
        ax.add_collection(artist)
    ax.autoscale_view()


def _upper(colors: Any) -> Any:
    """The part of a colour map that the bars use: its palest colours would vanish on white paper."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(colors(np.linspace(0.15, 1.0, 256)))
