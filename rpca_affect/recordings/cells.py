"""Cells read as numbers: missing words, words of failed tracking, decimal commas, thousands separators, bad cells."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rpca_affect.cached import cached_property

from .names import unit_in, word_set

# What programs write into a cell that holds nothing; pandas knows NA, NaN, null, None, #N/A and an empty cell itself.
MISSING = word_set(
    "na n/a nan <na> null none nil . undefined missing void #n/a #na #value! #ref! #div/0! #name? #num! #null! #error! "
    "#wert! #div/0 #bezug! #zahl! #name #nv #valeur! not_available "
    "nodata no_data not-a-number"
)
# Marks that stand for nothing where they come back; a single one may be a slip.
DASHES = word_set("- -- --- – — ? *")
_THOUSANDS = {
    ".": re.compile(r"[-+]?\d{1,3}(,\d{3})+\.\d*|[-+]?\d{1,3}(,\d{3}){2,}"),
    ",": re.compile(r"[-+]?\d{1,3}(\.\d{3})+,\d*|[-+]?\d{1,3}(\.\d{3}){2,}"),
}
_COMMA = re.compile(r"[-+]?\d*,\d+(e[-+]?\d+)?", re.I)
_AROUND = "()[]<>{}*-_"
_PRINTED = re.compile(r"[-+]?(\d\.#\w+|nan\(\w*\))")  # what C's printf writes
# A number and its unit, as in 12.5 mm.
MEASURED = re.compile(
    r"([-+]?(?:\d+(?:[.,]\d+)?|[.,]\d+)(?:e[-+]?\d+)?)\s*((?:[^\W\d_]|[°²³/^]|(?<=\^)-?\d){1,9})", re.I
)
_FORTRAN = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)d[-+]\d+", re.I)
_WORD = re.compile(r"[^\W\d]\w*([ _-]\w+)*|([^\W\d_]{1,2}[./] ?){1,3}[^\W\d_]{0,2}")  # lost, not found, n.a., k. A.
_KINDS = 5  # different numbers before a unit
_RECURS = 3  # times that a word of letters comes back where it is no slip of the hand


@dataclass(frozen=True)
class Column:
    """One column as numbers: NaN where a cell is missing, a status word or bad; `bad` are the rows of bad cells."""

    numbers: np.ndarray
    bad: np.ndarray
    is_text: bool = False
    words: tuple[tuple[str, int], ...] = ()  # words that were read as missing, with their counts
    grouped: bool = False  # with thousands separators
    comma: bool = False  # with decimal commas that the rest of the table does not have
    unit: str = ""  # that is written behind each number


class Cells:
    """The columns of a table, each turned into numbers once.

    A word that stands in all columns of a row at once, where the other rows hold numbers, says that the tracker
    failed there (``FIND_FAILED``), and an abbreviation that comes back stands for nothing (``n.a.``); another word in
    single cells is damage.
    """

    def __init__(self, frame: pd.DataFrame, codes: frozenset[int], decimal: str, missing: tuple[str, ...]):
        self._frame, self._codes, self._decimal = frame, codes, decimal
        self._missing = MISSING | {word.strip().casefold() for word in missing}
        self._given = {value for word in missing if (value := _number(word, decimal)) is not None}
        self._kinds = list(frame.dtypes)
        self._done: dict[int, Column] = {}

    def plain(self, position: int) -> bool:
        """Whether a column holds NumPy numbers, which need no reading."""
        kind = self._kinds[position]
        return isinstance(kind, np.dtype) and kind.kind in "fiu" and position not in self._codes

    def read(self, position: int) -> Column:
        """Column at `position` as numbers."""
        if position not in self._done:
            self._done[position] = self._read(position)
        return self._done[position]

    @cached_property
    def status_words(self) -> frozenset[str]:
        """Words, in lower case, that stand for a failed frame."""
        mixed = [column for i in self._texts if (column := self._raw(i)) is not None and column[1].any()]
        if not mixed:
            return frozenset()
        counts = [Counter(words[rows].tolist()) for words, _, rows in mixed]
        common = Counter(word for count in counts for word in count)
        found = {word for word in DASHES if common[word] and sum(count[word] for count in counts) > 1}
        for word in [word for word, n in common.most_common(20) if _WORD.fullmatch(word)]:
            here = np.stack([words == word for words, *_ in mixed])
            rows = here.any(axis=0)
            alone = len(mixed) == 1 and rows.sum() >= _RECURS
            short = "." in word and here.sum() >= _RECURS
            if alone or short or (len(mixed) > 1 and here[:, rows].mean() > 0.9):
                found.add(word)
        return frozenset(found)

    @cached_property
    def _texts(self) -> list[int]:
        return [i for i, kind in enumerate(self._kinds) if _is_text(kind) and i not in self._codes]

    def _is_nothing(self, word: str) -> bool:
        """Whether a word in lower case stands for a missing cell, also in brackets or between dashes."""
        bare = word.strip(_AROUND)
        return not word or word in self._missing or bare in MISSING or _PRINTED.fullmatch(word) is not None

    def _raw(self, position: int):
        """Words in lower case, which rows hold numbers, and which hold words that are no missing ones."""
        column = self._frame.iloc[:, position]
        text = column.astype("string").str.strip().str.casefold().fillna("").to_numpy(object)
        words, codes = np.unique(text.astype(str), return_inverse=True)
        values = [_number(word, self._decimal) for word in words]
        number = np.array([value is not None for value in values])
        empty = np.array([self._is_nothing(word) for word in words])
        return text, number[codes], (~number & ~empty)[codes]

    def _read(self, position: int) -> Column:
        column = self._frame.iloc[:, position]
        kind = self._kinds[position]
        if self.plain(position):
            numbers = column.to_numpy(np.float64)
        elif _is_text(kind):
            return self._text(column)
        elif pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
            numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        else:
            known = np.flatnonzero(column.notna().to_numpy())
            return Column(np.full(len(column), np.nan), known, is_text=True)
        if not self._given:
            return Column(numbers, np.empty(0, np.intp))
        lost = np.isin(numbers, list(self._given))
        words = tuple(
            (f"{value:g}", int((numbers == value).sum())) for value in self._given if (numbers == value).any()
        )
        return Column(np.where(lost, np.nan, numbers), np.empty(0, np.intp), words=words)

    def _text(self, column: pd.Series) -> Column:
        text = column.astype("string").str.strip().str.strip("'")
        codes, words = pd.factorize(text)  # each spelling is read once
        lower = [str(word).casefold() for word in words]
        values = [_number(word, self._decimal) for word in words]
        is_number = np.array([value is not None for value in values], dtype=bool)
        grouped, comma, unit = False, False, ""
        if not is_number.all():
            values, grouped, comma = self._marked(list(words), values)
            if not any(value is not None for value in values):
                values, unit = self._measured(list(words), values)
            is_number = np.array([value is not None for value in values], dtype=bool)
        numbers = np.array([np.nan if value is None else value for value in values] + [np.nan])
        is_missing = np.array([self._is_nothing(word) for word in lower], dtype=bool)
        status = self.status_words if not (is_number | is_missing).all() else frozenset()
        is_status = np.array([word in status for word in lower], dtype=bool)
        given = np.isin(numbers[:-1], list(self._given)) if self._given else np.zeros(len(words), dtype=bool)
        numbers[:-1][given] = np.nan
        counts = np.bincount(codes[codes >= 0], minlength=len(words))
        odd = ~(is_number | is_missing | is_status)
        bad = np.flatnonzero(np.append(odd, False)[codes])
        filled = int(counts[~is_missing].sum())
        is_word = np.array([bool(word) for word in lower], dtype=bool)
        said = np.flatnonzero((is_missing & is_word) | is_status | given).tolist()
        return Column(
            numbers[codes],
            bad,
            is_text=bool(counts[is_number].sum() == 0) or 2 * len(bad) >= max(filled, 1),
            words=tuple((str(words[i]), int(counts[i])) for i in said),
            grouped=grouped,
            comma=comma,
            unit=unit,
        )

    def _measured(self, words: list, values: list[float | None]) -> tuple[list[float | None], str]:
        """Numbers that are all followed by one unit, 12.5 mm; units of time are left to the clocks."""
        found = [None if self._is_nothing(str(word).casefold()) else MEASURED.fullmatch(str(word)) for word in words]
        units = {match[2] for match in found if match}
        filled = sum(not self._is_nothing(str(word).casefold()) for word in words)
        unit = next(iter(units), "")
        if len(units) != 1 or sum(match is not None for match in found) < max(filled, _KINDS) or unit_in(unit):
            return values, ""
        for decimal in (self._decimal, ","):
            numbers = [_number(match[1], decimal) if match else None for match in found]
            if sum(number is not None for number in numbers) == filled:
                return numbers, unit
        return values, ""

    def _marked(self, words: list, values: list[float | None]) -> tuple[list[float | None], bool, bool]:
        """Numbers with thousands separators, or with decimal commas in a table that has points."""
        other = "," if self._decimal == "." else "."
        left = [str(word) for word, value in zip(words, values) if value is None]
        if any(_THOUSANDS[self._decimal].fullmatch(word) for word in left):
            return [_number(str(word).replace(other, ""), self._decimal) if value is None else value
                    for word, value in zip(words, values)], True, False  # fmt: skip
        commas = [word for word in left if _COMMA.fullmatch(word)]
        # 1,234 may be either; 0,5 and 1,23 can only be decimals
        sure = any(not re.fullmatch(r"[-+]?[1-9]\d{0,2},\d{3}", word) for word in commas)
        if self._decimal == "." and sure and not any("." in str(w) for w, v in zip(words, values) if v is not None):
            return [_number(word, ",") if value is None else value for word, value in zip(words, values)], False, True
        return values, False, False


def _is_text(kind) -> bool:
    return isinstance(kind, pd.StringDtype) or pd.api.types.is_object_dtype(kind)


def _number(word: object, decimal: str = ".") -> float | None:
    """The number a word stands for; of 400 digits it is infinite."""
    text = str(word).strip()
    if decimal == "," and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if _FORTRAN.fullmatch(text):
        text = text.upper().replace("D", "E")
    if not text or "_" in text or text[-1] in "nNyY":  # nan, infinity: words
        return float(text) if text.casefold().lstrip("+-") == "infinity" else None
    try:
        return float(text)
    except ValueError:
        return None
