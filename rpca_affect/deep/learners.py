"""scikit-learn's face of the deep part: LSEFClassifier and LSEFRegressor."""

from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin

from rpca_affect.deep.lsef_estimator import LSEFEstimator
from rpca_affect.deep.metrics import ccc, war
from rpca_affect.deep.model import LSEFOutput
from rpca_affect.deep.net import outputs


class LSEFClassifier(ClassifierMixin, LSEFEstimator):
    """Classify sequences of per-frame features.

    Parameters
    ----------
    model : {"lsef", "identity", "gru", "tcn", "transformer"}
        The network; everything but "lsef" is a baseline ("identity" = LSEF without SEM and DDM).
    hidden, n_stages, solver, filter_width, modulate, robust, track, dropout, split_share, widths
        See `rpca_affect.deep.LSEF`.
    consistency, rank_weight, sparsity_weight : float
        Weights of the terms of `rpca_affect.deep.LSEFLoss`.
    optimizer : {"adamw", "rao"}
    lr : float
        Learning rate of the first epoch; it falls to nothing along half a cosine.
    weight_decay : float
    batch_size, epochs : int
    corruption : float
        Augmentation: up to this share of the frames of every second training sequence is broken.
    class_weight : "balanced" or dict of str to float, optional
        "balanced" lets every class count alike however many sequences it has, as UAR does; or how much a sequence of
        each class counts.
    device : str
        Of torch.
    random_state : int

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    net_ : skorch net; ``net_.history`` holds the loss of every epoch, ``net_.module_`` the torch model.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(8, 15), 4)) + 3 * (i % 2) for i in range(12)]
    >>> y = ["calm", "tense"] * 6
    >>> LSEFClassifier(hidden=8, n_stages=2, epochs=15, lr=0.01).fit(X, y).predict(X[:2]).tolist()
    ['calm', 'tense']
    """

    def _targets(self, sequences: list[np.ndarray], y: Any) -> tuple[Any, str, int, bool]:
        labels = np.asarray(y)
        empty = [i for i, label in enumerate(labels) if label is None or label != label]
        if empty:
            raise ValueError(f"sequence {empty[0]} has no label; leave it out or label it.")
        self.classes_, targets = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class, {self.classes_[0]!r}; give at least two.")
        return targets, "classification", len(self.classes_), False

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities of shape (n_sequences, C)."""
        rows = []
        sequences = self._sequences(X)
        for found, row, _ in outputs(self.net_, sequences):
            scores = found.prediction if isinstance(found, LSEFOutput) else found
            rows.append(torch.softmax(scores[row], -1).numpy(force=True))
        return np.stack(rows)

    def predict(self, X: Any) -> np.ndarray:
        """Most probable class of each sequence."""
        most_probable = self.predict_proba(X).argmax(1)
        return self.classes_[most_probable]

    def score(self, X: Any, y: Any) -> float:
        """WAR (accuracy)."""
        return war(y, self.predict(X))


class LSEFRegressor(RegressorMixin, LSEFEstimator):
    """Predict continuous ratings (valence, arousal) per frame or per sequence; trained on 1 - CCC.

    ``y`` is a list of arrays (T_i, C) for ratings per frame (NaN = not rated), or one array (n_sequences, C) for one
    rating per sequence.

    Parameters
    ----------
    model, hidden, n_stages, solver, filter_width, modulate, robust, track, dropout, split_share, widths, consistency,
    rank_weight, sparsity_weight, optimizer, lr, weight_decay, batch_size, epochs, corruption, class_weight, device,
    random_state
        As in `LSEFClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(20, 3)).cumsum(0) for _ in range(6)]
    >>> model = LSEFRegressor(hidden=8, n_stages=1, epochs=2).fit(X, [x[:, :2] for x in X])
    >>> model.predict(X)[0].shape
    (20, 2)
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.two_d_labels = True
        tags.target_tags.multi_output = True
        return tags

    def _targets(self, sequences: list[np.ndarray], y: Any) -> tuple[Any, str, int, bool]:
        self.per_frame_ = np.ndim(y[0]) == 2 or (np.ndim(y[0]) == 1 and not isinstance(y, np.ndarray))
        try:
            targets = [np.asarray(t, dtype=np.float32) for t in y]
        except (TypeError, ValueError) as error:
            raise ValueError("y holds what is no number; give ratings, or classify the labels.") from error
        self._flat = targets[0].ndim == (1 if self.per_frame_ else 0)
        targets = [t[..., None] if self._flat else t for t in targets]
        if self.per_frame_:
            # A padded array of ratings goes with a padded array of features: what was cut off there is cut off here.
            cut = isinstance(y, np.ndarray)
            targets = [t[: len(s)] if cut else t for t, s in zip(targets, sequences)]
            for i, (t, s) in enumerate(zip(targets, sequences)):
                if len(t) != len(s):
                    raise ValueError(f"sequence {i} has {len(s)} frames and {len(t)} ratings; align them.")
        return targets, "regression", targets[0].shape[-1], self.per_frame_

    def predict(self, X: Any) -> list[np.ndarray] | np.ndarray:
        """Ratings: a list of (T_i, C) per frame, or an array (n_sequences, C)."""
        sequences = self._sequences(X)
        found = []
        for s, (out, row, _) in zip(sequences, outputs(self.net_, sequences)):
            prediction = (out.prediction if isinstance(out, LSEFOutput) else out)[row].numpy(force=True)
            prediction = prediction[: len(s)] if self.per_frame_ else prediction
            found.append(prediction[..., 0] if self._flat else prediction)
        return found if self.per_frame_ else np.stack(found)

    def score(self, X: Any, y: Any) -> float:
        """Pooled CCC, averaged over the outputs."""
        guess = self.predict(X)
        rows = [
            np.concatenate([np.asarray(part) for part in side]) if self.per_frame_ else np.asarray(side)
            for side in (y, guess)
        ]
        sides = [np.reshape(side, (len(side), -1)).T.astype(np.float64) for side in rows]
        return float(np.mean([ccc(t, g) for t, g in zip(*sides)]))
