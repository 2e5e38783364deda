"""The spectral gradient: right where torch's is defined, finite and right where it is not."""

import pytest
import torch
from torch.autograd import gradcheck

from rpca_affect.deep import parallel, recompose
from rpca_affect.deep.spectral import effective_rank, singular_value_shrink, spectrum, top_singular_value

F64 = torch.float64


@pytest.fixture(params=["compiled", "lapack"], autouse=True)
def way(request, monkeypatch):
    """Small matrices take the compiled form only when told to."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    monkeypatch.setattr(parallel, "FEWEST", 1 if request.param == "compiled" else 2**62)


def with_spectrum(values, m, n, seed=0):
    """A matrix with given singular values."""
    g = torch.Generator().manual_seed(seed)
    u = torch.linalg.qr(torch.randn(m, min(m, n), generator=g, dtype=F64))[0]
    v = torch.linalg.qr(torch.randn(n, min(m, n), generator=g, dtype=F64))[0]
    return (u * torch.tensor(values, dtype=F64)) @ v.mT


def reference(x, level, firmness=0.0):
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    kept = torch.minimum((1 + firmness) * (s - level), s).clamp_min(0)
    return (u * kept.unsqueeze(-2)) @ vh


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 7, 4), (2, 2, 3, 5)])
@pytest.mark.parametrize("firmness", [0.0, 0.7])
def test_gradcheck_away_from_ties(shape, firmness):
    x = torch.randn(*shape, dtype=F64, requires_grad=True)
    level = torch.full((*shape[:-2], 1, 1), 1.1, dtype=F64, requires_grad=True)
    firm = torch.tensor(firmness, dtype=F64, requires_grad=firmness > 0)
    assert gradcheck(singular_value_shrink, (x, level, firm))


def test_gradcheck_with_one_level_per_value_and_with_a_relative_level():
    x = with_spectrum([5.0, 3.0, 2.0, 0.3], 6, 4).requires_grad_()
    weights = torch.tensor([[0.1, 0.4, 0.7, 1.0]], dtype=F64, requires_grad=True)
    assert gradcheck(singular_value_shrink, (x, weights))
    share = torch.tensor(0.45, dtype=F64, requires_grad=True)
    assert gradcheck(lambda a, t: singular_value_shrink(a, t * top_singular_value(a)), (x, share))


@pytest.mark.parametrize("shape", [(8, 5), (5, 8), (3, 9, 4), (2, 2, 12, 20)])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.8])
def test_value_and_gradient_agree_with_autograd_through_the_svd(shape, share):
    x = torch.randn(*shape, dtype=F64, requires_grad=True)
    weight = torch.randn(*shape, dtype=F64)
    level = share * torch.linalg.svdvals(x.detach()).max()
    ours, theirs = singular_value_shrink(x, level), reference(x, level)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    (a,) = torch.autograd.grad((ours * weight).sum(), x)
    (b,) = torch.autograd.grad((theirs * weight).sum(), x)
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_groups_do_not_change_the_answer(share, monkeypatch):
    """A stack goes through the products a few matrices at a time; the last group may be smaller."""
    x = torch.randn(7, 5, 9, dtype=F64, requires_grad=True)
    weight = torch.randn(7, 5, 9, dtype=F64)
    level = share * torch.linalg.svdvals(x.detach())[:, 1].max()
    answers = []
    for size in (1, 3 * x[:1].nbytes, 2**30):
        monkeypatch.setattr(recompose, "GROUP", size)
        out = singular_value_shrink(x, level)
        answers.append((out, *torch.autograd.grad((out * weight).sum(), x)))
    for out, grad in answers[1:]:
        torch.testing.assert_close(out, answers[0][0], rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(grad, answers[0][1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("share", [0.2, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_the_number_of_threads_does_not_change_a_bit(share, dtype):
    x = torch.randn(7, 10, 18, dtype=dtype, requires_grad=True)
    weight = torch.randn(7, 10, 18, dtype=dtype)
    level = share * torch.linalg.svdvals(x.detach())[:, 1].max()
    answers = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        out = singular_value_shrink(x, level)
        answers.append((out, *torch.autograd.grad((out * weight).sum(), x)))
    assert all(torch.equal(a, b) for a, b in zip(*answers))


HARD = {
    "ties above the level": ([3.0, 3.0, 3.0, 1.0], 6, 4),
    "all tied": ([2.0, 2.0, 2.0, 2.0], 6, 4),
    "near ties": ([2.0, 2.0 - 1e-9, 2.0 - 2e-9, 0.5], 4, 6),
    "rank deficient": ([3.0, 2.0, 0.0, 0.0], 6, 4),
    "rank deficient, wide": ([3.0, 0.0, 0.0, 0.0], 4, 9),
    "ties below the level": ([3.0, 0.5, 0.5, 0.5], 5, 4),
    "zero": ([0.0, 0.0, 0.0, 0.0], 5, 4),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("level", [0.0, 0.9])
def test_gradient_is_finite_and_right_where_the_svd_has_none(name, level):
    """Differences of the function itself along random directions, at ties, zeros and rank deficiency."""
    x = with_spectrum(*HARD[name], seed=3).requires_grad_()
    out = singular_value_shrink(x, level)
    for seed in range(3):
        g = torch.Generator().manual_seed(seed)
        weight, way = (torch.randn(x.shape, generator=g, dtype=F64) for _ in range(2))
        (grad,) = torch.autograd.grad((out * weight).sum(), x, retain_graph=True)
        assert torch.isfinite(grad).all()
        h = 1e-6
        ahead, behind = (reference(x.detach() + sign * h * way, level) for sign in (1, -1))
        expected = ((ahead - behind) * weight).sum() / (2 * h)
        torch.testing.assert_close((grad * way).sum(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("per_cell", [False, True])
def test_masked_gradient(per_cell):
    x = torch.randn(2, 7, 4, dtype=F64)
    mask = torch.rand(2, 7, generator=torch.Generator().manual_seed(1)) > 0.4
    if per_cell:
        mask = mask.unsqueeze(-1) & (torch.rand(2, 7, 4, generator=torch.Generator().manual_seed(2)) > 0.2)
    assert gradcheck(lambda a: singular_value_shrink(a, 0.6, mask=mask), x.requires_grad_())
    full = mask.unsqueeze(-1).expand_as(x) if mask.ndim == 2 else mask
    other = torch.where(full, x, torch.full_like(x, float("nan")))
    assert torch.equal(singular_value_shrink(x, 0.6, mask=mask), singular_value_shrink(other, 0.6, mask=mask))
    (grad,) = torch.autograd.grad(singular_value_shrink(x, 0.6, mask=mask).sum(), x)
    assert (grad[~full] == 0).all()
    assert (grad[full] != 0).any()


def test_the_jacobian_is_a_contraction():
    """Thresholding is 1-Lipschitz, so no gradient grows in the backward pass, however close the ties are."""
    for gap in (1e-3, 1e-6, 1e-9, 0.0):
        x = with_spectrum([2.0, 2.0 - gap, 1.0 + gap, 1.0], 6, 4).requires_grad_()
        weight = torch.randn(6, 4, dtype=F64)
        (grad,) = torch.autograd.grad((singular_value_shrink(x, 1.0) * weight).sum(), x)
        assert grad.norm() <= weight.norm() * (1 + 1e-6)


def test_single_precision_keeps_small_values_and_dtype():
    x = with_spectrum([1e4, 1.0, 0.1, 0.01], 40, 4).float().requires_grad_()
    out = singular_value_shrink(x, 0.05)
    assert out.dtype == torch.float32
    expected = reference(x.detach().double(), 0.05)
    assert (out.detach().double() - expected).norm() / expected.norm() < 1e-6
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert torch.isfinite(grad).all() and grad.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_compute_in_single(dtype):
    x = torch.randn(3, 8, 12)
    expected = singular_value_shrink(x.to(dtype).float(), 1.0)
    given = x.to(dtype).requires_grad_()
    out = singular_value_shrink(given, 1.0)
    (grad,) = torch.autograd.grad(out.sum(), given)
    assert torch.equal(out, expected.to(dtype)) and grad.dtype == dtype
    x.requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = singular_value_shrink(x, 1.0)
    assert torch.equal(out, singular_value_shrink(x, 1.0))
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("scale", [1e-30, 1e-4, 1e4, 1e30])
def test_scale(scale):
    x = torch.randn(7, 4, dtype=F64)
    torch.testing.assert_close(
        singular_value_shrink(x * scale, scale), singular_value_shrink(x, 1.0) * scale, rtol=1e-9, atol=1e-9 * scale
    )


def test_spectrum_and_effective_rank():
    x = with_spectrum([3.0, 2.0, 2.0, 0.0], 9, 4)
    torch.testing.assert_close(spectrum(x).values, torch.tensor([3.0, 2, 2, 0], dtype=F64), rtol=0, atol=1e-7)
    assert effective_rank(torch.zeros(3)) == 0
    torch.testing.assert_close(effective_rank(torch.ones(2, 5)), torch.full((2,), 5.0))


def test_a_wrong_mask_is_named():
    x = torch.zeros(2, 5, 3)
    with pytest.raises(ValueError, match=r"one value per frame or per cell"):
        singular_value_shrink(x, 1.0, mask=torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(TypeError, match="booleans"):
        singular_value_shrink(x, 1.0, mask=torch.ones(2, 5))
