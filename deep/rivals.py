"""Every model of the benchmark in one form: sizes to choose from, training that can be stopped, predictions."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from rpca_affect import SequenceDescriptors
from rpca_affect.deep import SEM, LSEFClassifier, Stages

CLASSICAL = ("mean + std", "descriptors", "minirocket")
# Rows of the table that are networks: what is told apart from the defaults of `LSEFClassifier`.
NETWORKS: dict[str, dict[str, Any]] = {
    "gru": {"model": "gru"},
    "tcn": {"model": "tcn"},
    "transformer": {"model": "transformer"},
    "no SEM, no DDM": {"model": "identity"},
    "lsef": {},
}
ABLATION: dict[str, dict[str, Any]] = {
    "no track": {"track": False},
    "no SEM, no DDM, no track": {"model": "identity", "track": False},
    "frozen SEM, DDM": {"change": lambda module: frozen(module)},
    "SEM only": {"n_stages": 1, "change": lambda module: only_base(module)},
    "two levels": {"widths": (16, 1)},
    **{f"K = {k}": {"n_stages": k} for k in (1, 2, 4, 5, 6, 7, 8)},  # lsef itself has 3
    # Dilations of CIM's four layers, so that none has fewer weights; lsef itself has 1, 2, 4, 8.
    "scale 1": {"change": lambda module: scales(module, (1, 1, 1, 1))},
    "scales 1, 2": {"change": lambda module: scales(module, (1, 1, 2, 2))},
    "scales 1, 2, 4": {"change": lambda module: scales(module, (1, 1, 2, 4))},
}
MODELS = (*CLASSICAL, *NETWORKS)
BASELINES = (*CLASSICAL, "gru", "tcn", "transformer")


def sizes(name: str, widths: list[int]) -> list[Any]:
    """What is chosen from, beside the epochs: the width of a network, the regularisation of a linear model."""
    if name == "minirocket":
        return [0.1, 10.0, 1000.0]
    return [0.01, 0.1, 1.0, 10.0] if name in CLASSICAL else list(widths)


def fitted(name: str, size: Any, epochs: list[int], stop: int | None, seed: int, X: list, y: Any) -> Iterator[tuple]:
    """Train; yield (epochs, model) at each of ``epochs``, the whole schedule being the longest, and end at ``stop``.

    A network's learning rate follows the longest schedule wherever it stops. Linear models come once, with 0 epochs.
    """
    if name in CLASSICAL:
        yield 0, classical(name, size, seed).fit(X, y)
        return
    options = dict({**NETWORKS, **ABLATION}[name])
    change = options.pop("change", None)
    model = LSEFClassifier(
        **{
            "hidden": size,
            "epochs": max(epochs),
            "batch_size": 16,
            "random_state": seed,
            "class_weight": "balanced",
            **options,
        }
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net, dataset = model.prepare(X, y)
        if change is not None:
            change(net.module)
        net.set_params(max_epochs=1)
        net.initialize()
        for epoch in range(1, (stop or max(epochs)) + 1):
            net.partial_fit(dataset)
            if epoch in epochs or epoch == stop:
                yield epoch, model


def frozen(module: Any) -> None:
    """SEM and DDM stay what they are untrained: the classical steps."""
    module.unrolled.requires_grad_(False)
    module.reading.requires_grad_(False)


class OnlyBase(torch.nn.Module):
    """SEM alone, without iteration and without transients, in the place of the stages."""

    def __init__(self) -> None:
        super().__init__()
        self.sem = SEM()

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> Stages:
        base, nothing = self.sem(x, mask), torch.zeros_like(x)
        rest = torch.where(mask, x - base, 0.0).square().sum((-2, -1))
        return Stages(base, nothing, [base], [nothing], rest.sqrt()[None])


def only_base(module: Any) -> None:
    """One SEM takes the place of the stages."""
    module.unrolled = OnlyBase()


def scales(module: Any, dilations: tuple[int, ...]) -> None:
    """CIM's layers look as far as they are told."""
    module.cim.scales = dilations


def classical(name: str, strength: float, seed: int) -> Any:
    """A pipeline of fixed features and a linear classifier.

    Of a feature that a recording lacks, the median of the training recordings stands in.
    """
    logistic = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced")
    filled = SimpleImputer(strategy="median", keep_empty_features=True)
    if name == "mean + std":
        return make_pipeline(FunctionTransformer(statistics), filled, StandardScaler(), logistic)
    if name == "descriptors":
        return make_pipeline(SequenceDescriptors(), filled, StandardScaler(), logistic)
    return make_pipeline(Rocket(seed), StandardScaler(), RidgeClassifier(strength, class_weight="balanced"))


def statistics(X: list) -> np.ndarray:
    """Mean and standard deviation of each feature over the observed frames, NaN where there are none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice|Degrees of freedom", RuntimeWarning)
        return np.stack([np.concatenate([np.nanmean(x, 0), np.nanstd(x, 0)]) for x in X])


class Rocket:
    """aeon's MiniRocket (Dempster, Schmidt & Webb 2021) on sequences brought to one length, gaps bridged."""

    def __init__(self, seed: int, n_kernels: int = 2000):
        self.seed, self.n_kernels = seed, n_kernels

    def fit(self, X: list, y: Any = None) -> "Rocket":
        from aeon.transformations.collection.convolution_based import MiniRocket

        self.length = max(16, int(np.median([len(x) for x in X])))
        self.rocket = MiniRocket(n_kernels=self.n_kernels, n_jobs=1, random_state=self.seed).fit(self._even(X))
        return self

    def transform(self, X: list) -> np.ndarray:
        return self.rocket.transform(self._even(X))

    def fit_transform(self, X: list, y: Any = None) -> np.ndarray:
        return self.fit(X).transform(X)

    def _even(self, X: list) -> np.ndarray:
        rows = []
        for x in X:
            x = pd.DataFrame(x).interpolate(limit_direction="both").fillna(0.0).to_numpy()
            place = np.linspace(0, len(x) - 1, self.length)
            rows.append(np.stack([np.interp(place, np.arange(len(x)), column) for column in x.T]))
        return np.stack(rows).astype(np.float32)


def n_parameters(model: Any) -> int:
    """Trained numbers: weights of a network, coefficients of a linear classifier."""
    if isinstance(model, LSEFClassifier):
        return sum(p.numel() for p in model.net_.module_.parameters() if p.requires_grad)
    return model[-1].coef_.size + model[-1].intercept_.size
