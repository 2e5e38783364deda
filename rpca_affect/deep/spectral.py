"""Singular-value shrinkage with an exact gradient that stays finite at ties and at rank deficiency."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rpca_affect.deep.eigen import gram_spectrum
from rpca_affect.deep.recompose import Recompose


class Spectrum(NamedTuple):
    """Singular values (no gradient) and the singular vectors of the shorter side of a matrix or a stack.

    Attributes
    ----------
    values : Tensor of shape (..., r)
        Singular values, largest first, ``r = min(m, n)``; float64.
    basis : Tensor of shape (..., r, r)
        Singular vectors of the shorter side, as columns; float64.
    wide : bool
        Whether the matrix has more columns than rows, so that the basis is the left one.
    """

    values: Tensor
    basis: Tensor
    wide: bool


def spectrum(x: Tensor) -> Spectrum:
    """Singular values and vectors of the shorter side, from the Gram matrix accumulated in float64.

    Parameters
    ----------
    x : Tensor of shape (..., m, n)
        One matrix or a stack.

    Returns
    -------
    Spectrum
        Values below about ``1e-8`` of the largest are not resolved, which is harmless for a threshold above that.

    Examples
    --------
    >>> import torch
    >>> spectrum(torch.diag(torch.tensor([3.0, 1.0, 2.0]))).values.tolist()
    [3.0, 2.0, 1.0]
    """
    with torch.no_grad():
        wide = x.shape[-1] > x.shape[-2]
        squares, basis = gram_spectrum(x.detach() if wide else x.detach().mT)
        return Spectrum(squares.clamp_min_(0).sqrt_(), basis, wide)


def top_singular_value(x: Tensor, known: Spectrum | None = None) -> Tensor:
    """Largest singular value, shape (..., 1, 1), differentiable (zero gradient at the zero matrix)."""
    known = spectrum(x) if known is None else known
    a = x.mT if known.wide else x
    projected = a @ known.basis[..., :1].to(x.dtype)
    value = known.values[..., :1].to(x.dtype).unsqueeze(-1)
    # s_1 = u^T X v with u, v held: the exact gradient is u v^T.
    u = (projected / torch.where(value > 0, value, 1.0)).detach()
    return u.mT @ projected


def spectral_map(x: Tensor, shrink: Callable[[Tensor], tuple[Tensor, Tensor]], known: Spectrum | None = None) -> Tensor:
    """Apply a function to the singular values of a matrix: ``U diag(f(s)) V^T``.

    Parameters
    ----------
    x : Tensor of shape (..., m, n)
        One matrix or a stack.
    shrink : callable
        ``s -> (f(s), f'(s))`` on the (detached) singular values (..., r). Gradients reach the parameters inside
        ``f(s)``; the derivative is used as a number. ``f(0) = 0`` and ``f`` must be flat or linear at zero.
    known : Spectrum, optional
        The spectrum of ``x`` where it is already there.

    Returns
    -------
    Tensor of shape (..., m, n)
        Same dtype as ``x``; differentiable once.

    Examples
    --------
    >>> import torch
    >>> spectral_map(torch.diag(torch.tensor([3.0, 1.0])), lambda s: (s / 2, torch.full_like(s, 0.5)))
    tensor([[1.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    known = spectrum(x) if known is None else known
    rows = (x if known.wide else x.mT).to(x.dtype if x.dtype == torch.float64 else torch.float32)
    values, basis = known.values.to(rows.dtype), known.basis.to(rows.dtype)
    h, slope = shrink(values)
    slope, values = slope.detach().expand_as(h), values.expand_as(h)
    vectors = (v.unsqueeze(0).flatten(0, -2) for v in (h, slope, values))
    matrices = (a.expand(*h.shape[:-1], *a.shape[-2:]).unsqueeze(0).flatten(0, -3) for a in (rows, basis))
    out = Recompose.apply(*matrices, *vectors).reshape(*h.shape[:-1], *rows.shape[-2:]).to(x.dtype)
    return out if known.wide else out.mT


def singular_value_shrink(
    x: Tensor,
    level: Tensor | float,
    firmness: Tensor | float = 0.0,
    mask: Tensor | None = None,
    known: Spectrum | None = None,
) -> Tensor:
    """Firm thresholding of the singular values; the proximal operator of the nuclear norm at ``firmness=0``.

    ``argmin_L 0.5 ||L - X||_F^2 + sum_i p(s_i(L))`` where ``p`` is ``level * s`` for ``firmness = 0`` and the
    minimax-concave penalty otherwise: values between ``level`` and ``level (1 + 1/firmness)`` rise with slope
    ``1 + firmness``, and values above are kept as they are, so a strong base is not shrunk.

    Parameters
    ----------
    x : Tensor of shape (..., m, n)
        One matrix or a stack.
    level : Tensor or float
        Threshold, shape broadcastable to (..., 1, 1), or (..., 1, r) for one level per singular value (weighted
        nuclear norm).
    firmness : Tensor or float
        ``>= 0``; the same shapes.
    mask : Tensor of bool, optional
        Shape (..., m) or (..., m, n); cells where it is False enter as zero and leave as zero.
    known : Spectrum, optional
        The spectrum of the (masked) ``x`` where it is already there.

    Returns
    -------
    Tensor of shape (..., m, n)

    Examples
    --------
    >>> import torch
    >>> singular_value_shrink(torch.diag(torch.tensor([3.0, 1.0])), 2.0)
    tensor([[1., 0.],
            [0., 0.]])
    """
    if mask is not None:
        mask = frame_mask(mask, x)
        x = torch.where(mask, x, torch.zeros_like(x))
    level = torch.as_tensor(level, dtype=x.dtype, device=x.device)
    firmness = torch.as_tensor(firmness, dtype=x.dtype, device=x.device)
    level = level[..., 0, :] if level.ndim >= 2 else level
    firmness = firmness[..., 0, :] if firmness.ndim >= 2 else firmness
    out = spectral_map(x, lambda s: firm_threshold(s, level, firmness), known)
    return out if mask is None else torch.where(mask, out, torch.zeros_like(out))


def firm_threshold(s: Tensor, level: Tensor, firmness: Tensor) -> tuple[Tensor, Tensor]:
    """Firm threshold of non-negative numbers and its slope: zero, then slope ``1 + firmness``, then the identity."""
    rise = (1 + firmness) * (s - level)
    kept = torch.minimum(rise, s).clamp_min(0)
    slope = torch.where(rise >= s, torch.ones_like(kept), (1 + firmness).expand_as(kept))
    return kept, torch.where((kept > 0) | (level <= 0), slope, torch.zeros_like(kept))


def frame_mask(mask: Tensor, x: Tensor) -> Tensor:
    """A boolean mask in the shape of ``x``, from one value per frame or one per cell."""
    if mask.dtype != torch.bool:
        raise TypeError(f"mask holds {mask.dtype}; give booleans, True where observed.")
    if mask.shape == x.shape[:-1]:
        mask = mask.unsqueeze(-1)
    elif mask.shape != x.shape:
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, but x has {tuple(x.shape)}; give one value per frame or per cell."
        )
    return mask.expand_as(x)


def effective_rank(values: Tensor) -> Tensor:
    """``exp(entropy(s^2 / sum s^2))`` of singular values: how many directions hold the energy.

    Parameters
    ----------
    values : Tensor of shape (..., r)
        Singular values.

    Returns
    -------
    Tensor of shape (...)
        Between 1 and r; 0 where all values are 0.

    Examples
    --------
    >>> import torch
    >>> effective_rank(torch.tensor([2.0, 2.0, 0.0])).item()
    2.0
    """
    energy = values.square()
    total = energy.sum(-1, keepdim=True)
    share = energy / torch.where(total > 0, total, torch.ones_like(total))
    rank = torch.exp(torch.special.entr(share).sum(-1))
    return torch.where(total[..., 0] > 0, rank, torch.zeros_like(rank))
