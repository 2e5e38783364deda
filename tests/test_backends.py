"""Array libraries agree: every solver on strict arrays, read-only NumPy and torch, single and stacked, with masks."""

import array_api_strict as strict
import numpy as np
import pytest
from array_api_strict import ArrayAPIStrictFlags
from problems import planted

import rpca_affect as ra
from rpca_affect import engine, loop
from rpca_affect.arrays import observe, power_of_two
from rpca_affect.engine import gpu
from rpca_affect.engine.spectrum import gpu as gpu_spectral
from rpca_affect.request import Request
from rpca_affect.solvers import available_solvers

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'rpca-affect[deep]'")

# A device whose arrays refuse to become NumPy: a hidden copy to the host is an error there.
ELSEWHERE = strict.Device("device1")
OUTLIERS = 48


def clip(seed):
    """A planted clip with a known number of outliers, for the solver that wants to be told."""
    rng = np.random.default_rng(seed)
    low_rank, _ = planted(24, 40, seed=seed)
    low_rank.flat[rng.choice(low_rank.size, OUTLIERS, replace=False)] += rng.choice([-6.0, 6.0], OUTLIERS)
    return low_rank


STACK = np.stack([clip(seed) for seed in range(3)])
KNOWN = np.random.default_rng(1).random(STACK.shape) > 0.05
CALLS = {
    "ialm": {"solver": "ialm"},
    "admm": {"solver": "admm"},
    "admm-noise": {"solver": "admm", "noise": "auto"},
    "admm-frames": {"solver": "admm", "sparse": "frames"},
    "godec": {"solver": "godec", "rank": 3, "cardinality": OUTLIERS, "random_state": 0},
    "altproj": {"solver": "altproj", "rank": 3},
    "auto": {},
}
COMMON = {"tol": 1e-5, "max_iter": 200}  # the same steps give the same answer, wherever they end
every_call = pytest.mark.parametrize("name", CALLS)
every_shape = pytest.mark.parametrize("shape", ["matrix", "stack"])
masked = pytest.mark.parametrize("mask", [False, True], ids=["full", "masked"])


def read_only(x):
    x = np.array(x)
    x.setflags(write=False)
    return x


BACKENDS = {
    "numpy": np.array,
    "read-only": read_only,
    "strict": lambda x: strict.asarray(x, device=ELSEWHERE),
    "torch": torch.asarray,
}
every_backend = pytest.mark.parametrize("backend", BACKENDS)


@pytest.fixture(autouse=True)
def strictest():
    flags = {"boolean_indexing": False, "data_dependent_shapes": False, "enabled_extensions": ("linalg",)}
    with ArrayAPIStrictFlags(**flags):
        yield


def on_host(x):
    if type(x).__module__.startswith("array_api_strict"):
        x = x.to_device(strict.Device("CPU_DEVICE"))
    return np.asarray(x)


def reference(data, mask, call, monkeypatch):
    """Every solver's own steps on plain NumPy."""
    with monkeypatch.context() as patch:
        patch.setattr(engine, "accepts", lambda data, solver: False)
        return ra.solve(data, mask=mask, **call, **COMMON)


def agree(found, wanted, data, bound):
    size = np.linalg.norm(data)
    for part in ("low_rank", "sparse", "noise"):
        assert np.linalg.norm(on_host(getattr(found, part)) - getattr(wanted, part)) <= bound * size, part


def test_every_registered_solver_is_here():
    assert {name.split("-")[0] for name in CALLS} == {*available_solvers(), "auto"}


def test_the_strict_device_refuses_to_become_numpy():
    with pytest.raises(RuntimeError, match="device1"):
        np.asarray(strict.ones(3, device=ELSEWHERE))


