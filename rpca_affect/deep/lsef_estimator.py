"""Base of LSEFClassifier and LSEFRegressor: parameters, training through skorch, base and transients, embeddings."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from rpca_affect import parameter_rules as rules
from rpca_affect.deep.baselines import build
from rpca_affect.deep.batches import SequenceDataset, as_sequences
from rpca_affect.deep.losses import LSEFLoss
from rpca_affect.deep.model import LSEFOutput
from rpca_affect.deep.net import SequenceNet, make_net, outputs
from rpca_affect.deep.parameters import PARAMETERS


class LSEFEstimator(BaseEstimator, ABC):
    """Common part of classifier and regressor.

    ``model`` is "lsef", "identity", "gru", "tcn" or "transformer": the baselines train in the same way.
    """

    _rules = PARAMETERS

    def __init__(
        self,
        model: str = "lsef",
        hidden: int = 32,
        n_stages: int = 3,
        solver: str = "ialm",
        filter_width: int = 1,
        modulate: bool = True,
        robust: bool | None = None,
        track: bool | None = None,
        dropout: float = 0.1,
        split_share: float = 0.25,
        widths: tuple[int, ...] = (1,),
        consistency: float = 0.1,
        rank_weight: float = 0.03,
        sparsity_weight: float = 0.03,
        optimizer: str = "adamw",
        lr: float = 3e-3,
        weight_decay: float = 1e-2,
        batch_size: int = 32,
        epochs: int = 60,
        corruption: float = 0.0,
        class_weight: str | dict[str, float] | None = None,
        device: str = "cpu",
        random_state: int = 0,
    ):
        self.model = model
        self.hidden = hidden
        self.n_stages = n_stages
        self.solver = solver
        self.filter_width = filter_width
        self.modulate = modulate
        self.robust = robust
        self.track = track
        self.dropout = dropout
        self.split_share = split_share
        self.widths = widths
        self.consistency = consistency
        self.rank_weight = rank_weight
        self.sparsity_weight = sparsity_weight
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.epochs = epochs
        self.corruption = corruption
        self.class_weight = class_weight
        self.device = device
        self.random_state = random_state

    def _config(self, n_features: int, n_outputs: int, per_frame: bool) -> dict[str, Any]:
        config = {
            "kind": self.model,
            "n_features": n_features,
            "n_outputs": n_outputs,
            "per_frame": per_frame,
            "hidden": self.hidden,
            "dropout": self.dropout,
        }
        if self.model in ("lsef", "identity"):
            config |= {
                "n_stages": self.n_stages,
                "solver": self.solver,
                "filter_width": self.filter_width,
                "modulate": self.modulate,
                "robust": self.robust,
                "track": self.track,
                "split_share": self.split_share,
                "widths": list(self.widths),
            }
        return config

    def prepare(
        self, X: Any, y: Any, net_class: type[SequenceNet] = SequenceNet
    ) -> tuple[SequenceNet, SequenceDataset]:
        """Check the data and build the untrained net, as ``fit`` does; `rpca_affect.deep.train` goes on from there.

        Returns
        -------
        net : SequenceNet, not initialised
        dataset : SequenceDataset
        """
        rules.check_parameters(self)
        sequences = as_sequences(X)
        if len(y) != len(sequences):
            raise ValueError(f"there are {len(y)} targets for {len(sequences)} sequences; give one for each.")
        targets, task, n_outputs, per_frame = self._targets(sequences, y)
        self.n_features_in_ = sequences[0].shape[1]
        self.config_ = self._config(self.n_features_in_, n_outputs, per_frame)
        module: Any = build(**self.config_)
        module.fit(sequences)
        self.net_ = make_net(
            module,
            LSEFLoss(
                task,
                self.consistency,
                self.rank_weight,
                self.sparsity_weight,
                self._class_weights(targets) if task == "classification" else None,
            ),
            optimizer=self.optimizer,
            lr=self.lr,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            epochs=self.epochs,
            device=self.device,
            net_class=net_class,
        )
        return self.net_, SequenceDataset(sequences, targets, self.corruption)

    def fit(self, X: Any, y: Any) -> Self:
        """Train from scratch.

        Parameters
        ----------
        X : list of array (T_i, D), array (B, T, D), or mapping with "x" and "mask"
            NaN where missing.
        y : array-like
            One class per sequence; or ratings, a list of arrays (T_i,) or (T_i, C), or one array (n_sequences,) or
            (n_sequences, C).

        Returns
        -------
        self
        """
        # The caller's own random numbers are left where they were.
        with torch.random.fork_rng():
            rules.check_parameters(self)
            torch.manual_seed(self.random_state)
            net, dataset = self.prepare(X, y)
            net.fit(dataset)
        return self

    def _class_weights(self, targets: np.ndarray) -> tuple[float, ...] | None:
        if self.class_weight is None:
            return None
        counts = np.bincount(targets)
        if self.class_weight == "balanced":
            return tuple((len(targets) / (len(counts) * counts)).tolist())
        names = [str(label) for label in getattr(self, "classes_", ())]
        if not isinstance(self.class_weight, Mapping) or set(self.class_weight) != set(names):
            raise ValueError(
                f"class_weight is {self.class_weight!r}; give 'balanced', None for all alike, or a number for each of "
                f"{', '.join(names)}."
            )
        return tuple(float(self.class_weight[name]) for name in names)

    def _sequences(self, X: Any) -> list[np.ndarray]:
        check_is_fitted(self)
        sequences = as_sequences(X)
        if sequences[0].shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {sequences[0].shape[1]} features, the model was fitted with {self.n_features_in_}; "
                "give the same ones."
            )
        return sequences

    def split(self, X: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Base and transient of every sequence, in the units of the input.

        Parameters
        ----------
        X : list of array (T_i, D), or (B, T, D)

        Returns
        -------
        list of (base, transient), each of shape (T_i, D)
        """
        sequences = self._sequences(X)
        parts = []
        for s, (found, row, _) in zip(sequences, outputs(self.net_, sequences)):
            if not isinstance(found, LSEFOutput):
                raise ValueError(f"model {self.model!r} does not split its input; use model='lsef'.")
            base, transient = (part[row, : len(s)].numpy(force=True) for part in (found.base, found.transient))
            parts.append((base, transient))
        return parts

    def embed(self, X: Any) -> np.ndarray:
        """Clip embeddings (n_sequences, 2 H) of an LSEF model, for another classifier or a picture."""
        rows = []
        for found, row, _ in outputs(self.net_, self._sequences(X)):
            if not isinstance(found, LSEFOutput):
                raise ValueError(f"model {self.model!r} has no embedding; use model='lsef'.")
            rows.append(found.embedding[row].numpy(force=True))
        return np.stack(rows)

    @abstractmethod
    def _targets(self, sequences: list[np.ndarray], y: Any) -> tuple[Any, str, int, bool]:
        """Targets for the loss, the task, the number of outputs, and whether there is one per frame."""

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags
