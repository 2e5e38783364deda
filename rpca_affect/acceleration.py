"""Anderson acceleration: a slow fixed-point iteration of a small matrix is extrapolated from its last steps."""

from typing import Any

from rpca_affect.arrays import Array, array_namespace, device

__all__ = ["Anderson", "Past", "Rule", "anderson"]

START = 100  # plain steps before the first extrapolation: most solves end sooner, and early steps change regime
EVERY = 3  # steps from one extrapolation to the next: each costs a pass over the remembered steps
ROOM = 1 << 22  # cells that the remembered differences of one kind may have: 32 MB in double precision
FEWEST = 5  # differences below which remembering does not pay
RIDGE = 1e-10  # of the least squares, relative to the sum of their squares: neighbouring steps are nearly parallel


class Anderson:
    """Extrapolates ``argument -> step(argument)`` to where a linear iteration would end.

    With the residual ``r = step(a) - a``, the next argument is ``step(a) - sum_i g_i D_i``, where ``D_i`` are the last
    differences of ``step(a)`` and ``g = argmin ||r - sum_i g_i R_i||_F`` over the differences ``R_i`` of the residual.
    The fixed points are those of the plain iteration. An extrapolation that makes the residual longer is taken back,
    and all is forgotten: plain steps of ADMM never do that, so the residual falls as it would without.

    Parameters
    ----------
    memory : int
        Differences that are remembered.

    References
    ----------
    Walker & Ni (2011), Anderson acceleration for fixed-point iterations; Zhang, O'Donoghue & Boyd (2020), Globally
    convergent type-I Anderson acceleration, for the safeguard's idea.

    Examples
    --------
    >>> import numpy as np
    >>> slow, start = np.diag([0.99, 0.9]), np.ones((2, 1))
    >>> accelerate, a = Anderson(memory=2), start
    >>> for _ in range(START + 4):
    ...     a = accelerate(a, slow @ a)
    >>> bool(np.abs(a).max() < 1e-6 < 0.99 ** (START + 4))
    True
    """

    def __init__(self, memory: int) -> None:
        self.rule, self.past = Rule(memory), Past(memory)

    def forget(self) -> None:
        """Begin anew: the remembered steps belong to another iteration."""
        self.rule.forget()

    def __call__(self, before: Array, after: Array) -> Array:
        """Return the argument of the next step.

        Parameters
        ----------
        before, after : array, shape (m, n)
            An argument, and the result of the plain step from it. Neither is kept or changed.
        """
        rule, past = self.rule, self.past
        if rule.waits():
            return after
        xp = array_namespace(after)
        past.moved = xp.reshape(after - before, (-1,))
        length = float(past.moved @ past.moved) ** 0.5
        if rule.failed(length):
            return xp.reshape(past.kept, after.shape)
        past.keep(xp.reshape(after + 0, (-1,)), rule.place())
        if not rule.due:
            return after
        rows = rule.asked()
        weights = rule.weights(past.products(*rows), length)
        return after if weights is None else xp.reshape(past.extrapolated(weights), after.shape)


