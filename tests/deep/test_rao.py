"""RAO is AdamW at alpha = 1, leans on the dominant subspace otherwise, and survives being saved."""

import copy
import math

import pytest
import torch

from rpca_affect.deep.rao import RAO


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))


def run(model, optimizer, steps=25, start=0):
    for step in range(start, start + steps):
        g = torch.Generator().manual_seed(step)
        x, y = torch.randn(8, 12, generator=g), torch.randn(8, 3, generator=g)
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("weight_decay", [0.0, 0.05])
def test_alpha_one_is_adamw_to_the_last_bit(weight_decay):
    ours, theirs = network(), network()
    a = run(ours, RAO(ours.parameters(), lr=3e-3, weight_decay=weight_decay, alpha=1.0))
    b = run(theirs, torch.optim.AdamW(theirs.parameters(), lr=3e-3, weight_decay=weight_decay))
    assert all(torch.equal(x, y) for x, y in zip(a, b))


def test_adaptive_alpha_differs_from_adamw_and_keeps_vectors_as_they_are():
    ours, theirs = network(), network()
    g = torch.Generator().manual_seed(0)
    grads = [[torch.randn(p.shape, generator=g) for p in ours.parameters()] for _ in range(30)]
    for model, optimizer in (
        (ours, RAO(ours.parameters(), alpha=0.2)),
        (theirs, torch.optim.AdamW(theirs.parameters())),
    ):
        for grad in grads:
            for p, d in zip(model.parameters(), grad):
                p.grad = d.clone()
            optimizer.step()
    same = [torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters())]
    # weight 16 x 12, bias 16, weight 3 x 16 (no more rows than the rank), bias 3
    assert same == [False, True, True, True]


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (10, 3, 5)])
def test_the_step_follows_the_smooth_part_plus_alpha_of_the_rest(shape):
    """A momentum of rank 4 is all smooth: alpha changes nothing. A full-rank one is projected, as the SVD says."""
    torch.manual_seed(1)
    flat = (shape[0], math.prod(shape[1:]))
    smooth = (torch.randn(flat[0], 4) @ torch.randn(4, flat[1])).reshape(shape)
    moved = {}
    for alpha in (1.0, 0.0):
        p = torch.nn.Parameter(torch.zeros(shape))
        optimizer = RAO([p], lr=1.0, weight_decay=0.0, alpha=alpha)
        p.grad = smooth.clone()
        optimizer.step()
        moved[alpha] = p.detach().clone()
    torch.testing.assert_close(moved[0.0], moved[1.0], rtol=1e-2, atol=1e-2)

    p = torch.nn.Parameter(torch.zeros(shape))
    optimizer = RAO([p], lr=1.0, betas=(0.0, 0.0), eps=1e-12, weight_decay=0.0, alpha=0.0, every=1)
    strong = smooth * 10 + torch.randn(shape)
    for _ in range(8):  # the same gradient again and again: the subspace converges
        before = p.detach().clone()
        p.grad = strong.clone()
        optimizer.step()
    u, s, vh = torch.linalg.svd(strong.reshape(flat), full_matrices=False)
    expected = ((u[:, :4] * s[:4]) @ vh[:4]).reshape(shape) / strong.abs()
    torch.testing.assert_close(before - p.detach(), expected, rtol=2e-2, atol=2e-2)


def test_alpha_falls_when_the_spectrum_spreads_and_rises_when_it_concentrates():
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.zeros(40, 24))
    optimizer = RAO([p], betas=(0.0, 0.999), every=1)

    def feed(rank, steps):
        for _ in range(steps):
            p.grad = torch.randn(40, rank) @ torch.randn(rank, 24)
            optimizer.step()
        return optimizer.diagnostics()[0]

    settled = feed(2, 30)
    assert 1 <= settled["effective_rank"] <= 2.5
    spread = feed(24, 1)
    assert spread["effective_rank"] > 8 and spread["alpha"] < 0.5
    feed(24, 40)
    assert feed(2, 1)["alpha"] > 1


def test_resuming_from_a_state_dict_is_exact():
    whole = network()
    expected = run(whole, RAO(whole.parameters(), every=3), steps=20)
    first = network()
    optimizer = RAO(first.parameters(), every=3)
    run(first, optimizer, steps=9)
    saved = copy.deepcopy((first.state_dict(), optimizer.state_dict()))
    second = network()
    second.load_state_dict(saved[0])
    resumed = RAO(second.parameters(), every=3)
    resumed.load_state_dict(saved[1])
    actual = run(second, resumed, steps=11, start=9)
    assert all(torch.equal(a, b) for a, b in zip(expected, actual))


def test_closure_zero_gradient_and_bad_numbers():
    p = torch.nn.Parameter(torch.ones(8, 8))
    optimizer = RAO([p], weight_decay=0.0)

    def closure():
        optimizer.zero_grad()
        loss = (p * 0).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 0
    assert torch.isfinite(p).all()
    for bad in ({"lr": -1.0}, {"betas": (1.0, 0.9)}, {"rank": 0}, {"every": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            RAO([p], **bad)
