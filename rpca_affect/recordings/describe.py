"""What a recording holds, in plain numbers and sentences: the contents of `rpca-affect inspect`."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .clock import sequence_rows, step_of
from .lost import ends_of
from .recording import Recording


def describe(recording: Recording) -> dict[str, Any]:
    """Summarise a recording; everything in the answer can be written as JSON.

    Parameters
    ----------
    recording : Recording
        What `read` returned.

    Returns
    -------
    dict
        ``source``, ``format``, ``n_frames``, ``n_features``, ``fps``, ``duration_s``, ``n_sequences``, ``gaps`` (list
        of ``after_row``, ``seconds``: steps of more than one and a half frames, counted from row 0), ``groups``
        (feature group to number of features), ``missing_percent``, ``missing_percent_by_group``,
        ``masked_frames`` (frames without any observed cell), ``constant_columns``, ``roles`` (list of ``column``,
        ``role``, ``reason``, ``used``), ``notices`` and ``suggested_command``.

    Examples
    --------
    >>> import numpy as np
    >>> from rpca_affect.recordings import from_array
    >>> summary = describe(from_array(np.eye(4, 3), fps=25))
    >>> summary["n_frames"], summary["groups"], summary["missing_percent"]
    (4, {'features': 3}, 0.0)
    """
    missing = ~recording.mask
    return {
        "source": recording.meta["source"],
        "format": recording.meta["format"],
        "n_frames": recording.n_frames,
        "n_features": recording.n_features,
        "fps": None if recording.fps is None else round(recording.fps, 3),
        "duration_s": _duration(recording),
        "n_sequences": _sequences(recording),
        "gaps": _gaps(recording),
        "groups": {name: len(members) for name, members in recording.groups.items()},
        "missing_percent": _percent(missing),
        "missing_percent_by_group": {name: _percent(missing[:, m]) for name, m in recording.groups.items()},
        "masked_frames": int(missing.all(axis=1).sum()),
        "constant_columns": constant_columns(recording),
        "roles": [dict(role) for role in recording.meta["roles"]],
        "notices": list(recording.notices),
        "suggested_command": suggested_command(recording),
    }


def constant_columns(recording: Recording) -> list[str]:
    """Names of the features whose observed cells all hold the same number."""
    low, high = ends_of(recording.values, recording.mask)
    return [name for name, same in zip(recording.feature_names, low >= high) if same]


def suggested_command(recording: Recording, features: Sequence[str] | None = None) -> str | None:
    """Shell command that decomposes this recording; None if it did not come from a file.

    Parameters
    ----------
    recording : Recording
    features : sequence of str, optional
        Feature groups to name, none of them for all; those that the format suggests when left out.
    """
    meta = recording.meta
    if "path" not in meta:
        return None
    path = Path(meta["path"])
    stem = path.name.split(".")[0] if path.suffix.casefold() in _PACKED else path.stem
    called = f"./{path}" if str(path).startswith("-") else str(path)
    words = ["rpca-affect", "decompose", called, "-o", f"{stem}_split", "--report"]
    asked = meta["asked"]
    if features is None and set(meta["suggested"]) != set(recording.groups):
        features = meta["suggested"]
    features = features or asked.get("features")
    key = asked.get("key") or meta.get("key")
    named = {**asked, **({"key": key} if key else {}), **({"features": features} if features else {})}
    for option, given in named.items():
        words += _spelled(option, given)
    return shlex.join(words)


_PACKED = (".gz", ".bz2", ".xz", ".zip")


def _spelled(option: str, given: Any) -> list[str]:
    """An option of `read` as the shell spells it."""
    if option == "missing":
        return [word for one in ([given] if isinstance(given, str) else given) for word in ("--missing-words", one)]
    shown = given if isinstance(given, str) else f"{given:g}" if isinstance(given, (int, float)) else ",".join(given)
    return [f"--{option.replace('_', '-')}", shown]


def _sequences(recording: Recording) -> int:
    """Number of sequences with any observed cell."""
    if recording.sequence_id is None:
        return 1
    return len(np.unique(recording.sequence_id[recording.mask.any(axis=1)]))


def _percent(missing: np.ndarray) -> float:
    return round(100.0 * float(missing.mean()), 3)


def _duration(recording: Recording) -> float | None:
    if recording.time is None or not np.isfinite(recording.time).any():
        return None
    return round(float(np.nanmax(recording.time) - np.nanmin(recording.time)), 3)


def _gaps(recording: Recording) -> list[dict[str, float]]:
    if recording.time is None:
        return []
    seen = recording.mask.any(axis=1)
    sequence = None if recording.sequence_id is None else recording.sequence_id[seen]
    if (step := step_of(recording.time[seen], sequence)) is None:
        return []
    found = []
    for rows in _faces(recording):
        steps = np.diff(recording.time[rows])
        found += [
            {"after_row": int(rows[i]), "seconds": round(float(steps[i]), 3)}
            for i in np.flatnonzero(steps > 1.5 * step)
        ]
    return found


def _faces(recording: Recording) -> list[np.ndarray]:
    """Rows of each sequence; sequences that follow each other are joined, so that the gap between them shows."""
    seen: np.ndarray = recording.mask.any(axis=1)  # type: ignore[assignment]
    parts = sequence_rows(recording.sequence_id, recording.n_frames)
    parts = [rows for rows in parts if seen[rows].any()] or parts
    joined = [parts[0]]
    for rows in parts[1:]:
        if rows[0] == joined[-1][-1] + 1 and recording.time[rows[0]] > recording.time[joined[-1][-1]]:  # type: ignore[index]
            joined[-1] = np.concatenate([joined[-1], rows])
        else:
            joined.append(rows)
    return joined
