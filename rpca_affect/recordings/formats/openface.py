"""OpenFace 1 and 2 output: FeatureExtraction, FaceLandmarkVidMulti and FaceLandmarkImg."""

from ..convention import Convention
from ..groups import OPENFACE
from ..layout import Layout, lay_out
from ..names import plain
from ..tables import Table

NAME = "openface"
TITLE = "OpenFace"
CONVENTION = Convention(
    groups=OPENFACE,
    roles=(
        ("time", "timestamp"),
        ("index", "frame"),
        ("key", "face_id|face"),
        ("quality", "confidence"),
        ("status", "success"),
    ),
    ranges={"AU_r": (0.0, 5.0), "AU_c": (0.0, 1.0)},
    presence=("AU_c",),
    suggested=("gaze", "pose", "AU_r"),
)
_OWN = {"gaze", "pose", "AU_r", "shape", "eye_landmarks_2d"}


def score(table: Table) -> float:
    """Sure when the confidence stands next to any of OpenFace's own features."""
    own = {CONVENTION.group(name) for name in table.names} & _OWN
    # R writes X.confidence for a name that begins with a blank.
    return float("confidence" in map(plain, table.names) and bool(own))


def layout(table: Table) -> Layout:
    """Failed frames hold numbers, so `success` and `confidence` decide what was observed.

    The faces of a video with several people alternate row by row; each `face_id` is a sequence.  Frames without a
    face have no row there: the time stamps tell.
    """
    unsure = not any(CONVENTION.columns(role, table.names) for role in ("quality", "status"))
    said = ["There is no confidence and no success column: every frame counts as observed."] if unsure else []
    return lay_out(table, NAME, CONVENTION, TITLE, notices=said)
