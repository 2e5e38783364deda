"""Scores of affect recognition: UAR and WAR, CCC in its three conventions, PCC, RMSE, SAGR."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import root_mean_squared_error

from rpca_affect.deep.losses import concordance


def uar(y_true, y_pred) -> float:
    """Unweighted average recall: balanced accuracy, every class of ``y_true`` counts the same.

    scikit-learn's warns where a class is guessed that the truth lacks, as happens with few people.
    """
    truth, guess = np.asarray(y_true), np.asarray(y_pred)
    return float(np.mean([np.mean(guess[truth == label] == label) for label in np.unique(truth)]))


def war(y_true, y_pred) -> float:
    """Weighted average recall: plain accuracy."""
    return float(np.mean(np.asarray(y_true) == np.asarray(y_pred)))


def ccc(y_true, y_pred, convention: str = "pooled", batch_size: int = 256) -> float:
    """Concordance correlation coefficient of one rating, in the convention that is asked for.

    Parameters
    ----------
    y_true, y_pred : sequence of array (T_i,)
        One rating per frame of each sequence; NaN in ``y_true`` = not rated. One array counts as one sequence.
    convention : {"pooled", "sequence", "batch"}
        All frames together; the mean over sequences; the mean over runs of ``batch_size`` frames in the given
        order. Papers mix them: "pooled" also rewards knowing the mean of each sequence, the other two only what
        moves inside.
    batch_size : int
        Frames in a batch.

    Returns
    -------
    float
        In [-1, 1]; 0 where a prediction is constant.

    Examples
    --------
    >>> import numpy as np
    >>> truth = [np.array([0.0, 1.0]), np.array([10.0, 11.0])]
    >>> guess = [np.array([0.5, 0.5]), np.array([10.5, 10.5])]
    >>> round(ccc(truth, guess), 3), ccc(truth, guess, "sequence")
    (0.995, 0.0)
    """
    pairs = _pairs(y_true, y_pred)
    if convention == "pooled":
        truth, guess = (np.concatenate(side) for side in zip(*pairs))
        pairs = [(truth, guess)]
    elif convention == "batch":
        truth, guess = (np.concatenate(side) for side in zip(*pairs))
        cuts = range(batch_size, len(truth), batch_size)
        pairs = list(zip(np.split(truth, cuts), np.split(guess, cuts)))
    elif convention != "sequence":
        raise ValueError(f"convention is {convention!r}; give pooled, sequence or batch.")
    scores = [float(concordance(torch.as_tensor(p), torch.as_tensor(t))) for t, p in pairs]
    return float(np.mean(scores))


def pcc(y_true, y_pred) -> float:
    """Pearson correlation over all rated frames; 0 where either side is constant."""
    truth, guess = _pooled(y_true, y_pred)
    truth, guess = truth - truth.mean(), guess - guess.mean()
    size = np.linalg.norm(truth) * np.linalg.norm(guess)
    return float(truth @ guess / size) if size > 0 else 0.0


def rmse(y_true, y_pred) -> float:
    """Root mean squared error over all rated frames."""
    return float(root_mean_squared_error(*_pooled(y_true, y_pred)))


def sagr(y_true, y_pred) -> float:
    """Sign agreement: share of rated frames whose rating and prediction have the same sign."""
    truth, guess = _pooled(y_true, y_pred)
    return float(np.mean(np.sign(truth) == np.sign(guess)))


def _pairs(y_true, y_pred) -> list[tuple[np.ndarray, np.ndarray]]:
    if isinstance(y_true, np.ndarray) and y_true.ndim == 1 and y_true.dtype != object:
        y_true, y_pred = [y_true], [y_pred]
    if len(y_true) != len(y_pred):
        raise ValueError(f"there are {len(y_pred)} predictions for {len(y_true)} sequences; give one for each.")
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for i, (truth, guess) in enumerate(zip(y_true, y_pred)):
        truth, guess = np.asarray(truth, dtype=np.float64), np.asarray(guess, dtype=np.float64)
        if truth.shape != guess.shape or truth.ndim != 1:
            raise ValueError(
                f"sequence {i} has ratings of shape {truth.shape} and predictions of shape {guess.shape}; "
                "give one number per frame on both sides."
            )
        rated = np.isfinite(truth)
        if rated.any():
            pairs.append((truth[rated], guess[rated]))
    if not pairs:
        raise ValueError("no frame is rated; give at least one finite value in y_true.")
    return pairs


def _pooled(y_true: Sequence, y_pred: Sequence) -> tuple[np.ndarray, np.ndarray]:
    truth, guess = (np.concatenate(side) for side in zip(*_pairs(y_true, y_pred)))
    return truth, guess
