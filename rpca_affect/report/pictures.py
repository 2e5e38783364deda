"""The pictures of a report: each drawn once, on axes whose places are known, as a data URI."""

import base64
import io
import warnings
from collections.abc import Iterable
from typing import Any

__all__ = ["pictures"]

DPI = 150  # of maps and long lines, which are drawn as pixels
WIDE = 9.6  # inches
POINTS, CELLS = 12_000, 200_000  # of lines and images; a drawing with more is smaller as pixels


def pictures(split: Any) -> dict[str, str]:
    """Draw every picture of a report.

    Parameters
    ----------
    split : Split

    Returns
    -------
    dict of str to str
        Data URIs; inside an image nothing of the input can act as markup.
    """
    from rpca_affect import plots

    drawn = {}
    with warnings.catch_warnings(), plots.parts.style():
        # A feature name in a script that the plotting font lacks is drawn with boxes; the tables show it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        count = min(4, split.recording.n_features)
        figure, axes = _axes(max(2.6 * count, 5.2), 5.4, 4, count, left=0.75, bottom=0.45, top=0.3, wspace=0.3)
        plots.plot_decomposition(split, count=count, axes=axes)
        for ax in axes[:, 0]:
            ax.yaxis.set_label_coords(-0.6 / (ax.get_position().width * figure.get_figwidth()), 0.5)
        drawn["panels"] = _embedded(figure)

        groups = _room(split.recording.groups or ["features"], 16)
        figure, axes = _axes(WIDE, 7.0, 4, 1, left=groups, bottom=0.45, top=0.3)
        plots.plot_heatmaps(split, axes=axes)
        drawn["maps"] = _embedded(figure)

        leading = split.events()["leading_feature"].unique()
        height = 0.9 + 0.17 * min(max(len(leading), 3), 20)
        figure, axes = _axes(WIDE, height, 1, 1, left=_room(leading, 28), bottom=0.45, top=0.3)
        plots.plot_events(split, ax=axes[0, 0])
        drawn["events"] = _embedded(figure)

        figure, axes = _axes(WIDE, 1.9, 1, 1, left=groups, bottom=0.45, top=0.3)
        plots.plot_missing(split, ax=axes[0, 0])
        drawn["missing"] = _embedded(figure)

        figure, axes = _axes(WIDE, 2.9, 1, 2, left=0.65, bottom=0.45, top=0.15, right=0.55, wspace=0.3)
        plots.plot_spectrum(split, ax=axes[0, 0])
        plots.plot_convergence(split, ax=axes[0, 1])
        drawn["solve"] = _embedded(figure)
    return drawn


def _room(names: Iterable[str], most: int) -> float:
    """Inches that the longest of some names takes beside the axes, cut after ``most`` letters."""
    return 0.25 + 0.062 * min(max((len(str(name)) for name in names), default=0), most)


def _axes(
    width: float,
    height: float,
    rows: int,
    columns: int,
    *,
    left: float,
    bottom: float,
    top: float,
    right: float = 0.12,
    wspace: float = 0.0,
) -> tuple[Any, Any]:
    """Axes with margins in inches: a layout that is looked for takes as long as the drawing itself."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=rows > 1)
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        bottom=bottom / height,
        top=1 - top / height,
        wspace=wspace,
        hspace=0.22,
    )
    return figure, axes


def _embedded(figure: Any) -> str:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    # By way of the canvas: `savefig` draws everything once before it draws.
    buffer = io.BytesIO()
    points = sum(len(line.get_xdata()) for ax in figure.axes for line in ax.lines)
    cells = sum(image.get_array().size for ax in figure.axes for image in ax.images)
    if points > POINTS or cells > CELLS:
        kind = "png"
        FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    else:
        kind = "svg+xml"
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
