"""Anderson acceleration: a slow fixed-point iteration of a small matrix is extrapolated from its last steps."""

from typing import Any

from rpca_affect.arrays import Array, array_namespace, device, frobenius

__all__ = ["Anderson", "anderson"]

START = 50  # plain steps before the first extrapolation: most solves end sooner, and early steps change regime
ROOM = 1 << 22  # cells that the remembered differences of one kind may have: 32 MB in double precision
FEWEST = 5  # differences below which remembering does not pay
WORSE = 2.0  # growth of the residual beyond its smallest value at which an extrapolation is taken back
RIDGE = 1e-10  # of the least squares, relative to the sum of their squares: neighbouring steps are nearly parallel


class Anderson:
    """Extrapolates ``argument -> step(argument)`` to where a linear iteration would end.

    With the residual ``r = step(a) - a``, the next argument is ``step(a) - sum_i g_i D_i``, where ``D_i`` are the last
    differences of ``step(a)`` and ``g = argmin ||r - sum_i g_i R_i||_F`` over the differences ``R_i`` of the residual.
    The fixed points are those of the plain iteration. Where the residual grows beyond twice its smallest value, the
    iteration goes back to the step that had that value, and forgets: plain steps of ADMM never increase the residual,
    so it cannot be led astray for long.

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
        self._best: tuple[float, Array] | None = None
        self._room: tuple[Array, Array, Array] | None = None
        self._forget()

    def _forget(self) -> None:
        self._last: tuple[Array, Array] | None = None
        self._known = 0

    def __call__(self, before: Array, after: Array) -> Array:
        """Return the argument of the next step.

        Parameters
        ----------
        before, after : array, shape (m, n)
            An argument, and what the plain step makes of it. Neither is kept or changed.
        """
        self.count += 1
        if self.count < START:
            return after
        residual = after - before
        length = float(frobenius(residual)[0, 0])
        if self._best is None or length < self._best[0]:
            self._best = (length, after + 0)
        elif length > WORSE * self._best[0]:
            self._forget()
            return self._best[1]
        self._remember(after, residual)
        return self._extrapolated(after, residual) if self._known else after

    def _remember(self, after: Array, residual: Array) -> None:
        """Put the differences from the last step in the place of the oldest, and their products beside the others."""
        xp = array_namespace(after)
        last, self._last = self._last, (after + 0, residual)
        if last is None:
            return
        if self._room is None:
            cells = after.shape[0] * after.shape[1]
            empty = [xp.zeros(shape, dtype=after.dtype, device=device(after))
                     for shape in ((self.memory, cells),) * 2 + ((self.memory, self.memory),)]  # fmt: skip
            self._room = (empty[0], empty[1], empty[2])
        steps, residuals, products = self._room
        place = self._known % self.memory
        steps[place, :] = xp.reshape(after - last[0], (-1,))
        residuals[place, :] = xp.reshape(residual - last[1], (-1,))
        self._known += 1
        known = min(self._known, self.memory)
        row = residuals[:known, :] @ residuals[place, :]
        products[place, :known] = row
        products[:known, place] = row

    def _extrapolated(self, after: Array, residual: Array) -> Array:
        xp = array_namespace(after)
        assert self._room is not None
        steps, residuals, products = self._room
        known = min(self._known, self.memory)
        square = products[:known, :known]
        size = xp.linalg.trace(square)
        if not 0 < float(size) < float("inf"):
            return after
        ridge = RIDGE * xp.eye(known, dtype=after.dtype, device=device(after))
        weights = xp.linalg.solve(square / size + ridge, (residuals[:known, :] @ xp.reshape(residual, (-1,))) / size)
        return after - xp.reshape(weights @ steps[:known, :], after.shape)


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
