"""The problems: seeded synthetic ones, and real recordings from the folder named by RPCA_AFFECT_DATA."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["GROUPS", "SIZES", "Data", "Problem", "planted", "problems"]

GROUPS = ("squares", "tall", "clips", "drift", "real", "frames")
SIZES = ("tiny", "small", "full")


class Data(NamedTuple):
    """One problem: matrices to be solved one after the other.

    Attributes
    ----------
    matrices : list of ndarray, shape (m, n)
    truths : list of ndarray, shape (m, n), or None
        Planted low-rank parts.
    sigmas : list of ndarray, shape (n,), or None
        Noise level per feature, for the stable model.
    """

    matrices: list[np.ndarray]
    truths: list[np.ndarray] | None = None
    sigmas: list[np.ndarray] | None = None


@dataclass(frozen=True)
class Problem:
    """A named problem.

    Attributes
    ----------
    name, group : str
    build : callable () -> Data
    length : float
        Abscissa of the cost plot (frames).
    metric : str
        What "the same accuracy" means: error to the ``"truth"``, to the ``"reference"`` optimum, or the duality
        ``"gap"`` that an answer proves.
    reference : int
        For how many of the matrices the optimum is computed to 1e-9.
    full_svd_steps : int or None
        Steps of the full-SVD reference, where a whole solve takes too long.
    peer_steps : int or None
        Most steps of a peer, where slow ones would not end: their gap after so many is shown.
    tol : float
        Tolerance of the contenders that aim at the optimum: on hard data, what a small duality gap takes.
    only : tuple of str
        Contenders; empty means all.
    """

    name: str
    group: str
    build: Callable[[], Data]
    length: float
    metric: str = "truth"
    reference: int = 0
    full_svd_steps: int | None = None
    peer_steps: int | None = None
    tol: float = 1e-7
    only: tuple[str, ...] = ()


def problems(size: str, groups: tuple[str, ...] = GROUPS) -> list[Problem]:
    """List the problems of some groups at one size.

    Parameters
    ----------
    size : {"tiny", "small", "full"}
    groups : tuple of str

    Returns
    -------
    list of Problem
        Small problems first, so that they can predict the time of large ones.
    """
    makers = {"squares": _squares, "tall": _tall, "clips": _clips, "drift": _drift, "frames": _frames, "real": _real}
    return [problem for group in GROUPS if group in groups for problem in makers[group](SIZES.index(size))]


def planted(m, n, rank, density, seed=0) -> Data:
    """Unit-variance low rank plus gross errors, uniform in [-10, 10], in a share of the cells."""
    rng = np.random.default_rng(seed)
    low = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)) / np.sqrt(rank)
    hit = rng.random((m, n)) < density
    matrix = low.copy()
    matrix[hit] += rng.uniform(-10, 10, int(hit.sum()))
    return Data([matrix], [low])


def clips(count, seed=0) -> Data:
    """Short clips of 16 frames and 512 features, rank 2, 5 % gross errors."""
    parts = [planted(16, 512, 2, 0.05, seed + i) for i in range(count)]
    return Data([part.matrices[0] for part in parts], [low for part in parts for low in part.truths or []])


def drifting(frames, features, seed=0) -> Data:
    """Features that drift: smooth trajectories with a decaying spectrum, and bursts that last 5 to 30 frames."""
    rng = np.random.default_rng(seed)
    count = max(2, features // 4)
    walks = np.cumsum(rng.standard_normal((frames, count)), axis=0)
    walks = (walks - walks.mean(0)) / walks.std(0)
    loadings = rng.standard_normal((count, features)) * 0.85 ** np.arange(count)[:, None]
    low = walks @ loadings + rng.standard_normal(features)
    low = low * np.exp(rng.normal(0, 0.5, features))
    spread = low.std(0)
    matrix = low.copy()
    for _ in range(int(0.06 * frames * features / 35)):  # 35 cells: 17.5 frames x 2 features on average
        start, length = rng.integers(frames), rng.integers(5, 31)
        columns = rng.choice(features, rng.integers(1, 4), replace=False)
        height = rng.choice([-1, 1]) * rng.uniform(1, 6) * spread[columns]
        block = matrix[start : start + length, columns]
        matrix[start : start + length, columns] = block + np.hanning(length + 2)[1:-1][: len(block), None] * height
    return Data([matrix], [low])


def _squares(size):
    sizes = (((60, 3, 0.05),), ((200, 10, 0.05), (500, 25, 0.05)))
    full = ((500, 25, 0.05), (1000, 50, 0.05), (1000, 50, 0.10), (2000, 100, 0.05))
    return [
        Problem(f"{n}x{n} rank {r} {d:.0%}", "squares", partial(planted, n, n, r, d), n, reference=int(n <= 500))
        for n, r, d in (*sizes, full)[size]
    ]


def _tall(size):
    m, n, rank = ((300, 20, 2), (4000, 64, 4), (20000, 128, 8))[size]
    found = [Problem(f"{m}x{n} rank {rank} 5%", "tall", partial(planted, m, n, rank, 0.05), m, reference=1)]
    if size == 2:
        build = partial(planted, 100_000, 768, 20, 0.02)
        found.append(Problem("100000x768 rank 20 2%", "tall", build, 1e5, full_svd_steps=3))
    return found


def _clips(size):
    count = (4, 20, 200)[size]
    build = partial(clips, count)
    return [Problem(f"{count} clips 16x512", "clips", build, 16 * count, "reference", min(count, 20), tol=1e-5)]


def _drift(size):
    m, n = ((256, 16), (2000, 64), (20000, 128))[size]
    steps = 100 if size == 2 else None
    # Beyond the tiny size the optimum to 1e-9 takes tens of thousands of steps; the gap does not need it.
    build = partial(drifting, m, n)
    return [Problem(f"drift {m}x{n}", "drift", build, m, "gap", int(size == 0), peer_steps=steps, tol=3e-4)]


def _frames(size):
    n, rank = ((20, 2), (64, 4), (128, 8))[size]
    lengths = ((100, 200), (1000, 2000, 4000), (5000, 10000, 20000, 40000, 80000))[size]
    only = ("ours", "ialm-full", "ialm-randomized")
    return [Problem(f"frames {m}x{n}", "frames", partial(planted, m, n, rank, 0.05), m, only=only) for m in lengths]


def _real(size):
    if "RPCA_AFFECT_DATA" not in os.environ:
        print("real problems are left out: set RPCA_AFFECT_DATA to the folder of the recordings", flush=True)
        return []
    takes, step, frames = ((2, 5, 150), (4, 3, 600), (8, 1, None))[size]
    shrink, length = ((10, 40), (3, 150), (1, None))[size]
    # A full decomposition takes seconds here: the references show the price of a step, not of an answer.
    full_svd_steps = 10 if size == 2 else None
    about = {"group": "real", "metric": "gap", "tol": 3e-4, "peer_steps": 100, "full_svd_steps": full_svd_steps}
    face, trees = (
        partial(_video, f"{path}.npz", shrink, length) for path in ("video/pexels_face", "wavingtrees/wavingtrees")
    )
    return [
        Problem(
            "gfe_person_a",
            build=partial(_gfe, takes, step, frames),
            length=11280,
            reference=0 if size else takes,
            **about,
        ),
        Problem("pexels_face", build=face, length=472, **about),
        Problem("wavingtrees grey", build=trees, length=287, **about),
    ]


def _folder() -> Path:
    return Path(os.environ["RPCA_AFFECT_DATA"])


def _gfe(takes, step, frames) -> Data:
    """Point coordinates of each recording, lost depths interpolated, columns centred and scaled to a robust unit."""
    matrices, sigmas = [], []
    with np.load(_folder() / "gfe/gfe_person_a.npz") as archive:
        for name in sorted(key for key in archive.files if key.endswith("__X"))[:takes]:
            points = archive[name].astype(float)[:frames]
            time = np.arange(len(points))
            for column in points.T[2::3]:
                lost = column == 0
                if lost.any() and not lost.all():
                    column[lost] = np.interp(time[lost], time[~lost], column[~lost])
            points = points[:, ::step] - np.median(points[:, ::step], axis=0)
            spread = 1.4826 * np.median(np.abs(points), axis=0)
            points /= np.where(spread > 0, spread, 1.0)
            jumps = np.abs(np.diff(points, axis=0))
            matrices.append(points)
            # Coordinates are rounded, so the median jump may be 0: the floor stands for the rounding.
            sigmas.append(np.maximum(1.4826 * np.median(jumps, axis=0) / np.sqrt(2), 0.02))
    return Data(matrices, None, sigmas)


def _video(path, shrink, length) -> Data:
    """Frames x pixels in [0, 1]; colour is averaged to grey."""
    with np.load(_folder() / path) as archive:
        frames = archive["frames"][:length, ::shrink, ::shrink]
    frames = frames.mean(-1) if frames.ndim == 4 else frames
    return Data([frames.reshape(len(frames), -1) / 255.0])