@every_backend
@every_call
@every_shape
@masked
def test_double_precision_agrees_to_1e_9(backend, name, shape, mask, monkeypatch):
    data = STACK if shape == "stack" else STACK[0]
    known = (KNOWN if shape == "stack" else KNOWN[0]) if mask else None
    given = BACKENDS[backend](data)
    before = on_host(given).copy()
    found = ra.solve(given, mask=None if known is None else BACKENDS[backend](known), **CALLS[name], **COMMON)
    wanted = reference(data, known, CALLS[name], monkeypatch)
    # the tuned engine takes an iterative route to the threshold for one large matrix; these sizes take the exact one
    agree(found, wanted, data, 1e-9)
    assert np.array_equal(on_host(given), before)
    for part in (found.low_rank, found.sparse, found.noise):
        assert type(part) is type(given)
        assert part.dtype == given.dtype
        assert part.shape == given.shape
        assert getattr(part, "device", None) == getattr(given, "device", None)
    if shape == "matrix":
        assert isinstance(found.n_iter, int)
        assert isinstance(found.rank, int)
    assert np.array_equal(on_host(found.rank), wanted.rank)


@every_backend
@every_call
@every_shape
def test_single_precision_agrees_to_1e_3(backend, name, shape, monkeypatch):
    data = STACK if shape == "stack" else STACK[0]
    given = BACKENDS[backend](data.astype(np.float32))
    found = ra.solve(given, **CALLS[name], **COMMON)
    agree(found, reference(data, None, CALLS[name], monkeypatch), data, 1e-3)
    assert found.low_rank.dtype == given.dtype
    assert found.sparse.dtype == given.dtype


@every_backend
def test_noise_levels_agree(backend):
    holes = np.where(KNOWN, STACK, np.nan)
    found = ra.noise_level(BACKENDS[backend](holes))
    np.testing.assert_allclose(on_host(found), ra.noise_level(holes), rtol=1e-9)
    assert type(found) is type(BACKENDS[backend](holes))


@every_backend
def test_factors_and_duals_stay_in_their_library(backend):
    given = BACKENDS[backend](STACK[0])
    split = ra.solve(given, "admm", factored=True, keep_dual=True)
    for x in (split.dual, *split.factors):
        assert type(x) is type(given)
    again = ra.solve(given, "admm", init=ra.solve(given, "admm", keep_dual=True))
    assert again.n_iter <= 5
    np.testing.assert_allclose(on_host(split.factors.matrix()), on_host(again.low_rank), atol=1e-5)


def test_torch_tensors_of_other_strides_and_with_gradients_of_their_own():
    tensor = torch.asarray(STACK[0].T.copy()).T
    assert not tensor.is_contiguous()
    np.testing.assert_allclose(
        ra.solve(tensor, "ialm").low_rank.numpy(), ra.solve(STACK[0], "ialm").low_rank, atol=1e-7
    )


# The CuPy engine is written for any array library with NumPy's interface; here NumPy itself takes its path.


def by_gpu_engine(data, mask, solver, **options):
    observed = observe(data, mask)
    request = Request(options.pop("tol", 1e-7), 400, **options)
    assert gpu.fits(observed, solver)
    args = (observed, power_of_two(observed.largest()), solver, None, request)
    return gpu.run(*args), loop.run(*args)


GPU_SOLVERS = {
    "ialm": ra.InexactALM(),
    "admm": ra.ADMM(memory=0),
    "noise": ra.ADMM(slack=0.4, memory=0),
    "noise-per-feature": ra.ADMM(slack=np.linspace(0.0, 1.0, 40), memory=0),
    "own-weight": ra.ADMM(lam=0.2, mu=0.5, memory=0),
}


