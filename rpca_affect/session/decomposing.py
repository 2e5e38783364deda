"""The front door for recordings: read, solve every sequence on its own, return everything in the input's units."""

import platform
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from rpca_affect import checks
from rpca_affect.arrays import refuse_gradients, refuse_sparse
from rpca_affect.lags import stretches
from rpca_affect.lazy import refuse_lazy
from rpca_affect.noise import ColumnScale
from rpca_affect.noise_model import NoiseModel
from rpca_affect.recordings import Recording, from_array, from_frame, read
from rpca_affect.recordings.dataframes import is_table
from rpca_affect.recordings.reading import give_back
from rpca_affect.results.settings import digest
from rpca_affect.session.levels import checked_widths, level_notices, split_levels
from rpca_affect.session.prediction import CELLS, Prediction, looked_at, predict_hidden
from rpca_affect.session.sequence import SequenceSplit, split_sequence, status_of
from rpca_affect.session.split import Split

__all__ = ["decompose"]


def decompose(
    source: Any,
    *,
    noise: Any = "auto",
    threshold: float = 2.0,
    lam: float | None = None,
    solver: Any = "auto",
    sparse: Literal["cells", "frames"] = "cells",
    apart: bool = False,
    scale: Literal["noise", "spread", "none"] = "noise",
    floor: float = 0.02,
    lags: int | Literal["auto"] = "auto",
    max_transient: float | None = None,
    refit: bool = True,
    levels: Sequence[int] | None = None,
    false_alarms: float = 0.1,
    features: str | Sequence[str] | None = None,
    min_confidence: float = 0.8,
    format: str | None = None,
    mask: Any = None,
    fps: float | None = None,
    max_gap: float = 1.0,
    key: str | Sequence[str] | None = None,
    time: str | None = None,
    confidence: str | None = None,
    drop: str | Sequence[str] | None = None,
    missing: str | Sequence[str] | None = None,
    tol: float = 1e-5,
    gap: float | None = None,
    check: bool = True,
    **options: Any,
) -> Split:
    r"""Split a recording into emotional base, transient fluctuations and noise.

    Every unbroken sequence is solved on its own: features are centred at their median and divided by their noise
    (`rpca_affect.noise_level`, at least ``floor`` of their standard deviation), frames of narrow tables are put beside
    their neighbours (``lags``), then

    .. math:: \min \|L\|_* + \lambda g(S) + \|N\|_F^2 / (2\,\mathrm{slack}) \quad\text{subject to}\quad L + S + N = M

    on the observed cells, with ``slack = (sqrt(m) + sqrt(n)) sqrt(p)`` (p the observed share), the operator norm of the
    noise, so that noise makes no component of L, and ``lam = threshold / slack``, so that a cell enters S when it lies
    more than ``threshold`` standard deviations of the noise from the base. Cells more than 30 deviations from their
    median (sentinels, glitches), and frames a third of whose cells leave their neighbours by more than 20 for a frame
    or two (another face), are transients whatever the base is, and take no part in the solve. Features that are seen
    every few frames only take part with straight lines between their cells. The parts are refitted without the
    shrinkage of the convex model and returned in the units of the input.

    Parameters
    ----------
    source : path, DataFrame, array of shape (n_frames, n_features), or Recording
        One row per frame; see `rpca_affect.read` for the files that are understood. Never modified.
    noise : "auto", float, array of shape (n_features,) or None, default "auto"
        Standard deviation of the dense noise in the units of the input; ``"auto"`` measures it per feature,
        from differences of neighbouring frames; where the frames show no order in time (the status says so), from what
        lies below the singular values of noise. None leaves the noise part out, which real recordings do not forgive.
    threshold : float, default 2.0
        How many standard deviations of the noise a cell must lie from the base to be a transient. The noise is measured
        from frame to frame and includes jitter that neighbouring features share and that the base explains, so on faces
        2 of these are about 4 to 5 standard deviations of the residual; on features with independent noise they are 2
        (4.6 % of the cells by chance, which `Split.events` ignores).
    lam : float, optional
        Weight of the sparse part in scaled units; replaces ``threshold``. Without a noise part it defaults to
        ``1 / sqrt(p max(m, n))``.
    solver : str or solver object, default "auto"
        As in `rpca_affect.solve`; ``"auto"`` is ADMM wherever there is a noise part. ``"altproj"`` takes ``rank``, the
        number of movements beside an offset of every feature, and stands outliers in two fifths of the cells.
    sparse : {"cells", "frames"}
        Whether a transient is a single cell or a whole frame.
    apart : bool, default False
        With ``sparse="frames"``: solve again without the frames (with ``lags``: windows) that have a direction of the
        base to themselves, wrong pictures that are alike or a rare expression; see `rpca_affect.solve`.
    scale : {"noise", "spread", "none"}
        Unit of the features in the solve.
    floor : float, default 0.02
        Smallest noise of a feature as a share of its standard deviation (of running medians, without lost frames and
        sentinels): without it, a filtered track would count as exact, and a feature that rarely moves would outweigh
        all others.
    lags : int or "auto", default "auto"
        Frames that are stacked beside each other for the solve (time-delay embedding), so that the base must be low
        rank in time as well. 1: every frame for itself, as features of a wide table vouch for each other. ``"auto"``:
        1 for more than 150 features, for frames without order and below 60 frames; otherwise at most about 400 columns,
        half a second (15 frames where the rate is not known) and a twentieth of the sequence. A transient that fills a
        good part of the window may become base.
    max_transient : float, optional
        Longest transient that is meant, in seconds: ``lags="auto"`` then takes windows of twice that length instead of
        half a second, as far as 400 columns and a twentieth of the sequence allow. Needs frames with a rate.
    refit : bool, default True
        Take the shrinkage of the convex model back: the base predicts every frame from its cells that are no
        transients, which are the remainder. The certificate and the parts of the convex optimum stay in
        ``split.decompositions``.
    levels : sequence of int, optional
        Frames in a block of every time scale, falling and ending with 1, such as ``(32, 8, 1)``: medians over the
        blocks are split first, and every level splits the rest of the slower ones (`rpca_affect.solve_levels`). The
        parts of each are in ``split.levels``; base and transient are their sums. A transient of a slow level lasts at
        least about half of its block and is cut at its edges: take events from a split on one level.
    false_alarms : float, default 0.1
        How many events per minute noise alone may add to the list of `Split.events`.
    features, min_confidence, format, mask, fps, max_gap, key, time, confidence, drop, missing
        As in `rpca_affect.read`. Features that are 0 or 1 (present or not) are no sums of a base and a transient, and
        are passed through unless `features` names them or their group (``"AU_c"``; ``"au"`` and ``"AU*"`` do not).
    tol : float, default 1e-5
        Relative error to stop at.
    gap : float, optional
        Stop as soon as the relative duality gap is proved to be at most this, too; Newton's method takes over once it
        is near. Without it the solve ends at ``tol``, or where the base stands still: the status says which.
    check : bool, default True
        Hide some of the cells and predict them by the base (`rpca_affect.session.prediction`): a base that predicts
        no more than the median of each feature must not be interpreted, and the status says so. Takes up to the
        time of the solve once more; half of it where the base predicts well, and less for long recordings.
    **options
        Passed on to `rpca_affect.solve`: ``rank``, ``cardinality``, ``max_iter``, ``callback``, ``random_state``.

    Returns
    -------
    Split

    Raises
    ------
    RecordingError
        A ValueError that names file and place, for a source that cannot be read.
    TypeError, ValueError
        For parameters that cannot be used.

    References
    ----------
    Zhou, Li, Wright, Candes & Ma (2010), Stable principal component pursuit.

    Examples
    --------
    >>> import numpy as np, pandas as pd, rpca_affect as ra
    >>> frames = np.arange(200)
    >>> table = pd.DataFrame(np.outer(np.sin(frames / 30), [2.0, 1.0, 3.0]), columns=["AU06", "AU12", "AU25"])
    >>> table += np.random.default_rng(0).normal(0, 0.02, table.shape)
    >>> split = ra.decompose(table)
    >>> bool(np.allclose(split.base + split.transient + split.residual, table))
    True
    """
    checks.number("false_alarms", false_alarms, least=0)
    checks.flag("check", check)
    reading = {"features": features, "mask": mask, "fps": fps, "max_gap": max_gap}
    columns = {"key": key, "time": time, "confidence": confidence, "drop": drop, "missing": missing}
    recording = _recording(source, format, min_confidence, columns, reading)
    recording = without_presence(recording)
    model = NoiseModel(
        noise=noise,
        threshold=threshold,
        lam=lam,
        solver=solver,
        sparse=sparse,
        scale=scale,
        floor=floor,
        lags=lags,
        refit=refit,
        fps=recording.fps,
        max_transient=max_transient,
        options={"tol": tol, "gap": gap, **({"apart": True} if apart else {}), **options},
    )
    started = clock.perf_counter()
    rows_of = _sequence_rows(recording)
    widths = () if levels is None else checked_widths(levels, max(map(len, rows_of)))
    divide = partial(split_levels, widths=widths) if widths else split_sequence
    # A single sequence rests where its own features do, which its split measures.
    several = len(rows_of) > 1
    center = np.asarray(ColumnScale.fit(recording.values, recording.mask, by="none").center) if several else None
    base, transient = (np.empty_like(recording.values) if several else np.empty(0) for _ in range(2))
    sequences = []
    for rows in rows_of:
        values, known = (
            (recording.values[rows], recording.mask[rows]) if several else (recording.values, recording.mask)
        )
        part, parts = divide(values, known, center, rows, model)
        sequences.append(part)
        if parts is None:
            parts = np.broadcast_to(part.scale.center, values.shape).copy(), np.zeros(values.shape)
        if several:
            base[rows], transient[rows] = parts
        else:
            base, transient = parts
        del parts
    residual = _left(recording, base, transient)
    parameters = {
        "threshold": threshold,
        "lam": lam,
        "sparse": sparse,
        **({"apart": True} if apart else {}),
        "scale": scale,
        "lags": lags,
        "lags_used": [part.lags for part in sequences],
        "max_transient": max_transient,
        "refit": refit,
        **({"levels": list(widths)} if widths else {}),
        "false_alarms": false_alarms,
        "noise": noise if noise is None or isinstance(noise, str) else np.asarray(noise).tolist(),
        "solver": solver if isinstance(solver, str) else repr(solver),
        "solver_used": sorted({p.decomposition.solver for p in sequences if p.decomposition is not None}),
        "lam_used": [float(p.decomposition.lam) for p in sequences if p.decomposition and p.decomposition.lam],
        "floor": floor,
        "features": features if features is None or isinstance(features, str) else list(features),
        "min_confidence": recording.meta.get("min_confidence"),
        "max_gap": recording.meta.get("max_gap"),
        "fps": fps,
        **{name: given for name, given in {**columns, "format": format}.items() if given is not None},
        **({} if mask is None else {"mask": digest(np.asarray(mask))}),
        **({} if check else {"check": False}),
        "tol": tol,
        **({} if gap is None else {"gap": gap}),
        **{name: value for name, value in options.items() if isinstance(value, (int, float, str))},
    }
    seconds = clock.perf_counter() - started
    prediction = None
    if check:
        again = {name: value for name, value in model.options.items() if name != "callback"}
        prediction = _predicted(recording, transient, sequences, center, replace(model, options=again), divide)
    status = status_of(recording, sequences, prediction)
    notices = level_notices(sequences, widths)
    if notices:
        recording = replace(recording, meta=recording.meta | {"notices": (*recording.notices, *notices)})
    give_back()
    split = Split(recording, base, transient, residual, tuple(sequences), status, parameters, _versions(), seconds)
    return replace(split, prediction=prediction)


