"""The elementwise passes of a step as fused CuPy kernels, with the same passes in plain array code for other arrays."""

from functools import cache
from typing import Any, NamedTuple

from rpca_affect.arrays import is_cupy_array

__all__ = ["Cells", "Work", "advanced", "held_square", "kept_and_carried", "violated_square"]

Array = Any  # of CuPy, which has no types for a checker, or of NumPy


class Cells(NamedTuple):
    """Operands of one elementwise pass; arrays broadcast to (b, d, n).

    Attributes
    ----------
    values, argument, base : array, shape (b, d, n)
        Data, matrix that was thresholded, and its low-rank part; one floating dtype.
    seen : array of bool, shape (b, d, n), or None
    slack : array of float64 that broadcasts, or None
    lam, ratio, mu : array of float64, shape (b, 1, 1)
        Weight of S; old over new penalty; new penalty.
    """

    values: Array
    argument: Array
    base: Array
    seen: Array | None
    slack: Array | None
    lam: Array
    ratio: Array
    mu: Array


class Work(NamedTuple):
    """Matrices (b, d, n) still at work. Arrays of numbers (b, 1, 1) are float64 and stay on the device."""

    values: Array
    argument: Array
    seen: Array | None
    slack: Array | None
    lam: Array
    mu: Array
    cap: Array
    growth: Array
    relax: Array
    size: Array
    error: Array
    steps: Array
    done: Array
    place: Array

    def rows(self, which: Array) -> "Work":
        chosen: list[Any] = [x if x is None or (name == "slack" and len(x) == 1) else x[which]
                             for name, x in zip(self._fields, self)]  # fmt: skip
        return Work(*chosen)

    def cells(self, base: Array, mu: Array) -> Cells:
        return Cells(self.values, self.argument, base, self.seen, self.slack, self.lam, self.mu / mu, mu)


def advanced(cells: Cells, relax: Array, frozen: Array) -> Array:
    """Write the next argument over the old one, but leave frozen matrices as they are: one pass over memory."""
    if is_cupy_array(cells.values):
        present, given = _present(cells)
        return _advance(*present)(*given, relax, frozen, cells.argument)
    kept, carried = kept_and_carried(cells)
    following = cells.base + kept + ((relax - 1) * (kept - carried)).astype(kept.dtype)
    cells.argument[...] = following * ~frozen + cells.argument * frozen
    return cells.argument


def violated_square(cells: Cells) -> Array:
    """Squared length of M - L - S - N over the observed cells, shape (b, 1, 1), in float64: one pass."""
    if is_cupy_array(cells.values):
        return _summed(_violated, cells)
    kept, carried = kept_and_carried(cells)
    change = (kept - carried).astype("float64")
    return ((change if cells.seen is None else change * cells.seen) ** 2).sum(axis=(1, 2), keepdims=True)


def held_square(cells: Cells) -> Array:
    """Squared length of the scaled multiplier after the step, shape (b, 1, 1), in float64: one pass."""
    if is_cupy_array(cells.values):
        return _summed(_held, cells)
    kept, _ = kept_and_carried(cells)
    return (kept.astype("float64") ** 2).sum(axis=(1, 2), keepdims=True)


def kept_and_carried(cells: Cells) -> tuple[Array, Array]:
    """The new and the old scaled multiplier, by array functions; also how the parts are written once at the end."""
    dtype = cells.values.dtype
    carried = (cells.argument - cells.base) * cells.ratio.astype(dtype)
    wanted = cells.values - cells.base + carried
    if cells.seen is not None:
        wanted = wanted * cells.seen
    loosening = 1.0 if cells.slack is None else (1 + cells.mu * cells.slack).astype(dtype)
    level = (cells.lam / cells.mu).astype(dtype) * loosening
    return wanted.clip(-level, level) / loosening, carried


# One device function for all kernels. Names a, b, n, i and a leading underscore are reserved by CuPy.
SHRINK = """
template <typename T>
__device__ __forceinline__ T shrunk_(T value, T argument, T base, bool seen, double slack, double lam, double ratio,
                                     double mu, T& carried) {
    carried = (argument - base) * T(ratio);
    const T wanted = seen ? value - base + carried : T(0);
    const T loosening = T(1 + mu * slack);
    const T level = T(lam / mu) * loosening;
    return (wanted > level ? level : (wanted < -level ? -level : wanted)) / loosening;
}
template <typename T>
__device__ __forceinline__ double violated_(T value, T argument, T base, bool seen, double slack, double lam,
                                            double ratio, double mu) {
    T carried;
    const T kept = shrunk_(value, argument, base, seen, slack, lam, ratio, mu, carried);
    const double change = seen ? double(kept - carried) : 0.0;
    return change * change;
}
template <typename T>
__device__ __forceinline__ double held_(T value, T argument, T base, bool seen, double slack, double lam,
                                        double ratio, double mu) {
    T carried;
    const double kept = shrunk_(value, argument, base, seen, slack, lam, ratio, mu, carried);
    return kept * kept;
}
"""


def _present(cells: Cells) -> tuple[tuple[bool, bool], list[Array]]:
    """Which of the optional arrays there are, and the arrays that are, in the order of the kernels' parameters."""
    return (cells.seen is not None, cells.slack is not None), [x for x in cells if x is not None]


def _summed(kernel: Any, cells: Cells) -> Array:
    """Sum over a matrix, row by row first: CuPy gives a block of threads to every sum, and a matrix has many rows."""
    present, given = _present(cells)
    return kernel(*present)(*given, axis=2, keepdims=True).sum(axis=1, keepdims=True)


def _parameters(seen: bool, slack: bool) -> tuple[str, str]:
    """Declared parameters of a kernel, and the arguments of its device function."""
    declared = ["T value", "T argument", "T base"]
    declared += ["bool seen"] if seen else []
    declared += ["float64 slack"] if slack else []
    passed = f"value, argument, base, {'seen' if seen else 'true'}, {'slack' if slack else '0.0'}, lam, ratio, mu"
    return ", ".join([*declared, "float64 lam", "float64 ratio", "float64 mu"]), passed


@cache
def _advance(seen: bool, slack: bool) -> Any:
    import cupy

    declared, passed = _parameters(seen, slack)
    body = f"""
        T carried;
        const T kept = shrunk_({passed}, carried);
        following = frozen ? argument : base + kept + T(relax - 1) * (kept - carried);
    """
    declared += ", float64 relax, bool frozen"
    return cupy.ElementwiseKernel(declared, "T following", body, "rpca_affect_advance", preamble=SHRINK)


@cache
def _violated(seen: bool, slack: bool) -> Any:
    return _sum("violated_", seen, slack)


@cache
def _held(seen: bool, slack: bool) -> Any:
    return _sum("held_", seen, slack)


def _sum(function: str, seen: bool, slack: bool) -> Any:
    import cupy

    declared, passed = _parameters(seen, slack)
    name = f"rpca_affect_{function}sum"
    return cupy.ReductionKernel(
        declared, "float64 total", f"{function}({passed})", "a + b", "total = a", "0", name, preamble=SHRINK
    )
