"""A network that starts as the solver: equality, masks, scale, and that every parameter can learn."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rpca_affect.arrays import Observed
from rpca_affect.cascade import cascade
from rpca_affect.deep import unroll
from rpca_affect.deep.model import LSEF
from rpca_affect.deep.modules import DDM, SEM
from rpca_affect.deep.spectral import spectrum
from rpca_affect.deep.unroll import Unrolled
from rpca_affect.prox import sparse_group_threshold
from rpca_affect.solvers import ADMM, InexactALM

F64 = torch.float64


def planted(batch=3, frames=30, features=12, rank=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=F64)  # noqa: E731
    base = draw(batch, frames, rank) @ draw(batch, rank, features)
    bursts = torch.where(
        torch.rand(batch, frames, features, generator=g) < 0.06, 5 * draw(batch, frames, features), 0.0
    )
    return base, bursts, base + bursts


def classical(solver, x, mask, steps):
    observed = Observed(x if mask is None else torch.where(mask, x, 0.0), mask)
    solver = solver.tuned(observed)
    state = solver.init(observed)
    for _ in range(steps):
        state = solver.step(observed, state)
    return state


def train_a_little(network, seed=0):
    """Move every parameter away from its classical value."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.1 * torch.rand(p.shape, generator=g, dtype=p.dtype)
    return network


@pytest.mark.parametrize("solver", [InexactALM(), ADMM(), InexactALM(growth=1.2, lam=0.2), ADMM(slack=0.1)])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("options", [{}, {"n_features": 12, "filter_width": 5}])
def test_untrained_network_is_the_classical_solver(solver, missing, options):
    _, _, x = planted()
    mask = None if not missing else torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) > missing
    network = Unrolled(8, solver=solver, **options).double()
    stages = network(x, mask)
    state = classical(solver, x, mask, 8)
    size = x.norm()
    assert (stages.base - state.low_rank).norm() / size < 1e-10
    assert (stages.transient - state.sparse).norm() / size < 1e-10


@pytest.mark.parametrize("solver", [InexactALM(), ADMM(slack=0.1)])
def test_a_step_that_nobody_judges_makes_the_same_parts(solver):
    _, _, x = planted()
    observed = Observed(x)
    solver = solver.tuned(observed)
    state = solver.step(observed, solver.init(observed))
    judged, unjudged = solver.step(observed, state), solver.step(observed, state, judged=False)
    for name in ("argument", "low_rank", "sparse", "dual", "mu"):
        assert torch.equal(getattr(judged, name), getattr(unjudged, name)), name
    assert unjudged.noise is state.noise and unjudged.error is state.error


@pytest.mark.parametrize("frames", [8, 30])
def test_largest_singular_values_are_found_once_and_are_torchs(frames, monkeypatch):
    _, _, x = planted(frames=frames)
    counted = []
    monkeypatch.setattr(unroll, "spectrum", lambda values: counted.append(1) or spectrum(values))
    top = torch.linalg.matrix_norm(x, 2, keepdim=True)
    batch = unroll._Batch(x)
    torch.testing.assert_close(batch.spectral_norm(), top, rtol=1e-12, atol=0)
    Unrolled(2).double()(x)
    assert len(counted) == 2
    single = Observed(x)
    assert single.spectral_norm() is single.spectral_norm()


