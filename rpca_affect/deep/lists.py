"""Label lists of public dynamic-expression sets as people hold them: DFEW, FERV39k, VEATIC, ABAW, UCI GFE."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from rpca_affect.recordings.searching import POINTS, TARGETS
from rpca_affect.refusals import absent

EMOTIONS = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
# FERV39k circulates with two numberings of its seven classes; DFEW's 1..7 follow EMOTIONS.
NUMBERINGS = {
    "dfew": dict(enumerate(EMOTIONS, start=1)),
    "ferv39k": dict(enumerate(EMOTIONS)),
    "alphabetical": dict(enumerate(sorted(EMOTIONS))),
}
NOT_RATED = -5  # Aff-Wild2's number for a frame without a rating
_OTHER_NAMES = {"anger": "angry", "happiness": "happy", "sadness": "sad", "surprised": "surprise", "fearful": "fear"}


def emotion(label: object, numbering: str | None = None) -> str:
    """Name of an emotion from a name or a number.

    Parameters
    ----------
    label : str or int
        A name in any spelling the sets use, or a number.
    numbering : {"dfew", "ferv39k", "alphabetical"}, optional
        Meaning of the numbers; a number without it is refused, for the same digit means different emotions.

    Examples
    --------
    >>> emotion("Angry"), emotion(4, "dfew"), emotion(0, "alphabetical")
    ('angry', 'angry', 'angry')
    """
    text = str(label).strip().lower()
    name = _OTHER_NAMES.get(text, text)
    if name in EMOTIONS:
        return name
    if not text.lstrip("-").isdigit():
        raise ValueError(f"{label!r} is not one of {', '.join(EMOTIONS)}.")
    if numbering not in NUMBERINGS:
        raise ValueError(f"label {text} is a number; give numbering = {', '.join(NUMBERINGS)} to say what it means.")
    if int(text) not in NUMBERINGS[numbering]:
        raise ValueError(f"label {text} is not in the {numbering} numbering, {min(NUMBERINGS[numbering])} to "
                         f"{max(NUMBERINGS[numbering])}; another numbering was used.")  # fmt: skip
    return NUMBERINGS[numbering][int(text)]


def read_dfew(path: str | Path) -> pd.DataFrame:
    """One of DFEW's lists, such as ``train(single-labeled)/set_1.csv``.

    Parameters
    ----------
    path : path
        CSV with a clip number and a label 1 to 7, with or without a header.

    Returns
    -------
    DataFrame
        "clip" (five digits, as the clips are named) and "label".
    """
    table = _read(path, ",")
    if not str(table.iloc[0, 1]).strip().isdigit():
        table = table.iloc[1:]
    clips = [Path(str(clip).strip()).stem.zfill(5) for clip in table[0]]
    labels = [_at(path, line, emotion, label, "dfew") for line, label in table[1].items()]
    return pd.DataFrame({"clip": clips, "label": labels})


def read_ferv39k(path: str | Path, numbering: str | None = None) -> pd.DataFrame:
    """One of FERV39k's lists, such as ``4_setups/All_scenes/train_All.csv``.

    Parameters
    ----------
    path : path
        Lines ``Scene/Emotion/0267 label``, blank or comma between; the label is a name or a number.
    numbering : {"ferv39k", "alphabetical"}, optional
        Meaning of the numbers. It may be left out: the emotion is also a folder of the path. Where both are
        there and disagree, the list is refused, which is how a wrong numbering shows.

    Returns
    -------
    DataFrame
        "clip" (``Scene/Emotion/0267``), "scene" and "label".
    """
    table = _read(path, r"[,\s]+")
    rows = []
    for line, clip, label in zip(table.index, table[0], table[1]):
        parts = str(clip).strip("/").split("/")
        if len(parts) < 3:
            raise ValueError(f"{Path(path).name}, line {line}: {clip!r} is not Scene/Emotion/clip.")
        named = _at(path, line, emotion, parts[-2])
        if not str(label).isdigit() or numbering is not None:
            given = _at(path, line, emotion, label, numbering)
            if given != named:
                raise ValueError(
                    f"{Path(path).name}, line {line}: label {label} reads {given!r} but the clip lies under {named!r}; "
                    "another numbering was used."
                )
        rows.append({"clip": str(clip), "scene": parts[-3], "label": named})
    return pd.DataFrame(rows)


def read_veatic(folder: str | Path) -> dict[str, np.ndarray]:
    """VEATIC's averaged ratings, ``<video>_valence.csv`` and ``<video>_arousal.csv``, one number per frame.

    Parameters
    ----------
    folder : path
        Such as ``rating_averaged``.

    Returns
    -------
    dict of str to ndarray of shape (T, 2)
        Valence and arousal of each video, by its number.
    """
    folder = Path(folder)
    names = sorted(
        (f.name.removesuffix("_valence.csv") for f in folder.glob("*_valence.csv")), key=lambda n: (len(n), n)
    )
    if not names:
        raise ValueError(f"{folder} holds no *_valence.csv; give the folder of VEATIC's averaged ratings.")
    ratings = {}
    for name in names:
        pair = []
        for kind in ("valence", "arousal"):
            file = folder / f"{name}_{kind}.csv"
            if not file.exists():
                raise FileNotFoundError(f"{file.name} is missing beside {name}_valence.csv.")
            pair.append(_ratings(file, 1)[:, -1])
        if len(pair[0]) != len(pair[1]):
            raise ValueError(f"video {name} has {len(pair[0])} valence and {len(pair[1])} arousal ratings; align them.")
        ratings[name] = np.stack(pair, 1)
    return ratings


def read_abaw(folder: str | Path) -> dict[str, np.ndarray]:
    """Valence and arousal of Aff-Wild2 (the ABAW challenges), ``<video>.txt``, one line per frame under a header.

    Parameters
    ----------
    folder : path
        Such as ``VA_Estimation_Challenge/Train_Set``.

    Returns
    -------
    dict of str to ndarray of shape (T, 2)
        Valence and arousal of each video; NaN where the list says -5, which stands for "not rated".
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise ValueError(f"{folder} holds no .txt file; give a folder of ABAW's valence and arousal lists.")
    return {file.stem: _ratings(file, 2) for file in files}


