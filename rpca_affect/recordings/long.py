"""Tables with a feature in each row, in long form or turned over: put into rows of frames."""

import numpy as np
import pandas as pd

from .groups import group_of
from .names import CLOCK, COUNTER, WHO, word_set, words_of
from .phrases import listed
from .recording import RecordingError
from .tables import Table

_NAMING = word_set("blendshape feature variable category name au unit channel landmark measure metric signal key point")
_UNNAMED = 0.1  # rows without a name, of which more make no long form


def by_frames(table: Table) -> Table:
    """Table with one row for each frame, whether the one given is in long form, turned over, or so already."""
    turned = upright(table)
    return widened(table) if turned is table else turned


def upright(table: Table) -> Table:
    """Table whose columns are the features, made of one whose first column names them, with a frame in each column.

    The first column must name features that programs write, each once, and all others hold numbers.  Headers that are
    rising numbers become the times or numbers of the frames.
    """
    frame = table.frame
    if not 3 <= len(frame) < len(frame.columns) or table.cells.plain(0):
        return table
    names = [str(name).strip() for name in frame.iloc[:, 0]]
    known = sum(group_of(name) is not None for name in names)
    across = range(1, frame.shape[1])
    features_across = sum(group_of(table.names[i]) is not None for i in across)
    if len(set(names)) < len(names) or known <= 0.5 * len(names) or features_across > 0.5 * len(across):
        return table
    if any(table.cells.read(i).is_text for i in across):
        return table
    values = np.array([table.numbers(i, required=True) for i in across])
    turned = pd.DataFrame(values, columns=pd.Index(names, dtype=object))
    stamps = pd.to_numeric(pd.Series(table.names[1:]), errors="coerce").to_numpy(np.float64)
    if (np.diff(stamps) > 0).all():
        whole = bool((stamps == np.floor(stamps)).all())
        turned.insert(0, table.names[0] or ("frame" if whole else "time"), stamps.astype(np.int64) if whole else stamps)
    said = (
        f"The table has a feature in each row ({listed(names, 3)}) and a frame in each column: it was turned over, and "
        "the results have one row for each frame."
    )
    return Table(turned, table.source, None, (*table.notices, said), table.form, missing=table.missing)


def widened(table: Table) -> Table:
    """Table with one row for each frame and one column for each feature; the table itself where it is so already.

    A table is in long form when one column holds a few names that come back in every frame, next to a single column
    of numbers that is no time, counter or key.
    """
    frame = table.frame
    if len(frame.columns) > 12 or len(frame) < 8:
        return table
    roles = {i: _guess(table, i) for i in range(len(frame.columns))}
    numbers = [i for i, role in roles.items() if role == "value"]
    texts = [i for i, role in roles.items() if role == "text"]
    frames = [i for i, role in roles.items() if role in ("frame", "who")]
    if not 1 <= len(numbers) <= 3 or not texts or not any(role == "frame" for role in roles.values()):
        return table
    for naming in texts:
        names = frame.iloc[:, naming]
        kinds = names.nunique()
        known = sum(group_of(str(name)) is not None for name in names.dropna().unique()[:60])
        if kinds < 3 or names.isna().mean() > _UNNAMED:
            continue
        fits = known > 0.5 * kinds or bool(set(words_of(table.names[naming])) & _NAMING)
        keys = [i for i in frames if i != naming]
        cells = frame.iloc[:, [*keys, naming]]
        per_frame = len(frame) / max(len(frame.iloc[:, keys].drop_duplicates()), 1)
        if not fits or per_frame < 0.5 * kinds or per_frame < 2:
            continue
        unnamed = np.flatnonzero(names.isna())
        if len(unnamed):
            raise RecordingError(
                f"{table.source}: one row for each feature (long form), but {table.place(int(unnamed[0]))}, column "
                f"{table.names[naming]!r} is empty, expected the name of a feature."
            )
        repeated = cells.duplicated().to_numpy()
        if repeated.any():
            row = int(np.flatnonzero(repeated)[0])
            raise RecordingError(
                f"{table.source}: one row for each feature (long form), but {table.place(row)} repeats "
                f"{str(names.iloc[row])!r} in the same frame; export one column for each feature, or name the face."
            )
        return _pivoted(table, keys, naming, numbers)
    return table


def _guess(table: Table, i: int) -> str:
    words = set(words_of(table.names[i]))
    column = table.cells.read(i)
    numbers = None if column.is_text or i in table.codes else column.numbers
    if words & (CLOCK | COUNTER) and (numbers is None or np.isfinite(numbers).any()):
        return "frame"
    if words & WHO and not words & _NAMING:
        return "who"
    if numbers is not None:
        if words & WHO - {"name"} or words <= {"index"}:
            return "who"
        return "value"
    return "text"


def _pivoted(table: Table, keys: list[int], naming: int, numbers: list[int]) -> Table:
    frame = table.frame.copy()
    frame.columns = pd.RangeIndex(len(frame.columns))
    number = frame.groupby(keys, sort=False, dropna=False).ngroup()  # of the frame that a row belongs to
    parts = [frame.loc[~number.duplicated(), keys].reset_index(drop=True)]
    for value in numbers:
        cells = pd.DataFrame({"frame": number, "name": frame[naming], "value": table.numbers(value, required=True)})
        wide = cells.pivot(index="frame", columns="name", values="value")[list(dict.fromkeys(frame[naming]))]
        wide.columns = [str(c) if len(numbers) == 1 else f"{c} {table.names[value]}" for c in wide.columns]
        parts.append(wide)
    joined = pd.concat(parts, axis=1)
    joined.columns = pd.Index([*(table.frame.columns[i] for i in keys), *joined.columns[len(keys) :]], dtype=object)
    said = (
        f"The table is in long form ({table.names[naming]!r} names the feature of each row): its {len(frame)} rows "
        f"were put side by side as {len(joined)} frames, and the results have one column for each feature."
    )
    return Table(joined, table.source, None, (*table.notices, said), table.form, missing=table.missing)
