"""Which frames of a sequence belong together: the longest track whose steps are as small as those seen in training."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from rpca_affect.deep.paths import longest, prices, steps_of
from rpca_affect.deep.spectral import frame_mask

RARE = 0.01  # a share below which copies, or a value, are no ordinary reading


class Continuity(nn.Module):
    """Tell broken frames apart by the company they keep, before anything is fitted to them.

    A step is the root mean square difference of two frames over the features that both observe. Training data say
    how large steps of 1 ... ``reach`` frames are. One beyond ``margin`` times the ``quantile`` of its length is not
    believable, nor is one less than half of the smallest. A copy is no step at all: where at most one in a hundred of
    the training steps is one, whatever repeats an earlier frame of its sequence (see `repeated`) is set aside first,
    wherever the two are. The module keeps the longest track through the others: frames may be left out on the way, and
    a step that is not believable costs ``reach / 2`` frames, so that a real cut in the recording is followed and a
    flicker is not.

    Broken frames may agree with each other (a tracker that reads zero, time and again): they still lose as long as
    they are fewer than the others. Where the longest track holds less than half of the observed frames there is no
    majority to go by, and nothing is set aside. Nothing here is trained by gradients.

    Parameters
    ----------
    reach : int
        Longest step, in frames.
    quantile, margin : float
        The largest believable step is ``margin`` times what this share of the training steps does not exceed: others
        may move faster than those in training.

    Examples
    --------
    >>> import torch
    >>> smooth = torch.linspace(0, 3, 30)[:, None].repeat(1, 4)
    >>> broken = smooth.clone(); broken[[7, 12, 13, 20]] = -1
    >>> kept = Continuity().fit([smooth])(broken[None])
    >>> (~kept[0]).nonzero().ravel().tolist()
    [7, 12, 13, 20]
    """

    least: Tensor
    most: Tensor

    def __init__(self, reach: int = 8, quantile: float = 0.99, margin: float = 1.5):
        super().__init__()
        self.reach, self.quantile, self.margin = reach, quantile, margin
        self.register_buffer("least", torch.zeros(reach))
        self.register_buffer("most", torch.full((reach,), torch.inf))

    @torch.no_grad()
    def fit(self, sequences: Sequence) -> "Continuity":
        """Learn believable steps from (T_i, D) arrays with NaN where missing, in the units `forward` will see.

        Twice: first three times the third quartile is the limit, then the quantile among the frames that this keeps, so
        that a few broken frames in training do not decide which steps are believable.
        """
        arrays = [torch.as_tensor(s) for s in sequences]
        chunks = [
            pad_sequence(arrays[i : i + 64], batch_first=True, padding_value=torch.nan)
            for i in range(0, len(arrays), 64)
        ]
        cells = [torch.isfinite(chunk) for chunk in chunks]
        self._learn(chunks, cells, 0.75, 3.0)
        self.least.zero_()
        kept = [c & self(chunk, c).unsqueeze(-1) for chunk, c in zip(chunks, cells)]
        self._learn(chunks, kept, self.quantile, self.margin)
        return self

    def _learn(self, chunks: list[Tensor], cells: list[Tensor], quantile: float, factor: float) -> None:
        least, most = 0.0, np.inf
        for lag in range(1, self.reach + 1):
            steps = np.concatenate([steps_of(*pair, lag).numpy(force=True).ravel() for pair in zip(chunks, cells)])
            steps = steps[np.isfinite(steps)]
            if len(steps) and np.mean(steps == 0) <= RARE:
                steps = steps[steps > 0]
            # Sequences shorter than the lag say nothing about it: the next shorter lag has to do.
            if len(steps):
                least, most = float(steps.min()) / 2, float(np.quantile(steps, quantile)) * factor
            self.least[lag - 1], self.most[lag - 1] = least, most

    @torch.no_grad()
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Frames on the longest believable track.

        Parameters
        ----------
        x : Tensor of shape (B, T, D)
        mask : Tensor of bool, shape (B, T) or (B, T, D), optional
            True where observed.

        Returns
        -------
        Tensor of bool, shape (B, T)
            False also where nothing was observed.
        """
        cells = torch.ones_like(x, dtype=torch.bool) if mask is None else frame_mask(mask, x)
        frames = cells.any(-1)
        new = frames & ~_repeats(x, cells) if self.least[0] > 0 else frames
        price = self.reach / 2
        kept = longest(prices(x, cells, self.least, self.most, price), new, price)
        most = 2 * kept.sum(-1, keepdim=True) >= frames.sum(-1, keepdim=True)
        return torch.where(most, kept, frames)


