"""How much a base must predict: hidden cells of planted tables, with and without shared structure.

Run `python -m benchmarks.doubt_curve`. It prints, for every limit, how many tables without structure pass (white
noise, unrelated smooth columns) and how many with structure are called meaningless, and draws both.
"""

import argparse
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from benchmarks.commands import note
from rpca_affect import decompose
from rpca_affect.session.prediction import LIMIT

HERE = Path(__file__).parent
KINDS = ("white noise", "unrelated", "structure")
COLUMNS = (4, 8, 17, 40, 100, 300)
FRAMES = (150, 600, 1800)
CELLS = 200_000  # of the largest table


def smooth(rng: np.random.Generator, frames: int, columns: int, width: float) -> np.ndarray:
    """Slow random curves of variance 1; ``width`` frames is their time scale."""
    margin = int(4 * width) + 1
    curves = gaussian_filter1d(rng.standard_normal((frames + 2 * margin, columns)), width, axis=0)
    return curves[margin : margin + frames] * np.sqrt(2 * np.sqrt(np.pi) * width)


def table_of(kind: str, frames: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """One planted table, noise of variance 1.

    Unrelated columns are faster, the more there are for the frames: a few hundred slow curves in a short recording do
    share a small space, and a base that predicts them is right.
    """
    noise = rng.standard_normal((frames, columns))
    if kind == "white noise":
        return noise
    if kind == "unrelated":
        width = min(rng.uniform(4, 30), max(frames / (6 * columns), 1.0))
        return noise + rng.uniform(3, 12) * smooth(rng, frames, columns, width)
    rank = max(1, min(columns // 4, int(rng.integers(1, 9))))
    curves = smooth(rng, frames, rank, rng.uniform(4, 30))
    table = noise + rng.uniform(2, 12) * curves @ rng.standard_normal((rank, columns)) / np.sqrt(rank)
    for _ in range(int(frames * columns * 0.02 / 12)):  # brief bursts of a few columns
        start, length = rng.integers(0, frames - 8), rng.integers(2, 9)
        some = rng.choice(columns, min(columns // 2, 3), replace=False)
        table[start : start + length, some] += rng.uniform(4, 15)
    return table


def measure(repeats: int, columns: tuple[int, ...] = COLUMNS, frames: tuple[int, ...] = FRAMES) -> pd.DataFrame:
    """Predicted share of every planted table."""
    rows = []
    for n in columns:
        for m in frames:
            for kind in KINDS:
                for seed in range(repeats if m * n <= 80_000 else max(repeats // 3, 1)):
                    if m * n > CELLS:
                        continue
                    split = decompose(table_of(kind, m, n, np.random.default_rng([seed, m, n])))
                    found = split.prediction
                    rows.append([kind, m, n, seed, found.predicted, found.line])
    return pd.DataFrame(rows, columns=["kind", "frames", "columns", "seed", "predicted", "line"])


def rates(table: pd.DataFrame, limit: float) -> tuple[float, float]:
    """Share of the tables with structure below a limit (false alarms), and of the others above it (misses)."""
    structured = table["kind"] == "structure"
    above = table["predicted"] >= limit
    return float(np.mean(~above[structured])), float(np.mean(above[~structured]))


def draw(table: pd.DataFrame, path: Path) -> None:
    """False alarms and misses over the limit, and the predicted shares over the number of columns."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    limits = np.linspace(-0.05, 0.6, 66)
    for frames, style in zip(sorted(table["frames"].unique()), (":", "-", "--")):
        part = table[table["frames"] == frames]
        alarms, misses = np.array([rates(part, limit) for limit in limits]).T
        left.plot(limits, 100 * alarms, style, color="#B34E00", label=f"false alarms, {frames} frames")
        left.plot(limits, 100 * misses, style, color="#0072B2", label=f"misses, {frames} frames")
    left.axvline(LIMIT, color="#444444", linewidth=1)
    left.axhline(5, color="#AAAAAA", linewidth=0.8)
    left.set(xlabel="limit of the predicted share", ylabel="% of the tables", ylim=(0, 60), xlim=(-0.05, 0.6))
    left.legend(fontsize="small")
    rng = np.random.default_rng(0)
    for kind, color in zip(KINDS, ("#777777", "#0072B2", "#B34E00")):
        part = table[table["kind"] == kind]
        jitter = np.exp(rng.normal(0, 0.06, len(part)))
        right.scatter(part["columns"] * jitter, part["predicted"], s=9, color=color, alpha=0.6, label=kind)
    right.axhline(LIMIT, color="#444444", linewidth=1)
    columns = sorted(table["columns"].unique())
    right.set_xscale("log")
    right.set_xticks(columns, [str(n) for n in columns])
    right.minorticks_off()
    right.set(xlabel="columns", ylabel="predicted share of hidden cells")
    right.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Print the rates, write every table's figures, and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=12)
    parser.add_argument("--columns", type=int, nargs="+", default=COLUMNS)
    parser.add_argument("--frames", type=int, nargs="+", default=FRAMES)
    parser.add_argument("--small", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    given = parser.parse_args(argv)
    sizes = ((8, 40), (600,)) if given.small else (tuple(given.columns), tuple(given.frames))
    started = time.perf_counter()
    table = measure(2 if given.small else given.repeats, *sizes)
    given.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(given.out / "doubt-curve.csv", index=False, float_format="%.3f")
    draw(table, given.out / "doubt-curve.png")
    note("doubt-curve", "python -m benchmarks.doubt_curve", given, started)
    print(f"{'limit':>6}{'false alarms':>14}{'misses':>9}   (all tables)")
    for limit in (0.05, 0.1, LIMIT, 0.2, 0.25, 0.3):
        alarms, misses = rates(table, limit)
        print(f"{limit:>6.2f}{alarms:>14.1%}{misses:>9.1%}")
    print(f"\nat {LIMIT}, by frames and columns")
    for (frames, columns), part in table.groupby(["frames", "columns"]):
        alarms, misses = rates(part, LIMIT)
        print(f"{frames:>6} x {columns:<4}{alarms:>10.1%}{misses:>9.1%}  of {len(part)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
