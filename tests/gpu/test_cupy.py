"""The laws and the agreement of backends on a real GPU: `make gpu-check`, or `pytest -m gpu`."""

import numpy as np
import pytest

import rpca_affect as ra
from rpca_affect import metrics
from rpca_affect.engine import gpu
from rpca_affect.engine.cells import gpu as gpu_kernels
from rpca_affect.engine.spectrum import gpu as gpu_spectral

# What CuPy and the driver may warn of on some machine is no failure of these laws.
pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

rng = np.random.default_rng(0)
LOW = rng.standard_normal((5, 60, 2)) @ rng.standard_normal((5, 2, 40))
OUTLIERS = 120  # in every clip, for the solver that wants to be told
SPARSE = np.zeros((5, 60 * 40))
for clip in SPARSE:
    clip[rng.choice(clip.size, OUTLIERS, replace=False)] = rng.choice([-6.0, 6.0], OUTLIERS)
SPARSE = SPARSE.reshape(LOW.shape)
STACK = LOW + SPARSE
KNOWN = rng.random(LOW.shape) > 0.05
CALLS = {
    "ialm": {"solver": "ialm"},
    "admm": {"solver": "admm"},
    "admm-noise": {"solver": "admm", "noise": 0.05},
    "admm-frames": {"solver": "admm", "sparse": "frames"},
    "godec": {"solver": "godec", "rank": 2, "cardinality": OUTLIERS, "random_state": 0},
    "altproj": {"solver": "altproj", "rank": 2},
    "auto": {},
}
COMMON = {"tol": 1e-5, "max_iter": 200}  # the same steps give the same answer, wherever they end
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
    wanted = ra.solve(data, mask=mask, **CALLS[name], **COMMON)
    given = cp.asarray(data)
    found = ra.solve(given, mask=None if mask is None else cp.asarray(mask), **CALLS[name], **COMMON)
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
    found = ra.solve(cp.asarray(data, dtype=cp.float32), **CALLS[name], **COMMON)
    wanted = ra.solve(data, **CALLS[name], **COMMON)
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


