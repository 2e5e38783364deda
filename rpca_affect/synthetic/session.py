"""A generated face session in OpenFace form, with known base, transients, noise and drop-outs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from rpca_affect.synthetic.face import ACTION_UNITS, BLINK, BRIEF, MOODS, SPEECH, TRACKED, landmarks, project

__all__ = ["GeneratedSession", "make_session"]

GAZE = [f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"] + ["gaze_angle_x", "gaze_angle_y"]
POSE = ["pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz"]
POINTS = [f"{axis}_{i}" for axis in "xy" for i in range(68)]
INTENSITY = [f"{unit}_r" for unit in ACTION_UNITS]
PRESENCE = [f"{unit}_c" for unit in ACTION_UNITS]

# Standard deviation of the noise at noise=1, in the unit of the column (as measured on OpenFace output).
SIGMA = {
    **dict.fromkeys(GAZE, 0.004),
    **dict(zip(POSE, (0.2, 0.2, 0.8, 0.003, 0.003, 0.002))),
    **dict.fromkeys(POINTS, 0.12),
    **dict.fromkeys(INTENSITY, 0.04),
    **dict.fromkeys(PRESENCE, 0.0),
}


@dataclass(frozen=True)
class GeneratedSession:
    """A session whose parts are known.

    Attributes
    ----------
    frame : DataFrame, shape (n_frames, 5 + features)
        As OpenFace writes it: ``frame, face_id, timestamp, confidence, success``, gaze, pose, landmarks, AU.
    base, transient : DataFrame, shape (n_frames, features)
        The slow and the brief part, in the units of ``frame`` and on its index, also for frames that were lost.
    events : DataFrame
        One row for each transient: ``kind``, ``onset``, ``apex``, ``offset`` (frames, offset included), ``start``,
        ``end`` (seconds) and ``features`` (names, separated by ``;``).
    noise : Series, shape (features,)
        Standard deviation of the noise of each feature.
    mask : ndarray of bool, shape (n_frames,)
        True where the face was tracked.
    fps : float
        Frames per second.

    Examples
    --------
    >>> session = make_session(n_frames=90, random_state=0)
    >>> session.base.shape == session.transient.shape, len(session.mask), session.fps
    (True, 90, 30.0)
    """

    frame: pd.DataFrame
    base: pd.DataFrame
    transient: pd.DataFrame
    events: pd.DataFrame
    noise: pd.Series
    mask: np.ndarray
    fps: float


def make_session(
    duration: float = 40.0,
    fps: float = 30.0,
    *,
    n_frames: int | None = None,
    n_events: int = 14,
    blink_rate: float = 15.0,
    noise: float = 1.0,
    dropout: float = 0.02,
    drift: float = 15.0,
    head_motion: float = 1.0,
    random_state: Any = None,
) -> GeneratedSession:
    """Generate the recording of a face that feels, speaks, blinks, twitches, moves its head and gets lost.

    The base is made of a few moods that come and go over seconds, of speech, gaze and head motion. The transients
    are blinks, brief expressions and slips of the landmark tracker. Landmarks are the picture of a 3-D face, so the
    base is low-rank up to perspective, as in a real recording.

    Parameters
    ----------
    duration : float, default 40.0
        Seconds.
    fps : float, default 30.0
        Frames per second.
    n_frames : int, optional
        Number of frames; replaces ``duration``.
    n_events : int, default 14
        Brief expressions and tracker slips; fewer when they do not fit in without touching.
    blink_rate : float, default 15.0
        Blinks per minute.
    noise : float, default 1.0
        Size of the noise; 1 is that of OpenFace on a steady video (0.12 px, 0.04 AU units).
    dropout : float, default 0.02
        Share of frames in which the face is lost: low ``confidence``, ``success`` 0, meaningless numbers.
    drift : float, default 15.0
        Millimetres by which the person comes closer from the first to the last frame.
    head_motion : float, default 1.0
        Size of head motion; 0 holds the head still.
    random_state : int, numpy.random.Generator or None
        Same number, same session.

    Returns
    -------
    GeneratedSession

    Raises
    ------
    ValueError
        If a number is out of range, or the session is shorter than 2 frames.

    Examples
    --------
    >>> session = make_session(duration=10, random_state=0)
    >>> session.frame.shape, session.base.shape
    ((300, 189), (300, 184))
    >>> session.events["kind"].value_counts()["blink"]
    np.int64(2)
    """
    _check(fps=fps, n_events=n_events, blink_rate=blink_rate, noise=noise, head_motion=head_motion)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout} is not a share of the frames: give a number from 0 to below 1")
    count = round(duration * fps) if n_frames is None else n_frames
    if fps == 0 or count < 2:
        raise ValueError(f"a session of {count} frames at {fps} fps is too short: give at least 2 frames")
    slow, brief, dense, gaps = np.random.default_rng(random_state).spawn(4)

    mood = _moods(slow, count, fps)
    pose = _pose(slow, count, fps, drift, head_motion)
    gaze = _gaze(slow, count, fps)
    base = _features(mood, pose, gaze, np.zeros((count, 136)))

    free = np.ones(count, dtype=bool)
    mask = _dropouts(gaps, free, dropout, fps)
    plan = _plan(brief, free, n_events, blink_rate * count / fps / 60, fps)
    burst, slip = _act(brief, plan, count)
    whole = _features(np.minimum(mood + burst, 5.0), pose, gaze, slip)
    transient = whole - base

    sigma = pd.Series(SIGMA, name="noise") * noise
    seen = whole + dense.standard_normal(whole.shape) * sigma.to_numpy()
    active = base.columns.get_indexer(pd.Index(INTENSITY))
    # OpenFace floors intensities at 0 and writes exact zeros for units that rest.
    seen.iloc[:, active] = np.where(whole.iloc[:, active] > 0, seen.iloc[:, active].clip(0, 5), 0.0)
    frame = _openface(gaps, seen, mask, fps)
    return GeneratedSession(frame, base, transient, _table(plan, transient, sigma, fps), sigma, mask, fps)


def _check(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value >= 0:
            raise ValueError(f"{name}={value} must be at least 0")


def _smooth(rng: np.random.Generator, n: int, width: float) -> np.ndarray:
    """Draw a slow random curve with mean 0 and standard deviation about 1; ``width`` frames is its time scale."""
    margin = int(4 * width) + 1
    curve = gaussian_filter1d(rng.standard_normal(n + 2 * margin), width)[margin : margin + n]
    return curve * np.sqrt(2 * np.sqrt(np.pi) * width)


def _units(parts: dict[str, float]) -> np.ndarray:
    return np.array([parts.get(unit, 0.0) for unit in ACTION_UNITS])


def _moods(rng: np.random.Generator, n: int, fps: float) -> np.ndarray:
    """Intensities of the base, (n, 17): moods that rise above their threshold, and speech."""
    total = np.zeros((n, len(ACTION_UNITS)))
    for parts in MOODS:
        strength = np.maximum(_smooth(rng, n, 2.0 * fps), 0.0)
        total += (strength / (1 + 0.3 * strength))[:, None] * _units(parts)
    talking = 1 / (1 + np.exp(-6 * _smooth(rng, n, 1.5 * fps)))
    syllables = np.maximum(_smooth(rng, n, 0.08 * fps + 0.5), 0.0)
    total += (talking * np.minimum(syllables, 1.8))[:, None] * _units(SPEECH)
    return np.minimum(total, 5.0)


def _pose(rng: np.random.Generator, n: int, fps: float, drift: float, motion: float) -> np.ndarray:
    """Position (mm) and rotation (rad) of the head, (n, 6)."""
    size = np.array([9.0, 6.0, 14.0, 0.06, 0.09, 0.04])
    curves = np.stack([_smooth(rng, n, 1.2 * fps) for _ in size], axis=1) * size * motion
    nod = np.maximum(_smooth(rng, n, 2.0 * fps) - 1.0, 0.0) * np.sin(2 * np.pi * 1.6 * np.arange(n) / fps)
    curves[:, 3] += 0.08 * motion * nod
    curves[:, 2] -= np.linspace(0, drift, n)
    return curves + np.array([4.0, 18.0, 560.0, 0.08, 0.0, 0.0])


def _gaze(rng: np.random.Generator, n: int, fps: float) -> np.ndarray:
    """Angles of gaze in radians, (n, 2): fixations of half a second to two seconds, joined by quick saccades."""
    angle = np.empty((n, 2))
    start = 0
    while start < n:
        stop = start + max(2, int(fps * rng.uniform(0.5, 2.0)))
        angle[start:stop] = rng.normal(0, (0.12, 0.07))
        start = stop
    return gaussian_filter1d(angle, 0.04 * fps, axis=0)


def _features(units: np.ndarray, pose: np.ndarray, gaze: np.ndarray, slip: np.ndarray) -> pd.DataFrame:
    """Everything OpenFace would report without noise, (n, 184)."""
    across, down = gaze[:, 0], gaze[:, 1]
    eyes = []
    for squint in (0.05, -0.05):  # the eyes converge
        vector = np.stack([np.tan(across + squint), np.tan(down), -np.ones(len(gaze))], axis=1)
        eyes.append(vector / np.linalg.norm(vector, axis=1, keepdims=True))
    pixels = project(landmarks(units), pose) + slip
    values = np.hstack([*eyes, gaze, pose, pixels, units, (units >= 1.0).astype(float)])
    return pd.DataFrame(values, columns=list(SIGMA))


def _place(rng: np.random.Generator, free: np.ndarray, length: int) -> int | None:
    """Take a free stretch of frames and its surroundings; None when there is none left."""
    gap = 4
    room = np.convolve(free, np.ones(length + 2 * gap), mode="valid") > length + 2 * gap - 0.5
    if len(free) < length + 2 * gap or not room.any():
        return None
    start = int(rng.choice(np.flatnonzero(room)))
    free[start : start + length + 2 * gap] = False
    return start + gap


def _dropouts(rng: np.random.Generator, free: np.ndarray, share: float, fps: float) -> np.ndarray:
    mask = np.ones(len(free), dtype=bool)
    while (left := round(share * len(free)) - int((~mask).sum())) > 0:
        length = min(left, int(rng.integers(max(2, int(0.1 * fps)), max(3, int(0.6 * fps)))))
        start = _place(rng, free, length)
        if start is None:
            break
        mask[start : start + length] = False
    return mask


def _plan(rng: np.random.Generator, free: np.ndarray, n_events: int, blinks: float, fps: float) -> list[dict]:
    """Choose kind, place and length of every transient, in order of time."""
    plan = []
    kinds = [*BRIEF, "tracker slip"]
    wanted = ["blink"] * round(blinks) + [kinds[i % len(kinds)] for i in range(n_events)]
    for kind in wanted:
        if kind == "tracker slip":
            length = int(rng.integers(1, 4))
        else:
            low, high = (0.18, 0.3) if kind == "blink" else BRIEF[kind][1]
            length = max(3, round(fps * rng.uniform(low, high)))
        start = _place(rng, free, length)
        if start is not None:
            plan.append({"kind": kind, "onset": start, "length": length})
    return sorted(plan, key=lambda event: event["onset"])


def _act(rng: np.random.Generator, plan: list[dict], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Intensities (n, 17) and landmark slips in pixels (n, 136) of the transients; adds the apex to the plan."""
    burst = np.zeros((n, len(ACTION_UNITS)))
    slip = np.zeros((n, 136))
    for event in plan:
        onset, length = event["onset"], event["length"]
        if event["kind"] == "tracker slip":
            points = np.array(TRACKED[str(rng.choice(list(TRACKED)))])
            offset = rng.choice([-1, 1], 2) * rng.uniform(3, 8, 2)
            slip[onset : onset + length, points] = offset[0]
            slip[onset : onset + length, points + 68] = offset[1]
            event["apex"] = onset + length // 2
            continue
        # Rises faster than it falls; the first and last frame are already above 0.
        shape = np.sin(np.pi * (np.arange(1, length + 1) / (length + 1)) ** 0.75)
        parts = BLINK if event["kind"] == "blink" else BRIEF[event["kind"]][0]
        burst[onset : onset + length] = shape[:, None] * _units(parts) * rng.uniform(0.8, 1.15)
        event["apex"] = onset + int(shape.argmax())
    return burst, slip


