"""How often noise alone looks like an event: the tails of the residual, and surrogates that share its correlations."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import gammaincc, gammainccinv, ndtr, ndtri, stdtr, stdtrit

from rpca_affect.lags import stretches
from rpca_affect.session.remainder import Remainder
from rpca_affect.session.runs import Runs, cells_of, find_runs, groups_of, join_cells

__all__ = ["Noise", "measure_noise", "scored_runs"]

FRAMES_PER_MINUTE = 1800  # of a recording without a frame rate
NEAR = 0.5
BINS = 35
CUT = 4.0  # in median absolute deviations (2.7 sigma): cells beyond may be events and say nothing about the noise
PRIOR = 2000  # cells: how much the tails of all features weigh beside those of one
DOUBT = 2.0  # difference of log-likelihoods that rules out a law
NORMAL = 0.67  # median of the absolute value of normal noise
AT_REST = 0.2  # standard deviations of the noise: smallest median of the deviations
BLOCK_SECONDS = 2.0  # over which the size of the noise is measured
SHORTEST_BLOCK = 30  # frames
EXTENT = 1.5  # standard deviations: a weaker cell is no part of a run, whatever the split calls transient
CELLS = 3_000_000  # of all surrogates together
TOGETHER = 64  # features whose tails are looked at together
FEW = 20  # peaks that are enough to count
LEADING = 200  # strongest runs of a surrogate that are followed up: only the tail of their strengths counts


class Noise(NamedTuple):
    """Law of the noise, measured on the deviations from the base.

    Attributes
    ----------
    scale : ndarray, shape (n_features,)
        Of the deviations of each feature, in units of ``local``.
    law : ndarray of int, shape (n_features,)
        Which of the laws on trial (`laws`) the bulk of the deviations of each feature follows.
    single, longer : ndarray
        Strengths of the strongest groups that surrogates of the noise show, falling: of runs of one frame, and of more.
    minutes : float
        Length of all surrogates together.
    per_frame : float
        Minutes that a frame lasts.
    local : ndarray, shape (n_blocks, n_features)
        Size of the deviations around each block of ``block`` frames: noise that comes and goes (an action unit that
        rests, a stretch that the base fits badly) is no event while it lasts.
    block : int
        Frames.
    """

    scale: np.ndarray
    law: np.ndarray
    single: np.ndarray
    longer: np.ndarray
    minutes: float
    per_frame: float
    local: np.ndarray
    block: int

    def rate(self, strength: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Events per minute, at least so strong, that noise alone would show.

        Parameters
        ----------
        strength : ndarray, shape (n_runs,)
            Peaks as `normal_scores`.
        frames : ndarray of int, shape (n_runs,)

        Returns
        -------
        ndarray, shape (n_runs,)
            Twice the rate among runs of one frame for these, and among longer runs for the others: each kind has half
            of the false alarms, so that the many short ones do not drown the rest.
        """
        return 2 * np.where(frames == 1, self._rate(self.single, strength), self._rate(self.longer, strength))

    def _rate(self, falling: np.ndarray, strength: np.ndarray) -> np.ndarray:
        count = np.searchsorted(-falling, -strength, side="right").astype(float)
        if len(falling):
            # Few are that strong: beyond, they fall as often as a normal process crosses a level (Rice).
            last = min(FEW, len(falling)) - 1
            beyond = strength > falling[last]
            count[beyond] = (last + 1) * np.exp((falling[last] ** 2 - strength[beyond] ** 2) / 2)
        return count / self.minutes


class Law(NamedTuple):
    """A symmetric law, by the functions of `scipy.special`: `scipy.stats` takes longer to import than to measure with.

    Attributes
    ----------
    above : callable
        Probability to lie above a number, which may be negative.
    quartile : float
        Number that a quarter lies above: the median of the absolute value.
    """

    above: Callable[[np.ndarray], np.ndarray]
    quartile: float

    def below(self, x: np.ndarray) -> np.ndarray:
        """Probability to lie below."""
        return self.above(-x)


def _student(freedom: float) -> Law:
    return Law(lambda x: stdtr(freedom, -x), float(stdtrit(freedom, 0.75)))


def _general(power: float) -> Law:
    """Generalised normal law: its density falls as exp(-abs(x)**power)."""

    def above(x: np.ndarray) -> np.ndarray:
        side = 0.5 * np.sign(-x)
        return (0.5 + side) - side * gammaincc(1 / power, np.abs(x) ** power)

    return Law(above, float(gammainccinv(1 / power, 0.5) ** (1 / power)))


