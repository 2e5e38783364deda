"""The standard benchmark of robust PCA: a low-rank matrix, gross errors on a random support, noise and gaps."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["PlantedProblem", "planted"]


@dataclass(frozen=True)
class PlantedProblem:
    """A matrix whose parts are known.

    Attributes
    ----------
    observed : ndarray, shape (n_frames, n_features)
        ``low_rank + sparse + noise``; NaN where a cell is missing.
    low_rank, sparse, noise : ndarray, shape (n_frames, n_features)
        The parts, also on missing cells.
    mask : ndarray of bool, shape (n_frames, n_features)
        True where the cell is observed.
    rank : int
        Rank of ``low_rank``.

    Examples
    --------
    >>> problem = planted(50, 20, rank=2, random_state=0)
    >>> bool(np.allclose(problem.observed, problem.low_rank + problem.sparse + problem.noise)), problem.rank
    (True, 2)
    """

    observed: np.ndarray
    low_rank: np.ndarray
    sparse: np.ndarray
    noise: np.ndarray
    mask: np.ndarray
    rank: int


def planted(
    n_frames: int = 500,
    n_features: int = 200,
    rank: int = 10,
    density: float = 0.05,
    *,
    magnitude: float = 10.0,
    burst_length: int = 1,
    missing: float = 0.0,
    noise: float = 0.0,
    drift: float = 0.0,
    kind: Literal["uniform", "sign", "gauss"] = "uniform",
    random_state: Any = None,
) -> PlantedProblem:
    r"""Plant gross errors in a random low-rank matrix.

    :math:`L = U V^\top / \sqrt{r}` with standard normal factors, so that the cells of L have standard deviation 1 and
    all other sizes are relative to it.

    Parameters
    ----------
    n_frames, n_features : int
        Shape of the matrix.
    rank : int, default 10
        Number of components; 0 gives L = 0.
    density : float, default 0.05
        Share of cells with a gross error, met to within half a burst.
    magnitude : float, default 10.0
        Size of the errors, see ``kind``.
    burst_length : int, default 1
        Frames that an error lasts in its feature, with one value. Bursts never overlap.
    missing : float, default 0.0
        Share of cells that are not observed.
    noise : float, default 0.0
        Standard deviation of dense Gaussian noise.
    drift : float, default 0.0
        Angle in radians by which the feature subspace turns at constant speed from the first to the last frame.
        The rank of L is then up to ``2 * rank``.
    kind : {"uniform", "sign", "gauss"}, default "uniform"
        Distribution of the errors: uniform in ``[-magnitude, magnitude]``, ``+-magnitude``, or normal with standard
        deviation ``magnitude``.
    random_state : int, numpy.random.Generator or None
        Same number, same problem. The parts are drawn from separate streams: L and S stay the same when only
        ``noise`` or ``missing`` change.

    Returns
    -------
    PlantedProblem

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    .. [1] E. J. Candès, X. Li, Y. Ma and J. Wright, "Robust principal component analysis?", J. ACM 58 (2011).

    Examples
    --------
    >>> problem = planted(100, 80, rank=3, density=0.1, random_state=0)
    >>> int((problem.sparse != 0).sum()), int(np.linalg.matrix_rank(problem.low_rank))
    (800, 3)
    """
    if min(n_frames, n_features) < 1:
        raise ValueError(f"a matrix of {n_frames} x {n_features} has no cells: give at least 1 x 1")
    if not 0 <= rank <= min(n_frames, n_features):
        raise ValueError(f"rank={rank} is not between 0 and min(n_frames, n_features)={min(n_frames, n_features)}")
    if not 1 <= burst_length <= n_frames:
        raise ValueError(f"burst_length={burst_length} is not between 1 and n_frames={n_frames}")
    for name, share in (("density", density), ("missing", missing)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name}={share} is not a share: give a number from 0 to 1")
    if not (noise >= 0 and magnitude > 0):
        raise ValueError(f"noise={noise} must be >= 0 and magnitude={magnitude} > 0")
    if kind not in ("uniform", "sign", "gauss"):
        raise ValueError(f"kind={kind!r} is not known: use 'uniform', 'sign' or 'gauss'")

    base, error, dense, gaps = np.random.default_rng(random_state).spawn(4)
    shape = (n_frames, n_features)
    low_rank = _low_rank(base, shape, rank, drift)
    sparse = _bursts(error, shape, density, burst_length, magnitude, kind)
    noisy = noise * dense.standard_normal(shape)
    mask = np.ones(n_frames * n_features, dtype=bool)
    mask[gaps.permutation(mask.size)[: round(missing * mask.size)]] = False
    mask = mask.reshape(shape)
    observed = np.where(mask, low_rank + sparse + noisy, np.nan)
    exact = rank if drift == 0 else int(np.linalg.matrix_rank(low_rank))
    return PlantedProblem(observed, low_rank, sparse, noisy, mask, exact)


def _low_rank(rng: np.random.Generator, shape: tuple[int, int], rank: int, drift: float) -> np.ndarray:
    scores = rng.standard_normal((shape[0], rank)) / np.sqrt(max(rank, 1))
    start, end = rng.standard_normal((2, rank, shape[1]))
    if drift == 0:
        return scores @ start
    angle = np.linspace(0, drift, shape[0])[:, None]
    return (scores * np.cos(angle)) @ start + (scores * np.sin(angle)) @ end


def _bursts(
    rng: np.random.Generator, shape: tuple[int, int], density: float, length: int, magnitude: float, kind: str
) -> np.ndarray:
    """Fill a random choice of slots; each feature is cut into slots of one burst, from a random first frame on."""
    n_frames, n_features = shape
    slots = n_frames // length
    first = rng.integers(0, n_frames - slots * length + 1, n_features)
    wanted = min(round(density * n_frames * n_features / length), slots * n_features)
    slot, feature = np.divmod(rng.choice(slots * n_features, wanted, replace=False), n_features)
    if kind == "uniform":
        value = rng.uniform(-magnitude, magnitude, wanted)
    elif kind == "sign":
        value = rng.choice([-magnitude, magnitude], wanted)
    else:
        value = magnitude * rng.standard_normal(wanted)
    frame = (first[feature] + slot * length)[:, None] + np.arange(length)
    sparse = np.zeros(shape)
    sparse[frame, feature[:, None]] = value[:, None]
    return sparse
