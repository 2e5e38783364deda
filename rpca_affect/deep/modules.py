"""SEM and DDM: trained proximal operators of the emotional base and of the transients, usable alone."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rpca_affect.deep.shrinkage import sparse_group_shrink
from rpca_affect.deep.spectral import frame_mask, singular_value_shrink, spectrum, top_singular_value


class SEM(nn.Module):
    """Stability encoding: the low-rank base, by trained singular-value shrinkage after a trained temporal low-pass.

    ``L = U diag(f(s)) V^T`` with f a firm threshold (see `rpca_affect.deep.spectral.singular_value_shrink`).
    Untrained it is singular-value thresholding, ``argmin_L level ||L||_* + 0.5 ||L - X||_F^2``.

    Parameters
    ----------
    n_features : int, optional
        Gives the low-pass one kernel per feature; by default all features share one.
    filter_width : int
        Frames in the low-pass (odd); 1 = none. It starts as the identity.
    share : float
        Level relative to the largest singular value where the module is used alone; trained.

    Examples
    --------
    >>> import torch
    >>> x = torch.outer(torch.ones(6), torch.arange(1.0, 5.0)) + 0.01 * torch.eye(6, 4)
    >>> torch.linalg.matrix_rank(SEM()(x[None])).item()
    1
    """

    def __init__(self, n_features: int | None = None, filter_width: int = 1, share: float = 0.1):
        super().__init__()
        if filter_width < 1 or filter_width % 2 == 0:
            raise ValueError(f"filter_width is {filter_width}; give an odd number of frames, 1 for no filter.")
        self.log_share = nn.Parameter(torch.tensor(share).log())
        self.log_level = nn.Parameter(torch.zeros(()))
        self.firmness = nn.Parameter(torch.zeros(()))
        kernel = torch.zeros(n_features or 1, filter_width)
        kernel[:, filter_width // 2] = 1
        self.kernel = nn.Parameter(kernel) if filter_width > 1 else None

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Base of a batch of sequences.

        Parameters
        ----------
        x : Tensor of shape (B, T, D)
        mask : Tensor of bool, shape (B, T) or (B, T, D), optional
            True where observed.

        Returns
        -------
        Tensor of shape (B, T, D)
            Zero where nothing was observed; ``SEM()(c x) = c SEM()(x)``.
        """
        cells = None if mask is None else frame_mask(mask, x)
        x = x if cells is None else torch.where(cells, x, 0.0)
        x = self._smooth(x, cells)
        known = spectrum(x)
        level = self.log_share.exp() * top_singular_value(x, known)
        base = singular_value_shrink(x, level, at_least_zero(self.firmness), known=known)
        return base if cells is None else torch.where(cells, base, 0.0)

    def shrink(self, argument: Tensor, level: Tensor, mask: Tensor | None = None) -> Tensor:
        """Proximal operator with the level of a solver; ``mask`` (B, T, D) or None only steers the low-pass."""
        argument = self._smooth(argument, mask)
        return singular_value_shrink(argument, level * self.log_level.exp(), at_least_zero(self.firmness))

    def _smooth(self, x: Tensor, cells: Tensor | None) -> Tensor:
        if self.kernel is None:
            return x
        frames = None if cells is None else cells.any(-1, keepdim=True)
        return masked_filter(x, self.kernel, frames)


