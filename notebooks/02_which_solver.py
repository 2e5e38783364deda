# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which solver?
#
# Five things decide: is there dense noise, are cells missing, do outliers touch single cells or whole frames, is the rank known, and
# must the answer be provably right. This notebook draws what the solvers are made of, shows where each of them breaks, and how to see
# that it did.
#
# **You learn** to choose a solver by what you know of the data, and to read the certificate. **You need** NumPy and a quarter of an hour.

# %%
import os
import time

import matplotlib.pyplot as plt
import numpy as np

import rpca_affect as ra
from rpca_affect import prox

FAST = bool(os.environ.get("RPCA_AFFECT_NOTEBOOK_FAST"))  # a small size for the test suite
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
rng = np.random.default_rng(0)

# %% [markdown]
# ## The proximal operators
#
# Every solver repeats two of these. Each is the answer to a small problem, *stay close to what you see, but pay for ...*:
#
# | operator | pays for | leaves |
# |---|---|---|
# | `soft_threshold` | every cell | few cells |
# | `group_threshold` | every frame (or feature) | few frames |
# | `sparse_group_threshold` | both | few cells in few frames |
# | `singular_value_threshold` | every direction | low rank |
# | `keep_largest`, `keep_rank` | counts, not sizes | exactly so many; not convex |

# %%
x = np.linspace(-3, 3, 601)[:, None]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
axes[0].plot(x, x, color=GREY, lw=0.8)
axes[0].plot(x, prox.soft_threshold(x, 1.0), color=BLUE, label="soft_threshold, level 1")
kept = np.where(abs(x) > 1, x, 0.0)
axes[0].plot(x, kept, color=ORANGE, ls="--", label="keep_largest (here: cells above 1)")
axes[0].set(title="one cell", xlabel="cell before", ylabel="cell after")
axes[0].legend(frameon=False, fontsize=8)

angle = np.linspace(0, 2 * np.pi, 73)[:-1]
ring = 2 * np.column_stack([np.cos(angle), np.sin(angle)])  # frames of two features, all of length 2
for call, colour, label in (
    (lambda a: prox.soft_threshold(a, 0.7), BLUE, "cells"),
    (lambda a: prox.group_threshold(a, 0.7), ORANGE, "frames"),
    (lambda a: prox.sparse_group_threshold(a, 0.4, 0.4), GREEN, "both"),
):
    after = call(ring)
    axes[1].plot(*after.T, ".", color=colour, ms=4, label=label)
axes[1].plot(*ring.T, color=GREY, lw=0.8)
axes[1].set(title="a frame of two features", xlabel="feature 1", ylabel="feature 2", aspect="equal")
axes[1].legend(frameon=False, fontsize=8, loc="center")

spectrum = np.linalg.svd(rng.standard_normal((60, 40)) + 3 * np.outer(rng.standard_normal(60), np.ones(40)))[1]
diagonal = np.diag(spectrum)
axes[2].plot(spectrum, "o", color=GREY, ms=3, label="before")
shrunk = np.diag(prox.singular_value_threshold(diagonal, 8.0))
cut = np.diag(prox.keep_rank(diagonal, 4))
axes[2].plot(shrunk, ".", color=BLUE, label="singular_value_threshold, level 8")
axes[2].plot(cut, "x", color=ORANGE, ms=4, label="keep_rank, 4")
axes[2].set(title="the singular values of a matrix", xlabel="index", ylabel="value")
axes[2].legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# ## Easy data: everybody is right
#
# A planted problem: rank 5, 5 % of the cells spoiled. The duality gap is the certificate: the objective of the answer is at most
# that share above the best possible one.

# %%
size = 120 if FAST else 300
easy = ra.synthetic.planted(size, size, rank=5, density=0.05, random_state=0)
count = int((easy.sparse != 0).sum())


def tell(problem, **call):
    start = time.perf_counter()
    split = ra.solve(problem.observed, **call)
    seconds = time.perf_counter() - start
    off = np.linalg.norm(split.low_rank - problem.low_rank) / np.linalg.norm(problem.low_rank)
    gap = "   none" if split.gap is None else f"{split.gap:7.0e}"
    print(
        f"{split.solver:8s} {seconds:6.2f} s {split.n_iter:5d} steps   off by {off:7.0e}   gap {gap}   rank {split.rank}"
    )
    return split


