"""Tables of unknown origin: the roles of their columns are decided by values and names alone."""

from ..layout import Layout, lay_out
from ..long import widened
from ..tables import Table

NAME = "table"
TITLE = "tables of any origin"


def score(table: Table) -> float:
    """Takes what no other format wants."""
    return 0.1


def layout(table: Table) -> Layout:
    """Numbers that vary are features, unless they are a clock, a counter, a key or a confidence."""
    notices = []
    if {"StudyName", "EventSource"} <= set(table.names):
        notices.append("This looks like an iMotions export; it is read as a table of unknown origin.")
    return lay_out(table, NAME, notices=notices)


prepare = widened
