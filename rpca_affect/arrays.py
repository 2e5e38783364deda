"""The only file that knows array libraries: an array of NumPy, CuPy or torch stays one of the same library."""

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.ma  # loaded on first use otherwise: a fork meanwhile would wait for it without end
from array_api_compat import array_namespace, device, is_array_api_obj, is_cupy_array, is_numpy_array, size

from rpca_affect.array_type import Array
from rpca_affect.lazy import refuse_lazy

__all__ = [
    "ABREAST",
    "Array",
    "Observed",
    "array_namespace",
    "as_array",
    "as_floating",
    "device",
    "frobenius",
    "is_array_api_obj",
    "is_cupy_array",
    "is_numpy_array",
    "largest_cell",
    "observe",
    "observed_extent",
    "observed_share",
    "of_objects",
    "power_of_two",
    "refuse_gradients",
    "size",
    "small_parts",
    "to_numpy",
    "yes_or_no",
]

ABREAST = 8  # features that are looked at together at least: so many cells lie in a line of the cache
PARTS, PART_CELLS = 64, 1 << 13  # a part is the share of a matrix, or as many cells as a call is worth


class Observed:
    """A matrix, or a stack of matrices, with its missing cells taken out; unpacks to ``values, mask``.

    Parameters
    ----------
    values : array, shape (..., m, n)
        Floating point.
    mask : array of bool, shape (..., m, n), optional
    holes : bool, default False
        Whether the values hold NaN, or any other number but infinity, where a cell is missing, instead of 0.

    Attributes
    ----------
    mask : array of bool, shape (..., m, n), or None
        True where a cell was observed; None when every cell was.
    given : array, shape (..., m, n)
        The values as they were given: enough for who looks at the mask anyway, or at the shape only.
    """

    __slots__ = ("_top", "_values", "given", "mask")

    def __init__(self, values: Array, mask: Array | None = None, *, holes: bool = False) -> None:
        self.given: Any = values  # Any: of which library it is, a checker cannot know
        self.mask: Any = mask
        self._values = None if holes else values
        self._top: Any = None

    @property
    def values(self) -> Any:
        """The values, 0 where a cell is missing; a copy, made when it is first asked for, where there are holes."""
        if self._values is None:
            self._values = self.part()
        return self._values

    def fresh(self) -> "Observed":
        """The same, whose copy of the values goes when it goes."""
        return Observed(self.given, self.mask, holes=True) if self._values is not self.given else self

    def part(self, rows: slice = slice(None), columns: slice = slice(None)) -> Any:
        """Return some rows and columns of the values; where there are holes, without a copy of all."""
        index = (..., rows, columns)
        if self._values is not None:
            return self._values[index]
        xp, given = array_namespace(self.given), self.given[index]
        return xp.where(self.mask[index], given, xp.zeros((1,) * given.ndim, dtype=given.dtype, device=device(given)))

    def largest(self) -> Any:
        """Return the largest absolute value of each matrix, shape (..., 1, 1)."""
        if self._values is not None:
            return largest_cell(self._values)
        xp = array_namespace(self.given)
        tops = [largest_cell(self.part(rows)) for rows in small_parts(self.given, axis=0)]
        return xp.max(xp.concat(tops), axis=0, keepdims=True)

    def spectral_norm(self) -> Any:
        """Return the largest singular value of each matrix, shape (..., 1, 1); found once."""
        if self._top is None:
            xp = array_namespace(self.values)
            self._top = xp.max(xp.linalg.svdvals(self.values), axis=-1, keepdims=True)[..., None]
        return self._top

    def __iter__(self) -> Iterator[Any]:
        return iter((self.values, self.mask))


