"""IncrementalRobustPCA in live use: frames a second, worst stall, accuracy, beside an earlier commit in the same run.

``python -m benchmarks.stream [--before FOLDER] [--quick]``; FOLDER is a worktree of the commit to compare with. Seconds
of a loaded machine say little: every figure is given as processor time of the thread as well, and ratios are those of
one run, old and new in turns.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np

FRAME = 1000 / 60  # milliseconds
RANK = 6
CHUNK = 500


def recording(features, frames, share=0.02, seed=0):
    """Slow movements on orthogonal directions, noise, and gross errors in a share of the cells."""
    rng = np.random.default_rng(seed)
    place = np.arange(frames)[:, None] / 60
    rates = 0.11 + 0.07 * np.arange(RANK)
    moves = np.sin(2 * np.pi * rates * place + np.arange(RANK)) * np.linspace(3, 1, RANK)
    base = np.linalg.qr(rng.standard_normal((features, RANK)))[0].T * np.sqrt(features / RANK)
    seen = moves @ base + 0.1 * rng.standard_normal((frames, features))
    size = rng.choice([-1, 1], seen.shape) * rng.uniform(2, 10, seen.shape)
    return np.where(rng.random(seen.shape) < share, seen + size, seen), base


def angle(components, base):
    """Sine of the largest angle between two spaces of rows."""
    first, second = np.linalg.qr(components.T)[0], np.linalg.qr(base.T)[0]
    return float(np.sqrt(max(0.0, 1.0 - np.linalg.svd(first.T @ second, compute_uv=False).min() ** 2)))


def timed(work):
    """Milliseconds of the clock and of the processor."""
    clock, own = time.perf_counter(), time.thread_time()
    work()
    return 1000 * (time.perf_counter() - clock), 1000 * (time.thread_time() - own)


def measured(features, frames):
    """What one version of the package does with one stream."""
    import rpca_affect as ra

    warnings.simplefilter("ignore")
    seen, base = recording(features, frames)
    model = ra.IncrementalRobustPCA(RANK)
    chunks = [seen[start : start + CHUNK] for start in range(0, frames, CHUNK)]
    model.partial_fit(chunks[0])  # the warm-up lies in here
    spent = [timed(lambda chunk=chunk: model.partial_fit(chunk)) for chunk in chunks[1:]]
    live, calls = ra.IncrementalRobustPCA(RANK), np.empty((min(frames, 2000), 2))
    begun = time.perf_counter()
    for row in range(len(calls)):
        if row <= live.n_warmup:  # at the pace of a camera: the first base is learned beside the calls
            time.sleep(max(0.0, begun + row / 60 - time.perf_counter()))
        calls[row] = timed(lambda row=row: live.partial_fit(seen[row : row + 1]))
    return {
        "frames a second": (frames - CHUNK) / sum(own for _, own in spent) * 1000,
        "call that ends the warm-up, ms": calls[live.n_warmup - 1, 1],
        "the same on the clock, ms": calls[live.n_warmup - 1, 0],
        "worst call, ms": calls[:, 1].max(),
        "worst call on the clock, ms": calls[:, 0].max(),
        "99th call in 100, ms": np.quantile(calls[:, 1], 0.99),
        "angle": angle(model.components_, base),
    }


def rivals(features, frames):
    """Angles of the batch model and of scikit-learn's IncrementalPCA, and the frames a second of the latter."""
    from sklearn.decomposition import IncrementalPCA

    import rpca_affect as ra

    warnings.simplefilter("ignore")
    seen, base = recording(features, frames)
    plain = IncrementalPCA(RANK)
    chunks = [seen[start : start + CHUNK] for start in range(0, frames, CHUNK)]
    own = sum(timed(lambda chunk=chunk: plain.partial_fit(chunk))[1] for chunk in chunks)
    batch = ra.RobustPCA(RANK, tol=1e-4).fit(seen)
    return {
        "batch RobustPCA": {"angle": angle(batch.components_, base)},
        "sklearn IncrementalPCA": {"angle": angle(plain.components_, base), "frames a second": 1000 * frames / own},
    }


def of_version(folder, features, frames):
    """The figures of the package in a folder, measured in a process of its own."""
    words = [sys.executable, __file__, "--measure", str(features), str(frames)]
    found = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(folder)}, check=True, capture_output=True, text=True
    )
    return json.loads(found.stdout.splitlines()[-1])


def main(arguments=None):
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="worktree of the commit to compare with")
    parser.add_argument("--quick", action="store_true", help="small, to see that everything runs")
    parser.add_argument("--measure", nargs=2, type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measured(*options.measure)))
        return
    here = Path(__file__).parents[1]
    frames, turns = (1000, 1) if options.quick else (6000, 3)
    for features in (136, 709):
        versions = {"before": options.before, "now": here} if options.before else {"now": here}
        runs = [{name: of_version(folder, features, frames) for name, folder in versions.items()} for _ in range(turns)]
        print(f"stream   {features} features, {frames} frames, median of {turns}")
        keys = runs[0]["now"]
        figures = {name: {key: float(np.median([run[name][key] for run in runs])) for key in keys} for name in versions}
        for name, row in {**figures, **rivals(features, frames)}.items():
            print(f"stream   {name:<24}", "  ".join(f"{key} {value:.4g}" for key, value in row.items()))
        worst = figures["now"]["worst call, ms"]
        print(f"stream   worst call of the processor: {worst / FRAME:.2f} of a frame at 60 frames a second")
        if options.before:
            gain = np.median([run["now"]["frames a second"] / run["before"]["frames a second"] for run in runs])
            print(f"stream   throughput: {gain:.1f} times that of before")


if __name__ == "__main__":
    main()
