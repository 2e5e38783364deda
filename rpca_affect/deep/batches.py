"""Sequences for the deep part: lists of (T_i, D) arrays or padded arrays, and batches with masks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from rpca_affect.arrays import unmasked
from rpca_affect.deep.corruption import corrupt
from rpca_affect.deep.track import repeated


def as_sequences(X: Any, mask: Any = None) -> list[np.ndarray]:
    """A list of float32 arrays (T_i, D) with NaN where a cell is missing.

    Parameters
    ----------
    X : list of array-like (T_i, D), array (B, T, D), or mapping with "x" and optionally "mask"
        Sequences; in a padded array, frames after the last observed one are cut off.
    mask : array of bool (B, T) or (B, T, D), optional
        For a padded array: True where observed.

    Returns
    -------
    list of ndarray of shape (T_i, D), float32

    Examples
    --------
    >>> import numpy as np
    >>> [s.shape for s in as_sequences(np.zeros((2, 5, 3)), np.arange(5) < [[3], [5]])]
    [(3, 3), (5, 3)]
    """
    if isinstance(X, Mapping):
        X, mask = X["x"], X.get("mask", mask)
    padded = isinstance(X, (np.ndarray, Tensor)) and X.ndim == 3
    if not padded and not isinstance(X, (Sequence, np.ndarray)):
        raise TypeError(f"X is a {type(X).__name__}; give a list of (T, D) arrays or one (B, T, D) array.")
    sequences = [np.array(s.numpy(force=True) if isinstance(s, Tensor) else unmasked(s), dtype=np.float32) for s in X]
    if mask is not None:
        _hide(sequences, mask)
    _refuse_odd(sequences)
    if padded:
        sequences = [s[: _last(s)] for s in sequences]
    empty = [i for i, s in enumerate(sequences) if not np.isfinite(s).any()]
    if empty:
        raise ValueError(f"sequence {empty[0]} has no observed cell; leave it out.")
    return sequences


def _hide(sequences: list[np.ndarray], mask: Any) -> None:
    """Write NaN where the mask of a sequence is False."""
    if len(mask) != len(sequences):
        raise ValueError(f"mask has {len(mask)} sequences, X has {len(sequences)}; give one mask for each.")
    for s, m in zip(sequences, mask):
        m = np.asarray(m, dtype=bool)
        s[~(m if m.ndim == 2 else np.broadcast_to(m[:, None], s.shape))] = np.nan


def _refuse_odd(sequences: list[np.ndarray]) -> None:
    """Refuse no sequences, sequences of different widths, and infinite values."""
    if not sequences:
        raise ValueError("X holds no sequence; give at least one.")
    widths = {s.shape[1] if s.ndim == 2 else None for s in sequences}
    if None in widths or len(widths) > 1:
        shapes = sorted({s.shape for s in sequences}, key=str)[:4]
        raise ValueError(f"sequences have shapes {shapes}; give (frames, features) with the same features in all.")
    if any(np.isinf(s).any() for s in sequences):
        raise ValueError("X holds infinite values; mark missing cells with NaN.")


def centred_per_person(X: Sequence[np.ndarray], person: Sequence) -> list[np.ndarray]:
    """Sequences less the median of each feature over all frames of the same person; no label is looked at.

    People differ in level more than in what a mood does to them, and a model has never seen the level of somebody new.
    This takes recordings of the person in more than one mood, before the first prediction. Frames that only repeat an
    earlier one have no say: a tracker that lost the face and reads 0 is told by that here, and would shift the level
    of everything else.

    Parameters
    ----------
    X : sequence of ndarray (T_i, D)
        NaN where missing; never modified.
    person : sequence
        Who each sequence is of.

    Returns
    -------
    list of ndarray (T_i, D), float32

    Examples
    --------
    >>> import numpy as np
    >>> X = [np.full((2, 1), 7.0), np.full((2, 1), 9.0), np.full((2, 1), 1.0)]
    >>> [x[0].tolist() for x in centred_per_person(X, ["a", "a", "b"])]
    [[-1.0], [1.0], [0.0]]
    """
    names = np.asarray(person)
    if len(names) != len(X):
        raise ValueError(f"there are {len(names)} people for {len(X)} sequences; name one for each.")
    level = {}
    for who in np.unique(names):
        frames = np.concatenate([x[~repeated(x)] for x, other in zip(X, names) if other == who])
        known = np.isfinite(frames).any(0)
        level[who] = np.where(known, np.nanmedian(np.where(known, frames, 0.0), axis=0), 0.0)
    return [(x - level[who]).astype(np.float32) for x, who in zip(X, names)]


def _last(sequence: np.ndarray) -> int:
    known = np.flatnonzero(np.isfinite(sequence).any(1))
    return int(known[-1]) + 1 if len(known) else len(sequence)


class SequenceDataset(Dataset):
    """Sequences and targets for a `torch.utils.data.DataLoader` with `collate`.

    Parameters
    ----------
    sequences : list of ndarray (T_i, D)
        NaN where missing.
    targets : sequence, optional
        An integer class, a vector, or an array (T_i, C) for each sequence.
    corruption : float
        Training only: every second sequence, drawn by torch's generator, gets up to this share of its frames broken.
    """

    def __init__(self, sequences: list[np.ndarray], targets: Any = None, corruption: float = 0.0):
        if targets is not None and len(targets) != len(sequences):
            raise ValueError(f"there are {len(targets)} targets for {len(sequences)} sequences; give one for each.")
        self.sequences, self.targets, self.corruption = sequences, targets, corruption

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, i: int) -> tuple[np.ndarray, Any]:
        sequence = self.sequences[i]
        if self.corruption and torch.rand(()) < 0.5:
            share, seed = float(torch.rand(())) * self.corruption, int(torch.randint(2**31, ()))
            sequence = corrupt([sequence], share, "mixed", seed)[0]
        return sequence, 0 if self.targets is None else self.targets[i]


class SimilarLengths(Sampler[int]):
    """A shuffled order in which neighbours are about as long, so that batches hold little padding.

    Four batches at a time are drawn at random and sorted by length; their order is random again. An incomplete batch
    comes last.

    Parameters
    ----------
    lengths : sequence of int
    batch_size : int

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> order = list(SimilarLengths([3, 30, 4, 31, 5, 32], 3))
    >>> sorted(order), len({i % 2 for i in order[:3]})
    ([0, 1, 2, 3, 4, 5], 1)
    """

    def __init__(self, lengths: Sequence[int], batch_size: int):
        self.lengths, self.batch_size = lengths, batch_size

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        order, size = torch.randperm(len(self)).tolist(), self.batch_size
        whole = len(order) - len(order) % size
        batches = []
        for start in range(0, whole, 4 * size):
            pool = sorted(order[start : min(start + 4 * size, whole)], key=lambda i: self.lengths[i])
            batches += [pool[k : k + size] for k in range(0, len(pool), size)]
        for k in torch.randperm(len(batches)).tolist():
            yield from batches[k]
        yield from order[whole:]


def collate(batch: list[tuple[np.ndarray, Any]]) -> tuple[dict[str, Tensor], Tensor]:
    """Pad to the longest sequence: ``{"x", "mask"}`` of shape (B, T, D), and targets; (T_i, C) targets end in NaN.

    Examples
    --------
    >>> import numpy as np
    >>> inputs, y = collate([(np.ones((2, 3)), 0), (np.ones((4, 3)), 1)])
    >>> inputs["x"].shape, inputs["mask"].any(-1).sum(1).tolist(), y.tolist()
    (torch.Size([2, 4, 3]), [2, 4], [0, 1])
    """
    sequences, targets = zip(*batch)
    x = _pad(sequences)
    mask = torch.isfinite(x)
    x = torch.where(mask, x, 0.0)
    if isinstance(targets[0], np.ndarray) and targets[0].ndim == 2:
        y = _pad(targets)
    elif isinstance(targets[0], np.ndarray):
        y = torch.as_tensor(np.stack(targets), dtype=torch.float32)
    else:
        y = torch.as_tensor(np.asarray(targets))
    return {"x": x, "mask": mask}, y


def _pad(arrays: Sequence[np.ndarray]) -> Tensor:
    out = torch.full((len(arrays), max(map(len, arrays)), arrays[0].shape[1]), float("nan"))
    for row, array in zip(out, arrays):
        row[: len(array)] = torch.as_tensor(array)
    return out
