"""Shared fixtures: where the real recordings are, and planted problems of a few shapes."""

import os
from pathlib import Path

import hypothesis
import matplotlib
import pytest

matplotlib.use("Agg")

# A slow example on a busy machine is no failure. Derandomised, so that a red run can be repeated.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real recordings; the test is skipped, with the reason, where it is not there."""
    folder = os.environ.get("RPCA_AFFECT_DATA")
    if not folder:
        pytest.skip("RPCA_AFFECT_DATA is not set: the real recordings are not here")
    return Path(folder)
