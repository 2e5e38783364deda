"""FaceReader detailed logs, in which a word stands in every feature of a frame without a face."""

from pathlib import Path

import numpy as np

from ..convention import Convention
from ..examples import Example, some_frames, wandering
from ..layout import Layout, lay_out
from ..recording import RecordingError
from ..tables import Table

NAME = "facereader"
TITLE = "FaceReader"
_EMOTIONS = ("Neutral", "Happy", "Sad", "Angry", "Surprised", "Scared", "Disgusted")
CONVENTION = Convention(
    groups=(
        ("emotions", r"(?i:neutral|happy|sad|angry|surprised|scared|disgusted|contempt)"),
        ("affect", r"(?i:valence|arousal)"),
        ("pose", r"(?i:[xyz][ -]*head orientation)"),
        ("AU", r"(?i:action unit.*)"),
        ("landmarks", r"(?i:landmarks?.*)"),
        ("gaze", r"(?i:.*gaze.*)"),
        ("heart", r"(?i:heart rate.*)"),
    ),
    roles=(("time", r"video time"), ("aside", r"quality|age|gender|identity")),
    suggested=("emotions",),
)


def score(table: Table) -> float:
    """Sure when the time of the video stands before FaceReader's basic emotions."""
    folded = {name.casefold() for name in table.names}
    if _is_state_log(table):
        return 1.0
    return float("video time" in folded and len(folded & {name.casefold() for name in _EMOTIONS}) > 2)


def layout(table: Table) -> Layout:
    """Frames in which every feature holds FIT_FAILED or FIND_FAILED are masked."""
    if _is_state_log(table):
        raise RecordingError(
            f"{table.source} is a state log of {TITLE}, which names the strongest emotion where it changes and has no "
            "numbers for each frame; export the detailed log."
        )
    return lay_out(table, NAME, CONVENTION, TITLE)


def _is_state_log(table: Table) -> bool:
    """Whether there is nothing beside the time but the name of an emotion."""
    folded = [name.casefold() for name in table.names]
    if "video time" not in folded or "emotion" not in folded or len(folded) > 4:
        return False
    held = set(table.frame.iloc[:, folded.index("emotion")].dropna().astype(str).str.strip().str.casefold())
    return bool(held & {emotion.casefold() for emotion in _EMOTIONS})


def example(folder: Path, random_state: int) -> Example:
    """A detailed log with its preamble, and some frames in which no face was found or no model fitted."""
    rng = np.random.default_rng(random_state)
    values = wandering(_EMOTIONS, 150, rng, digits=8)
    lost = some_frames(150, rng)
    written = values.astype(object)
    values[lost] = np.nan
    written.loc[lost] = rng.choice(["FIT_FAILED", "FIND_FAILED"])
    stamps = [f"00:00:{i // 30:02d}.{1000 * (i % 30) // 30:03d}" for i in range(150)]
    written.insert(0, "Video Time", stamps)
    top = "Video analysis detailed log\n\nFace Model\tGeneral\nCalibration\t-\nFrame rate\t30.000000000\n\n"
    path = folder / "Participant 1_Analysis 1_video_detailed.txt"
    path.write_text(top + written.to_csv(index=False, sep="\t"))
    return Example(path, values, 30.0, lost)
