"""Timing and accuracy of rpca_affect beside its peers: `python -m benchmarks --help`."""
