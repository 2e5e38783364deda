"""Robust PCA of a stream: batches or single frames, memory that does not grow, and forgetting for drift."""

import math
from dataclasses import replace
from typing import Any, ClassVar, Self

from sklearn.callback import with_callbacks
from sklearn.exceptions import NotFittedError
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from rpca_affect import rules
from rpca_affect.arrays import Array, Observed, array_namespace
from rpca_affect.doubts import Doubt
from rpca_affect.estimators.base import ALONE, SHARED_RULES, BaseModel, oriented
from rpca_affect.estimators.outliers import cutoffs
from rpca_affect.estimators.spectrum import centred_rank, floored, principal
from rpca_affect.noise import slack as noise_weight
from rpca_affect.noise import spread
from rpca_affect.noise_model import NoiseModel, split_beside
from rpca_affect.rules import check_parameters
from rpca_affect.solvers import ADMM

__all__ = ["IncrementalRobustPCA"]

SPARE = 10  # directions kept beyond the components, so that a rising one is not cut off batch after batch
MU_SLACK = 0.07  # penalty of the splits, times the weight of the noise part: about the fastest
HEAD_BLOCKS = 1  # the base so far weighs at most as much as this many blocks when a block is split
FEW = 20  # frames from which on a block measures its own noise
SCALE_GAIN = 0.1  # least share of the newest block in the noise scale


