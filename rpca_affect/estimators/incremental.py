"""Robust PCA of a stream: batches or single frames, memory that does not grow, and forgetting for drift."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.callback import with_callbacks
from sklearn.exceptions import NotFittedError
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from rpca_affect import parameter_rules as rules
from rpca_affect.arrays import Array, Observed, array_namespace
from rpca_affect.estimators.beginning import Beginning
from rpca_affect.estimators.estimator import SHARED_RULES, BaseModel
from rpca_affect.estimators.outliers import limits, under_drift
from rpca_affect.estimators.stream import joined, rows_of
from rpca_affect.noise_model import NoiseModel
from rpca_affect.parameter_rules import check_parameters
from rpca_affect.projection import KNEE

__all__ = ["IncrementalRobustPCA"]

LEAD = 60  # frames that arrive while the first base is learned: a second of a camera, a tenth of which that takes


class IncrementalRobustPCA(BaseModel):
    """Robust principal components of frames that arrive over time.

    The first frames, three quarters of the warm-up or more, are split by the model of `RobustPCA`, in a thread of its
    own while the rest of them arrives. From then on a block of ``batch_size`` frames
    is split on the base so far, by a robust projection (the same model with its base held fixed); what is not sparse
    updates mean and base by an incremental singular value decomposition. Directions that the base lacks are let in by
    the optimality condition of that model: what lies within reach of the base, ``N``, may have no more than the
    operator norm of noise. A direction that many frames share exceeds it, single cells and short bursts do not. All
    past is one weighted sketch of ``n_components + 10`` rows, so memory does not grow.

    Latency: the base that ``transform`` applies is at most ``batch_size`` frames old (a second at 60 frames per
    second), and ``flush`` brings it up to date. Every call takes an update at most, a few milliseconds; the one that
    completes ``n_warmup`` waits for the first base where frames came faster than that was learned. A frame by itself is
    transformed at once; with lags give the ``lags_ - 1`` frames before it too and read the last row. ``make stream``
    measures all of it.

    Parameters
    ----------
    n_components : int, optional
        Number of components; default the rank found in the warm-up.
    half_life : float, optional
        Number of frames after which a frame weighs half; default: nothing is forgotten.
    batch_size : int, default 60
        Frames gathered for an update. Those that do not fill a block yet wait for the next call of ``partial_fit``
        (``fit`` leaves none waiting). How frames are handed over makes no difference.
    n_warmup : int, default 260
        Frames until there is a base. It is learned from all but the last 60 of them (or a quarter, where that is less),
        which update it. ``fit`` makes do with fewer.
    lam, noise, threshold, floor, lags : as in `RobustPCA`
        ``"auto"`` noise and lags are measured in the warm-up; the noise is followed afterwards by what the base leaves
        over, which needs no order in time.
    tol : float, default 1e-3
        Relative error at which the solve of the warm-up stops.
    sparse : {"cells", "frames"}, default "cells"
        Whether single cells or whole frames are outliers.
    output : {"scores", "low_rank", "sparse"}, default "scores"
        Output of ``transform``.
    missing : {"mask", "error"}, default "mask"
        NaN is a missing cell, or an error.
    random_state : int, optional
        Seed of the cells that ``score`` hides; None is 0.

    Attributes
    ----------
    components_, mean_, singular_values_, explained_variance_, explained_variance_ratio_, noise_variance_
        As in `RobustPCA`, of the frames seen so far, weighted by age. The sign of a component is kept over updates.
    noise_scale_ : array, shape (n_features,)
        Running robust standard deviation of the remainder ``M - L``.
    n_components_, n_features_in_, n_samples_seen_ : int
    n_iter_ : int
        Updates of the base, warm-up included.
    lags_ : int
        Frames of a component.
    status_ : rpca_affect.Status
        How the solve of the warm-up ended.

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
        "lags": rules.or_word("auto", rules.whole(1)),
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        half_life: float | None = None,
        batch_size: int = 60,
        n_warmup: int = 260,
        lam: float | None = None,
        noise: Any = "auto",
        threshold: float = 2.0,
        floor: float = 0.02,
        lags: Any = "auto",
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
        self.lags = lags
        self.sparse = sparse
        self.output = output
        self.missing = missing
        self.tol = tol
        self.random_state = random_state

    @with_callbacks
    def fit(self, X: Any, y: Any = None) -> Self:
        """Forget everything and learn the base from the frames of one sequence, batch by batch.

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
        observed = self._frames(X, reset=True, least=2)
        self._restart()
        frames = observed.values.shape[0]
        first = min(frames, self.n_warmup)
        batches = [slice(0, first), *(slice(first + s.start, first + s.stop) for s in self._batches(frames - first))]
        context = self._init_callback_context(max_subtasks=len(batches))
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        for batch in batches:
            step = context.subcontext(task_name="batch").call_on_fit_task_begin(estimator=self)
            self._take(rows_of(observed, batch))
            if step.call_on_fit_task_end(estimator=self):
                break
        self.flush()
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _batches(self, frames: int) -> list[slice]:
        return list(gen_batches(frames, self.batch_size)) if frames else []

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Update the base with the next frames.

        Parameters that were changed by ``set_params`` since the last call hold from here on, but for those of the
        warm-up; ``n_components``, ``lags``, ``noise`` and ``sparse``, which made the base so far, cannot change.

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
        """Refuse to go on under other settings than those that the base so far was made with."""
        for name, value in self._begun.items():
            now, then = (np.asarray(x, dtype=object) for x in (getattr(self, name), value))
            if not np.array_equal(now, then):  # as objects: a word and a number compare in every version of NumPy
                raise ValueError(
                    f"{name} was {value!r} when the stream began and is {getattr(self, name)!r}: set it back, or begin "
                    "anew with fit"
                )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "components_")

    def _restart(self) -> None:
        self._begun = {name: getattr(self, name) for name in ("n_components", "sparse", "lags", "noise")}
        for name in ("components_", "noise_scale_", "_beginning"):
            self.__dict__.pop(name, None)
        self.n_samples_seen_ = 0
        self.n_iter_ = 0
        self._waiting: list[Observed] = []

    def _take(self, observed: Observed) -> None:
        """Queue frames, and learn from every full block: how they were handed over makes no difference."""
        self.n_samples_seen_ += observed.values.shape[0]
        self._waiting.append(observed)
        while sum(part.values.shape[0] for part in self._waiting) >= (size := self._block_size()):
            whole = joined(self._waiting)
            self._waiting = [rows_of(whole, slice(size, None))] if whole.values.shape[0] > size else []
            self._learn(rows_of(whole, slice(0, size)))

    def _block_size(self) -> int:
        if hasattr(self, "components_"):
            return self.batch_size
        return self.n_warmup - self._first_block() if hasattr(self, "_beginning") else self._first_block()

    def _first_block(self) -> int:
        """Frames that the first base is learned from while the rest of the warm-up arrives."""
        first = self.n_warmup - min(LEAD, self.n_warmup // 4)
        return first if self.n_components is None else min(max(first, self.n_components + 1), self.n_warmup)

    def flush(self) -> Self:
        """Learn from the frames that wait, and end their sequence.

        At the end of a recording, or before the model is stored: no frame waits afterwards, and those that follow count
        as a new sequence, so that no window of ``lags_`` frames holds frames of both.

        Returns
        -------
        IncrementalRobustPCA
        """
        waiting = getattr(self, "_waiting", [])
        begun = hasattr(self, "components_") or hasattr(self, "_beginning")
        if waiting and (begun or sum(part.values.shape[0] for part in waiting) > 1):
            self._waiting = []
            self._learn(joined(waiting))
        if hasattr(self, "_beginning"):
            self._begun_base()
        if hasattr(self, "components_"):
            self._past.tail = None
        return self

    def _learn(self, block: Observed) -> None:
        if not hasattr(self, "components_") and not hasattr(self, "_beginning"):
            self._begin(block)
            if block.values.shape[0] == self.n_warmup:
                self._begun_base()
            return
        if hasattr(self, "_beginning"):
            self._begun_base()
        self._past.learn(block, self._reach(), self.sparse, self.half_life)
        self._read_base()
        self.n_iter_ += 1

    def _begin(self, block: Observed) -> None:
        """Let the first base be learned from a block."""
        frames, features = block.values.shape
        most = min(frames - 1, features)  # the mean takes a direction
        if self.n_components is not None and self.n_components > most:
            raise ValueError(f"n_components is {self.n_components!r}: the first {frames} frames give at most {most}")
        lags = 1 if self.lags == "auto" and self.n_components is not None else self.lags
        words = {name: getattr(self, name) for name in ("noise", "threshold", "lam", "sparse", "floor")}
        self._beginning = Beginning(block, self.n_components, NoiseModel(**words, lags=lags, options={"tol": self.tol}))

    def _begun_base(self) -> None:
        """Take the first base over, which is waited for."""
        self._past, self.status_ = self._beginning.result()
        del self._beginning
        self.lags_, self.n_components_ = self._past.lags, self._past.rank
        self._read_base()
        self.n_iter_ += 1

    def _reach(self) -> float:
        """Deviations of the noise from which a cell is none of the base."""
        if self.lam is not None:
            return float(self.lam) * self._past.norm
        return KNEE if self.noise is None else self.threshold

    def _read_base(self) -> None:
        """Mean, components and variances off the sketch of the past."""
        past = self._past
        sketch, rank = past.sketch, self.n_components_
        xp = array_namespace(sketch.values)
        self.mean_, self.components_, self.noise_scale_ = sketch.mean, past.components, past.scale
        free = max(sketch.weight - 1.0, 1.0)
        self.singular_values_ = sketch.values[:rank]
        self.explained_variance_ = self.singular_values_**2 / free
        total = sketch.total / free
        share = self.explained_variance_ / total if total > 0 else xp.zeros_like(self.explained_variance_)
        self.explained_variance_ratio_ = share
        left = max(0, min(self.components_.shape[1], self.n_samples_seen_) - rank)
        rest = max(0.0, total - float(xp.sum(self.explained_variance_)))
        self.noise_variance_ = rest / left if left else 0.0

    @property
    def _cutoffs(self) -> tuple[float, float]:
        score_cutoff, orthogonal_cutoff = limits(self, *self._past.near)
        places = self._past.places / array_namespace(self._past.places).sqrt(self._past.variance)
        return under_drift(score_cutoff, places), orthogonal_cutoff

    def transform(self, X: Any, *, sequence_id: Any = None) -> Any:
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
