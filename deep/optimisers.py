"""RAO against AdamW, SAM over AdamW and Muon: three tasks, five seeds, and the cost of a step."""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from classify import japanese_vowels, natops
from common import finish, table

from rpca_affect.deep import RAO, LSEFClassifier, LSEFRegressor, planted_affect
from rpca_affect.deep.metrics import uar


class SAM(torch.optim.AdamW):
    """Sharpness-aware minimisation over AdamW (Foret et al. 2021): the gradient is taken at the worst point nearby."""

    radius = 0.05

    def step(self, closure=None):
        """Climb by ``radius`` along the gradient, take the gradient there, and step from where the climb began."""
        with torch.enable_grad():
            loss = closure()
        params = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        size = torch.linalg.vector_norm(torch.stack([p.grad.norm() for p in params])) + 1e-12
        climbs = [p.grad * (self.radius / size) for p in params]
        with torch.no_grad():
            for p, climb in zip(params, climbs):
                p += climb
        with torch.enable_grad():
            closure()
        with torch.no_grad():
            for p, climb in zip(params, climbs):
                p -= climb
        super().step()
        return loss


class Muon(torch.optim.Optimizer):
    """torch.optim.Muon for matrices and AdamW for everything else, as its authors advise, at AdamW's step size."""

    def __init__(self, params, lr=1e-3, weight_decay=1e-2):
        super().__init__(list(params), {"lr": lr, "weight_decay": weight_decay})
        params = [p for group in self.param_groups for p in group["params"]]
        matrices, others = [p for p in params if p.ndim == 2], [p for p in params if p.ndim != 2]
        self.parts = [torch.optim.AdamW(others, lr=lr, weight_decay=weight_decay)]
        if matrices:
            self.parts.append(
                torch.optim.Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            )

    def step(self, closure=None):
        """One step of both."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss


OPTIMISERS = {"adamw": torch.optim.AdamW, "rao": RAO, "sam": SAM, "muon": Muon}


def classification(folds, model, epochs):
    _, X, y, X_test, y_test = next(iter(folds))

    def run(optimiser, seed, lr):
        estimator = LSEFClassifier(model, optimizer=optimiser, lr=lr, epochs=epochs, random_state=seed).fit(X, y)
        return uar(y_test, estimator.predict(X_test)), estimator.net_.history[-1]["train_loss"]

    return run


def regression(epochs):
    X_test, y_test = planted_affect(40, random_state=999)

    def run(optimiser, seed, lr):
        X, y = planted_affect(40, random_state=seed)
        estimator = LSEFRegressor("tcn", optimizer=optimiser, lr=lr, epochs=epochs, random_state=seed).fit(X, y)
        return estimator.score(X_test, y_test), estimator.net_.history[-1]["train_loss"]

    return run


def step_cost(optimiser, shapes, repeats=40):
    """Microseconds of one step without the forward and backward pass (SAM adds a whole second pass on top)."""
    torch.manual_seed(0)
    params = [torch.nn.Parameter(torch.randn(s)) for s in shapes]
    optimiser = optimiser(params, lr=1e-3, weight_decay=1e-2)

    def closure():
        return torch.zeros(())

    best = float("inf")
    for _ in range(repeats):
        for p in params:
            p.grad = torch.randn_like(p)
        begin = time.perf_counter()
        for _ in range(10):
            optimiser.step(closure)
        best = min(best, (time.perf_counter() - begin) / 10)
    return 1e6 * best


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/optimisers"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lrs", type=float, nargs="+", default=[1e-3, 3e-3])
    args = parser.parse_args()
    if "RPCA_AFFECT_DATA" not in os.environ:
        parser.error("set RPCA_AFFECT_DATA to the folder with the data sets")
    torch.set_num_threads(1)
    folder = Path(os.environ["RPCA_AFFECT_DATA"])
    costs = {"6 matrices of 64 x 64": [(64, 64)] * 6, "6 matrices of 256 x 256": [(256, 256)] * 6}
    rows = [{"size": size, "optimiser": name, "microseconds": step_cost(kind, [*shapes, *[s[:1] for s in shapes]])}
            for size, shapes in costs.items() for name, kind in OPTIMISERS.items()]  # fmt: skip
    finish(pd.DataFrame(rows), args.out / "optimiser_cost.csv")
    print(table(pd.DataFrame(rows), ["optimiser"], "microseconds", "size"), "\n")
    tasks = {
        "natops, LSEF": classification(natops(folder), "lsef", args.epochs),
        "japanese_vowels, TCN": classification(japanese_vowels(folder), "tcn", args.epochs),
        "planted affect, TCN": regression(args.epochs),
    }
    rows = []
    for seed in range(args.seeds):
        for task, run in tasks.items():
            for name, optimiser in OPTIMISERS.items():
                for lr in args.lrs:
                    begin = time.process_time()
                    score, loss = run(optimiser, seed, lr)
                    row = {"task": task, "optimiser": name, "seed": seed, "lr": lr, "score": score, "loss": loss}
                    rows.append({**row, "seconds": time.process_time() - begin})
            finish(pd.DataFrame(rows), args.out / "optimisers.csv")
    frame = pd.DataFrame(rows)
    frame["optimiser"] = [f"{n}, lr {lr:g}" for n, lr in zip(frame.optimiser, frame.lr)]
    for value in ("score", "loss", "seconds"):
        print(f"{value}\n\n{table(frame, ['optimiser'], value, 'task')}\n")
    print("RAO against AdamW at equal lr:", difference(pd.DataFrame(rows)))


def difference(frame):
    """Mean difference of the score, RAO minus AdamW, paired over seeds, with its standard error."""
    wide = frame.pivot_table(index=["task", "lr", "seed"], columns="optimiser", values="score")
    gap = wide["rao"] - wide["adamw"]
    return {key: f"{g.mean():+.4f} ± {g.std() / np.sqrt(len(g)):.4f}" for key, g in gap.groupby(["task", "lr"])}


if __name__ == "__main__":
    main()
