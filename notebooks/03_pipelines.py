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
# # Pipelines: base and transient features in a classifier
#
# Clips of different length go in, one row of named descriptors per clip comes out, and a classifier follows. Recordings are kept apart: no frame of a
# test recording is seen in training, neither by the classifier nor by the base. Then a part of the *test* frames is spoiled, as trackers do: dropped,
# spiked, or frozen.
#
# **You learn** to put the split into a scikit-learn pipeline and to test it on recordings that it has never seen. **You need**
# [which solver](02_which_solver.ipynb).

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import rpca_affect as ra

FAST = bool(os.environ.get("RPCA_AFFECT_NOTEBOOK_FAST"))  # a small size for the test suite
DATA = os.environ.get("RPCA_AFFECT_DATA")

# %% [markdown]
# ## The clips
#
# With the recordings at hand: labelled stretches of the Grammatical Facial Expressions set (one signer, eight recordings, 100 face points by Kinect),
# expression against none. Without them: generated clips of two gestures in eight recordings, each with its own resting position.


# %%
def recorded(folder):
    data = np.load(Path(folder) / "gfe" / "gfe_person_a.npz")
    clips, labels, groups = [], [], []
    for number, name in enumerate(sorted({key.split("__")[0] for key in data.files})):
        frames, label = data[f"{name}__X"].astype(float), data[f"{name}__y"]
        frames[np.repeat(frames[:, 2::3] == 0, 3, axis=1)] = np.nan  # depth 0: the point was lost
        frames = frames[:, :: 30 if FAST else 3]  # of x, y and z keep x
        edges = np.flatnonzero(np.diff(label)) + 1
        for clip, value in zip(np.split(frames, edges), np.split(label, edges)):
            if len(clip) >= 7:
                clips.append(clip)
                labels.append(int(value[0]))
                groups.append(number)
    return clips, np.array(labels), np.array(groups)


def generated(n_recordings=8, n_clips=12, n_features=20, seed=0):
    rng = np.random.default_rng(seed)
    moves = rng.standard_normal((3, n_features))
    clips, labels, groups = [], [], []
    for group in range(n_recordings):
        rest = 0.3 * rng.standard_normal(n_features)
        for number in range(n_clips):
            time = np.linspace(0, 1, int(rng.integers(15, 40)))
            gesture = np.sin(np.pi * time) if number % 2 else np.sin(2 * np.pi * time)
            other = rng.standard_normal((2, 1)) * np.cos(np.outer([3, 5], time) + rng.uniform(0, 6, (2, 1)))
            frames = np.vstack([gesture, other]).T @ moves + rest + 0.1 * rng.standard_normal((len(time), n_features))
            clips.append(frames)
            labels.append(number % 2)
            groups.append(group)
    return clips, np.array(labels), np.array(groups)


clips, labels, groups = recorded(DATA) if DATA else generated()
print(
    len(clips), "clips of", min(map(len, clips)), "to", max(map(len, clips)), "frames,", clips[0].shape[1], "features"
)

# %% [markdown]
# ## Descriptors have names
#
# `SequenceDescriptors` learns one base from all training frames. Every feature gets the level, slope, range and spectrum of its base, every feature
# group the rate, amplitude, duration and energy of its transients.

# %%
describe = ra.SequenceDescriptors(fps=30).set_output(transform="pandas")
rows = describe.fit_transform(clips[:40])
print(rows.shape, "of which base:", sum(name.startswith("base_") for name in rows))
rows.filter(like="transient").describe().loc[["mean", "max"]].round(2)

# %% [markdown]
# ## Spoiling test frames


# %%
def spoiled(clips, share, unit, seed=0):
    rng = np.random.default_rng(seed)
    result = []
    for clip in clips:
        frames = clip.copy()
        for t in np.sort(rng.permutation(len(clip))[: round(share * len(clip))]):
            kind = rng.choice(["dropped", "spiked", "frozen"])
            if kind == "dropped":
                frames[t] = np.nan
            elif kind == "frozen":
                frames[t] = frames[max(t - 1, 0)]
            else:
                hit = rng.random(clip.shape[1]) < 0.5
                frames[t, hit] += rng.choice([-1, 1], hit.sum()) * rng.uniform(3, 10, hit.sum()) * unit[hit]
        result.append(frames)
    return result


def mean_and_std(clips):
    frames = [
        np.where(np.isnan(clip), np.nanmean(clip), clip) if np.isnan(clip).all(0).any() else clip for clip in clips
    ]
    return np.stack([np.concatenate([np.nanmean(clip, axis=0), np.nanstd(clip, axis=0)]) for clip in frames])


# %% [markdown]
# ## Recordings kept apart, clean and spoiled

# %%
classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
pipelines = {
    "mean and std": make_pipeline(FunctionTransformer(mean_and_std), classifier),
    "descriptors": make_pipeline(ra.SequenceDescriptors(), classifier),
    "descriptors, base only": make_pipeline(ra.SequenceDescriptors(parts="base"), classifier),
}
shares = [0.0, 0.3] if FAST else [0.0, 0.1, 0.2, 0.3]
guesses = {(name, share): np.empty_like(labels) for name in pipelines for share in shares}
folds = list(LeaveOneGroupOut().split(clips, labels, groups))[: 1 if FAST else None]
tested = np.concatenate([test for _, test in folds])
for train, test in folds:
    seen, held = [clips[i] for i in train], [clips[i] for i in test]
    unit = np.nanstd(np.concatenate(seen), axis=0)
    for name, pipeline in pipelines.items():
        fitted = clone(pipeline).fit(seen, labels[train])
        for share in shares:
            guesses[name, share][test] = fitted.predict(spoiled(held, share, unit))
accuracy = pd.DataFrame(
    {
        name: [balanced_accuracy_score(labels[tested], guesses[name, share][tested]) for share in shares]
        for name in pipelines
    },
    index=pd.Index(shares, name="share of test frames spoiled"),
)
accuracy.round(3)

# %%
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, marker, colour in zip(accuracy, "osD", ["#D55E00", "#0072B2", "#009E73"]):
    ax.plot(accuracy.index, accuracy[name], marker=marker, color=colour, label=name)
ax.axhline(0.5, color="#999999", linestyle=":")
ax.set(xlabel="share of test frames spoiled", ylabel="balanced accuracy", ylim=(0.4, 1.0))
ax.legend()
plt.show()

# %% [markdown]
# What to read from it: the base-derived features hold up where mean and standard deviation do not, because features vouch for each other within a frame
# and frames vouch for each other within a clip. A spoiled frame *is* a transient, so the transient descriptors move with it. On clean clips there is no
# miracle: robust features are not better features.
#
# ## Choosing the weight by data

# %%
small = np.concatenate(clips[:10])[: 100 if FAST else 300]
choice = ra.choose_lambda(small, estimator=ra.RobustPCA(tol=1e-4), n_repeats=1 if FAST else 3)
axis = choice.plot()
axis.set_title("hidden cells predicted, by weight")
plt.show()
print(choice)

# %% [markdown]
# ## Exercises
#
# 1. Leave out the groups: shuffle the clips into folds. By how much do the scores rise, and why is that no good news?
# 2. Replace the classifier by a nearest neighbour. Do the robust descriptors gain or lose against mean and standard deviation?
# 3. Spoil the *training* clips as well. Which of the two descriptions suffers more?
#
# **Next:** [one call on every array library](04_backends.ipynb), or [a study](06_study.ipynb).
