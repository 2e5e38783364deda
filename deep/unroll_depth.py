"""Learning to unroll: recovery error against depth, beside classical steps and an LRPCA-style network."""

import argparse
import time
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from common import finish, table
from torch import nn

from rpca_affect.arrays import Observed
from rpca_affect.deep import ADMM, InexactALM, Unrolled


def planted(family, count, generator, frames=60, features=30):
    """Sequences whose base and sparse part are known.

    "exact": rank 1 to 3, 4 % single cells, which the convex problem recovers exactly. "bursts": rank 2 to 5 with
    random-walk scores, three-frame bursts over most features and 3 % single cells: the convex problem itself is off.
    """
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    uniform = lambda *shape: torch.rand(*shape, generator=generator)  # noqa: E731
    hard = family == "bursts"
    rank = (2 if hard else 1) + ((4 if hard else 3) * uniform(count, 1, 1)).floor()
    scores = draw(count, frames, 5)
    scores = scores.cumsum(1) if hard else scores
    scores = scores / scores.std(1, keepdim=True) * (torch.arange(5) < rank)
    base = scores @ draw(count, 5, features) / rank.sqrt()
    where = uniform(count, frames, features) < (0.03 if hard else 0.04)
    if hard:
        starts = (uniform(count, frames, 1) < 0.06).float()
        where |= (nn.functional.max_pool1d(starts.mT, 3, 1, 1).mT * (uniform(count, 1, features) < 0.6)) > 0
    return base, base + torch.where(where, 3 * draw(count, frames, features), 0.0)


# Relative errors of the base on the problems of `published`, as measured with the weights that Cai, Liu & Yin released
# with "Learned Robust PCA" (NeurIPS 2021): layers -> error, for 10 and 30 % outliers. Not trained here.
LRPCA = {0.1: {8: 5.5e-5, 16: 1.2e-6}, 0.3: {8: 2.2e-4, 16: 2.0e-5}}


def published(size, count, share, generator, rank=5):
    """The test problems of Learned Robust PCA: Gaussian factors, outliers about as large as the cells of the base."""
    left, right = (torch.randn(count, size, rank, generator=generator) / size**0.5 for _ in range(2))
    base = left @ right.mT
    top = base.abs().mean((-2, -1), keepdim=True)
    where = torch.rand(base.shape, generator=generator) < share
    return base, base + torch.where(where, top * (2 * torch.rand(base.shape, generator=generator) - 1), 0.0)


def with_missing(size, count, generator, *, share, observed):
    """The test problems of Learned Robust Matrix Completion: the same, of which a share of the cells is observed."""
    base, x = published(size, count, share, generator)
    return base, torch.where(torch.rand(x.shape, generator=generator) < observed, x, torch.nan)


def beside_lrmc(args):
    """Missing cells: n = 3000, rank 5, 10 and 20 % outliers in the authors' test script (Cai, Kundu, Liu & Yin 2024).

    No errors of theirs are at hand. A problem of rank r has about 2 n r unknowns and ``observed n^2`` cells: training
    at 100 x 100 is possible where half of the cells are observed and not where a tenth is, as in the script.
    """
    rows = []
    for share in (0.1, 0.2):
        base, x = with_missing(args.size, 1, torch.Generator().manual_seed(10_000), share=share, observed=args.observed)
        curve = classical_curve(InexactALM(relax=1.0), x, base, 60)
        row = {"outliers": share, "observed": args.observed, "size": args.size}
        row |= {f"classical IALM, {k} steps": curve[k - 1] for k in (8, 16, 60)}
        if 100 * args.observed >= 30:
            begin = time.process_time()
            family = partial(with_missing, 100, share=share, observed=args.observed)
            network = train(Unrolled(8), family, args.steps, 8, 0, recovered)
            row["CPU s"] = round(time.process_time() - begin)
            with torch.no_grad():
                row["ours, 8 stages"] = float(error(recovered(network, x), base).median())
        rows.append(row)
        finish(pd.DataFrame(rows), args.out / f"lrmc-{args.observed:g}.csv")
    print(pd.DataFrame(rows).to_string(index=False))


def beside_lrpca(args):
    """Train at 100 x 100, not told the rank; test at the published size beside the published network's errors."""
    rows = []
    for share, theirs in LRPCA.items():
        base, x = published(args.size, 1, share, torch.Generator().manual_seed(10_000))
        curve = classical_curve(InexactALM(relax=1.0), x, base, 8)
        for depth in (8,):
            begin = time.process_time()
            network = train(Unrolled(depth), partial(published, 100, share=share), args.steps, 8, 0, recovered)
            seconds = time.process_time() - begin
            with torch.no_grad():
                found = float(error(recovered(network, x), base).median())
            row = {"outliers": share, "layers": depth, "classical IALM": curve[depth - 1], "ours": found}
            rows.append({**row, "LRPCA": theirs[depth], "LRPCA, 16 layers": theirs[16], "CPU s": round(seconds)})
            finish(pd.DataFrame(rows), args.out / "lrpca.csv")
    print(pd.DataFrame(rows).to_string(index=False))


def error(found, base):
    return ((found - base).square().sum((-2, -1)) / base.square().sum((-2, -1))).sqrt()


