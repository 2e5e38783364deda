"""Robust PCA of many sequences: a base of their own, a shared one, or a shared one with an offset per sequence."""

import warnings
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from rpca_affect import parameter_rules as rules
from rpca_affect.estimators.estimator import OUTPUTS, Documented
from rpca_affect.estimators.frames import in_memory
from rpca_affect.estimators.robust_pca import RobustPCA
from rpca_affect.estimators.together import contained, in_parallel, is_collection, numbered, split_rows, stacked
from rpca_affect.parameter_rules import check_parameters

__all__ = ["SequenceRobustPCA"]

BASES = ("shared", "own", "both")


class SequenceRobustPCA(  # type: ignore[call-arg]
    ClassNamePrefixFeaturesOutMixin, CallbackSupportMixin, TransformerMixin, Documented, auto_wrap_output_keys=None
):
    """Robust PCA of a study: sequences of different length, of different people or recordings.

    Parameters
    ----------
    n_components : int, optional
        As in `RobustPCA`. With ``base="own"`` and ``output="scores"`` it must be given, so that widths agree.
    base : {"shared", "own", "both"}, default "shared"
        ``"shared"``: one base for all sequences, learned from all their frames. ``"own"``: every sequence is split on
        its own, in ``transform`` too, and nothing is learned from other sequences. ``"both"``: a shared base, and for
        every sequence an offset of its own (the median of its frames), which a new sequence brings with it.
    estimator : RobustPCA, optional
        Splits the frames; its ``n_components`` and ``output`` are set from here. Default ``RobustPCA()``.
    output : {"scores", "low_rank", "sparse"}, default "scores"
        Output of ``transform``.
    n_jobs : int, optional
        Sequences worked on at the same time, each on one BLAS thread (joblib); -1 uses all cores.

    Attributes
    ----------
    estimator_ : RobustPCA
        With the shared base; not for ``base="own"``.
    estimators_ : list of RobustPCA
        One per sequence of ``fit``; only for ``base="own"``.
    components_, mean_, explained_variance_ratio_ : array
        Of the shared base; not for ``base="own"``.
    n_sequences_, n_features_in_ : int
    status_ : list of rpca_affect.Status
        Of every solve of ``fit``: one, or one per sequence.

    Examples
    --------
    >>> import numpy as np
    >>> from rpca_affect import SequenceRobustPCA
    >>> rng = np.random.default_rng(0)
    >>> moves = rng.standard_normal((2, 6))
    >>> clips = [np.cumsum(rng.standard_normal((length, 2)), axis=0) @ moves for length in (40, 60)]
    >>> scores = SequenceRobustPCA(2, base="both").fit_transform(clips)
    >>> [clip.shape for clip in scores]
    [(40, 2), (60, 2)]
    """

    _rules: ClassVar[dict[str, rules.Rule]] = {
        "n_components": rules.optional(rules.whole(1)),
        "base": rules.word(*BASES),
        "estimator": rules.optional(rules.estimator_of(RobustPCA)),
        "output": rules.word(*OUTPUTS),
        "n_jobs": rules.jobs,
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        base: str = "shared",
        estimator: Any = None,
        output: str = "scores",
        n_jobs: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.base = base
        self.estimator = estimator
        self.output = output
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @with_callbacks
    def fit(self, X: Any, y: Any = None, *, sequence_id: Any = None) -> Self:
        """Learn the base or bases.

        Parameters
        ----------
        X : list of array (n_frames_i, n_features), array (n_sequences, n_frames, n_features), or table
            A table (n_frames, n_features) holds all sequences below each other, or one.
        y : ignored
        sequence_id : array-like, shape (n_frames,), optional
            For a table: which sequence a row belongs to. Routed as metadata.

        Returns
        -------
        SequenceRobustPCA
        """
        check_parameters(self)
        if self.base == "own" and self.output == "scores" and self.n_components is None:
            raise ValueError("base='own' with output='scores' needs n_components: the ranks of sequences differ")
        table, rows = self._table(X, sequence_id, reset=True)
        context = self._init_callback_context(max_subtasks=1)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        step = context.subcontext(task_name="solve")
        self.__dict__.pop("estimator_", None)
        self.__dict__.pop("estimators_", None)
        if self.base == "own":
            step.call_on_fit_task_begin(estimator=self)
            self.estimators_ = in_parallel(partial(_fitted, self._worker()), [table[r] for r in rows], self.n_jobs)
            self.status_ = [fitted.status_ for fitted in self.estimators_]
            step.call_on_fit_task_end(estimator=self)
        else:
            worker = self._worker()
            with step.propagate_callback_context(worker):
                step.call_on_fit_task_begin(estimator=self)
                self.estimator_ = worker.fit(self._levelled(table, rows)[0], sequence_id=numbered(rows))
                step.call_on_fit_task_end(estimator=self)
            self.status_ = [worker.status_]
            self.components_, self.mean_ = worker.components_, worker.mean_
            self.explained_variance_ratio_ = worker.explained_variance_ratio_
        self.n_sequences_ = len(rows)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def transform(self, X: Any, *, sequence_id: Any = None) -> Any:
        """Split sequences, seen or unseen.

        Parameters
        ----------
        X : as in ``fit``
        sequence_id : array-like, shape (n_frames,), optional
            Routed as metadata.

        Returns
        -------
        list of array, or array
            The part that ``output`` names, in the form of ``X``: a list for sequences given one by one, else a table;
            after ``set_output(transform="pandas")`` with the index of ``X``.
        """
        check_is_fitted(self, "n_sequences_")
        check_parameters(self)
        table, rows = self._table(X, sequence_id, reset=False)
        if self.base == "own":
            parts = in_parallel(partial(_own_output, self._worker()), [table[r] for r in rows], self.n_jobs)
            result = np.empty((table.shape[0], parts[0].shape[1]), dtype=parts[0].dtype)
            for r, part in zip(rows, parts):
                result[r] = part
        else:
            level, offset = self._levelled(table, rows)
            self.estimator_.output = self.output
            result = self.estimator_.transform(level, sequence_id=numbered(rows))
            if self.output == "low_rank":
                result = result + offset
        if is_collection(X):
            return [contained(self, result[r], part) for r, part in zip(rows, X)]
        return contained(self, result, X)

    def fit_transform(self, X: Any, y: Any = None, *, sequence_id: Any = None) -> Any:
        """Fit, then transform the same sequences; parameters as in ``fit``."""
        return self.fit(X, y, sequence_id=sequence_id).transform(X, sequence_id=sequence_id)

    @property
    def _n_features_out(self) -> int:
        if self.output != "scores":
            return self.n_features_in_
        return self.estimator_.n_components_ if self.base != "own" else int(self.n_components or 0)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the output columns; see `RobustPCA.get_feature_names_out`.

        Parameters
        ----------
        input_features : array-like of str, optional

        Returns
        -------
        ndarray of str
        """
        if self.output == "scores":
            return super().get_feature_names_out(input_features)
        check_is_fitted(self, "n_sequences_")
        return _check_feature_names_in(self, input_features)

    def _worker(self) -> RobustPCA:
        worker = RobustPCA() if self.estimator is None else clone(self.estimator)
        return worker.set_params(n_components=self.n_components, output=self.output)

    def _table(self, X: Any, sequence_id: Any, *, reset: bool) -> tuple[np.ndarray, list[np.ndarray]]:
        """All frames in one table, and the rows of every sequence."""
        X = in_memory(X)
        lengths = None
        if is_collection(X):
            if sequence_id is not None:
                raise ValueError("sequence_id belongs to a table of frames: sequences given one by one need none")
            X, lengths = stacked(X)
        table = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
        )
        return table, split_rows(sequence_id if lengths is None else lengths, table.shape[0])

    def _levelled(self, table: np.ndarray, rows: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Frames without the offset of their sequence, and that offset row by row (zero for a purely shared base)."""
        offset = np.zeros_like(table)
        if self.base == "both":
            for r in rows:
                with warnings.catch_warnings():  # a feature never observed in a sequence has no level: 0
                    warnings.simplefilter("ignore", RuntimeWarning)
                    offset[r] = np.nan_to_num(np.nanmedian(table[r], axis=0))
        return table - offset, offset


# Containers are made here, one for every sequence of a list; set_output looks for this.
SequenceRobustPCA._sklearn_auto_wrap_output_keys = {"transform"}


def _fitted(worker: RobustPCA, frames: np.ndarray) -> RobustPCA:
    return clone(worker).fit(frames)


def _own_output(worker: RobustPCA, frames: np.ndarray) -> np.ndarray:
    fitted: Any = _fitted(worker, frames)
    if worker.output == "scores":
        return fitted.transform(frames)
    return fitted.low_rank_ if worker.output == "low_rank" else fitted.sparse_
