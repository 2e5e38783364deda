"""The default model in figures: gross errors, hidden cells, planted bursts, and the rank of noise.

Run `python -m benchmarks.model_tables [gross hidden aside bursts ranks]`; `hidden`, `aside` (hidden cells of
recordings that are no faces) and `bursts` need RPCA_AFFECT_DATA or take a generated session instead. Nothing is tuned:
every method has its defaults.
"""

import argparse
import inspect
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfiltfilt
from sklearn.decomposition import PCA

from benchmarks.aside import others
from benchmarks.commands import tables
from rpca_affect import RobustPCA, decompose, noise_level, read
from rpca_affect.recordings import Recording, from_array
from rpca_affect.session.prediction import hidden_stretches, straight_lines
from rpca_affect.synthetic import make_session

HERE = Path(__file__).parent
CLIP = 60  # frames below which a recording is a clip
STRUCK = 0.05  # share of the cells of a table that bursts may strike
GROUPS = ("AU_r", "AU", "blendshapes", "landmarks_2d")
OPTIONS = set(inspect.signature(decompose).parameters)


def relative(guess: np.ndarray, truth: np.ndarray) -> float:
    """Error in the Frobenius norm, relative to the truth."""
    return float(np.linalg.norm(guess - truth) / np.linalg.norm(truth))


def gross(seeds: int = 2, frames: int = 600, features: int = 40) -> pd.DataFrame:
    """Sentinel frames and gross cells in a table of rank 4: error of the base and time, relative to the clean table."""
    rows = []
    for share in (0.005, 0.01, 0.03, 0.05, 0.10):
        for value in (-999.0, 1e3, 1e6, 1e9):
            for kind in ("frames", "cells"):
                ratios = []
                for seed in range(seeds):
                    rng = np.random.default_rng(seed)
                    truth, table = smooth_table(rng, frames, features)
                    spoiled = table.copy()
                    hit = rng.random(frames) < share if kind == "frames" else rng.random(spoiled.shape) < share
                    if value == -999.0:
                        spoiled[hit] = value
                    else:
                        spoiled[hit] += value * rng.choice([-1.0, 1.0], spoiled[hit].shape)
                    kept = ~hit if kind == "frames" else np.ones(frames, dtype=bool)
                    one, other = (_timed(part) for part in (table, spoiled))
                    errors = [relative(base[kept], truth[kept]) for base, _ in (one, other)]
                    ratios.append((*errors, errors[1] / errors[0], other[1] / one[1]))
                clean, error, worse, slower = np.mean(ratios, axis=0)
                rows.append([kind, share, value, clean, error, worse, slower])
    return pd.DataFrame(rows, columns=["spoiled", "share", "value", "clean", "error", "error_ratio", "time_ratio"])


