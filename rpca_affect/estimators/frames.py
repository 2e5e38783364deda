"""Frames as an estimator takes them: of any array library, checked as scikit-learn checks, missing cells taken out."""

from typing import Any

import numpy as np
from sklearn.utils.validation import validate_data

from rpca_affect.arrays import (
    Array,
    Observed,
    array_namespace,
    as_floating,
    is_numpy_array,
    observe,
    refuse_sparse,
    unmasked,
)
from rpca_affect.lazy import refuse_lazy

__all__ = ["checked", "in_memory", "is_foreign"]


def in_memory(X: Any) -> Any:
    """Refuse lazy and sparse arrays, and mark by NaN what a masked array hides; of a list, each of its sequences."""
    refuse_lazy(X)
    for part in X if isinstance(X, (list, tuple)) else (X,):
        refuse_sparse(part)
    return [unmasked(part) for part in X] if isinstance(X, (list, tuple)) else unmasked(X)


def is_foreign(x: Any) -> bool:
    """True for an array of another library than NumPy: it stays in that library, on its device."""
    return hasattr(x, "__dlpack__") and hasattr(x, "ndim") and not is_numpy_array(x)


def checked(estimator: Any, X: Any, *, reset: bool, method: str, least: int) -> Observed:
    """Check the frames, and take their missing cells out; fitted frames must be of the library of the fit."""
    X = in_memory(X)
    if is_foreign(X):
        X = as_floating(X)
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
        return _cells(X if learned is None else array_namespace(X).astype(X, learned.dtype, copy=False))
    observed = observe(X)
    if observed.mask is not None and estimator.missing != "mask":
        raise ValueError("the frames hold missing cells (NaN): set missing='mask', or fill them before")
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