@pytest.mark.parametrize("name", GPU_SOLVERS)
@every_shape
@masked
def test_the_gpu_engine_takes_the_steps_of_the_reference(name, shape, mask):
    data = STACK if shape == "stack" else STACK[0]
    known = (KNOWN if shape == "stack" else KNOWN[0]) if mask else None
    found, wanted = by_gpu_engine(data, known, GPU_SOLVERS[name], keep_dual=True)
    agree(found, wanted, data, 1e-9)
    assert np.array_equal(found.n_iter, wanted.n_iter)
    assert np.array_equal(found.rank, wanted.rank)
    np.testing.assert_allclose(found.gap, wanted.gap, rtol=1e-2, atol=1e-7)
    np.testing.assert_allclose(found.sparsity, wanted.sparsity, atol=2 / STACK[0].size)
    np.testing.assert_allclose(found.residual, wanted.residual, rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(found.history["error"], wanted.history["error"], rtol=1e-4, atol=1e-12)
    assert found.status.converged == wanted.status.converged


def test_the_gpu_engine_in_single_precision_tall_nested_and_with_callbacks():
    tall = np.swapaxes(STACK, 1, 2).astype(np.float32)
    found, wanted = by_gpu_engine(tall, None, ra.ADMM(), tol=3e-5)
    assert found.low_rank.dtype == found.gap.dtype == np.float32
    agree(found, wanted, tall, 1e-3)
    nested, _ = by_gpu_engine(STACK[None], None, ra.ADMM(lam=np.full((1, 3, 1, 1), 0.15)))
    assert nested.low_rank.shape == (1, 3, 24, 40)
    assert nested.rank.shape == (1, 3)
    seen = []
    stopped, _ = by_gpu_engine(STACK, None, ra.InexactALM(), callback=lambda p: seen.append(p.n_iter) or p.n_iter == 4)
    assert stopped.n_iter.tolist() == [4, 4, 4]
    assert seen[:4] == [1, 2, 3, 4]


def test_the_gpu_engine_starts_from_an_earlier_answer():
    easy = np.stack([sum(planted(40, 60, rank=2, seed=seed)) for seed in range(3)])
    observed = observe(easy)
    unit, request = power_of_two(observed.largest()), Request(1e-6, 400, keep_dual=True)
    first = gpu.run(observed, unit, ra.ADMM(), None, request)
    assert gpu.run(observed, unit, ra.ADMM(), first, request).n_iter.max() <= 5


def test_the_subspace_route_finds_what_the_full_one_finds(monkeypatch):
    monkeypatch.setattr(gpu, "GRAM_SIDE", 30)
    low_rank, sparse = planted(90, 120, rank=6)
    for solver in (ra.InexactALM(), ra.ADMM()):
        found, wanted = by_gpu_engine(low_rank + sparse, None, solver)
        assert np.linalg.norm(found.low_rank - wanted.low_rank) < 1e-6 * np.linalg.norm(low_rank)
        assert found.rank == wanted.rank == 6


def test_a_missed_singular_value_is_caught_and_put_right(monkeypatch):
    monkeypatch.setattr(gpu, "GRAM_SIDE", 30)

    def blind(self, argument, mu):
        """Looks for two directions and never for more."""
        u, s, vt = np.linalg.svd(argument[0], full_matrices=False)
        left = np.maximum(s[:2] - 1 / mu[0, 0, 0], 0)
        return gpu_spectral.Thresholded(((u[:, :2] * left) @ vt[:2])[None], left[None])

    monkeypatch.setattr(gpu_spectral.SubspaceThreshold, "__call__", blind)
    low_rank, sparse = planted(90, 120, rank=6)
    found, wanted = by_gpu_engine(low_rank + sparse, None, ra.InexactALM())
    assert found.rank == wanted.rank == 6
    agree(found, wanted, low_rank, 1e-9)


def test_shifted_cholesky_qr_is_orthonormal_even_when_columns_are_nearly_dependent():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 12)) * 10.0 ** rng.uniform(-9, 9, 12)
    x[:, 5] = x[:, 4] * (1 + 1e-5) + 1e-4 * np.abs(x[:, 4]).max() * rng.standard_normal(200)
    q = gpu_spectral._orthonormal(np, x)
    np.testing.assert_allclose(q.T @ q, np.eye(12), atol=1e-10)
    left = np.linalg.norm(x - q @ (q.T @ x), axis=0)
    assert (left <= 1e-8 * np.linalg.norm(x, axis=0)).all()
    assert np.isfinite(gpu_spectral._orthonormal(np, np.zeros((9, 3)))).all()


def test_without_cupy_one_sentence_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ImportError, match=r"rpca-affect\[gpu\]"):
        gpu.namespace()


def test_importing_the_core_imports_no_other_array_library():
    import subprocess
    import sys

    code = (
        "import rpca_affect, sys; rpca_affect.solve([[1., 2.], [3., 4.]]); "
        "print({'torch', 'cupy', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
