"""
A face session: observed, base, transient and residual
======================================================

A generated session in OpenFace form is split; the four panels stand above each other for the features with the
strongest transients. The base carries mood and posture, the transients carry blinks, glitches and brief movements, and
the residual carries the tracker's noise.
"""

import rpca_affect as ra

truth = ra.synthetic.make_session(duration=20, random_state=0)
split = ra.decompose(truth.frame)
split.plot()

# %%
# The numbers that tell whether the split is worth reading:

print(split.summary())
