"""A simple face: 68 landmarks in millimetres, the muscles that move them, and the camera that sees them."""

import numpy as np
from scipy.spatial.transform import Rotation

__all__ = [
    "ACTION_UNITS",
    "AU_MOVES",
    "BLINK",
    "BRIEF",
    "MOODS",
    "NEUTRAL",
    "SPEECH",
    "TRACKED",
    "landmarks",
    "project",
]

FOCAL, CENTER = 500.0, (320.0, 240.0)  # pixels; a camera of 640 x 480

# The intensities of OpenFace 2, in its order.
ACTION_UNITS = tuple(f"AU{n:02d}" for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45))

# Components of the slow part: intensities at full strength of each mood, and of speech.
MOODS = (
    {"AU06": 1.8, "AU12": 2.6, "AU25": 0.9, "AU10": 0.5, "AU14": 0.6},  # amusement
    {"AU01": 1.2, "AU04": 1.8, "AU15": 1.1, "AU17": 0.9},  # concern
    {"AU01": 1.0, "AU02": 1.2, "AU05": 0.9},  # interest
)
SPEECH = {"AU25": 1.6, "AU26": 1.4, "AU20": 0.3, "AU23": 0.3}

# Brief expressions: intensities at the apex, and how long they last in seconds.
BRIEF = {
    "brow flash": ({"AU01": 2.6, "AU02": 2.4, "AU05": 1.2}, (0.2, 0.45)),
    "frown": ({"AU04": 2.8, "AU07": 1.4}, (0.2, 0.4)),
    "nose wrinkle": ({"AU09": 2.6, "AU10": 1.8}, (0.15, 0.35)),
    "lip press": ({"AU17": 2.0, "AU23": 2.6}, (0.15, 0.4)),
    "lip stretch": ({"AU20": 2.8, "AU15": 1.2}, (0.15, 0.35)),
}
BLINK = {"AU45": 3.6}
TRACKED = {"left brow": range(17, 22), "right brow": range(22, 27), "mouth": range(48, 68), "left eye": range(36, 42)}


def _neutral() -> np.ndarray:
    """Landmarks in the order of the 68-point scheme; x to the right and y down in the image, z away from the camera."""
    t = np.linspace(-1, 1, 17)
    jaw = np.c_[72 * np.sin(np.pi / 2 * t), -25 + 98 * np.cos(np.pi / 2 * t) ** 0.85, 12 + 70 * t**2]
    u = np.linspace(0, 1, 5)
    brow = np.c_[-57 + 42 * u, -38 - 9 * np.sin(np.pi * (0.15 + 0.75 * u)), 14 - 12 * u]
    bridge = [(0, -24, -2), (0, -12, -9), (0, -1, -17), (0, 10, -24)]
    nostrils = [(-13, 19, -6), (-7, 21, -10), (0, 23, -13), (7, 21, -10), (13, 19, -6)]
    eye = [(-45, -21, 13), (-37, -26, 8), (-27, -26, 7), (-18, -20, 9), (-27, -17, 8), (-37, -17, 9)]
    outer = [(-25, 43, 2), (-15, 38.5, -4), (-6, 36.5, -8), (0, 37.5, -8), (6, 36.5, -8), (15, 38.5, -4)]
    outer += [(25, 43, 2), (15, 50, -3), (6, 53, -6), (0, 53.5, -6), (-6, 53, -6), (-15, 50, -3)]
    inner = [(-21, 43, 1), (-6, 42.4, -5), (0, 42.7, -6), (6, 42.4, -5), (21, 43, 1), (6, 44, -5), (0, 44.3, -6)]
    inner += [(-6, 44, -5)]
    flip = np.array([-1.0, 1.0, 1.0])
    other_eye = (np.array(eye) * flip)[[3, 2, 1, 0, 5, 4]]
    return np.vstack([jaw, brow, (brow * flip)[::-1], bridge, nostrils, eye, other_eye, outer, inner])


NEUTRAL = _neutral()