class DDM(nn.Module):
    """Dynamic decoupling: the sparse transients, by trained sparse-group shrinkage conditioned on the base.

    ``argmin_S level ||S||_1 + group_level sum_t ||S_t||_2 + 0.5 ||S - X||_F^2`` with levels that are trained
    per feature and gated per frame by the energy and the speed of the base. Before it, a trained share of what
    points along the base in a frame is taken out, and a trained firmness keeps large transients unshrunk.
    Untrained it is soft thresholding.

    Parameters
    ----------
    n_features : int, optional
        Gives one level per feature; by default all features share one.
    sigmas : float
        Level in units of the sequence's own noise where the module is used alone; trained.
    firmness : float
        At first; trained.

    Examples
    --------
    >>> import torch
    >>> x = torch.linspace(0, 1, 50).repeat(4, 1).T.clone(); x[20:23] += 5
    >>> transient = DDM()(x[None], torch.linspace(0, 1, 50).repeat(4, 1).T[None])
    >>> transient[0].any(-1).nonzero().ravel().tolist()
    [20, 21, 22]
    """

    def __init__(self, n_features: int | None = None, sigmas: float = 3.0, firmness: float = 0.0):
        super().__init__()
        self.log_sigmas = nn.Parameter(torch.tensor(sigmas).log())
        self.log_level = nn.Parameter(torch.zeros(n_features or 1))
        self.group = nn.Parameter(torch.zeros(()))
        self.firmness = nn.Parameter(torch.tensor(firmness))
        self.gate = nn.Parameter(torch.zeros(2))
        self.coherence = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, base: Tensor, mask: Tensor | None = None) -> Tensor:
        """Transients of a batch of sequences, given their base.

        Parameters
        ----------
        x, base : Tensor of shape (B, T, D)
        mask : Tensor of bool, shape (B, T) or (B, T, D), optional
            True where observed.

        Returns
        -------
        Tensor of shape (B, T, D)
            Zero where nothing was observed; ``DDM()(c x, c base) = c DDM()(x, base)``.
        """
        cells = None if mask is None else frame_mask(mask, x)
        rest = x - base
        if cells is not None:
            rest = torch.where(cells, rest, 0.0)
            base = torch.where(cells, base, 0.0)
        return self.read(rest, rest, base, cells)

    def read(self, argument: Tensor, rest: Tensor, base: Tensor, mask: Tensor | None = None) -> Tensor:
        """The part of ``argument`` that stands out of the noise of ``rest``, the input less the base.

        Shapes (B, T, D); ``mask`` (B, T, D) or None. The noise of a sequence is 1.4826 times the median of ``|rest|``.
        """
        with torch.no_grad():
            size = rest.abs() if mask is None else torch.where(mask, rest.abs(), float("nan"))
            sigma = 1.4826 * size.flatten(-2).nanmedian(-1).values[..., None, None].nan_to_num(0.0)
        return self.shrink(argument, self.log_sigmas.exp() * sigma, base, mask)

    def shrink(
        self,
        argument: Tensor,
        level: Tensor,
        base: Tensor,
        mask: Tensor | None = None,
        frames: Tensor | None = None,
    ) -> Tensor:
        """Proximal operator with the level of a solver; ``mask`` (B, T, D) or None.

        ``frames`` (B, T, 1) is 1 where a frame has an observed cell, for callers that know it already.
        """
        if frames is None:
            frames = observed_frames(mask, base)
        energy = base.square().sum(-1, keepdim=True)
        numbers = torch.stack([self.coherence, at_least_zero(self.firmness), at_least_zero(self.group)])
        gated = level * self._gate(base, energy, frames)
        return sparse_group_shrink(argument, base, gated, self.log_level.exp(), numbers, mask)

    def _gate(self, base: Tensor, energy: Tensor, frames: Tensor) -> Tensor:
        """Factor on the levels, (B, T, 1), from the energy and the speed of the base relative to its average energy."""
        energy = energy * frames
        mean = energy.sum(-2, keepdim=True) / frames.sum(-2, keepdim=True).clamp_min(1)
        mean = torch.where(mean > 0, mean, 1.0)
        step = F.pad((base[..., 1:, :] - base[..., :-1, :]).square().sum(-1, keepdim=True), (0, 0, 1, 0))
        both = frames * F.pad(frames[..., :-1, :], (0, 0, 1, 0))
        inputs = torch.cat([energy / mean, step * both / mean], -1)
        return torch.exp(torch.tanh(torch.log1p(inputs) @ self.gate[:, None]))


def observed_frames(mask: Tensor | None, like: Tensor) -> Tensor:
    """1 where a frame of (B, T, D) has an observed cell, else 0, shape (B, T, 1)."""
    return torch.ones_like(like[..., :1]) if mask is None else mask.any(-1, keepdim=True).to(like.dtype)


def at_least_zero(parameter: Tensor) -> Tensor:
    """The parameter, not below zero, with a gradient that can always bring it back."""
    return parameter + (parameter.clamp_min(0) - parameter).detach()


def masked_filter(x: Tensor, kernel: Tensor, frames: Tensor | None = None) -> Tensor:
    """Temporal filter of (B, T, D), kernels (D or 1, width); weights of missing neighbours go to the frames present.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[[1.0], [2.0], [9.0]]])
    >>> masked_filter(x, torch.ones(1, 3) / 3, torch.tensor([[[True], [True], [False]]])).ravel().tolist()
    [1.5, 1.5, 0.0]
    """
    kernel = kernel.to(x.dtype)
    total = kernel.sum(-1)
    if frames is None:
        present, signal = torch.ones_like(x[..., :1]), _filter(x, kernel)
    else:
        # A mask of whole frames (the usual one) is one column, which makes the filter cheap.
        present = frames.to(x.dtype)
        signal = _filter(x * present, kernel)
    # What the kernel gives to absent neighbours (gaps, ends) is shifted to the frame itself: a constant stays a
    # constant.
    absent = total - _filter(present, kernel)
    present_sum = total - absent
    safe = present_sum.abs() > 0.1 * kernel.abs().sum(-1)
    scaled = signal * (total / torch.where(safe, present_sum, 1.0))
    return torch.where(safe, scaled, signal + absent * x) * present


def _filter(x: Tensor, kernel: Tensor) -> Tensor:
    """Each feature of (B, T, D or 1) with its own kernel (D or 1, width), zero beyond the ends.

    A few products of whole arrays: a depthwise convolution takes several times as long on a CPU.
    """
    width, length = kernel.shape[-1], x.shape[-2]
    padded = F.pad(x, (0, 0, width // 2, width // 2))
    out = padded[..., :length, :] * kernel[:, 0]
    for k in range(1, width):
        out = out + padded[..., k : k + length, :] * kernel[:, k]
    return out
