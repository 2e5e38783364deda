"""Figures of the estimators: ``python benchmarks/estimators.py [PART ...] [--quick]``; without a part, all of them."""

import argparse
import os
import resource
import sys
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # before SciPy is imported: the array-API checks need it

import numpy as np
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rpca_affect as ra

SHARES = (0.0, 0.1, 0.2, 0.3)
KINDS = ("dropped", "spiked", "frozen")


def waves(frames, rank, first=0, fps=25.0):
    """Slow movements of unequal strength, shape (frames, rank)."""
    time = (first + np.arange(frames)) / fps
    return np.stack([np.sin(2 * np.pi * (0.11 + 0.07 * j) * time + j) for j in range(rank)], 1) * np.linspace(
        3, 1, rank
    )


def directions(rng, rank, features):
    """Orthonormal rows."""
    return np.linalg.qr(rng.standard_normal((features, rank)))[0].T * np.sqrt(features / rank)


def struck(rng, frames, share, low=2.0, high=10.0):
    """Frames with gross errors in a share of their cells."""
    size = rng.choice([-1, 1], frames.shape) * rng.uniform(low, high, frames.shape)
    return frames + np.where(rng.random(frames.shape) < share, size, 0.0)


def unseen(quick=False):
    """Scores of unseen frames with 10 % gross errors, against those of the same frames without."""
    frames, features, rank = (600, 60, 4) if quick else (2000, 136, 6)
    for noise in (0.0, 0.05):
        rng = np.random.default_rng(0)
        clean = waves(frames, rank) @ directions(rng, rank, features) + rng.standard_normal(features)
        clean = clean + noise * rng.standard_normal(clean.shape)
        cut = int(0.7 * frames)
        train, test = struck(rng, clean[:cut], 0.1), struck(rng, clean[cut:], 0.1)
        for name, model in (("RobustPCA", ra.RobustPCA(rank)), ("PCA", PCA(rank))):
            model.fit(train)
            wanted = (clean[cut:] - model.mean_) @ model.components_.T
            off = np.linalg.norm(model.transform(test) - wanted) / np.linalg.norm(wanted)
            print(f"unseen   noise {noise:4.2f}  {name:<10} scores off by {100 * off:6.2f} %")


def subspace_error(components, truth):
    """Sine of the largest angle between two subspaces."""
    first, second = np.linalg.qr(components.T)[0], np.linalg.qr(truth.T)[0]
    return float(np.sqrt(max(0.0, 1.0 - np.linalg.svd(first.T @ second, compute_uv=False).min() ** 2)))