class Rule:
    """When an iteration is extrapolated, and by which weights: decided from lengths and products alone.

    Parameters
    ----------
    memory : int
        Differences that are remembered.
    """

    def __init__(self, memory: int) -> None:
        self.memory, self.count = memory, 0
        self._products: Any = None
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._tried: float | None = None  # length of the residual that was extrapolated
        self._known = 0  # differences seen so far; the last ones are kept
        self._begun = False
        self._new: list[int] = []  # places of those whose products with the others are not known yet

    @property
    def near(self) -> bool:
        """Whether the next step is one to remember."""
        return self.count + 1 + self.memory >= START

    def waits(self) -> bool:
        """Count a step; tell whether nothing has to be remembered of it yet."""
        self.count += 1
        return self.count + self.memory < START

    def failed(self, length: float) -> bool:
        """Whether the extrapolation before this step made its residual longer: all is forgotten then."""
        tried, self._tried = self._tried, None
        if tried is None or length <= tried:
            return False
        self.forget()
        return True

    def place(self) -> int | None:
        """Where the difference from the last step goes, in the place of the oldest; None where there is no last one."""
        if not self._begun:
            self._begun = True
            return None
        place = self._known % self.memory
        self._known += 1
        self._new.append(place)
        return place

    @property
    def due(self) -> bool:
        """Whether this step is extrapolated."""
        return self.count >= START and self.count % EVERY == 0 and self._known > 0

    def asked(self) -> tuple[list[int], int]:
        """Return the places whose products are not known yet, and how many places are filled."""
        self._rows, self._new = self._new, []
        return self._rows, min(self._known, self.memory)

    def weights(self, fresh: Array, length: float) -> Any:
        """Return the weights of the differences, shape (k,); None where they are nothing to go by.

        Parameters
        ----------
        fresh : array, shape (1 + new, k)
            Products of the residual and of the new differences of it with all of these.
        length : float
            Of the residual.
        """
        xp, known = array_namespace(fresh), fresh.shape[1]
        if self._products is None:
            self._products = xp.zeros((self.memory, self.memory), dtype=fresh.dtype, device=device(fresh))
        for row, place in enumerate(self._rows, start=1):
            self._products[place, :known] = fresh[row, :]
            self._products[:known, place] = fresh[row, :]
        self._tried = length
        square = self._products[:known, :known]
        size = xp.linalg.trace(square)
        if not 0 < float(size) < float("inf"):
            return None
        ridge = max(RIDGE, 100 * float(xp.finfo(fresh.dtype).eps))  # rounding cannot swallow it
        ridges = ridge * xp.eye(known, dtype=fresh.dtype, device=device(fresh))
        return xp.linalg.solve(square / size + ridges, fresh[0, :] / size)


class Past:
    """The last steps of an iteration, or of some rows of it.

    Parameters
    ----------
    memory : int
        Differences that are remembered.

    Attributes
    ----------
    kept, moved : array, shape (k,)
        Result of the last step, and its residual.
    steps, residuals : array, shape (memory, k)
        Differences of both from step to step.
    """

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.kept: Any = None
        self.moved: Any = None
        self.before: Any = None
        self.steps: Any = None
        self.residuals: Any = None

    def keep(self, reached: Array, place: int | None) -> None:
        """Remember where a step that ``moved`` has come to, and in a place how that differs from the last one."""
        if place is not None:
            if self.steps is None:
                xp = array_namespace(reached)
                shape = (self.memory, reached.shape[0])
                self.steps, self.residuals = (
                    xp.zeros(shape, dtype=reached.dtype, device=device(reached)) for _ in range(2)
                )
            self.steps[place, :] = reached - self.kept
            self.residuals[place, :] = self.moved - self.before
        self.kept, self.before = reached, self.moved

    def products(self, new: list[int], known: int) -> Array:
        """Products of the residual and some of its differences with the first ``known`` of these."""
        xp = array_namespace(self.moved)
        rows = xp.stack([self.moved, *(self.residuals[place, :] for place in new)])
        return rows @ xp.matrix_transpose(self.residuals[:known, :])

    def extrapolated(self, weights: Array) -> Array:
        """Where the last step would lead if it were linear."""
        return self.kept - weights @ self.steps[: weights.shape[0], :]


def anderson(solver: Any, shape: tuple[int, ...]) -> Anderson | None:
    """Return the Anderson memory of a solver and a shape; None for a stack, a large matrix or a moving penalty.

    Parameters
    ----------
    solver : solver object
    shape : tuple of int
    """
    if not getattr(solver, "memory", 0) or len(shape) > 2 or FEWEST * shape[0] * shape[1] > ROOM:
        return None
    if not (isinstance(solver.growth, int | float) and solver.growth == 1):
        return None
    return Anderson(min(solver.memory, ROOM // (shape[0] * shape[1])))