OPTIONS = {
    "a mask and noise from the host": {"solver": "admm", "mask": KNOWN[0], "noise": np.full(40, 0.05)},
    "noise by itself, in frames": {"sparse": "frames", "noise": "auto"},
    "own weights": {"solver": ra.ADMM(lam=0.2, mu=0.5, head_start=False)},
    "factors": {"solver": "ialm", "factored": True, "keep_dual": True},
    "stopped": {"solver": "admm", "callback": lambda progress: progress.n_iter == 7},
    "half a recording missing": {"solver": "admm", "mask": np.arange(60)[:, None] % 2 == 0},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_answers_as_numpy_does(cp, name):
    options = {**COMMON, **OPTIONS[name]}
    found, wanted = ra.solve(cp.asarray(STACK[0]), **options), ra.solve(STACK[0], **options)
    assert found.n_iter == wanted.n_iter
    assert found.rank == wanted.rank
    pairs = [(found.sparse, wanted.sparse), (found.noise, wanted.noise)]
    if wanted.dual is not None:
        pairs.append((found.dual, wanted.dual))
    if wanted.factors is None:
        pairs.append((found.low_rank, wanted.low_rank))
    else:
        pairs.append((found.factors.matrix(), wanted.factors.matrix()))
    for ours, theirs in pairs:
        assert isinstance(ours, cp.ndarray)
        assert np.linalg.norm(cp.asnumpy(ours) - theirs) <= 1e-8 * np.linalg.norm(STACK[0])


def test_inputs_of_every_kind_and_earlier_answers(cp):
    given = cp.asarray(STACK)
    clips = [given[0], given[1, :50], given[2, :37]]
    assert ra.solve(clips, "admm").low_rank.shape == (3, 60, 40)
    holes = cp.where(cp.asarray(KNOWN), given, cp.nan)
    assert bool(cp.isfinite(ra.solve(holes).low_rank).all())
    assert ra.solve(cp.arange(60).reshape(12, 5), "ialm").low_rank.dtype == cp.float64
    assert ra.solve(given.astype(cp.float16)[0], "ialm").low_rank.dtype == cp.float32
    assert ra.solve(given.transpose(0, 2, 1)[:, ::2], "admm").converged
    nested = ra.solve(given[:4].reshape(2, 2, 60, 40), "admm", lam=cp.full((2, 2, 1, 1), 0.15), keep_dual=True)
    assert nested.rank.shape == (2, 2)
    again = ra.solve(given[:4].reshape(2, 2, 60, 40), "admm", lam=cp.full((2, 2, 1, 1), 0.15), init=nested)
    assert int(again.n_iter.max()) <= 5
    assert [split.rank for split in ra.lambda_path(given[0], [0.1, 0.2])][-1] >= 1
    assert bool((ra.solve(cp.zeros((6, 4)), "admm").low_rank == 0).all())
    with pytest.raises(ValueError, match="inf"):
        ra.solve(cp.asarray([[1.0, cp.inf], [2.0, 3.0]]))


def test_noise_metrics_and_estimator_stay_on_the_device(cp):
    given = cp.asarray(STACK[0])
    assert isinstance(ra.noise_level(given), cp.ndarray)
    np.testing.assert_allclose(cp.asnumpy(ra.noise_level(given)), ra.noise_level(STACK[0]), rtol=1e-9)
    error = metrics.relative_error(cp.asarray(LOW[0]), ra.solve(given, "ialm").low_rank)
    assert float(error) < 1e-5
    ours, theirs = ra.RobustPCA().fit(given), ra.RobustPCA().fit(STACK[0])
    for name in ("low_rank_", "sparse_", "components_", "mean_"):
        assert isinstance(getattr(ours, name), cp.ndarray)
    unseen = cp.asarray(STACK[1])
    assert isinstance(ours.transform(unseen), cp.ndarray)
    back = ours.inverse_transform(ours.transform(unseen)), theirs.inverse_transform(theirs.transform(STACK[1]))
    assert np.linalg.norm(cp.asnumpy(back[0]) - back[1]) <= 1e-6 * np.linalg.norm(STACK[1])


@pytest.mark.parametrize("dtype, bound", [("float64", 1e-12), ("float32", 1e-4)])
@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("slack", [False, True])
@pytest.mark.parametrize("shape", [(3, 8, 20), (1, 70, 900), (40, 1, 3)])
def test_fused_kernels_do_what_the_array_code_does(cp, dtype, bound, seen, slack, shape):
    draw = np.random.default_rng(3)
    per = (shape[0], 1, 1)
    values, argument, base = (draw.standard_normal(shape).astype(dtype) for _ in range(3))
    mask = draw.random(shape) > 0.2 if seen else None
    weight = draw.random((1, shape[1], 1)) if slack else None
    numbers = [draw.uniform(0.5, 1.5, per) for _ in range(3)]
    relax, frozen = np.full(per, 1.6), draw.random(per) < 0.4
    host = gpu_kernels.Cells(values, argument, base, mask, weight, *numbers)
    device = gpu_kernels.Cells(*(None if x is None else cp.asarray(x) for x in host))
    for function in (gpu_kernels.violated_square, gpu_kernels.held_square):
        np.testing.assert_allclose(cp.asnumpy(function(device)), function(host), rtol=bound)
    found = gpu_kernels.advanced(device, cp.asarray(relax), cp.asarray(frozen))
    assert found is device.argument
    np.testing.assert_allclose(cp.asnumpy(found), gpu_kernels.advanced(host, relax, frozen), atol=bound)


@pytest.mark.parametrize("shape", [(1, 30, 50), (7, 16, 40), (5, 40, 60)])
def test_eigenproblems_of_one_and_of_many_matrices_agree_with_numpy(cp, shape, monkeypatch):
    monkeypatch.setattr(gpu_spectral, "TOGETHER", 3000)  # the stacks are cut in parts
    x = np.random.default_rng(4).standard_normal(shape)
    power, vectors = (cp.asnumpy(part) for part in gpu_spectral.eigen(cp, gpu_spectral.gram(cp, cp.asarray(x))))
    square = gpu_spectral.gram(np, x)
    np.testing.assert_allclose(power, np.linalg.eigvalsh(square), rtol=1e-9)
    np.testing.assert_allclose((vectors * power[:, None, :]) @ vectors.swapaxes(-1, -2), square, atol=1e-9)
    top = gpu_spectral.largest(cp, cp.asarray(square))
    np.testing.assert_allclose(cp.asnumpy(top)[:, 0, 0], power[:, -1], rtol=1e-9)


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
