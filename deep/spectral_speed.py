"""Forward plus backward of the safe singular-value shrinkage against autograd through torch.linalg.svd."""

import argparse
import time
from functools import partial

import torch

from rpca_affect.deep import parallel
from rpca_affect.deep.spectral import singular_value_shrink


def through_svd(x, level):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    return (u * (s - level).clamp_min(0).unsqueeze(-2)) @ vh


def planted(batch, frames, features, dtype, rank=8):
    """A smooth base of rank 8, 5 % of bursts and sensor noise: what a layer of the network is given."""
    base = torch.randn(batch, frames, rank) @ torch.randn(batch, rank, features)
    bursts = 5 * torch.randn(batch, frames, features) * (torch.rand(batch, frames, features) < 0.05)
    return (base + bursts + 0.1 * torch.randn(batch, frames, features)).to(dtype).requires_grad_()


def bare_products(x, weight):
    """What takes four full products: the answer, data times gradient, and both turned."""
    coefficients = x @ weight.mT
    return coefficients @ x, (coefficients @ weight).baddbmm_(coefficients, x)


def race(contenders, repeats):
    """Seconds of each contender, one column each, taken in turns; the first turn is not counted."""
    taken = torch.empty(repeats + 1, len(contenders))
    for row in taken:
        for column, function in enumerate(contenders):
            start = time.perf_counter()
            function()
            row[column] = time.perf_counter() - start
    return taken[1:]


def forward_and_backward(function, x, level, weight):
    x.grad = None
    function(x, level).backward(weight)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--lapack", action="store_true", help="the spectrum by torch, as without numba")
    args = parser.parse_args()
    if args.lapack:
        parallel.LARGEST_SIDE = 0
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print(
        "| dtype | values kept | safe gradient, ms | autograd through svd, ms | ratio of medians | of minima |", end=""
    )
    print(" four full products alone, ms |")
    print("|---|---|---|---|---|---|---|")
    for dtype in (torch.float32, torch.float64):
        x = planted(args.batch, args.frames, args.features, dtype)
        weight, s = torch.randn_like(x), torch.linalg.svdvals(x.detach())
        for level in (0.2 * s[:, 0].mean(), 0.5 * s.min()):
            gradients = (
                partial(forward_and_backward, f, x, level, weight) for f in (singular_value_shrink, through_svd)
            )
            taken = 1e3 * race((*gradients, partial(bare_products, x.detach(), weight)), args.repeats)
            (ours, theirs, bare), (least, their_least, _) = taken.median(0).values, taken.min(0).values
            name, kept = str(dtype).split(".")[1], (s > level).sum(-1).double().mean()
            ratios = f"{theirs / ours:.1f} | {their_least / least:.1f}"
            print(f"| {name} | {kept:.0f} of {s.shape[-1]} | {ours:.0f} | {theirs:.0f} | {ratios} | {bare:.0f} |")


if __name__ == "__main__":
    main()
