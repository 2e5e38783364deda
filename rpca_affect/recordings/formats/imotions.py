"""iMotions exports: face metrics of Affectiva, FACET or Realeyes beside eye tracking, skin and study columns."""

from pathlib import Path

import numpy as np
import pandas as pd

from ..convention import Convention
from ..examples import Example, wandering
from ..layout import Layout, lay_out
from ..tables import Table

NAME = "imotions"
TITLE = "iMotions"
_EMOTIONS = "joy|anger|surprise|fear|contempt|disgust|sadness|confusion|frustration|neutral|positive|negative"
_MUSCLES = (
    "brow furrow|brow raise|inner brow raise|cheek raise|chin raise|dimpler|eye closure|eye widen|jaw drop|"
    "lip corner depressor|lip press|lip pucker|lip stretch|lip suck|lid tighten|mouth open|nose wrinkle|smile|smirk|"
    "upper lip raise"
)
CONVENTION = Convention(
    groups=(
        ("emotions", rf"(?i:({_EMOTIONS}|sentimentality)( (evidence|intensity))?)"),
        ("affect", r"(?i:valence|engagement|attention)"),
        ("AU", r"(?i:au ?\d+( evidence)?)"),
        ("expressions", rf"(?i:{_MUSCLES.replace(' ', ' ?')})"),
        ("pose", r"(?i:(pitch|yaw|roll)( degrees)?)"),
        ("landmarks", r"(\d+|[A-Z]+(_[A-Z]+)+) [XY]"),
        ("face_box", r"(?i:facerect (x|y|width|height)|interocular ?distance)"),
    ),
    roles=(("time", r"timestamp"), ("aside", r"mediatime|timesignal|frametime|frameno|row|exportdate|.* probability")),
    suggested=("emotions", "AU", "expressions"),
)


def score(table: Table) -> float:
    """Sure when every row tells its source, or the lines above the header are those of iMotions."""
    above = " ".join(table.form.get("preamble", ())).casefold()
    folded = {name.casefold() for name in table.names}
    told = "eventsource" in folded or "imotions" in above
    return float(told and "timestamp" in folded and any(CONVENTION.group(name) for name in table.names))


def layout(table: Table) -> Layout:
    """The face alone: rows of other sources have no face features and are masked."""
    said = "This is an iMotions export: the features are those of the face, its other signals are passed through."
    return lay_out(table, NAME, CONVENTION, TITLE, notices=[said])


def example(folder: Path, random_state: int) -> Example:
    """Face metrics at 30 frames a second, with two rows of an eye tracker after each."""
    rng = np.random.default_rng(random_state)
    values = wandering(["Joy", "Anger", "Fear", "Sadness", "Valence", "Brow Furrow", "Smile"], 60, rng, 0, 100)
    rows = values.reindex(np.repeat(np.arange(60), 3)).reset_index(drop=True)
    face = np.arange(180) % 3 == 0
    rows[~face] = np.nan
    written = rows.copy()
    written.insert(0, "Row", np.arange(1, 181))
    written.insert(1, "Timestamp", np.round(np.arange(180) * 1000 / 90, 1))
    written.insert(2, "EventSource", np.where(face, "Affectiva AFFDEX", "ET"))
    written["PupilLeft"] = np.where(face, np.nan, rng.uniform(3, 4, 180).round(3))
    top = "#INFO,\n#Data Source,iMotions 10.0\n#DATA,\n"
    path = folder / "001_respondent.csv"
    path.write_text(top + written.to_csv(index=False))
    return Example(path, pd.DataFrame(rows), 30.0, ~face)
