"""A continuous task: valence and arousal per frame on planted sessions, against plain rules and plain networks."""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import finish, table
from scipy.ndimage import gaussian_filter1d

from rpca_affect.deep import LSEFRegressor, corrupt, planted_affect, planted_parts
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


def truth(model, found):
    """How true the reported parts are: cosine, share of cells, amplitude and meaning; each averaged over sequences."""
    rows = []
    for (base, transient), bursts, slow, rating in zip(
        model.split(found.sequences), found.bursts, found.bases, found.ratings
    ):
        size = gaussian_filter1d(np.sqrt((transient**2).sum(1)), 6)
        direction = np.linalg.lstsq(slow, np.arctanh(rating[:, 0].clip(-0.999, 0.999)), rcond=None)[0]
        rows.append(
            {
                "cosine with the bursts": (transient * bursts).sum()
                / np.linalg.norm(transient)
                / np.linalg.norm(bursts),
                "cells, %": 100 * (transient != 0).mean(),
                "amplitude": (transient * bursts).sum() / (bursts**2).sum(),
                "error of the base": np.linalg.norm(base - slow) / np.linalg.norm(slow),
                "base and valence, r": np.corrcoef(base @ direction, slow @ direction)[0, 1],
                "transients and arousal, r": np.corrcoef(size, rating[:, 1])[0, 1],
            }
        )
    return pd.DataFrame(rows).mean().to_dict()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/affect"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--sequences", type=int, default=60)
    args = parser.parse_args()
    torch.set_num_threads(1)
    X_test, y_test = planted_affect(40, random_state=999)
    rows, parts = [], []
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
            if name == "lsef":
                before = LSEFRegressor(epochs=0, random_state=seed, **options).fit(X, y)
                held = planted_parts(40, random_state=999)
                for state, network in (("untrained", before), ("trained", model)):
                    parts += [{"LSEF": state, "what": k, "value": v} for k, v in truth(network, held).items()]
                finish(pd.DataFrame(parts), args.out / "truth.csv")
            for kind in ("clean", "dropped", "spiked"):
                broken = X_test if kind == "clean" else corrupt(X_test, 0.3, kind, seed)
                found = scores(y_test, model.predict(broken))
                rows += [{"model": name, "seed": seed, "kind": kind, "seconds": seconds, **row} for row in found]
            finish(pd.DataFrame(rows), args.out / "affect.csv")
    print(f"reported parts\n\n{table(pd.DataFrame(parts), ['LSEF'], 'value', 'what')}\n")
    frame = pd.DataFrame(rows)
    clean = frame[frame.kind == "clean"]
    for value in ("CCC pooled", "CCC sequence", "RMSE"):
        print(f"{value}\n\n{table(clean, ['model'], value, 'rating')}\n")
    print(f"CCC pooled, 30 % broken\n\n{table(frame, ['model', 'rating'], 'CCC pooled', 'kind')}")


if __name__ == "__main__":
    main()
