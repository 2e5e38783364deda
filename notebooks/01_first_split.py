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
# From a recording to its emotional base, its transient fluctuations, and what they mean: with action units, blendshapes and landmarks, with and
# without neighbouring frames, and with data that no split can say anything about.
#
# Three real recordings are used where they are at hand (the folder that `RPCA_AFFECT_DATA` names): a Live Link take of a phone (blendshapes, 30
# fps), an iMotions export (action units), and face points of a Kinect camera. Elsewhere a *generated* session stands in for them, which has one
# advantage: its base is known. With your own file, start at `ra.decompose("session.csv")`.

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import rpca_affect as ra
from rpca_affect.recordings import Recording, from_array, from_frame

FAST = bool(os.environ.get("RPCA_AFFECT_NOTEBOOK_FAST"))  # a small size for the test suite
FRAMES = 240 if FAST else 600
DATA = os.environ.get("RPCA_AFFECT_DATA")
if DATA:
    DATA = str(Path(DATA).resolve())
os.chdir(tempfile.mkdtemp())


def real_recordings(folder: Path) -> dict[str, Recording]:
    """The first frames of three real recordings."""
    take = pd.read_csv(folder / "livelink" / "alex_rom_3.csv").iloc[600 : 600 + FRAMES]
    units = ra.read(folder / "imotions" / "iMotions_Test_v6.txt").select("AU")
    with np.load(folder / "gfe" / "gfe_person_a.npz", allow_pickle=False) as arrays:
        points = arrays["a_affirmative__X"][:FRAMES].reshape(-1, 100, 3).astype(float)
    seen = np.repeat(points[:, :, 2] != 0, 2, axis=1)  # depth 0: the sensor lost the point
    landmarks = from_array(points[:, :, :2].reshape(len(points), 200), mask=seen, fps=30.0)
    return {"blendshapes": from_frame(take).select("blendshapes"), "action units": units, "landmarks": landmarks}


def generated_recordings() -> dict[str, Recording]:
    """The same groups of one generated session; gaze and pose for want of blendshapes."""
    session = ra.synthetic.make_session(n_frames=FRAMES, random_state=3)
    groups = {"gaze and pose": ["gaze", "pose"], "action units": "AU_r", "landmarks": "landmarks_2d"}
    whole = from_frame(session.frame)
    return {
        name: whole.select([g for g in np.atleast_1d(which) if g in whole.groups]) for name, which in groups.items()
    }


recordings = real_recordings(Path(DATA)) if DATA else generated_recordings()
for name, recording in recordings.items():
    fps = "unknown rate" if recording.fps is None else f"{recording.fps:.0f} fps"
    missing = 100 * (1 - recording.mask.mean())
    print(
        f"{name:14s} {recording.n_frames:5d} frames of {recording.n_features:3d} features, {fps}, {missing:.1f} % missing"
    )

# %% [markdown]
# ## The split
#
# The model is `observed = base + transient + residual`: low rank, sparse, dense noise. The noise of every feature is measured from its
# frame-to-frame differences; nothing has to be set. Everything comes back in the units, rows and columns of the input.

# %%
first = next(iter(recordings))
split = ra.decompose(recordings[first])
print(split.status.sentence)
print()
for key in ("frames", "features", "rank", "lags", "density", "residual", "predicted", "predicted_by_lines", "events"):
    print(f"{key:20s} {split.summary()[key]}")

# %%
split.plot()
plt.show()

# %% [markdown]
# Four panels: what was seen, the slow base under it, the transients that stand out, and what is left. The residual should look like noise:
# where it shows structure, the noise was set too high.
#
# ## With and without neighbouring frames
#
# A table of seventeen action units is not low rank: a unit can hide only behind other units. But its base is slow, so it is low rank *in time as
# well*. `decompose` therefore puts the frames of a narrow table beside their neighbours for the solve (`lags="auto"`, half a second at most);
# `lags=1` is the plain model. Wide tables (landmarks) vouch for each other and are solved frame by frame.
#
# Does a base know anything? Some cells are hidden from it, in stretches of two seconds, and it is asked what they were. 0 knows no more than the
# median of the feature, 1 everything; straight lines in time across the gap are the simplest rival.

# %%
rows = []
for name, recording in recordings.items():
    for lags in (1, "auto"):
        one = split if name == first and lags == "auto" else ra.decompose(recording, lags=lags)
        summary = one.summary()
        rows.append(
            {
                "recording": name,
                "lags": summary["lags"][0],
                "rank": f"{max(summary['rank'])} of {summary['features']}",
                "transient cells": f"{summary['density']:.1%}",
                "predicted": summary["predicted"],
                "by lines": summary["predicted_by_lines"],
                "events": summary["events"],
            }
        )
table = pd.DataFrame(rows)
table

# %%
figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
places = np.arange(len(recordings))
plain, auto = (table["predicted"].to_numpy(dtype=float)[start::2] for start in (0, 1))
lines = table["by lines"].to_numpy(dtype=float)[1::2]
for shift, values, label, color in (
    (-0.25, plain, "every frame alone (lags=1)", "#56B4E9"),
    (0.0, auto, 'lags="auto"', "#0072B2"),
    (0.25, lines, "straight lines", "#BBBBBB"),
):
    axis.bar(places + shift, values, 0.24, label=label, color=color)
axis.axhline(0.15, color="#D55E00", linewidth=1, label="below: says nothing")
axis.axhline(0.0, color="black", linewidth=0.8)
axis.set_xticks(places, list(recordings))
axis.set_ylabel("predicted share")
axis.legend(frameon=False, ncols=2, fontsize="small")
plt.show()

