"""From a Table and its Layout to a Recording: numbers, mask, time, sequences and notices, the same for all formats."""

from collections import Counter
from dataclasses import replace
from numbers import Real

import numpy as np
import pandas as pd

from rpca_affect.refusals import Notice, Setting

from .clock import sequence_rows, step_of
from .layout import Layout, overridden
from .lost import leave_out_lost, presence_of
from .names import words_of
from .phrases import counted, listed
from .plausible import codes_outside, implausible, oddities
from .recording import Recording, RecordingError
from .sequences import in_order, missing_rows, spread_evenly, unbroken, usual_step, without_features
from .tables import Table
from .when import stated_rate

__all__ = ["Layout", "assemble", "counted", "listed", "overridden", "sequence_rows", "step_of"]

COLUMNS = 32  # that are laid beside each other at a time: no second copy of the table
_SLOWEST, _FASTEST = 0.5, 400.0  # frames per second of cameras
_MOST_BELOW = 6  # rows of means, deviations, sums


def assemble(table: Table, layout: Layout, *, min_confidence=0.8, mask=None, max_gap=1.0, fps=None) -> Recording:
    """Make a Recording of a table whose columns are known."""
    if not 0 <= min_confidence <= 1:
        raise ValueError(f"min_confidence is {min_confidence}, expected a number from 0 to 1.")
    if not max_gap > 0:
        raise ValueError(f"max_gap is {max_gap}, expected seconds above 0.")
    if fps is not None and not (isinstance(fps, Real) and 0 < float(fps) < np.inf):
        raise ValueError(f"fps is {fps!r}, expected frames per second above 0.")
    notices = [*table.notices, *layout.notices]
    values, positions, left_out = _values(table, layout, notices)
    names = tuple(table.names[i] for i in positions)
    groups = _groups(layout, positions)
    given = None if mask is None else _given_mask(mask, values.shape, names)
    observed = _observed(table, layout, values, given, positions, groups, min_confidence, notices)
    presence = [positions[k] for k in np.flatnonzero(presence_of(values, observed, groups, layout.presence))]
    if fps is None and layout.time is None and (stated := stated_rate(_lines(table, layout))) is not None:
        fps, where = stated
        notices.append(f"No column holds times, and the file says {where!r}: {fps:g} frames per second.")
    time, sequence_id, order, rate = _when(table, layout, observed, fps, max_gap, notices)
    frame = table.frame
    if order is not None:
        frame, values, observed = frame.iloc[order], values[order], observed[order]
    labels = table.frame.columns
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[positions] = True
    roles = list(layout.roles)
    for i in presence if roles else ():
        roles[i] = replace(roles[i], kind="presence", reason=f"0 or 1; {roles[i].reason}")
    return Recording(
        values=values,
        feature_names=names,
        groups={name: np.array(members, dtype=np.intp) for name, members in groups.items()},
        time=time,
        mask=observed,
        sequence_id=sequence_id,
        meta={
            "format": layout.format,
            "source": table.source,
            "fps": rate,
            "notices": tuple(notices),
            "index": frame.index,
            "columns": tuple(labels),
            "feature_columns": tuple(labels[i] for i in positions),
            "passthrough": frame.iloc[:, np.flatnonzero(~chosen)].copy(),
            "left_out": tuple(labels[i] for i in left_out),
            "suggested": tuple(group for group in layout.suggested if group in groups),
            "max_gap": max_gap,
            "min_confidence": min_confidence,
            "roles": tuple(
                {"column": name, "role": role.kind, "reason": role.reason, "used": role.used or role.kind == "feature"}
                for name, role in zip(table.names, roles)
            ),
            "keys": layout.keys,
            "presence": tuple(table.names[i] for i in presence),
            "order": order,
            **table.form,
        },
    )


def _lines(table: Table, layout: Layout) -> list[str]:
    """Lines above a table, and one for each column that holds a single number."""
    aside = [i for i, role in enumerate(layout.roles) if role.kind != "feature" and table.cells.plain(i)]
    single = {table.names[i]: cells[0] for i in aside if np.ptp(cells := table.cells.read(i).numbers) == 0}
    return [*table.form.get("preamble", ()), *(f"{' '.join(words_of(k))}: {cell:g}" for k, cell in single.items())]


