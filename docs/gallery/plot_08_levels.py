"""
One feature at several time scales
==================================

A slow tone, quicker movements on top of it, and bursts: each level splits what the slower ones leave, and the bases add
up to the blue line of the first panel. Events are better taken from a split on one level.
"""

import numpy as np

import rpca_affect as ra

rng = np.random.default_rng(0)
time = np.arange(600)[:, None]
slow = np.sin(time / 90 + [0, 1, 2]) @ rng.normal(size=(3, 20))
quick = 0.4 * np.sin(time / 7 + [0, 1]) @ rng.normal(size=(2, 20))
features = slow + quick + 0.1 * rng.normal(size=(600, 20))
features[250:256, :4] += 2
features[400:440, 0] += 2
split = ra.decompose(features, fps=30, levels=(32, 1), check=False)
ra.plot_levels(split, 0)