# %% [markdown]
# A line that beats the base says that the features know little about each other: the base is then mostly smoothing, and what it calls transient is
# what is brief in a single feature.
#
# ## Sizes come back
#
# A burst is added to each recording, a sixth of a second long, in three features, eight standard deviations of the frame-to-frame noise high. How
# much of it does the transient part hold, with and without the refit that takes the shrinkage of the convex model back?


# %%
def with_burst(recording):
    """The recording with a burst, what was added, the features, and the frames."""
    values, known = np.where(recording.mask, recording.values, 0.0), recording.mask
    fps = recording.fps or 30.0
    sigma = ra.noise_level(values, known)
    features = np.argsort(-np.median(np.abs(values), axis=0))[3:6]
    length = max(3, round(fps / 6))
    complete = np.convolve(known[:, features].all(axis=1), np.ones(length + 40), "valid") == length + 40
    start = 20 + int(np.flatnonzero(complete)[np.sum(complete) // 2])
    added = np.zeros_like(values)
    added[start : start + length, features] = 8 * sigma[features]
    clean, spoiled = (from_array(x, mask=known, fps=fps) for x in (values, values + added))
    return clean, spoiled, added, features, slice(start, start + length)


for name, recording in recordings.items():
    clean, spoiled, added, _, _ = with_burst(recording)
    shares = []
    for refit in (False, True):
        before, after = (ra.decompose(x, refit=refit, check=False).transient_values for x in (clean, spoiled))
        shares.append(np.sum((after - before)[added != 0] * added[added != 0]) / np.sum(added**2))
    print(f"{name:14s} {shares[0]:4.0%} of the burst without, {shares[1]:4.0%} with the refit")

# %%
clean, spoiled, added, features, frames = with_burst(recordings["action units"])
show = slice(max(frames.start - 60, 0), frames.stop + 60)
fps = spoiled.fps
seconds = np.arange(spoiled.n_frames)[show] / fps
figure, axes = plt.subplots(2, 1, figsize=(10, 4.5), sharex=True, layout="constrained")
for axis, lags in zip(axes, (1, "auto")):
    one = ra.decompose(spoiled, lags=lags, check=False)
    observed = np.where(spoiled.mask, spoiled.values, np.nan)[show, features[0]]
    axis.plot(seconds, observed, color="#999999", label="observed")
    axis.plot(seconds, one.base_values[show, features[0]], color="#0072B2", label="base")
    axis.plot(seconds, one.transient_values[show, features[0]], color="#D55E00", label="transient")
    axis.axvspan(frames.start / fps, frames.stop / fps, color="#D55E00", alpha=0.12, label="added burst")
    axis.set_ylabel(f"action unit {features[0]}\nlags={one.parameters['lags_used'][0]}")
axes[0].legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
axes[1].set_xlabel("time (s)")
plt.show()

# %% [markdown]
# A tracker that smooths its output spreads every movement over neighbouring frames: a burst of a few frames then looks like the rest of the recording,
# and part of it becomes base. `max_transient=` sets the window against the longest transient that you mean.

# %% [markdown]
# ## What the parts mean, and what they do not
#
# * **Base**: posture, tone, slow changes, *and expressions that last or recur*. A smile of half a second that comes back ten times is a direction of
#   the low-rank part. On recordings with expert labels the base tells labelled expressions apart better than the transients do.
# * **Transient**: what is brief and not shared with the rest of the session: blinks, tracker slips, micro-movements, bursts.
# * **Residual**: dense sensor noise. Its size per feature is the first thing to look at when a split looks odd.
#
# *Sparse is not "expression"*, and nothing here is a detector of emotion.
#
# Events are the transients that noise alone would hardly ever show: `false_alarms=0.1` events a minute by default, measured from the residual of the
# recording itself.

# %%
events = split.events()
print(f"{len(events)} events at 0.1 false alarms a minute, {len(split.events(false_alarms=0.001))} at 0.001")
events[["onset_frame", "n_frames", "label", "peak_sigma", "chance"]].head()

# %% [markdown]
# ## When a split says nothing
#
# White noise and unrelated columns have no base. No rank and no density tells: the hidden cells do, and status, summary, pictures and report say it.
# So do frames whose order was lost, which show no noise from one to the next.

# %%
rng = np.random.default_rng(0)
curves = np.stack([np.convolve(rng.standard_normal(609), np.ones(10), "valid") for _ in range(12)], axis=1)
units = recordings["action units"]
mixed = rng.permutation(units.n_frames)
for what, one in {
    "white noise": rng.standard_normal((600, 12)),
    "unrelated curves": curves + rng.standard_normal(curves.shape),
    "shuffled frames": from_array(units.values[mixed], mask=units.mask[mixed], fps=30.0),
}.items():
    made = ra.decompose(one)
    share = made.summary()["predicted"]
    print(f"{what}: predicted {share:.0%}, meaningless: {made.status.severe}")
    for warning in made.status.warnings:
        print("   ", warning)

# %% [markdown]
# Without a noise part, dense noise has nowhere to go: the base takes a high rank and the sparse part nearly every cell. That is said too.

# %%
print(ra.decompose(recordings[first], noise=None, solver="ialm").status)

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
seen = split.recording.mask
total = split.base_values + split.transient_values + split.residual_values
print("parts add up to the input:", bool(np.allclose(total[seen], split.recording.values[seen])))
