"""Singular-value shrinkage with an exact gradient that stays finite at ties and at rank deficiency."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# Two singular values closer than this (relative) take the derivative instead of the difference quotient.
_TIE = {torch.float32: 1e-4, torch.float64: 1e-7}


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
        a = x.detach().double()
        wide = x.shape[-1] > x.shape[-2]
        squares, basis = _eigh(a @ a.mT if wide else a.mT @ a)
        return Spectrum(squares.clamp_min_(0).sqrt_().flip(-1), basis.flip(-1), wide)


def _eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Eigen-decomposition of a stack; on a CPU torch takes the matrices one by one, so its threads share them here."""
    threads = torch.get_num_threads()
    if gram.device.type != "cpu" or threads == 1 or gram.ndim < 3 or gram.numel() < 2**15:
        return torch.linalg.eigh(gram)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(torch.linalg.eigh, gram.reshape(-1, *gram.shape[-2:]).chunk(threads)))
    values, vectors = (torch.cat(part) for part in zip(*parts))
    return values.reshape(gram.shape[:-1]), vectors.reshape(gram.shape)


class _Recompose(torch.autograd.Function):
    """``U diag(h) V^T`` with the vector-Jacobian product of the matrix function, never of the factors.

    With ``h = f(s)``, ``phi = h / s`` and ``c = s^2`` the result is ``K X``, ``K = U diag(phi) U^T`` a function
    of the Gram matrix ``X X^T``. Its differential needs only the divided differences of ``phi`` in ``c``; at
    ties these are the derivative ``(f' - phi) / (2 c)``, at ``s = 0`` they vanish because a shrinkage is flat
    (or linear) there. Only the ``k`` directions that survive the shrinkage take part, so every large product is
    ``k`` thin; pairs of removed directions contribute zero.
    """

    @staticmethod
    def forward(ctx, x, h, slope, values, basis):
        phi = torch.where(values > 0, h / torch.where(values > 0, values, 1.0), slope)
        k = int((phi != 0).sum(-1).max()) if phi.numel() else 0
        kept = basis[..., :k]
        y = kept.mT @ x
        ctx.save_for_backward(x, y, phi, slope, values, basis)
        return (kept * phi[..., None, :k]) @ y

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, y, phi, slope, s, basis = ctx.saved_tensors
        k = y.shape[-2]
        kept = basis[..., :k]
        z = kept.mT @ grad
        grad_h = torch.zeros_like(s)
        positive = s[..., :k] > 0
        grad_h[..., :k] = torch.where(positive, (y * z).sum(-1) / torch.where(positive, s[..., :k], 1.0), 0.0)
        divided = _divided_differences(phi, slope, s, k)
        if 2 * k > x.shape[-2]:  # many kept: fewer, full products
            both = kept.mT @ (inner := x @ grad.mT) @ basis + kept.mT @ inner.mT @ basis
        else:
            both = (y @ grad.mT + z @ x.mT) @ basis
        both *= divided
        both[..., :k] /= 2  # the kept-kept block is met twice below
        c = both @ basis.mT
        if 2 * k > x.shape[-2]:
            c = kept @ c
            kernel = (kept * phi[..., None, :k]) @ kept.mT
            return kernel @ grad + (c + c.mT) @ x, grad_h, None, None, None
        z *= phi[..., :k, None]
        return kept @ (z + c @ x) + c.mT @ y, grad_h, None, None, None


def _divided_differences(phi: Tensor, slope: Tensor, s: Tensor, k: int) -> Tensor:
    """``(phi_i - phi_j) / (c_i - c_j)``, ``c = s^2``, for i < k; the derivative where two values are not told apart."""
    positive = s > 0
    flat = torch.where(positive, (slope - phi) / torch.where(positive, 2 * s * s, 1.0), 0.0)
    total = s[..., :k, None] + s[..., None, :]
    c_difference = (s[..., :k, None] - s[..., None, :]) * total
    tie = c_difference.abs() <= _TIE[s.dtype] * total.square_()
    quotient = (phi[..., :k, None] - phi[..., None, :]) / c_difference
    return torch.where(tie, (flat[..., :k, None] + flat[..., None, :]) / 2, quotient)


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
    values, basis = known.values.to(x.dtype), known.basis.to(x.dtype)
    h, slope = shrink(values)
    slope = slope.detach().expand_as(h)
    if known.wide:
        return _Recompose.apply(x, h, slope, values, basis)
    return _Recompose.apply(x.mT, h, slope, values, basis).mT


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
    """``exp(entropy(s^2 / sum s^2))`` of singular values (..., r): how many directions hold the energy; 0 for none.

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
