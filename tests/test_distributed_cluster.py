"""On the workers of a dask cluster: the same answer, each block read once, nothing kept elsewhere, losses mended."""

import os
import signal
import time
from functools import partial

import numpy as np
import pytest
from problems import off
from test_distributed_loss import M, parts

dask = pytest.importorskip("dask", reason="dask is not installed: pip install 'rpca-affect[dask]'")
da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'rpca-affect[dask]'")
dask_distributed = pytest.importorskip("dask.distributed", reason="distributed is not installed")

import rpca_affect as ra  # noqa: E402
from rpca_affect import distributed  # noqa: E402
from rpca_affect.distributed import cluster  # noqa: E402

WORDS = {"noise": 0.05}


@pytest.fixture(scope="module")
def client():
    """Two workers of one thread, as processes of their own."""
    words = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    with dask_distributed.LocalCluster(**words) as workers, dask_distributed.Client(workers) as found:
        yield found


@pytest.fixture(scope="module")
def whole():
    with dask.config.set(scheduler="threads"):
        return parts(distributed.solve(M, **WORDS, scheduler="threads"))


def kept(client):
    """Tasks that the scheduler knows."""
    return client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))


def noting(block, place, folder):
    """Read a block, and write down that it was read."""
    with open(folder / f"{place}-{time.monotonic_ns()}", "x"):
        return block


def in_blocks(folder, step=40):
    folder.mkdir(exist_ok=True)
    read = dask.delayed(noting, pure=False)
    pieces = [da.from_delayed(read(M[k : k + step], k, folder), (step, 20), float) for k in range(0, len(M), step)]
    return da.concatenate(pieces)


def test_workers_give_the_answer_of_threads(client, whole, tmp_path):
    tasks = []
    watch = lambda progress: tasks.append(kept(client))  # noqa: E731
    split = distributed.solve(in_blocks(tmp_path), **WORDS, scheduler=client, callback=watch)
    found = parts(split)
    assert all(off(a, b) < 1e-9 for a, b in zip(found, whole))
    assert sorted(int(path.name.split("-")[0]) for path in tmp_path.iterdir()) == list(range(0, 400, 40))
    assert max(tasks) <= 4, tasks
    del split
    held = client.run(lambda: len(__import__("rpca_affect").distributed.cluster.HELD))
    assert set(held.values()) == {0}


def never(*words):
    raise AssertionError("a shard has left its worker")


def test_shards_stay_on_their_workers(client):
    from rpca_affect.distributed.shard import Shard

    client.run(setattr, Shard, "__reduce_ex__", never)
    try:
        split = distributed.solve(M, **WORDS, scheduler=client)
    finally:
        client.run(delattr, Shard, "__reduce_ex__")
    assert isinstance(split.low_rank, da.Array)


def test_the_current_client_is_used_as_everywhere_in_dask(client, whole, tmp_path):
    split = distributed.solve(in_blocks(tmp_path), **WORDS, out=tmp_path / "out")
    assert isinstance(split.low_rank, da.Array)
    assert off(np.load(tmp_path / "out" / "low_rank.npy"), whole[0]) < 1e-9


def test_workers_that_are_killed_change_no_bit(tmp_path, monkeypatch):
    """Of four, one in the first steps, later ones where these are remembered, and one where there is a checkpoint."""
    slow = {"noise": 0.01, "solver": "admm", "tol": 1e-11, "max_iter": 106}
    monkeypatch.setattr(cluster.Cluster, "size", 4)  # shards, however many workers come back
    words = {"n_workers": 4, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": 0}
    with dask_distributed.LocalCluster(**words) as workers, dask_distributed.Client(workers) as client:
        undisturbed = parts(distributed.solve(in_blocks(tmp_path / "a", 100), **slow, scheduler=client))
        pids = []

        def kill(steps, progress):
            if progress.n_iter in steps:
                pids.append(client.run(os.getpid).popitem()[1])
                os.kill(pids[-1], signal.SIGKILL)

        for steps, more in ((7, 95), {}), ((103,), {"checkpoint": tmp_path / "kept"}):
            words = slow | more | {"scheduler": client, "callback": partial(kill, steps)}
            split = distributed.solve(in_blocks(tmp_path / "b", 100), **words)
            assert all(np.array_equal(a, b) for a, b in zip(parts(split), undisturbed))
        assert len(set(pids)) == 3

        def late(self, name, show=cluster.Cluster.parts):
            if name == "low_rank":
                os.kill(client.run(os.getpid)[self.owners[1]], signal.SIGKILL)
            return show(self, name)

        monkeypatch.setattr(cluster.Cluster, "parts", late)
        split = distributed.solve(in_blocks(tmp_path / "b", 100), **slow, scheduler=client)
        assert all(np.array_equal(a, b) for a, b in zip(parts(split), undisturbed))


def test_memory_of_the_workers_is_asked_for_first(tmp_path):
    words = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0", "memory_limit": "300MB"}
    x = da.zeros((1_000_000, 100), chunks=(10_000, 100))
    with (
        dask_distributed.LocalCluster(**words, processes=False) as workers,
        dask_distributed.Client(workers) as found,
        pytest.raises(MemoryError, match=r"needs 2\.\d GB of memory, and 300 MB are available: give spill=FOLDER"),
    ):
        distributed.solve(x, scheduler=found)


def test_an_address_is_enough(client, whole):
    split = distributed.solve(M, **WORDS, scheduler=client.scheduler.address)
    assert off(split.factors.right.T @ split.factors.right, np.linalg.pinv(whole[0]) @ whole[0]) < 1e-6


def test_a_study_on_a_cluster_is_the_study_of_one_machine(client, tmp_path):
    pandas = pytest.importorskip("pandas")
    (tmp_path / "clips").mkdir()
    for k in range(3):
        values = np.random.default_rng(k).standard_normal((80, 8)).cumsum(axis=0)
        pandas.DataFrame(values).add_prefix("AU").to_csv(tmp_path / "clips" / f"p{k}.csv", index=False)
    (tmp_path / "clips" / "p3.csv").write_bytes(b"no table")
    words = {"fps": 25, "check": False}
    near = ra.decompose_many(tmp_path / "clips", tmp_path / "near", **words)
    far = ra.decompose_many(tmp_path / "clips", tmp_path / "far", scheduler=client.scheduler.address, **words)
    assert list(far.table["recording"]) == ["p0", "p1", "p2", "p3"]
    pandas.testing.assert_frame_equal(far.table, near.table)
    for k in range(3):
        first, second = ((tmp_path / where / f"p{k}" / "base.csv").read_bytes() for where in ("near", "far"))
        assert first == second