def repeated(x: np.ndarray) -> np.ndarray:
    """Frames that read exactly what an earlier one of the sequence read, where that is no ordinary reading.

    A tracker that has lost the face writes one value again and again, or holds the last one; what is measured does not
    repeat itself in every feature at once. Features that take few values (0 or 1, rounded) do: a value is ordinary
    where more than one in a hundred of the other frames have it too, and a copy of which more than half of the
    features are ordinary is none.

    Parameters
    ----------
    x : ndarray of shape (T, D)
        NaN where missing. A frame of which nothing is observed repeats nothing.

    Returns
    -------
    ndarray of bool, shape (T,)

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(8, 3))
    >>> x[[2, 5, 6]] = 0
    >>> repeated(x).nonzero()[0].tolist()
    [5, 6]
    >>> bool(repeated(np.round(x > 0)).any())
    False
    """
    x = np.ascontiguousarray(x) + 0.0  # -0 reads 0
    found, seen = np.zeros(len(x), dtype=bool), np.flatnonzero(np.isfinite(x).any(1))
    places: dict[bytes, list[int]] = {}
    for t in seen:
        places.setdefault(x[t].tobytes(), []).append(int(t))
    for copies in places.values():
        if len(copies) > 1:
            others = np.delete(x, copies, axis=0)
            known = np.isfinite(x[copies[0]])
            shares = (others == x[copies[0]])[:, known].sum(0) / np.maximum(np.isfinite(others)[:, known].sum(0), 1)
            found[copies[1:]] = np.mean(shares > RARE) <= 0.5
    return found


def bridge(x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Draw a straight line in time through the cells that are not known.

    Parameters
    ----------
    x : Tensor of shape (B, T, D)
    known : Tensor of bool, shape (B, T, D)

    Returns
    -------
    filled : Tensor of shape (B, T, D)
        Zero before the first and after the last known cell of a feature.
    reached : Tensor of bool, shape (B, T, D)
        Where ``filled`` says something.

    Examples
    --------
    >>> import torch
    >>> x, known = torch.tensor([9.0, 1, 9, 9, 4]), torch.tensor([False, True, False, False, True])
    >>> bridge(x[None, :, None], known[None, :, None])[0].ravel().tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0]
    """
    length = x.shape[-2]
    time = torch.arange(length, device=x.device)[:, None].expand_as(x)
    left = torch.where(known, time, -1).cummax(-2).values
    right = torch.where(known, time, length).flip(-2).cummin(-2).values.flip(-2)
    reached = (left >= 0) & (right < length)
    left, right = left.clamp_min(0), right.clamp_max(length - 1)
    share = (time - left).to(x.dtype) / (right - left).clamp_min(1)
    safe = torch.where(known, x, 0.0)
    before, after = safe.gather(-2, left), safe.gather(-2, right)
    return torch.where(reached, before + share * (after - before), 0.0), reached


def _repeats(x: Tensor, cells: Tensor) -> Tensor:
    """`repeated` for a batch (B, T, D)."""
    found = torch.zeros_like(cells[..., 0])
    # As nearly always: frames that differ in one feature are no copies.
    first = torch.where(cells[..., 0], x[..., 0], torch.inf).sort(-1).values
    twice = (first[:, 1:] == first[:, :-1]) & first[:, 1:].isfinite()
    for row in (twice.any(-1) | (cells.any(-1) & ~cells[..., 0]).any(-1)).nonzero().ravel().tolist():
        values = torch.where(cells[row], x[row], torch.nan).numpy(force=True)
        found[row] = torch.as_tensor(repeated(values), device=x.device)
    return found
