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
LEVELS = ("training", "person")


def outer(data: sets.LabelledSet, folds: int, seed: int):
    """Train and test rows of every fold; an official split is the only one."""
    if data.test is not None:
        return [(np.flatnonzero(~data.test), np.flatnonzero(data.test))]
    found = list(parts(data.y, data.group, folds, seed))
    if any(len(set(data.y[rows])) < 2 for rows, _ in found):
        raise SystemExit(
            f"{data.name}: one of {len(found)} folds leaves one class to train on; give --folds "
            f"{len(np.unique(data.group))}, one for each person, or more people."
        )
    return found


def parts(y, group, folds: int, seed: int):
    """Folds that keep classes alike and people apart; no more than people, or recordings of a class; none of one."""
    people = np.arange(len(y)) if group is None else group
    folds = min(folds, len(np.unique(people)), max(np.unique(y, return_counts=True)[1]))
    if folds < 2:
        return
    splitter = StratifiedKFold if group is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # people decide, not classes
        yield from splitter(folds, shuffle=True, random_state=seed).split(y, y, group)


def choose(name, X, y, group, args, seed):
    """Size and epochs with the best UAR over held-out training people; of equals the smallest.

    Where there is one to choose from nothing is trained, except for the choice of a level, which asks for its score.
    A part of the training people that shows one class only teaches nothing and is passed over.
    """
    sizes, found = rivals.sizes(name, args.sizes), {}
    if len(sizes) == len(args.epochs) == 1 and args.level != "chosen":
        return sizes[0], args.epochs[0], {}
    for chosen, held in parts(y, group, args.inner, seed):
        for size in sizes if len(set(y[chosen])) > 1 else ():
            inside = [X[i] for i in chosen], y[chosen]
            for epochs, model in rivals.fitted(name, size, args.epochs, None, seed, *inside):
                score = uar(y[held], model.predict([X[i] for i in held]))
                found.setdefault((size, epochs), []).append(score)
    if not found:
        raise SystemExit(f"no part of {len(y)} training recordings can be held out to choose {name}; give more people.")
    means = {key: float(np.mean(values)) for key, values in found.items()}
    return *max(means, key=lambda key: (means[key], -key[0], -key[1])), means


