"""Doubts about a split as records: what was found, in numbers; `rpca_affect.words` puts them into sentences."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Doubt", "merged"]

Measure = dict[str, float | int | str | list]

# Where several sequences share a doubt, the one whose number here is largest speaks for all.
WORST: Final = {
    "dense": "density",
    "excursions": "frames",
    "not_optimal": "gap",
    "predicts_nothing": "lost",
    "unordered": "ratio",
}


@dataclass(frozen=True)
class Doubt:
    """One reason not to trust, or not to interpret, a split.

    Attributes
    ----------
    kind : str
        Which reason, a name that programs may compare. `rpca_affect.words` lists the kinds and their sentences.
    measure : dict
        The numbers it rests on: plain numbers, text and lists, so that JSON can hold them. ``"sequences"`` lists the
        sequences that share the doubt, out of ``"of"``.
    severe : bool
        True where the split must not be interpreted at all.

    Examples
    --------
    >>> Doubt("not_optimal", {"gap": 0.02}).measure["gap"]
    0.02
    """

    kind: str
    measure: Measure = field(default_factory=dict)
    severe: bool = False


def merged(found: Iterable[tuple[int, Doubt]], total: int) -> tuple[Doubt, ...]:
    """Say every doubt once, however many of the sequences share it; the severe ones come first.

    Parameters
    ----------
    found : iterable of (int, Doubt)
        Number of the sequence, and a doubt about it.
    total : int
        Number of sequences.

    Returns
    -------
    tuple of Doubt
        The measure is that of the worst sequence, with ``"sequences"``, ``"of"`` and ``"worst"`` where there are
        several.

    Examples
    --------
    >>> one, = merged([(0, Doubt("not_optimal", {"gap": 0.1})), (2, Doubt("not_optimal", {"gap": 0.3}))], total=3)
    >>> one.measure["gap"], one.measure["sequences"], one.measure["worst"]
    (0.3, [0, 2], 2)
    """
    groups: dict[tuple[bool, str], list[tuple[int, Doubt]]] = {}
    for place, doubt in found:
        groups.setdefault((not doubt.severe, doubt.kind), []).append((place, doubt))
    doubts = []
    for (_, kind), shared in sorted(groups.items(), key=lambda item: item[0][0]):
        worst, doubt = max(shared, key=lambda item: _weight(kind, item[1].measure))
        where: dict[str, Any] = {}
        if total > 1:
            where = {"sequences": [place for place, _ in shared], "of": total, "worst": worst}
        doubts.append(Doubt(kind, {**doubt.measure, **where}, doubt.severe))
    return tuple(doubts)


def _weight(kind: str, measure: Measure) -> float:
    value = measure.get(WORST.get(kind, ""), 0.0)
    return float(value) if isinstance(value, (int, float)) else 0.0
