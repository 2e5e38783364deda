"""Spectra of Gram matrices: the compiled form against LAPACK, on easy and on degenerate stacks."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from rpca_affect.deep import eigen, parallel

F64 = torch.float64
FULL = torch.Generator().manual_seed(0)
STACKS = {
    "plain": torch.randn(3, 17, 40, generator=FULL, dtype=F64),
    "one row": torch.randn(3, 1, 9, generator=FULL, dtype=F64),
    "two rows": torch.randn(3, 2, 9, generator=FULL, dtype=F64),
    "rank deficient": torch.randn(3, 20, 5, generator=FULL, dtype=F64),
    "empty frames": torch.randn(3, 20, 30, generator=FULL, dtype=F64) * (torch.arange(20) % 3 > 0).unsqueeze(-1),
    "all tied": torch.linalg.qr(torch.randn(2, 25, 25, generator=FULL, dtype=F64))[0],
    "rank one": torch.full((2, 64, 56), 1e-13, dtype=F64),
    "zero": torch.zeros(2, 12, 15, dtype=F64),
    "falling": torch.randn(2, 30, 40, generator=FULL, dtype=F64) * torch.logspace(0, -12, 30).unsqueeze(-1),
    "rising": torch.randn(2, 30, 40, generator=FULL, dtype=F64) * torch.logspace(-12, 0, 30).unsqueeze(-1),
    "nothing in it": torch.zeros(2, 6, 0, dtype=F64),
}


@pytest.fixture(autouse=True)
def compiled(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(parallel, "FEWEST", 1)


def known_by_lapack(monkeypatch, rows):
    with monkeypatch.context() as patch:
        patch.setattr(parallel, "FEWEST", 2**62)
        return eigen.gram_spectrum(rows)


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("size", [1e-140, 1.0, 1e140])
def test_values_and_vectors_are_those_of_the_gram_matrix(name, size, monkeypatch):
    rows = STACKS[name] * size
    monkeypatch.setattr(eigen, "_eigh", lambda gram: pytest.fail("the compiled form gave up"))
    values, vectors = eigen.gram_spectrum(rows)
    monkeypatch.undo()
    expected, _ = known_by_lapack(monkeypatch, rows)
    top = expected.amax(-1, keepdim=True)
    top = torch.where(top > 0, top, 1.0)
    assert (values.diff(dim=-1) <= 0).all()
    torch.testing.assert_close(values / top, expected / top, rtol=0, atol=1e-13)
    side = rows.shape[-2]
    torch.testing.assert_close(vectors.mT @ vectors, torch.eye(side, dtype=F64).expand_as(vectors), rtol=0, atol=1e-13)
    gram = rows @ rows.mT / top.unsqueeze(-1)
    torch.testing.assert_close(gram @ vectors, vectors * (values / top).unsqueeze(-2), rtol=0, atol=1e-13)


def test_single_precision_is_accumulated_in_double(monkeypatch):
    rows = STACKS["falling"].float()
    values, _ = eigen.gram_spectrum(rows)
    expected, _ = eigen.gram_spectrum(rows.double())
    assert values.dtype == F64
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-14 * expected.max().item())


def test_shapes_and_strides():
    rows = torch.randn(2, 3, 9, 5, dtype=F64)
    for given in (rows.mT, rows[..., ::2], rows[0], rows[0, 0], rows[:1].expand(4, 3, 9, 5), rows.half()):
        values, vectors = eigen.gram_spectrum(given)
        assert values.shape == given.shape[:-1] and vectors.shape == (*given.shape[:-1], given.shape[-2])
        again = vectors @ (values.unsqueeze(-1) * vectors.mT)
        torch.testing.assert_close(again, given.double() @ given.double().mT, rtol=1e-12, atol=1e-12)


def test_threads_share_the_stack():
    rows = torch.randn(7, 12, 20, dtype=F64)
    alone = eigen.gram_spectrum(rows)
    torch.set_num_threads(3)
    shared = eigen.gram_spectrum(rows)
    assert torch.equal(alone[0], shared[0]) and torch.equal(alone[1], shared[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_goes_on_with_one_thread():
    """OpenMP ends a child that starts threads after its parent did."""
    rows = torch.randn(7, 12, 20, dtype=F64)
    torch.set_num_threads(2)
    values, _ = eigen.gram_spectrum(rows)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.allclose(eigen.gram_spectrum(rows)[0].numpy(), values.numpy(), rtol=1e-13, atol=0) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_callers_in_several_threads_get_their_own_spectra():
    stacks = [torch.randn(16, 12, 20, generator=torch.Generator().manual_seed(seed)) for seed in range(8)]
    torch.set_num_threads(2)
    alone = [eigen.gram_spectrum(rows)[0] for rows in stacks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda rows: eigen.gram_spectrum(rows)[0], stacks))
    assert all(torch.equal(a, b) for a, b in zip(alone, together))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e200])
def test_what_has_no_spectrum_is_refused_by_torch(bad):
    with pytest.raises(torch.linalg.LinAlgError):
        eigen.gram_spectrum(torch.full((2, 4, 5), bad, dtype=F64))


def test_vmap():
    rows = torch.randn(4, 6, 9, dtype=F64)
    values = torch.vmap(lambda a: eigen.gram_spectrum(a)[0])(rows)
    torch.testing.assert_close(values, eigen.gram_spectrum(rows)[0], rtol=1e-12, atol=1e-12)


COUNTS = """
import sys, threading, torch
from rpca_affect.deep import SEM, parallel
parallel.FEWEST, wanted = 1, int(sys.argv[1])

def call():
    torch.set_num_threads(wanted)
    x = torch.randn(8, 12, 10, requires_grad=True)
    SEM()(x).sum().backward()
    found.append(torch.get_num_threads())

found = []
call()
other = threading.Thread(target=call)
other.start(); other.join(); call()
assert found == [wanted] * 3, found
"""


@pytest.mark.parametrize("wanted", [1, 3])
def test_the_first_compiled_call_leaves_torch_its_thread_count(wanted):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"} | {"NUMBA_NUM_THREADS": "4"}
    command = [sys.executable, "-c", COUNTS, str(wanted)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
