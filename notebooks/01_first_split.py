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
# # A first split
#
# From a session file to its emotional base, its transient fluctuations, and what they mean: honestly.
#
# The session here is *generated*, in the form that OpenFace writes. That has one advantage over a real one: base, events and noise are known,
# so the split can be judged. With your own file, start at `ra.decompose("session.csv")`.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import rpca_affect as ra

FAST = bool(os.environ.get("RPCA_AFFECT_NOTEBOOK_FAST"))  # a small size for the test suite
os.chdir(tempfile.mkdtemp())
session = ra.synthetic.make_session(n_frames=300 if FAST else 1200, random_state=3)
session.frame.to_csv("session.csv", index=False)
session.frame.iloc[:3, :8]

# %% [markdown]
# ## What is in the file
#
# Columns are grouped by what they measure. Frames of low confidence hold numbers, but not measurements: they are masked, not dropped.

# %%
recording = ra.read("session.csv")
print(recording.n_frames, "frames,", recording.n_features, "features,", f"{recording.fps:.0f} fps")
for name, columns in recording.groups.items():
    print(f"  {name:24s} {len(columns):4d} features")
print(f"masked: {100 * (1 - recording.mask.mean()):.1f} % of the cells")
for notice in recording.notices:
    print("-", notice)

# %% [markdown]
# ## The split
#
# The model is `observed = base + transient + residual`: low rank, sparse, dense noise. The noise of every feature is measured from its
# frame-to-frame differences; nothing has to be set. Everything comes back in the units, rows and columns of the input.

# %%
split = ra.decompose(recording)
print(split.status)
print()
print(split.summary())

# %%
split.plot()
plt.show()

# %% [markdown]
# Four panels: what was seen, the slow base under it, the transients that stand out, and what is left. The residual should look like noise:
# where it shows structure, the noise was set too high.
#
# ## How good is it?
#
# Here the truth is known. The base is compared, per group of features, with the planted one on the frames that were tracked. A planted event
# counts as found when a transient run overlaps it in time and shares a feature with it.

# %%
tracked = session.mask
base = split.base.rename(columns=str.strip)
for name, columns in recording.groups.items():
    names = [recording.feature_names[column] for column in columns]
    wanted, found = session.base[names].to_numpy()[tracked], base[names].to_numpy()[tracked]
    own = np.linalg.norm(wanted - np.median(wanted, axis=0))
    print(f"{name:24s} base off by {np.linalg.norm(found - wanted) / max(own, 1e-12):6.1%} of its own variation")

# %%
events = split.events()


def is_found(planted):
    overlap = events[(events["start"] < planted["end"]) & (events["end"] > planted["start"])]
    shared = overlap["features"].map(lambda names: bool(set(names.split(";")) & set(planted["features"].split(";"))))
    return bool(shared.any())


judged = session.events.assign(found=session.events.apply(is_found, axis=1))
print(judged.groupby("kind")["found"].agg(["sum", "count"]).to_string())
print()
print(len(events), "transient runs in all: speech, gaze jumps and fast head turns are transients too")
events.iloc[:5, :14]

# %% [markdown]
# ## What the parts mean, and what they do not
#
# * **Base**: posture, tone, slow changes, *and expressions that last or recur*. A smile of half a second that comes back ten times is a direction of
#   the low-rank part. On recordings with expert labels the base tells labelled expressions apart better than the transients do.
# * **Transient**: what is brief and not shared with the rest of the session: blinks, tracker slips, micro-movements, bursts.
# * **Residual**: dense sensor noise. Its size per feature is the first thing to look at when a split looks odd.
#
# *Sparse is not "expression"*, and nothing here is a detector of emotion. The next picture shows why: a blink (transient) and a slow change (base) in
# one feature.

# %%
feature = "AU45_r"
show = slice(0, min(300, len(base)))
seconds = recording.time[show]
figure, axes = plt.subplots(2, 1, figsize=(10, 4), sharex=True, layout="constrained")
for axis, name in zip(axes, (feature, "AU12_r")):
    column = next(label for label in split.base.columns if label.strip() == name)
    axis.plot(
        seconds, session.frame.rename(columns=str.strip)[name].to_numpy()[show], color="#BBBBBB", label="observed"
    )
    axis.plot(seconds, split.base[column].to_numpy()[show], color="#0072B2", label="base")
    axis.plot(seconds, split.transient[column].to_numpy()[show], color="#D55E00", label="transient")
    axis.set_ylabel(name)
axes[0].legend(frameon=False, ncols=3)
axes[1].set_xlabel("time (s)")
plt.show()

# %% [markdown]
# ## When a split is meaningless
#
# Without a noise part, dense noise has nowhere to go: the base takes a high rank and the sparse part nearly every cell. The package says so in the
# status, the summary, the plots and the report.

# %%
plain = ra.decompose(recording, noise=None, solver="ialm")
print(plain.status)

# %% [markdown]
# ## To R, SPSS or a colleague
#
# The parts are DataFrames with the rows and columns of the input, and the report is one HTML file that needs no network. The shell does the same:
# `rpca-affect decompose session.csv -o out/ --report`.

# %%
split.base.to_csv("base.csv", index=False)
split.transient.to_csv("transient.csv", index=False)
report = split.report("report.html")
print(sorted(path.name for path in Path().iterdir()), f"{report.stat().st_size / 1e6:.1f} MB report")
names = list(recording.feature_names)
total = (split.base + split.transient + split.residual).rename(columns=str.strip)[names].to_numpy()
seen = recording.mask
print("parts add up to the input:", bool(np.allclose(total[seen], session.frame[names].to_numpy()[seen])))