class IncrementalRobustPCA(BaseModel):
    """Robust principal components of frames that arrive over time.

    Frames are gathered into blocks. Every block is split by the model of `RobustPCA`, with the base so far standing
    as extra rows beside the frames, ``argmin ||[B; L]||_* + lam g(S) + ||N||_F^2 / (2 slack)``: following the base
    costs little, a direction that many frames share can enter, single cells cannot. What is not sparse then updates
    mean and base by an incremental singular value decomposition. All past is one weighted sketch of
    ``n_components + 10`` rows, so memory does not grow.

    Parameters
    ----------
    n_components : int, optional
        Number of components; default the rank found in the warm-up.
    half_life : float, optional
        Number of frames after which what was seen weighs half; default: nothing is forgotten.
    batch_size : int, default 500
        Frames gathered for an update. Those that do not fill a block yet wait for the next call of ``partial_fit``
        (``fit`` leaves none waiting).
    n_warmup : int, default 200
        Frames gathered before the first base is learned. ``fit`` makes do with fewer.
    lam, noise, threshold, floor : as in `RobustPCA`
    tol : float, default 1e-3
        Relative error at which the split of a block stops.
    sparse : {"cells", "frames"}, default "cells"
        Whether single cells or whole frames are outliers.
    output : {"scores", "low_rank", "sparse"}, default "scores"
        What ``transform`` returns.
    missing : {"mask", "error"}, default "mask"
        NaN is a missing cell, or an error.
    random_state : int, optional
        Seed of the cells that ``score`` hides; None is 0.

    Attributes
    ----------
    components_, mean_, singular_values_, explained_variance_, explained_variance_ratio_, noise_variance_
        As in `RobustPCA`, of the frames seen so far, weighted by age. The sign of a component is kept over updates.
    noise_scale_ : array, shape (n_features,)
        Running robust standard deviation of what the base leaves over.
    n_components_, n_features_in_, n_samples_seen_ : int
    n_iter_ : int
        Updates of the base, warm-up included.
    status_ : rpca_affect.Status
        How the split of the last block ended.

    References
    ----------
    Feng, Xu & Yan (2013), Online robust PCA via stochastic optimization; Ross, Lim, Lin & Yang (2008), Incremental
    learning for robust visual tracking (the update of base and mean).

    Examples
    --------
    >>> import numpy as np
    >>> from rpca_affect import IncrementalRobustPCA
    >>> time = np.linspace(0, 40, 1000)[:, None]
    >>> frames = np.sin(time) * np.ones(8) + np.cos(2 * time) * np.linspace(-1, 1, 8)
    >>> model = IncrementalRobustPCA(n_components=2, noise=0.01)
    >>> for start in range(0, 1000, 100):
    ...     _ = model.partial_fit(frames[start : start + 100])
    >>> model.n_samples_seen_, model.components_.shape
    (1000, (2, 8))
    """

    _reference = "10.1007/s11263-007-0075-7"

    n_components_: int
    components_: Array
    noise_scale_: Array

    _rules: ClassVar[dict[str, rules.Rule]] = {
        **SHARED_RULES,
        "half_life": rules.optional(rules.number(above=0)),
        "batch_size": rules.whole(1),
        "n_warmup": rules.whole(2),
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        half_life: float | None = None,
        batch_size: int = 500,
        n_warmup: int = 200,
        lam: float | None = None,
        noise: Any = "auto",
        threshold: float = 2.0,
        floor: float = 0.02,
        sparse: str = "cells",
        output: str = "scores",
        missing: str = "mask",
        tol: float = 1e-3,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.half_life = half_life
        self.batch_size = batch_size
        self.n_warmup = n_warmup
        self.lam = lam
        self.noise = noise
        self.threshold = threshold
        self.floor = floor
        self.sparse = sparse
        self.output = output
        self.missing = missing
        self.tol = tol
        self.random_state = random_state

    @with_callbacks
    def fit(self, X: Any, y: Any = None, *, sequence_id: Any = None) -> Self:
        """Forget everything and learn the base from frames, batch by batch.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
            Frames in time order; NaN marks a missing cell.
        y : ignored

        Returns
        -------
        IncrementalRobustPCA
        """
        check_parameters(self)
        values, mask = self._frames(X, reset=True, least=2)
        self._restart()
        batches = list(gen_batches(values.shape[0], self.batch_size))
        context = self._init_callback_context(max_subtasks=len(batches))
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        for batch in batches:
            step = context.subcontext(task_name="batch").call_on_fit_task_begin(estimator=self)
            self._take(Observed(values[batch, :], None if mask is None else mask[batch, :]))
            if step.call_on_fit_task_end(estimator=self):
                break
        if self._waiting:
            self._learn_waiting()
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Update the base with the next frames.

        Parameters that were changed by ``set_params`` since the last call hold from here on; ``n_components`` and
        ``sparse``, which the base so far was made with, cannot change.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
            One frame or more, following those of the last call in time.
        y : ignored

        Returns
        -------
        IncrementalRobustPCA
            Fitted once ``n_warmup`` frames have been seen.
        """
        check_parameters(self)
        first = not hasattr(self, "n_samples_seen_")
        if not first:
            self._check_begun()
        observed = self._frames(X, reset=first)
        if first:
            self._restart()
        self._take(observed)
        return self

    def _check_begun(self) -> None:
        """Refuse to go on under another ``n_components`` or ``sparse`` than those that made the base so far."""
        for name, value in self._begun.items():
            if getattr(self, name) != value:
                raise ValueError(
                    f"{name} was {value!r} when the stream began and is {getattr(self, name)!r}: set it back, or begin "
                    "anew with fit"
                )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "components_")

    def _restart(self) -> None:
        self._begun = {name: getattr(self, name) for name in ("n_components", "sparse")}
        self._kept_doubts: tuple[Doubt, ...] = ()
        for name in ("components_", "noise_scale_", "_cutoffs"):
            self.__dict__.pop(name, None)
        self.n_samples_seen_ = 0
        self.n_iter_ = 0
        self._waiting: list[Observed] = []

    def _take(self, observed: Observed) -> None:
        """Queue frames, and learn from every full block."""
        self.n_samples_seen_ += observed.values.shape[0]
        self._waiting.append(observed)
        block = self.batch_size if hasattr(self, "components_") else self.n_warmup
        if sum(part.values.shape[0] for part in self._waiting) >= block:
            self._learn_waiting()

    def _learn_waiting(self) -> None:
        """Split the waiting frames together with the base so far, and let what is not sparse update the base."""
        block, self._waiting = _joined(self._waiting), []
        xp = array_namespace(block.values)
        first = not hasattr(self, "components_")
        if first:
            most = min(block.values.shape)
            if self.n_components is not None and not 1 <= self.n_components <= most:
                raise ValueError(f"n_components is {self.n_components!r}: the first {most} frames cannot give as many")
            head = xp.zeros_like(block.values[:0, :])
            self._weight, self._total, self._sketch = 0.0, 0.0, head
            self.mean_ = xp.zeros_like(block.values[0, :])
        else:
            # The base so far stands as rows beside the frames: following it costs next to nothing in the nuclear
            # norm, a direction that many frames share can still enter, and single cells cannot.
            most = HEAD_BLOCKS * block.values.shape[0]
            head = self._sketch[: self.n_components_, :] * min(1.0, math.sqrt(most / self._weight))
        rows = head.shape[0] + block.values.shape[0]
        # A penalty from the noise instead of the size of the cells: the heavy rows of the base leave it alone.
        mu = None if self.noise is None else MU_SLACK / noise_weight(1.0, (rows, block.values.shape[1]))
        model = NoiseModel(
            noise=self.noise if block.values.shape[0] > FEW or first else self.noise_scale_,
            threshold=self.threshold,
            lam=self.lam,
            solver=ADMM(mu=mu),
            sparse=self.sparse,
            floor=self.floor,
            options={"tol": self.tol},
        )
        status, low_rank, sparse = split_beside(head, block, model)
        # A block without order in time is not mended by the next one: what was learned from it stays.
        found = {doubt.kind: doubt for doubt in (*self._kept_doubts, *status.doubts)}
        self._kept_doubts = tuple(doubt for doubt in found.values() if doubt.kind == "unordered")
        self.status_ = replace(status, doubts=tuple(found.values()))
        cleaned = block.values - sparse
        if block.mask is not None:
            cleaned = xp.where(block.mask, cleaned, low_rank)
        if first:
            self.n_components_ = self.n_components or centred_rank(low_rank)
        self._absorb(cleaned)
        self._follow_noise(block, cleaned)
        if block.values.shape[0] > FEW or not hasattr(self, "_cutoffs"):
            gain = max(cleaned.shape[0] / self._weight, SCALE_GAIN)
            new, old = cutoffs(self, block, ALONE), getattr(self, "_cutoffs", (0.0, 0.0))
            share = gain if old[1] else 1.0
            self._cutoffs = (old[0] + share * (new[0] - old[0]), old[1] + share * (new[1] - old[1]))

    def _absorb(self, cleaned: Array) -> None:
        """Merge frames without their sparse part into mean and sketch, and read the base off the sketch."""
        xp = array_namespace(cleaned)
        count = cleaned.shape[0]
        fade = 1.0 if self.half_life is None else 0.5 ** (count / self.half_life)
        past = fade * self._weight
        weight = past + count
        center = xp.mean(cleaned, axis=0)
        shift = center - self.mean_ if past else xp.zeros_like(center)
        moved = math.sqrt(past * count / weight) * shift[None, :]
        rows = xp.concat([math.sqrt(fade) * self._sketch, cleaned - center, moved], axis=0)
        self._total = fade * self._total + float(xp.sum(rows[self._sketch.shape[0] :, :] ** 2))
        values, directions = principal(rows)
        kept = self.n_components_ + SPARE
        values, directions = values[:kept], directions[:kept, :]
        self._sketch = values[:, None] * directions
        self._weight = weight
        self.mean_ = self.mean_ + shift * (count / weight) if past else center
        self.n_iter_ += 1
        self._read_base(values, directions)

    def _read_base(self, values: Array, directions: Array) -> None:
        xp = array_namespace(values)
        rank = self.n_components_
        components = directions[:rank, :]
        if hasattr(self, "components_"):
            agree = xp.sum(components * self.components_, axis=1, keepdims=True)
            self.components_ = xp.where(agree < 0, -components, components)
        else:
            self.components_ = oriented(components)
        free = max(self._weight - 1.0, 1.0)
        self.singular_values_ = values[:rank]
        self.explained_variance_ = values[:rank] ** 2 / free
        total = self._total / free
        share = self.explained_variance_ / total if total > 0 else xp.zeros_like(self.explained_variance_)
        self.explained_variance_ratio_ = share
        left = max(0, min(self.n_features_in_, self.n_samples_seen_) - rank)
        rest = max(0.0, total - float(xp.sum(self.explained_variance_)))
        self.noise_variance_ = rest / left if left else 0.0

    def _follow_noise(self, block: Observed, cleaned: Array) -> None:
        """Move the noise scale towards what the base leaves over in these frames."""
        xp = array_namespace(cleaned)
        centred = cleaned - self.mean_
        rest = block.values - self.mean_ - (centred @ xp.matrix_transpose(self.components_)) @ self.components_
        if block.mask is not None:
            rest = xp.where(block.mask, rest, xp.zeros_like(rest))
        size = xp.sqrt(xp.sum(self._sketch * self._sketch, axis=0) / max(self._weight, 1.0))
        gain = max(cleaned.shape[0] / self._weight, SCALE_GAIN)
        past = getattr(self, "noise_scale_", xp.zeros_like(size))
        self.noise_scale_ = floored((1 - gain) * past + gain * spread(rest, block.mask), size)

    def transform(self, X: Any, *, sequence_id: Any = None) -> Array:
        """Apply the base as it stands to frames, by robust projection; see `RobustPCA.transform`.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
        sequence_id : array-like, shape (n_frames,), optional

        Returns
        -------
        array, shape (n_frames, n_components) or (n_frames, n_features)
        """
        if hasattr(self, "n_samples_seen_") and not hasattr(self, "components_"):
            raise NotFittedError(
                f"this {type(self).__name__} has seen {self.n_samples_seen_} of its {self.n_warmup} warm-up frames: "
                "feed more frames to partial_fit, or lower n_warmup"
            )
        check_is_fitted(self)
        return super().transform(X, sequence_id=sequence_id)


def _joined(parts: list[Observed]) -> Observed:
    if len(parts) == 1:
        return parts[0]
    xp = array_namespace(parts[0].values)
    values = xp.concat([part.values for part in parts], axis=0)
    if all(part.mask is None for part in parts):
        return Observed(values)
    masks = [xp.ones_like(part.values, dtype=xp.bool) if part.mask is None else part.mask for part in parts]
    return Observed(values, xp.concat(masks, axis=0))