@cache
def laws() -> tuple[Law, ...]:
    """Symmetric laws on trial, the heaviest tail first: Student's, generalised normal (1: Laplace's), normal.

    None is heavier than Student's with three degrees of freedom. The bulk of a few hundred frames hardly tells two
    from three, and with two, whose variance is infinite, noise would reach what a blink of 250 deviations does.
    """
    t, g = _student, _general
    heavy = (t(3), t(4), t(5), g(1), t(7), g(1.25), t(10), g(1.5), t(15), t(30))
    return (*heavy, Law(lambda x: ndtr(-x), float(ndtri(0.75))))


@cache
def _ladder(law: int) -> tuple[np.ndarray, np.ndarray]:
    """Absolute values from 0 to 1e7 and their normal scores."""
    steps = np.sinh(np.linspace(0.0, np.arcsinh(1e7), 4000))
    return steps, np.minimum(-ndtri(laws()[law].above(steps)), 37.0)


def normal_scores(deviation: np.ndarray, scale: np.ndarray, law: np.ndarray) -> np.ndarray:
    """Deviations as standard deviations of a normal variable that is exceeded as often.

    Parameters
    ----------
    deviation : ndarray, shape (n_frames, n_features)
    scale, law : ndarray, shape (n_features,)
        As in `Noise`.

    Returns
    -------
    ndarray, shape (n_frames, n_features)
    """
    scores = np.empty_like(deviation)
    for rows in stretches(*deviation.shape):
        some = deviation[rows] / scale
        for kind in np.unique(law):
            part = some[:, law == kind]
            scores[rows, law == kind] = np.copysign(_scored(np.abs(part), int(kind)), part)
    return scores


