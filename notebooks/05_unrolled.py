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
# # A network that starts as the solver
#
# `rpca_affect.deep` takes a classical solver, makes each of its steps a layer, and lets the numbers inside be trained. Untrained, the
# network *is* the solver; training can only move away from a method that works.
#
# The modules are called SEM, DDM and CIM after a published framework whose equations are not available to this project: what is here is a
# reconstruction from the published *roles*, with definitions of our own.

# %%
import os
import warnings
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch

warnings.filterwarnings("ignore", message="IProgress")  # a progress bar that this notebook does not draw

from rpca_affect.deep import (
    ADMM,
    InexactALM,
    LSEFRegressor,
    Unrolled,
    corrupt,
    planted_affect,
    planted_parts,
    singular_value_shrink,
)
from rpca_affect.deep.metrics import ccc
from rpca_affect.deep.plots import plot_recovery, plot_split, plot_stages
from rpca_affect.solvers import observe

FAST = bool(os.environ.get("RPCA_AFFECT_NOTEBOOK_FAST"))
torch.set_num_threads(1)
torch.manual_seed(0)

# %% [markdown]
# ## Planted sequences
#
# A base of rank 2 to 5 whose scores walk slowly, three-frame bursts over most features, and single wrong cells. The base is known, so
# the error of a split is known.


# %%
def planted(count, seed, frames=60, features=30):
    g = torch.Generator().manual_seed(seed)
    draw, uniform = partial(torch.randn, generator=g), partial(torch.rand, generator=g)
    rank = 2 + (4 * uniform(count, 1, 1)).floor()
    scores = draw(count, frames, 5).cumsum(1)
    scores = scores / scores.std(1, keepdim=True) * (torch.arange(5) < rank)
    base = scores @ draw(count, 5, features) / rank.sqrt()
    starts = (uniform(count, frames, 1) < 0.06).float()
    bursts = torch.nn.functional.max_pool1d(starts.mT, 3, 1, 1).mT * (uniform(count, 1, features) < 0.6)
    where = (bursts > 0) | (uniform(count, frames, features) < 0.03)
    return base, base + torch.where(where, 3 * draw(count, frames, features), 0.0)


def error(found, base):
    return ((found - base).square().sum((-2, -1)) / base.square().sum((-2, -1))).sqrt()


base, x = planted(16 if FAST else 64, seed=10_000)  # never used in training

# %% [markdown]
# ## Untrained, it is the solver
#
# Eight stages against eight classical steps, in double precision. The layer is `dataclasses.replace(solver, lowrank=SEM, shrink=DDM, ...)`
# and calls the solver's own `step`.

# %%
for solver in (InexactALM(relax=1.0), ADMM()):
    observed = observe(x.double())
    tuned = solver.tuned(observed)
    state = tuned.init(observed)
    for _ in range(8):
        state = tuned.step(observed, state)
    with torch.no_grad():
        network = Unrolled(8, solver=solver).double()(x.double())
    print(f"{solver.name}: largest difference {(network.base - state.low_rank).abs().max():.0e}")

# %% [markdown]
# ## A gradient that survives ties
#
# torch's SVD divides by differences of squared singular values. Equal ones are the normal case (zero padding, low rank), and there its
# gradient is not a number. The thresholded matrix itself is a smooth enough function; its own gradient is used here.

# %%
tied = torch.eye(4).requires_grad_()
u, s, vh = torch.linalg.svd(tied)
(through_svd,) = torch.autograd.grad(((u * (s - 0.5).clamp_min(0)) @ vh).square().sum(), tied)
(safe,) = torch.autograd.grad(singular_value_shrink(tied, 0.5).square().sum(), tied)
print("through the SVD:", through_svd.diagonal().tolist())
print("here:           ", safe.diagonal().tolist())

# %% [markdown]
# ## Learning to need fewer steps
#
# The network is trained on fresh planted sequences, and judged on those above. The dashed lines are the classical iteration. On this family
# the convex problem is itself off by several per cent, so no number of classical steps gets below its floor; the trained stages do, because
# their thresholds have learned what such sequences look like. On problems which the convex method solves exactly the gain is smaller: the
# card in `deep/README.md` has both.


