"""
A narrow table, with and without time
=====================================

Six features that share little at one moment, each with a smooth course. Without lags one of them cannot be predicted
from the others, so brief movements end up in the base and a lost stretch is bridged badly; with lags the base knows the
past and the future of each.
"""

import matplotlib.pyplot as plt
import numpy as np

import rpca_affect as ra

rng = np.random.default_rng(0)
t = np.arange(600) / 30
course = np.sin(2 * np.pi * t[:, None] * rng.uniform(0.1, 0.5, 6) + rng.uniform(0, 6, 6))
observed = course + rng.normal(0, 0.05, course.shape)
observed[rng.random(course.shape) < 0.02] += 2.0  # brief movements
observed[300:312, :3] = np.nan  # half of the face is covered for 0.4 s

figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
axis.plot(t, course[:, 0], color="#bbbbbb", lw=4, label="planted")
for lags, color in ((1, "#D55E00"), (15, "#0072B2")):
    split = ra.decompose(observed, lags=lags, fps=30)
    axis.plot(t, np.asarray(split.base)[:, 0], color=color, label=f"base, lags={lags}")
axis.axvspan(t[300], t[312], color="#eeeeee", zorder=0)
axis.set(xlim=(8, 12.5), ylim=(-1.4, 2.2), xlabel="time (s)", title="the base of one feature around a lost stretch")
axis.legend(frameon=False, ncols=3)
plt.show()
