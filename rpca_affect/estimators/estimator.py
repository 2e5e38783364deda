"""Base of the estimators: checked frames of any array library, callbacks, names of outputs, documentation links."""

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from rpca_affect import parameter_rules as rules
from rpca_affect.arrays import Array, Observed, array_namespace, device
from rpca_affect.decomposition import Decomposition, Status
from rpca_affect.estimators.frames import checked, is_foreign
from rpca_affect.estimators.outliers import OutlierMap, cell_score, outlier_map
from rpca_affect.estimators.together import Together
from rpca_affect.lags import averaged, surrounded
from rpca_affect.parameter_rules import check_parameters
from rpca_affect.projection import KNEE, robust_scores, split_rest
from rpca_affect.request import Progress

__all__ = ["ALONE", "OUTPUTS", "SHARED_RULES", "BaseModel", "Documented", "oriented"]

OUTPUTS = ("scores", "low_rank", "sparse")
ALONE = Together()

# Parameters that several estimators share; each adds its own.
SHARED_RULES: dict[str, rules.Rule] = {
    "n_components": rules.optional(rules.whole(1)),
    "lam": rules.optional(rules.number(above=0)),
    "noise": rules.noise,
    "threshold": rules.number(above=0),
    "floor": rules.number(least=0),
    "sparse": rules.word("cells", "frames"),
    "output": rules.word(*OUTPUTS),
    "missing": rules.word("mask", "error"),
    "tol": rules.number(above=0),
    "random_state": rules.seed,
}


def oriented(components: Array) -> Array:
    """Flip signs so that the largest cell of every component is positive: the same base, the same signs."""
    xp = array_namespace(components)
    high, low = xp.max(components, axis=1, keepdims=True), xp.min(components, axis=1, keepdims=True)
    return xp.where(high >= -low, components, -components)


class Documented(BaseEstimator):
    """Estimator whose HTML form links to the description of its method."""

    _doc_link_module = "rpca_affect"
    _doc_link_template = "https://doi.org/{reference}"
    _reference = "10.1145/1970392.1970395"  # Candes, Li, Ma & Wright (2011)

    def _doc_link_url_param_generator(self) -> dict[str, str]:
        return {"reference": self._reference}


