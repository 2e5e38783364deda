"""Trust: the columns that say how sure the tracker was, for a row or for the features of one point."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from . import names as vocabulary
from .evidence import Evidence, Role
from .names import words_of

_GOOD = vocabulary.word_set(
    "ja wahr ok okay true yes good valid success succeeded tracked tracking found detected 1 1.0 face"
)
_BAD = vocabulary.word_set(
    "false no bad invalid fail failed failure lost error none missing untracked 0 0.0 fit_failed find_failed not_found "
    "nein falsch undetected notracked off not_tracked not_detected nan"
)
_YES, _NO = vocabulary.word_set("1 1.0 true yes y ja"), vocabulary.word_set("0 0.0 false no n nein")
_AXES, _PRESENCE = vocabulary.word_set("x y z"), "presence"
_KEYPOINTS = vocabulary.word_set("keypoint keypoints kp kpt kpts")
_LEAST_PERCENT = 10.0  # that some frame of a confidence in per cent exceeds


def find_quality(seen: Evidence) -> dict[str, Any]:
    """Confidence and failure of each row, and the confidence of single features."""
    confidence: np.ndarray | None = None
    failed: np.ndarray | None = None
    cells: dict[int, np.ndarray] = {}
    features, triples = _stems(seen), _triples(seen)
    if triples:
        seen.notices.append(f"Every third of the keypoints' numbers is a confidence: {len(triples)} are no features.")
    for i, role in enumerate(seen.of):
        words = tuple(word for word in words_of(seen.table.names[i]) if word not in vocabulary.PERCENT) or ("",)
        some = set(words)
        if role is not None and role.counts:
            numbers = seen.numbers(i)
            lost = ~(numbers > 0) if numbers is not None else np.zeros(seen.n, bool)
            if lost.any() and not lost.all():
                failed = lost if failed is None else failed | lost
            seen.of[i] = replace(role, used=True)
            continue
        given = seen.given.get(i)
        if given in ("quality", "status") and role is None:
            values = _trust(seen, i, weak=False)[0] if given == "status" and seen.numbers(i) is None else None
            values = seen.table.numbers(i, required=True) if values is None else values  # True and False are words
            if values is None or np.isnan(values).all():
                seen.of[i] = Role("quality", "empty")
            elif given == "status":
                failed = ~(values > 0) if failed is None else failed | ~(values > 0)
                seen.of[i] = Role("quality", f"0 where {seen.foreign} failed", used=True)
            else:
                confidence = values if confidence is None else np.fmin(confidence, values)
                seen.of[i] = Role("quality", f"the confidence of {seen.foreign}", used=True)
            continue
        if role is None and _says_lost(words):
            lost, seen.of[i] = _loss(seen, i, words)
            if lost is not None:
                failed = lost if failed is None else failed | lost
            continue
        if role is None and i in triples:
            _lowered(cells, triples[i], seen.numbers(i))
            seen.of[i] = Role("quality", "the confidence of the two places before it", used=True)
            continue
        trusted = bool(some & vocabulary.QUALITY) or (words[-1] == _PRESENCE and _is_point(seen, features, words[:-1]))
        if role is not None or not trusted or words[-1] in vocabulary.WHO | {"nr", "no", "index"}:
            continue
        stem = words[:-1] if words[-1] in vocabulary.QUALITY | {_PRESENCE} else _point_of(words)
        own = (
            [k for k in features.get(stem, []) if k != i] if not some <= vocabulary.QUALITY | vocabulary.CONTEXT else []
        )
        if not own and not some <= vocabulary.QUALITY | vocabulary.CONTEXT:
            continue
        values, kind, why = _trust(seen, i, weak=not some - vocabulary.CONTEXT - vocabulary.WEAK)
        if values is None:
            if why:
                seen.of[i] = Role("quality", why)
            continue
        if own:
            _lowered(cells, own, values)
            seen.of[i] = Role("quality", f"confidence of {len(own)} features of its own name", used=True)
        elif kind == "failed":
            bad = ~(values > 0)
            failed = bad if failed is None else failed | bad
            seen.of[i] = Role("quality", why, used=True)
        else:
            confidence = values if confidence is None else np.fmin(confidence, values)
            seen.of[i] = Role("quality", why, used=True)
    return {"confidence": confidence, "failed": failed, "cell_confidence": cells}


def _lowered(cells: dict[int, np.ndarray], columns: list[int], values: Any) -> None:
    """Put the confidence of some columns down to the values given, where it is not lower already."""
    for column in columns:
        cells[column] = np.fmin(cells[column], values) if column in cells else values


def _is_point(seen: Evidence, features: dict[tuple[str, ...], list[int]], stem: tuple[str, ...]) -> bool:
    """Whether features of a stem are places, whose presence is a confidence; that of a smile is a measurement."""
    last = {words_of(seen.table.names[i])[-1] for i in features.get(stem, [])} - {_PRESENCE}
    return bool(last) and last <= _AXES


def _says_lost(words: tuple[str, ...]) -> bool:
    """Whether a name says that the tracker failed, or denies that it worked, and nothing else."""
    some = set(words) - vocabulary.NEGATION - ({"no"} if vocabulary.denied(words) else set())
    if some & vocabulary.LOSS:
        return some <= vocabulary.LOSS | vocabulary.CONTEXT
    return bool(some) and vocabulary.denied(words) and some <= vocabulary.QUALITY | vocabulary.CONTEXT | {"person"}


def _loss(seen: Evidence, i: int, words: tuple[str, ...]) -> tuple[Any, Role | None]:
    """Frames that a column named like a failure marks, and its role; an error in other numbers is said, not used."""
    numbers = seen.numbers(i)
    if numbers is None:
        cells = seen.table.frame.iloc[:, i].astype("string").str.strip().str.casefold()
        yes = cells.isin(_YES)
        if not (yes | cells.isin(_NO) | cells.isna()).all():
            return None, None
        lost = yes.to_numpy(bool, na_value=False)
    elif seen.shape(i).binary or (seen.shape(i).constant and seen.shape(i).low in (0, 1)):
        lost = numbers > 0
    elif seen.shape(i).known:
        seen.notices.append(f"The column {seen.table.names[i]} grows where the tracker is unsure; it was not used.")
        return None, Role("quality", "named like a failure, but not 0 or 1")
    else:
        return None, Role("quality", "empty")
    if vocabulary.denied(words) and set(words) & vocabulary.LOSS:  # not lost
        return ~lost, Role("quality", "0 where the tracker failed", used=True)
    return lost, Role("quality", "1 where the tracker failed", used=True)


def _stems(seen: Evidence) -> dict[tuple[str, ...], list[int]]:
    """Columns by the words before their last one: nose_x, nose_y and nose_likelihood share a stem.

    Numbered points count with and without the name of all points: keypoints_3_0, keypoint_scores_3; x_3, confidence_3.
    """
    found: dict[tuple[str, ...], list[int]] = {}
    for i, name in enumerate(seen.table.names):
        words = words_of(name)
        role = seen.of[i]
        if len(words) < 2 or (role is not None and role.kind != "feature") or words[-1] in vocabulary.QUALITY:
            continue
        stems = {words[:-1], _point_of(words[:-1] if words[-1] in _AXES or words[-2].isdigit() else words)} - {()}
        for stem in stems:
            found.setdefault(stem, []).append(i)
    return found


def _point_of(words: tuple[str, ...]) -> tuple[str, ...]:
    """Name and number of the point that a name ends in, without the word for a quality or a place; () without one."""
    if not words or not words[-1].isdigit():
        return ()
    name = tuple(w.removesuffix("s") for w in words[:-1] if w.removesuffix("s") not in vocabulary.QUALITY | _AXES)
    return (*name, words[-1])


def _triples(seen: Evidence) -> dict[int, list[int]]:
    """Positions of confidences among numbers of keypoints in one list, x, y, confidence, x, y, ...; with their places.

    Every third number is then from 0 to 1, and the places are not.
    """
    lists: dict[tuple[str, ...], dict[int, int]] = {}
    for i, name in enumerate(seen.table.names):
        words = words_of(name)
        if len(words) > 1 and words[-1].isdigit() and set(words[:-1]) & _KEYPOINTS and seen.is_number(i):
            lists.setdefault(words[:-1], {})[int(words[-1])] = i
    found: dict[int, list[int]] = {}
    for places in lists.values():
        if len(places) < 6 or len(places) % 3 or sorted(places) != list(range(len(places))):
            continue
        of = [places[k] for k in range(len(places))]
        low, high = np.array([(seen.shape(i).low, seen.shape(i).high) for i in of]).T
        if np.nanmin(low[2::3]) >= 0 and np.nanmax(high[2::3]) <= 1 and np.nanmax(high) > 2:
            found |= {i: of[3 * k : 3 * k + 2] for k, i in enumerate(of[2::3])}
    return found


def _trust(seen: Evidence, i: int, weak: bool) -> tuple[np.ndarray | None, str, str]:
    """Values of a column of quality from 0 to 1, whether it says failed or unsure, and why it is one."""
    name = seen.table.names[i]
    column = seen.table.frame.iloc[:, i]
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(np.float64, na_value=np.nan), "failed", "says whether the tracker succeeded"
    numbers = seen.numbers(i)
    if numbers is None:
        words = column.astype("string").str.strip().str.casefold()
        good, bad = words.isin(_GOOD), words.isin(_BAD)
        if not column.notna().any() or not (good | bad | words.isna()).all():
            return None, "", ""
        return good.to_numpy(np.float64, na_value=0.0), "failed", "says in words whether the tracker succeeded"
    shape = seen.shape(i)
    if not shape.known:
        return None, "", "named like a quality, but empty"
    seen.table.numbers(i, required=True)
    if shape.binary or (shape.constant and shape.low in (0, 1)):
        return numbers, "failed", "0 where the tracker failed"
    scale = 1.0
    if _LEAST_PERCENT < shape.high <= 100 and shape.low >= 0 and np.nanmedian(numbers) > 1:
        scale = 100.0
    if shape.low < 0 or shape.high > scale:
        seen.notices.append(f"The column {name} is not between 0 and 1 and was not used.")
        return None, "", "named like a quality, but not between 0 and 1"
    if weak and not np.nanmedian(numbers) / scale >= 0.8:
        return None, "", ""
    if scale != 1.0:
        seen.notices.append(f"The column {name} is read as per cent.")
    return numbers / scale, "confidence", "named like a confidence, between 0 and 1"