def _groups(layout: Layout, positions: list[int]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for column, position in enumerate(positions):
        groups.setdefault(layout.features[position], []).append(column)
    return groups


def _values(table: Table, layout: Layout, notices: list[str]) -> tuple[np.ndarray, list[int], list[int]]:
    """Feature columns as float64, their positions, and the positions of features without any number."""
    wanted = list(layout.features)
    quick = [i for i in wanted if table.cells.plain(i)]
    values = np.empty((len(table), len(wanted)))
    slot = {position: k for k, position in enumerate(wanted)}
    if quick and not table.missing:
        for first in range(0, len(quick), COLUMNS):
            some = quick[first : first + COLUMNS]
            values[:, [slot[i] for i in some]] = table.frame.iloc[:, some].to_numpy(np.float64)
    else:
        quick = []
    for position in sorted(set(wanted) - set(quick)):
        numbers = table.numbers(position, required=True)
        values[:, slot[position]] = np.nan if numbers is None else numbers
    empty: np.ndarray = np.isnan(values).all(axis=0)  # type: ignore[assignment]
    left_out = [position for position, nothing in zip(wanted, empty) if nothing]
    if left_out:
        name = listed(table.names[i] for i in left_out)
        notices.append(f"{counted(len(left_out), 'feature column')} without any number left out: {name}.")
    if empty.all():
        for i in range(len(table.names)):
            cells = table.frame.iloc[:3, i]
            if any(str(cell).lstrip().startswith(("[", "{")) for cell in cells):
                raise RecordingError(
                    f"{table.source}: the cells of column {table.names[i]!r} hold lists, expected one column for each "
                    "feature; export the lists as columns."
                )
        odd = table.nearly_numbers()
        raise RecordingError(
            f"{table.source} has no feature column with numbers, expected at least one; found {listed(table.names)}"
            f"{f' ({odd})' if odd else ''}."
        )
    _said_words(table, wanted, notices)
    if empty.any():
        values = values[:, ~empty]
    return values, [position for position, nothing in zip(wanted, empty) if not nothing], left_out


def _said_words(table: Table, wanted: list[int], notices: list[str]) -> None:
    """Say which words and forms of numbers the feature columns hold."""
    columns = {i: table.cells.read(i) for i in wanted if table.missing or not table.cells.plain(i)}
    words: Counter[str] = Counter()
    for column in columns.values():
        words.update(dict(column.words))
    if words:
        found = ", ".join(f"{word!r} {n} times" for word, n in words.most_common(6))
        notices.append(f"Cells that hold words for a missing or failed measurement are masked: {found}.")
    for form, called in (("grouped", "thousands separators"), ("comma", "decimal commas")):
        here = [table.names[i] for i, column in columns.items() if getattr(column, form)]
        if here:
            notices.append(f"Numbers with {called} were read as numbers in {listed(here, 3)}.")
    for unit in dict.fromkeys(column.unit for column in columns.values() if column.unit):
        here = [table.names[i] for i, column in columns.items() if column.unit == unit]
        notices.append(f"Numbers followed by {unit!r} were read as numbers in {listed(here, 3)}.")


def _observed(table, layout, values, given, positions, groups, min_confidence, notices) -> np.ndarray:
    """Cells that hold a measurement: finite, trusted by the tracker, and no stand-in for a missing one."""
    if np.isinf(values).any():
        infinite = np.isinf(values)
        row, column = np.argwhere(infinite)[0]
        name = table.names[positions[column]]
        notices.append(
            f"{counted(int(infinite.sum()), 'infinite cell')} masked, the first at {table.place(row)}, column {name!r}."
        )
        values[infinite] = np.nan
    observed = np.isfinite(values)
    if given is not None:
        observed &= given
        if not observed.any():
            raise RecordingError(f"{table.source}: no cell is observed; the mask given leaves nothing to decompose.")
    summary = _below_the_time(layout.time)
    if summary:
        rows = "The last row has" if summary == 1 else f"The last {summary} rows have"
        notices.append(f"{rows} no time stamp, and all others have one: taken for a summary, not a frame, and masked.")
        observed[-summary:] = False
    trusted = _trusted_rows(table, layout, min_confidence, notices)
    unsure = 0
    for k, position in enumerate(positions):
        if position in layout.cell_confidence:
            sure = layout.cell_confidence[position] >= min_confidence
            unsure += int((observed[:, k] & ~sure).sum())
            observed[:, k] &= sure
    if unsure:
        notices.append(
            f"{counted(unsure, 'cell')} ({unsure / observed.size:.1%}) with a confidence of their own below "
            f"{min_confidence:g} masked."
        )
    observed &= trusted[:, None]
    leave_out_lost(values, observed, notices, layout.sequence)
    for group, members in groups.items():
        if group in layout.ranges:
            observed[:, members] &= ~codes_outside(
                values[:, members], observed[:, members], group, layout.ranges[group], notices
            )
            names = [table.names[positions[k]] for k in members]
            said = implausible(
                values[:, members], observed[:, members], group, layout.ranges[group], names, table.place
            )
            notices += [said] if said else []
    notices += oddities(values, observed, [table.names[i] for i in positions], table.place)
    if not observed.any():
        raise RecordingError(f"{table.source}: no feature cell is left that counts as observed: {notices[-1]}")
    return observed


def _below_the_time(time: np.ndarray | None) -> int:
    """Rows at the end without a time stamp, where every other row has one: means and sums below a table."""
    if time is None:
        return 0
    timed = np.flatnonzero(np.isfinite(time))
    if len(timed) < 20 or len(timed) != timed[-1] + 1:
        return 0
    below = len(time) - len(timed)
    return below if below <= _MOST_BELOW else 0


def _trusted_rows(table: Table, layout: Layout, min_confidence: float, notices: list[str]) -> np.ndarray:
    """Rows where the tracker found a face and was confident enough."""
    n_rows = len(table)
    failed = np.zeros(n_rows, dtype=bool) if layout.failed is None else layout.failed
    unsure = np.zeros(n_rows, dtype=bool)
    if layout.confidence is not None:
        unsure = ~(layout.confidence >= min_confidence)  # NaN, no face, counts as unsure
    trusted = ~(failed | unsure)
    n_masked = n_rows - int(trusted.sum())
    if n_masked == n_rows:
        best = "" if layout.confidence is None else f" (highest confidence {np.nanmax(layout.confidence):.3g})"
        by = [table.names[i] for i, role in enumerate(layout.roles) if role.kind == "quality" and role.used]
        raise RecordingError(
            f"{table.source}: all {counted(n_rows, 'frame')} failed by {listed(by)} or are below ",
            Setting("min_confidence", min_confidence),
            f"{best}; lower ",
            Setting("min_confidence"),
            " to use them.",
        )
    if n_masked:
        reasons = (("tracking failed", failed), (f"confidence below {min_confidence:g}", unsure))
        why = ", ".join(f"{reason} in {int(rows.sum())}" for reason, rows in reasons if rows.any())
        notices.append(f"{n_masked} of {counted(n_rows, 'frame')} ({n_masked / n_rows:.1%}) masked: {why}.")
    return trusted


def _given_mask(mask, shape: tuple[int, int], names: tuple[str, ...]) -> np.ndarray:
    if isinstance(mask, pd.DataFrame):
        mask = mask.rename(columns=lambda label: str(label).strip())
        missing = [name for name in names if name not in mask.columns]
        if missing:
            raise ValueError(f"mask lacks the column {missing[0]!r}, expected one for each feature.")
        mask = mask[list(names)]
    mask = np.asarray(mask)
    if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
        raise ValueError("mask holds values other than True and False (1 and 0); True means observed.")
    if mask.shape not in (shape, shape[:1]):
        raise ValueError(f"mask has shape {mask.shape}, expected {shape} (n_frames, n_features) or {shape[:1]}.")
    mask = mask.astype(bool)
    return mask[:, None] if mask.ndim == 1 else mask


def _when(table: Table, layout: Layout, observed: np.ndarray, fps, max_gap: float, notices: list[str]):
    """Time, sequence of each row, order of the rows (None as they stand) and frames per second."""
    time, key = _time(table, layout, fps), layout.sequence
    if time is not None and not np.isfinite(time).all():
        n_bad = int((~np.isfinite(time)).sum())
        notices.append(f"{counted(n_bad, 'row')} without a time stamp.")
        time = np.where(np.isfinite(time), time, np.nan)
    numbers = layout.frame_number
    if numbers is not None and not np.isfinite(numbers).all():
        notices.append(f"{counted(int((~np.isfinite(numbers)).sum()), 'row')} without a frame number.")
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    featured: np.ndarray = observed.any(axis=1)  # type: ignore[assignment]
    empty = without_features(key, np.isfinite(time) & featured if time is not None else featured)
    stamps = numbers if time is None else time
    trusted_key = key
    if empty.any() and key is not None:
        notices.append(
            f"{counted(int(empty.sum()), 'row')} of sources without any feature are passed through and not counted."
        )
        trusted_key = np.where(empty, -1, pd.factorize(key, use_na_sentinel=False)[0])
    usual = usual_step(_nan_where(stamps, empty), trusted_key)
    order, moved = in_order(stamps, trusted_key, usual, max(max_gap if time is not None else 25.0, 5 * usual))
    if order is not None:
        notices.append(f"The time was out of order: {counted(moved, 'row')} sorted by time for the solve.")
        time = None if time is None else time[order]
        numbers = None if numbers is None else numbers[order]
        trusted_key = None if trusted_key is None else np.asarray(trusted_key)[order]
        featured, empty = featured[order], empty[order]
    if time is not None:
        time = spread_evenly(time, trusted_key, notices)
    stamps = numbers if time is None else time
    sequence_id = unbroken(_nan_where(stamps, empty), trusted_key, time is None, max_gap, featured, notices)
    said = missing_rows(_nan_where(numbers, empty), sequence_rows(trusted_key, len(table)))
    if said:
        notices.append(said)
    rate = fps
    if rate is None and time is not None and (step := usual_step(_nan_where(time, empty), trusted_key)):
        rate = 1.0 / step
        if not _SLOWEST <= rate <= _FASTEST:
            shown = f"{step:.3g} s ({round(rate, 2):g} fps)"
            said = f"The time stamps step by {shown}, which no camera does; set "
            notices.append(Notice(said, Setting("fps"), "."))
    return time, sequence_id, order, rate


def _nan_where(stamps: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return stamps if stamps is None or not rows.any() else np.where(rows, np.nan, stamps)


def _time(table: Table, layout: Layout, fps: float | None) -> np.ndarray | None:
    """Seconds; from the frame numbers (or the rows) where `fps` is given."""
    if fps is None:
        return layout.time
    if layout.frame_number is not None and np.isfinite(layout.frame_number).all():
        return (layout.frame_number - np.min(layout.frame_number)) / fps
    time = np.empty(len(table))
    for rows in sequence_rows(layout.sequence, len(table)):
        time[rows] = np.arange(len(rows)) / fps
    return time
