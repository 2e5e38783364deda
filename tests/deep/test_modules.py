"""CIM and LSEF: masks, borrowing, bounded influence, every part trainable, results in the units of the input."""

import numpy as np
import pytest
import torch

from rpca_affect.deep import (
    CIM,
    LSEF,
    FeatureScale,
    LSEFLoss,
    LSEFOutput,
    LSEFRegressor,
    SequenceModel,
    build,
    concordance,
    planted_parts,
)
from rpca_affect.deep.batches import collate
from rpca_affect.deep.fusion import borrow

KINDS = ("lsef", "identity", "gru", "tcn", "transformer")


def batch(seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 18, 5, generator=g).cumsum(1)
    mask = torch.ones(3, 18, dtype=torch.bool)
    mask[0, 11:] = False
    mask[1, 4:7] = False
    return x, mask


def predicted(out):
    return out.prediction if isinstance(out, LSEFOutput) else out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("per_frame", [False, True])
def test_masked_and_padded_frames_have_no_influence(kind, per_frame):
    x, mask = batch()
    model = build(kind, 5, 3, per_frame, hidden=8).double().eval()
    x = x.double()
    out = predicted(model(x, mask))
    assert out.shape == ((3, 18, 3) if per_frame else (3, 3))
    for value in (1e6, float("nan")):
        other = predicted(model(torch.where(mask[..., None], x, value), mask))
        observed = mask if per_frame else slice(None)
        assert torch.equal(out[observed], other[observed])
    padded = predicted(model(torch.nn.functional.pad(x, (0, 0, 0, 9)), torch.nn.functional.pad(mask, (0, 9))))
    shorter = predicted(model(x[:1, :11], mask[:1, :11]))
    torch.testing.assert_close(shorter, out[:1, :11] if per_frame else out[:1], rtol=1e-7, atol=1e-8)
    padded = padded[:, :18] if per_frame else padded
    torch.testing.assert_close(padded[observed], out[observed], rtol=1e-7, atol=1e-8)


def test_parts_are_in_the_units_of_the_input():
    x, mask = batch()
    model = LSEF(5, 3, hidden=8, n_stages=12).eval()
    with torch.no_grad():
        plain = model.fit(list(x.numpy()))(x, mask)
        other = model.fit(list((100 + 7 * x).numpy()))(100 + 7 * x, mask)
    torch.testing.assert_close(other.base[mask], (100 + 7 * plain.base)[mask], rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(other.transient[mask], (7 * plain.transient)[mask], rtol=1e-3, atol=1e-2)
    found = other.stages.diagnostics()
    assert found["rank"].shape == (12, 3) and found["residual"][-1].max() < 0.05


@pytest.mark.parametrize("n_stages", [1, 3, 5])
@pytest.mark.parametrize("per_frame", [False, True])
def test_the_prediction_alone_reaches_every_stage(n_stages, per_frame):
    found = planted_parts(8, 40, random_state=1)
    x, mask = (v for v in collate([(s, 0) for s in found.sequences])[0].values())
    model = LSEF(24, 2, per_frame, hidden=8, n_stages=n_stages, filter_width=5, dropout=0.0, split_share=1.0).fit(
        found.sequences
    )
    model(x, mask).prediction[..., 0].square().sum().backward()
    for k in range(n_stages):
        for name in ("log_level", "firmness", "kernel"):
            assert getattr(model.unrolled.sem[k], name).grad.abs().max() > 1e-7, (k, name)
        for name in ("log_level", "firmness", "gate", "coherence"):
            assert getattr(model.unrolled.ddm[k], name).grad.abs().max() > 1e-7, (k, name)
    for name in ("log_sigmas", "log_level", "firmness"):
        assert getattr(model.reading, name).grad.abs().max() > 1e-7, name


def truth(model, found):
    """Cosine of the reported transients with the planted bursts, and the share of their cells that are not zero."""
    parts = [t for _, t in model.split(found.sequences)]
    cosines = [(t * s).sum() / np.linalg.norm(t) / np.linalg.norm(s) for t, s in zip(parts, found.bursts)]
    return np.mean(cosines), np.mean([(t != 0).mean() for t in parts])


def test_reported_transients_stay_true_in_training():
    train, test = planted_parts(24, 60, random_state=0), planted_parts(12, 60, random_state=99)
    untrained = LSEFRegressor(hidden=8, batch_size=8, epochs=0).fit(train.sequences, train.ratings)
    trained = LSEFRegressor(hidden=8, batch_size=8, epochs=8).fit(train.sequences, train.ratings)
    assert trained.score(test.sequences, test.ratings) > untrained.score(test.sequences, test.ratings) + 0.2
    (before, _), (after, density) = truth(untrained, test), truth(trained, test)
    assert before > 0.93 and after > before - 0.005 and density < 0.05


def test_every_parameter_of_lsef_learns():
    x, mask = batch()
    for per_frame, target in ((False, torch.tensor([0, 1, 2])), (True, torch.randn(3, 18, 3))):
        model = LSEF(5, 3, per_frame, hidden=8, filter_width=5, dropout=0.0, split_share=1.0)
        task = "regression" if per_frame else "classification"
        LSEFLoss(task, rank=0.1, sparsity=0.1)(model(x, mask), target, mask).backward()
        for name, p in model.named_parameters():
            if name.split(".")[-1] in {"log_share", "log_sigmas"}:
                continue  # used where a module stands alone
            assert p.grad is not None and torch.isfinite(p.grad).all(), name


def test_one_broken_frame_moves_the_robust_embedding_only_so_far():
    torch.manual_seed(3)
    base = torch.randn(1, 40, 6).cumsum(1)
    transient = torch.zeros_like(base)
    cim = CIM(6, 8).eval()
    plain = CIM(6, 8, robust=False).eval()
    plain.load_state_dict({k: v for k, v in cim.state_dict().items() if k != "log_tolerance"}, strict=False)
    plain.transient_in.load_state_dict({"weight": cim.base_in.weight})
    moved = {}
    for size in (10.0, 1e3, 1e5):
        broken = transient.clone()
        broken[0, 20] = size
        with torch.no_grad():
            moved[size] = (cim(base, broken).embedding - cim(base, transient).embedding).norm()
            trust = cim(base, broken).reliability[0]
    assert trust[20] < 1e-6 and (trust[:20] > 0.99).all()
    assert moved[1e5] < 1.5 * moved[1e3] + 1e-6
    with torch.no_grad():
        broken = base.clone()
        spike = torch.zeros_like(base)
        broken[0, 20], spike[0, 20] = 1e3, 1e3
        robust = (cim(broken, spike).embedding - cim(base, transient).embedding).norm()
        naive = (plain(broken, spike).embedding - plain(base, transient).embedding).norm()
    assert robust < naive


def test_borrowing():
    x = torch.arange(9.0).reshape(1, 9, 1)
    trust = torch.ones(1, 9, 1)
    trust[0, 4] = 0
    frames = torch.ones(1, 9, dtype=torch.bool)
    broken = x.clone()
    broken[0, 4] = 1e6
    torch.testing.assert_close(borrow(broken, trust, frames), x)
    lonely = torch.zeros(1, 9, 1)
    torch.testing.assert_close(borrow(x, lonely, frames), x)


def test_cim_modulation_starts_as_the_identity():
    torch.manual_seed(0)
    base, transient = torch.randn(2, 10, 4), torch.randn(2, 10, 4)
    with_gain = CIM(4, 8).eval()
    without = CIM(4, 8, modulate=False).eval()
    without.load_state_dict({k: v for k, v in with_gain.state_dict().items() if not k.startswith("gain")})
    torch.testing.assert_close(with_gain(base, transient).tokens, without(base, transient).tokens)


def test_robust_cim_reads_the_frame_however_it_is_split():
    torch.manual_seed(0)
    x, share = torch.randn(2, 10, 4), torch.rand(2, 10, 1)
    cim = CIM(4, 8, modulate=False).eval()
    with torch.no_grad():
        cim.log_tolerance.fill_(20.0)  # believe everything
        whole = cim(x, torch.zeros_like(x)).tokens
        parts = cim(x - 1e-3 * share * x, 1e-3 * share * x).tokens  # so small that it is not saturated
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)


