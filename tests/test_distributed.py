"""The chunked solve gives what the solve in memory gives, whatever the chunks."""

import numpy as np
import pytest
from problems import off, planted

import rpca_affect as ra

da = pytest.importorskip("dask.array", reason="dask is not installed: pip install 'rpca-affect[dask]'")

from rpca_affect.distributed import solve_chunked  # noqa: E402

LOW, SPARSE = planted(600, 20, rank=2)


@pytest.mark.parametrize("noise", [None, 0.1])
@pytest.mark.parametrize("chunks", [(600, 20), (250, 7)])
def test_chunks_do_not_change_the_answer(noise, chunks):
    rng = np.random.default_rng(0)
    M = LOW + SPARSE + (0 if noise is None else noise * rng.standard_normal(LOW.shape))
    M[rng.random(M.shape) < 0.05] = np.nan
    # Without noise the core ends where its base stands still: to agree, that has to be further on.
    tol = 1e-8 if noise is None else 1e-6
    whole = ra.solve(M, ra.ADMM(head_start=False, memory=0), noise=noise, tol=tol)
    split = solve_chunked(da.from_array(M, chunks=chunks), noise=noise, tol=tol)
    assert split.converged
    assert noise is None or abs(split.n_iter - whole.n_iter) <= 1
    assert off(split.low_rank.compute(), whole.low_rank) < 1e-6
    assert off(split.sparse.compute(), whole.sparse) < 1e-5
    assert (split.rank, split.sparsity) == (whole.rank, whole.sparsity)
    assert split.gap == pytest.approx(whole.gap, abs=1e-6)
    assert split.gap < 1e-4


def test_wrong_input_gets_a_sentence():
    with pytest.raises(TypeError, match="dask array"):
        solve_chunked(LOW)
    with pytest.raises(ValueError, match="two axes"):
        solve_chunked(da.from_array(LOW)[:, 0])
    with pytest.raises(ValueError, match="every cell"):
        solve_chunked(da.from_array(np.full((4, 2), np.nan)))


def test_zero_matrix_and_steps_that_run_out():
    assert solve_chunked(da.zeros((50, 4))).rank == 0
    short = solve_chunked(da.from_array(LOW + SPARSE), max_iter=2)
    assert not short.converged
    assert "max_iter" in str(short.status)
