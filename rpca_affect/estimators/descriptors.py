"""Sequences of different length as one row of descriptors each: measures of the base and of the transients."""

import sys
from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from sklearn.base import TransformerMixin, clone
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from rpca_affect import parameter_rules as rules
from rpca_affect.estimators.components import floored
from rpca_affect.estimators.estimator import Documented
from rpca_affect.estimators.frames import in_memory
from rpca_affect.estimators.robust_pca import RobustPCA
from rpca_affect.estimators.together import contained, in_parallel, is_collection, numbered, split_rows, stacked
from rpca_affect.noise import MAD_TO_SIGMA, spread
from rpca_affect.parameter_rules import check_parameters
from rpca_affect.projection import KNEE, robust_scores

__all__ = ["SequenceDescriptors"]

BASE = ("level", "slope", "range")
TRANSIENT = ("rate", "amplitude", "duration", "energy")


class Clip(NamedTuple):
    """One sequence, split: base and transient part (n_frames, n_features), and which frames were seen at all."""

    base: np.ndarray
    transient: np.ndarray
    seen: np.ndarray


class SequenceDescriptors(TransformerMixin, Documented, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Describe every sequence by one row: base level, slope, range and spectrum, and transients by feature group.

    ``fit`` learns a base from all frames of all sequences. ``transform`` projects frames robustly on it (features
    vouch for each other), then fits the base of every feature over time by cosines with a Huber loss (frames vouch for
    each other): ``argmin_c sum_t rho((b_t - sum_w c_w cos(pi w (t + 1/2) / T)) / sigma)``. So cells and whole frames
    that are dropped, spiked or frozen move the descriptors little.

    Parameters
    ----------
    estimator : RobustPCA, optional
        Learns the base and splits frames. Default ``RobustPCA(tol=1e-4, lags=1)``.
    parts : {"both", "base", "transient"}, default "both"
        Which descriptors to return. Those of the base are the ones that hold up under corrupted frames: a corrupted
        frame *is* a transient.
    n_waves : int, default 5
        Cosines in the spectrum of the base, from half a period over the sequence upwards.
    groups : sequence of hashable, length n_features, optional
        Feature group of every feature (``"gaze"``, ``"AU"``, ...) for the transients; default one group, ``"all"``.
    fps : float, default 1.0
        Frames per second: slopes are per second, durations in seconds, rates in transients per second. With 1.0, per
        frame and in frames.
    n_jobs : int, optional
        Sequences worked on at the same time, each on one BLAS thread.

    Attributes
    ----------
    estimator_ : RobustPCA or None
        None for sequences of one feature, which are their own base.
    wave_scale_ : ndarray, shape (n_features,)
        Robust standard deviation of the residuals of the cosines in ``fit``: the unit of the Huber fit over time.
    n_features_in_ : int

    Notes
    -----
    Columns: ``base_level_F``, ``base_slope_F``, ``base_range_F``, ``base_wave1_F`` ... for every feature F, in its
    units; ``transient_rate_G``, ``transient_amplitude_G``, ``transient_duration_G``, ``transient_energy_G`` for every
    group G; amplitude and energy are logarithms, ``log(1 + size in units of the noise)``, since a glitch may be a
    thousand times a blink. A frame of a group is transient where one of its cells is in the sparse part.

    Examples
    --------
    >>> import numpy as np
    >>> from rpca_affect import SequenceDescriptors
    >>> rng = np.random.default_rng(0)
    >>> clips = [rng.standard_normal((length, 1)) + np.ones((length, 4)) for length in (20, 30, 25)]
    >>> model = SequenceDescriptors(n_waves=1).fit(clips)
    >>> model.transform(clips).shape, model.get_feature_names_out()[[0, -1]].tolist()
    ((3, 20), ['base_level_x0', 'transient_energy_all'])
    """

    _rules: ClassVar[dict[str, rules.Rule]] = {
        "estimator": rules.optional(rules.estimator_of(RobustPCA)),
        "parts": rules.word("both", "base", "transient"),
        "n_waves": rules.whole(0),
        "groups": rules.optional(rules.labels),
        "fps": rules.number(above=0),
        "n_jobs": rules.jobs,
    }

    def __init__(
        self,
        estimator: Any = None,
        *,
        parts: str = "both",
        n_waves: int = 5,
        groups: Sequence[Hashable] | None = None,
        fps: float = 1.0,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.parts = parts
        self.n_waves = n_waves
        self.groups = groups
        self.fps = fps
        self.n_jobs = n_jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags

    def fit(self, X: Any, y: Any = None, *, sequence_id: Any = None) -> Self:
        """Learn the base from all frames of all sequences.

        Parameters
        ----------
        X : list of array (n_frames_i, n_features), array (n_sequences, n_frames, n_features), or table
            A table with ``sequence_id`` holds frames in its rows. A table without holds one sequence of a single
            feature in every row, frames in its columns; a single recording is ``[recording]``.
        y : ignored
        sequence_id : array-like, shape (n_frames,), optional
            Routed as metadata.

        Returns
        -------
        SequenceDescriptors
        """
        check_parameters(self)
        table, rows = self._table(X, sequence_id, reset=True)
        if self.groups is not None and len(self.groups) != table.shape[1]:
            raise ValueError(f"groups has {len(self.groups)} entries for {table.shape[1]} features: give one for each")
        self.estimator_: Any = None
        if table.shape[1] > 1:
            splitter = RobustPCA(tol=1e-4, lags=1) if self.estimator is None else clone(self.estimator)
            self.estimator_ = splitter.fit(table, sequence_id=numbered(rows))
        size = spread(table)
        level = floored(size, size) if self.estimator_ is None else self.estimator_.noise_scale_
        self.noise_scale_ = np.asarray(level)
        # The unit of the fit over time is the residual of an ordinary least-squares fit in ordinary clips.
        clips = self._clips(table, rows)
        plain = np.full(table.shape[1], np.inf)
        rests = in_parallel(partial(_left_over, scale=plain, n_waves=self.n_waves), clips, self.n_jobs)
        self.wave_scale_ = np.asarray(floored(MAD_TO_SIGMA * np.median(np.stack(rests), axis=0), size))
        return self

    def transform(self, X: Any, *, sequence_id: Any = None) -> np.ndarray:
        """Describe sequences.

        Parameters
        ----------
        X : as in ``fit``
        sequence_id : array-like, shape (n_frames,), optional
            Routed as metadata; rows of the result follow the first appearance of each sequence.

        Returns
        -------
        ndarray, shape (n_sequences, n_descriptors)
            After ``set_output(transform="pandas")`` with the values of ``sequence_id`` for an index.
        """
        check_is_fitted(self, "wave_scale_")
        table, rows = self._table(X, sequence_id, reset=False)
        work = partial(
            _described,
            scale=self.wave_scale_,
            noise=self.noise_scale_,
            columns=list(self._columns().values()),
            n_waves=self.n_waves,
            fps=self.fps,
        )
        rows_out = np.stack(in_parallel(work, self._clips(table, rows), self.n_jobs))[:, self._chosen()]
        return contained(self, rows_out, _named(X, sequence_id, rows))

    def _chosen(self) -> slice:
        """Columns of the parts that are asked for."""
        n_base = self.wave_scale_.shape[0] * (len(BASE) + self.n_waves)
        return {"both": slice(None), "base": slice(n_base), "transient": slice(n_base, None)}[self.parts]

    def fit_transform(self, X: Any, y: Any = None, *, sequence_id: Any = None) -> np.ndarray:
        """Fit, then describe the same sequences; parameters as in ``fit``."""
        return self.fit(X, y, sequence_id=sequence_id).transform(X, sequence_id=sequence_id)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the descriptors.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names of the features of a frame; default those of ``fit``, or x0, x1, ...

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self, "wave_scale_")
        fitted = getattr(self, "_frame_names", None)
        names = input_features if input_features is not None else fitted
        width = self.wave_scale_.shape[0]
        if fitted is not None and names is not None and list(names) != list(fitted):
            raise ValueError("input_features is not equal to feature_names_in_: give the names that fit saw, or None")
        if names is None or (len(names) != width and width == 1):
            names = [f"x{number}" for number in range(width)]
        if len(names) != width:
            raise ValueError(f"input_features should have length equal to the number of features ({width})")
        kinds = (*BASE, *(f"wave{wave}" for wave in range(1, self.n_waves + 1)))
        return np.asarray(
            [f"base_{kind}_{name}" for kind in kinds for name in names]
            + [f"transient_{kind}_{group}" for kind in TRANSIENT for group in self._columns()],
            dtype=object,
        )[self._chosen()]

    def _columns(self) -> dict[Hashable, np.ndarray]:
        """Columns of every feature group, in order of first appearance."""
        width = self.wave_scale_.shape[0] if hasattr(self, "wave_scale_") else 0
        if self.groups is None:
            return {"all": np.arange(width)}
        labels = list(self.groups)
        return {label: np.flatnonzero([other == label for other in labels]) for label in dict.fromkeys(labels)}

    def _table(self, X: Any, sequence_id: Any, *, reset: bool) -> tuple[np.ndarray, list[np.ndarray]]:
        """All frames below each other, and the rows of every sequence."""
        X = in_memory(X)
        options: dict[str, Any] = {"reset": reset, "dtype": np.float64, "ensure_all_finite": "allow-nan"}
        if is_collection(X):
            if sequence_id is not None:
                raise ValueError("sequence_id belongs to a table of frames: sequences given one by one need none")
            table, lengths = stacked(X)
            table = validate_data(self, table, **options)
            rows = split_rows(lengths, table.shape[0])
        elif sequence_id is not None:
            table = validate_data(self, X, **options)
            rows = split_rows(sequence_id, table.shape[0])
        else:
            clips = validate_data(self, X, **options)
            table = clips.reshape(-1, 1)
            rows = list(np.arange(table.shape[0]).reshape(clips.shape))
            if reset:
                self._frame_names = None
            return check_array(table, ensure_all_finite="allow-nan"), rows
        if reset:
            self._frame_names = getattr(self, "feature_names_in_", None)
        return table, rows

    def _clips(self, table: np.ndarray, rows: list[np.ndarray]) -> list[Clip]:
        seen = ~np.isnan(table).all(axis=1)
        if self.estimator_ is None:
            parts = np.nan_to_num(table), np.zeros_like(table)
        else:
            split = self.estimator_.decompose(table, sequence_id=numbered(rows))
            parts = split.low_rank, split.sparse
        return [Clip(parts[0][r], parts[1][r], seen[r]) for r in rows]


def _named(X: Any, sequence_id: Any, rows: list[np.ndarray]) -> Any:
    """A table without columns whose index names the sequences, where a table of frames holds them."""
    pd = sys.modules.get("pandas")
    if sequence_id is None or pd is None:
        return None if is_collection(X) else X
    labels = np.asarray(sequence_id)
    return pd.DataFrame(index=pd.Index([labels[part[0]] for part in rows], name=getattr(sequence_id, "name", None)))


# Containers are made here, as rows are sequences, not frames; set_output looks for this.
SequenceDescriptors._sklearn_auto_wrap_output_keys = {"transform"}


def _cosines(n_frames: int, n_waves: int) -> np.ndarray:
    """Constant and cosines over a sequence, shape (1 + n_waves, n_frames), without those too fast for it."""
    waves = np.arange(1 + min(n_waves, max(0, n_frames - 2)))
    return np.cos(np.pi * waves[:, None] * (np.arange(n_frames) + 0.5) / n_frames)


def _waves(clip: Clip, scale: np.ndarray, n_waves: int) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (n_features, 1 + waves) of the cosines fitted to the base over time, and the cosines."""
    cosines = _cosines(clip.base.shape[0], n_waves)
    knee = KNEE if np.isfinite(scale).all() else np.inf  # an infinite scale asks for least squares
    unit = np.where(np.isfinite(scale), scale, 1.0)[:, None]
    mask = None if clip.seen.all() else np.broadcast_to(clip.seen, (clip.base.shape[1], clip.seen.shape[0]))
    values = np.where(clip.seen, clip.base.T, 0.0) / unit
    ones = np.ones(clip.base.shape[0])
    return unit * robust_scores(values, mask, cosines, ones, tol=1e-6, knee=knee), cosines


def _left_over(clip: Clip, scale: np.ndarray, n_waves: int) -> np.ndarray:
    """Median absolute residual of the cosines, per feature."""
    coefficients, cosines = _waves(clip, scale, n_waves)
    rest = np.abs(clip.base - (coefficients @ cosines).T)
    return np.median(rest[clip.seen], axis=0) if clip.seen.any() else np.zeros(clip.base.shape[1])


def _described(
    clip: Clip, scale: np.ndarray, noise: np.ndarray, columns: list[np.ndarray], n_waves: int, fps: float
) -> np.ndarray:
    coefficients, cosines = _waves(clip, scale, n_waves)
    curve = coefficients @ cosines
    time = (np.arange(curve.shape[1]) - (curve.shape[1] - 1) / 2) / fps
    slope = curve @ time / max(float(time @ time), np.finfo(float).tiny)
    waves = np.zeros((n_waves, curve.shape[0]))
    waves[: coefficients.shape[1] - 1] = coefficients[:, 1:].T
    size = np.abs(clip.transient) / noise
    transient = np.array([_transients(size[clip.seen][:, group], fps) for group in columns])
    return np.concatenate([curve.mean(axis=1), slope, np.ptp(curve, axis=1), waves.ravel(), transient.T.ravel()])


def _transients(size: np.ndarray, fps: float) -> tuple[float, float, float, float]:
    """Rate, amplitude, duration and energy of the transients of one group; see `SequenceDescriptors`."""
    active = np.asarray((size > 0).any(axis=1))
    frames = int(np.count_nonzero(active))
    if not frames:
        return 0.0, 0.0, 0.0, 0.0
    starts = int(active[0]) + int(np.count_nonzero(active[1:] & ~active[:-1]))
    amplitude, energy = size.max(axis=1)[active].mean(), (size**2).sum(axis=1).mean()
    return starts / len(active) * fps, float(np.log1p(amplitude)), frames / starts / fps, float(np.log1p(energy))
