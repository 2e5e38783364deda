"""
Heat maps of the parts
======================

Frames run to the right and features downwards; all four maps share one scale, in standard deviations of each
feature's noise.
"""

import rpca_affect as ra

split = ra.decompose(ra.synthetic.make_session(duration=20, random_state=0).frame)
ra.plots.plot_heatmaps(split)