def one_fold(name, data, rows, test_rows, level, args, seed):
    """Choose, train and test one model, on one thread: a rival's library may have raised torch's count."""
    torch.set_num_threads(1)
    X, y = [data.X[i] for i in rows], data.y[rows]
    X_test, y_test = [data.X[i] for i in test_rows], data.y[test_rows]

    def levelled(sequences, rows):
        return centred_per_person(sequences, data.group[rows]) if level == "person" else sequences

    X = levelled(X, rows)
    group = None if data.group is None else data.group[rows]
    begin = time.process_time()
    size, epochs, means = choose(name, X, y, group, args, seed)
    middle = time.process_time()
    *_, (_, model) = rivals.fitted(name, size, args.epochs, epochs or None, seed, X, y)
    seconds = time.process_time() - middle
    tests = []
    for kind, share in [("clean", 0.0), *((k, s) for k in KINDS for s in SHARES)]:
        broken = X_test if kind == "clean" else corrupt(X_test, share, kind, seed)
        guess = model.predict(levelled(broken, test_rows))
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
    args = arguments()
    torch.set_num_threads(1)
    data = sets.read(args.data)
    if args.level != "training" and data.group is None:
        raise SystemExit(f"{data.name} does not say who is who; --level {args.level} needs groups.")
    for level in LEVELS if args.level == "chosen" else (args.level,):
        if not args.table:
            run(data, level, args)
    if args.level == "chosen":
        chosen_levels(data, args)
    folder = place(data, args.level, args)
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*-*-*.json"))]
    text, summary = report([fold for fold in found if fold["model"] in args.models])
    print(text)
    write(folder / "summary.json", summary)
    (folder / "summary.md").write_text(text, encoding="utf-8")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help=f"{', '.join(sets.NAMED)}, or a .npz (see deep/sets.py)")
    parser.add_argument("--out", type=Path, default=Path("out/benchmark"))
    known = [*rivals.MODELS, *rivals.ABLATION]
    parser.add_argument("--models", nargs="+", choices=known, metavar="MODEL", help=", ".join(known))
    parser.add_argument(
        "--ablation", action="store_true", help="LSEF with each of its parts changed, instead of rivals"
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--inner", type=int, default=3, help="folds of the choice inside the training people")
    parser.add_argument("--seeds", type=int, default=3, help="each with folds of its own")
    parser.add_argument("--epochs", type=int, nargs="+", default=[15, 30, 60], help="to choose from")
    parser.add_argument("--sizes", type=int, nargs="+", default=[16, 32], help="widths to choose from")
    parser.add_argument(
        "--level",
        choices=[*LEVELS, "chosen"],
        default="training",
        help="person: every model sees features less the median of the same person's unlabelled recordings; "
        "chosen: each model takes, in each fold, the level that was better inside the training people",
    )
    parser.add_argument("--fresh", action="store_true", help="forget what an earlier run left in the folder")
    parser.add_argument("--table", action="store_true", help="only print the tables of what is there of these models")
    args = parser.parse_args()
    if min(args.folds, args.inner) < 2 or min(args.seeds, *args.epochs, *args.sizes) < 1:
        parser.error("give at least 2 --folds and --inner folds, and at least 1 of --seeds, --epochs and --sizes")
    if args.models is None:
        args.models = ["no SEM, no DDM", "lsef", *rivals.ABLATION] if args.ablation else list(rivals.MODELS)
        if "minirocket" in args.models and importlib.util.find_spec("aeon") is None:
            args.models.remove("minirocket")
            print("minirocket is left out: it needs aeon (pip install aeon), best in an environment of its own")
    return args


def place(data, level, args):
    """Folder of a set at a level."""
    return args.out / (data.name + ("" if level == "training" else f"-{level}"))


def run(data, level, args):
    """Every fold of every model that is not there yet."""
    folder = place(data, level, args)
    settings = {"data": fingerprint(data), "folds": args.folds, "inner": args.inner}
    settings |= {"level": level, "epochs": sorted(args.epochs), "sizes": sorted(args.sizes)}
    todo = []
    for seed in range(args.seeds):
        folds = outer(data, args.folds, seed)
        if seed == 0 and data.test is None and len(folds) < args.folds:
            print(f"{data.name}: {len(folds)} folds, for there are {len(set(data.group))} people")
        todo += [(seed, fold, *rows, name) for fold, rows in enumerate(folds) for name in args.models]
    for number, (seed, fold, rows, test_rows, name) in enumerate(todo, start=1):
        path = folder / f"{re.sub('[^A-Za-z0-9]+', '_', name)}-{seed}-{fold}.json"
        if path.exists() and not args.fresh:
            if json.loads(path.read_text())["settings"] != settings:
                raise SystemExit(f"{path} was made with other settings; add --fresh, or give another --out.")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the choice decides how strong is right
            found = one_fold(name, data, rows, test_rows, level, args, seed)
        header = {"set": folder.name, "official": data.test is not None, "seed": seed, "fold": fold}
        write(path, {**header, "settings": settings, **found})
        done = f"{number} of {len(todo)}: {folder.name} {name} seed {seed} fold {fold}"
        print(f"{done}: {found['tests'][0]['uar']:.3f} {found['chosen']}", flush=True)


def chosen_levels(data, args):
    """Of each fold of each model, the run at the level with the best UAR over held-out training people."""
    folder = place(data, "chosen", args)
    for path in place(data, LEVELS[0], args).glob("*-*-*.json"):
        other = place(data, LEVELS[1], args) / path.name
        if not other.exists():
            continue
        both = [json.loads(p.read_text()) for p in (path, other)]
        if both[0]["settings"] | {"level": None} != both[1]["settings"] | {"level": None}:
            raise SystemExit(f"{path} and {other} were made with other settings; add --fresh, or give another --out.")
        scores = [max(row["uar"] for row in found["inner"]) for found in both]
        level = LEVELS[int(scores[1] > scores[0])]
        found = both[LEVELS.index(level)]
        found["chosen"]["level"] = level
        found["seconds"]["choice"] = sum(f["seconds"]["choice"] for f in both)
        write(folder / path.name, found | {"set": folder.name})


def write(path: Path, content: dict):
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(temporary, path)


if __name__ == "__main__":
    main()