def smooth_table(rng: np.random.Generator, frames: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    """A base of four slow curves with unit variance, and the same with noise of a tenth of that."""
    phases, periods = rng.uniform(0, 6, 4), rng.uniform(60, 240, 4)
    curves = np.sin(2 * np.pi * np.arange(frames)[:, None] / periods + phases)
    truth = curves @ rng.standard_normal((4, features)) / np.sqrt(2)
    return truth, truth + 0.1 * rng.standard_normal(truth.shape)


def _timed(table: np.ndarray) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    return decompose(table, check=False).base_values, time.perf_counter() - start


def recordings(folder: str | None) -> Iterator[tuple[str, Recording]]:
    """Yield every recording with action units, blendshapes or landmarks, one of these groups at a time."""
    if not folder:
        yield from _by_group("generated session", from_session())
        return
    root = Path(folder)
    paths = [
        *root.glob("openface/*.csv"),
        *sorted(root.glob("pyfeat/news_sample/0*.csv")),
        *root.glob("livelink/*.csv"),
    ]
    for path in [*paths, *sorted(root.glob("imotions/*.txt"))]:
        yield from _by_group(path.stem, read(path))
    with np.load(root / "gfe" / "gfe_person_a.npz", allow_pickle=False) as arrays:
        for key in sorted(name for name in arrays if name.endswith("__X")):
            points = arrays[key].reshape(-1, 100, 3).astype(np.float64)
            mask = np.repeat(points[:, :, 2] != 0, 2, 1)
            yield key.removesuffix("__X"), from_array(points[:, :, :2].reshape(len(points), 200), mask=mask, fps=30.0)


def from_session(seconds: float = 20.0) -> Recording:
    """A generated session in OpenFace form."""
    from rpca_affect.recordings import from_frame

    return from_frame(make_session(duration=seconds, random_state=0).frame)


def _by_group(name: str, recording: Recording) -> Iterator[tuple[str, Recording]]:
    for group in recording.groups:
        if group in GROUPS:
            part = recording.select(group)
            values, known = part.values, part.mask
            moves = [bool(np.ptp(column[seen])) if seen.sum() > 4 else False for column, seen in zip(values.T, known.T)]
            if sum(moves) > 2 and part.n_frames >= 20:
                whole = from_array(values[:, moves], mask=known[:, moves], fps=part.fps or 30.0)
                yield f"{name} {group}", whole


def _model(**options: object) -> Callable[[np.ndarray, np.ndarray, float], np.ndarray]:
    def base(values: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
        return decompose(from_array(values, mask=known, fps=fps), check=False, **options).base_values

    return base


def low_pass(values: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
    """Straight lines over gaps, then a Butterworth filter of 2 Hz without delay."""
    filled = straight_lines(values, known)
    cut = min(2.0 / (fps / 2), 0.9)
    beyond = min(round(fps), len(filled) - 2)  # a second of mirrored frames: ends must not swing
    return sosfiltfilt(butter(2, cut, output="sos"), filled, axis=0, padtype="even", padlen=beyond)


def hampel(values: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
    """Cells further than 3 robust standard deviations from the median of 11 frames take that median."""
    filled = straight_lines(values, known)
    middle = median_filter(filled, size=(11, 1), mode="nearest")
    spread = 1.4826 * median_filter(np.abs(filled - middle), size=(11, 1), mode="nearest")
    return np.where(np.abs(filled - middle) > 3 * spread, middle, filled)


def pca(values: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
    """scikit-learn's PCA that keeps 95 % of the variance, medians in the gaps."""
    medians = np.array([np.median(column[seen]) if seen.any() else 0.0 for column, seen in zip(values.T, known.T)])
    filled = np.where(known, values, medians)
    spread = filled.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    model = PCA(0.95, svd_solver="full").fit((filled - medians) / spread)
    return model.inverse_transform(model.transform((filled - medians) / spread)) * spread + medians


def methods() -> dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]]:
    """Name and base of every method."""
    ours = {"plain": _model(lags=1), "lags": _model()} if "lags" in OPTIONS else {"plain": _model()}
    lines = {"line": lambda values, known, fps: straight_lines(values, known)}
    return {**ours, **lines, "low_pass": low_pass, "hampel": hampel, "pca": pca}


def hidden(found: Iterable[tuple[str, Recording]], most: int | None = None) -> pd.DataFrame:
    """5 % of the cells hidden in stretches of 10 frames: error there relative to that of the median."""
    rows = []
    for count, (name, recording) in enumerate(found):
        if most is not None and count >= most:
            break
        values, known = recording.values, recording.mask
        gone = hidden_stretches(known, 10, 0.05, np.random.default_rng(0))
        left = known & ~gone
        medians = np.array([np.median(c[seen]) if seen.any() else 0.0 for c, seen in zip(values.T, left.T)])
        spread = np.array([np.std(c[seen]) if seen.any() else 0.0 for c, seen in zip(values.T, known.T)])
        unit = np.where(spread > 0, spread, np.inf)
        seen = np.where(left, values, np.nan)

        def error(guess: np.ndarray) -> float:
            return float(np.sqrt(np.mean(((values - guess) / unit)[gone] ** 2)))  # noqa: B023

        errors = {name: error(method(seen, left, recording.fps or 30.0)) for name, method in methods().items()}
        zero = error(np.broadcast_to(medians, values.shape))
        rows.append({"recording": name, "frames": len(values), "features": values.shape[1]}
                    | {key: value / zero for key, value in errors.items()})  # fmt: skip
    return pd.DataFrame(rows)


def plant(values: np.ndarray, sigma: np.ndarray, seed: int, bursts: int = 30) -> tuple[np.ndarray, list]:
    """Bursts of 1-10 frames, 1-8 features and 3-10 sigma; what was added, and (rows, columns) of each.

    Fewer than ``bursts`` where these would strike more than `STRUCK` of the cells: thirty strike a third of 100 x 11.
    """
    rng = np.random.default_rng(seed)
    frames, features = values.shape
    added = np.zeros_like(values)
    places = []
    for _ in range(bursts):
        length = int(rng.integers(1, min(11, frames // 2)))
        start = int(rng.integers(0, frames - length + 1))
        columns = rng.choice(features, int(rng.integers(1, min(9, features // 2 + 1))), replace=False)
        block = np.ix_(np.arange(start, start + length), columns)
        if places and np.count_nonzero(added) + added[block].size > STRUCK * added.size:
            break
        added[block] = sigma[columns] * rng.uniform(3, 10) * rng.choice([-1.0, 1.0], len(columns))
        places.append(block)
    return added, places


def _ours(**options: object) -> Callable[[np.ndarray, np.ndarray, float], np.ndarray]:
    def transient(values: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
        return decompose(from_array(values, mask=known, fps=fps), check=False, **options).transient_values

    return transient


def _estimator(values: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
    return np.asarray(RobustPCA().fit(np.where(known, values, np.nan)).sparse_)


def _beyond(method: Callable) -> Callable[[np.ndarray, np.ndarray, float], np.ndarray]:
    """What lies more than 3 robust standard deviations off a base."""

    def transient(values: np.ndarray, known: np.ndarray, fps: float) -> np.ndarray:
        rest = np.where(known, values - method(values, known, fps), 0.0)
        spread = 1.4826 * np.median(np.abs(rest), axis=0)
        return np.where(np.abs(rest) > 3 * spread, rest, 0.0)

    return transient


def detectors() -> dict[str, Callable[[np.ndarray, np.ndarray, float], np.ndarray]]:
    """Name and transients of every method."""
    found = {"decompose": _ours(), "RobustPCA": _estimator}
    if "refit" in OPTIONS:
        found["no refit"] = _ours(refit=False)
    if "lags" in OPTIONS:
        found["plain"] = _ours(lags=1)
    return {**found, "low_pass": _beyond(low_pass), "hampel": _beyond(hampel), "pca": _beyond(pca)}


def bursts(
    folder: str | None, most: int | None = None, seed: int = 0, frames: int | None = None, clips: int | None = None
) -> pd.DataFrame:
    """Planted bursts: share found, other cells that become transient, share of the amplitude that came back."""
    rows = []
    short: Counter[str] = Counter()
    for count, (name, recording) in enumerate(recordings(folder)):
        if most is not None and count >= most:
            break
        if recording.n_frames < CLIP:
            group = name.split()[-1]
            short[group] += 1
            if clips is not None and short[group] > clips:
                continue
        known, fps = recording.mask[:frames], recording.fps or 30.0
        values = np.where(known, recording.values[:frames], 0.0)
        sigma = np.asarray(noise_level(values, known))
        added, places = plant(values, np.where(sigma > 0, sigma, np.median(sigma)), seed)
        for method, transient in detectors().items():
            before, after = transient(values, known, fps), transient(values + added, known, fps)
            inside = (added != 0) & known
            new = (after != 0) & (before == 0)
            found = np.mean([np.mean(after[block][known[block]] != 0) >= 0.5 for block in places if known[block].any()])
            kept = np.sum((after - before)[inside] * added[inside]) / np.sum(added[inside] ** 2)
            rows.append([name, *values.shape, method, found, np.mean(new[known & ~inside]),
                         np.mean(before[known] != 0), kept])  # fmt: skip
    return pd.DataFrame(
        rows, columns=["recording", "frames", "features", "method", "found", "false", "density", "amplitude"]
    )


def ranks(shapes: tuple = ((30, 300), (136, 136), (500, 500), (5000, 60)), seeds: int = 2) -> pd.DataFrame:
    """Rank of the base of pure noise, and of rank 4 planted in it, sigma given or measured, in order or shuffled.

    The planted rank is that around the medians, as the model sees it: three curves, and how far these are from their
    medians.
    """
    rows = []
    for m, n in shapes:
        for sigma in ("given", "measured"):
            for order in ("smooth", "shuffled"):
                got = []
                for seed in range(seeds):
                    rng = np.random.default_rng(seed)
                    noise = rng.standard_normal((m, n))
                    curves = np.sin(
                        np.outer(np.arange(m), rng.uniform(1, 4, 3)) * (2 * np.pi / m) + rng.uniform(0, 6, 3)
                    )
                    low = 6 * curves @ rng.standard_normal((3, n))
                    if order == "shuffled":
                        low = low[rng.permutation(m)]
                    words = {"check": False, "noise": 1.0 if sigma == "given" else "auto"}
                    got.append([max(decompose(table, **words).summary()["rank"]) for table in (noise, noise + low)])
                zero, four = np.array(got).T
                rows.append([f"{m} x {n}", sigma, order, zero.tolist(), four.tolist()])
    return pd.DataFrame(rows, columns=["shape", "sigma", "rows", "rank of noise", "rank of 4 planted"])


PARTS = ("gross", "hidden", "aside", "bursts", "ranks")


def main(argv: list[str] | None = None) -> int:
    """Print the tables, and write them as CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them when left out")
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--frames", type=int, help="bursts: look at that many frames of each recording")
    parser.add_argument("--clips", type=int, help="bursts: that many recordings under two seconds of each kind")
    parser.add_argument("--seeds", type=int, default=2, help="gross and ranks: draws")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    given = parser.parse_args(argv)
    folder = None if given.small else os.environ.get("RPCA_AFFECT_DATA")
    most = 2 if given.small else None
    makers: dict[str, Callable[[], pd.DataFrame]] = {
        "gross": lambda: gross(1, 150, 20) if given.small else gross(given.seeds),
        "hidden": lambda: hidden(recordings(folder), most),
        "aside": lambda: hidden(others(Path(folder)) if folder else recordings(None), most),
        "bursts": lambda: bursts(folder, most, frames=given.frames, clips=given.clips),
        "ranks": lambda: ranks(((60, 40),), 1) if given.small else ranks(seeds=given.seeds),
    }
    pd.set_option("display.width", 160, "display.max_rows", 500)
    made = tables(makers, given, "benchmarks.model_tables")
    if "bursts" in made:
        by_method = made["bursts"].groupby("method", sort=False)
        print(by_method[["found", "false", "density", "amplitude"]].mean().round(3))
    return 0


if __name__ == "__main__":
    sys.exit(main())
