"""More about the default model: spoiled tables of many shapes, Zhou and others' setting, and what real files raise.

Run `python -m benchmarks.model_checks [siblings zhou real]`; `real` needs RPCA_AFFECT_DATA, and looks at
RPCA_AFFECT_CASES too where that is set.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from benchmarks.commands import tables
from benchmarks.model_tables import recordings, relative
from rpca_affect import decompose, read, solve

HERE = Path(__file__).parent
SENTINELS = (-1.0, 0.0, -9999.0, 999.0, 1e30)


def table_of(
    rng: np.random.Generator, frames: int, features: int, resting: bool, drift: bool, near: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A slow base around levels of its own for each feature, and the same with noise of a tenth of its size.

    Where the levels are near 0, sentinels of 0 and -1 are ordinary values of most features.
    """
    rank = max(1, min(4, features // 3))
    width = min(12.0, frames / 10)
    margin = int(4 * width) + 1
    curves = gaussian_filter1d(rng.standard_normal((frames + 2 * margin, rank)), width, axis=0)[margin:-margin]
    curves = curves / curves.std(axis=0)
    truth = curves[:frames] @ rng.standard_normal((rank, features)) / np.sqrt(rank)
    if drift:
        truth = truth + np.linspace(0, 4, frames)[:, None] * rng.standard_normal(features)
    truth = truth + (rng.uniform(-1, 3, features) if near else rng.uniform(20, 400, features))
    table = truth + 0.1 * rng.standard_normal(truth.shape)
    if resting:  # every third feature is exactly at its lower end two thirds of the time
        for j in range(0, features, 3):
            floor = np.quantile(truth[:, j], 0.66)
            truth[:, j] = np.maximum(truth[:, j], floor)
            table[:, j] = np.where(truth[:, j] > floor, table[:, j], floor)
    return truth, table


def spoil(rng: np.random.Generator, table: np.ndarray, value: float, share: float, kind: str) -> np.ndarray:
    """Cells that hold a sentinel: whole frames in runs, whole frames scattered, or cells scattered."""
    frames = len(table)
    if kind == "cells":
        return rng.random(table.shape) < share
    count = max(1, round(share * frames))
    hit = np.zeros(frames, dtype=bool)
    if kind == "runs":
        while hit.sum() < count:
            start = int(rng.integers(0, frames))
            hit[start : start + int(min(rng.integers(3, 16), count - hit.sum()))] = True
    else:
        hit[rng.choice(frames, count, replace=False)] = True
    return np.broadcast_to(hit[:, None], table.shape)


def siblings(count: int = 120, largest: int = 150_000, first: int = 0) -> pd.DataFrame:
    """Tables spoiled by sentinels: error of the base where nothing was spoiled, beside that of the clean table.

    ``silent`` is an error beyond 1.5 times the clean one (and 0.05 of the movement) that no doubt speaks of.
    """
    rows = []
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        features = int(rng.choice([4, 6, 10, 17, 40, 100, 300]))
        frames = int(rng.choice([m for m in (100, 300, 1000, 5000) if m == 100 or m * features <= largest]))
        resting, drift, near = (bool(rng.random() < 0.3) for _ in range(3))
        value, share = float(rng.choice(SENTINELS)), float(rng.choice([0.005, 0.02, 0.05, 0.1]))
        kind = str(rng.choice(["runs", "frames", "cells"]))
        truth, table = table_of(rng, frames, features, resting, drift, near)
        hit = spoil(rng, table, value, share, kind)
        spoiled = np.where(hit, value, table)
        kept = ~hit if kind == "cells" else np.broadcast_to(~hit.any(axis=1)[:, None], hit.shape)
        size = np.linalg.norm((truth - np.median(truth, axis=0))[kept])
        errors, doubts = [], ()
        for one in (table, spoiled):
            split = decompose(one, fps=30.0)
            errors.append(float(np.linalg.norm((split.base_values - truth)[kept]) / size))
            doubts = tuple(doubt.kind for doubt in split.status.doubts)
        bad = errors[1] > max(1.5 * errors[0], 0.05)
        rows.append([seed, frames, features, value, share, kind, resting, drift, near, *errors, errors[1] / errors[0],
                     bad and "predicts_nothing" not in doubts, " ".join(doubts)])  # fmt: skip
    names = "seed frames features value share kind resting drift near clean error ratio silent doubts"
    return pd.DataFrame(rows, columns=names.split())


def zhou(seeds: int = 3) -> pd.DataFrame:
    """Stable principal component pursuit beside an oracle that knows both spaces and the struck cells (200 x 200)."""
    rows = []
    n, sigma = 200, 0.1
    for rank in (10, 20):
        for share in (0.05, 0.1, 0.2):
            plain, refitted = [], []
            for seed in range(seeds):
                rng = np.random.default_rng(seed)
                low = 10 / np.sqrt(n) * rng.standard_normal((n, rank)) @ rng.standard_normal((rank, n))
                struck = rng.random((n, n)) < share
                clean = low + sigma * rng.standard_normal((n, n))
                noisy = np.where(struck, clean + rng.uniform(-5, 5, (n, n)), clean)
                best = relative(oracle(low, clean, struck, rank), low)
                plain.append(relative(solve(noisy, noise=sigma).low_rank, low) / best)
                split = decompose(noisy, noise=sigma, lags=1, check=False)
                refitted.append(relative(split.base_values, low) / best)
            rows.append([rank, share, np.mean(plain), np.mean(refitted)])
    return pd.DataFrame(rows, columns=["rank", "outliers", "solve / oracle", "decompose / oracle"])


def oracle(low: np.ndarray, clean: np.ndarray, struck: np.ndarray, rank: int) -> np.ndarray:
    """Least squares on the cells that were not struck, over the matrices with rows and columns in the true spaces."""
    left, _, right = np.linalg.svd(low)
    p, q = left[:, :rank] @ left[:, :rank].T, right[:rank].T @ right[:rank]
    best = np.zeros_like(low)
    for _ in range(300):
        filled = np.where(struck, best, clean)
        best = p @ filled + filled @ q - p @ filled @ q
    return best


def real(folder: str | None, cases: str | None) -> pd.DataFrame:
    """What the check says about every group of every real recording, and about the files among the cases."""
    found = list(recordings(folder))
    names = ("04_facereader*.txt", "19_real_*.csv", "07_*.csv")
    for path in [] if not cases else [path for name in names for path in sorted(Path(cases).rglob(name))]:
        try:
            found.append((f"case {path.stem[:40]}", read(path)))
        except ValueError as error:
            print(f"{path.name}: {error}")
    rows = []
    for name, recording in found:
        split = decompose(recording)
        prediction = split.prediction
        kinds = " ".join(f"{doubt.kind}{'!' if doubt.severe else ''}" for doubt in split.status.doubts)
        says = prediction is not None and prediction.says_something
        rows.append([name, recording.n_frames, recording.n_features, max(p.lags for p in split.sequences),
                     prediction.predicted if says else np.nan, prediction.line if says else np.nan,
                     split.status.severe, kinds])  # fmt: skip
    return pd.DataFrame(
        rows, columns=["recording", "frames", "features", "lags", "predicted", "line", "flagged", "doubts"]
    )


PARTS = ("siblings", "zhou", "real")


def main(argv: list[str] | None = None) -> int:
    """Print the tables, and write them as CSV."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them when left out")
    parser.add_argument("--count", type=int, default=120, help="siblings: tables")
    parser.add_argument("--largest", type=int, default=150_000, help="siblings: cells of the largest table")
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    given = parser.parse_args(argv)
    makers: dict[str, Callable[[], pd.DataFrame]] = {
        "siblings": lambda: siblings(8, 6000) if given.small else siblings(given.count, given.largest),
        "zhou": lambda: zhou(1),
        "real": lambda: real(*(None if given.small else os.environ.get(f"RPCA_AFFECT_{k}") for k in ("DATA", "CASES"))),
    }
    tables(makers, given, "benchmarks.model_checks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
