"""Memory of the whole job: what reading and splitting take at most, what is set aside and not filled included."""

import os
import subprocess
import sys
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

import rpca_affect as ra
from rpca_affect.recordings import from_array, read
from rpca_affect.recordings.containers import parsing


@contextmanager
def peak():
    """A list that holds, in the end, the most bytes that were taken at a time."""
    found = []
    tracemalloc.start()
    try:
        yield found
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def landmarks(frames=16_000, features=200):
    rng = np.random.default_rng(0)
    slow = rng.standard_normal((frames // 20, 4)).cumsum(axis=0).repeat(20, axis=0)
    values = 300 + 4 * slow @ rng.standard_normal((4, features)) + rng.normal(0, 0.3, (frames, features))
    return values.round(1)


@pytest.mark.parametrize("sentinel", [None, 0.0, -999.0])
def test_reading_takes_the_text_the_table_and_the_values(sentinel, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(parsing, "PIECE", 200_000)
    values = landmarks()
    values[100:130, ::2] = values[100:130, ::2] if sentinel is None else sentinel
    path = tmp_path / "landmarks.csv"
    np.savetxt(path, values, fmt="%.1f", delimiter=",", header=",".join(f"x_{k}" for k in range(200)), comments="")
    read(path)
    with peak() as found:
        recording = read(path)
    assert recording.mask.all() == (sentinel is None)
    assert found[0] < 2.7 * values.nbytes


def test_a_split_sets_nothing_aside_before_it_is_filled():
    recording = from_array(landmarks(), fps=30.0)
    ra.decompose(recording.select(["feature_0", "feature_1"]))
    with peak() as found:
        ra.decompose(recording, check=False)
    assert found[0] < 4.5 * recording.values.nbytes


def test_the_shell_leaves_arrow_no_addresses_of_its_own(tmp_path):
    """Arrow's pools take a gigabyte of addresses at once, for which a limit on memory counts."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "clip.csv"
    path.write_text("time,AU06,word\n" + "".join(f"{k / 25},{k % 7 / 7},p{k % 2}\n" for k in range(60)))
    code = (
        "import atexit, sys; from rpca_affect.cli import main; sys.argv = ['rpca-affect', 'inspect', sys.argv[1]];"
        "atexit.register(lambda: print(sys.modules['pyarrow'].default_memory_pool().backend_name)); main()"
    )
    plain = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, env=plain, check=True)
    assert done.stdout.splitlines()[-1] == "system"
