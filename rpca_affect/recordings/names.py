"""Column names as words: what a name says about a column, whatever its case, separators, brackets and units."""

import re
from functools import lru_cache

_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+|[#%]")


def word_set(words: str) -> frozenset[str]:
    """Words of a text as a set."""
    return frozenset(words.split())


# Words that say when.  A name of any other language counts too once its column runs like a clock.
CLOCK = word_set(
    "time timestamp stamp stamps timecode datetime date clock elapsed epoch unix utc zeit zeitstempel zeitpunkt "
    "uhrzeit datum temps horodatage tiempo fecha hora tempo tijd tijdstempel tid czas heure"
)
SPAN = word_set("start begin onset from end stop offset duration dur length")  # of an interval
UNITS = {
    **dict.fromkeys(word_set("ns nsec nsecs nanos nanosec nanosecond nanoseconds"), 1e-9),
    **dict.fromkeys(word_set("tick ticks"), 1e-7),
    **dict.fromkeys(word_set("us µs μs usec usecs micros microsec microsecond microseconds"), 1e-6),
    **dict.fromkeys(word_set("ms msec msecs millis millisec millisecond milliseconds millisekunden"), 1e-3),
    **dict.fromkeys(word_set("cs centisecond centiseconds"), 1e-2),
    **dict.fromkeys(word_set("s sec secs second seconds sek sekunde sekunden secondes segundos"), 1.0),
    **dict.fromkeys(word_set("min mins minute minutes minuten"), 60.0),
    **dict.fromkeys(word_set("h hr hrs hour hours stunden"), 3600.0),
    **dict.fromkeys(word_set("day days tage"), 86400.0),
}
COUNTER = word_set(
    "frame frames index idx row rows no nr num number count counter sample samples seq record line unnamed obs "
    "observation order bild fotograma cuadro trame image picture position # n i"
)
COUNTED = word_set("of faces face people persons blendshape shape blend shapes blendshapes landmarks")
# Words that say who, which face, which file: their values are always kept apart.
WHO = word_set(
    "participant participants subject subj person persons patient proband vp vpn respondent user speaker actor child "
    "infant face faces id uid uuid pid sid track tracker clip file filename filepath path video videoname movie media "
    "source input name identity dyad camera cam device sequence recording code"
)
NAMING = word_set("id uid uuid pid sid name code identity filename input media")  # of what the word before says
# Words of parts of one recording: they start a sequence only where the time does not simply go on.
PART = word_set(
    "stim stimuli session trial block run take stimulus condition slide scene segment task phase study event"
)
LABEL = word_set(
    "trigger triggers label labels class target annotation annotations category marker truth gt y fold split"
)
# What a code or a name may be of that is neither a person nor a file.
WHAT = word_set("emotion emotions expression expressions mood behaviour behavior activity action gesture word phoneme")
PERSON = word_set(
    "age gender sex male female ethnicity race handedness education glasses nationality height weight bmi"
)
PICTURE = word_set("height width fps rate resolution")
QUALITY = word_set(
    "confidence conf likelihood success succeeded valid validity quality score scores probability prob tracked "
    "detected detection visibility visible reliability certainty status state ok found konfidenz erfolg gefunden "
    "erkannt"
)
# Words of a column that is 0 while the tracker works.
LOSS = word_set(
    "lost loss missing missed fail failed failure invalid error errors occluded occlusion untracked undetected dropped "
    "uncertainty blurred blurry absent"
)
NEGATION = word_set("not non without")
PERCENT = word_set("% percent percentage pct perc prozent")
WEAK = word_set("score quality probability prob visibility visible status state found validity")
CONTEXT = word_set(
    "face tracking tracker track detector detection detected frame model overall mean pose landmark landmarks head of "
    "is has the fit bbox box image mp mediapipe openface video local global relative absolute system media recording "
    "total in formatted stamp id nr no number index event s x object subject signal computer device camera instance "
    "gesicht"
)
_VOCABULARY = CLOCK | SPAN | set(UNITS) - {"s", "h"} | COUNTER - {"#", "n", "i", "no"} | WHO | PART | LABEL | QUALITY


def denied(words: tuple[str, ...]) -> bool:
    """Whether a name says that something is not so: face_not_found, no_face; no_faces and no_of_faces count.

    Examples
    --------
    >>> denied(("face", "not", "found")), denied(("no", "face")), denied(("no", "of", "faces"))
    (True, True, False)
    """
    what = QUALITY | {"face", "person", "landmark", "track", "tracking"}
    return bool(NEGATION & set(words)) or (len(words) > 1 and words[0] == "no" and words[1] in what)


def names_of(given) -> tuple[str, ...]:
    """Names given in a list or in one text, separated by commas."""
    if given is None:
        return ()
    return tuple(word.strip() for word in (given.split(",") if isinstance(given, str) else given) if str(word).strip())


def plain(name: str) -> str:
    """Name without surrounding blanks and quotes, and without the ``X.`` that R puts before names it cannot take."""
    name = name.strip().strip("'\"")
    return re.sub(r"^X\.+(?=[^\W\d])", "", name) if name.startswith("X.") else name


@lru_cache(maxsize=65536)
def words_of(name: str) -> tuple[str, ...]:
    """Lower-case words of a name; ``frametime`` counts as two.

    Examples
    --------
    >>> words_of("frameTime"), words_of("Timestamp (ms)"), words_of("X.face_ID"), words_of("videotime")
    (('frame', 'time'), ('timestamp', 'ms'), ('face', 'id'), ('video', 'time'))
    """
    pieces = (piece.casefold() for piece in _PIECE.findall(plain(name)))
    return tuple(word for piece in pieces for word in _compounds(piece) or (piece,))


@lru_cache(maxsize=4096)
def _compounds(piece: str) -> tuple[str, ...] | None:
    """Known words that a piece written in one consists of, longest first; None where it does not."""
    if piece in _VOCABULARY or len(piece) > 24:
        return (piece,) if piece in _VOCABULARY else None
    for cut in range(len(piece) - 2, 1, -1):
        head = piece[:cut]
        if head in _VOCABULARY and (rest := _compounds(piece[cut:])) is not None:
            return (head, *rest)
    return None


def unit_in(name: str) -> float | None:
    """Seconds in the unit that the end of a name tells, or None.

    Examples
    --------
    >>> unit_in("frame_time_in_ms"), unit_in("Time [s]"), unit_in("time")
    (0.001, 1.0, None)
    """
    words = words_of(name)
    return UNITS.get(words[-1]) if words else None