def stream(quick=False):
    """One pass over a long stream made in chunks: memory, base against the batch answer, and a change of base."""
    features, rank, chunk = 136, 6, 500
    total = 10_000 if quick else 200_000
    rng = np.random.default_rng(0)
    bases = [directions(rng, rank, features) for _ in range(2)]

    def frames(number, base):
        own = np.random.default_rng(number)
        clean = waves(chunk, rank, number * chunk) @ base
        return struck(own, clean + 0.1 * own.standard_normal(clean.shape), 0.05)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    model = ra.IncrementalRobustPCA(rank)
    for number in range(total // chunk):
        model.partial_fit(frames(number, bases[0]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"stream   {total} x {features}: peak {peak:.0f} MB (of which {before:.0f} MB before the first frame)")
    mine = subspace_error(model.components_, bases[0])
    model = ra.IncrementalRobustPCA(rank, half_life=1000)
    for number in range(20):
        model.partial_fit(frames(number, bases[0]))
    for number in range(20, 44):
        model.partial_fit(frames(number, bases[1]))
        if (number - 19) in (1, 4, 8, 12, 16, 20, 24):
            off = subspace_error(model.components_, bases[1])
            print(
                f"stream   {chunk * (number - 19):6d} frames after a change of base (half-life 1000): error {off:.4f}"
            )
    # The batch answer needs the whole matrix: last, so that it does not count in the peak above.
    whole = np.concatenate([frames(number, bases[0]) for number in range(total // chunk)])
    batch = subspace_error(ra.RobustPCA(rank, tol=1e-4).fit(whole).components_, bases[0])
    print(f"stream   subspace error {mine:.6f}, of the batch answer {batch:.6f}: ratio {mine / batch:.2f}")


def corrupted(clips, share, unit, seed=0):
    """Clips with a share of their frames dropped (NaN), spiked (half the features) or frozen (the frame before)."""
    rng = np.random.default_rng(seed)
    spoiled = []
    for clip in clips:
        frames = clip.copy()
        for t in np.sort(rng.permutation(len(clip))[: round(share * len(clip))]):
            kind = rng.choice(KINDS)
            if kind == "dropped":
                frames[t] = np.nan
            elif kind == "frozen":
                frames[t] = frames[max(t - 1, 0)]
            else:
                hit = rng.random(clip.shape[1]) < 0.5
                frames[t, hit] += (rng.choice([-1, 1], hit.sum()) * rng.uniform(3, 10, hit.sum())) * unit[hit]
        spoiled.append(frames)
    return spoiled


def mean_std(clips):
    """Mean and standard deviation of every feature over the frames that are there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        rows = [np.concatenate([np.nanmean(clip, 0), np.nanstd(clip, 0)]) for clip in clips]
    return np.nan_to_num(np.stack(rows))


def segments(folder):
    """Labelled stretches of the recordings of one signer: clips, 1 for expression, recording of each."""
    data = np.load(Path(folder) / "gfe" / "gfe_person_a.npz")
    clips, labels, groups = [], [], []
    for number, name in enumerate(sorted({key.split("__")[0] for key in data.files})):
        frames, label = data[f"{name}__X"].astype(float), data[f"{name}__y"]
        lost = np.repeat(frames[:, 2::3] == 0, 3, axis=1)
        frames[lost] = np.nan
        frames = frames.reshape(len(frames), -1, 3)[:, ::3].reshape(len(frames), -1)  # every third face point
        edges = np.flatnonzero(np.diff(label)) + 1
        for part, value in zip(np.split(frames, edges), np.split(label, edges)):
            if len(part) >= 7:
                clips.append(part)
                labels.append(int(value[0]))
                groups.append(number)
    return clips, np.array(labels), np.array(groups)


def accuracy(clips, labels, folds, n_components=None, quick=False):
    """Balanced accuracy over all held-out clips, by features and share of corrupted test frames."""
    guesses = {}
    for train, test in folds:
        seen, held = [clips[i] for i in train], [clips[i] for i in test]
        unit = np.nanstd(np.concatenate(seen), axis=0)
        model = ra.SequenceDescriptors(ra.RobustPCA(n_components, tol=1e-4)).fit(seen)
        is_base = np.char.startswith(model.get_feature_names_out().astype(str), "base_")

        def features(some, model=model, is_base=is_base):
            plain, own = mean_std(some), model.transform(some)
            return {
                "mean+std": plain,
                "descriptors": own,
                "base only": own[:, is_base],
                "both": np.hstack([plain, own]),
            }

        learned = {
            name: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000)).fit(rows, labels[train])
            for name, rows in features(seen).items()
        }
        for share in SHARES[:: 3 if quick else 1]:
            for name, rows in features(corrupted(held, share, unit)).items():
                pair = guesses.setdefault((name, share), ([], []))
                pair[0].extend(labels[test])
                pair[1].extend(learned[name].predict(rows))
    return {key: balanced_accuracy_score(*pair) for key, pair in guesses.items()}


def pipelines(quick=False):
    """Base and transient features in a classifier, clean and with corrupted test frames."""
    folder = os.environ.get("RPCA_AFFECT_DATA")
    if not folder:
        print("pipelines RPCA_AFFECT_DATA is not set: the real recordings are not here")
        return
    data = np.load(Path(folder) / "natops" / "natops.npz")
    clips = [*data["X_train"].astype(float), *data["X_test"].astype(float)]
    labels = np.concatenate([data["y_train"], data["y_test"]])
    split = [(np.arange(len(data["X_train"])), np.arange(len(data["X_train"]), len(clips)))]
    report("natops (official split)", accuracy(clips, labels, split, quick=quick))
    if not quick:
        clips, labels, groups = segments(folder)
        folds = LeaveOneGroupOut().split(clips, labels, groups)
        figures = accuracy(clips, labels, list(folds), n_components=10)
        report("gfe_person_a (leave one recording out; every third point, 10 components)", figures)


def report(name, figures):
    """Print balanced accuracies, and what corruption costs."""
    shares = sorted({share for _, share in figures})
    print(
        f"pipelines {name}: balanced accuracy with {', '.join(f'{100 * s:.0f} %' for s in shares)} of frames corrupted"
    )
    for features in dict.fromkeys(features for features, _ in figures):
        values = [figures[features, share] for share in shares]
        print(f"pipelines   {features:<12}", *(f"{v:.3f}" for v in values), f"  lost {values[0] - values[-1]:.3f}")


def choice(quick=False):
    """Weight and rank chosen by hidden cells, against the best in hindsight."""
    from rpca_affect.synthetic import planted

    for seed in range(1 if quick else 3):
        problem = planted(400, 80, rank=5, density=0.1, magnitude=5.0, noise=0.2, random_state=seed)
        model = ra.RobustPCA(noise=0.2, tol=1e-5)
        picked = ra.choose_lambda(problem.observed, estimator=model, random_state=seed)
        errors = []
        for lam in picked.lams:
            fitted = ra.RobustPCA(noise=0.2, tol=1e-5, lam=lam).fit(problem.observed)
            errors.append(np.linalg.norm(fitted.low_rank_ - problem.low_rank) / np.linalg.norm(problem.low_rank))
        best = int(np.argmin(errors))
        off = errors[list(picked.lams).index(picked.lam)] / errors[best]
        ranks = ra.RobustPCASearch(model, {"n_components": list(range(2, 11))}, random_state=seed).fit(problem.observed)
        print(
            f"choice   seed {seed}: lambda {picked.lam:.4f}, oracle {picked.lams[best]:.4f} "
            f"(ratio {picked.lam / picked.lams[best]:.2f}, error {off:.3f} of the oracle's); "
            f"rank {ranks.best_params_['n_components']}, planted 5"
        )


def checks(quick=False):
    """Number of scikit-learn's checks run, passed and skipped for every estimator."""
    from sklearn.utils.estimator_checks import check_estimator

    everything = [
        ra.RobustPCA(),
        ra.IncrementalRobustPCA(),
        ra.SequenceRobustPCA(),
        ra.SequenceDescriptors(),
        ra.RobustPCASearch(ra.RobustPCA(tol=1e-4), {"lam": [0.1, 0.3]}, n_repeats=1),
    ]
    for estimator in everything[: 1 if quick else None]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = check_estimator(estimator, on_skip=None, on_fail=None)
        count = Counter(result["status"] for result in results)
        skipped = f", {count['skipped']} skipped (library or device not here)" if count["skipped"] else ""
        print(
            f"checks   {type(estimator).__name__:<22} {len(results)} checks: {count['passed']} passed{skipped}, "
            f"{count['failed']} failed, {count['xfail']} expected failures"
        )


def outliers(quick=False):
    """Share of clean rows to come that the outlier map flags, where 2.5 % are asked for either distance."""
    kinds = {"waves": 0.0, "drifting": 3.0}
    models = {
        "RobustPCA": ra.RobustPCA(3),
        "RobustPCA noise=None": ra.RobustPCA(3, noise=None),
        "IncrementalRobustPCA": ra.IncrementalRobustPCA(3),
        "IncrementalRobustPCA noise=None": ra.IncrementalRobustPCA(3, noise=None),
    }
    for kind, drift in kinds.items():
        for name, model in models.items():
            shares = []
            for seed in range(2 if quick else 8):
                rng = np.random.default_rng(seed)
                moves = waves(1200, 3) / [3.0, 2.0, 1.0] + np.array([drift, 0, 0]) * np.linspace(0, 1, 1200)[:, None]
                clean = moves @ rng.standard_normal((3, 30)) + 0.2 * rng.standard_normal((1200, 30))
                found = model.fit(struck(rng, clean[:900], 0.03)).outlier_map(clean[900:])
                inside = found.score_distance > found.score_cutoff
                beside = found.orthogonal_distance > found.orthogonal_cutoff
                shares.append([inside.mean(), beside.mean()])
            score, orthogonal = 100 * np.mean(shares, axis=0)
            print(f"outliers {kind:<9} {name:<32} score {score:5.1f} %  orthogonal {orthogonal:5.1f} %")


PARTS = {
    "unseen": unseen,
    "outliers": outliers,
    "choice": choice,
    "stream": stream,
    "pipelines": pipelines,
    "checks": checks,
}


def main(arguments=None):
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}")
    warnings.simplefilter("ignore", ConvergenceWarning)
    for name in options.parts or PARTS:
        PARTS[name](quick=options.quick)


if __name__ == "__main__":
    sys.exit(main())