def test_one_sequence_of_a_batch_is_the_same_alone():
    _, _, x = planted()
    network = train_a_little(Unrolled(4, 12, filter_width=3).double())
    together, alone = network(x), network(x[1:2])
    torch.testing.assert_close(together.base[1:2], alone.base, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("solver", [InexactALM(), ADMM()])
def test_what_is_masked_has_exactly_no_influence(solver):
    _, _, x = planted()
    frames = torch.ones(3, 30, dtype=torch.bool)
    frames[0, 22:], frames[1, 5:9], frames[2, ::4] = False, False, False
    network = train_a_little(Unrolled(4, 12, solver, filter_width=5).double())
    x.requires_grad_()
    stages = network(x, frames)
    for value in (1e9, float("nan"), float("inf")):
        other = network(torch.where(frames[..., None], x, value), frames)
        assert torch.equal(stages.base, other.base) and torch.equal(stages.transient, other.transient)
    assert (stages.base[~frames] == 0).all() and (stages.transient[~frames] == 0).all()
    (grad,) = torch.autograd.grad(stages.base.sum() + stages.transient.square().sum(), x)
    assert (grad[~frames] == 0).all() and torch.isfinite(grad).all() and (grad[frames] != 0).any()


@pytest.mark.parametrize("solver", [InexactALM(), ADMM()])
@pytest.mark.parametrize("pad", [1, 17])
def test_padding_has_no_influence(solver, pad):
    _, _, x = planted()
    network = train_a_little(Unrolled(4, 12, solver, filter_width=5).double())
    longer = torch.cat([x, torch.full((3, pad, 12), 7.0, dtype=F64)], 1)
    mask = torch.arange(30 + pad) < 30
    stages, padded = network(x), network(longer, mask.expand(3, -1))
    torch.testing.assert_close(padded.base[:, :30], stages.base, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(padded.transient[:, :30], stages.transient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-4, 0.3, 1e4])
@pytest.mark.parametrize("masked", [False, True])
def test_scale(scale, masked):
    base, _, x = planted()
    mask = torch.rand(3, 30, generator=torch.Generator().manual_seed(2)) > 0.2 if masked else None
    for solver in (InexactALM(), ADMM()):
        network = train_a_little(Unrolled(4, 12, solver, filter_width=5).double())
        a, b = network(scale * x, mask), network(x, mask)
        torch.testing.assert_close(a.base / scale, b.base, rtol=1e-8, atol=1e-9)
        torch.testing.assert_close(a.transient / scale, b.transient, rtol=1e-8, atol=1e-9)
    sem, ddm = train_a_little(SEM(12, 3).double()), train_a_little(DDM(12).double())
    torch.testing.assert_close(sem(scale * x, mask) / scale, sem(x, mask), rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(ddm(scale * x, scale * base, mask) / scale, ddm(x, base, mask), rtol=1e-8, atol=1e-9)


def test_every_parameter_gets_a_gradient_at_the_classical_start():
    base, _, x = planted()
    network = Unrolled(4, 12, ADMM(), filter_width=3).double()
    stages = network(x)
    ((stages.base - base).square().sum() + stages.transient.square().sum()).backward()
    unused = {"log_share", "log_sigmas"}  # only where a module is used alone
    parameters = {n: p for n, p in network.named_parameters() if n.split(".")[-1] not in unused}
    for name, p in parameters.items():
        assert p.grad is not None and torch.isfinite(p.grad).all(), name
    dead = [n for n, p in parameters.items() if (p.grad == 0).all()]
    assert not dead
    # Relaxation acts after the parts of its stage are formed, so the last one has nothing to do.
    assert (network.relax.grad != 0).tolist() == [True, True, True, False]


def test_gradient_through_all_stages_is_the_difference_quotient():
    _, _, x = planted(batch=1, frames=9, features=5)
    network = train_a_little(Unrolled(3, 5, filter_width=3).double())
    weight = torch.randn(2, 1, 9, 5, dtype=F64)

    def loss():
        stages = network(x)
        return (weight[0] * stages.base).sum() + (weight[1] * stages.transient).sum()

    loss().backward()
    for p in (network.log_growth, network.sem[1].firmness, network.ddm[1].gate, network.sem[0].kernel):
        way = torch.randn_like(p)
        values = []
        for h in (1e-6, -1e-6):
            with torch.no_grad():
                p += h * way
                values.append(loss().item())
                p -= h * way
        expected = (values[0] - values[1]) / 2e-6
        np.testing.assert_allclose((p.grad * way).sum().item(), expected, rtol=1e-4, atol=1e-6)


def test_a_few_steps_of_training_beat_the_classical_iteration_at_the_same_depth():
    base, _, x = planted(batch=16)
    network = Unrolled(3, solver=InexactALM()).double()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.05)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = (network(x).base - base).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_modules_alone():
    base, _, x = planted()
    untrained = DDM().double()
    with torch.no_grad():
        untrained.group.fill_(0.5)
    level = torch.full((3, 1, 1), 0.8, dtype=F64)
    expected = sparse_group_threshold(x, 0.8, 0.5 * 0.8 * 12**0.5)
    torch.testing.assert_close(untrained.shrink(x, level, base), expected)
    assert torch.linalg.matrix_rank(SEM().double()(x)).max() < 12
    zero = torch.zeros(2, 5, 4)
    assert (SEM()(zero) == 0).all() and (DDM()(zero, zero) == 0).all()
    assert (Unrolled(3)(zero).base == 0).all()
    with pytest.raises(ValueError, match="odd"):
        SEM(filter_width=4)
    with pytest.raises(ValueError, match="n_stages"):
        Unrolled(0)


def test_all_masked_and_zero_sequences_stay_finite_forward_and_backward():
    x = torch.randn(3, 8, 5)
    mask = torch.ones(3, 8, dtype=torch.bool)
    mask[1] = False
    x[2] = 0
    network = Unrolled(4, 5, filter_width=3)
    stages = network(x, mask)
    (stages.base.sum() + stages.transient.sum() + stages.residual.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    assert (stages.base[1:] == 0).all()


def test_diagnostics():
    _, _, x = planted()
    stages = Unrolled(10)(x.float())
    found = stages.diagnostics()
    assert {name: tuple(v.shape) for name, v in found.items()} == dict.fromkeys(
        ("rank", "sparsity", "residual"), (10, 3)
    )
    assert (found["rank"][-1] <= 2.2).all() and (found["residual"][-1] < 0.05).all()


@pytest.mark.parametrize("widths", [(8, 1), (12, 4, 1)])
def test_untrained_levels_are_the_classical_levels(widths):
    torch.manual_seed(0)
    network = LSEF(6, 3, n_stages=4, widths=widths, track=False).double().eval()
    x = 0.3 * torch.randn(3, 50, 6, dtype=torch.float64).cumsum(1)
    mask = torch.ones(3, 50, dtype=torch.bool)
    mask[1, 40:] = False
    cells = mask[..., None].expand_as(x)

    def split(values, known, width):
        counts = known.double().sum((-2, -1), keepdim=True)
        frames = known.any(-1, keepdim=True).sum(-2, keepdim=True)
        lam = 1 / torch.sqrt(counts / (frames * 6) * frames.clamp_min(6))
        observed = Observed(torch.where(known, values, 0.0), known)
        solver = InexactALM(relax=1.0, lam=lam).tuned(observed)
        state = solver.init(observed)
        for _ in range(4):
            state = solver.step(observed, state)
        return state.low_rank * known.any(-1, keepdim=True), state.sparse, None

    classical = cascade(x, cells, widths, split)
    with torch.no_grad():
        found = network(x, mask)
        longer = network(F.pad(x, (0, 0, 0, 9)), F.pad(mask, (0, 9)))
    assert (found.base - classical.base)[mask].norm() < 1e-10 * x.norm()
    assert (found.stages.transient - classical.transients[-1])[mask].norm() < 1e-10 * x.norm()
    torch.testing.assert_close(longer.prediction, found.prediction, rtol=1e-7, atol=1e-8)


def test_the_prediction_reaches_every_level():
    torch.manual_seed(0)
    model = LSEF(6, 3, widths=(6, 1), track=False, dropout=0.0, split_share=1.0)
    model(torch.randn(2, 40, 6).cumsum(1)).prediction.square().sum().backward()
    for name, parameter in model.slower.named_parameters():
        if name.split(".")[-1] not in {"log_share", "log_sigmas", "relax"}:
            assert parameter.grad.abs().max() > 0, name
    assert model.level_share.grad.abs().max() > 0
    with pytest.raises(ValueError, match="end with 1"):
        LSEF(6, 3, widths=(4, 2))
