"""Where the frames lie in JSON: a list of records, records under names, lists by column, or groups of any of them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from rpca_affect.refusals import Notice, Setting

from ..names import CLOCK, word_set, words_of
from ..recording import RecordingError
from .source import Source

_STAMPS = CLOCK | {"frame", "x", "t"}
_NAMING = word_set("name label feature channel path id key")
_DEEPEST = 8  # objects in objects that are looked into
_MOST_LINES = 60  # numbers and words beside the frames that are looked at for a rate


class Frames:
    """Frames of a file: a list of records or lists by column, and what stands around them.

    Attributes
    ----------
    held : list or dict
        One record for each frame, or a list for each column.
    key : str or True
        Name of the list in its object.
    above : list of str
        Numbers and words beside the frames, as lines ``"name: value"``.
    notices : list of str
        What was chosen where there was a choice.
    """

    def __init__(self, source: Source, held: Any, key: str | None = None):
        self.source, self.key = source, True if key is None else key
        self.above: list[str] = []
        self.notices: list[str] = []
        if key is not None:
            self._note(held)
            held = held[key]
        groups = dict(_groups(held)) if _first_group(held) else {}
        if groups:
            path = max(groups, key=lambda path: _size(groups[path]))
            self._chosen("list", ".".join(path), "largest", len(groups))
            held = groups[path]
        elif isinstance(held, dict) and key is None:
            held = self._inside(held)
        self.held = self._unrolled(held)

    def _chosen(self, what: str, name: str, which: str, among: int) -> None:
        if among > 1:
            said = f"The {what} {name!r} was read, the {which} of {among}; choose another with "
            self.notices.append(Notice(said, Setting("key"), "."))

    def _note(self, held: dict) -> None:
        beside = [held, *(value for value in held.values() if isinstance(value, dict))]
        found = [(k, v) for one in beside for k, v in one.items() if isinstance(v, (int, float, str))]
        self.above += [f"{' '.join(words_of(str(name)))}: {value}" for name, value in found[:_MOST_LINES]]

    def _inside(self, held: dict) -> Any:
        """The records in an object: its lists of records, those of an object in it, or its lists by column."""
        if not _keyed(held):
            self._note(held)
        tables = {name: value for name, value in held.items() if _records(value)}
        columns = {k: v for k, v in held.items() if isinstance(v, list) and len(v) > 1 and k not in tables}
        columns |= {} if tables else _sections(held, columns)
        if tables:
            return self._joined(tables, columns)
        nested = {k: v for k, v in held.items() if isinstance(v, dict) and _holds_records(v)}
        if nested and not _keyed(held):
            name, inner = next(iter(nested.items()))
            self._chosen("object", name, "first", len(nested))
            return self._inside(inner)
        if columns:
            return columns
        if len(held) > 1 and all(isinstance(value, dict) for value in held.values()):
            return _by_key(held) if _keyed(held) else _by_row(held)
        raise RecordingError(f"{self.source.name} holds no list of records, expected one record for each frame.")

    def _unrolled(self, held: Any) -> Any:
        """The frames of series: records that each name a feature and hold its numbers, with or without stamps."""
        curves = _series(held) if isinstance(held, list) else None
        return held if curves is None else self._beside(curves)

    def _beside(self, curves: dict[str, list]) -> list:
        self.notices.append(f"{len(curves)} curves of a feature each, with their stamps, were put side by side.")
        return _side_by_side(curves)

    def _joined(self, tables: dict[str, list], columns: dict[str, list]) -> list:
        """Lists of one length are those of one table; of several lengths the longest is read."""
        if len(tables) == 1 and (curves := _series(next(iter(tables.values())), list(columns.values()))):
            return self._beside(curves)
        if len(tables) > 1 and all(map(_is_curve, tables.values())):
            return self._beside(tables)
        main = max(tables, key=lambda name: _size(tables[name]))
        rows, length = tables[main], len(tables[main])
        named = _titled(rows, columns)
        beside = {k: v for k, v in (tables | columns).items() if k != main and len(v) == length and v is not named[1]}
        others = [name for name in tables if name != main and name not in beside]
        self._chosen("list", main, "largest", len(others) + 1)
        self.key = main
        rows = named[0]
        if beside:
            rows = [row if isinstance(row, dict) else {main: row} for row in rows]
            rows = [{**row, **{name: value[i] for name, value in beside.items()}} for i, row in enumerate(rows)]
        return rows


def _records(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(isinstance(record, (dict, list)) for record in value)


def _holds_records(held: dict, depth: int = 0) -> bool:
    """Whether an object holds a list of records, or records under numbers, however many objects are around it."""
    if _keyed(held) or any(_records(inner) for inner in held.values()):
        return True
    inside = [inner for inner in held.values() if isinstance(inner, dict)]
    return depth < _DEEPEST and any(_holds_records(inner, depth + 1) for inner in inside)


def _is_number(name: Any) -> bool:
    return str(name).lstrip("-").replace(".", "", 1).isdigit()


def _keyed(held: dict) -> bool:
    """Whether an object holds a record under each frame number, time or picture."""
    if len(held) < 2 or not all(isinstance(value, dict) for value in held.values()):
        return False
    if all(map(_is_number, held)):
        return True
    inner = [set(value) for value in held.values()]
    alike = bool(inner[0]) and all(names == inner[0] for names in inner) and not all(map(_is_number, inner[0]))
    return alike and all(any(letter.isdigit() for letter in name) for name in held)


def _by_key(held: dict) -> list[dict]:
    """Records that stand under the number, the time or the picture of their frame."""
    if not all(map(_is_number, held)):
        return [{"image": name, **value} for name, value in held.items()]
    called = "time" if any("." in name.removesuffix(".0") for name in map(str, held)) else "frame"
    return [{called: float(name), **value} for name, value in held.items()]


def _by_row(held: dict) -> dict[str, list]:
    """Lists by column of columns that hold their cells under the names of the rows, as pandas writes them."""
    rows = list(next(iter(held.values())))
    counted = rows == [str(i) for i in range(len(rows))]
    same = all(list(value) == rows for value in held.values())
    stamps = {} if counted or not same or not all(map(_is_number, rows)) else {"time": [float(row) for row in rows]}
    return stamps | {name: list(value.values()) for name, value in held.items()}


def _titled(rows: list, columns: dict[str, list]) -> tuple[list, list | None]:
    """Rows without names as records, where a list of as many words stands beside them; and these words."""
    widths = {len(row) for row in rows if isinstance(row, list)}
    for words in columns.values():
        named = all(isinstance(word, str) for word in words)
        if named and widths == {len(words)} and len(set(words)) == len(words):
            return [dict(zip(words, row)) for row in rows], words
    return rows, None


def _is_curve(rows: list) -> bool:
    """Whether a list holds pairs of a stamp and a number, the stamps rising."""
    pairs = all(isinstance(row, list) and len(row) == 2 and all(map(_is_plain, row)) for row in rows)
    return pairs and len(rows) > 1 and all(one[0] < two[0] for one, two in pairwise(rows))


def _is_plain(value: Any) -> bool:
    return isinstance(value, (int, float))


def _series(records: list, beside: Sequence[list] = ()) -> dict[str, list] | None:
    """Pairs of a stamp and a number of each feature, where each record names one and holds its numbers.

    The stamps are in the same list, in one of their own, or in one list `beside` the records for all of them.
    """
    if not all(isinstance(record, dict) for record in records):
        return None
    shared = [key for key in records[0] if all(key in record for record in records)]
    words = [key for key in shared if all(isinstance(record[key], str) for record in records)]
    names = [key for key in words if len({record[key] for record in records}) == len(records)]
    names.sort(key=lambda key: not set(words_of(key)) & _NAMING)
    lists = [key for key in shared if all(isinstance(r[key], list) and len(r[key]) > 1 for r in records)]
    stamped = [key for key in lists if {word.removesuffix("s") for word in words_of(key)} & _STAMPS]
    values = [key for key in lists if key not in stamped]
    if not names or not values:
        return None
    curves: dict[str, list] = {}
    for record in records:
        for key in values:
            name = record[names[0]] if len(values) == 1 else f"{record[names[0]]}.{key}"
            own = [record[one] for one in stamped] or [one for one in beside if len(one) == len(record[key])]
            curves[name] = [list(pair) for pair in zip(own[0], record[key])] if own else record[key]
    return curves if all(map(_is_curve, curves.values())) else None


def _sections(held: dict, columns: dict[str, list]) -> dict[str, list]:
    """Lists by column that stand in objects of an object, as many entries in each as in the lists beside them."""
    inner = [v for v in held.values() if isinstance(v, dict) and v and all(isinstance(one, list) for one in v.values())]
    found = {name: value for section in inner for name, value in section.items()}
    lengths = {len(value) for value in (found | columns).values()}
    return found if len(lengths) == 1 and len(found) == sum(map(len, inner)) and max(lengths) > 1 else {}


def _size(rows: list) -> int:
    """How many numbers a list of records holds beside their stamps, by its first."""
    return len(rows) * _numbers_in(rows[0])


def _numbers_in(value: Any) -> int:
    if isinstance(value, dict):
        return sum(
            _numbers_in(inner) for name, inner in value.items() if not set(words_of(str(name))) & _STAMPS - {"x"}
        )
    return sum(map(_numbers_in, value)) if isinstance(value, list) else int(_is_plain(value))


def _side_by_side(curves: dict[str, list]) -> list[dict]:
    found: dict[float, dict] = {}
    whole = all(stamp == int(stamp) for rows in curves.values() for stamp, _ in rows)
    for name, rows in curves.items():
        for stamp, value in rows:
            found.setdefault(stamp, {"frame" if whole else "time": stamp})[name] = value
    return [found[stamp] for stamp in sorted(found)]


# ---------------------------------------------------------------- groups: a person or a file in each record


def _is_timed(records: Any) -> bool:
    """Whether a list holds records that tell their time or the number of their frame."""
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        return False
    stamps = [
        k for k, v in records[0].items() if set(words_of(k)) & (CLOCK | {"frame"}) and isinstance(v, (int, float, str))
    ]
    return any(all(name in record for record in records) for name in stamps)


def _first_group(held: Any, depth: int = 0, listed: bool = False) -> list | None:
    """The first list of records that tell their time inside the records of another list."""
    if isinstance(held, list):
        if _is_timed(held) and not (isinstance(held[0], dict) and _longer_inside(held)):
            return held if listed else None
        return _first_group(held[0], depth, True) if held and depth < _DEEPEST else None
    if isinstance(held, dict) and depth < _DEEPEST:
        return next((g for inner in held.values() if (g := _first_group(inner, depth + 1, listed)) is not None), None)
    return None


def _longer_inside(records: list) -> bool:
    """Whether the first record of a list holds a list of such records that is longer than the whole."""
    inner = _first_group(records[0], 1, True)
    return inner is not None and len(inner) > len(records)


def _groups(
    held: Any, path: tuple[str, ...] = (), around: dict | None = None
) -> Iterator[tuple[tuple[str, ...], list]]:
    """Lists of records of one path, all groups together, each record with what its group says about itself."""
    found: dict[tuple[str, ...], list] = {}
    around = around or {}
    if isinstance(held, list):
        if _is_timed(held) and not _longer_inside(held):
            yield path, [{**around, **record} for record in held]
            return
        for record in held:
            if isinstance(record, dict):
                own = {".".join((*path[-1:], k)): v for k, v in record.items() if isinstance(v, (int, float, str))}
                for where, rows in _groups(record, path, around | own):
                    found.setdefault(where, []).extend(rows)
    elif isinstance(held, dict) and len(path) <= _DEEPEST:
        for name, inner in held.items():
            if isinstance(inner, (dict, list)):
                for where, rows in _groups(inner, (*path, str(name)), around):
                    found.setdefault(where, []).extend(rows)
    yield from found.items()
