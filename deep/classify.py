"""End to end on real sequences: LSEF beside every baseline, clean and with broken frames, and the ablation."""

import argparse
import itertools
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import finish, table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from rpca_affect.deep import FeatureScale, LSEFClassifier, corrupt
from rpca_affect.deep.corruption import KINDS
from rpca_affect.deep.metrics import uar, war
from rpca_affect.deep.track import Continuity

SHARES = (0.1, 0.2, 0.3)
EPOCHS = {"natops": 60, "japanese_vowels": 24, "gfe_person_a": 10}
ABLATION = {
    "lsef": {},
    "one stage": {"n_stages": 1},
    "ADMM for IALM": {"solver": "admm"},
    "no low-pass": {"filter_width": 1},
    "no modulation": {"modulate": False},
    "no track": {"track": False},
    "no reliability": {"robust": False, "track": True},
    "no track, no reliability": {"robust": False, "track": False},
    "no consistency": {"consistency": 0.0},
    "rank and sparsity terms": {"rank_weight": 0.03, "sparsity_weight": 0.03},
    "no SEM, no DDM": {"model": "identity"},
    "no SEM, no DDM, no track": {"model": "identity", "track": False},
}
MODELS = (
    "mean+std, logistic",
    "gru",
    "tcn",
    "transformer",
    "no SEM, no DDM, no track",
    "no SEM, no DDM",
    "no track",
    "lsef",
)


def natops(data):
    """Official split: 180 + 180 gestures of 51 x 24, six classes."""
    with np.load(data / "natops/natops.npz") as a:
        yield "official", list(a["X_train"]), a["y_train"], list(a["X_test"]), a["y_test"]


def japanese_vowels(data):
    """Official split: 270 + 370 utterances of 7-29 x 12, nine speakers."""
    with np.load(data / "japanese_vowels/japanese_vowels.npz") as a:
        X, y = [a[f"x{i:03d}"].astype(np.float32) for i in range(640)], a["y"]
    yield "official", X[:270], y[:270], X[270:], y[270:]


def gfe_person_a(data, frames=32, step=32):
    """Windows of 32 frames of 8 recordings, 10 points (x, y) around their mean; expression in most frames or not."""
    with np.load(data / "gfe/gfe_person_a.npz") as a:
        names = sorted(k[:-3] for k in a if k.endswith("__y"))
        windows = {}
        for name in names:
            points = a[f"{name}__X"].reshape(-1, 100, 3)[:, ::10, :2]
            points = points - points.mean(1, keepdims=True)
            x = points.reshape(len(points), -1).astype(np.float32)
            x, y = x - np.median(x, 0), a[f"{name}__y"]
            starts = range(0, len(x) - frames + 1, step)
            windows[name] = [x[s : s + frames] for s in starts], [int(y[s : s + frames].mean() > 0.5) for s in starts]
    for held in names:
        X = [x for name in names if name != held for x in windows[name][0]]
        y = np.array([v for name in names if name != held for v in windows[name][1]])
        yield held, X, y, windows[held][0], np.array(windows[held][1])


def statistics(X):
    """Mean and standard deviation of each feature over the observed frames."""
    return np.stack([np.concatenate([np.nanmean(x, 0), np.nanstd(x, 0)]) for x in X])


def estimator(name, options, epochs, seed):
    if name == "mean+std, logistic":
        return make_pipeline(FunctionTransformer(statistics), StandardScaler(), LogisticRegression(max_iter=2000))
    options = {**ABLATION.get(name, {}), **options}
    kind = name if name in ("gru", "tcn", "transformer") else "lsef"
    return LSEFClassifier(**{"model": kind, "hidden": 32, "epochs": epochs, "random_state": seed, **options})


def lost(x):
    """The rule for tracker output: a frame that reads 0 throughout, or exactly what the last one read, is missing."""
    same = np.concatenate([[False], (x[1:] == x[:-1]).all(1)])
    return np.where((same | (x == 0).all(1))[:, None], np.nan, x)


def hampel(x, width=7, sigmas=3.0):
    """A cell far from the running median, in units of the running median deviation, takes that median."""
    frame = pd.DataFrame(x)
    window = {"window": width, "center": True, "min_periods": 1}
    middle = frame.rolling(**window).median()
    off = (frame - middle).abs()
    return frame.where(~(off > sigmas * 1.4826 * off.rolling(**window).median()), middle)


def jitter(X, broken, size, seed):
    """Noise of ``size`` standard deviations on every frame that is broken: zeros and copies are then not exact."""
    if not size:
        return broken
    rng, spread = np.random.default_rng(seed), size * np.concatenate(X).std(0)
    changed = [(a != b).any(1, keepdims=True) for a, b in zip(X, broken)]
    return [(b + c * spread * rng.standard_normal(b.shape)).astype(np.float32) for b, c in zip(broken, changed)]


