"""Anderson acceleration: a slow fixed-point iteration of a small matrix is extrapolated from its last steps."""

from typing import Any

from rpca_affect.arrays import Array, array_namespace, device

__all__ = ["Anderson", "anderson"]

START = 100  # plain steps before the first extrapolation: most solves end sooner, and early steps change regime
EVERY = 3  # steps from one extrapolation to the next: all cost a pass over what is remembered, and gain little more
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
        self.memory = memory
        self.count = 0
        self._room: tuple[Array, Array, Array] | None = None
        # What was extrapolated: the length of its residual, and what the plain step had made of it.
        self._tried: tuple[float, Array] | None = None
        self.forget()

    def forget(self) -> None:
        """Begin anew: what was remembered belongs to another iteration."""
        self._tried = None
        self._last: tuple[Array, Array] | None = None
        self._known = 0  # differences seen so far; the last ones are kept
        self._new: list[int] = []  # places of those whose products with the others are not known yet

    def __call__(self, before: Array, after: Array) -> Array:
        """Return the argument of the next step.

        Parameters
        ----------
        before, after : array, shape (m, n)
            An argument, and what the plain step makes of it. Neither is kept or changed.
        """
        self.count += 1
        if self.count + self.memory < START:
            return after
        xp = array_namespace(after)
        residual = xp.reshape(after - before, (-1,))
        length = float(residual @ residual) ** 0.5
        tried, self._tried = self._tried, None
        if tried is not None and not length <= tried[0]:
            self.forget()
            return tried[1]
        kept = after + 0
        if self._last is not None:
            self._remember(xp.reshape(kept - self._last[0], (-1,)), residual - self._last[1])
        self._last = (kept, residual)
        if self.count < START or self.count % EVERY or self._known == 0:
            return after
        self._tried = (length, kept)
        return self._extrapolated(after, residual)

    def _remember(self, step: Array, change: Array) -> None:
        """Put the differences from the last step in the place of the oldest."""
        if self._room is None:
            xp = array_namespace(step)
            rows = [(self.memory, step.shape[0])] * 2 + [(self.memory, self.memory)]
            steps, residuals, products = (xp.zeros(shape, dtype=step.dtype, device=device(step)) for shape in rows)
            self._room = (steps, residuals, products)
        place = self._known % self.memory
        self._room[0][place, :] = step
        self._room[1][place, :] = change
        self._new.append(place)
        self._known += 1

    def _extrapolated(self, after: Array, residual: Array) -> Array:
        xp = array_namespace(after)
        assert self._room is not None
        known = min(self._known, self.memory)
        steps, residuals, products = (x[:known, :] for x in self._room)
        new, self._new = self._new, []
        fresh = xp.stack([residual, *(residuals[place, :] for place in new)]) @ residuals.T
        for row, place in enumerate(new, start=1):
            products[place, :known] = fresh[row, :]
            products[:, place] = fresh[row, :]
        square = products[:, :known]
        size = xp.linalg.trace(square)
        if not 0 < float(size) < float("inf"):
            return after
        ridge = max(RIDGE, 100 * float(xp.finfo(after.dtype).eps))  # what rounding cannot swallow
        ridges = ridge * xp.eye(known, dtype=after.dtype, device=device(after))
        weights = xp.linalg.solve(square / size + ridges, fresh[0, :] / size)
        return after - xp.reshape(weights @ steps, after.shape)


def anderson(solver: Any, shape: tuple[int, ...]) -> Anderson | None:
    """Return what accelerates a solver on a matrix of this shape; None for a stack, a large matrix or a moving penalty.

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
