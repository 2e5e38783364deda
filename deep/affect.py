"""A continuous task: valence and arousal per frame on planted sessions, against plain rules and plain networks."""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import finish, table

from rpca_affect.deep import LSEFRegressor, corrupt, planted_affect
from rpca_affect.deep.metrics import ccc, pcc, rmse, sagr

NAMES = ("valence", "arousal")
NETWORKS = {"gru": {}, "tcn": {}, "transformer": {}, "identity": {}, "lsef": {}}


def last_value(ratings):
    """The rating of the frame before: a rule that is told the truth with one frame of delay."""
    return [np.concatenate([r[:1], r[:-1]]) for r in ratings]


def scores(truth, guess):
    rows = []
    for i, name in enumerate(NAMES):
        t, g = [a[:, i] for a in truth], [a[:, i] for a in guess]
        row = {f"CCC {c}": ccc(t, g, c) for c in ("pooled", "sequence", "batch")}
        rows.append({"rating": name, **row, "PCC": pcc(t, g), "RMSE": rmse(t, g), "SAGR": sagr(t, g)})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/affect"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--sequences", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    X_test, y_test = planted_affect(40, random_state=999)
    rows = []
    for seed in range(args.seeds):
        X, y = planted_affect(args.sequences, random_state=seed)
        mean = np.concatenate(y).mean(0)
        rules = {"constant": [np.tile(mean, (len(r), 1)) for r in y_test], "last value (told)": last_value(y_test)}
        for name, guess in rules.items():
            rows += [{"model": name, "seed": seed, "kind": "clean", **row} for row in scores(y_test, guess)]
        for name, options in NETWORKS.items():
            begin = time.process_time()
            model = LSEFRegressor(model=name, epochs=args.epochs, random_state=seed, **options).fit(X, y)
            seconds = time.process_time() - begin
            for kind in ("clean", "dropped", "spiked"):
                broken = X_test if kind == "clean" else corrupt(X_test, 0.3, kind, seed)
                found = scores(y_test, model.predict(broken))
                rows += [{"model": name, "seed": seed, "kind": kind, "seconds": seconds, **row} for row in found]
            finish(pd.DataFrame(rows), args.out / "affect.csv")
    frame = pd.DataFrame(rows)
    clean = frame[frame.kind == "clean"]
    for value in ("CCC pooled", "CCC sequence", "RMSE"):
        print(f"{value}\n\n{table(clean, ['model'], value, 'rating')}\n")
    print(f"CCC pooled, 30 % broken\n\n{table(frame, ['model', 'rating'], 'CCC pooled', 'kind')}")


if __name__ == "__main__":
    main()
