"""The past of a stream: a weighted sketch of its frames, and candidates for new directions of the base."""

import math

from rpca_affect.arrays import Array, array_namespace, device
from rpca_affect.lags import embedded, embedded_norm
from rpca_affect.noise import slack

__all__ = ["MEMORY", "SPARE", "Callers", "Sketch", "excess_of", "leading"]

SPARE = 10  # directions kept beyond the components, so that a rising one is not cut off update after update
MEMORY = 500  # frames that the search for new directions, the noise and the outlier map look back
CALLERS = 10  # directions that the search keeps


class Sketch:
    """Singular values and directions of all centred windows so far, weighted by age, and their mean.

    Parameters
    ----------
    mean : array, shape (n,)
    lags, kept : int
        Frames of a window; directions kept.

    Attributes
    ----------
    values : array, shape (k,)
        Singular values, decreasing.
    directions : array, shape (k, lags * n)
    weight, total : float
        Frames, and the sum of squares of their windows.
    """

    def __init__(self, mean: Array, lags: int, kept: int) -> None:
        xp = array_namespace(mean)
        self.mean, self.lags, self.kept = xp.zeros_like(mean), lags, kept
        self.values = xp.zeros(0, dtype=mean.dtype, device=device(mean))
        self.directions = xp.zeros((0, lags * mean.shape[0]), dtype=mean.dtype, device=device(mean))
        self.weight = self.total = 0.0

    def absorb(self, cleaned: Array, fade: float) -> None:
        """Merge the windows of frames (centred at ``mean``) that follow, after ``fade`` of the past is left.

        Parameters
        ----------
        cleaned : array, shape (lags - 1 + m, n)
        fade : float

        References
        ----------
        Ross, Lim, Lin & Yang (2008), Incremental learning for robust visual tracking (the update of base and mean).
        """
        xp = array_namespace(cleaned)
        new = cleaned[self.lags - 1 :, :] if self.weight else cleaned
        count, past = new.shape[0], fade * self.weight
        shift = xp.mean(new, axis=0)
        rows = embedded(cleaned - shift, self.lags)
        moved = math.sqrt(past * count / (past + count)) * self._wide(shift)[None, :]
        self.total = fade * self.total + float(xp.sum(rows * rows)) + float(xp.sum(moved * moved))
        kept = math.sqrt(fade) * self.values[:, None] * self.directions
        self._compress(xp.concat([kept, rows, moved], axis=0))
        self.weight = past + count
        self.mean = self.mean + shift * (count / self.weight)

    def admit(self, directions: Array, size: float) -> None:
        """Let directions, shape (k, lags * n), in with the least size that counts."""
        xp = array_namespace(directions)
        self._compress(xp.concat([self.values[:, None] * self.directions, size * directions], axis=0))

    def above(self, sigma: Array, excess: float) -> int:
        """Number of directions whose singular value noise of this deviation, shape (n,), does not explain."""
        xp = array_namespace(sigma)
        noise = xp.sqrt(xp.sum((self.directions * self._wide(sigma)) ** 2, axis=1))
        edge = (math.sqrt(self.weight) + excess) * noise
        return int(xp.sum(xp.astype(self.values > edge, xp.int64)))

    def spread(self, noise: Array) -> Array:
        """Deviation of every feature that directions and noise (n,) together make."""
        xp = array_namespace(noise)
        squares = xp.sum((self.values[:, None] * self.directions) ** 2, axis=0) / self.weight
        return xp.sqrt(xp.mean(xp.reshape(squares, (self.lags, -1)), axis=0) + noise * noise)

    def _wide(self, x: Array) -> Array:
        return x if self.lags == 1 else array_namespace(x).concat([x] * self.lags)

    def _compress(self, rows: Array) -> None:
        self.values, self.directions = leading(rows, self.kept)


def leading(rows: Array, kept: int) -> tuple[Array, Array]:
    """Largest singular values and right singular vectors of rows, by the Gram matrix of the shorter side."""
    xp = array_namespace(rows)
    turned = xp.matrix_transpose(rows)
    if rows.shape[0] > rows.shape[1]:
        squares, columns = xp.linalg.eigh(turned @ rows)
        squares, directions = xp.flip(squares)[:kept], xp.flip(xp.matrix_transpose(columns), axis=0)[:kept, :]
        return xp.sqrt(xp.maximum(squares, xp.zeros_like(squares))), directions
    squares, left = xp.linalg.eigh(rows @ turned)
    squares, left = xp.flip(squares)[:kept], xp.flip(left, axis=1)[:, :kept]
    count = int(xp.sum(xp.astype(squares > xp.finfo(rows.dtype).eps * 4 * squares[0], xp.int64)))
    # A triangular factor restores the digits that rounding took from the Gram matrix: the directions are orthonormal.
    directions, _ = xp.linalg.qr(turned @ left[:, :count])
    values = xp.sqrt(squares[:count])
    signs = xp.sign(xp.sum(directions * (turned @ left[:, :count]), axis=0))
    return values, xp.matrix_transpose(directions * signs)


class Callers:
    """Directions that many frames share and the base lacks: the components that the convex model would admit.

    With the base held fixed, the optimum of ``||L||_* + lam g(S) + ||N||_F^2 / (2 slack)`` leaves what lies within
    reach, ``N = clip(rest, reach)``, as noise. It is the optimum over all bases as long as the operator norm of N is at
    most that of noise; a singular vector beyond is a direction to let in. Single cells and short bursts, clipped, do
    not get there.
    """

    def __init__(self, like: Array, width: int) -> None:
        xp = array_namespace(like)
        self.values = xp.zeros(0, dtype=like.dtype, device=device(like))
        self.directions = xp.zeros((0, width), dtype=like.dtype, device=device(like))

    def heard(self, noise: Array, lags: int, excess: float) -> Array:
        """Look at the noise part of new frames, in its units; return the directions beyond noise, shape (k, W)."""
        xp = array_namespace(noise)
        rows = embedded(noise, lags)
        fade = math.exp(-rows.shape[0] / MEMORY)
        self.values, self.directions = leading(
            xp.concat([math.sqrt(fade) * self.values[:, None] * self.directions, rows], axis=0), CALLERS
        )
        loud = int(xp.sum(xp.astype(self.values > math.sqrt(MEMORY) + excess, xp.int64)))
        found = self.directions[:loud, :]
        self.values, self.directions = self.values[loud:], self.directions[loud:, :]
        return found


def excess_of(shape: tuple[int, int], lags: int) -> float:
    """Operator norm of white noise beyond the root of the number of its windows."""
    rows = shape[0] - lags + 1
    return (slack(1.0, shape) if lags == 1 else embedded_norm(shape, lags)) - math.sqrt(rows)