def _openface(rng: np.random.Generator, seen: pd.DataFrame, mask: np.ndarray, fps: float) -> pd.DataFrame:
    """Write the frames as OpenFace does: rounded, numbers instead of gaps where the face is lost."""
    n, lost = len(seen), ~mask
    frame = seen.copy()
    values = frame.to_numpy(copy=True)
    jump = rng.normal(0, 1, (int(lost.sum()), 1))
    points = frame.columns.get_indexer(pd.Index(POINTS))
    values[np.ix_(lost, points)] += 60 * jump + rng.normal(0, 15, (int(lost.sum()), 136))
    values[np.ix_(lost, frame.columns.get_indexer(pd.Index(POSE)))] *= 1 + 0.5 * jump
    values[np.ix_(lost, frame.columns.get_indexer(pd.Index(INTENSITY + PRESENCE)))] = 0.0
    frame = pd.DataFrame(values, columns=frame.columns)
    decimals = {name: 1 if name in POINTS or name in POSE[:3] else 3 for name in frame} | dict.fromkeys(INTENSITY, 2)
    frame = frame.round(decimals)
    frame[PRESENCE] = frame[PRESENCE].astype(float)
    confidence = np.where(lost, rng.uniform(0.02, 0.3, n), rng.choice([0.93, 0.98, 0.98, 0.98], n)).round(2)
    head = pd.DataFrame(
        {
            "frame": np.arange(1, n + 1),
            "face_id": 0,
            "timestamp": (np.arange(n) / fps).round(3),
            "confidence": confidence,
            "success": mask.astype(int),
        }
    )
    return pd.concat([head, frame], axis=1)


def _table(plan: list[dict], transient: pd.DataFrame, sigma: pd.Series, fps: float) -> pd.DataFrame:
    rows = []
    for event in plan:
        last = event["onset"] + event["length"] - 1
        peak = transient.iloc[event["onset"] : last + 1].abs().max()
        hit = peak.index[peak > np.maximum(3 * sigma, 1e-9)]
        rows.append(
            {
                "kind": event["kind"],
                "onset": event["onset"],
                "apex": event["apex"],
                "offset": last,
                "start": event["onset"] / fps,
                "end": (last + 1) / fps,
                "features": ";".join(hit),
            }
        )
    return pd.DataFrame(rows, columns=["kind", "onset", "apex", "offset", "start", "end", "features"])