def clean_up(name, X):
    """What is done to every sequence before any model sees it, learned from training; then straight lines over gaps."""
    if name == "none":
        return lambda sequences: sequences
    if name == "track":
        scaler = FeatureScale(X[0].shape[1]).fit(X)
        track = Continuity().fit([scaler(torch.as_tensor(x)) for x in X])

    def tracked(x):
        values = torch.as_tensor(x)
        kept = track(scaler(values)[None], torch.isfinite(values)[None])[0].numpy()
        return np.where(kept[:, None], x, np.nan)

    one = {"lost": lost, "hampel": hampel, "track": tracked}[name]
    return lambda sequences: [
        pd.DataFrame(one(x)).interpolate(limit_area="inside").to_numpy(np.float32) for x in sequences
    ]


def fit(name, model, X, y, options, seed):
    if name != "mean+std, logistic":
        return model.fit(X, y)
    if options.get("corruption"):  # the same augmentation: every second sequence broken, drawn once
        rng = np.random.default_rng(seed)
        shares = rng.random(len(X)) * options["corruption"] * (rng.random(len(X)) < 0.5)
        X = [corrupt([x], share, "mixed", seed * 1000 + i)[0] for i, (x, share) in enumerate(zip(X, shares))]
    return model.fit(X, y)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="natops", choices=["natops", "japanese_vowels", "gfe_person_a"])
    parser.add_argument("--out", type=Path, default=Path("out/classify"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--ablation", action="store_true", help="run the ablation instead of the baselines")
    parser.add_argument("--corruption", type=float, default=0.0, help="augmentation of every model's training")
    rules = ["none", "lost", "hampel", "track"]
    parser.add_argument("--clean-up", default="none", choices=rules, help="done to every sequence, for every model")
    parser.add_argument("--jitter", type=float, default=0.0, help="noise on broken test frames, in sd")
    parser.add_argument("--models", nargs="+", choices=[*MODELS, *ABLATION], help="only these")
    args = parser.parse_args()
    if "RPCA_AFFECT_DATA" not in os.environ:
        parser.error("set RPCA_AFFECT_DATA to the folder with the data sets")
    torch.set_num_threads(1)
    folder = Path(os.environ["RPCA_AFFECT_DATA"])
    names = args.models or (tuple(ABLATION) if args.ablation else MODELS)
    label = f"{args.data}{'-ablation' if args.ablation else ''}{'-augmented' if args.corruption else ''}"
    if args.clean_up != "none":
        # One clean-up for everybody takes the place of LSEF's own.
        names = tuple(name for name in names if not name.endswith("no track"))
        label += f"-{args.clean_up}"
    label += "-jitter" if args.jitter else ""
    rows = []
    for seed in range(args.seeds):
        for fold, X, y, X_test, y_test in globals()[args.data](folder):
            clean = clean_up(args.clean_up, X)
            X = clean(X)
            tests = [("clean", 0.0, clean(X_test))]
            for kind, share in itertools.product(KINDS, SHARES):
                broken = jitter(X_test, corrupt(X_test, share, kind, seed), args.jitter, seed)
                tests.append((kind, share, clean(broken)))
            for name in names:
                options = {"corruption": args.corruption}
                if args.clean_up != "none":
                    options["track"] = False
                begin = time.process_time()
                model = estimator(name, options, args.epochs or EPOCHS[args.data], seed)
                model = fit(name, model, X, y, options, seed)
                seconds = time.process_time() - begin
                for kind, share, broken in tests:
                    guess = model.predict(broken)
                    row = {"data": args.data, "model": name, "seed": seed, "fold": fold, "kind": kind, "share": share}
                    row |= {"uar": uar(y_test, guess), "war": war(y_test, guess), "seconds": seconds}
                    rows.append(row)
                finish(pd.DataFrame(rows), args.out / f"{label}.csv")
    report(pd.DataFrame(rows))


def report(frame):
    """Print clean scores, and the loss of UAR at each share against the clean score of the same model."""
    frame = (
        frame.groupby(["model", "seed", "kind", "share"], sort=False)[["uar", "war", "seconds"]].mean().reset_index()
    )
    clean = frame[frame.kind == "clean"]
    print(table(clean.melt(["model", "seed"], ["uar", "war"]), ["model"], "value", "variable"), "\n")
    base = clean.set_index(["model", "seed"]).uar
    broken = frame[frame.kind != "clean"].copy()
    broken["loss"] = [base[m, s] - u for m, s, u in zip(broken.model, broken.seed, broken.uar)]
    worst = broken[broken.share == 0.3]
    print(table(worst, ["model"], "loss", "kind", 2), "\n")
    print(
        table(
            broken.groupby(["model", "seed", "share"], sort=False).loss.mean().reset_index(),
            ["model"],
            "loss",
            "share",
            2,
        )
    )


if __name__ == "__main__":
    main()