def scored_runs(left: Remainder, noise: Noise, min_frames: int, max_gap: int) -> Runs:
    """Runs of transient cells, their strengths as normal scores; weaker cells than EXTENT are no part."""
    feature, frame = cells_of(left.transient)
    size = left.sizes(frame, feature)
    size /= noise.local[frame // noise.block, feature] * noise.scale[feature]
    for kind in np.unique(noise.law):
        these = noise.law[feature] == kind
        size[these] = _scored(size[these], int(kind))
    kept = size >= EXTENT
    return join_cells(feature[kept], frame[kept], size[kept], min_frames, max_gap)


def _scored(size: np.ndarray, law: int) -> np.ndarray:
    return np.interp(size, *_ladder(law))


def measure_noise(
    left: Remainder,
    *,
    sigma: Any = None,
    fps: float | None = None,
    min_frames: int = 1,
    max_gap: int = 2,
    random_state: int = 0,
) -> Noise:
    """Measure the law of the noise: its tails, and the strongest runs that it makes alone.

    One of `laws` is fitted to the bulk of every feature by truncated likelihood, with the tails of all
    features as prior, so that events neither widen it nor fatten it. In normal scores, surrogates then get the
    spectrum of every feature and the cross-spectra of all: the same random phases turn the Fourier coefficients of
    all features. Their runs are found as those of the recording are.

    Parameters
    ----------
    left : Remainder
        Exact zeros (missing cells) are left out.
    sigma : array, shape (n_features,), optional
        Standard deviation of the noise that the split assumes; taken where a feature rests.
    fps : float, optional
        Frames per second; 30 where it is not known.
    min_frames, max_gap
        As in `find_runs`.
    random_state : int, default 0

    Returns
    -------
    Noise

    References
    ----------
    D. Prichard and J. Theiler, "Generating surrogate data for time series with several simultaneously measured
    variables", Phys. Rev. Lett. 73 (1994); S. O. Rice, "Mathematical analysis of random noise" (1944).
    """
    frames, features = left.transient.shape
    block = max(SHORTEST_BLOCK, round(BLOCK_SECONDS * fps) if fps else round(BLOCK_SECONDS * FRAMES_PER_MINUTE / 60))
    least = left.least_transient()
    local = left.local_sizes(block)
    unknown = local == 0
    if sigma is not None:  # where a feature rests, nothing but the assumption of the split is known
        least_noise = np.where(unknown, NORMAL, AT_REST) * np.asarray(sigma)
        unknown |= local < least_noise
        local = np.maximum(local, least_noise)
    local[local == 0] = 1.0
    per_frame = 1 / (60 * fps if fps else FRAMES_PER_MINUTE)
    kept = slice(0, min(frames, max(CELLS // max(features, 1), 100)))
    parts = [slice(first, min(first + block, kept.stop)) for first in range(0, kept.stop, block)]
    unknown &= ~unknown.all(axis=0)
    moving, deviation = left.moving(kept), left.deviation(kept)
    for part, size, nothing in zip(parts, local, unknown):
        moving[part] = np.where(nothing, 0.0, moving[part] / size)
        deviation[part] /= size
    scale, law = _tails(moving)
    del moving
    scores = normal_scores(deviation, scale, law)
    del deviation
    reach = np.maximum(normal_scores(least / local[: len(parts)], scale, law), EXTENT)
    # Events are no noise: without their cells the spectrum is that of the rest.
    scores[np.abs(scores) > 3.0] = 0.0
    count = int(np.clip(CELLS // max(scores.size, 1), 1, 40))
    spectrum = _Spectrum.of(scores)
    del scores
    rng = np.random.default_rng(random_state)
    single: list[float] = []
    longer: list[float] = []
    for _ in range(count):
        surrogate = spectrum.surrogate(rng)
        for part, size in zip(parts, reach):
            surrogate[part][np.abs(surrogate[part]) < size] = 0.0
        runs = find_runs(surrogate, min_frames, max_gap)
        for found, which in ((single, runs.frames == 1), (longer, runs.frames > 1)):
            some = np.flatnonzero(which)
            some = some[np.argsort(-runs.peak[some], kind="stable")[:LEADING]]
            leaders = runs.take(some)
            found.extend(leaders.peak[group[0]] for group in groups_of(leaders))
    minutes = count * spectrum.frames * per_frame
    return Noise(scale, law, -np.sort(-np.array(single)), -np.sort(-np.array(longer)), minutes, per_frame, local, block)


@cache
def _trials() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges, trial scales, and log shares of the bins between the edges, shape (laws, scales, bins).

    Edges are in medians of the absolute value; the bins begin where a peak at 0 (a feature at rest) has ended.
    """
    edges, widths = np.linspace(NEAR, CUT, BINS + 1), np.linspace(0.6, 1.6, 21)
    table = np.empty((len(laws()), len(widths), BINS))
    for row, law in zip(table, laws()):
        inside = law.below(edges * law.quartile / widths[:, None])
        row[:] = np.log(np.diff(inside, axis=1) / (inside[:, -1:] - inside[:, :1]))
    return edges, widths, table


def _tails(deviation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and law of every feature, from the cells between NEAR and CUT medians of the absolute value."""
    features = deviation.shape[1]
    unit, counts = np.ones(features), np.zeros((features, BINS))
    for first in range(0, features, TOGETHER):
        some = slice(first, first + TOGETHER)
        size = np.abs(deviation[:, some])
        unit[some] = [np.median(column[column > 0]) if column.any() else 1.0 for column in size.T]
        place = (size - NEAR * unit[some]) * (BINS / ((CUT - NEAR) * unit[some]))
        place = np.where((place >= 0) & (place < BINS) & (size > 0), place, BINS).astype(np.intp)
        number = (BINS + 1) * size.shape[1]
        found = np.bincount((place + (BINS + 1) * np.arange(size.shape[1])).ravel(), minlength=number)
        counts[some] = found.reshape(-1, BINS + 1)[:, :BINS]
    _, widths, table = _trials()
    likelihood = np.einsum("fb,nwb->fnw", counts, table)
    own = likelihood.max(axis=2)
    together = own.sum(axis=0)
    # A tail read too light lists noise as events, one read too heavy only misses some: the heavier of what the feature
    # and all features together say, and the heaviest that these do not rule out.
    joint = int(np.flatnonzero(together >= together.max() - DOUBT)[0])
    law = np.minimum(np.argmax(own + PRIOR * together / max(counts.sum(), PRIOR), axis=1), joint)
    middle = np.array([law.quartile for law in laws()])
    return unit * widths[np.argmax(likelihood[np.arange(features), law], axis=1)] / middle[law], law


class _Spectrum(NamedTuple):
    """Spectra of several series of so many frames, which have their cross-spectra as well, and their powers."""

    frames: int
    length: int
    values: np.ndarray
    power: np.ndarray

    @classmethod
    def of(cls, series: np.ndarray) -> "_Spectrum":
        length = next_fast_len(len(series), real=True)
        power = np.sqrt(np.mean(np.square(series), axis=0))
        return cls(len(series), length, rfft(series, length, axis=0), power)

    def surrogate(self, rng: np.random.Generator) -> np.ndarray:
        """Normal processes of variance 1 with these spectra and cross-spectra, shape (frames, n_features)."""
        turned = self.values * np.exp(2j * np.pi * rng.random((len(self.values), 1)))
        series = irfft(turned, self.length, axis=0, overwrite_x=True)[: self.frames]
        series /= np.where(self.power > 0, self.power * math.sqrt(self.frames / self.length), 1.0)
        return series
