"""One feature level by level: the base of each time scale and the transients beside it."""

from typing import Any

from rpca_affect.plots.parts import COLORS, announce, new_axes, parts_of, short, style

__all__ = ["plot_levels"]


def plot_levels(split: Any, feature: Any = None, *, axes: Any = None) -> Any:
    """Draw a feature, and below it the base and the transients of every level, slowest first.

    The bases add up to the blue line of the first panel.

    Parameters
    ----------
    split : Split
        Made with ``levels``.
    feature : str or int, optional
        The one with the most transient energy when left out.
    axes : sequence of Axes, optional
        One more than there are levels; a new figure when left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the split has no levels, the feature does not exist, or there are not as many axes.

    Examples
    --------
    >>> import matplotlib, numpy as np, rpca_affect as ra
    >>> matplotlib.use("Agg")
    >>> time = np.arange(256)[:, None]
    >>> M = np.sin(time / 40) * [1.0, 2.0, 3.0] + np.random.default_rng(0).normal(0, 0.1, (256, 3))
    >>> figure = ra.plot_levels(ra.decompose(M, levels=(16, 1), check=False))
    >>> len(figure.axes)
    3
    """
    levels = getattr(split, "levels", ())
    if not levels:
        raise ValueError("the split has no levels: make it with decompose(..., levels=(32, 8, 1))")
    parts = parts_of(split)
    column = parts.leading(1)[0] if feature is None else parts.column(feature)
    with style():
        if axes is None:
            axes = new_axes(rows=len(levels) + 1, size=(7.0, 1.15 * (len(levels) + 1)))[:, 0]
        if len(axes) != len(levels) + 1:
            raise ValueError(f"there are {len(axes)} axes: give {len(levels) + 1}, one more than there are levels")
        for name, style_of in (("observed", {"linewidth": 0.6}), ("base", {"linewidth": 1.2})):
            axes[0].plot(parts.time, parts.series(name, column), color=COLORS[name], label=name, **style_of)
        axes[0].set_title(short(parts.names[column]), loc="left")
        axes[0].legend(loc="upper right", ncols=2)
        for ax, level in zip(axes[1:], levels):
            ax.plot(parts.time, level.base_values[:, column], color=COLORS["base"], label="base")
            ax.plot(parts.time, level.transient_values[:, column], color=COLORS["transient"], label="transient")
            ax.set_title(level.name, loc="left")
        axes[1].legend(loc="upper right", ncols=2)
        axes[-1].set_xlabel(parts.axis)
        announce(axes[0], parts.doubts)
    return axes[0].figure
