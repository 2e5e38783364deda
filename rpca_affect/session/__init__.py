"""A recording in, its emotional base and transient fluctuations out."""

from rpca_affect.session.decomposing import decompose
from rpca_affect.session.events import find_events
from rpca_affect.session.sequence import SequenceSplit
from rpca_affect.session.split import Split, Summary

__all__ = ["SequenceSplit", "Split", "Summary", "decompose", "find_events"]
