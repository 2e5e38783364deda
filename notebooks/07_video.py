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
# # Video: a background, and why a face is none
#
# **You learn** what robust PCA does with raw pictures, why the support of the sparse part is no mask, and what a plain median does as well.
#
# **You need** [which solver](02_which_solver.ipynb). With `RPCA_AFFECT_DATA` set, the pictures are a surveillance clip with waving trees and
# one hand-made mask, and a face; otherwise both are generated.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter, median_filter

import rpca_affect as ra

FAST = bool(os.environ.get("RPCA_AFFECT_NOTEBOOK_FAST"))  # a small size for the test suite
DATA = Path(os.environ["RPCA_AFFECT_DATA"]) if "RPCA_AFFECT_DATA" in os.environ else None


def generated(frames, height=60, width=80, seed=0):
    """A scene with moving leaves, a person who walks through it, and where the person is."""
    rng = np.random.default_rng(seed)
    scene = 120 + 40 * gaussian_filter(rng.standard_normal((height, width)), 3) / 0.1
    leaves = gaussian_filter(rng.standard_normal((frames, height, width)), (2, 2, 2)) * 40
    leaves[:, height // 2 :] *= 0.1
    pictures = scene + leaves + rng.normal(0, 2, (frames, height, width))
    where = np.zeros(pictures.shape, dtype=bool)
    for t in range(frames):
        left = int((width - 8) * t / frames)
        where[t, height // 3 : 9 * height // 10, left : left + 8] = True
    pictures[where] = 30
    return pictures.clip(0, 255)[..., None], where


# %% [markdown]
# ## A fixed camera
#
# A three-dimensional array is a *stack of matrices* to `solve`: a video has to be flattened, one picture a row, colours side by side.

# %%
if DATA is None or FAST:
    pictures, truth = generated(40 if FAST else 120)
    shown = len(pictures) // 2
    truth = truth[shown]
    print("a generated scene")
else:
    clip = np.load(DATA / "wavingtrees" / "wavingtrees.npz")
    pictures = next(clip[key] for key in clip.files if clip[key].ndim == 4).astype(float)
    truth = next(clip[key] for key in clip.files if clip[key].ndim == 2) > 0
    shown = 247
    print("a real clip:", *pictures.shape)

matrix = pictures.reshape(len(pictures), -1)
answer = ra.solve(matrix, "ialm")
print(f"rank {answer.rank} of {min(matrix.shape)}, {np.mean(answer.sparse != 0):.0%} of the cells in the sparse part")

# %% [markdown]
# The model is asked for the fewest patterns that explain the pictures up to sparse cells. Leaves that move all the time are explained by *many*
# patterns: the rank is high, and a part of whatever walks by is explained with them. A fixed camera wants a background of **rank 1**, and a floor
# under which a change is noise. `altproj` takes the rank as given.

# %%
single = ra.solve(matrix, "altproj", rank=1)
background = np.median(matrix, axis=0)
FLOOR = 40  # of 255; chosen with the mask in view, so the figures flatter all candidates alike


def f_measure(found):
    hits = (found & truth).sum()
    return 2 * hits / (found.sum() + truth.sum())


def of_frame(values):
    """Size of the change in the frame with the mask: root mean square over the colours."""
    return np.sqrt(np.mean(np.asarray(values).reshape(pictures.shape)[shown] ** 2, axis=-1))


candidates = {
    "support of S": of_frame(answer.sparse) > 0,
    f"|S| > {FLOOR}": of_frame(answer.sparse) > FLOOR,
    "rank 1, and a floor": of_frame(matrix - single.low_rank) > FLOOR,
    "median, and a floor": of_frame(matrix - background) > FLOOR,
}
for name in list(candidates)[1:]:
    candidates[name + ", 5 x 5 median"] = median_filter(candidates[name].astype(np.uint8), 5) > 0
for name, found in candidates.items():
    print(f"{name:<36} F = {f_measure(found):.2f}")

# %%
names = [
    "support of S",
    "rank 1, and a floor",
    "rank 1, and a floor, 5 x 5 median",
    "median, and a floor, 5 x 5 median",
]
fig, axes = plt.subplots(1, 6, figsize=(13, 2.2))
axes[0].imshow(pictures[shown].mean(axis=-1), cmap="gray")
axes[1].imshow(truth, cmap="gray")
for ax, title in zip(axes, ["frame", "by hand"]):
    ax.set_title(title, fontsize=8)
for ax, name in zip(axes[2:], names):
    ax.imshow(candidates[name], cmap="gray")
    ax.set_title(f"{name}\nF = {f_measure(candidates[name]):.2f}", fontsize=8)
for ax in axes:
    ax.set_axis_off()
fig.tight_layout()

# %% [markdown]
# Three things to keep:
#
# - **The support of S is no mask.** Threshold its size, then take a median over 5 x 5 pixels.
# - **Most of the gain is in rank, floor and median filter**, not in the convex program.
# - **A plain median over time is nearly as good** as long as nothing rests for more than half of the time. Robust PCA pays where the background
#   itself changes, as light does, and where you want the certificate.
#
# ## A face is no fixed scene
#
# The same call on the pictures of a face, half of the size and every second frame. What do you expect of base and transients of a head that turns?

# %%
if DATA is None or FAST:
    rng = np.random.default_rng(1)
    frames = 40 if FAST else 120
    shapes = gaussian_filter(rng.standard_normal((4, 45, 60)), (0, 4, 4)) * 800
    course = gaussian_filter(rng.standard_normal((frames, 4)), (6, 0))
    face = 128 + np.tensordot(course, shapes, 1) + rng.normal(0, 1, (frames, 45, 60))
    face = np.stack([np.roll(picture, int(12 * np.sin(t / 9)), axis=1) for t, picture in enumerate(face)])
else:
    clip = np.load(DATA / "video" / "pexels_face.npz")
    face = next(clip[key] for key in clip.files if clip[key].ndim == 3)[::2, ::2, ::2].astype(float)

flat = face.reshape(len(face), -1)
split = ra.solve(flat, "admm", noise=2.0)
covered = np.linalg.norm(np.asarray(split.sparse), axis=1)
worst = int(np.argmax(covered))
print(f"rank {split.rank} of {min(flat.shape)}, gap {split.gap:.0e}; frame {worst} has the largest sparse part")

fig, axes = plt.subplots(1, 4, figsize=(11, 2.2), width_ratios=[1, 1, 1, 1.4])
for ax, title, values in zip(axes, ("frame", "base", "transient"), (flat, split.low_rank, split.sparse)):
    ax.imshow(np.asarray(values)[worst].reshape(face.shape[1:]), cmap="gray")
    ax.set_title(title, fontsize=8)
    ax.set_axis_off()
axes[3].plot(covered, color="#D55E00")
axes[3].set(title="size of the transient part", xlabel="frame", yticks=[])
axes[3].spines[["top", "right", "left"]].set_visible(False)
fig.tight_layout()

# %% [markdown]
# A turning head shifts edges from pixel to pixel. No few pictures explain that, so the base is a blur of all poses and the transient part is the
# face itself; the split is proved optimal, and says nothing about the person. *That* is why this package works on features that a tracker wrote:
# landmarks, action units and blendshapes move with the face, and there the base is low-rank.
#
# ## Exercises
#
# 1. Lower `FLOOR` to 25. Which of the four masks gains most, and which loses? What would you choose for a dark coat before dark trees?
# 2. Plot the singular values of the face's pictures beside those of its landmarks in [a first split](01_first_split.ipynb). Which decay faster?
# 3. Let the person stand still for sixty of the frames of the generated scene. When does the median stop being a background?
#
# **Next:** features instead of pictures, in [a first split](01_first_split.ipynb).
