"""
Events on a time line
=====================

An event is a run of transient cells, joined over the features that move together. Its onset, apex and offset, its
leading feature and its size are a row of ``split.events()``.
"""

import rpca_affect as ra

split = ra.decompose(ra.synthetic.make_session(duration=20, random_state=0).frame)
ra.plot_events(split)

# %%

split.events()[["onset", "duration", "leading_feature", "peak_sigma", "n_features"]].head()
