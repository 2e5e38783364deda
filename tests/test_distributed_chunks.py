"""Every door to a matrix on shards: lazy arrays, files, the shell; and doors that it does not fit through."""

import importlib.util
import json
import sys

import numpy as np
import pytest
from problems import off

import rpca_affect as ra

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'rpca-affect[dask]'")

from test_distributed import made  # noqa: E402

from rpca_affect import distributed  # noqa: E402


def lazy_forms(M, folder):
    """What is lazy and knows its shape, with the reads of its blocks."""
    import dask

    reads = []
    pieces = [dask.delayed(lambda k: reads.append(k) or M[k : k + 60], pure=False)(k) for k in range(0, len(M), 60)]
    whole = da.concatenate([da.from_delayed(piece, (60, M.shape[1]), M.dtype) for piece in pieces])
    yield whole, reads
    if importlib.util.find_spec("xarray"):
        import xarray

        yield xarray.DataArray(whole, dims=("time", "feature")), reads
    if importlib.util.find_spec("zarr"):
        import zarr

        store = zarr.create_array(str(folder / "x.zarr"), shape=M.shape, chunks=(70, 9), dtype=M.dtype)
        store[:] = M
        yield store, None


def test_the_front_door_sends_lazy_matrices_to_the_shards(tmp_path):
    M, words = made("nan noise each")
    wanted, before = distributed.solve(M, **words, tol=1e-6).low_rank.compute(), ra.solve(M)
    for lazy, reads in lazy_forms(M, tmp_path):
        for unknown in ({"rank": 3}, {"cardinality": 9}, {"init": before}, {"factored": True}, {"keep_dual": True}):
            with pytest.raises(ValueError, match=f"^{next(iter(unknown))}: not for a lazy matrix"):
                ra.solve(lazy, **unknown)
        assert not reads
        split = ra.solve(lazy, **words, tol=1e-6)
        assert isinstance(split, ra.Decomposition) and isinstance(split.low_rank, da.Array)
        assert off(split.low_rank.compute(), wanted) < 1e-9
        if reads is not None:
            assert sorted(reads) == [0, 60, 120, 180]
            reads.clear()


@pytest.mark.parametrize("door", [
    ra.decompose, lambda x: ra.RobustPCA().fit(x), lambda x: ra.solve_levels(x), lambda x: ra.noise_level(x),
    lambda x: ra.RobustPCA().fit(np.ones((40, 6))).transform(x), lambda x: ra.IncrementalRobustPCA().partial_fit(x),
    lambda x: ra.SequenceRobustPCA().fit(x), lambda x: ra.SequenceRobustPCA().fit([x, x]),
    lambda x: ra.SequenceDescriptors().fit([x, x]), lambda x: ra.SequenceDescriptors().fit(x, sequence_id=[0, 1] * 20),
    lambda x: ra.RobustPCASearch().fit(x), lambda x: ra.choose_lambda(x),
])  # fmt: skip
def test_other_doors_say_where_lazy_arrays_belong(door):
    xarray, zarr = pytest.importorskip("xarray"), pytest.importorskip("zarr")

    def never():
        raise AssertionError("loaded in silence")

    import dask

    lazy = da.from_delayed(dask.delayed(never)(), (40, 6), float)
    for x in (lazy, xarray.DataArray(lazy, dims=("time", "feature")), zarr.zeros(shape=(40, 6), chunks=(10, 6))):
        with pytest.raises(TypeError, match=r"call rpca_affect.distributed.solve\(x\)"):
            door(x)


def test_every_form_of_a_matrix_gives_the_same_answer(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    xarray = pytest.importorskip("xarray")
    M, words = made("nan noise each")
    np.save(tmp_path / "x.npy", M)
    (tmp_path / "tables").mkdir()
    names = [f"AU{k:02d}" for k in range(M.shape[1])]
    for k in range(3):
        table = pa.table({name: M[80 * k : 80 * (k + 1), j] for j, name in enumerate(names)})
        pq.write_table(table, tmp_path / "tables" / f"part-{k}.parquet", row_group_size=33)
    lazy = da.from_array(M, chunks=(50, 7))
    forms = [lazy, M, tmp_path / "x.npy", str(tmp_path / "tables"), xarray.DataArray(lazy, dims=("time", "feature"))]
    if importlib.util.find_spec("zarr"):
        import zarr

        store = zarr.create_array(str(tmp_path / "x.zarr"), shape=M.shape, chunks=(70, 9), dtype=M.dtype)
        store[:] = M
        forms += [store, tmp_path / "x.zarr"]
    answers = [distributed.solve(form, **words).low_rank.compute() for form in forms]
    assert all(np.array_equal(answer, answers[0]) for answer in answers)


@pytest.mark.parametrize("columns, sentence", [
    ([{"a": [1.0, 2.0, 3.0], "who": ["x", "y", "z"]}], "columns who hold no numbers"),
    ([{"a": [1.0, 2.0], "b": [2.0, 1.0]}, {"a": [1.0], "c": [0.0]}], "has other columns than"),
    ([], "no folder of .parquet files"),
])  # fmt: skip
def test_folders_that_are_no_matrix_get_a_sentence(columns, sentence, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for k, content in enumerate(columns):
        pq.write_table(pa.table(content), tmp_path / f"{k}.parquet")
    with pytest.raises(ValueError, match=sentence):
        distributed.solve(tmp_path)


def test_missing_whole_numbers_of_a_table_are_missing(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    M, _ = made("plain")
    whole = np.round(9 * M)
    hidden = np.random.default_rng(1).random(M.shape) < 0.05
    columns = {str(j): pa.array(whole[:, j].astype(np.int64), mask=hidden[:, j]) for j in range(M.shape[1])}
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    found = distributed.solve(tmp_path / "x.parquet", noise=1.0).low_rank.compute()
    assert np.array_equal(found, distributed.solve(np.where(hidden, np.nan, whole), noise=1.0).low_rank.compute())


def test_the_shell_solves_a_matrix_beyond_memory(tmp_path):
    pytest.importorskip("typer")
    from typer.testing import CliRunner

    from rpca_affect.cli.app import app

    M, _ = made("noise")
    np.save(tmp_path / "x.npy", M)
    words = ["--noise", "0.1", "--spill", str(tmp_path), "--checkpoint", str(tmp_path / "kept")]
    for out in ("first", "again"):
        done = CliRunner().invoke(app, ["solve", str(tmp_path / "x.npy"), "-o", str(tmp_path / out), *words, "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["shape"] == [240, 24]
        low = np.load(tmp_path / out / "low_rank.npy")
        assert off(low, ra.solve(M, noise=0.1).low_rank) < 1e-8


@pytest.mark.parametrize("name", ["clip.csv", "folder"])
def test_a_table_is_refused_before_anything_is_installed_for_it(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_text("a,b\n1,2\n") if "." in name else path.mkdir()
    monkeypatch.setitem(sys.modules, "dask.array", None)
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ValueError, match=r"is no \.npy file.*`decompose` a table"):
        ra.distributed.solve(path)