def read_gfe(folder: str | Path) -> dict[str, np.ndarray]:
    """Labels of the UCI set of Grammatical Facial Expressions, ``<video>_targets.txt``, one 0 or 1 on each line.

    Parameters
    ----------
    folder : path
        Such as ``grammatical_facial_expression``.

    Returns
    -------
    dict of str to ndarray of shape (T, 1)
        1 in frames in which the expression is made, by the name of the points that they are of,
        ``a_affirmative_datapoints``.
    """
    folder = Path(folder)
    files = sorted(folder.glob(f"*{TARGETS}"))
    if not files:
        raise ValueError(f"{folder} holds no *{TARGETS}; give the folder of the text files of the set.")
    labels = {}
    for file in files:
        values = _ratings(file, 1)
        odd = np.flatnonzero(~np.isin(values[:, 0], (0, 1)))
        if len(odd):
            raise ValueError(f"{file.name}, line {odd[0] + 1}: found {values[odd[0], 0]:g}, expected 0 or 1.")
        labels[file.name.removesuffix(TARGETS) + Path(POINTS).stem] = values
    return labels


def _ratings(file: Path, columns: int) -> np.ndarray:
    """Numbers of a list with ``columns`` at the end of each line, float32; -5 means that the frame was not rated."""
    table = _read(file, r"[,;\s]+", "a rating" if columns == 1 else "a valence and an arousal", columns)
    numbers = table.iloc[:, -columns:].apply(pd.to_numeric, errors="coerce").to_numpy(np.float32)
    if len(numbers) > 1 and np.isnan(numbers[0]).all():  # a header line
        table, numbers = table.iloc[1:], numbers[1:]
    bad = ~np.isfinite(numbers) | ((np.abs(numbers) > 1) & (numbers != NOT_RATED))
    if bad.any():
        row = int(bad.any(1).argmax())
        found = table.iloc[row, -1 if bad[row, -1] else -columns]
        raise ValueError(
            f"{file.name}, line {table.index[row]}: found {found!r}, expected a rating from -1 to 1, or {NOT_RATED} "
            "where there is none."
        )
    return np.where(numbers == NOT_RATED, np.nan, numbers)


def split_in_time(lengths: Sequence[int], share: float = 0.7) -> list[tuple[slice, slice]]:
    """VEATIC's own split: the first part of every video trains, the rest tests, so the same person is on both sides.

    Examples
    --------
    >>> split_in_time([10])
    [(slice(0, 7, None), slice(7, 10, None))]
    """
    return [(slice(0, int(share * n)), slice(int(share * n), n)) for n in lengths]


def split_by_video(n_videos: int, share: float = 0.7, random_state: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Whole videos on one side or the other: the split to report beside `split_in_time`.

    Returns
    -------
    train, test : ndarray of int
    """
    videos = np.arange(n_videos)
    return next(GroupShuffleSplit(1, train_size=share, random_state=random_state).split(videos, groups=videos))


def _at(path: str | Path, line: object, made: Callable[..., str], *given: object) -> str:
    """Result of `made` for a cell; its error names the file and the line."""
    try:
        return made(*given)
    except ValueError as error:
        raise ValueError(f"{Path(path).name}, line {line}: {error}") from error


def _read(path: str | Path, separator: str, expected: str = "a clip and a label", fewest: int = 2) -> pd.DataFrame:
    """Cells of a list, each row under the number of its line; ``fewest`` of them must be there."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(absent(path))
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    rows = {
        number: [cell.strip().strip('"') for cell in re.split(separator, line.strip())]
        for number, line in enumerate(lines, start=1)
        if line.strip()
    }
    if not rows:
        raise ValueError(f"{path.name} is empty, expected {expected} on every line.")
    for number, cells in rows.items():
        if len(cells) < fewest or not all(cells[:fewest]):
            raise ValueError(
                f"{path.name}, line {number}: found {lines[number - 1].strip()[:60]!r}, expected {expected}."
            )
    return pd.DataFrame.from_dict(rows, orient="index", dtype=str)
