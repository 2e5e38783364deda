"""What is lost on the way changes no bit: workers, the driver, memory; and what is kept is refused to others."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from problems import planted

import rpca_affect as ra

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'rpca-affect[dask]'")
pytest.importorskip("dask.distributed", reason="distributed is not installed")

from rpca_affect import distributed  # noqa: E402
from rpca_affect.distributed import local  # noqa: E402


def made(frames=400, features=20):
    low, sparse = planted(frames, features, rank=2, seed=3)
    M = low + sparse + 0.05 * np.random.default_rng(0).standard_normal(low.shape)
    M[5, 3], M[9] = np.nan, np.nan
    M[frames // 2, 1] = 1e9
    return M


M = made()
WORDS = {"noise": 0.05, "scheduler": "threads", "tol": 1e-9}


def parts(split):
    return [part.compute() for part in (split.low_rank, split.sparse, split.noise)]


def same_bits(first, second):
    return all(np.array_equal(a, b) for a, b in zip(parts(first), parts(second)))


@pytest.fixture(params=[1, 2])
def shards(request, monkeypatch):
    monkeypatch.setattr(distributed, "threads", lambda: local.threads(request.param))


def stop_at(step, progress):
    if progress.n_iter == step:
        raise RuntimeError("the driver is gone")


@pytest.mark.parametrize("step, words", [
    (3, {}), (10, {"noise": None}), (11, {}), (37, {"noise": None}),
    (85, {"noise": None}), (107, {"noise": None}), (111, {"noise": None}),  # where steps are remembered
])  # fmt: skip
def test_a_run_goes_on_from_its_checkpoint(step, words, tmp_path, shards):
    words = WORDS | words
    whole = distributed.solve(M, **words)
    assert whole.n_iter > step + 1
    with pytest.raises(RuntimeError, match="driver is gone"):
        distributed.solve(M, **words, checkpoint=tmp_path / "kept", callback=partial(stop_at, step))
    assert len(list((tmp_path / "kept").glob("state-*"))) <= 2
    asked = []
    again = distributed.solve(
        M, **words, checkpoint=tmp_path / "kept", callback=lambda progress: asked.append(progress)
    )
    assert same_bits(again, whole)
    assert again.history == whole.history
    assert [progress.n_iter for progress in asked] == list(range(1, whole.n_iter + 1))
    assert len(list((tmp_path / "kept").glob("state-*"))) <= 2


def test_a_checkpoint_saves_the_steps_before_it(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="driver is gone"):
        distributed.solve(M, **WORDS, checkpoint=tmp_path, callback=partial(stop_at, 37))
    taken = []
    step = local.Shard.step
    monkeypatch.setattr(local.Shard, "step", lambda self, *words: taken.append(1) or step(self, *words))
    split = distributed.solve(M, **WORDS, checkpoint=tmp_path)
    assert len(taken) == split.n_iter - 30  # the last checkpoint was made after step 30


@pytest.mark.parametrize("other, name", [
    ({"tol": 1e-5}, "tol"), ({"noise": 0.06}, "solver"), ({"x": M + 1}, "data"), ({"x": M[::-1]}, "data"),
    ({"lam": 0.1}, "solver"), ({"solver": ra.ADMM(relax=1.5)}, "solver"), ({"max_iter": 99}, "max_iter"),
])  # fmt: skip
def test_a_checkpoint_of_another_run_is_refused(other, name, tmp_path):
    with pytest.raises(RuntimeError, match="driver is gone"):
        distributed.solve(M, **WORDS, checkpoint=tmp_path, callback=partial(stop_at, 15))
    words = {"x": M, **WORDS, **other}
    with pytest.raises(ValueError, match=f"belongs to other .*{name}"):
        distributed.solve(**words, checkpoint=tmp_path)


DRIVER = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_distributed_loss import M, WORDS
from rpca_affect import distributed

def end(progress):
    if progress.n_iter == 25:
        os.kill(os.getpid(), signal.{name})

distributed.solve(M, **WORDS, checkpoint={folder!r}, callback=end)
"""


@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_a_killed_driver_is_resumed(name, tmp_path):
    script = DRIVER.format(tests=str(Path(__file__).parent), name=name, folder=str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=200, check=False)
    assert ended.returncode == -getattr(signal, name), ended.stderr
    made = sorted(path.name for path in tmp_path.glob("state-*"))
    steps = []
    again = distributed.solve(M, **WORDS, checkpoint=tmp_path, callback=lambda progress: steps.append(progress))
    assert same_bits(again, distributed.solve(M, **WORDS))
    if name == "SIGINT":  # a checkpoint of its own, later than that of step 20
        assert int(made[-1].removeprefix("state-")) > int(made[-2].removeprefix("state-")) + 4


LIMITED = """
import resource, sys
import numpy as np, dask, dask.array
from rpca_affect import distributed
distributed.solve(np.eye(9), scheduler="threads")

def data():
    return [int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmData")][0]

hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
resource.setrlimit(resource.RLIMIT_DATA, (data() + 36_000_000, hard))
try:
    distributed.solve({path!r}, noise=0.05, scheduler="threads", spill={spill!r})
except MemoryError as error:
    assert "give smaller chunks" in str(error), error
else:
    sys.exit("was not refused although not even a chunk finds room")
limit = data() + {room}
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    distributed.solve({path!r}, noise=0.05, scheduler="threads", out={out!r} + "-refused")
except MemoryError as error:
    assert "spill=FOLDER" in str(error) and "MB" in str(error), error
else:
    sys.exit("was not refused")
split = distributed.solve({path!r}, noise=0.05, scheduler="threads", spill={spill!r}, out={out!r}, max_iter=5)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_DATA")
def test_a_matrix_larger_than_memory_is_refused_or_spilled(tmp_path, monkeypatch):
    from rpca_affect.distributed import memory

    np.save(tmp_path / "x.npy", np.concatenate([made(10_000, 100)] * 30))
    room = 60_000_000
    assert (tmp_path / "x.npy").stat().st_size >= 4 * room
    script = LIMITED.format(room=room, path=str(tmp_path / "x.npy"), spill=str(tmp_path), out=str(tmp_path / "out"))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stderr
    assert memory.available() is not None
