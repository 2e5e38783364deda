"""Held-out people: `python deep/benchmark.py --data NAME|FILE.npz`, the same choice inside the training people for all.

Outer folds never have a person on both sides. Inside the training people of each, every model chooses its size and
its epochs by cross-validation over people, is trained once more on all of them, and is tested clean and with a share
of the test frames broken in four ways. Each fold of each model is one file: a killed run goes on where it was.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import re
import time
import warnings
from pathlib import Path

import numpy as np
import rivals
import sets
import torch
from judge import report
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from rpca_affect.deep import centred_per_person, corrupt
from rpca_affect.deep.corruption import KINDS
from rpca_affect.deep.metrics import uar, war

SHARES = (0.1, 0.2, 0.3)


def outer(data: sets.LabelledSet, folds: int, seed: int):
    """Train and test rows of every fold; an official split is the only one."""
    if data.test is not None:
        return [(np.flatnonzero(~data.test), np.flatnonzero(data.test))]
    return list(parts(data.y, data.group, folds, seed))


def parts(y, group, folds: int, seed: int):
    """Folds that keep classes alike and people apart."""
    if group is None:
        return StratifiedKFold(folds, shuffle=True, random_state=seed).split(y, y)
    folds = min(folds, len(np.unique(group)))
    if folds < 2:
        raise SystemExit("there is one group on the training side: nothing can be held out; give more people.")
    return StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(y, y, group)


def choose(name, X, y, group, args, seed):
    """Size and epochs with the best UAR over held-out training people; of equals the smallest."""
    found = {}
    for chosen, held in parts(y, group, args.inner, seed):
        for size in rivals.sizes(name, args.sizes):
            inside = [X[i] for i in chosen], y[chosen]
            for epochs, model in rivals.fitted(name, size, args.epochs, None, seed, *inside):
                score = uar(y[held], model.predict([X[i] for i in held]))
                found.setdefault((size, epochs), []).append(score)
    means = {key: float(np.mean(values)) for key, values in found.items()}
    return *max(means, key=lambda key: (means[key], -key[0], -key[1])), means


def one_fold(name, data, rows, test_rows, args, seed):
    """Choose, train and test one model, on one thread: a rival's library may have raised torch's count."""
    torch.set_num_threads(1)
    X, y = [data.X[i] for i in rows], data.y[rows]
    X_test, y_test = [data.X[i] for i in test_rows], data.y[test_rows]

    def level(sequences, rows):
        return centred_per_person(sequences, data.group[rows]) if args.level == "person" else sequences

    X = level(X, rows)
    group = None if data.group is None else data.group[rows]
    begin = time.process_time()
    size, epochs, means = choose(name, X, y, group, args, seed)
    middle = time.process_time()
    *_, (_, model) = rivals.fitted(name, size, args.epochs, epochs or None, seed, X, y)
    seconds = time.process_time() - middle
    tests = []
    for kind, share in [("clean", 0.0), *((k, s) for k in KINDS for s in SHARES)]:
        broken = X_test if kind == "clean" else corrupt(X_test, share, kind, seed)
        guess = model.predict(level(broken, test_rows))
        tests.append({"kind": kind, "share": share, "uar": uar(y_test, guess), "war": war(y_test, guess)})
    per_epoch = seconds / max(epochs, 1)
    return {
        "model": name,
        "chosen": {"size": size, "epochs": epochs},
        "inner": [{"size": s, "epochs": e, "uar": value} for (s, e), value in means.items()],
        "train": len(rows),
        "test": len(test_rows),
        "seconds": {"choice": middle - begin, "fit": seconds, "epoch": per_epoch},
        "parameters": rivals.n_parameters(model),
        "tests": tests,
    }


def fingerprint(data: sets.LabelledSet) -> str:
    """A short mark of what the data hold."""
    mark = hashlib.sha256()
    for x in data.X:
        mark.update(np.ascontiguousarray(x).tobytes())
    mark.update(repr((data.y.tolist(), None if data.group is None else data.group.tolist())).encode())
    return mark.hexdigest()[:16]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help=f"{', '.join(sets.NAMED)}, or a .npz (see deep/sets.py)")
    parser.add_argument("--out", type=Path, default=Path("out/benchmark"))
    known = [*rivals.MODELS, *rivals.ABLATION]
    parser.add_argument("--models", nargs="+", choices=known, metavar="MODEL", help=", ".join(known))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--inner", type=int, default=3, help="folds of the choice inside the training people")
    parser.add_argument("--seeds", type=int, default=3, help="each with folds of its own")
    parser.add_argument("--epochs", type=int, nargs="+", default=[15, 30, 60], help="to choose from")
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32], help="widths to choose from")
    parser.add_argument(
        "--level",
        choices=["training", "person"],
        default="training",
        help="person: every model sees features less the median of the same person's unlabelled recordings",
    )
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run left in the folder")
    parser.add_argument("--table", action="store_true", help="only print the tables of what is there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.models is None:
        args.models = list(rivals.MODELS)
        if importlib.util.find_spec("aeon") is None:
            args.models.remove("minirocket")
            print("minirocket is left out: it needs aeon (pip install aeon), best in an environment of its own")
    data = sets.read(args.data)
    if args.level == "person" and data.group is None:
        raise SystemExit(f"{data.name} does not say who is who; --level person needs groups.")
    folder = args.out / (data.name + ("-person" if args.level == "person" else ""))
    settings = {"data": fingerprint(data), "folds": args.folds, "inner": args.inner}
    settings |= {"level": args.level, "epochs": sorted(args.epochs), "sizes": sorted(args.sizes)}
    for seed in range(0 if args.table else args.seeds):
        for fold, (rows, test_rows) in enumerate(outer(data, args.folds, seed)):
            for name in args.models:
                path = folder / f"{re.sub('[^A-Za-z0-9]+', '_', name)}-{seed}-{fold}.json"
                if path.exists() and not args.fresh:
                    if json.loads(path.read_text())["settings"] != settings:
                        raise SystemExit(f"{path} was made with other settings; add --fresh, or give another --out.")
                    continue
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)  # the choice decides how strong is right
                    found = one_fold(name, data, rows, test_rows, args, seed)
                write(
                    path,
                    {
                        "set": folder.name,
                        "official": data.test is not None,
                        "seed": seed,
                        "fold": fold,
                        "settings": settings,
                        **found,
                    },
                )
                clean = found["tests"][0]["uar"]
                print(f"{data.name} {name} seed {seed} fold {fold}: {clean:.3f} {found['chosen']}", flush=True)
    text, summary = report([json.loads(path.read_text()) for path in sorted(folder.glob("*-*-*.json"))])
    print(text)
    write(folder / "summary.json", summary)
    (folder / "summary.md").write_text(text, encoding="utf-8")


def write(path: Path, content: dict):
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
