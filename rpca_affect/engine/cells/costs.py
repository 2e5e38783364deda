"""The loss of ``M - L``, minimal over sparse and noise part, and its proximal operator on some rows."""

from typing import Any, NamedTuple

import numpy as np

from rpca_affect.certificate import loss

__all__ = ["Bound", "Costs", "of_rows", "shortening"]


class Bound(NamedTuple):
    """Numbers of the sparse operator at one penalty: ``kept = clip(give * wanted)``, or ``wanted * factor * give``."""

    limit: float  # lam / mu+, the largest length of a kept cell or frame
    give: Any  # 1 / (1 + mu+ slack), None for 1
    factor: np.ndarray | None = None  # per column, where frames are columns


def shortening(length: np.ndarray, level: Any) -> np.ndarray:
    """Factor ``min(1, level / length)`` that projects frames of these lengths onto the ball of radius ``level``."""
    return np.minimum(1.0, level / np.where(length > 0, length, 1)).astype(length.dtype)


def of_rows(x: Any, rows: slice) -> Any:
    """Part of a number, a row or a column that belongs to some rows."""
    return x[rows] if isinstance(x, np.ndarray) and x.shape[0] > 1 else x


class Costs:
    """The weights of a model, and their loss and proximal operator on some rows.

    Attributes
    ----------
    values : array, shape (m, n)
    lam : float
    slack : float, or array (m, 1) or (1, n)
    kind : {"cells", "rows", "columns"}
        Unit of sparsity: cells, frames, or the frames of a transposed matrix.
    """

    values: np.ndarray
    kind: str
    lam: float = 0.0
    slack: Any = 0.0

    def set_model(self, lam: float, slack: Any) -> None:
        """Set the weights; a slack of every row or column in the precision of the data."""
        self.lam = lam
        self.slack = slack.astype(self.values.dtype) if isinstance(slack, np.ndarray) else slack

    @property
    def noisy(self) -> bool:
        """Whether the model has a noise part."""
        return isinstance(self.slack, np.ndarray) or self.slack != 0

    def give(self, mu: float) -> Any:
        """Factor ``1 / (1 + mu slack)`` of the kept part; None without a noise part."""
        if not self.noisy:
            return None
        give = 1 / (1 + mu * self.slack)
        return give.astype(self.values.dtype) if isinstance(give, np.ndarray) else give

    def keep(self, wanted: np.ndarray, rows: slice, bound: Bound) -> np.ndarray:
        """Turn ``wanted`` into the kept part, in place."""
        give = of_rows(bound.give, rows)
        if self.kind == "cells":
            if give is not None:
                wanted *= give
            return wanted.clip(-bound.limit, bound.limit, out=wanted)
        factor = self.factor(wanted, rows, bound)
        wanted *= factor if give is None else factor * give
        return wanted

    def factor(self, wanted: np.ndarray, rows: slice, bound: Bound) -> np.ndarray:
        """Share of every frame that S does not take."""
        if bound.factor is not None:
            return bound.factor
        level = bound.limit / (1.0 if bound.give is None else of_rows(bound.give, rows))
        return shortening(np.sqrt(np.einsum("ij,ij->i", wanted, wanted))[:, None], level)

    def weighed(self, parts: list[tuple[Any, float, float]]) -> tuple[float, float, float]:
        """Return the loss of ``M - L``, ``<M, Y>`` and ``sum slack Y^2``."""
        total, linear, quadratic = (sum(part) for part in zip(*parts))
        if self.kind == "columns":
            total = self.loss_of(np.sqrt(total)[None, :], self.slack)
        return total, linear, quadratic

    def loss_of(self, size: np.ndarray, slack: Any) -> float:
        """Sum of the loss of cells or frames of these sizes."""
        if not self.noisy:
            return self.lam * float(np.sum(size, dtype=np.float64))
        return float(np.sum(loss(size, self.lam, slack), dtype=np.float64))
