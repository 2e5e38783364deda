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
# # A study: from a folder of sessions to a test between people
#
# **You learn** how many recordings are split with one call, what to look at before any statistics, and how the two questions of most studies,
# *is the tone higher?* and *are there more bursts?*, are put to the right part.
#
# **You need** the [first notebook](01_first_split.ipynb). The sessions are generated, so that the right answers are known: twelve people,
# six of them rested, six under stress. Stress doubles the number of brief movements and leaves the tone alone.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from scipy import stats

import rpca_affect as ra

FAST = bool(os.environ.get("RPCA_AFFECT_NOTEBOOK_FAST"))  # a small size for the test suite
os.chdir(tempfile.mkdtemp())
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"

people, seconds = (6, 10) if FAST else (12, 40)
table = []
for i in range(people):
    condition = ("rest", "stress")[i % 2]
    session = ra.synthetic.make_session(duration=seconds, n_events=(8, 24)[i % 2] * seconds // 40, random_state=i)
    folder = Path("sessions", f"p{i + 1:02d}")
    folder.mkdir(parents=True)
    session.frame.to_csv(folder / "session.csv", index=False)
    table.append({"participant_id": f"p{i + 1:02d}", "condition": condition})
pd.DataFrame(table).to_csv("participants.tsv", sep="\t", index=False)

# %% [markdown]
# Recordings of real people are never all fine. One file was cut off while it was copied, and one holds something else.

# %%
whole = Path("sessions/p01/session.csv").read_text()
Path("sessions/p01/cut.csv").write_text(whole[: len(whole) // 2])
Path("sessions/notes.csv").write_text("who,what\np01,came late\np02,wore glasses\n")

# %% [markdown]
# ## One call
#
# Every recording gets a folder of its own; names are kept apart. What cannot be read becomes a row with its reason, and what is no
# recording is left out with a note. A run that was stopped goes on where it was, and other settings are refused.

# %%
study = ra.decompose_many("sessions", out="results", participants="participants.tsv", features="au")
for note in study.notes:
    print("note:", note)
study.errors

# %% [markdown]
# ## Look before you test
#
# `predicted` is the share of hidden cells' variation that the base predicts: near 0, the split says nothing. `severe` marks the recordings
# whose doubts forbid reading them. They are left out here, *before* anybody looks at a condition.

# %%
good = study.table[(study.table["error"] == "") & (study.table["severe"] == False)]  # noqa: E712
good = good[good["frames"] == good["frames"].max()]  # the cut file is no session
good[["recording", "condition", "frames", "missing", "rank", "predicted", "density", "events_per_minute"]].round(3)

# %%
fig, axes = plt.subplots(1, 3, figsize=(9, 2.4))
for ax, name in zip(axes, ("predicted", "density", "events_per_minute")):
    for x, (condition, color) in enumerate((("rest", BLUE), ("stress", ORANGE))):
        values = good.loc[good["condition"] == condition, name]
        ax.plot([x] * len(values), values, "o", color=color, mfc="none")
    ax.set(xticks=[0, 1], xticklabels=["rest", "stress"], xlim=(-0.5, 1.5), title=name.replace("_", " "))
    ax.spines[["top", "right"]].set_visible(False)
fig.tight_layout()

# %% [markdown]
# ## Two questions, two parts
#
# Frames of one person are no independent observations: one number for each person, then a test between people. The long table has them.
# The **tone** is the mean of the base; the **bursts** are the size of the transients.

# %%
long = study.features[study.features["recording"].isin(good["recording"])]
units = long[long["feature"].str.endswith("_r")]
each = units.groupby(["participant_id", "condition"], as_index=False)[["base_mean", "transient_rms"]].mean()
for name, what in (("base_mean", "tone"), ("transient_rms", "bursts")):
    rest, stress = (each.loc[each["condition"] == c, name] for c in ("rest", "stress"))
    answer = stats.ttest_ind(stress, rest, equal_var=False)
    low, high = answer.confidence_interval(0.95)
    print(f"{what:<7} stress - rest = {stress.mean() - rest.mean():+.3f}  (95 % interval {low:+.3f} to {high:+.3f})")

# %% [markdown]
# The planted difference is in the bursts, not in the tone, and so is the one that was found. Mean and standard deviation of the raw values mix
# the two: a burst raises both.

# %%
fig, axes = plt.subplots(1, 2, figsize=(7, 2.6))
for ax, name, title in zip(
    axes, ("base_mean", "transient_rms"), ("tone: mean of the base", "bursts: size of the transients")
):
    for x, (condition, color) in enumerate((("rest", BLUE), ("stress", ORANGE))):
        values = each.loc[each["condition"] == condition, name]
        ax.plot([x] * len(values), values, "o", color=color, mfc="none")
        ax.plot([x - 0.2, x + 0.2], [values.mean()] * 2, color=GREY)
    ax.set(xticks=[0, 1], xticklabels=["rest", "stress"], xlim=(-0.5, 1.5), title=title)
    ax.spines[["top", "right"]].set_visible(False)
fig.tight_layout()

# %% [markdown]
# ## Exercises
#
# 1. Repeat the test with `events_per_minute` of `study.table`. Which of the two measures of bursts separates the conditions better, and why
#    might the count be the coarser one?
# 2. Spoil one person's session with a sentinel (`-999` in fifty frames) before the call. Does it stand out in `study.table["stands_out"]`? Does
#    the result of the test change?
# 3. Call `decompose_many` again with `threshold=3`. What does it say, and what are the two ways to go on?
#
# **Next:** the [how-to on R](https://github.com/rpca-affect/rpca_affect/blob/main/docs/howto/openface_r.md) does the same from the shell.