def _left(recording: Recording, base: np.ndarray, transient: np.ndarray) -> np.ndarray:
    """Observed cells less base and transients, and 0 elsewhere."""
    residual = np.empty_like(recording.values)
    for rows in stretches(*base.shape):
        np.subtract(recording.values[rows], base[rows], out=residual[rows])
        residual[rows] -= transient[rows]
        residual[rows][~recording.mask[rows]] = 0.0
    return residual


def _predicted(
    recording: Recording,
    transient: np.ndarray,
    sequences: list[SequenceSplit],
    center: np.ndarray | None,
    model: NoiseModel,
    divide: Callable,
) -> Prediction | None:
    """How well the base predicts hidden cells of the recording: the longest sequences, as far as time allows."""
    total, looked = None, 0
    for part in sorted(sequences, key=lambda part: -len(part.rows)):
        if part.decomposition is None or looked >= CELLS:
            continue

        chosen = part.rows[looked_at(len(part.rows), recording.n_features)]
        rest = np.asarray(part.scale.center if center is None else center)

        def base_of(
            values: np.ndarray, known: np.ndarray, rows: slice, chosen: np.ndarray = chosen, rest: np.ndarray = rest
        ) -> np.ndarray:
            _, parts = divide(values, known, rest, chosen[rows], model)
            return np.broadcast_to(rest, values.shape) if parts is None else parts[0]

        found = predict_hidden(recording.values[chosen], recording.mask[chosen], transient[chosen] == 0, base_of)
        total = found if total is None else total.plus(found)
        looked += len(part.rows) * recording.n_features
    return total