def observe(x: Any, mask: Any = None) -> Observed:
    """Check a matrix (or a stack) and separate its observed from its missing cells.

    Parameters
    ----------
    x : array-like, shape (..., m, n)
        Numbers; NaN marks a missing cell. Never modified.
    mask : array-like of bool, broadcastable to ``x``, optional
        True where a cell may be trusted. Missing = NaN or not trusted.

    Returns
    -------
    Observed
        float32 and float64 are kept; integers become float64, half precision float32.

    Raises
    ------
    TypeError
        If ``x`` does not hold real numbers.
    ValueError
        If ``x`` has fewer than two axes, is empty, holds inf, or has no observed cell in one of its matrices.

    Examples
    --------
    >>> import numpy as np
    >>> observe(np.array([[1.0, np.nan], [3.0, 4.0]])).values
    array([[1., 0.],
           [3., 4.]])
    """
    x = as_floating(x)
    xp = array_namespace(x)
    if x.ndim < 2:
        raise ValueError(
            f"the matrix has {x.ndim} axis of shape {tuple(x.shape)}: give frames x features, "
            "for one feature x.reshape(-1, 1)"
        )
    if size(x) == 0:
        raise ValueError(
            f"the matrix of shape {tuple(x.shape)} is empty: at least one frame and one feature are needed"
        )
    trusted = None
    if mask is not None:
        trusted = yes_or_no(xp, mask, device(x))
        try:
            trusted = xp.broadcast_to(trusted, x.shape)
        except (ValueError, RuntimeError) as error:
            raise ValueError(
                f"mask of shape {tuple(trusted.shape)} does not fit a matrix of shape {tuple(x.shape)}"
            ) from error
    # One sum tells whether anything but finite numbers is there, at the cost of one read.
    with np.errstate(over="ignore", invalid="ignore"):
        clean = bool(xp.all(xp.isfinite(x))) if not is_numpy_array(x) else math.isfinite(float(np.sum(x)))
    if not clean:
        trusted = _not_missing(xp, x, trusted)
    if trusted is None:
        return Observed(x)
    if not bool(xp.all(xp.any(xp.any(trusted, axis=-1), axis=-1))):
        raise ValueError("every cell of a matrix is missing (NaN or masked): nothing can be decomposed")
    if bool(xp.all(trusted)):
        return Observed(x)
    observed = Observed(x, trusted, holes=True)
    # The tuned forms read a NumPy matrix around its holes, where infinity (not trusted, so allowed) would stay.
    around = is_numpy_array(x) and x.ndim == 2 and (mask is None or clean or not np.isinf(x).any())
    return observed if around else Observed(observed.values, trusted)


def yes_or_no(xp: Any, mask: Any, place: Any) -> Array:
    """A mask as booleans; anything else than yes and no is no mask (a confidence, say)."""
    marks = mask if is_array_api_obj(mask) else np.asarray(mask)
    dtype = str(marks.dtype)
    if "bool" not in dtype:
        given = array_namespace(marks) if is_array_api_obj(marks) else np
        if dtype == "object" or not bool(given.all((marks == 0) | (marks == 1))):
            raise ValueError("mask holds values other than True and False: give True where a cell may be trusted")
        marks = marks == 1
    return xp.asarray(marks, dtype=xp.bool, device=place)


def _not_missing(xp: Any, x: Array, trusted: Array | None) -> Array:
    infinite = xp.isinf(x) if trusted is None else xp.isinf(x) & trusted
    if bool(xp.any(infinite)):
        flat = int(xp.argmax(xp.reshape(xp.astype(infinite, xp.uint8), (-1,))))
        place = tuple(int(i) for i in np.unravel_index(flat, tuple(x.shape)))
        raise ValueError(f"the matrix holds inf at index {place}: replace it by NaN to treat the cell as missing")
    known = ~xp.isnan(x)
    return known if trusted is None else known & trusted


def as_floating(x: Any) -> Array:
    """Return ``x`` as an array of its own library with a floating dtype, copying only where the dtype changes."""
    refuse_lazy(x)
    refuse_gradients(x)
    refuse_sparse(x)
    if not is_array_api_obj(x):
        x = as_array(x)
    if is_numpy_array(x):
        return _numpy_floating(x)
    xp = array_namespace(x)
    if xp.isdtype(x.dtype, "complex floating"):
        raise TypeError(f"the matrix has dtype {x.dtype}: only real numbers can be decomposed")
    if not xp.isdtype(x.dtype, "real floating"):
        return xp.astype(x, xp.float64)
    return x if x.dtype in (xp.float32, xp.float64) else xp.astype(x, xp.float32)


def as_array(x: Any) -> np.ndarray:
    """Make a NumPy array of what is none; refuse, with a TypeError, what makes no matrix."""
    try:
        array = np.asarray(x)
    except (TypeError, ValueError) as error:
        raise TypeError(_no_matrix(x)) from error
    if array.ndim == 0 and array.dtype == object:
        raise TypeError(_no_matrix(x))
    return array


def _no_matrix(x: Any) -> str:
    if isinstance(x, (list, tuple)):
        return "the rows differ in length or kind: give frames x features, every frame with the same features"
    remedy = ", x.collect()" if hasattr(x, "collect") else ", x.to_dataframe()" if hasattr(x, "data_vars") else ""
    return (
        f"a {type(x).__name__} is no matrix: give frames x features as an array or DataFrame{remedy}; "
        "rpca_affect.decompose reads tables of any form"
    )


def refuse_sparse(x: Any) -> None:
    """Refuse a matrix of scipy.sparse, with a TypeError: no part of a split has its zeros."""
    if type(x).__module__.startswith("scipy.sparse"):
        raise TypeError("the matrix is a scipy.sparse matrix: give a dense array, x.toarray()")


def refuse_gradients(x: Any) -> None:
    """Refuse a torch tensor that asks for gradients, with a TypeError: no solver gives any, and the answer has none."""
    if getattr(x, "requires_grad", False):
        raise TypeError(
            "the matrix is a tensor that asks for gradients, which no solver gives: give x.detach(), or train the "
            "layers of rpca_affect.deep"
        )


