"""One self-contained HTML file about a split: pictures, events, warnings in plain words, a methods paragraph."""

import os
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from rpca_affect.report.pictures import pictures
from rpca_affect.report.sentences import findings, methods, numbers

__all__ = ["methods", "write_report"]

EVENTS = 60  # rows of the table; all of them are in events.csv


def write_report(split: Any, path: Any) -> Path:
    """Write a split as one HTML file that needs nothing but itself.

    Every name that comes from the input is escaped; pictures are embedded. The file is written under a temporary name
    and renamed.

    Parameters
    ----------
    split : Split
        As returned by `rpca_affect.decompose`.
    path : str or Path
        File to write; replaced when it exists.

    Returns
    -------
    Path
        ``path``.
    """
    path = Path(path)
    text = render(split)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def render(split: Any) -> str:
    """Return the report as a string of HTML."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string((files(__package__) / "report.html.jinja").read_text(encoding="utf-8"))
    summary = split.summary()
    events = split.events()
    strongest = events.sort_values("energy", ascending=False, kind="stable").head(EVENTS).sort_index()
    timed = bool(len(events)) and bool(events["start"].notna().all())
    return template.render(
        source=Path(summary["source"]).name,
        summary=summary,
        meaningless=split.status.severe,
        findings=findings(summary),
        numbers=numbers(summary),
        pictures=pictures(split),
        events=[_event(event, timed) for event in strongest.itertuples(index=False)],
        timed=timed,
        hidden=len(events) - len(strongest),
        methods=methods(summary),
        groups={name: len(columns) for name, columns in split.recording.groups.items()},
    )


def _event(event: Any, timed: bool) -> dict[str, Any]:
    names = event.features.split(";")
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return {
        "onset": f"{event.onset:.2f}" if timed else str(event.onset_frame),
        "apex": f"{event.apex:.2f}" if timed else str(event.apex_frame),
        "duration": f"{event.duration:.2f}" if timed else str(event.n_frames),
        "leading": event.leading_feature,
        "peak": f"{event.peak:+.3g}",
        "sigma": f"{event.peak_sigma:+.1f}",
        "energy": f"{event.energy:.3g}",
        "features": ", ".join(names[:6]) + more,
    }
