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
# # One call on every array library
#
# `solve` takes NumPy arrays, torch tensors and CuPy arrays, one matrix or a stack of clips, and answers in kind: same library, same device,
# same precision. Nothing is copied to the host behind your back. This notebook makes the same call everywhere, checks that the answers agree,
# and looks for the sizes at which another backend begins to pay.
#
# **You learn** when a GPU, torch or single precision is worth it. **You need** [which solver](02_which_solver.ipynb).

# %%
import importlib.util
import os
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

import rpca_affect as ra

FAST = bool(os.environ.get("RPCA_AFFECT_NOTEBOOK_FAST"))  # a small size for the test suite
rng = np.random.default_rng(0)


def planted(*shape, rank=3, share=0.05):
    """Low rank plus gross errors in 5 % of the cells."""
    low_rank = rng.standard_normal((*shape[:-1], rank)) @ rng.standard_normal((*shape[:-2], rank, shape[-1]))
    return low_rank + np.where(rng.random(shape) < share, rng.uniform(-5, 5, shape), 0.0)


# %% [markdown]
# ## Which libraries are here
#
# torch is in the extra `deep`, CuPy in the extra `gpu`. Neither is imported unless you hand over one of its arrays.

# %%
backends = {"NumPy": (np.asarray, np.asarray)}
if importlib.util.find_spec("torch"):
    import torch

    backends["torch (CPU)"] = (torch.asarray, lambda x: x.numpy())
if importlib.util.find_spec("cupy"):
    import cupy

    if cupy.cuda.is_available():
        backends["CuPy"] = (cupy.asarray, cupy.asnumpy)
    else:
        print("CuPy is here, and no device")
else:
    print("no CuPy here: pip install 'rpca-affect[gpu]'")
print("comparing:", ", ".join(backends))

# %% [markdown]
# ## One matrix
#
# The same problem, the same solver. The type of the answer is the type of the question; the numbers agree to rounding.

# %%
matrix = planted(300, 60)
reference = ra.solve(matrix, "ialm")
for name, (there, back) in backends.items():
    split = ra.solve(there(matrix), "ialm")
    off = np.linalg.norm(back(split.low_rank) - reference.low_rank) / np.linalg.norm(reference.low_rank)
    print(
        f"{name:<12} {type(split.low_rank).__module__:<8} {split.n_iter} steps, rank {split.rank}, differs from NumPy by {off:.0e}"
    )

# %% [markdown]
# ## A stack of clips, some cells missing
#
# `(clips, frames, features)` runs all clips together. Each has its own penalty, stops on its own, carries its own certificate, and gives the
# answer it would give alone.

# %%
clips = planted(20 if FAST else 50, 16, 128)
clips[rng.random(clips.shape) < 0.03] = np.nan
for name, (there, _) in backends.items():
    stack = ra.solve(there(clips), "admm", tol=1e-5, max_iter=300)
    print(
        f"{name:<12} steps {int(stack.n_iter.min())} to {int(stack.n_iter.max())}, largest gap {float(stack.gap.max()):.0e}"
    )

together, alone = ra.solve(clips, "admm", tol=1e-5, max_iter=300), ra.solve(clips[3], "admm", tol=1e-5, max_iter=300)
print("clip 3 of the stack against clip 3 alone:", f"{np.abs(together.low_rank[3] - alone.low_rank).max():.0e}")

# %% [markdown]
# ## How fast is a stack?
#
# A loop over clips pays the overhead of a call per clip, and small matrices do not fill a machine. The stack works on groups that fit the cache,
# one thread each. With `numba` installed (extra `fast`), stacks of 2,000 clips or more take a compiled path; smaller ones are done before a
# compiler has even started.

# %%
counts = [4, 16] if FAST else [4, 16, 64, 256]
times = {"loop": [], "stack": []}
for count in counts:
    some = planted(count, 16, 512)
    ra.solve(some, "ialm", tol=1e-6)  # the first call loads what is needed
    start = perf_counter()
    for clip in some:
        ra.solve(clip, "ialm", tol=1e-6)
    times["loop"].append((perf_counter() - start) / count)
    start = perf_counter()
    ra.solve(some, "ialm", tol=1e-6)
    times["stack"].append((perf_counter() - start) / count)

figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for name, seconds in times.items():
    axes.loglog(counts, 1e3 * np.array(seconds), marker="o", label=name)
axes.set(xlabel="clips of 16 x 512", ylabel="milliseconds per clip", title="a stack against a loop")
axes.legend()
plt.show()

# %% [markdown]
# ## Where is the crossover?
#
# The tuned NumPy engine works in place on blocks that fit the cache; a tensor on the CPU takes the reference loop with a full singular value
# decomposition per step. So on a CPU hand over NumPy arrays (`tensor.numpy()` shares the memory), and keep tensors for training. A GPU pays
# from about the size at which one step takes longer than launching its kernels: some hundreds of rows and columns, or some hundred clips.
# The curve below shows it for the libraries that are here.

# %%
sizes = [32, 64] if FAST else [32, 64, 128, 256]
seconds = {name: [] for name in backends}
for size in sizes:
    square = planted(size, size)
    for name, (there, back) in backends.items():
        data = there(square)
        back(ra.solve(data, "ialm", max_iter=2).low_rank)
        start = perf_counter()
        back(ra.solve(data, "ialm").low_rank)  # copying back waits for the device
        seconds[name].append(perf_counter() - start)

figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
for name in backends:
    axes.loglog(sizes, seconds[name], marker="o", label=name)
axes.set(xlabel="rows and columns", ylabel="seconds", title="one square matrix")
axes.legend()
plt.show()

# %% [markdown]
# ## Precision
#
# Single precision halves the memory and the traffic. Gram matrices are accumulated in double precision anyway, and a tolerance that rounding
# would hide is raised to what can be seen.

# %%
for dtype in ("float64", "float32"):
    split = ra.solve(matrix.astype(dtype), "admm")
    off = np.linalg.norm(split.low_rank - ra.solve(matrix, "admm").low_rank) / np.linalg.norm(reference.low_rank)
    print(f"{dtype}: {split.low_rank.dtype}, {split.n_iter} steps, off by {off:.0e}")

# %% [markdown]
# On a machine with a GPU, `make gpu-check` runs the laws and the agreement of the backends on CuPy and prints times, the speed against NumPy and
# against a full SVD per step, and the share of the memory bandwidth that was reached.
#
# ## Exercises
#
# 1. At which number of clips does the stack overtake the loop on your machine?
# 2. Solve `matrix * 1e-20` in both precisions. What changes?
#
# **Next:** [a network that starts as the solver](05_unrolled.ipynb).
