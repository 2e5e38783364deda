"""What could help on people it has never seen: one change at a time, by cross-validation inside a part of the people.

`python deep/hypotheses.py --data emodb`: two thirds of the people, drawn once, are cross-validated; the others are
never looked at. Scores clean, and what 30 % broken frames cost.
"""

import argparse

import benchmark
import numpy as np
import sets
import torch

from rpca_affect.deep import LSEFClassifier, centred_per_person, corrupt
from rpca_affect.deep.corruption import KINDS
from rpca_affect.deep.metrics import uar

CHANGES = {
    "as it is": {},
    "scale per recording": {"level": "scale"},
    "level per recording": {"level": "recording"},
    "level per person": {"level": "person"},
    "dropout 0.4": {"dropout": 0.4},
    "weight decay 0.3": {"weight_decay": 0.3},
    "broken frames in training": {"corruption": 0.3},
    "learning rate 1e-3": {"lr": 1e-3},
    "width 16": {"hidden": 16},
    "one stage": {"n_stages": 1},
    "two levels": {"widths": (16, 1)},
    "no track": {"track": False},
    "own weights for transients": {"robust": False, "track": True},
    "no SEM, no DDM": {"model": "identity"},
}


def levelled(X, person, level):
    if level == "person":
        return centred_per_person(X, person)
    if level in ("recording", "scale"):
        X = centred_per_person(X, np.arange(len(X)))
    if level == "scale":
        sizes = [1.4826 * np.nanmedian(np.abs(x), axis=0) for x in X]
        X = [(x / np.where(size > 1e-6, size, 1)).astype(np.float32) for x, size in zip(X, sizes)]
    return X


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="emodb", help="a set with people, see deep/sets.py")
    parser.add_argument("--model", default="lsef", help="identity and tcn are cheaper stand-ins")
    parser.add_argument("--changes", nargs="+", choices=list(CHANGES), default=list(CHANGES), metavar="CHANGE")
    parser.add_argument(
        "--level", choices=["training", "person"], default="training", help="that all changes start from"
    )
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=1, help="each with folds of its own")
    parser.add_argument("--folds", type=int, default=4)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = sets.read(args.data)
    if data.group is None:
        raise SystemExit(f"{data.name} does not say who is who; give a set with groups.")
    people = np.unique(data.group)
    chosen = np.random.default_rng(7).permutation(people)[: -(-2 * len(people) // 3)]
    rows = np.flatnonzero(np.isin(data.group, chosen))
    y, person = data.y[rows], data.group[rows]
    X = [data.X[i] for i in rows]
    for name in args.changes:
        options = dict(CHANGES[name])
        level = options.pop("level", args.level)
        seen, clean, loss = levelled(X, person, level), [], []
        parts = [part for seed in range(args.seeds) for part in benchmark.parts(y, person, args.folds, seed + 1)]
        for fold, (train, held) in enumerate(parts):
            model = LSEFClassifier(
                **{"model": args.model, "epochs": args.epochs, "batch_size": 16, "random_state": fold, **options},
                class_weight="balanced",
            ).fit([seen[i] for i in train], y[train])
            clean.append(uar(y[held], model.predict([seen[i] for i in held])))
            for kind in KINDS:
                broken = levelled(corrupt([X[i] for i in held], 0.3, kind), person[held], level)
                loss.append(clean[-1] - uar(y[held], model.predict(broken)))
        spread = np.std(clean, ddof=1) / np.sqrt(len(clean))
        print(
            f"{data.name}, {args.model}, {name}: {np.mean(clean):.3f} (s.e. {spread:.3f}), loss {np.mean(loss):.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