class FactorNetwork(nn.Module):
    """LRPCA-style: scaled gradient steps on two factors, thresholds and step sizes trained (Cai, Liu & Yin 2021)."""

    def __init__(self, n_stages, rank=5):
        super().__init__()
        self.rank = rank
        self.log_threshold = nn.Parameter(torch.linspace(1.5, -2.5, n_stages + 1))
        self.step = nn.Parameter(torch.full((n_stages,), 0.5))

    def forward(self, x):
        unit = x.abs().mean((-2, -1), keepdim=True)
        x = x / unit
        level = self.log_threshold.exp()
        u, s, vh = torch.linalg.svd(x - soft(x, level[0]), full_matrices=False)
        root = s[:, None, : self.rank].clamp_min(1e-6).sqrt()
        left, right = (u[..., : self.rank] * root).detach(), (vh[:, : self.rank].mT * root).detach()
        eye = 1e-6 * torch.eye(self.rank)
        for k, step in enumerate(self.step):
            rest = left @ right.mT - x
            rest = rest + soft(-rest, level[k + 1])
            left, right = (
                left - step * torch.linalg.solve(right.mT @ right + eye, (rest @ right).mT).mT,
                right - step * torch.linalg.solve(left.mT @ left + eye, (rest.mT @ left).mT).mT,
            )
        return left @ right.mT * unit


def soft(x, level):
    return x - x.clamp(-level, level)


def train(network, family, steps, batch, seed, recover):
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.03, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.03, total_steps=steps)
    for _ in range(steps):
        base, x = family(batch, generator=generator) if callable(family) else planted(family, batch, generator)
        loss = error(recover(network, x), base).log().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network.eval()


def classical_curve(solver, x, base, steps):
    known = torch.isfinite(x)
    observed = Observed(torch.where(known, x, 0.0), None if known.all() else known)
    solver = solver.tuned(observed)
    state, errors = solver.init(observed), []
    for _ in range(steps):
        state = solver.step(observed, state)
        errors.append(float(error(state.low_rank, base).median()))
    return errors


def told_curve(x, base, steps):
    """Errors of alternating projections that are told each rank and every spoiled cell: nothing is left to learn."""
    spoiled = (x - base).abs() > 1e-6 * base.abs().mean()
    values = torch.linalg.svdvals(base)
    kept = values > 1e-6 * values[:, :1]
    low, errors = torch.zeros_like(x), []
    for _ in range(steps):
        u, s, vh = torch.linalg.svd(torch.where(spoiled, low, x), full_matrices=False)
        low = (u * torch.where(kept, s, 0.0)[:, None]) @ vh
        errors.append(float(error(low, base).median()))
    return errors


def steps_worth(curves, value):
    """How many steps of each curve reach an error."""
    for name, curve in curves.items():
        count = next((k for k, reached in enumerate(curve, start=1) if reached <= value), None)
        yield f"{count} steps of {name}" if count else f"more steps of {name} than {len(curve)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/unroll"))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--held-out", type=int, default=64)
    parser.add_argument("--depths", type=int, nargs="+", default=[2, 4, 8, 12])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-momentum", action="store_true", help="leave the momentum between stages at 0")
    parser.add_argument("--published", action="store_true", help="the problems of Learned Robust PCA instead")
    parser.add_argument("--observed", type=float, help="with --published: this share of the cells, the others missing")
    parser.add_argument("--size", type=int, default=1000, help="rows and columns of the published problems")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.published:
        (beside_lrpca if args.observed is None else beside_lrmc)(args)
        return
    rows = []
    for family in ("exact", "bursts"):
        base, x = planted(family, args.held_out, torch.Generator().manual_seed(10_000))  # never seen in training

        def note(method, depth, values, seconds=float("nan")):
            for seed, value in enumerate(values):
                row = {"family": family, "method": method, "depth": depth, "seed": seed}  # noqa: B023
                rows.append({**row, "error": value, "seconds": seconds})
            finish(pd.DataFrame(rows), args.out / "unroll.csv")

        starts, curves = {"ialm": InexactALM(relax=1.0), "admm": ADMM()}, {}
        for name, solver in starts.items():
            curve = classical_curve(solver, x.double(), base.double(), 100)
            curves[name] = curve
            for depth in (2, 4, 8, 12, 16, 20, 25, 30, 40, 50, 100):
                note(f"classical {name}", depth, [curve[depth - 1]])
        curves["being told"] = curve = told_curve(x.double(), base.double(), 40)
        for depth in (2, 4, 8, 12, 16, 20, 25):
            note("told rank and support", depth, [curve[depth - 1]])
        for depth in args.depths:
            makers = {f"unrolled {n}": partial(Unrolled, depth, solver=s) for n, s in starts.items()}
            for name, make in {**makers, "factorised (LRPCA-style)": partial(FactorNetwork, depth)}.items():
                begin, found = time.perf_counter(), []
                for seed in range(args.seeds):
                    steps = args.steps * (3 if "factor" in name else 1)  # its steps are cheap: let it train longer
                    network = make()
                    if args.no_momentum and "factor" not in name:
                        network.momentum.requires_grad_(False)
                    network = train(network, family, steps, args.batch, seed, recovered)
                    with torch.no_grad():
                        found.append(float(error(recovered(network, x), base).median()))
                note(name, depth, found, time.perf_counter() - begin)
                print(f"{family}, {name}, {depth} stages: {', '.join(steps_worth(curves, sum(found) / len(found)))}")
    print(table(pd.DataFrame(rows), ["family", "method"], "error", "depth"))


def recovered(network, x):
    known = torch.isfinite(x)
    found = network(x) if known.all() else network(torch.where(known, x, 0.0), known)
    return found if isinstance(found, torch.Tensor) else found.base


if __name__ == "__main__":
    main()
