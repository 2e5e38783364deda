"""Robust PCA by scikit-learn's conventions: learn a base from some frames, apply it to others."""

import warnings
from typing import Any, ClassVar, NamedTuple, Self

from sklearn.callback import with_callbacks
from sklearn.exceptions import ConvergenceWarning

from rpca_affect import parameter_rules as rules
from rpca_affect.arrays import Observed, array_namespace
from rpca_affect.estimators.components import learned_base
from rpca_affect.estimators.estimator import SHARED_RULES, BaseModel
from rpca_affect.estimators.outliers import cutoffs
from rpca_affect.estimators.together import Together
from rpca_affect.lags import windows_of
from rpca_affect.noise_model import ModelSplit, NoiseModel, split_frames
from rpca_affect.parameter_rules import check_parameters
from rpca_affect.projection import KNEE
from rpca_affect.solvers import available_solvers

__all__ = ["Certificate", "RobustPCA"]


class Certificate(NamedTuple):
    """How good the split of the training frames is.

    Attributes
    ----------
    gap : float or None
        Relative duality gap of the convex model; None where the solver has no certificate.
    residual : float
        ``||M - L - S - N||_F / ||M||_F`` over the observed cells, in the scaled units of the solve.
    rank : int
        Rank of the low-rank part.
    sparsity : float
        Share of the observed cells in the sparse part.

    Examples
    --------
    >>> import numpy as np, rpca_affect as ra
    >>> X = np.outer(np.sin(np.arange(60.0) / 9), np.arange(1.0, 9.0)); X[3, 5] += 9.0
    >>> ra.RobustPCA(noise=None, lags=1).fit(X).certificate_.rank
    1
    """

    gap: float | None
    residual: float
    rank: int
    sparsity: float


