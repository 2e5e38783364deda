"""Results in a notebook: a heading, a small table and sentences, everything escaped."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

__all__ = ["html_card"]


def html_card(title: str, rows: Mapping[str, Any], notes: Iterable[str] = ()) -> str:
    """HTML of a result for a notebook.

    Parameters
    ----------
    title : str
    rows : mapping of str to object
        Shown as text, one row each.
    notes : iterable of str
        Sentences below the table.

    Returns
    -------
    str
        All text is escaped: names come from files.

    Examples
    --------
    >>> "&lt;b&gt;" in html_card("<b>", {"frames": 3})
    True
    """
    left = 'style="text-align:left"'
    cells = "".join(
        f"<tr><th {left}>{escape(str(name))}</th><td {left}>{escape(str(value))}</td></tr>"
        for name, value in rows.items()
    )
    below = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<div><strong>{escape(title)}</strong><table>{cells}</table>{f'<ul>{below}</ul>' if below else ''}</div>"
