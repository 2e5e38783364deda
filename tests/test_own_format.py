"""The guide's promise: a module in the folder of formats is a format."""

import re
from pathlib import Path

import numpy as np
import pytest

import rpca_affect as ra
from rpca_affect.recordings import formats
from rpca_affect.recordings.formats import formats as listed

GUIDE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The module of the guide, put beside the others."""
    source = re.search(r"## Adding a file format.*?```python\n(.*?)```", GUIDE, flags=re.S).group(1)
    (tmp_path / "yourprogram.py").write_text(source)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    listed.cache_clear()
    yield listed()["yourprogram"]
    listed.cache_clear()


def test_the_format_of_the_guide_reads_its_example(program, tmp_path):
    example = program.example(tmp_path, 0)
    recording = ra.read(example.path)
    assert recording.meta["format"] == "yourprogram" and recording.fps == example.fps
    assert list(recording.feature_names) == list(example.values)
    assert np.array_equal(recording.values, example.values) and recording.mask.all()
    assert "yourprogram" in ra.recordings.available_formats()
