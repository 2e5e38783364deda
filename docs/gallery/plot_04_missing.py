"""
Which cells were missing
========================

Frames that the tracker lost are masked, never dropped: they take no part in the solve, and the map shows where they
are. The base of such a frame is a prediction, not a measurement.
"""

import rpca_affect as ra

split = ra.decompose(ra.synthetic.make_session(duration=20, random_state=0).frame)
ra.plots.plot_missing(split)
