"""RAO where rank could matter: wide factors of a narrow truth, small batches, noisy labels, long training.

Two small problems with a known truth. "factors": a linear map of rank 3 between 48 features, learned as the product of
two 48 x 48 matrices from noisy answers. "flipped": four classes that depend on 3 directions of 32 features, 30 % of the
labels wrong, learned by a network of two hidden layers of 96. Each optimiser takes the learning rate with the best
score on held-out noisy labels, seed by seed; the score is against clean labels.
"""

import argparse
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from common import finish, table
from optimisers import OPTIMISERS
from torch import nn


def factors(seed):
    """Inputs and noisy answers to train on, held out, and clean; the network; its loss; its score."""
    draw = torch.Generator().manual_seed(seed)
    truth = torch.randn(48, 3, generator=draw) @ torch.randn(3, 48, generator=draw) / 48**0.5

    def sample(count, noise):
        x = torch.randn(count, 48, generator=draw)
        return x, x @ truth + noise * torch.randn(count, 48, generator=draw)

    network = nn.Sequential(nn.Linear(48, 48, bias=False), nn.Linear(48, 48, bias=False))
    explained = lambda found, y: 1 - float((found - y).square().mean() / y.square().mean())  # noqa: E731
    return sample(256, 2.0), sample(256, 2.0), sample(2000, 0.0), network, nn.functional.mse_loss, explained


def flipped(seed):
    """The same for classes, of which 30 % are wrong in training and held out."""
    draw = torch.Generator().manual_seed(seed)
    directions, classes = torch.randn(32, 3, generator=draw), torch.randn(3, 4, generator=draw)

    def sample(count, share):
        x = torch.randn(count, 32, generator=draw)
        y = (torch.tanh(x @ directions) @ classes).argmax(1)
        wrong = torch.rand(count, generator=draw) < share
        return x, torch.where(wrong, torch.randint(4, y.shape, generator=draw), y)

    sizes = (32, 96, 96)
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    right = lambda found, y: float((found.argmax(1) == y).double().mean())  # noqa: E731
    network = nn.Sequential(*layers, nn.Linear(96, 4))
    # Every fourth wrong label is drawn right again by chance.
    return sample(512, 0.4), sample(512, 0.4), sample(4000, 0.0), network, nn.functional.cross_entropy, right


PROBLEMS = {"factors": factors, "flipped": flipped}


def trained(problem, optimiser, lr, seed, steps, batch):
    """Score on clean and on held-out noisy labels at the end of training, and CPU seconds."""
    torch.manual_seed(seed)
    train, held, clean, network, loss, score = PROBLEMS[problem](seed)
    optimiser = optimiser(network.parameters(), lr=lr, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: (1 + np.cos(np.pi * step / steps)) / 2)
    begin = time.process_time()
    for _ in range(steps):
        rows = torch.randint(len(train[0]), (batch,))

        def closure():
            optimiser.zero_grad()
            value = loss(network(train[0][rows]), train[1][rows])  # noqa: B023
            value.backward()
            return value

        closure()
        optimiser.step(closure)
        schedule.step()
    seconds = time.process_time() - begin
    with torch.no_grad():
        return score(network(clean[0]), clean[1]), score(network(held[0]), held[1]), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/label_noise"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lrs", type=float, nargs="+", default=[3e-4, 1e-3, 3e-3])
    parser.add_argument("--optimisers", nargs="+", choices=list(OPTIMISERS), default=list(OPTIMISERS))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(args.seeds):
        for problem in PROBLEMS:
            for name in args.optimisers:
                for lr in args.lrs:
                    clean, held, seconds = trained(problem, OPTIMISERS[name], lr, seed, args.steps, args.batch)
                    row = {"problem": problem, "optimiser": name, "lr": lr, "seed": seed}
                    rows.append({**row, "clean": clean, "held out": held, "seconds": seconds})
            finish(pd.DataFrame(rows), args.out / "label_noise.csv")
    frame = pd.DataFrame(rows)
    best = frame.loc[frame.groupby(["problem", "optimiser", "seed"], sort=False)["held out"].idxmax()]
    print(table(best, ["optimiser"], "clean", "problem"), "\n")
    wide = best.pivot(index=["problem", "seed"], columns="optimiser", values="clean")
    for name in wide.columns.drop("adamw"):
        gaps = (wide[name] - wide["adamw"]).groupby("problem")
        said = ", ".join(f"{key} {g.mean():+.4f} ± {g.std() / np.sqrt(len(g)):.4f}" for key, g in gaps)
        print(f"{name} minus adamw, paired over seeds (± standard error): {said}")


if __name__ == "__main__":
    main()
