"""The plain sequence models to compare with: GRU, TCN and transformer, with the same scaler, pooling and head."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rpca_affect.deep.fusion import pooled
from rpca_affect.deep.model import LSEF, FeatureScale


class SequenceModel(nn.Module):
    """Scaler, one of three plain bodies, masked mean and maximum over time, linear head.

    Parameters
    ----------
    body : {"gru", "tcn", "transformer"}
        Bidirectional GRU of one layer; four residual dilated convolutions; two pre-norm transformer layers.
    n_features, n_outputs : int
    per_frame : bool
        One prediction per frame instead of one per clip.
    hidden : int
    dropout : float

    Examples
    --------
    >>> import torch
    >>> SequenceModel("tcn", 6, 3)(torch.randn(2, 20, 6)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        body: str,
        n_features: int,
        n_outputs: int,
        per_frame: bool = False,
        hidden: int = 32,
        dropout: float = 0.1,
    ):
        super().__init__()
        bodies = {"gru": GRUBody, "tcn": TCNBody, "transformer": TransformerBody}
        if body not in bodies:
            raise ValueError(f"body is {body!r}; give one of {', '.join(bodies)}.")
        self.per_frame = per_frame
        self.scaler = FeatureScale(n_features)
        self.body = bodies[body](n_features, hidden)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden if per_frame else 2 * hidden, n_outputs))

    def fit(self, sequences: Sequence) -> "SequenceModel":
        """Learn centre and spread of the features from (T_i, D) arrays with NaN where missing."""
        self.scaler.fit(sequences)
        return self

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Predict (B, C), or (B, T, C) per frame; masked frames enter as the average frame."""
        x = self.scaler(x)
        frames = torch.ones_like(x[..., 0], dtype=torch.bool)
        if mask is not None:
            frames = mask if mask.ndim == 2 else mask.any(-1)
            x = torch.where(mask.unsqueeze(-1) if mask.ndim == 2 else mask, x, 0.0)
        tokens = self.body(x, frames)
        if self.per_frame:
            return self.head(tokens)
        weight = frames[..., None].to(x.dtype)
        mean = (tokens * weight).sum(1) / weight.sum(1).clamp_min(1)
        return self.head(pooled(mean, tokens, frames))


class GRUBody(nn.Module):
    """Bidirectional GRU of one layer."""

    def __init__(self, n_features: int, hidden: int):
        super().__init__()
        self.gru = nn.GRU(n_features, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        """Tokens (B, T, H); the backward direction starts at the last observed frame."""
        reach = (frames.flip(-1).cumsum(-1).flip(-1) > 0).sum(-1).clamp_min(1)
        packed = nn.utils.rnn.pack_padded_sequence(x, reach.cpu(), batch_first=True, enforce_sorted=False)
        out, _ = self.gru(packed)
        return nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])[0]


class TCNBody(nn.Module):
    """Residual dilated convolutions (1, 2, 4, 8)."""

    def __init__(self, n_features: int, hidden: int):
        super().__init__()
        self.enter = nn.Linear(n_features, hidden)
        self.convs = nn.ModuleList(nn.Conv1d(hidden, hidden, 3, padding=d, dilation=d) for d in (1, 2, 4, 8))
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in self.convs)

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        """Tokens (B, T, H)."""
        weight = frames[..., None].to(x.dtype)
        tokens = self.enter(x) * weight
        for conv, norm in zip(self.convs, self.norms):
            tokens = (tokens + F.gelu(conv(norm(tokens).mT * weight.mT)).mT) * weight
        return tokens


class TransformerBody(nn.Module):
    """Two pre-norm transformer layers over sinusoidal positions."""

    def __init__(self, n_features: int, hidden: int):
        super().__init__()
        self.enter = nn.Linear(n_features, hidden)
        layer = nn.TransformerEncoderLayer(hidden, 4, 2 * hidden, 0.1, F.gelu, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(hidden), enable_nested_tensor=False)

    def forward(self, x: Tensor, frames: Tensor) -> Tensor:
        """Tokens (B, T, H)."""
        hidden = self.enter.out_features
        place = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)[:, None]
        rate = torch.exp(-math.log(1e4) * torch.arange(0, hidden, 2, dtype=x.dtype, device=x.device) / hidden)
        position = torch.cat([torch.sin(place * rate), torch.cos(place * rate)], -1)
        # A sequence with nothing observed attends to its (zero) frames rather than to nothing.
        hide = ~frames & frames.any(-1, keepdim=True)
        return self.encoder(self.enter(x) + position, src_key_padding_mask=hide)


def build(kind: str, n_features: int, n_outputs: int, per_frame: bool = False, **options) -> nn.Module:
    """A model by name: "lsef", "identity" (LSEF without SEM and DDM), "gru", "tcn" or "transformer".

    Parameters
    ----------
    kind : str
    n_features, n_outputs : int
        Features per frame; classes, or continuous values.
    per_frame : bool
        One prediction per frame instead of one per clip.
    **options
        Of `LSEF` or `SequenceModel`.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If no model has this name.

    Examples
    --------
    >>> import torch
    >>> model = build("gru", n_features=6, n_outputs=3)
    >>> model(torch.zeros(2, 20, 6)).shape
    torch.Size([2, 3])
    """
    if kind == "lsef":
        return LSEF(n_features, n_outputs, per_frame, **options)
    if kind == "identity":
        return LSEF(n_features, n_outputs, per_frame, **{**options, "n_stages": 0})
    if kind in ("gru", "tcn", "transformer"):
        return SequenceModel(kind, n_features, n_outputs, per_frame, **options)
    raise ValueError(f"model is {kind!r}; give lsef, identity, gru, tcn or transformer.")
