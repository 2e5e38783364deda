"""Frames as an estimator takes them: of any array library, checked as scikit-learn checks, missing cells taken out."""

from contextlib import suppress
from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from rpca_affect.arrays import (
    Array,
    Observed,
    array_namespace,
    as_array,
    as_floating,
    is_numpy_array,
    observe,
    of_objects,
    refuse_sparse,
    unmasked,
)
from rpca_affect.lazy import refuse_lazy

HALF = 0.47  # of the exponents: sums of squares need some of the other half

__all__ = ["checked", "in_memory", "is_foreign"]


def in_memory(X: Any) -> Any:
    """Frames as scikit-learn understands them; of a list, each of its sequences.

    Lazy and sparse arrays, dates and arrays of other than two axes are refused. Cells that a masked array hides become
    NaN.
    """
    refuse_lazy(X)
    if isinstance(X, (list, tuple)):
        if not len(X):
            raise ValueError("the list is empty: give at least one frame or sequence")
        return [_plain(part) for part in X]
    if not hasattr(X, "shape"):
        as_array(X)
    return _plain(X)


def _plain(X: Any) -> Any:
    refuse_sparse(X)
    X = unmasked(X)
    dtypes = X.dtypes if hasattr(X, "columns") else [getattr(X, "dtype", None)]
    kinds = {getattr(dtype, "kind", None) for dtype in dtypes}
    if kinds & {"m", "M"}:
        raise TypeError("the frames hold dates or times, which are no features: leave them out")
    if is_foreign(X):
        return as_floating(X)
    if hasattr(X, "sparse") and hasattr(X, "columns"):
        X = X.sparse.to_dense()
    if "O" in kinds:  # a missing cell of pandas turns into no number
        return X.where(X.notna(), np.nan) if hasattr(X, "notna") else _of_objects(X)
    return X


def _of_objects(X: np.ndarray) -> np.ndarray:
    with suppress(TypeError, ValueError):  # frames without numbers are refused in the words of scikit-learn
        return of_objects(X)
    return X


def is_foreign(x: Any) -> bool:
    """True for an array of another library than NumPy: it stays in that library, on its device."""
    return hasattr(x, "__dlpack__") and hasattr(x, "ndim") and not is_numpy_array(x)


def checked(estimator: Any, X: Any, *, reset: bool, method: str, least: int) -> Observed:
    """Check the frames, and take their missing cells out; fitted frames must be of the library of the fit."""
    X = in_memory(X)
    if is_foreign(X):
        if X.ndim != 2:
            raise ValueError(f"the frames have {X.ndim} axes: give frames x features, for one feature (m, 1)")
        if X.shape[0] < least:
            raise ValueError(f"{type(estimator).__name__} needs at least {least} frames, n_samples = {X.shape[0]}")
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    else:
        finite = "allow-nan" if estimator.missing == "mask" else True
        X = validate_data(
            estimator,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite=finite,
            ensure_min_samples=least,
        )
    learned = getattr(estimator, "components_", None)
    if not reset and learned is not None and array_namespace(X) is not array_namespace(learned):
        raise ValueError(
            f"The input of {type(estimator).__name__}.{method}() must use the same namespace as the input of fit: "
            f"it is {type(X).__module__}, the fitted arrays are {type(learned).__module__}"
        )
    if not reset:
        return _squarable(_cells(X if learned is None else array_namespace(X).astype(X, learned.dtype, copy=False)))
    observed = _squarable(observe(X), fit=True)
    if observed.mask is not None and estimator.missing != "mask":
        raise ValueError("the frames hold missing cells (NaN): set missing='mask', or fill them before")
    return observed


def _squarable(observed: Observed, fit: bool = False) -> Observed:
    """Refuse numbers whose squares, of which variances and losses are made, their precision cannot hold."""
    given = observed.given
    if 0 in given.shape:
        return observed
    most = float(array_namespace(given).finfo(given.dtype).max) ** HALF
    top = float(observed.largest()[0, 0])
    if top > most or (fit and 0 < top < 1 / most):
        raise ValueError(
            f"the largest number in the frames is {top:.1e}: their squares, of which variances are made, need numbers "
            f"{'up to' if top > most else 'from'} {most if top > most else 1 / most:.0e}; multiply the frames by a "
            "constant, or give cells that are no measurements as NaN"
        )
    return observed


def _cells(x: Array) -> Observed:
    """Like `observe` for frames to transform: a frame, or all of them, may lack every cell."""
    xp = array_namespace(x)
    known = ~xp.isnan(x)
    if bool(xp.all(known)):
        if bool(xp.any(xp.isinf(x))):
            raise ValueError("the frames hold inf: replace it by NaN to treat the cell as missing")
        return Observed(x)
    return Observed(xp.where(known, x, xp.zeros_like(x)), known)
