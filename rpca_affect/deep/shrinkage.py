"""DDM's shrinkage of a batch: compiled frame by frame on a CPU, in torch's operations elsewhere; the same formulas.

In one frame with cells ``a``, base ``b`` and levels ``l = u w``:

- ``v = a - q b`` with ``q = coherence <a, b> / <b, b>``, 0 in missing cells;
- ``s = sign(v) min((1 + firmness) (|v| - l)_+, |v|)``;
- the answer ``k s`` with ``k = (1 - group mean(l) sqrt(D) / ||s||)_+``: a frame of D cells at the level has length
  ``sqrt(D) l``, which is the unit of the group level.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rpca_affect.engine import jit


def sparse_group_shrink(
    argument: Tensor, base: Tensor, level: Tensor, weight: Tensor, numbers: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Shrink cells and frames, given the base.

    Parameters
    ----------
    argument, base : Tensor of shape (B, T, D)
    level : Tensor of shape (B, T, 1), or (B, T, D)
        Not below zero.
    weight : Tensor of shape (D,) or (1,)
        Factor on the level for each feature.
    numbers : Tensor of shape (3,)
        Coherence, firmness and group.
    mask : Tensor of bool, shape (B, T, D), optional

    Returns
    -------
    Tensor of shape (B, T, D)

    Examples
    --------
    >>> import torch
    >>> x, one = torch.tensor([[[3.0, 1.0, 0.5]]]), torch.ones(1)
    >>> sparse_group_shrink(x, 0 * x, torch.ones(1, 1, 1), one, torch.zeros(3))
    tensor([[[2., 0., 0.]]])
    """
    given = (argument, base, level, weight.expand(argument.shape[-1]), numbers)
    plain = level.shape[-1] == 1 and {x.dtype for x in given} in ({torch.float32}, {torch.float64})
    if argument.device.type == "cpu" and plain and jit.available() and not torch.compiler.is_compiling():
        return _Shrink.apply(*given, mask)
    return _in_torch(*given, mask)


def _in_torch(
    argument: Tensor, base: Tensor, level: Tensor, weight: Tensor, numbers: Tensor, mask: Tensor | None
) -> Tensor:
    coherence, firmness, group = numbers
    energy = base.square().sum(-1, keepdim=True)
    along = (argument * base).sum(-1, keepdim=True)
    left = argument - base * (coherence * along / torch.where(energy > 0, energy, 1.0))
    if mask is not None:
        left = torch.where(mask, left, 0.0)
    levels, size = level * weight, left.abs()
    sparse = ((1 + firmness) * (left - left.clamp(-levels, levels))).clamp(-size, size)
    square = sparse.square().sum(-1, keepdim=True)
    length = torch.where(square > 0, square, 1.0).sqrt()
    least = group * levels.mean(-1, keepdim=True) * argument.shape[-1] ** 0.5
    return sparse * torch.where(square > 0, (1 - least / length).clamp_min(0), 0.0)


class _Shrink(torch.autograd.Function):
    """The compiled form; the intermediate numbers of the gradient are computed again, frame by frame."""

    @staticmethod
    def forward(ctx, argument, base, level, weight, numbers, mask):
        known = torch.ones_like(argument, dtype=torch.bool) if mask is None else mask
        given = (argument, base, level, weight, numbers, known)
        ctx.save_for_backward(*given)
        out = torch.empty_like(argument, memory_format=torch.contiguous_format)
        forward()(*map(_rows, given), _rows(out))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        given = ctx.saved_tensors
        grads = [torch.zeros_like(x, memory_format=torch.contiguous_format) for x in given[:-1]]
        backward()(*map(_rows, (grad, *given, *grads)))
        return *grads, None


def _rows(x: Tensor) -> np.ndarray:
    """A batch (B, T, D) as (frames, features); a view of a contiguous batch."""
    array = x.detach().contiguous().numpy()
    return array if x.ndim < 3 else array.reshape(-1, x.shape[-1])


@cache
def forward() -> Callable:
    """Compile on first use; kept on disk where there is a place for it."""
    return jit.built((_share, _shrunk, _forward), globals())


@cache
def backward() -> Callable:
    """The same for the gradient."""
    forward()
    return jit.built((_backward,), globals())


def _share(a, b):
    """``<a, b>`` and ``<b, b>``."""
    along = energy = 0.0
    for d in range(len(a)):
        along += a[d] * b[d]
        energy += b[d] * b[d]
    return along, energy


def _shrunk(a, b, u, w, numbers, known, v, s):
    """Write ``v`` and ``s`` of one frame; return ``<s, s>`` and the sum of the levels."""
    along, energy = _share(a, b)
    share = numbers[0] * along / energy if energy > 0 else energy
    square = total = w[0] - w[0]
    for d in range(len(a)):
        level = u * w[d]
        v[d] = a[d] - share * b[d] if known[d] else 0
        size = abs(v[d])
        # Asked this way round, NaN stays NaN.
        s[d] = 0 if size <= level else np.copysign(min((1 + numbers[1]) * (size - level), size), v[d])
        square += s[d] * s[d]
        total += level
    return square, total


def _forward(a, b, u, w, numbers, known, out):
    side = a.shape[1]
    v = np.empty(side, a.dtype)
    for t in range(len(a)):
        square, total = _shrunk(a[t], b[t], u[t, 0], w, numbers, known[t], v, out[t])
        if square > 0 and numbers[2] > 0:
            kept = max(1 - numbers[2] * total / np.sqrt(side * square), 0)
            for d in range(side):
                out[t, d] *= kept


def _backward(grad, a, b, u, w, numbers, known, grad_a, grad_b, grad_u, grad_w, grad_numbers):
    """Add the gradients to arrays of zeros."""
    side = a.shape[1]
    v, s = np.empty(side, a.dtype), np.empty(side, a.dtype)
    coherence, rise, group = numbers[0], 1 + numbers[1], numbers[2]
    for t in range(len(a)):
        square, total = _shrunk(a[t], b[t], u[t, 0], w, numbers, known[t], v, s)
        if not square > 0:
            continue
        least = group * total / np.sqrt(side)
        length = np.sqrt(square)
        kept = 1 - least / length
        if kept < 0:
            continue
        dot = square * 0
        for d in range(side):
            dot += grad[t, d] * s[d]
        grad_numbers[2] -= dot / length * total / np.sqrt(side)
        on_level = -dot / length * group / np.sqrt(side)
        on_share = dot * 0
        for d in range(side):
            size, sign, level = abs(v[d]), np.copysign(1, v[d]), u[t, 0] * w[d]
            on_s = kept * grad[t, d] + dot * least / (length * square) * s[d]
            on_v, on_l = on_s * 0, on_level
            if size > level:
                if rise * (size - level) <= size:
                    on_v = rise * on_s
                    on_l -= sign * on_v
                    grad_numbers[1] += sign * (size - level) * on_s
                else:
                    on_v = on_s
            grad_u[t, 0] += on_l * w[d]
            grad_w[d] += on_l * u[t, 0]
            grad_a[t, d] = on_v
            on_share -= on_v * b[t, d]
        along, energy = _share(a[t], b[t])
        if energy > 0:
            share = coherence * along / energy
            grad_numbers[0] += on_share * along / energy
            for d in range(side):
                grad_b[t, d] = coherence * on_share / energy * (a[t, d] - 2 * along / energy * b[t, d])
                grad_b[t, d] -= share * grad_a[t, d]
                grad_a[t, d] += coherence * on_share / energy * b[t, d]
