"""
Singular values and convergence
===============================

The left panel shows which singular values of the input the base keeps; the right one shows how the solver's error fell
from step to step.
"""

import matplotlib.pyplot as plt

import rpca_affect as ra

split = ra.decompose(ra.synthetic.make_session(duration=20, random_state=0).frame)
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
ra.plot_spectrum(split, ax=left)
ra.plot_convergence(split, ax=right)
