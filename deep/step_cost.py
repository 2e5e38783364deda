"""CPU time of a training step against the TCN's, in turns on the same batches, so that a busy machine matters little.

`python deep/step_cost.py` takes the sets of deep/sets.py by name, or any file of their form. LSEF's step is a mean of
those whose gradient reaches SEM and DDM and of those where it does not, in the shares of training.
"""

import argparse
import time

import numpy as np
import pandas as pd
import rivals
import sets
import torch

MODELS = ("tcn", "gru", "transformer", "no SEM, no DDM", "lsef")


def networks(X, y, width):
    """Each network after an epoch, and the batches of one; LSEF twice, with and without SEM and DDM in the gradient."""
    found = {}
    for name in MODELS:
        _, model = next(rivals.fitted(name, width, [1, 2], 1, 0, X, y))
        found[name] = model.net_
    _, dataset = model.prepare(X, y)
    torch.manual_seed(0)
    return found, list(found["lsef"].get_iterator(dataset, training=True))


def race(nets, batches, rounds):
    """Milliseconds of a step: of each batch the fastest of all rounds, averaged over the batches."""
    share = nets["lsef"].module_.split_share
    kinds = [*((name, None) for name in nets if name != "lsef"), ("lsef", 0.0), ("lsef", 1.0)]
    taken = np.full((len(kinds), len(batches)), np.inf)
    for _ in range(rounds):
        for column, batch in enumerate(batches):
            for row, (name, reached) in enumerate(kinds):
                if reached is not None:
                    nets[name].module_.split_share = reached
                begin = time.thread_time()
                nets[name].train_step(batch)
                taken[row, column] = min(taken[row, column], time.thread_time() - begin)
    *others, without, reached = 1e3 * taken.mean(1)
    return dict(zip((name for name, _ in kinds), [*others, (1 - share) * without + share * reached]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(sets.NAMED), help="sets, or files, see deep/sets.py")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--width", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in args.data:
        data = sets.read(name)
        train = np.arange(len(data.X)) if data.test is None else np.flatnonzero(~data.test)
        nets, batches = networks([data.X[i] for i in train], data.y[train], args.width)
        found = race(nets, batches[:6], args.rounds)
        rows.append({"set": data.name, **found, "lsef / tcn": found["lsef"] / found["tcn"]})
    print(pd.DataFrame(rows).round(2).to_string(index=False))


if __name__ == "__main__":
    main()
