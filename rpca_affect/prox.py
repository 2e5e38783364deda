"""Proximal operators: plain functions ``(array, level) -> array``; each docstring is the argmin it solves."""

from typing import Any

from rpca_affect.arrays import Array, array_namespace, size

__all__ = [
    "group_threshold",
    "keep_largest",
    "keep_rank",
    "singular_value_threshold",
    "soft_threshold",
    "sparse_group_threshold",
]


def soft_threshold(x: Array, level: Any) -> Array:
    """Shrink every cell towards zero by ``level``.

    Solves ``argmin_s level * ||s||_1 + ||s - x||_F^2 / 2``.

    Parameters
    ----------
    x : array, any shape
    level : float or array that broadcasts against ``x``
        At least 0, in the units of ``x``; inf gives 0.

    Returns
    -------
    array, the shape of ``x``

    References
    ----------
    Donoho (1995), De-noising by soft-thresholding.

    Examples
    --------
    >>> import numpy as np
    >>> soft_threshold(np.array([-3.0, 0.5, 2.0]), 1.0)
    array([-2.,  0.,  1.])
    """
    xp = array_namespace(x)
    return x - xp.minimum(xp.maximum(x, -level * xp.ones_like(x)), level * xp.ones_like(x))


def group_threshold(x: Array, level: Any, axis: int = -1) -> Array:
    """Shrink the length of every group of cells by ``level``; a group is a line along ``axis``.

    Solves ``argmin_s level * sum_g ||s_g||_2 + ||s - x||_F^2 / 2``: with ``axis=-1`` whole frames (rows) are kept
    or dropped, with ``axis=-2`` whole features (columns).

    Parameters
    ----------
    x : array, shape (..., m, n)
    level : float or array that broadcasts against the group lengths
        At least 0, in the units of ``x``.
    axis : int, default -1
        The axis along which a group runs.

    Returns
    -------
    array, the shape of ``x``

    References
    ----------
    Yuan & Lin (2006), Model selection and estimation in regression with grouped variables.

    Examples
    --------
    >>> import numpy as np
    >>> group_threshold(np.array([[3.0, 4.0], [0.3, 0.4]]), 1.0)
    array([[2.4, 3.2],
           [0. , 0. ]])
    """
    xp = array_namespace(x)
    # Relative to the largest cell of the group, so that squares neither overflow nor vanish.
    top = xp.max(xp.abs(x), axis=axis, keepdims=True)
    unit = xp.where(top > 0, top, xp.ones_like(top))
    length = unit * xp.sqrt(xp.sum((x / unit) ** 2, axis=axis, keepdims=True))
    left = xp.maximum(length - level, xp.zeros_like(length))
    return x * (left / xp.where(length > 0, length, xp.ones_like(length)))


def sparse_group_threshold(x: Array, level: Any, group_level: Any, axis: int = -1) -> Array:
    """Shrink cells by ``level``, then groups by ``group_level``: few groups, and few cells inside them.

    Solves ``argmin_s level * ||s||_1 + group_level * sum_g ||s_g||_2 + ||s - x||_F^2 / 2``.

    Parameters
    ----------
    x : array, shape (..., m, n)
    level, group_level : float or array
        At least 0, in the units of ``x``.
    axis : int, default -1
        The axis along which a group runs.

    Returns
    -------
    array, the shape of ``x``

    References
    ----------
    Simon, Friedman, Hastie & Tibshirani (2013), A sparse-group lasso.

    Examples
    --------
    >>> import numpy as np
    >>> sparse_group_threshold(np.array([[4.0, 5.0, 0.5]]), 1.0, 2.5)
    array([[1.5, 2. , 0. ]])
    """
    return group_threshold(soft_threshold(x, level), group_level, axis=axis)


def singular_value_threshold(x: Array, level: Any) -> Array:
    """Shrink every singular value towards zero by ``level``.

    Solves ``argmin_l level * ||l||_* + ||l - x||_F^2 / 2``.

    Parameters
    ----------
    x : array, shape (..., m, n)
    level : float or array, shape (..., 1, 1)
        At least 0, in the units of ``x``.

    Returns
    -------
    array, shape (..., m, n)

    References
    ----------
    Cai, Candes & Shen (2010), A singular value thresholding algorithm for matrix completion.

    Examples
    --------
    >>> import numpy as np
    >>> singular_value_threshold(np.diag([5.0, 2.0, 0.5]), 1.0)
    array([[4., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """
    xp = array_namespace(x)
    u, s, vt = xp.linalg.svd(x, full_matrices=False)
    kept = soft_threshold(s[..., None, :], level)
    return (u * kept) @ vt


def keep_rank(x: Array, rank: int) -> Array:
    """Return the closest matrix of at most the given rank.

    Solves ``argmin_l ||l - x||_F  subject to  rank(l) <= rank`` (not unique at ties).

    Parameters
    ----------
    x : array, shape (..., m, n)
    rank : int
        At least 0.

    Returns
    -------
    array, shape (..., m, n)

    References
    ----------
    Eckart & Young (1936), The approximation of one matrix by another of lower rank.

    Examples
    --------
    >>> import numpy as np
    >>> keep_rank(np.diag([5.0, 2.0, 0.5]), 1)[0, 0].round(6)
    np.float64(5.0)
    """
    xp = array_namespace(x)
    if rank < 0:
        raise ValueError(f"rank is {rank}: it must be at least 0")
    u, s, vt = xp.linalg.svd(x, full_matrices=False)
    return (u[..., :, :rank] * s[..., None, :rank]) @ vt[..., :rank, :]


def keep_largest(x: Array, cardinality: int) -> Array:
    """Keep the cells of largest absolute value of each matrix and put zero elsewhere.

    Solves ``argmin_s ||s - x||_F  subject to  ||s||_0 <= cardinality``; ties at the boundary are broken by position,
    so exactly ``cardinality`` cells are kept.

    Parameters
    ----------
    x : array, shape (..., m, n)
    cardinality : int
        Cells to keep in each matrix, from 0 to m n.

    Returns
    -------
    array, shape (..., m, n)

    Examples
    --------
    >>> import numpy as np
    >>> keep_largest(np.array([[1.0, -5.0], [3.0, 0.0]]), 2)
    array([[ 0., -5.],
           [ 3.,  0.]])
    """
    xp = array_namespace(x)
    cells = x.shape[-1] * x.shape[-2]
    if not 0 <= cardinality <= cells:
        raise ValueError(f"cardinality is {cardinality}: it must lie between 0 and the {cells} cells of a matrix")
    if size(x) == 0:
        return x
    flat = xp.reshape(x, (*x.shape[:-2], cells))
    order = xp.argsort(xp.argsort(-xp.abs(flat), axis=-1, stable=True), axis=-1, stable=True)
    return xp.reshape(xp.where(order < cardinality, flat, xp.zeros_like(flat)), x.shape)
