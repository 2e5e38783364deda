"""Recording: the per-frame features of one file, with everything needed to write results in the file's own form."""

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

import numpy as np
import pandas as pd

from rpca_affect.display import html_card
from rpca_affect.refusals import Refusal


class RecordingError(Refusal):
    """A file or table that cannot be read as a recording; the message names the place and what was expected."""


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """Features of a recording, frame by frame.

    Parameters
    ----------
    values : ndarray of shape (n_frames, n_features), float64
        The features in the input's units.  Cells outside `mask` hold what the file held (a number that is not
        to be trusted, or NaN).
    feature_names : tuple of str
        Names of the columns of `values`, without surrounding blanks.
    groups : dict of str to ndarray of int
        Feature group to column positions in `values`; every column is in exactly one group.
    time : ndarray of shape (n_frames,) or None
        Time of each frame in seconds.
    mask : ndarray of shape (n_frames, n_features), bool
        True where a cell was observed.  Made from the finite cells when left out.
    sequence_id : ndarray of shape (n_frames,), int, or None
        Number of the unbroken sequence each frame belongs to; None when there is a single one.  Frames of one
        sequence need not stand next to each other (two faces in one video alternate).
    meta : dict
        ``format``, ``source``, ``fps`` (float or None), ``notices`` (tuple of sentences), ``index`` (row index of
        the input), ``columns`` (all column labels of the input in order), ``feature_columns`` (the labels behind
        `feature_names`, blanks included), ``passthrough`` (DataFrame of all other columns), ``left_out`` (labels
        of those passthrough columns that are features but not part of `values`: unselected or without any
        number), ``suggested`` (feature groups worth starting with), ``roles`` (what each column is taken for, and
        why), ``presence`` (features that are 0 or 1), ``named`` (those of them that `select` was asked for, by a
        word that means no other features), ``keys`` (columns that tell sequences apart) and ``order``
        (rows of the input in the order of their time, where they had to be sorted; `frame` undoes it); of a
        recording that `read` read also ``path`` and ``asked`` (the options it was read with).

    Examples
    --------
    >>> import pandas as pd
    >>> from rpca_affect.recordings import from_frame
    >>> table = pd.DataFrame({"frame": [1, 2], " AU01_r": [0.5, 0.25], " pose_Tx": [3.0, 4.0]})
    >>> recording = from_frame(table)
    >>> recording.feature_names
    ('AU01_r', 'pose_Tx')
    >>> recording.select("AU").frame(recording.select("AU").values * 0)
       frame   AU01_r   pose_Tx
    0      1      0.0       3.0
    1      2      0.0       4.0
    """

    values: np.ndarray
    feature_names: tuple[str, ...]
    groups: dict[str, np.ndarray] = field(default_factory=dict)
    time: np.ndarray | None = None
    mask: np.ndarray = None  # type: ignore[assignment]
    sequence_id: np.ndarray | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.mask is None:
            object.__setattr__(self, "mask", np.isfinite(self.values))
        shape = (len(self.values), len(self.feature_names))
        if self.values.shape != shape or self.mask.shape != shape:
            raise ValueError(
                f"values {self.values.shape} and mask {self.mask.shape} must both have shape {shape}: "
                "one row for each frame, one column for each feature name."
            )
        for name in ("time", "sequence_id"):
            given = getattr(self, name)
            if given is not None and given.shape != shape[:1]:
                raise ValueError(f"{name} has shape {given.shape}, expected {shape[:1]}: one entry for each frame.")
        names = tuple(self.feature_names)
        plain = {
            "format": "array",
            "source": "array",
            "fps": None,
            "notices": (),
            "index": pd.RangeIndex(shape[0]),
            "columns": names,
            "feature_columns": names,
            "left_out": (),
            "suggested": (),
            "roles": (),
            "presence": (),
            "named": (),
            "order": None,
        }
        meta = plain | self.meta
        meta.setdefault("passthrough", pd.DataFrame(index=meta["index"]))
        object.__setattr__(self, "meta", meta)

    def __repr__(self) -> str:
        groups = ", ".join(f"{name} {len(columns)}" for name, columns in self.groups.items())
        return (
            f"Recording({self.meta['source']}: {self.n_frames} frames x {self.n_features} features, "
            f"format {self.meta['format']}, groups {{{groups}}})"
        )

    def _repr_html_(self) -> str:
        rate = "unknown" if self.fps is None else f"{self.fps:.4g} per second"
        rows = {
            "frames": self.n_frames,
            "frame rate": rate,
            "features": self.n_features,
            "groups": ", ".join(f"{name} {len(columns)}" for name, columns in self.groups.items()),
            "missing cells": f"{1 - self.mask.mean():.2%}",
            "format": self.meta["format"],
        }
        return html_card(f"Recording: {self.meta['source']}", rows, self.notices)

    @property
    def n_frames(self) -> int:
        """Number of frames (rows)."""
        return self.values.shape[0]

    @property
    def n_features(self) -> int:
        """Number of features (columns of `values`)."""
        return self.values.shape[1]

    @property
    def fps(self) -> float | None:
        """Frames per second, or None where the input has no time."""
        return self.meta["fps"]

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about everything unusual found while reading."""
        return self.meta["notices"]

    def select(self, features: str | list[str] | tuple[str, ...]) -> "Recording":
        """Keep some of the features; the others stay in the output of `frame`.

        Parameters
        ----------
        features : str or list of str
            Group names, feature names or patterns (``"AU*_r"``), in one comma-separated string or a list.  Group
            names ignore case and the first word is enough: ``"au"`` takes ``AU_r`` and ``AU_c``.

        Returns
        -------
        Recording
            The chosen features in the order of the input.

        Raises
        ------
        ValueError
            If a name matches nothing.
        """
        matches = _matching(features, self.feature_names, self.groups)
        keep = set().union(*matches)
        presence = {i for i, name in enumerate(self.feature_names) if name in set(self.meta["presence"])}
        named = set().union(*(match for match in matches if match <= presence))
        labels = self.meta["feature_columns"]
        others = [i for i in range(self.n_features) if i not in keep]
        left_out = [labels[i] for i in others]
        columns = sorted(keep)
        unselected = pd.DataFrame(
            self.values[:, others],
            index=self.meta["index"],
            columns=pd.Index(left_out, dtype=object),
        )
        position = {old: new for new, old in enumerate(columns)}
        groups = {
            name: np.array([position[i] for i in members if i in position], dtype=np.intp)
            for name, members in self.groups.items()
        }
        meta = self.meta | {
            "feature_columns": tuple(labels[i] for i in columns),
            "passthrough": pd.concat([self.meta["passthrough"], unselected], axis=1),
            "left_out": (*self.meta["left_out"], *left_out),
            "named": tuple(self.feature_names[i] for i in sorted(named)),
        }
        return replace(
            self,
            values=self.values[:, columns],
            mask=self.mask[:, columns],
            feature_names=tuple(self.feature_names[i] for i in columns),
            groups={name: members for name, members in groups.items() if len(members)},
            meta=meta,
        )

    def frame(self, values=None, left_out: Literal["keep", "zero", "nan"] = "keep") -> pd.DataFrame:
        """Put values back into the input's table.

        Rows, index, column order and column names (blanks included) are those of the input; columns that are not
        features (frame numbers, time, confidence, text) are untouched.

        Parameters
        ----------
        values : array of shape (n_frames, n_features), optional
            What the feature columns hold; the recording's own values when left out.
        left_out : {"keep", "zero", "nan"}
            What feature columns outside the recording hold.  A column that is not decomposed is its own base, so
            write the base with ``"keep"`` and the transient and residual with ``"zero"`` (missing cells stay
            missing): base + transient + residual is then the input in every column.

        Returns
        -------
        DataFrame
            With the input's rows and columns.
        """
        values = self.values if values is None else np.asarray(values)
        if values.shape != self.values.shape:
            raise ValueError(f"values has shape {values.shape}, expected {self.values.shape} (n_frames, n_features).")
        if left_out not in ("keep", "zero", "nan"):
            raise ValueError(f"left_out is {left_out!r}, expected 'keep', 'zero' or 'nan'.")
        rest = self.meta["passthrough"]
        if left_out != "keep" and self.meta["left_out"]:
            labels = list(self.meta["left_out"])
            filled = rest[labels].where(rest[labels].isna(), 0.0) if left_out == "zero" else np.nan
            rest = rest.copy()
            rest[labels] = filled
        features = pd.DataFrame(
            values, index=self.meta["index"], columns=pd.Index(self.meta["feature_columns"], dtype=object)
        )
        table = pd.concat([rest, features], axis=1).loc[:, list(self.meta["columns"])]
        order = self.meta["order"]
        return table if order is None else table.iloc[np.argsort(order)]


def _matching(features, names: tuple[str, ...], groups: dict[str, np.ndarray]) -> list[set[int]]:
    """Positions of the features that each of the given words stands for."""
    wanted = features.split(",") if isinstance(features, str) else list(features)
    found: list[set[int]] = []
    for word in (str(item).strip() for item in wanted):
        key = word.casefold()
        here = {
            int(i)
            for group, members in groups.items()
            if group.casefold() == key or group.casefold().startswith(f"{key}_")
            for i in members
        } or {i for i, name in enumerate(names) if name == word or fnmatchcase(name, word)}
        if not here:
            known = ", ".join(groups) or ", ".join(names[:8])
            raise ValueError(f"No feature or feature group is called {word!r}; this recording has the groups {known}.")
        found.append(here)
    return found
