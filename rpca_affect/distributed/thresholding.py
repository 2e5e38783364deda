"""The engine's singular-value threshold of an argument that lies on shards: its products are sums over them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import lapack

from rpca_affect.distributed.journal import Answer, Journal
from rpca_affect.distributed.steps import GRAM, TRIANGLE, Seen, Spanned, Wish
from rpca_affect.engine.cells.blocks import Sums
from rpca_affect.engine.spectrum.gram import eigh_descending
from rpca_affect.engine.spectrum.lowrank import LowRank
from rpca_affect.engine.spectrum.threshold import Thresholder
from rpca_affect.engine.threads import Crew
from rpca_affect.engine.tuning import CLEAR, EARLY

__all__ = ["Argument", "OnShards", "added"]


def added(squares: list[np.ndarray]) -> np.ndarray:
    """Sum of symmetric matrices of which the lower triangles are known, Fortran-ordered."""
    total = np.array(sum(squares), order="F")
    total += np.tril(total, -1).T
    return total


class Argument:
    """Argument that the shards hold or will hold: the command that computes it goes out with the first question.

    So the rows are looked at while they are in the cache, and there is one message in most steps.

    Parameters
    ----------
    journal : Journal
    like : array, shape (m, n)
        For its shape and precision.
    command : str
    *words : Any
        Of the command.
    error : float
        Of the iteration before that.
    judge : callable, optional
        Gets the sums of the command, and returns the error of the iteration.
    """

    def __init__(
        self,
        journal: Journal,
        like: np.ndarray,
        command: str,
        *words: Any,
        error: float = 0.0,
        judge: Callable[[Sums], float] | None = None,
    ) -> None:
        self.journal, self.shape, self.dtype = journal, like.shape, like.dtype
        self.command, self.words, self.judge = command, words, judge
        self.error, self.length = error, 0.0

    def __len__(self) -> int:
        return self.shape[0]

    def look(self, wish: Wish, digest: Callable[[list[Seen]], Answer]) -> Answer:
        """Let the shards look at the argument; return the ``digest`` of their answers."""

        def both(seen: list[Seen]) -> Answer:
            return {name: sum(getattr(one, name) for one in seen) for name in Seen._fields[:3]} | digest(seen)

        found = self.journal.ask(both, self.command, *self.words, wish)
        self.command, self.words = "look", ()
        if self.judge is not None:
            self.length = float(found["length"]) ** 0.5
            self.error, self.judge = self.judge(Sums(float(found["violated"]), float(found["kept"]))), None
        return found

    def made(self) -> None:
        """Let the shards compute the argument now."""
        if self.command != "look":
            self.look(None, lambda _: {})


class _Products:
    """The products that a `Thresholder` needs, by sums over shards; ``heard`` gets the error of the step before."""

    def __init__(self, like: np.ndarray, heard: Callable[[float], None]) -> None:
        self.values, self.crew, self.heard = like, Crew(), heard
        self.basis = self.image = np.empty((0, 0))

    def product(self, a: Argument, basis: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Return ``V^T A^T A V`` in the place of ``A V``, of which only the Gram matrix is used."""

        def digest(seen: list[Seen]) -> Answer:
            return {"square": added([one.square for one in seen]), "image": sum(one.image for one in seen)}

        found = a.look(basis, digest)
        self.heard(a.error)  # known only now
        self.basis, self.image = basis, found["image"]
        square: np.ndarray = found["square"]
        return square

    def inner(self, a: Argument, left: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Return ``A^T A V W``; W are the weights that make ``A V W`` orthonormal."""
        return np.matmul(self.image, left).astype(self.values.dtype, copy=False)


class OnShards(Thresholder):
    """Singular-value threshold of an `Argument`.

    Parameters
    ----------
    like : array, shape (m, n)
        For its shape and precision.
    exact : bool
    basis : array, optional
        As for `Thresholder`.

    Attributes
    ----------
    told : LowRank
        The last answer, as the shards make use of it.
    """

    passes: Any

    def __init__(self, like: np.ndarray, exact: bool = False, basis: np.ndarray | None = None) -> None:
        super().__init__(_Products(like, self._settle), exact, basis)  # type: ignore[arg-type]
        self.told: LowRank

    def __call__(self, a: Any, level: float, memory: Any = None, error: float = 0.0) -> LowRank:
        """Return the singular values above ``level`` and their vectors."""
        low = super().__call__(a, level)
        assert low is not None
        if low.left is None:
            self.told = low
        else:
            factor: Any = low.left @ low.factor
            self.told = Spanned(self.passes.basis, low.values, level, False, factor=factor.astype(a.dtype, copy=False))
            low = low.alone()
        return low

    def _settle(self, error: float) -> None:
        self.settled = min(max(self.settled, error / 10), EARLY)

    def by_gram(self, a: Any, level: float) -> LowRank:
        """Eigenvectors of the sum of the Gram matrices."""

        def digest(seen: list[Seen]) -> Answer:
            square = added([x.square for x in seen])
            squares, vectors = eigh_descending(square.copy(order="F"))
            count = clear = int(np.count_nonzero(squares > level * level))
            if not self.exact:  # a subspace that comes next needs the first vectors below the threshold too
                more = int(np.count_nonzero(squares > (CLEAR * level) ** 2)) + self.guard
                clear = more if count < more and self.pays(more) else count
            return {"values": np.sqrt(squares[:count]), "vectors": np.array(vectors[:, :clear], a.dtype, order="C")}

        return self._of(a.look(GRAM, digest), level)

    def by_svd(self, a: Any, level: float) -> LowRank:
        """Singular vectors of the triangular factor of all triangular factors: these lose nothing that is small."""

        def digest(seen: list[Seen]) -> Answer:
            _, values, right = np.linalg.svd(np.linalg.qr(np.concatenate([x.square for x in seen]), mode="r"))
            count = int(np.count_nonzero(values > level))
            return {"values": values[:count], "vectors": np.array(right[:count].T, a.dtype, order="C")}

        return self._of(a.look(TRIANGLE, digest), level)

    by_two_grams = by_svd

    def _of(self, found: Answer, level: float) -> LowRank:
        self.basis = found["vectors"]
        return LowRank(self.basis[:, : len(found["values"])], found["values"], level, True)

    def _orthonormal(self, image: np.ndarray, room: np.ndarray) -> tuple[Any, Any, np.ndarray]:
        """Weights (w, w) that make ``A V`` orthonormal, from its Gram matrix; room; and the lengths of its columns."""
        lengths = np.sqrt(image.diagonal())
        scale = 1 / np.maximum(lengths, 1e-300)
        factor, info = lapack.dpotrf(image * scale * scale[:, None], lower=1)
        if info == 0 and factor.diagonal().min() > LOSS:
            factor, info = lapack.dtrtri(factor, lower=1)
        else:
            info = 1
        return (None, None, lengths) if info else ((factor * scale).T, room, lengths)

    def _room(self, columns: int) -> tuple[np.ndarray, np.ndarray]:
        return np.empty((self.columns, columns)), np.empty((self.columns, columns))


LOSS = 1e-3  # of the length of a vector that is left when the others are taken off: its square is lost in the last bits
