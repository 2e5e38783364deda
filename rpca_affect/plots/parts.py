"""Parts of a split for the pictures, whether of a recording or straight from a solver; colours and style."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from rpca_affect.arrays import to_numpy
from rpca_affect.doubts import Doubt
from rpca_affect.words import finding

__all__ = ["CELLS", "COLORS", "NAMES", "Parts", "announce", "new_axes", "parts_of", "short", "style"]

NAMES = ("observed", "base", "transient", "residual")
CELLS = 1 << 19  # that are looked at together, so that a picture needs little beside the recording
# Okabe and Ito's palette: told apart with any colour vision, and by lightness in a grey print.
COLORS = {
    "observed": "#444444",
    "base": "#0072B2",
    "transient": "#D55E00",
    "residual": "#8A8A8A",
    "warning": "#B00020",
    "lost": "#E9E9E9",
}


class Parts(NamedTuple):
    """Arrays of one split, on the host.

    Attributes
    ----------
    observed, base, transient, residual : ndarray, shape (n_frames, n_features)
    mask : ndarray of bool, shape (n_frames, n_features)
    names : tuple of str
    groups : dict of str to ndarray of int
    time : ndarray, shape (n_frames,)
        Seconds, or frame numbers.
    axis : str
        Label of the time axis.
    sequences : list of ndarray of int
        Rows of every unbroken sequence.
    sigma : ndarray, shape (n_features,)
        Noise of every feature; 1 where it is 0 or not known.
    centre : ndarray, shape (n_features,)
    doubts : tuple of Doubt
    solves : tuple of Decomposition
    """

    observed: np.ndarray
    base: np.ndarray
    transient: np.ndarray
    residual: np.ndarray
    mask: np.ndarray
    names: tuple[str, ...]
    groups: dict[str, np.ndarray]
    time: np.ndarray
    axis: str
    sequences: list[np.ndarray]
    sigma: np.ndarray
    centre: np.ndarray
    doubts: tuple[Doubt, ...]
    solves: tuple[Any, ...]

    def of(self, name: str) -> np.ndarray:
        """One part by name, with missing cells of the observed as NaN."""
        values = getattr(self, name)
        return np.where(self.mask, values, np.nan) if name in ("observed", "residual") else values

    def leading(self, count: int) -> list[int]:
        """Features with the most transient energy in noise units, then the most variable; yes/no features last."""
        energy, spread, mean = np.zeros((3, len(self.names)))
        step = max(1, CELLS // len(self.names))
        blocks = [slice(first, first + step) for first in range(0, len(self.base), step)]  # no copy of the recording
        for rows in blocks:
            energy += np.sum((self.transient[rows] / self.sigma) ** 2, axis=0)
            mean += np.sum(self.base[rows] / self.sigma, axis=0) / len(self.base)
        for rows in blocks:
            spread += np.sum((self.base[rows] / self.sigma - mean) ** 2, axis=0)
        spread = np.where(self.mask.any(axis=0), spread, 0.0)
        # A presence flag jumps by its whole range whenever it moves; its curve shows nothing that its name does not.
        sample = slice(None, None, max(1, len(self.observed) // 5000))
        seen = np.where(self.mask[sample], self.observed[sample], np.nan)
        ends = np.stack([np.fmin.reduce(seen, axis=0), np.fmax.reduce(seen, axis=0)])
        flag = ((seen == ends[0]) | (seen == ends[1]) | np.isnan(seen)).all(axis=0)
        order = np.lexsort((-spread, -energy, flag))
        return [int(i) for i in order[:count]]

    def series(self, name: str, feature: int) -> np.ndarray:
        """One feature of one part, with missing cells of the observed as NaN."""
        values = getattr(self, name)[:, feature]
        return np.where(self.mask[:, feature], values, np.nan) if name in ("observed", "residual") else values

    def column(self, feature: Any) -> int:
        """Position of a feature given by name or number."""
        if isinstance(feature, (int, np.integer)):
            if not -len(self.names) <= feature < len(self.names):
                raise ValueError(f"feature {feature} does not exist: there are {len(self.names)} features")
            return int(feature) % len(self.names)
        if str(feature).strip() not in self.names:
            raise ValueError(f"feature {feature!r} does not exist: the first are {', '.join(self.names[:6])}")
        return self.names.index(str(feature).strip())


def _units(sigma: np.ndarray) -> np.ndarray:
    """Noise by which features are divided; a split that was told that there is none shows the units of the input."""
    return np.where(sigma > 0, sigma, 1.0)


def parts_of(split: Any, observed: Any = None) -> Parts:
    """Gather the parts of a `rpca_affect.Split` or of one `rpca_affect.Decomposition`."""
    if hasattr(split, "recording"):
        recording = split.recording
        timed = recording.time is not None and np.isfinite(recording.time).any()
        return Parts(
            recording.values,
            split.base_values,
            split.transient_values,
            split.residual_values,
            recording.mask,
            recording.feature_names,
            recording.groups or {"features": np.arange(recording.n_features)},
            recording.time if timed else np.arange(recording.n_frames, dtype=float),
            "time (s)" if timed else "frame",
            [part.rows for part in split.sequences],
            _units(np.median([part.sigma for part in split.sequences], axis=0)),
            np.median([part.scale.center for part in split.sequences], axis=0),
            split.status.doubts,
            split.decompositions,
        )
    if not hasattr(split, "sparse"):
        raise TypeError(f"there is nothing to draw in a {type(split).__name__}: give a Split or a Decomposition")
    low_rank = split.factors.matrix() if split.low_rank is None else split.low_rank
    base, transient, noise = (to_numpy(part) for part in (low_rank, split.sparse, split.noise))
    if base.ndim != 2:
        raise ValueError(f"the parts have shape {base.shape}: draw one matrix of a stack at a time")
    whole = base + transient + noise if observed is None else np.asarray(to_numpy(observed), dtype=float)
    if whole.shape != base.shape:
        raise ValueError(
            f"observed has shape {whole.shape}, the parts have {base.shape}: give the matrix that was solved"
        )
    mask = np.isfinite(whole)
    frames, features = base.shape
    return Parts(
        whole,
        base,
        transient,
        np.where(mask, whole - base - transient, 0.0),
        mask,
        tuple(f"feature_{i}" for i in range(features)),
        {"features": np.arange(features)},
        np.arange(frames, dtype=float),
        "frame",
        [np.arange(frames)],
        np.ones(features),
        np.zeros(features),
        split.status.doubts,
        (split,),
    )


def announce(ax: Any, doubts: tuple[Doubt, ...]) -> None:
    """Write on the picture that the split must not be read, where that is so."""
    found = [finding(doubt) for doubt in doubts if doubt.severe]
    if found:
        # About how many letters of this size fit into the axes.
        wide = ax.figure.get_figwidth() * ax.get_position(original=True).width * 72 / 5.0
        text = textwrap.fill(f"{found[0]}.", max(int(wide), 24))
        box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": COLORS["warning"], "alpha": 0.95}
        ax.text(
            0.5, 0.94, text, transform=ax.transAxes, ha="center", va="top", color=COLORS["warning"],
            fontsize=8, fontweight="bold", bbox=box, zorder=20, parse_math=False,
        )  # fmt: skip


def short(name: str, most: int = 28) -> str:
    """A name that leaves room for the picture."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def powers(ax: Any) -> None:
    """Label a logarithmic axis with 10⁻³ in letters of the font: setting them as formulas takes longer than drawing."""
    from matplotlib.ticker import FuncFormatter

    raised = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

    def label(value: float, _: Any) -> str:
        power = np.log10(value) if value > 0 else np.nan
        return f"10{str(round(power)).translate(raised)}" if abs(power - np.round(power)) < 1e-6 else ""

    ax.yaxis.set_major_formatter(FuncFormatter(label))
    ax.yaxis.set_minor_formatter("")


@contextmanager
def style() -> Iterator[None]:
    """Quiet axes, thin lines and one small font, for the time of a drawing."""
    import matplotlib

    settings: Any = {
        "font.size": 8,
        "axes.titlesize": 9,
        "axes.labelsize": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "lines.linewidth": 0.9,
        "legend.frameon": False,
        "svg.hashsalt": "rpca_affect",
    }
    with matplotlib.rc_context(settings):
        yield


def new_axes(rows: int = 1, columns: int = 1, *, size: tuple[float, float], **options: Any) -> Any:
    """Axes on a figure of their own, shape (rows, columns)."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained", **options)
    return axes
