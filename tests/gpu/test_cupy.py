"""The laws and the agreement of backends on a real GPU: `make gpu-check`, or `pytest -m gpu`."""

import numpy as np
import pytest

import rpca_affect as ra
from rpca_affect import metrics
from rpca_affect.engine import gpu, gpu_kernels

pytestmark = pytest.mark.gpu

rng = np.random.default_rng(0)
LOW = rng.standard_normal((5, 60, 2)) @ rng.standard_normal((5, 2, 40))
SPARSE = np.where(rng.random(LOW.shape) < 0.05, rng.choice([-6.0, 6.0], LOW.shape), 0.0)
STACK = LOW + SPARSE
KNOWN = rng.random(LOW.shape) > 0.05
CALLS = {
    "ialm": {"solver": "ialm"},
    "admm": {"solver": "admm"},
    "admm-noise": {"solver": "admm", "noise": 0.05},
    "admm-frames": {"solver": "admm", "sparse": "frames"},
    "godec": {"solver": "godec", "rank": 2, "cardinality": int((SPARSE[0] != 0).sum()), "random_state": 0},
    "altproj": {"solver": "altproj", "rank": 2},
    "auto": {},
}
every_call = pytest.mark.parametrize("name", CALLS)
every_shape = pytest.mark.parametrize("shape", ["matrix", "stack"])


@pytest.fixture(scope="module")
def cp():
    try:
        return gpu.namespace()
    except ImportError as error:
        pytest.skip(str(error))


def pick(shape):
    return (STACK, KNOWN) if shape == "stack" else (STACK[0], KNOWN[0])


@every_call
@every_shape
@pytest.mark.parametrize("masked", [False, True], ids=["full", "masked"])
def test_agrees_with_numpy_to_1e_9(cp, name, shape, masked):
    data, known = pick(shape)
    mask = known if masked else None
    options = {"tol": 1e-5, "max_iter": 200}
    wanted = ra.solve(data, mask=mask, **CALLS[name], **options)
    given = cp.asarray(data)
    found = ra.solve(given, mask=None if mask is None else cp.asarray(mask), **CALLS[name], **options)
    for part in ("low_rank", "sparse", "noise"):
        x = getattr(found, part)
        assert type(x) is type(given)
        assert x.device == given.device
        assert x.dtype == given.dtype
        assert np.linalg.norm(cp.asnumpy(x) - getattr(wanted, part)) <= 1e-9 * np.linalg.norm(data)
    assert np.array_equal(np.asarray(cp.asnumpy(found.n_iter)), np.asarray(wanted.n_iter))
    assert bool((given == cp.asarray(data)).all())


@every_call
@every_shape
def test_single_precision_agrees_to_1e_3(cp, name, shape):
    data, _ = pick(shape)
    found = ra.solve(cp.asarray(data, dtype=cp.float32), **CALLS[name])
    wanted = ra.solve(data, **CALLS[name])
    assert found.low_rank.dtype == cp.float32
    assert np.linalg.norm(cp.asnumpy(found.low_rank) - wanted.low_rank) <= 1e-3 * np.linalg.norm(data)


@pytest.mark.parametrize("name", ["ialm", "admm", "admm-noise"])
@every_shape
def test_no_array_travels_to_the_host_and_few_numbers_do(cp, name, shape, monkeypatch):
    data, known = pick(shape)
    given, mask = cp.asarray(data), cp.asarray(known)
    ra.solve(given, mask=mask, **CALLS[name])  # kernels are compiled now
    moved = []
    original = cp.ndarray.get

    def counted(self, *args, **options):
        moved.append(self.size)
        return original(self, *args, **options)

    monkeypatch.setattr(cp.ndarray, "get", counted)
    monkeypatch.setattr(cp, "asnumpy", lambda *args, **options: pytest.fail("cupy.asnumpy inside a solve"))
    split = ra.solve(given, mask=mask, **CALLS[name])
    monkeypatch.undo()
    steps = int(np.max(cp.asnumpy(split.n_iter)))
    assert max(moved, default=0) <= 2 * (steps + gpu.CHECK_EVERY)  # the course of error and penalty, once
    assert len(moved) <= 3 * (steps // gpu.CHECK_EVERY + 1) + 40


def test_noise_metrics_and_estimator_stay_on_the_device(cp):
    given = cp.asarray(STACK[0])
    assert isinstance(ra.noise_level(given), cp.ndarray)
    np.testing.assert_allclose(cp.asnumpy(ra.noise_level(given)), ra.noise_level(STACK[0]), rtol=1e-9)
    error = metrics.relative_error(cp.asarray(LOW[0]), ra.solve(given, "ialm").low_rank)
    assert float(error) < 1e-5


@pytest.mark.parametrize("dtype, bound", [("float64", 1e-12), ("float32", 1e-4)])
@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("slack", [False, True])
def test_fused_kernels_do_what_the_array_code_does(cp, dtype, bound, seen, slack):
    draw = np.random.default_rng(3)
    shape, per = (3, 8, 20), (3, 1, 1)
    values, argument, base = (draw.standard_normal(shape).astype(dtype) for _ in range(3))
    mask = draw.random(shape) > 0.2 if seen else None
    weight = draw.random((1, 8, 1)) if slack else None
    numbers = [draw.uniform(0.5, 1.5, per) for _ in range(3)]
    relax, frozen = np.full(per, 1.6), np.array([False, True, False]).reshape(per)
    host = gpu_kernels.Cells(values, argument, base, mask, weight, *numbers)
    device = gpu_kernels.Cells(*(None if x is None else cp.asarray(x) for x in host))
    for function in (gpu_kernels.violated_square, gpu_kernels.held_square):
        np.testing.assert_allclose(cp.asnumpy(function(device)), function(host), rtol=bound)
    found = gpu_kernels.advanced(device, cp.asarray(relax), cp.asarray(frozen))
    np.testing.assert_allclose(cp.asnumpy(found), gpu_kernels.advanced(host, relax, frozen), atol=bound)


def test_change_of_units_and_permutation_commute_with_the_solve(cp):
    given = cp.asarray(STACK)
    one, other = ra.solve(given, "admm"), ra.solve(given * 2.0**300, "admm")
    assert bool((one.low_rank * 2.0**300 == other.low_rank).all())
    order = cp.asarray(np.random.default_rng(1).permutation(60))
    moved = ra.solve(given[:, order], "admm")
    assert float(cp.linalg.norm(moved.low_rank - one.low_rank[:, order])) <= 1e-6 * float(cp.linalg.norm(given))


def test_a_clip_of_a_stack_is_that_clip_alone(cp):
    together = ra.solve(cp.asarray(STACK), "admm")
    for i in range(len(STACK)):
        alone = ra.solve(cp.asarray(STACK[i]), "admm")
        assert float(cp.linalg.norm(together.low_rank[i] - alone.low_rank)) <= 1e-9 * np.linalg.norm(STACK[i])


def test_the_subspace_route_is_certified_and_right(cp, monkeypatch):
    monkeypatch.setattr(gpu, "GRAM_SIDE", 64)
    draw = np.random.default_rng(2)
    low_rank = draw.standard_normal((300, 10)) @ draw.standard_normal((10, 400))
    data = low_rank + np.where(draw.random((300, 400)) < 0.05, draw.uniform(-5, 5, (300, 400)), 0)
    found = ra.solve(cp.asarray(data), "ialm")
    assert np.linalg.norm(cp.asnumpy(found.low_rank) - low_rank) <= 1e-5 * np.linalg.norm(low_rank)
    assert found.rank == 10
