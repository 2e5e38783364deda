"""Measures of a split: its error where the answer is known, its residual where it is not."""

from rpca_affect.metrics.matching import EventScores, interval_iou, match_events
from rpca_affect.metrics.splits import (
    SupportScores,
    density,
    objective,
    rank_of,
    relative_error,
    residual,
    subspace_distance,
    support_scores,
)

__all__ = [
    "EventScores",
    "SupportScores",
    "density",
    "interval_iou",
    "match_events",
    "objective",
    "rank_of",
    "relative_error",
    "residual",
    "subspace_distance",
    "support_scores",
]
