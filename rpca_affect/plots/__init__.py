"""Pictures of a split: parts, heat maps, spectrum, convergence, events; matplotlib loads when one is drawn."""

from rpca_affect.plots.curves import plot_convergence, plot_spectrum
from rpca_affect.plots.level_traces import plot_levels
from rpca_affect.plots.maps import plot_heatmaps, plot_missing
from rpca_affect.plots.timeline import plot_events
from rpca_affect.plots.traces import plot_decomposition

__all__ = [
    "plot_convergence",
    "plot_decomposition",
    "plot_events",
    "plot_heatmaps",
    "plot_levels",
    "plot_missing",
    "plot_spectrum",
]
