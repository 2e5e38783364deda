"""Frames set aside before the split: what is recognised, what is left alone, and that what is set aside is gone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rpca_affect.arrays import Observed
from rpca_affect.deep import LSEF, LSEFClassifier, LSEFRegressor, corrupt
from rpca_affect.deep.paths import longest, prices
from rpca_affect.deep.track import Continuity, bridge, repeated
from rpca_affect.engine import jit
from rpca_affect.solvers import InexactALM

BAD = [5, 6, 11, 19, 20, 21, 30]


def walk(frames=40, features=6, seed=0):
    """Smooth sequences around a point far from zero."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(frames, features))
    return torch.as_tensor(3 + 0.1 * steps.cumsum(0) + 0.01 * rng.normal(size=(frames, features)))


def fitted(**options):
    return Continuity(**options).fit([walk(seed=s) for s in range(20)])


def aside(track, x, mask=None):
    kept = track(x[None], None if mask is None else mask[None])[0]
    return (~kept).nonzero().ravel().tolist()


@pytest.mark.parametrize("value", ["zero", "almost zero", "another constant", "spike", "copy of one frame"])
def test_broken_frames_lose_to_the_majority_even_where_they_agree(value):
    x = walk(seed=99)
    noise = torch.as_tensor(np.random.default_rng(1).normal(size=(len(BAD), 6)))
    broken = {
        "zero": torch.zeros(6),
        "almost zero": 0.02 * noise,
        "another constant": torch.full((6,), 7.0),
        "spike": x[BAD] + 5 * noise,
        "copy of one frame": x[0] - 2,
    }
    x[BAD] = broken[value].to(x).expand(len(BAD), 6).clone() if broken[value].ndim == 1 else broken[value]
    assert aside(fitted(), x) == BAD


def test_clean_sequences_are_mostly_left_alone():
    track = fitted()
    kept = [track(walk(seed=s)[None]).double().mean() for s in range(100, 120)]
    assert np.mean(kept) > 0.97


def test_others_may_move_a_little_faster_than_those_in_training():
    faster = [walk(seed=s) * 1.4 for s in range(100, 120)]
    strict, lenient = (np.mean([fitted(margin=m)(x[None]).double().mean() for x in faster]) for m in (1.0, 1.5))
    assert strict < 0.93 and lenient > 0.99


def test_a_cut_in_the_recording_is_followed_and_a_flicker_is_not():
    x = walk(seed=99)
    cut = x.clone()
    cut[20:] += 5
    assert aside(fitted(), cut) == []
    cut[22:] -= 5
    assert aside(fitted(), cut) == [20, 21]


def test_copies_are_set_aside_where_training_has_none():
    x = walk(seed=99)
    x[11:15] = x[10]
    assert aside(fitted(), x) == [11, 12, 13, 14]
    held = [walk(seed=s) for s in range(20)]
    held[3][7] = held[3][6]
    assert aside(Continuity().fit(held), x) == [11, 12, 13, 14]
    for sequence in held:
        sequence[7] = sequence[6]
    assert 11 not in aside(Continuity().fit(held), x)


@pytest.mark.parametrize("seed", range(6))
def test_a_value_that_is_read_again_and_again_is_found_where_it_is_an_ordinary_place(seed):
    rng = np.random.default_rng(seed)
    x, track = walk(seed=100 + seed), fitted()
    place = x[rng.integers(40)] + 0.02 * torch.as_tensor(rng.normal(size=6))  # where the sequence passes through
    lost = np.sort(rng.permutation(40)[:12])
    x[lost] = place
    for shift in (0, -place):  # the same before and after centring, when the lost frames read 0
        believed = set(lost) - set(aside(Continuity().fit([walk(seed=s) + shift for s in range(20)]), x + shift))
        assert believed <= {lost[0]}
    assert set(lost[1:]) <= set(aside(track, x))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.sampled_from([2, 5, 1000]), lost=st.floats(0, 0.4), gaps=st.floats(0, 0.6))