class BaseModel(ClassNamePrefixFeaturesOutMixin, CallbackSupportMixin, TransformerMixin, Documented):
    """Estimator with a learned base, applied to frames by robust projection.

    A subclass sets the parameters ``sparse``, ``output`` and ``missing`` and learns ``components_``, ``mean_``,
    ``noise_scale_`` and ``explained_variance_``.
    """

    output: str
    sparse: str
    missing: str
    random_state: Any

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "mask"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _frames(self, X: Any, *, reset: bool, method: str = "fit", least: int = 1) -> Observed:
        return checked(self, X, reset=reset, method=method, least=least)

    def _model(self, observed: Observed, together: Together = ALONE) -> tuple[Array, Array]:
        """Scores and low-rank part (in the units of the input) of frames."""
        xp = array_namespace(observed.values)
        values = observed.values - self.mean_
        if observed.mask is not None:
            values = xp.where(observed.mask, values, xp.zeros_like(values))
        # A whole outlying frame is down-weighted as one, which leaves its own best fit where it is.
        knee = KNEE if self.sparse == "cells" else math.inf
        lags = getattr(self, "lags_", 1)
        scale = self.noise_scale_ if lags == 1 else xp.concat([self.noise_scale_] * lags)
        if lags == 1:
            scores = robust_scores(values, observed.mask, self.components_, scale, knee=knee)
            return scores, self._low_rank(scores, together)
        parts = []
        for rows in together.slices:  # a frame has its neighbours in its own sequence
            windows, mask = surrounded(values[rows, :], None if observed.mask is None else observed.mask[rows, :], lags)
            parts.append(robust_scores(windows, mask, self.components_, scale, knee=knee))
        scores = parts[0] if len(parts) == 1 else xp.concat(parts, axis=0)
        return scores, self._low_rank(scores, together)

    def _low_rank(self, scores: Array, together: Together = ALONE) -> Array:
        """The low-rank part that belongs to scores of frames in a row."""
        lags = getattr(self, "lags_", 1)
        if lags == 1:
            return scores @ self.components_ + self.mean_
        parts = []
        for rows in together.slices:
            frames = averaged(scores[rows, :] @ self.components_, lags)[lags // 2 :, :]
            parts.append(frames[: scores[rows, :].shape[0], :] + self.mean_)
        return parts[0] if len(parts) == 1 else array_namespace(scores).concat(parts, axis=0)

    def _parts(self, observed: Observed, together: Together = ALONE) -> tuple[Array, Array, Array, Array]:
        """Scores, low-rank, sparse and noise part of frames."""
        scores, low_rank = self._model(observed, together)
        rest = observed.values - low_rank
        if observed.mask is not None:
            xp = array_namespace(rest)
            rest = xp.where(observed.mask, rest, xp.zeros_like(rest))
        knees = getattr(self, "_knees", KNEE * self.noise_scale_)
        sparse = split_rest(rest, knees, self.sparse, whole=getattr(self, "refit", False))
        return scores, low_rank, sparse, rest - sparse

    def fit_transform(self, X: Any, y: Any = None, *, sequence_id: Any = None) -> Any:
        """Fit, then transform the same frames; parameters as in ``fit``."""
        told = {} if sequence_id is None else {"sequence_id": sequence_id}
        return self.fit(X, y, **told).transform(X, **told)

    def transform(self, X: Any, *, sequence_id: Any = None) -> Any:
        """Apply the learned base to frames, seen or unseen, by robust projection.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
            NaN marks a missing cell.
        sequence_id : array-like, shape (n_frames,), optional
            Which sequence a row belongs to; default all to one. Routed as metadata.

        Returns
        -------
        array, shape (n_frames, n_components) or (n_frames, n_features)
            ``output="scores"``: coordinates on the base; ``"low_rank"``: the base part, in the units of the input;
            ``"sparse"``: the transient part, in the units of the input, 0 where a cell is missing.
        """
        check_is_fitted(self)
        check_parameters(self)
        observed, together = self._sequences(X, sequence_id, "transform")
        if self.output == "sparse":
            return together.back(self._parts(observed, together)[2])
        scores, low_rank = self._model(observed, together)
        return together.back(scores if self.output == "scores" else low_rank)

    def inverse_transform(self, X: Any, *, sequence_id: Any = None) -> Any:
        """Return the frames, without noise, that an output of ``transform`` stands for.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_components) or (n_frames, n_features)
            Names of the columns of ``transform`` under the present ``output``.
        sequence_id : array-like, shape (n_frames,), optional
            As in ``transform``.

        Returns
        -------
        array, shape (n_frames, n_features)
            In the units of the input of ``fit``: the low-rank part that belongs to scores; a low-rank part itself; a
            sparse part on the centre of the base, since it does not tell where on the base it was.

        Raises
        ------
        ValueError
            If the width is not that of the output.
        """
        check_is_fitted(self)
        check_parameters(self)
        xp = array_namespace(self.components_)
        given = X if is_foreign(X) else np.asarray(X)
        if given.ndim != 2 or given.shape[1] != self._n_features_out:
            meant = "scores, one column for each of the" if self.output == "scores" else f"the {self.output} part of"
            what = "components" if self.output == "scores" else "features"
            raise ValueError(
                f"X has shape {tuple(given.shape)}: with output={self.output!r} inverse_transform takes {meant} "
                f"{self._n_features_out} {what}"
            )
        given = xp.asarray(given, dtype=self.components_.dtype, device=device(self.components_))
        if self.output != "scores":
            return given + self.mean_ if self.output == "sparse" else given
        together = Together.by(sequence_id, given.shape[0])
        return together.back(self._low_rank(together.lay(Observed(given)).values, together))

    def _sequences(self, X: Any, sequence_id: Any, method: str) -> tuple[Observed, Together]:
        """Checked frames in the order of their sequences, and that order."""
        observed = self._frames(X, reset=False, method=method)
        together = Together.by(sequence_id, observed.values.shape[0])
        return together.lay(observed), together

    def decompose(self, X: Any, *, sequence_id: Any = None) -> Decomposition:
        """Split frames on the learned base into low-rank, sparse and noise parts.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
        sequence_id : array-like, shape (n_frames,), optional
            Which sequence a row belongs to; default all to one.

        Returns
        -------
        rpca_affect.Decomposition
            Parts in the units of the input; a missing cell carries its prediction in ``low_rank``.
        """
        check_is_fitted(self)
        check_parameters(self)
        observed, together = self._sequences(X, sequence_id, "decompose")
        xp = array_namespace(observed.values)
        scores, low_rank, sparse, noise = (together.back(part) for part in self._parts(observed, together))
        cells = observed.values.shape[0] * observed.values.shape[1]
        if observed.mask is not None:
            cells = max(1, int(xp.sum(xp.astype(observed.mask, xp.int64))))
        return Decomposition(
            low_rank=low_rank,
            sparse=sparse,
            noise=noise,
            n_iter=0,
            status=Status(True, "projected", measure={"components": int(scores.shape[1])}),
            rank=int(scores.shape[1]),
            sparsity=float(xp.sum(xp.astype(sparse != 0, sparse.dtype))) / cells,
            residual=0.0,
            solver="robust projection",
        )

    def outlier_map(self, X: Any, *, sequence_id: Any = None) -> OutlierMap:
        """Distances of frames inside the base and from it: the outlier map of ROBPCA, with cut-offs at 97.5 %.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
        sequence_id : array-like, shape (n_frames,), optional
            Which sequence a row belongs to; default all to one.

        Returns
        -------
        OutlierMap
        """
        check_is_fitted(self)
        observed, together = self._sequences(X, sequence_id, "outlier_map")
        found = outlier_map(self, observed, together)
        inside, beside, typical = found.score_distance, found.orthogonal_distance, found.typical
        return found._replace(
            score_distance=together.back(inside),
            orthogonal_distance=together.back(beside),
            typical=together.back(typical),
        )

    def score_samples(self, X: Any, *, sequence_id: Any = None) -> Array:
        """Return how typical every frame is: minus the mean Huber loss of its observed cells.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
        sequence_id : array-like, shape (n_frames,), optional
            Which sequence a row belongs to; default all to one.

        Returns
        -------
        array, shape (n_frames,)
            At most 0; about -0.4 for a frame with nothing but noise beside the base.
        """
        return self.outlier_map(X, sequence_id=sequence_id).typical

    def score(self, X: Any, y: Any = None, *, sequence_id: Any = None) -> float:
        """Return how well held-out cells of frames are predicted from their other cells, for `GridSearchCV`.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
        y : ignored
        sequence_id : array-like, shape (n_frames,), optional
            Which sequence a row belongs to; default all to one. Routed as metadata.

        Returns
        -------
        float
            ``1 - sum |x - prediction| / sum |x - median|`` over all cells (each feature in units of its spread), every
            cell predicted once, without itself: 1 is perfect, 0 no better than each feature's median.
        """
        check_is_fitted(self)
        return cell_score(self, *self._sequences(X, sequence_id, "score"), self.random_state)

    @property
    def _n_features_out(self) -> int:
        return self.components_.shape[0] if self.output == "scores" else self.n_features_in_

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the output columns: numbered components for scores, the input's names otherwise.

        Parameters
        ----------
        input_features : array-like of str, optional
            Used when ``fit`` saw no names.

        Returns
        -------
        ndarray of str
        """
        if self.output == "scores":
            return super().get_feature_names_out(input_features)
        check_is_fitted(self)
        return _check_feature_names_in(self, input_features)

    def _watched(self, context: Any) -> Any:
        """Callback for `rpca_affect.solve` that tells scikit-learn's callbacks about every step; None without any."""
        if not getattr(self, "_skl_callbacks", None):
            return None

        def tell(progress: Progress) -> bool:
            step = context.subcontext(task_name="step").call_on_fit_task_begin(estimator=self)
            return step.call_on_fit_task_end(estimator=self, metadata=progress._asdict())

        return tell
