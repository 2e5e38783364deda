"""LSEF: unrolled stages, then CIM, then a head; each part can be taken out."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rpca_affect.cascade import cascade, hold
from rpca_affect.deep.fusion import CIM
from rpca_affect.deep.modules import DDM
from rpca_affect.deep.spectral import frame_mask
from rpca_affect.deep.track import Continuity, bridge
from rpca_affect.deep.unroll import Stages, Unrolled
from rpca_affect.solvers import ADMM, InexactALM

# IALM not over-relaxed: the card was measured with networks that start as the plain iteration.
_SOLVERS = {"ialm": InexactALM(relax=1.0), "admm": ADMM()}


class LSEFOutput(NamedTuple):
    """Output of `LSEF`.

    Attributes
    ----------
    prediction : Tensor of shape (B, C) or (B, T, C)
        Class scores before the softmax, or one value per output (and frame).
    base, transient : Tensor of shape (B, T, D)
        In the units of the input; the centre of the features is part of the base, and what is in neither part is noise.
        A frame that is missing or not believed has the base of its neighbours. A transient is what the last stage
        found and stands out of the sequence's noise (at first by four standard deviations), see `DDM.read`.
    tokens : Tensor of shape (B, T, H)
    embedding : Tensor of shape (B, 2 H)
    reliability : Tensor of shape (B, T)
        Between 0 (missing, or not believed) and 1.
    stages : Stages or None
        Parts after every stage, in scaled units; ``stages.diagnostics()`` gives rank, sparsity and residual per stage.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(2, 20, 6, generator=torch.Generator().manual_seed(0))
    >>> out = LSEF(6, 3, hidden=8)(x)
    >>> out.base.shape == out.transient.shape == x.shape, tuple(out.embedding.shape)
    (True, (2, 16))
    """

    prediction: Tensor
    base: Tensor
    transient: Tensor
    tokens: Tensor
    embedding: Tensor
    reliability: Tensor
    stages: Stages | None


class FeatureScale(nn.Module):
    """Centre and spread of each feature, learned from data once and stored with the weights.

    Parameters
    ----------
    n_features : int

    Examples
    --------
    >>> import numpy as np, torch
    >>> scale = FeatureScale(1).fit([np.array([[1.0], [3.0]]), np.array([[np.nan]])])
    >>> scale(torch.tensor([[[4.0]]])).item()
    2.0
    """

    center: Tensor
    spread: Tensor

    def __init__(self, n_features: int):
        super().__init__()
        self.register_buffer("center", torch.zeros(n_features))
        self.register_buffer("spread", torch.ones(n_features))

    def fit(self, sequences: Sequence) -> "FeatureScale":
        """Mean and standard deviation over the observed (not NaN) cells of (T_i, D) arrays; a constant one keeps 1."""
        frames = torch.cat([torch.as_tensor(s, dtype=torch.float64) for s in sequences])
        known = torch.isfinite(frames)
        count = known.sum(0).clamp_min(1)
        center = torch.where(known, frames, 0.0).sum(0) / count
        variance = torch.where(known, (frames - center).square(), 0.0).sum(0) / count
        spread = torch.where(variance > 0, variance, 1.0).sqrt()
        self.center.copy_(center)
        self.spread.copy_(torch.where(spread > 1e-9 * center.abs(), spread, 1.0))
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Centred and scaled features."""
        return (x - self.center) / self.spread