def test_copies_by_the_definition(seed, steps, lost, gaps):
    rng = np.random.default_rng(seed)
    x = np.round(rng.random((25, 3)) * steps) / steps
    x[rng.random(25) < lost] = x[0]
    x[rng.random(x.shape) < gaps] = np.nan
    expected = []
    for t, frame in enumerate(x):
        copies = [k for k in range(25) if np.array_equal(x[k], frame, equal_nan=True)]
        others, known = np.delete(x, copies, axis=0), np.isfinite(frame)
        counts = [max(np.isfinite(others[:, j]).sum(), 1) for j in np.flatnonzero(known)]
        shares = [(others[:, j] == frame[j]).sum() / n for j, n in zip(np.flatnonzero(known), counts)]
        ordinary = np.mean(np.array(shares) > 0.01) > 0.5 if known.any() else True
        expected.append(copies[0] < t and not ordinary)
    assert repeated(x).tolist() == expected


def test_what_repeats_by_nature_is_no_copy():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    assert not repeated(x).any()
    assert not repeated((x > 0.5).astype(float)).any()
    assert not repeated(np.full((5, 3), np.nan)).any()
    units = (x > 0.5) * np.round(rng.random((60, 4)), 1)  # intensities, often 0
    assert not repeated(units).any()
    x[[3, 9, 10], 1:] = 7
    assert not repeated(x).any()
    x[[3, 9, 10], 0] = -0.0, 0.0, 0.0
    assert repeated(x).nonzero()[0].tolist() == [9, 10]


def test_a_few_broken_frames_in_training_do_not_decide():
    X = corrupt([walk(seed=s).numpy() for s in range(20)], 0.05, "mixed", 0)
    x = walk(seed=99)
    x[BAD] = 0
    assert aside(Continuity().fit(X), x) == BAD


def test_without_a_majority_nothing_is_set_aside():
    rng = np.random.default_rng(0)
    assert aside(fitted(), torch.as_tensor(3 * rng.normal(size=(40, 6)))) == []
    assert aside(Continuity(), torch.as_tensor(rng.normal(size=(40, 6)))) == []


def test_masks_padding_batch_and_units():
    track = fitted()
    x = walk(seed=99)
    x[BAD] = 0
    seen = torch.ones(40, dtype=torch.bool)
    seen[[12, 25, 26]] = False
    expected = sorted({*BAD, 12, 25, 26})
    for value in (0.0, 1e9, float("nan")):
        masked = torch.where(seen[:, None], x, value)
        assert aside(track, masked, seen) == expected
    longer = torch.cat([x, torch.full((9, 6), 3.0)])
    assert aside(track, longer, torch.arange(49) < 40) == [*BAD, *range(40, 49)]
    stack = torch.stack([walk(seed=98), x, torch.zeros_like(x)])
    assert torch.equal(track(stack)[1:2], track(stack[1:2]))
    some = torch.rand(40, 6, generator=torch.Generator().manual_seed(0)) > 0.2
    found = aside(track, torch.where(some, x, 1e9), some)
    assert set(BAD) <= set(found) and len(found) < 16
    other = Continuity().fit([0.25 * walk(seed=s) for s in range(20)])
    assert aside(other, 0.25 * x) == BAD


def test_sequences_of_one_frame_and_no_observed_frame():
    track = fitted()
    assert track(torch.zeros(2, 1, 6)).all()
    assert not track(torch.zeros(2, 4, 6), torch.zeros(2, 4, dtype=torch.bool)).any()
    short = Continuity().fit([walk(3)])
    assert short.most[2:].unique().numel() == 1 and torch.isfinite(short.most).all()


def test_lines_are_numpys_and_end_with_what_is_known():
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.normal(size=(2, 15, 3)))
    known = torch.as_tensor(rng.random((2, 15, 3)) < 0.5)
    known[1, :, 2] = False
    filled, reached = bridge(torch.where(known, x, float("nan")), known)
    for b, d in np.ndindex(2, 3):
        at = np.flatnonzero(known[b, :, d])
        inside = np.arange(15) if len(at) else np.array([], int)
        inside = inside[(inside >= at.min(initial=99)) & (inside <= at.max(initial=-1))]
        assert np.flatnonzero(reached[b, :, d]).tolist() == inside.tolist()
        if len(at):
            np.testing.assert_allclose(filled[b, inside, d], np.interp(inside, at, x[b, at, d]))
    assert (filled[~reached] == 0).all()


def model(**options):
    torch.manual_seed(0)
    return LSEF(6, 3, hidden=8, **options).double().fit([walk(seed=s) for s in range(20)]).eval()


