"""Sequences for the deep part: lists of (T_i, D) arrays, padded arrays, folders of .npy; and batches with masks."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from rpca_affect.deep.continuity import repeated
from rpca_affect.deep.corruption import corrupt


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
    sequences = [np.array(s.numpy(force=True) if isinstance(s, Tensor) else s, dtype=np.float32) for s in X]
    if mask is not None:
        if len(mask) != len(sequences):
            raise ValueError(f"mask has {len(mask)} sequences, X has {len(sequences)}; give one mask for each.")
        for s, m in zip(sequences, mask):
            m = np.asarray(m, dtype=bool)
            s[~(m if m.ndim == 2 else np.broadcast_to(m[:, None], s.shape))] = np.nan
    if not sequences:
        raise ValueError("X holds no sequence; give at least one.")
    widths = {s.shape[1] if s.ndim == 2 else None for s in sequences}
    if None in widths or len(widths) > 1:
        shapes = sorted({s.shape for s in sequences}, key=str)[:4]
        raise ValueError(f"sequences have shapes {shapes}; give (frames, features) with the same features in all.")
    if any(np.isinf(s).any() for s in sequences):
        raise ValueError("X holds infinite values; mark missing cells with NaN.")
    if padded:
        sequences = [s[: _last(s)] for s in sequences]
    empty = [i for i, s in enumerate(sequences) if not np.isfinite(s).any()]
    if empty:
        raise ValueError(f"sequence {empty[0]} has no observed cell; leave it out.")
    return sequences


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


def read_folder(folder: str | Path, labels: str | Path, target: str | Sequence[str] = "label") -> dict[str, Any]:
    """Sequences from a folder of ``(T, D)`` ``.npy`` files and a table with one row for each.

    Parameters
    ----------
    folder : path
        Files ``<clip>.npy``; object arrays (pickles) are refused.
    labels : path
        CSV with columns ``clip``, the target column(s) and optionally ``person`` (never on both sides of a
        split) and ``split`` ("train", "test").
    target : str or sequence of str
        One column of class labels, or the columns of continuous values.

    Returns
    -------
    dict
        "X" list of arrays, "y" array, "person" and "split" arrays or None, "clip" names.
    """
    folder = Path(folder)
    try:
        table = pd.read_csv(labels, dtype={"clip": str, "person": str, "split": str})
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        raise ValueError(f"{Path(labels).name} is no table of labels: {str(error).strip()}.") from error
    if table.empty:
        raise ValueError(f"{Path(labels).name} has no rows, expected one for each clip.")
    wanted = ["clip", *([target] if isinstance(target, str) else target)]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(
            f"{Path(labels).name} has no column {missing[0]!r}; its columns are {', '.join(table.columns)}."
        )
    for name in wanted:
        empty = np.flatnonzero(table[name].isna() | (table[name].astype(str).str.strip() == ""))
        if len(empty):
            raise ValueError(
                f"{Path(labels).name}: line {empty[0] + 2}, column {name!r} is empty, expected a label; fill it or "
                "remove the row."
            )
    sequences = [read_clip(folder / f"{clip}.npy") for clip in table["clip"]]
    columns = target if isinstance(target, str) else list(target)
    return {
        "X": sequences,
        "y": table[columns].to_numpy(),
        "person": table["person"].to_numpy() if "person" in table else None,
        "split": table["split"].to_numpy() if "split" in table else None,
        "clip": table["clip"].to_numpy(),
    }


def read_clip(path: str | Path) -> np.ndarray:
    """One ``(T, D)`` array of numbers from a ``.npy`` file, float32."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path.name} is in the label table but not in {path.parent}; remove the row or add the file."
        )
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, MemoryError, SyntaxError) as error:
        raise ValueError(f"{path.name} is not a plain .npy array of numbers; save it with numpy.save.") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{path.name} holds {array.dtype} of shape {array.shape}; give numbers of shape (frames, features)."
        )
    return array.astype(np.float32)