class LSEF(nn.Module):
    """Low-rank and sparse network for sequences of per-frame features.

    Parameters
    ----------
    n_features, n_outputs : int
        Features per frame; classes, or continuous values.
    per_frame : bool
        One prediction per frame (valence/arousal) instead of one per clip.
    hidden : int
        Width of CIM.
    n_stages : int
        Unrolled steps; 0 replaces SEM and DDM by the identity (base = x, no transients).
    solver : {"ialm", "admm"}
        Iteration that is unrolled.
    filter_width : int
        Frames in SEM's trained low-pass; 1 = none.
    scales : sequence of int
        Temporal scales of CIM.
    modulate : bool
        See `rpca_affect.deep.CIM`.
    robust : bool, optional
        See `rpca_affect.deep.CIM`; by default on for clips and off per frame, where bursts carry the arousal.
    track : bool, optional
        Whether frames that do not fit the others are set aside before the split, see
        `rpca_affect.deep.track.Continuity`; by default where ``robust`` is. Needs `fit`, as the scaler does.
    dropout : float
        Before the head.
    split_share : float
        Share of the training batches, drawn at random, whose gradient reaches SEM and DDM: they have few weights, and
        a step with their gradient takes half as long again.
    widths : sequence of int
        Frames in a block of every level of the split, slowest first, the last 1; see `rpca_affect.solve_levels`. Each
        slower level has stages of its own.

    Examples
    --------
    >>> import torch
    >>> out = LSEF(6, 3)(torch.randn(2, 20, 6))
    >>> out.prediction.shape, out.base.shape, tuple(out.stages.diagnostics()["rank"].shape)
    (torch.Size([2, 3]), torch.Size([2, 20, 6]), (3, 2))
    """

    def __init__(
        self,
        n_features: int,
        n_outputs: int,
        per_frame: bool = False,
        hidden: int = 32,
        n_stages: int = 3,
        solver: str = "ialm",
        filter_width: int = 1,
        scales: Sequence[int] = (1, 2, 4, 8),
        modulate: bool = True,
        robust: bool | None = None,
        track: bool | None = None,
        dropout: float = 0.1,
        split_share: float = 0.25,
        widths: Sequence[int] = (1,),
    ):
        super().__init__()
        if solver not in _SOLVERS:
            raise ValueError(f"solver is {solver!r}; give one of {', '.join(_SOLVERS)}.")
        self.per_frame = per_frame
        self.split_share = split_share
        self.scaler = FeatureScale(n_features)
        self.unrolled = Unrolled(n_stages, n_features, _SOLVERS[solver], filter_width) if n_stages else None
        self.reading = DDM(n_features, sigmas=4.0, firmness=1.0) if n_stages else None
        self.widths = tuple(widths)
        if self.widths[-1:] != (1,) or any(a <= b for a, b in pairwise(self.widths)):
            raise ValueError(f"widths are {self.widths}; give falling numbers of frames that end with 1.")
        slower = self.widths[:-1] if n_stages else ()
        self.slower = nn.ModuleList(Unrolled(n_stages, n_features, _SOLVERS[solver]) for _ in slower)
        self.slower_reading = nn.ModuleList(DDM(n_features, sigmas=4.0, firmness=1.0) for _ in slower)
        self.level_share = nn.Parameter(torch.ones(len(slower), n_features)) if slower else None
        robust = not per_frame if robust is None else robust
        self.track = Continuity() if (robust if track is None else track) else None
        self.cim = CIM(n_features, hidden, scales, modulate, robust)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden if per_frame else 2 * hidden, n_outputs))

    def fit(self, sequences: Sequence) -> "LSEF":
        """Learn centre, spread and the size of steps from (T_i, D) arrays with NaN where missing."""
        self.scaler.fit(sequences)
        if self.track is not None:
            self.track.fit([self.scaler(torch.as_tensor(s, dtype=self.scaler.center.dtype)) for s in sequences])
        return self

    def forward(self, x: Tensor, mask: Tensor | None = None) -> LSEFOutput:
        """Split, fuse and predict.

        Parameters
        ----------
        x : Tensor of shape (B, T, D)
        mask : Tensor of bool, shape (B, T) or (B, T, D), optional
            True where observed.

        Returns
        -------
        LSEFOutput
        """
        if x.ndim != 3 or x.shape[-1] != len(self.scaler.center):
            raise ValueError(f"x has shape {tuple(x.shape)}; give (sequences, frames, {len(self.scaler.center)}).")
        scaled = self.scaler(x)
        cells = torch.ones_like(x, dtype=torch.bool) if mask is None else frame_mask(mask, x)
        believed = cells.any(-1) if self.track is None else self.track(scaled, cells)
        known = cells & believed.unsqueeze(-1)
        # A frame with nothing to believe lies between its neighbours; outside the first and the last one is nothing.
        line, reached = bridge(scaled, known)
        gap = ~believed.unsqueeze(-1)
        seen = torch.where(gap, reached, known)
        filled = torch.where(known, scaled, line * gap)
        stages, slow, base, transient = self._split(filled, seen)
        # CIM reads the parts as they are reported, and what is in neither: they add up to x, nothing is lost.
        read = base if self.level_share is None else base + ((self.level_share - 1)[:, None, None] * slow).sum(0)
        fused = self.cim(read, transient, seen, filled - base - transient)
        # What a frame that is not believed reads beyond the base of its neighbours is transient.
        transient = torch.where(known, transient, torch.where(cells, scaled - base, 0.0))
        prediction = self.head(fused.tokens if self.per_frame else fused.embedding)
        base = base * self.scaler.spread + self.scaler.center
        transient = transient * self.scaler.spread
        reliability = fused.reliability * believed
        return LSEFOutput(prediction, base, transient, fused.tokens, fused.embedding, reliability, stages)

    def _split(self, x: Tensor, seen: Tensor) -> tuple[Stages | None, Tensor, Tensor, Tensor]:
        """Stages of the quickest level, bases of the slower ones (J, B, T, D), the whole base and all transients.

        In training only every so many batches keep what the gradient needs.
        """
        if self.unrolled is None or self.reading is None:
            return None, x[None][:0], x, torch.zeros_like(x)
        trains = not self.training or self.split_share >= 1 or bool(torch.rand(()) < self.split_share)
        with torch.set_grad_enabled(trains and torch.is_grad_enabled()):
            found: Any = cascade(x, seen, self.widths, self._level)
            *slower, stages = found.answers
            rest = x - found.base - sum(found.transients[:-1])
            transient = self.reading.read(stages.transient, rest, stages.base, seen)
            for width, answer in zip(self.widths, slower):
                transient = transient + torch.where(seen, hold(answer, width, x.shape[-2]), 0.0)
            slow = torch.stack(found.bases[:-1]) if slower else x[None][:0]
            return stages, slow, found.base, transient

    def _level(self, values: Any, known: Any, width: int) -> tuple[Tensor, Tensor, Any]:
        """One level of the cascade: its stages; of a slower level, the cells beyond the noise of its blocks."""
        k = self.widths.index(width)
        unrolled: Any = self.unrolled if width == 1 else self.slower[k]
        stages = unrolled(values, known)
        if width == 1:
            return stages.base, stages.transient, stages
        reading: Any = self.slower_reading[k]
        reported = reading.read(stages.transient, values - stages.base, stages.base, known)
        return stages.base, stages.transient, reported