for call in (
    {"solver": "ialm"},
    {"solver": "admm"},
    {"solver": "godec", "rank": 5, "cardinality": count, "random_state": 0},
    {"solver": "altproj", "rank": 5},
):
    tell(easy, **call)

# %% [markdown]
# ## Hard data: the fast one is feasible and wrong
#
# Rank 20 % and 12 % of the cells spoiled: still recoverable, but no longer easy. Inexact ALM forces `L + S = M` with a growing penalty and stops
# as soon as that holds. The gap shows that it holds somewhere else than at the optimum; the status says so.

# %%
hard = ra.synthetic.planted(size, size, rank=size // 6, density=0.12, random_state=1)
hurried = tell(hard, solver="ialm")
patient = tell(hard, solver="admm")
automatic = tell(hard)
print()
print(hurried.status)

# %% [markdown]
# `solver="auto"` ran ALM first, looked at its gap, and went on with ADMM.
#
# ## Dense noise: the split becomes meaningless, and says so
#
# Real face features carry noise in every cell. Without a noise part it has nowhere to go: the rank explodes and the sparse part is dense.
# With `noise="auto"` the standard deviation is measured from first differences over frames. A cell then counts as sparse when it stands out
# of its noise.

# %%
frames = 300 if FAST else 800
time_axis = np.linspace(0, 12, frames)
smooth = np.column_stack([np.sin(time_axis * (k + 1) / 2 + k) for k in range(4)])
base = smooth @ rng.standard_normal((4, 60))
bursts = np.zeros_like(base)
for _ in range(25):
    start, feature = rng.integers(frames - 8), rng.integers(60)
    bursts[start : start + 6, feature] = rng.choice([-3, 3])
noisy = base + bursts + 0.2 * rng.standard_normal(base.shape)

plain = ra.solve(noisy, "admm", tol=1e-5)
aware = ra.solve(noisy, noise="auto", lam=3 / np.sqrt(2 * frames), tol=1e-5)
print("without noise:", plain.status, "\n")
print("with noise:   ", aware.status)

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 3), layout="constrained", sharey=True)
for axis, split, title in ((axes[0], plain, "no noise part"), (axes[1], aware, "noise part")):
    values = np.linalg.svd(split.low_rank, compute_uv=False)
    axis.semilogy(np.maximum(values, 1e-3), ".", color=BLUE)
    axis.set(title=f"{title}: rank {split.rank}, {100 * split.sparsity:.0f} % sparse cells", xlabel="index")
axes[0].set_ylabel("singular value of the base")
plt.show()

# %% [markdown]
# ## Missing cells and whole bad frames
#
# NaN, or a mask, marks what is missing; the base carries its prediction there. `sparse="frames"` is for outliers that take a whole frame with them.

# %%
holes = easy.observed.copy()
lost = rng.random(holes.shape) < 0.2
holes[lost] = np.nan
filled = ra.solve(holes)
off = np.linalg.norm((filled.low_rank - easy.low_rank)[lost]) / np.linalg.norm(easy.low_rank[lost])
print(f"20 % missing: predicted cells off by {off:.0e}, gap {filled.gap:.0e}")