class RobustPCA(BaseModel):
    """Principal components of the low-rank part of frames, with outlying and missing cells kept out.

    ``fit`` centres every feature at its median, divides it by its noise level and solves
    ``argmin_{L,S,N} ||L||_* + lam g(S) + ||N||_F^2 / (2 slack)  subject to  L + S + N = X`` on the observed cells;
    the components are those of the frames without their sparse part, ``X - S``, in the units of the input.
    ``transform`` holds that base fixed and solves the same model for new frames: a Huber fit of every frame, see
    `rpca_affect.estimators.projection.robust_scores`.

    Parameters
    ----------
    n_components : int, optional
        Number of components; default the rank of the low-rank part (at least 1).
    solver : str or solver object, default "auto"
        As in `rpca_affect.solve`. A solver with a rank (``"godec"``, ``"altproj"``) takes ``n_components`` for it; with
        ``"altproj"`` features have an offset of their own beside it. It is not convex and has no certificate, but finds
        a base of known rank under outliers in two fifths of the cells, where the convex optimum is another one.
    lam : float, optional
        Weight of the sparse part in scaled units; replaces ``threshold``.
    noise : "auto", float, array (n_features,) or None, default "auto"
        Standard deviation of dense noise per feature. ``"auto"`` measures it from differences of neighbouring frames;
        where the frames show no order in time, from the bulk of the singular values, and ``status_`` says so. None:
        no noise part.
    threshold, scale, floor, refit
        As in `rpca_affect.decompose`, which gives the same split of the same frames.
    lags : int or "auto", default "auto"
        As in `rpca_affect.decompose`; ``"auto"`` is 1 where ``n_components`` is given. With more than one, components
        are patterns of ``lags_`` frames in a row, and a frame is transformed together with its neighbours.
    sparse : {"cells", "frames"}, default "cells"
        Whether single cells or whole frames are outliers. In the latter case a new frame is projected plainly, which
        is then the optimum.
    apart : bool, default False
        As in `rpca_affect.decompose`.
    output : {"scores", "low_rank", "sparse"}, default "scores"
        Output of ``transform``.
    missing : {"mask", "error"}, default "mask"
        NaN is a missing cell, or an error.
    tol : float, default 1e-5
        Relative error at which the solve stops.
    gap : float, optional
        Relative duality gap at which it stops as soon as that is proved, too; see `rpca_affect.solve`.
    max_iter : int, optional
        Largest number of solver steps; default the solver's own.
    random_state : int, optional
        Seed of solvers that draw, and of the cells that ``score`` hides; None is 0.

    Attributes
    ----------
    components_ : array, shape (k, lags * n_features), k = ``n_components_``
        Orthonormal rows, by decreasing variance; the largest cell of each is positive.
    mean_ : array, shape (n_features,)
        Mean of the frames without their sparse part.
    singular_values_, explained_variance_, explained_variance_ratio_ : array, shape (k,)
        Of the frames without their sparse part, as in `sklearn.decomposition.PCA`.
    noise_variance_ : float
        Mean variance of the directions outside the base.
    noise_scale_ : array, shape (n_features,)
        Robust standard deviation of the remainder ``M - L`` in each feature: the unit of the Huber fit.
    low_rank_, sparse_ : array, shape (n_frames, n_features)
        The solver's split of the training frames, in the units of the input; ``low_rank_`` holds the centre.
    status_ : rpca_affect.Status
        How the solve ended, with warnings and remedies.
    certificate_ : Certificate
        Duality gap, residual, rank and sparsity of the split.
    history_ : dict of str to list
        Per step of the solver.
    n_components_, lags_, n_iter_, n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only when ``fit`` saw names.

    References
    ----------
    Candes, Li, Ma & Wright (2011), Robust principal component analysis?; Zhou, Li, Wright, Candes & Ma (2010), Stable
    principal component pursuit; Hubert, Rousseeuw & Vanden Branden (2005), ROBPCA (the outlier map).

    Examples
    --------
    >>> import numpy as np
    >>> from rpca_affect import RobustPCA
    >>> time = np.linspace(0, 20, 300)[:, None]
    >>> frames = np.sin(time) * np.ones(8) + np.cos(2 * time) * np.linspace(-1, 1, 8)
    >>> model = RobustPCA(n_components=2, noise=0.01).fit(frames)
    >>> hit = frames[:1].copy(); hit[0, 3] += 100.0
    >>> bool(np.allclose(model.transform(hit), model.transform(frames[:1]), atol=0.05))
    True
    """

    _rules: ClassVar[dict[str, rules.Rule]] = {
        **SHARED_RULES,
        "solver": rules.solver,
        "scale": rules.word("noise", "spread", "none"),
        "lags": rules.or_word("auto", rules.whole(1)),
        "refit": rules.flag,
        "apart": rules.flag,
        "gap": rules.optional(rules.number(above=0)),
        "max_iter": rules.optional(rules.whole(1)),
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        solver: Any = "auto",
        lam: float | None = None,
        noise: Any = "auto",
        threshold: float = 2.0,
        sparse: str = "cells",
        apart: bool = False,
        scale: str = "noise",
        floor: float = 0.02,
        lags: Any = "auto",
        refit: bool = True,
        output: str = "scores",
        missing: str = "mask",
        tol: float = 1e-5,
        gap: float | None = None,
        max_iter: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.solver = solver
        self.lam = lam
        self.noise = noise
        self.threshold = threshold
        self.sparse = sparse
        self.apart = apart
        self.scale = scale
        self.floor = floor
        self.lags = lags
        self.refit = refit
        self.output = output
        self.missing = missing
        self.tol = tol
        self.gap = gap
        self.max_iter = max_iter
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        return tags

    @with_callbacks
    def fit(self, X: Any, y: Any = None, *, sequence_id: Any = None) -> Self:
        """Learn the base.

        Parameters
        ----------
        X : array-like, shape (n_frames, n_features)
            Frames in time order; NaN marks a missing cell. NumPy, pandas, CuPy or torch: fitted arrays are of the
            same library (NumPy for pandas) and on the same device.
        y : ignored
        sequence_id : array-like, shape (n_frames,), optional
            Which sequence a row belongs to, for several that share the base; default all to one. No difference of
            neighbouring frames and no window of ``lags_`` frames goes from one to the next. Routed as metadata.

        Returns
        -------
        RobustPCA
        """
        check_parameters(self)
        observed = self._frames(X, reset=True, least=2)
        self._check_rank(observed)
        context = self._init_callback_context(max_subtasks=self.max_iter)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        together = Together.by(sequence_id, observed.values.shape[0])
        observed = together.lay(observed)
        found = split_frames(observed, self._noise_model(self._watched(context)), together.lengths)
        split = found.decomposition
        self._learn(observed, found, together)
        self.status_ = split.status
        self.certificate_ = Certificate(split.gap, split.residual, int(split.rank), split.sparsity)
        self.history_ = split.history
        self.n_iter_ = int(split.n_iter)
        if not split.status.converged and split.status.reason != "callback":
            warnings.warn(split.status.sentence, ConvergenceWarning, stacklevel=2)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _check_rank(self, observed: Observed) -> None:
        most = min(observed.values.shape)
        rank = self.n_components
        if rank is not None and rank > most:
            raise ValueError(f"n_components is {rank!r}: give a whole number from 1 to {most}, or None")

    def _noise_model(self, callback: Any = None) -> NoiseModel:
        """The model of `rpca_affect.decompose` under the parameters of this estimator."""
        kind = available_solvers().get(self.solver, self.solver) if isinstance(self.solver, str) else self.solver
        options = {
            "rank": self.n_components if hasattr(kind, "rank") else None,
            "tol": self.tol,
            "gap": self.gap,
            "max_iter": self.max_iter,
            "random_state": self.random_state,
            "callback": callback,
            "apart": self.apart or None,
        }
        return NoiseModel(
            noise=self.noise,
            threshold=self.threshold,
            lam=self.lam,
            solver=self.solver,
            sparse=self.sparse,
            scale=self.scale,
            floor=self.floor,
            # A given number of components is one of patterns within a frame.
            lags=1 if self.lags == "auto" and self.n_components is not None else self.lags,
            refit=self.refit,
            options={name: value for name, value in options.items() if value is not None},
        )

    def _learn(self, observed: Observed, split: ModelSplit, together: Together) -> None:
        xp = array_namespace(observed.values)
        self.lags_ = split.lags
        cleaned = observed.values - split.transient
        if observed.mask is not None:
            cleaned = xp.where(observed.mask, cleaned, split.base)
        rank = self.n_components
        if rank is None and split.lags > 1:
            rank = max(1, int(split.decomposition.rank))  # the mean over copies of a cell has a higher one
        windows = windows_of(split.lags, together.lengths, observed.values)
        base = learned_base(observed, split.base, cleaned, rank, windows)
        self.low_rank_, self.sparse_ = together.back(split.base), together.back(split.transient)
        self.n_components_ = base.components.shape[0]
        self.mean_, self.components_ = base.mean, base.components
        self.singular_values_ = base.singular_values
        self.explained_variance_ = base.variance
        self.explained_variance_ratio_ = base.share
        self.noise_variance_, self.noise_scale_ = base.noise_variance, base.noise_scale
        self._knees = self.threshold * split.sigma if self.noise is not None else KNEE * base.noise_scale
        self._cutoffs = cutoffs(self, observed, together)