def unmasked(x: Any) -> Any:
    """Return a NumPy masked array with NaN where it is masked, as float64, and anything else as it is."""
    return np.ma.filled(x.astype(np.float64), np.nan) if isinstance(x, np.ma.MaskedArray) else x


def of_objects(x: np.ndarray) -> np.ndarray:
    """Numbers that Python holds one by one as float64, NaN where one is missing."""
    pandas = sys.modules.get("pandas")  # whose missing cell turns into no number
    return (x if pandas is None else np.where(pandas.isna(x), np.nan, x)).astype(np.float64)


def _numpy_floating(x: np.ndarray) -> np.ndarray:
    x = unmasked(x)
    if x.dtype == object:
        try:
            return of_objects(x)
        except (TypeError, ValueError) as error:
            raise TypeError(f"the matrix holds values that are not numbers: {error}") from error
    if x.dtype.kind not in "fiub":
        raise TypeError(f"the matrix has dtype {x.dtype}: only real numbers can be decomposed")
    if x.dtype == np.float16:
        return x.astype(np.float32)
    return np.asarray(x) if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def observed_share(observed: Observed) -> Array:
    """Return the share of observed cells of each matrix, shape (..., 1, 1), in (0, 1]."""
    xp = array_namespace(observed.given)
    values = observed.given
    if observed.mask is None:
        return xp.ones((*values.shape[:-2], 1, 1), dtype=values.dtype, device=device(values))
    if is_numpy_array(observed.mask):  # without a copy of it in another type
        return np.asarray(np.mean(observed.mask, axis=(-2, -1), keepdims=True), dtype=values.dtype)
    return xp.mean(xp.astype(observed.mask, values.dtype), axis=(-2, -1), keepdims=True)


def observed_extent(observed: Observed) -> tuple[Array, Array]:
    """Count the frames and the features of which at least one cell was observed, each of shape (..., 1, 1).

    A frame without any observation must have no influence, so weights that depend on the size of a matrix count these:
    ``p max(m, n)`` in the usual weight of the sparse part is ``share * m * n / min(frames, features)``.
    """
    xp = array_namespace(observed.given)
    values = observed.given
    if observed.mask is None:
        one = xp.ones((*values.shape[:-2], 1, 1), dtype=values.dtype, device=device(values))
        return one * values.shape[-2], one * values.shape[-1]
    frames = xp.astype(xp.any(observed.mask, axis=-1, keepdims=True), values.dtype)
    features = xp.astype(xp.any(observed.mask, axis=-2, keepdims=True), values.dtype)
    return xp.sum(frames, axis=-2, keepdims=True), xp.sum(features, axis=-1, keepdims=True)


def frobenius(x: Array) -> Array:
    """Return the Frobenius norm of each matrix of a stack, shape (..., 1, 1)."""
    xp = array_namespace(x)
    return xp.sqrt(xp.sum(x * x, axis=(-2, -1), keepdims=True))


def largest_cell(x: Array) -> Array:
    """Return the largest absolute entry of each matrix of a stack, shape (..., 1, 1), without a copy of absolutes."""
    xp = array_namespace(x)
    return xp.maximum(xp.max(x, axis=(-2, -1), keepdims=True), -xp.min(x, axis=(-2, -1), keepdims=True))


def small_parts(values: Array, axis: int) -> list[slice]:
    """Slices of rows or columns, so that temporary arrays of one slice are small beside the whole."""
    length, across = values.shape[axis], values.shape[1 - axis]
    step = max(-(-length // PARTS), PART_CELLS // across)
    return [slice(start, min(start + step, length)) for start in range(0, length, step)]


def power_of_two(top: Array) -> Array:
    """Return for the largest absolute entry of each matrix, shape (..., 1, 1), the power of two just below it.

    Dividing by it is exact, so a solve on the divided matrix commutes with a change of units and neither
    overflows nor underflows, whatever the scale of the input. A zero matrix gives 1.
    """
    xp = array_namespace(top)
    limit = 1000.0 if top.dtype == xp.float64 else 120.0  # keeps the power and its inverse normal numbers
    exponent = xp.floor(xp.log2(xp.where(top > 0, top, xp.ones_like(top))))
    exponent = xp.clip(exponent, -limit, limit)
    return xp.pow(xp.full_like(exponent, 2.0), exponent)


def to_numpy(x: Any) -> np.ndarray:
    """Copy an array of any library to the host as NumPy: only for text and pictures, never inside a solve."""
    if is_numpy_array(x):
        return np.asarray(x)
    if "torch" in sys.modules and isinstance(x, sys.modules["torch"].Tensor):
        x = x.detach().cpu()
        return (x.float() if x.is_floating_point() and x.itemsize < 4 else x).numpy()  # NumPy has no bfloat16
    if is_cupy_array(x):
        return x.get()
    return np.asarray(x)
