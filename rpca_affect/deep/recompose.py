"""``U diag(f(s)) V^T`` of a stack, with the gradient of the matrix function and never of its factors."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rpca_affect.deep import kernels, parallel

# Two singular values closer than this (relative) take the derivative instead of the difference quotient.
_TIE = {torch.float32: 1e-4, torch.float64: 1e-7}
GROUP = 2**21  # bytes of the matrices that go through all products together


class Recompose(torch.autograd.Function):
    """The function of a stack (b, r, n), given its singular values and left singular vectors.

    With ``h = f(s)``, ``phi = h / s`` and ``c = s^2`` the result is ``K X``, ``K = U diag(phi) U^T`` a function
    of the Gram matrix ``X X^T``. Its differential needs only the divided differences of ``phi`` in ``c``; at
    ties these are the derivative ``(f' - phi) / (2 c)``, at ``s = 0`` they vanish because a shrinkage is flat
    (or linear) there. Only the ``k`` directions that survive the shrinkage take part, and pairs of removed
    directions contribute zero: with few survivors every large product is ``k`` thin, with many there are four
    full ones, the first with ``K``.
    """

    @staticmethod
    def forward(ctx, x, basis, h, slope, values):
        phi = torch.where(values > 0, h / torch.where(values > 0, values, 1.0), slope)
        ctx.k = int((phi != 0).sum(-1).max()) if phi.numel() else 0
        side, length = x.shape[-2:]
        ctx.few = 2 * ctx.k <= side
        half = x.new_empty(len(x), *((ctx.k, length) if ctx.few else (side, side)))
        out = torch.empty_like(x, memory_format=torch.contiguous_format)
        ctx.compiled = parallel.suits(x) and length <= kernels.LONGEST
        if ctx.compiled:
            given = _arrays(x, basis.mT, phi[..., : ctx.k])
            parallel.in_parts(kernels.forward(), *given, ctx.few, half.numpy(), out.numpy())
        else:
            with torch.autocast(x.device.type, enabled=False):
                for group in _groups(x, basis[..., : ctx.k], phi[..., : ctx.k], half, out):
                    (_thin if ctx.few else _full)(*group)
        ctx.save_for_backward(x, half, phi, slope, values, basis)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        x, half, phi, slope, s, basis = ctx.saved_tensors
        grad_x = torch.empty_like(x, memory_format=torch.contiguous_format)
        grad_h, along = torch.zeros_like(s), s.new_empty(len(s), ctx.k)
        if ctx.compiled:
            given = _arrays(grad, x, half, basis.mT, phi, slope, s)
            numbers = (_TIE[s.dtype], ctx.few)
            parallel.in_parts(kernels.backward(), *given, *numbers, along.numpy(), grad_x.numpy())
        else:
            with torch.autocast(x.device.type, enabled=False):
                for group in _groups(grad, x, half, basis, phi, slope, s, along, grad_x):
                    (_back_thin if ctx.few else _back_full)(*group)
        positive = s[..., : ctx.k] > 0
        grad_h[..., : ctx.k] = torch.where(positive, along / torch.where(positive, s[..., : ctx.k], 1.0), 0.0)
        return grad_x, None, grad_h, None, None


def _arrays(*stacks: Tensor) -> list[np.ndarray]:
    return [stack.detach().contiguous().numpy() for stack in stacks]


def _groups(*stacks: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """On a CPU a few matrices at a time: the result between two products stays in the cache and reuses its memory.

    For a whole stack the system would hand out that memory anew each time, page by page.
    """
    first = stacks[0]
    if first.device.type != "cpu":
        yield stacks
        return
    size = max(1, GROUP // max(first[:1].nbytes, 1))
    for start in range(0, len(first), size):
        yield tuple(stack[start : start + size] for stack in stacks)


def _thin(x, kept, phi, y, out):
    """Forward: ``y``, the rows of ``x`` along the kept directions, and ``out``."""
    torch.bmm(kept.mT, x, out=y)
    torch.bmm(kept * phi[..., None, :], y, out=out)


def _full(x, kept, phi, kernel, out):
    """Forward: ``kernel``, the matrix that multiplies ``x``, and ``out``."""
    torch.bmm(kept * phi[..., None, :], kept.mT, out=kernel)
    torch.bmm(kernel, x, out=out)


def _back_thin(grad, x, y, basis, phi, slope, s, along, grad_x):
    """Gradient at ``x``, and ``along[i] = u_i^T G X^T u_i`` for the kept directions."""
    k = y.shape[-2]
    kept = basis[..., :k]
    z = kept.mT @ grad
    along.copy_((y * z).sum(-1))
    both = (y @ grad.mT).baddbmm_(z, x.mT) @ basis * _divided_differences(phi, slope, s, k)
    both[..., :k] /= 2  # the kept-kept block is met twice below
    c = both @ basis.mT
    z *= phi[..., :k, None]
    torch.bmm(kept, z.baddbmm_(c, x), out=grad_x).baddbmm_(c.mT, y)


def _back_full(grad, x, kernel, basis, phi, slope, s, along, grad_x):
    """The same from ``kernel``."""
    k = along.shape[-1]
    inner = x @ grad.mT
    inner = basis.mT @ (inner + inner.mT) @ basis
    along.copy_(inner.diagonal(dim1=-2, dim2=-1)[..., :k] / 2)
    both = inner[..., :k, :] * _divided_differences(phi, slope, s, k)
    both[..., :k] /= 2
    c = basis[..., :k] @ (both @ basis.mT)
    torch.bmm(kernel, grad, out=grad_x).baddbmm_(c + c.mT, x)


def _divided_differences(phi: Tensor, slope: Tensor, s: Tensor, k: int) -> Tensor:
    """``(phi_i - phi_j) / (c_i - c_j)``, ``c = s^2``, for i < k; the derivative where two values are not told apart."""
    positive = s > 0
    flat = torch.where(positive, (slope - phi) / torch.where(positive, 2 * s * s, 1.0), 0.0)
    total = s[..., :k, None] + s[..., None, :]
    c_difference = (s[..., :k, None] - s[..., None, :]) * total
    tie = c_difference.abs() <= _TIE[s.dtype] * total.square_()
    quotient = (phi[..., :k, None] - phi[..., None, :]) / c_difference
    return torch.where(tie, (flat[..., :k, None] + flat[..., None, :]) / 2, quotient)
