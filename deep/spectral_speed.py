"""Forward plus backward of the safe singular-value shrinkage against autograd through torch.linalg.svd."""

import argparse
import time

import torch

from rpca_affect.deep.spectral import singular_value_shrink


def through_svd(x, level):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    return (u * (s - level).clamp_min(0).unsqueeze(-2)) @ vh


def planted(batch, frames, features, dtype, rank=8):
    """A smooth base of rank 8, 5 % of bursts and sensor noise: what a layer of the network is given."""
    base = torch.randn(batch, frames, rank) @ torch.randn(batch, rank, features)
    bursts = 5 * torch.randn(batch, frames, features) * (torch.rand(batch, frames, features) < 0.05)
    return (base + bursts + 0.1 * torch.randn(batch, frames, features)).to(dtype).requires_grad_()


def seconds(function, x, level, repeats):
    weight = torch.randn_like(x)
    taken = []
    for _ in range(repeats):
        x.grad = None
        start = time.perf_counter()
        function(x, level).backward(weight)
        taken.append(time.perf_counter() - start)
    return min(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    print("| dtype | level / s_1 | values kept | safe gradient, ms | autograd through svd, ms | ratio |")
    print("|---|---|---|---|---|---|")
    for dtype in (torch.float32, torch.float64):
        x = planted(args.batch, args.frames, args.features, dtype)
        s = torch.linalg.svdvals(x.detach())
        for share in (0.2, 0.0):
            level = share * s[:, 0].mean()
            ours = seconds(singular_value_shrink, x, level, args.repeats)
            theirs = seconds(through_svd, x, level, args.repeats)
            name, kept = str(dtype).split(".")[1], (s > level).sum(-1).double().mean()
            print(f"| {name} | {share} | {kept:.0f} | {1e3 * ours:.0f} | {1e3 * theirs:.0f} | {theirs / ours:.1f} |")


if __name__ == "__main__":
    main()