# Millimetres (right, down) per unit of intensity, for landmarks left of the midline; the other side mirrors.
_UPPER_LID, _LOWER_LID = (37, 38), (40, 41)
_LEFT_MOVES: dict[str, list[tuple[tuple[int, ...], float, float]]] = {
    "AU01": [((20, 21), 0.0, -1.6), ((19,), 0.0, -0.7)],
    "AU02": [((17, 18), 0.0, -1.5), ((19,), 0.0, -1.0)],
    "AU04": [((20, 21), 0.8, 1.3), ((17, 18, 19), 0.3, 0.9)],
    "AU05": [(_UPPER_LID, 0.0, -0.6)],
    "AU06": [(_LOWER_LID, 0.0, -0.5), ((36,), 0.2, 0.1)],
    "AU07": [(_UPPER_LID, 0.0, 0.35), (_LOWER_LID, 0.0, -0.35)],
    "AU09": [((31, 32), -0.2, -0.9), ((21,), 0.4, 0.5)],
    "AU10": [((49, 50, 61), 0.0, -0.9), ((51, 62), 0.0, -0.9)],
    "AU12": [((48, 60), -1.7, -1.5), ((49, 59), -0.9, -0.7), ((3, 4, 5), -0.4, -0.2)],
    "AU14": [((48, 60), -0.7, 0.1)],
    "AU15": [((48, 60), -0.2, 1.4), ((59,), 0.0, 0.6)],
    "AU17": [((58, 59), 0.0, -0.8), ((57,), 0.0, -0.9), ((7,), 0.0, -0.9), ((8,), 0.0, -1.0)],
    "AU20": [((48, 60), -1.5, 0.3), ((59,), -0.8, 0.3)],
    "AU23": [((49, 50), 0.3, 0.5), ((51,), 0.0, 0.5), ((58, 59), 0.3, -0.5), ((57,), 0.0, -0.5)],
    "AU25": [((58, 59, 67), 0.0, 1.1), ((57, 66), 0.0, 1.2), ((50, 61), 0.0, -0.3), ((51, 62), 0.0, -0.3)],
    "AU26": [((4, 5, 6, 7), 0.0, 1.8), ((8,), 0.0, 2.1), ((58, 59, 67), 0.0, 1.9), ((57, 66), 0.0, 2.0)],
    "AU45": [(_UPPER_LID, 0.0, 1.9), (_LOWER_LID, 0.0, -0.15)],
}
_MIRROR = {
    **{i: 16 - i for i in range(17)},
    **{17 + i: 26 - i for i in range(5)},
    **dict(zip((31, 32), (35, 34))),
    **dict(zip((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46))),
    **dict(zip((48, 49, 50, 58, 59, 60, 61, 67), (54, 53, 52, 56, 55, 64, 63, 65))),
}


def _moves() -> np.ndarray:
    moves = np.zeros((len(ACTION_UNITS), 68, 3))
    for unit, parts in _LEFT_MOVES.items():
        row = moves[ACTION_UNITS.index(unit)]
        for points, right, down in parts:
            for point in points:
                row[point, :2] = right, down
                if (other := _MIRROR.get(point, point)) != point:
                    row[other, :2] = -right, down
    return moves


AU_MOVES = _moves()  # (17 action units, 68 landmarks, 3), millimetres per unit of intensity


def landmarks(intensities: np.ndarray) -> np.ndarray:
    """Place the landmarks of a face that looks straight ahead.

    Parameters
    ----------
    intensities : ndarray, shape (frames, 17)
        Of ``ACTION_UNITS``, from 0 to 5.

    Returns
    -------
    ndarray, shape (frames, 68, 3)
        Millimetres.
    """
    return NEUTRAL + np.tensordot(intensities, AU_MOVES, axes=1)


def project(points: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """Move a face to its pose and take its picture.

    Parameters
    ----------
    points : ndarray, shape (frames, 68, 3)
        Millimetres, around the centre of the head.
    pose : ndarray, shape (frames, 6)
        ``Tx, Ty, Tz`` in millimetres from the camera, ``Rx, Ry, Rz`` in radians.

    Returns
    -------
    ndarray, shape (frames, 136)
        Pixels: all x, then all y.
    """
    turned = np.einsum("tij,tpj->tpi", Rotation.from_euler("XYZ", pose[:, 3:]).as_matrix(), points)
    placed = turned + pose[:, None, :3]
    image = FOCAL * placed[..., :2] / placed[..., 2:] + CENTER
    return np.concatenate([image[..., 0], image[..., 1]], axis=1)