def test_untrained_network_is_the_solver_on_the_frames_it_believes():
    x = walk(seed=99)[None]
    network = model(n_stages=8)
    solver = InexactALM(relax=1.0)
    for broken in (False, True):
        if broken:
            x[:, BAD] = 0
        scaled = network.scaler(x)
        believed = network.track(scaled)
        assert believed[:, BAD].any() != broken and believed.double().mean() > (0.75 if broken else 0.9)
        known = believed[..., None].expand_as(x)
        values, _ = bridge(scaled, known)
        observed = Observed(values, None)
        tuned = solver.tuned(observed)
        state = tuned.init(observed)
        for _ in range(8):
            state = tuned.step(observed, state)
        with torch.no_grad():
            stages = network(x).stages
        assert (stages.base - state.low_rank).norm() / values.norm() < 1e-10
        assert (stages.transient - state.sparse).norm() / values.norm() < 1e-10


@pytest.mark.parametrize("n_stages", [0, 2])
def test_what_is_set_aside_has_exactly_no_influence_elsewhere(n_stages):
    x = walk(seed=99)[None].repeat(3, 1, 1)
    x[0, BAD], x[1, BAD] = 0, 50
    mask = torch.ones(3, 40, dtype=torch.bool)
    mask[2, BAD] = False
    with torch.no_grad():
        out = model(n_stages=n_stages)(x, mask)
    assert torch.equal(out.prediction[0], out.prediction[1]) and torch.equal(out.prediction[0], out.prediction[2])
    assert torch.equal(out.base[0], out.base[1])
    assert (out.reliability[:, BAD] == 0).all() and (out.reliability[:, [0, 13, 39]] > 0).all()
    # What a frame reads beyond the base of its neighbours is transient; nothing observed, no transient.
    torch.testing.assert_close((out.base + out.transient)[:2, BAD], x[:2, BAD])
    assert (out.transient[2, BAD] == 0).all()


def test_units_of_the_input_do_not_matter():
    x = walk(seed=99)[None]
    x[:, BAD] = 0
    torch.manual_seed(0)
    other = LSEF(6, 3, hidden=8).double().fit([4 * walk(seed=s) for s in range(20)]).eval()
    with torch.no_grad():
        a, b = model()(x), other(4 * x)
    torch.testing.assert_close(a.prediction, b.prediction)
    torch.testing.assert_close(4 * a.base, b.base)


def test_learners_fit_it_for_clips_and_leave_it_off_per_frame():
    X = [walk(12, 4, s).numpy() for s in range(12)]
    small = {"hidden": 4, "n_stages": 1, "epochs": 1}
    clip = LSEFClassifier(**small).fit(X, [0, 1] * 6)
    assert torch.isfinite(clip.net_.module_.track.most).all() and (clip.net_.module_.track.least > 0).all()
    broken = corrupt(X, 0.25, "spiked")
    assert np.array_equal(clip.predict_proba(X).shape, clip.predict_proba(broken).shape)
    assert LSEFClassifier(track=False, **small).fit(X, [0, 1] * 6).net_.module_.track is None
    assert LSEFRegressor(**small).fit(X, X).net_.module_.track is None
    assert LSEFRegressor(track=True, **small).fit(X, X).net_.module_.track is not None


def test_compiled_tracks_are_torchs(monkeypatch):
    pytest.importorskip("numba")
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        costs = 4.0 * (torch.rand(8, 30, 8, generator=generator) < 0.3)
        frames = torch.rand(8, 30, generator=generator) < 0.85
        x = torch.randn(8, 30, 3, generator=generator)
        cells = torch.rand(8, 30, 3, generator=generator) < 0.7
        given = torch.where(cells, x, torch.nan), cells, torch.full((8,), 0.4), torch.full((8,), 1.5), 4.0
        compiled, compiled_costs = longest(costs, frames, 4.0), prices(*given)
        with monkeypatch.context() as patch:
            patch.setattr(jit, "available", lambda: False)
            assert torch.equal(longest(costs, frames, 4.0), compiled)
            assert torch.equal(prices(*given), compiled_costs)
            assert 0 < (compiled_costs == 0).sum() < compiled_costs.numel()