spoiled = easy.low_rank.copy()
bad = rng.choice(size, size // 20, replace=False)
spoiled[bad] += 5 * rng.standard_normal((len(bad), size))
framewise = ra.solve(spoiled, sparse="frames")
found = np.flatnonzero(np.linalg.norm(framewise.sparse, axis=1) > 1e-6)
print("bad frames planted", sorted(bad.tolist()), "\nbad frames found  ", found.tolist())

# %% [markdown]
# ## When does recovery succeed at all?
#
# The share of spoiled cells against the rank: each picture is a coarse version of the one that `make phase` draws. Dark is recovered
# (the base is off by less than 1 %). The non-convex solvers are given the true rank (and GoDec the true count); even so
# their field is no larger than that of ADMM, which is told nothing.

# %%
grid = 5 if FAST else 9
order = 60
ranks = np.linspace(0.05, 0.45, grid)
shares = np.linspace(0.02, 0.4, grid)
maps = {name: np.zeros((grid, grid)) for name in ("ialm", "admm", "godec", "altproj")}
for i, share in enumerate(shares):
    for j, rank_share in enumerate(ranks):
        rank = max(1, round(rank_share * order))
        problem = ra.synthetic.planted(order, order, rank=rank, density=share, random_state=i * grid + j)
        told = {
            "ialm": {},
            "admm": {"max_iter": 500},
            "godec": {"rank": rank, "cardinality": max(1, int((problem.sparse != 0).sum())), "random_state": 0},
            "altproj": {"rank": rank},
        }
        for name, more in told.items():
            answer = ra.solve(problem.observed, name, tol=1e-5, **more).low_rank
            maps[name][i, j] = np.linalg.norm(answer - problem.low_rank) < 1e-2 * np.linalg.norm(problem.low_rank)

figure, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained", sharey=True)
for axis, (name, recovered) in zip(axes, maps.items()):
    axis.pcolormesh(ranks, shares, recovered, cmap="Blues", vmin=0, vmax=1, shading="nearest")
    axis.set(title=name, xlabel="rank / n")
axes[0].set_ylabel("share of spoiled cells")
plt.show()

# %% [markdown]
# ## Speed
#
# The same problem at growing size, against the textbook iteration with one full singular-value decomposition per step
# (`make benchmark` adds the other packages, memory and accuracy, and more sizes).


# %%
def textbook(matrix, tol=1e-7):
    lam, top = 1 / np.sqrt(max(matrix.shape)), np.linalg.norm(matrix, 2)
    dual = matrix / max(top, abs(matrix).max() / lam)
    mu, low = 1.25 / top, np.zeros_like(matrix)
    while True:
        sparse = prox.soft_threshold(matrix - low + dual / mu, lam / mu)
        low = prox.singular_value_threshold(matrix - sparse + dual / mu, 1 / mu)
        rest = matrix - low - sparse
        dual, mu = dual + mu * rest, 1.5 * mu
        if np.linalg.norm(rest) <= tol * np.linalg.norm(matrix):
            return low


sizes = (60, 100, 150) if FAST else (100, 200, 400, 600)
seconds = {"textbook": [], "ialm": [], "admm": []}
for order in sizes:
    matrix = ra.synthetic.planted(order, order, rank=order // 20, density=0.05, random_state=0).observed
    runs = {
        "textbook": textbook,
        "ialm": lambda a: ra.solve(a, "ialm"),
        "admm": lambda a: ra.solve(a, "admm"),
    }
    for name, run in runs.items():
        start = time.perf_counter()
        run(matrix)
        seconds[name].append(time.perf_counter() - start)

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for (name, values), colour, marker in zip(seconds.items(), (GREY, BLUE, ORANGE), "sov"):
    axis.loglog(sizes, values, marker=marker, color=colour, label=name)
axis.set(xlabel="n (n x n matrix, rank n / 20, 5 % spoiled)", ylabel="seconds", title="one solve to 1e-7")
axis.legend(frameon=False)
plt.show()

# %% [markdown]
# ## In one paragraph
#
# Start with `ra.decompose` for recordings: it scales the columns, measures the noise and uses ADMM. Use `"ialm"` where the data are clean and
# speed is everything, and read `gap` afterwards. Use `"admm"` where the answer must be right. Use `"godec"` or `"altproj"` where rank (and count) are
# truly known, and check the answer by other means: they have no certificate.
#
# ## Exercises
#
# 1. Spoil 30 % of the cells instead of 5 %. Which solver still finds the base, and which of them tells you when it does not?
# 2. Give `"godec"` a rank that is one too large, then one too small. Which mistake is the worse one?
# 3. Add noise of a tenth of the entries' size and solve with and without `noise=`. Where does the noise go?
#
# **Next:** [pipelines](03_pipelines.ipynb).
