"""DDM's shrinkage: the compiled form is torch's, values and gradients, whatever the frames hold."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.deep import shrinkage
from rpca_affect.engine import jit

NAMES = ("argument", "base", "level", "weight", "numbers")


def problem(seed, shape, numbers, missing, dtype=torch.float64):
    """Arguments that need a gradient, and a mask; some frames are empty, some bases zero."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda *size: torch.randn(*size, generator=g, dtype=torch.float64)  # noqa: E731
    argument, base, level = draw(*shape), draw(*shape), draw(*shape[:-1], 1).abs() + 0.01
    base[:, ::3], argument[:, 1::4] = 0, 0
    mask = torch.rand(shape, generator=g) >= missing
    given = (argument, base, level, draw(shape[-1]).exp(), torch.tensor(numbers))
    return [x.to(dtype).requires_grad_() for x in given], mask if missing else None


@pytest.mark.skipif(not jit.available(), reason="needs numba")
@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 6)),
    st.tuples(st.floats(-0.5, 0.5), st.sampled_from([0.0, 0.5, 3.0]), st.sampled_from([0.0, 0.3, 2.0])),
    st.sampled_from([0.0, 0.3]),
)
def test_compiled_form_is_torchs(seed, shape, numbers, missing):
    given, mask = problem(seed, shape, numbers, missing)
    forms = (shrinkage._Shrink.apply, shrinkage._in_torch)
    argument, base, level, *others = given
    zero, nothing = (form(argument, base, 0 * level, *others, mask) for form in forms)  # a kink: values only
    torch.testing.assert_close(zero, nothing, rtol=1e-10, atol=1e-12)
    compiled, plain = (form(*given, mask) for form in forms)
    torch.testing.assert_close(compiled, plain, rtol=1e-10, atol=1e-12)
    up = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found, wanted = (torch.autograd.grad((out * up).sum(), given) for out in (compiled, plain))
    for name, a, b in zip(NAMES, found, wanted):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9, msg=lambda text, name=name: f"{name}: {text}")


def test_what_is_no_number_stays_none():
    (argument, base, level, weight, numbers), _ = problem(0, (1, 6, 4), (0.0, 0.5, 0.0), 0.0)
    numbers = numbers.detach()
    argument.data[0, [2, 3], 1] = float("nan")  # with a base, and without one
    for numbers[2] in (0.0, 0.2):
        out = shrinkage.sparse_group_shrink(argument, base, level, weight, numbers)
        assert out[0, [2, 3], 1].isnan().all() and not out[0, [0, 1, 4, 5]].isnan().any()


@pytest.mark.parametrize("form", ["compiled", "torch"])
def test_gradient_is_that_of_the_values(form, monkeypatch):
    if form == "torch":
        monkeypatch.setattr(jit, "available", lambda: False)
    given, mask = problem(3, (2, 7, 4), (0.2, 0.7, 0.3), 0.2)
    assert torch.autograd.gradcheck(lambda *x: shrinkage.sparse_group_shrink(*x, mask), given, eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("last", [1, 5])
def test_precision_stays_and_levels_may_differ_by_cell(dtype, last):
    (argument, base, level, weight, numbers), mask = problem(0, (2, 9, 5), (0.1, 0.5, 0.2), 0.2, dtype)
    level = level.expand(2, 9, last)
    out = shrinkage.sparse_group_shrink(argument, base, level, weight, numbers, mask)
    wanted = shrinkage._in_torch(*(x.double() for x in (argument, base, level, weight, numbers)), mask)
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), wanted, rtol=1e-4, atol=1e-5)
