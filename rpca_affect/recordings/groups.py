"""Which feature group a column name belongs to, by the naming conventions of the common face trackers."""

import re
from functools import lru_cache

# The 52 ARKit blendshapes and MediaPipe's own `_neutral`, compared without regard to case: ARKit's app writes
# EyeBlinkLeft, MediaPipe eyeBlinkLeft.
_SIDED = (
    "eyeBlink eyeLookDown eyeLookIn eyeLookOut eyeLookUp eyeSquint eyeWide mouthSmile mouthFrown mouthDimple "
    "mouthStretch mouthPress mouthLowerDown mouthUpperUp browDown browOuterUp cheekSquint noseSneer jaw mouth"
)
_SINGLE = (
    "_neutral jawForward jawOpen mouthClose mouthFunnel mouthPucker mouthRollLower mouthRollUpper "
    "mouthShrugLower mouthShrugUpper browInnerUp cheekPuff tongueOut"
)
BLENDSHAPES = frozenset(
    name.casefold() for stem in _SIDED.split() for name in (f"{stem}Left", f"{stem}Right")
) | frozenset(_SINGLE.casefold().split())

OPENFACE = (
    ("gaze", r"gaze_[01]_[xyz]|gaze_angle_[xy]"),
    ("eye_landmarks_2d", r"eye_lmk_[xy]_\d+"),
    ("eye_landmarks_3d", r"eye_lmk_[XYZ]_\d+"),
    ("pose", r"pose_[TR][xyz]"),
    ("landmarks_2d", r"[xy]_\d+"),
    ("landmarks_3d", r"[XYZ]_\d+"),
    ("shape", r"p_(scale|r[xyz]|t[xy]|\d+)"),
    ("AU_r", r"AU\d+_r"),
    ("AU_c", r"AU\d+_c"),
)

PYFEAT = (
    ("face_box", r"FaceRect(X|Y|Width|Height)"),
    ("landmarks_2d", r"[xy]_\d+"),
    ("pose", r"Pitch|Roll|Yaw|X|Y|Z"),
    ("AU", r"AU\d+"),
    ("emotions", r"(?i:anger|disgust|fear|happiness|sadness|surprise|neutral|happy|sad|contempt)"),
    ("affect", r"valence|arousal"),
    ("gaze", r"gaze_(pitch|yaw|angle)"),
    ("identity", r"Identity_\d+"),
    ("mesh", r"mesh_[xyz]_\d+"),
)

LIVELINK = (
    ("pose", r"(?i:Head(Yaw|Pitch|Roll))"),
    ("gaze", r"(?i:(Left|Right)Eye(Yaw|Pitch|Roll))"),
)

# How programs and people spell the same things elsewhere: au_1, AU12_intensity, AU06 Evidence, lm_mp_0_x, Head Yaw,
# Joy Evidence; and points numbered as 0x 0y 0z.
_EMOTION = "anger|angry|disgust(?:ed)?|fear|scared|happi?(?:ness|y)|joy|sad(?:ness)?|surprised?|neutral|contempt"
SPELLINGS = (
    ("AU_r", r"(?i:AU[ _.-]?\d+[ _.-]?(r|intensity|int))"),
    ("AU_c", r"(?i:AU[ _.-]?\d+[ _.-]?(c|presence|detected|occurrence|active))"),
    ("AU", r"(?i:AU[ _.-]?\d+([ _.-]?(evidence|score|prob|probability))?)"),
    (
        "landmarks",
        r"(?i:\d+[ _]?[xyz]|(lm|landmarks?|lmk|mesh|points?|pt|kp|keypoints?)([_ .][a-z]+)*[_ .]?\d+[_ .]?[xyz])",
    ),
    ("pose", r"(?i:((head|face)[ _.]?)?(pose[ _.]?)?(pitch|yaw|roll)([ _.]?(deg|degrees?|rad))?)"),
    ("emotions", rf"(?i:({_EMOTION}|confusion|frustration)([ _.](evidence|intensity|score|prob|probability))?)"),
    ("affect", r"(?i:valence|arousal|engagement)"),
)

# Tables of unknown origin.
ANY = (("blendshapes", "blendshapes"), *OPENFACE, *PYFEAT, *LIVELINK, *SPELLINGS)


def group_of(name: str, conventions=ANY) -> str | None:
    """Feature group of a column name, or None if no convention knows it.

    Examples
    --------
    >>> group_of("AU12_r"), group_of("mouthSmileLeft"), group_of("heart_rate")
    ('AU_r', 'blendshapes', None)
    """
    if name.casefold() in BLENDSHAPES:
        return "blendshapes"
    return next((group for group, pattern in _compiled(conventions) if pattern.fullmatch(name)), None)


@lru_cache(maxsize=64)
def _compiled(conventions: tuple[tuple[str, str], ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((group, re.compile(pattern)) for group, pattern in conventions)