# %%
def train(depth, steps, solver):
    torch.manual_seed(depth)
    network = Unrolled(depth, solver=solver)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.03, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.03, total_steps=steps)
    for step in range(steps):
        truth, seen = planted(16, seed=step)
        loss = error(network(seen).base, truth).log().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network


curves = {}
for solver in (InexactALM(relax=1.0), ADMM()):
    observed = observe(x)
    tuned = solver.tuned(observed)
    state, errors = tuned.init(observed), []
    for _ in range(30):
        state = tuned.step(observed, state)
        errors.append(float(error(state.low_rank, base).median()))
    curves[f"classical {solver.name}"] = (list(range(1, 31)), errors)
depths = [2, 4] if FAST else [2, 4, 8]
trained = {depth: train(depth, 6 if FAST else 150, InexactALM(relax=1.0)) for depth in depths}
with torch.no_grad():
    learned = [float(error(network(x).base, base).median()) for network in trained.values()]
curves["trained stages"] = (depths, learned)
plot_recovery(curves)
plt.show()
print({depth: round(value, 3) for depth, value in zip(depths, learned)}, "| classical floor:", round(errors[-1], 3))

# %% [markdown]
# What has it learned? The levels, the growth of the penalty and the firmness (how far large singular values are spared) of each stage:

# %%
deepest = trained[depths[-1]]
for k, sem in enumerate(deepest.sem):
    growth, level, firm = (float(p.detach()) for p in (deepest.log_growth[k].exp(), sem.log_level.exp(), sem.firmness))
    print(f"stage {k + 1}: growth x {growth:.2f}, level x {level:.2f}, firmness {max(firm, 0):.2f}")

# %% [markdown]
# ## LSEF: valence and arousal from base and transients
#
# In these generated sessions valence follows the slow base and arousal the rate of bursts. `LSEFRegressor` has scikit-learn's face and is
# trained on 1 - CCC.

# %%
X, y = planted_affect(16 if FAST else 60, random_state=0)
X_test, y_test = planted_affect(8 if FAST else 40, random_state=1)
model = LSEFRegressor(epochs=3 if FAST else 50, random_state=0).fit(X, y)
guess = model.predict(X_test)
for i, name in enumerate(("valence", "arousal")):
    score = [ccc([r[:, i] for r in y_test], [g[:, i] for g in guess], c) for c in ("pooled", "sequence", "batch")]
    print(f"{name}: CCC pooled {score[0]:.2f}, per sequence {score[1]:.2f}, per batch {score[2]:.2f}")

# %% [markdown]
# Base and transient of one test sequence, in standard deviations of each feature.

# %%
plot_split(model, X_test[0])
plt.show()

# %% [markdown]
# The bursts are known here, so it can be asked whether what is shown as transient *is* the bursts, before and after training.

# %%
truth = planted_parts(8 if FAST else 40, random_state=1)
untrained = LSEFRegressor(epochs=0, random_state=0).fit(X, y)
for name, network in (("untrained", untrained), ("trained", model)):
    found = np.concatenate([transient for _, transient in network.split(X_test)])
    bursts = np.concatenate(truth.bursts)
    cosine = (found * bursts).sum() / np.linalg.norm(found) / np.linalg.norm(bursts)
    print(
        f"{name}: cosine with the bursts {cosine:.2f}, {(found != 0).mean():.1%} of the cells ({(bursts != 0).mean():.1%} planted)"
    )

# %% [markdown]
# Rank, sparsity and residual after every stage: the base gains directions, the transients cells, and less is left over.

# %%
plot_stages(model, X_test)
plt.show()

# %% [markdown]
# ## Broken frames
#
# A share of the frames is hit by noise of five standard deviations, and nothing says which.

# %%
for share in (0.0, 0.1, 0.3):
    broken = corrupt(X_test, share, "spiked", random_state=0)
    found = model.predict(broken)
    print(
        f"{share:.0%} spiked: "
        + ", ".join(
            f"{name} {ccc([r[:, i] for r in y_test], [g[:, i] for g in found]):.2f}"
            for i, name in enumerate(("valence", "arousal"))
        )
    )

# %% [markdown]
# Valence loses more than a third at 30 %, arousal most of it already at 10 %, for here a spike *looks like* a burst, and no split can know better.
# Whether LSEF is worth its cost on real sequences, and where a plain network is as good, is in the card, `deep/README.md`.
