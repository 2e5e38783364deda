"""Principal components of frames without their sparse part, and the scale of the remainder."""

from typing import NamedTuple

from rpca_affect.arrays import Array, Observed, array_namespace
from rpca_affect.estimators.estimator import oriented
from rpca_affect.lags import Windows
from rpca_affect.noise import spread

__all__ = ["Base", "centred_rank", "floored", "learned_base", "principal"]

# A feature that the base explains exactly still needs a unit for the Huber fit: a thousandth of its own spread.
SMALLEST_SCALE = 1e-3


class Base(NamedTuple):
    """A learned base; fields as the attributes of `rpca_affect.RobustPCA`."""

    components: Array
    mean: Array
    singular_values: Array
    variance: Array
    share: Array
    noise_variance: float
    noise_scale: Array


def principal(centred: Array) -> tuple[Array, Array]:
    """Return singular values (decreasing) and right singular vectors (rows) of a matrix.

    Parameters
    ----------
    centred : array, shape (m, n)

    Returns
    -------
    singular_values : array, shape (min(m, n),)
    components : array, shape (min(m, n), n)
        A tall matrix goes through its n x n Gram matrix, as in `sklearn.decomposition.PCA`: singular values below
        1e-8 of the largest are rounding there.
    """
    xp = array_namespace(centred)
    frames, features = centred.shape
    if frames < 2 * features:
        _, values, rows = xp.linalg.svd(centred, full_matrices=False)
        return values, rows
    squares, columns = xp.linalg.eigh(xp.matrix_transpose(centred) @ centred)
    squares, columns = xp.flip(squares, axis=0), xp.flip(columns, axis=1)
    return xp.sqrt(xp.maximum(squares, xp.zeros_like(squares))), xp.matrix_transpose(columns)


def learned_base(
    observed: Observed, low_rank: Array, cleaned: Array, n_components: int | None, windows: Windows
) -> Base:
    """Learn a base from split frames.

    Parameters
    ----------
    observed : Observed
        Frames (m, n).
    low_rank : array, shape (m, n)
        Its rank, after centring, is the number of components where that is not given.
    cleaned : array, shape (m, n)
        Frames without their sparse part, missing cells filled from the low-rank part. Unlike the low-rank part, their
        components and variances are not shrunk by the nuclear norm.
    n_components : int or None
    windows : Windows
        Frames in a row that a component spans.

    Returns
    -------
    Base
    """
    xp = array_namespace(cleaned)
    mean = xp.mean(cleaned, axis=0)
    stretches = windows.rows(cleaned - mean)
    values, rows = principal(stretches)
    rank = centred_rank(windows.rows(low_rank)) if n_components is None else n_components
    components = oriented(rows[:rank, :])
    squares = values * values / (stretches.shape[0] - 1)
    total = float(xp.sum(squares))
    rest = observed.values - mean - windows.unrolled((stretches @ xp.matrix_transpose(components)) @ components)
    if observed.mask is not None:
        rest = xp.where(observed.mask, rest, xp.zeros_like(rest))
    left = squares[rank:]
    return Base(
        components=components,
        mean=mean,
        singular_values=values[:rank],
        variance=squares[:rank],
        share=squares[:rank] / total if total > 0 else xp.zeros_like(squares[:rank]),
        noise_variance=float(xp.mean(left)) if left.shape[0] else 0.0,
        noise_scale=floored(spread(rest, observed.mask), spread(*observed)),
    )


def floored(scale: Array, size: Array) -> Array:
    """Keep the unit of the Huber fit positive: at least a small share of a feature's spread, or of the largest one."""
    xp = array_namespace(scale)
    scale = xp.maximum(scale, SMALLEST_SCALE * size)
    top = xp.max(xp.maximum(scale, size))
    least = xp.where(top > 0, SMALLEST_SCALE * top, xp.ones_like(top))
    return xp.where(scale > 0, scale, least)


def centred_rank(low_rank: Array) -> int:
    """Rank of a low-rank part after its mean is taken out; at least 1."""
    xp = array_namespace(low_rank)
    values, _ = principal(low_rank - xp.mean(low_rank, axis=0))
    floor = 1e-5 if low_rank.dtype == xp.float64 else 1e-3
    return max(1, int(xp.sum(xp.astype(values > floor * values[0], xp.int64))))