def test_transients_that_are_looked_for_start_with_the_weights_of_the_base():
    cim = CIM(4, 8, robust=False)
    assert torch.equal(cim.transient_in.weight, cim.base_in.weight)
    assert cim.transient_in.weight is not cim.base_in.weight


def test_losses():
    truth = torch.tensor([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]])
    assert concordance(truth, truth).tolist() == [1.0, 1.0]
    assert (concordance(torch.zeros(3, 2), truth) == 0).all()
    loss = LSEFLoss("regression")
    assert loss(truth, truth).item() == pytest.approx(0)
    # A frame that is not rated, and a masked one, do not count.
    ratings = torch.stack([truth, truth])
    guess = ratings.clone()
    guess[0, 0] = 99
    unrated = ratings.clone()
    unrated[0, 0] = float("nan")
    assert loss(guess, unrated).item() == pytest.approx(0)
    mask = torch.ones(2, 3, dtype=torch.bool)
    mask[0, 0] = False
    assert loss(guess, ratings, mask).item() == pytest.approx(0)
    assert loss(guess, ratings).item() > 0.1


def test_split_terms_prefer_low_rank_sparse_and_complete():
    x, mask = batch()
    model = LSEF(5, 3, hidden=8, n_stages=2)
    out = model(x, mask)
    assert LSEFLoss(consistency=1.0).split_terms(out.stages).item() == pytest.approx(
        out.stages.residual[-1].square().mean().item(), rel=1e-5
    )
    both = LSEFLoss(consistency=0.0, rank=1.0).split_terms(out.stages)
    assert 1 / 5 <= both <= 1
    assert 0 <= LSEFLoss(consistency=0.0, sparsity=1.0).split_terms(out.stages) <= 1


def test_scaler_ignores_missing_and_constant_features():
    x = [np.array([[1.0, 5.0], [np.nan, 5.0]]), np.array([[3.0, 5.0]])]
    scale = FeatureScale(2).fit(x)
    assert scale.center.tolist() == [2.0, 5.0] and scale.spread.tolist() == [1.0, 1.0]


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="solver"):
        LSEF(4, 2, solver="newton")
    with pytest.raises(ValueError, match="body"):
        SequenceModel("lstm", 4, 2)
    with pytest.raises(ValueError, match="model"):
        build("svm", 4, 2)
    with pytest.raises(ValueError, match=r"sequences, frames, 4"):
        LSEF(4, 2)(torch.zeros(2, 10, 3))
