"""CIM: the meaning of a fluctuation depends on the base it rides on; fused at several temporal scales."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Fused(NamedTuple):
    """Output of `CIM`.

    Attributes
    ----------
    tokens : Tensor of shape (B, T, H)
        Per-frame representation; zero on masked frames.
    embedding : Tensor of shape (B, 2 H)
        Of the whole clip: mean and maximum over its frames.
    reliability : Tensor of shape (B, T)
        Between 0 (the frame is an outlier or missing) and 1.

    Examples
    --------
    >>> import torch
    >>> fused = CIM(6, 8)(torch.zeros(2, 20, 6), torch.zeros(2, 20, 6), torch.zeros(2, 20, 6))
    >>> tuple(fused.tokens.shape), tuple(fused.embedding.shape), tuple(fused.reliability.shape)
    ((2, 20, 8), (2, 16), (2, 20))
    """

    tokens: Tensor
    embedding: Tensor
    reliability: Tensor


class CIM(nn.Module):
    """Consistency integration: fuse base and transients at temporal scales 1, 2, 4, 8.

    The base modulates the transients (a gain per channel that starts at 1), and residual dilated convolutions read
    their sum at every scale. Where transients are damage, ``robust``, they are read with the weights of the base: it
    hardly matters how a frame was split, and few sequences suffice for training. Where they are what is looked for,
    they have weights of their own (which start as those of the base), and convolutions of their own that are not
    normalised, for it counts how large they are.

    What is in neither part (noise, and what the thresholds took) is read with the weights of the base too, by a share
    that is trained for each feature and starts at 1: nothing of the input is lost at first.

    A frame whose transient is large beside the base of its sequence counts as unreliable: its base is borrowed from
    reliable neighbours, its transient saturates, and its weight in the clip embedding falls. All are bounded, so one
    broken frame can move the result only so far.

    Parameters
    ----------
    n_features : int
        D.
    hidden : int
        H.
    scales : sequence of int
        Dilations, in frames.
    modulate : bool
        Whether the base modulates the transients.
    robust : bool
        Whether unreliable frames are told apart and transients saturate. Right where bursts are damage, wrong
        where bursts are what is looked for (arousal per frame).

    Examples
    --------
    >>> import torch
    >>> fused = CIM(6, 8)(torch.randn(2, 20, 6), torch.zeros(2, 20, 6))
    >>> fused.tokens.shape, fused.embedding.shape
    (torch.Size([2, 20, 8]), torch.Size([2, 16]))
    """

    def __init__(
        self,
        n_features: int,
        hidden: int = 32,
        scales: Sequence[int] = (1, 2, 4, 8),
        modulate: bool = True,
        robust: bool = True,
    ):
        super().__init__()
        self.robust = robust
        self.base_in = nn.Linear(n_features, hidden)
        self.rest_share = nn.Parameter(torch.ones(n_features))
        self.transient_in = None if robust else nn.Linear(n_features, hidden, bias=False)
        self.gain = nn.Linear(hidden, hidden) if modulate else None
        self.scales = tuple(scales)
        self.convs = nn.ModuleList(nn.Linear(3 * hidden, hidden) for _ in scales)
        self.transient_convs = None if robust else nn.ModuleList(nn.Linear(3 * hidden, hidden) for _ in scales)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in scales)
        self.log_tolerance = nn.Parameter(torch.zeros(())) if robust else None
        if self.transient_in is not None:
            self.transient_in.load_state_dict({"weight": self.base_in.weight})
        for parameter in self.gain.parameters() if self.gain is not None else ():
            nn.init.zeros_(parameter)

    def forward(self, base: Tensor, transient: Tensor, mask: Tensor | None = None, rest: Tensor | None = None) -> Fused:
        """Fuse the two parts of a batch.

        Parameters
        ----------
        base, transient : Tensor of shape (B, T, D)
        mask : Tensor of bool, shape (B, T) or (B, T, D), optional
            True where observed.
        rest : Tensor of shape (B, T, D), optional
            Noise: the input less both parts.

        Returns
        -------
        Fused
        """
        frames = _frames(mask, base)
        present = frames.to(base.dtype).unsqueeze(-1)
        base, transient = torch.where(frames[..., None], base, 0.0), torch.where(frames[..., None], transient, 0.0)
        rest = torch.zeros_like(base) if rest is None else torch.where(frames[..., None], rest, 0.0)
        unit = _root(
            base.square().mean(-1, keepdim=True).sum(-2, keepdim=True) / present.sum(-2, keepdim=True).clamp_min(1)
        )
        unit = torch.where(unit > 0, unit, 1.0)
        size = _root(transient.square().mean(-1, keepdim=True)) / unit
        trust = present
        if self.log_tolerance is not None:
            trust = present / (1 + (size / self.log_tolerance.exp()).square())
            base = borrow(base, trust, frames)
            rest = rest * trust
            transient = transient / torch.sqrt(1 + (transient / (3 * unit)).square())
        # Between the first and the last observed frame a borrowed base stands in; outside there is nothing.
        inside = (_inside(frames).to(base.dtype) if self.robust else present[..., 0]).unsqueeze(-1)
        tokens = self.base_in(base)
        own = self.base_in if self.transient_in is None else self.transient_in
        s = F.linear(transient, own.weight) * inside
        s = s if self.gain is None else s * (1 + self.gain(tokens))
        tokens = (tokens + s + F.linear(rest * self.rest_share, self.base_in.weight)) * inside
        for k, scale in enumerate(self.scales):
            found = self.convs[k](_neighbours(self.norms[k](tokens) * inside, scale))
            if self.transient_convs is not None:
                found = found + self.transient_convs[k](_neighbours(s, scale))
            tokens = (tokens + F.gelu(found)) * inside
        tokens = tokens * present
        weight = trust / trust.sum(-2, keepdim=True).clamp_min(1e-6)
        mean = (weight * tokens).sum(-2)
        # A weight near zero must not win the maximum: tokens shrink towards the mean as their frame loses trust.
        embedding = pooled(mean, mean[:, None] + trust * (tokens - mean[:, None]), frames)
        return Fused(tokens, embedding, trust[..., 0])


def pooled(mean: Tensor, tokens: Tensor, frames: Tensor) -> Tensor:
    """Mean (B, H) beside the maximum of the tokens (B, T, H) over the observed frames, 0 where there is none."""
    peak = torch.where(frames[..., None], tokens, -torch.inf).amax(-2)
    peak = torch.where(frames.any(-1, keepdim=True), peak, 0.0)
    return torch.cat([mean, peak], -1)


def borrow(x: Tensor, trust: Tensor, frames: Tensor, reach: int = 6) -> Tensor:
    """Mix every frame with its trusted neighbours, the more the less it is trusted itself.

    Parameters
    ----------
    x : Tensor of shape (B, T, D)
    trust : Tensor of shape (B, T, 1)
        Between 0 and 1.
    frames : Tensor of bool, shape (B, T)
        Observed frames.
    reach : int
        Neighbours on each side; nearer ones weigh more.
    """
    time = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
    apart = (time[:, None] - time).abs()
    kernel = torch.exp(-apart) * ((apart > 0) & (apart <= reach))
    sums = kernel @ torch.cat([trust, trust * x], -1)
    around = sums[..., 1:] / sums[..., :1].clamp_min(1e-6)
    known = (sums[..., :1] > 1e-6).to(x.dtype)
    return x * (1 - (1 - trust) * known) + (1 - trust) * known * around


def _neighbours(x: Tensor, distance: int) -> Tensor:
    """Each frame beside the ones ``distance`` before and after, (B, T, 3 H): a dilated convolution as one product."""
    padded = F.pad(x, (0, 0, distance, distance))
    return torch.cat([padded[:, : x.shape[1]], x, padded[:, 2 * distance :]], -1)


def _frames(mask: Tensor | None, x: Tensor) -> Tensor:
    if mask is None:
        return torch.ones(x.shape[:-1], dtype=torch.bool, device=x.device)
    return mask if mask.ndim == 2 else mask.any(-1)


def _inside(frames: Tensor) -> Tensor:
    return (frames.cumsum(-1) > 0) & (frames.flip(-1).cumsum(-1).flip(-1) > 0)


def _root(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 1.0).sqrt() * (x > 0)