def _recording(source: Any, format: str | None, min_confidence: float, columns: dict, reading: dict) -> Recording:
    refuse_lazy(source)
    refuse_gradients(source)
    refuse_sparse(source)
    if isinstance(source, Recording):
        for name, value in {"format": format, "mask": reading["mask"], **columns}.items():
            if value is not None:
                raise ValueError(f"{name} belongs to the reading of a file, and this is a Recording: give it to read")
        recording = source if reading["features"] is None else source.select(reading["features"])
    elif isinstance(source, (str, Path)):
        recording = read(source, format, min_confidence=min_confidence, **columns, **reading)
    elif is_table(source):
        recording = from_frame(source, format, min_confidence=min_confidence, **columns, **reading)
    else:
        for name, value in columns.items():
            if value is not None:
                raise ValueError(f"{name} names a column, and an array has none: give a DataFrame, or use from_array")
        recording = from_array(source, **reading)
    return recording


def without_presence(recording: Recording) -> Recording:
    """Set aside features that only say whether something is there, unless they were named.

    0 or 1 is neither slow nor brief, but on or off.
    """
    presence = set(recording.meta["presence"]) - set(recording.meta["named"])
    gone = [name for name in recording.feature_names if name in presence]
    names = [name for name in recording.feature_names if name not in presence]
    if not gone or not names:
        return recording
    shown = ", ".join(gone[:3]) + (f" and {len(gone) - 3} more" if len(gone) > 3 else "")
    kept = recording.select(names)
    notice = f"{len(gone)} features that are 0 or 1 throughout ({shown}) are passed through: name them to split them."
    return replace(kept, meta=kept.meta | {"notices": (*kept.notices, notice)})


def _sequence_rows(recording: Recording) -> list[np.ndarray]:
    if recording.sequence_id is None:
        return [np.arange(recording.n_frames)]
    return [np.flatnonzero(recording.sequence_id == k) for k in np.unique(recording.sequence_id)]


def _versions() -> dict[str, str]:
    import scipy

    from rpca_affect import __version__

    return {
        "rpca_affect": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "pandas": pd.__version__,
    }
