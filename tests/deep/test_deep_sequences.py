"""Sequences in every form people hold them in; corruption; planted sessions."""

import numpy as np
import pytest
import torch

from rpca_affect.deep import centred_per_person, corrupt, planted_affect
from rpca_affect.deep.batches import SequenceDataset, as_sequences, collate


def test_list_padded_mask_and_mapping_agree():
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 3)).astype(np.float32) for n in (4, 7, 2)]
    padded = np.zeros((3, 7, 3), np.float32)
    mask = np.zeros((3, 7), bool)
    for row, (s, x) in enumerate(zip(sequences, padded)):
        x[: len(s)], mask[row, : len(s)] = s, True
    for form in (as_sequences(sequences), as_sequences(padded, mask), as_sequences({"x": padded, "mask": mask})):
        assert all(np.array_equal(a, b) for a, b in zip(form, sequences))
    assert [len(s) for s in as_sequences(torch.as_tensor(padded), mask)] == [4, 7, 2]
    inner = mask.copy()
    inner[0, 1] = False
    assert np.isnan(as_sequences(padded, inner)[0][1]).all() and not np.isnan(padded).any()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([], "no sequence"),
        ([np.zeros((3, 2)), np.zeros((3, 4))], "same features"),
        ([np.zeros(3)], r"\(frames, features\)"),
        ([np.full((2, 2), np.inf)], "infinite"),
        ([np.full((2, 2), np.nan)], "no observed cell"),
    ],
)
def test_bad_sequences_are_named(bad, words):
    with pytest.raises(ValueError, match=words):
        as_sequences(bad)
    with pytest.raises(TypeError, match="list of"):
        as_sequences(3)


def test_collate_pads_sequences_and_ratings():
    data = SequenceDataset([np.ones((2, 3)), np.full((4, 3), np.nan)], [np.ones((2, 2)), np.zeros((4, 2))])
    inputs, y = collate([data[0], data[1]])
    assert inputs["mask"].any(-1).sum(1).tolist() == [2, 0] and torch.isfinite(inputs["x"]).all()
    assert torch.isnan(y[0, 2:]).all() and y.shape == (2, 4, 2)
    with pytest.raises(ValueError, match="one for each"):
        SequenceDataset([np.ones((2, 3))], [1, 2])


@pytest.mark.parametrize("kind", ["dropped", "zeroed", "spiked", "frozen", "mixed"])
def test_corruption_breaks_the_share_asked_for_and_nothing_else(kind):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(50, 4)) + 1 for _ in range(6)]
    before = [x.copy() for x in X]
    broken = corrupt(X, 0.3, kind, 7)
    assert all(np.array_equal(a, b) for a, b in zip(X, before))
    changed = [int((a != b).any(1).sum()) for a, b in zip(X, broken)]
    assert all(10 <= c <= 15 for c in changed)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(broken, corrupt(X, 0.3, kind, 7)))
    assert all(np.array_equal(a, b) for a, b in zip(X, corrupt(X, 0.0, kind)))
    with pytest.raises(ValueError, match="share"):
        corrupt(X, 1.5, kind)
    with pytest.raises(ValueError, match="kind"):
        corrupt(X, 0.1, "melted")


def test_augmentation_follows_torchs_generator():
    data = SequenceDataset([np.random.default_rng(0).normal(size=(30, 3)) + 3] * 8, corruption=0.5)
    torch.manual_seed(1)
    first = [data[i][0] for i in range(8)]
    torch.manual_seed(1)
    assert all(np.array_equal(a, data[i][0], equal_nan=True) for i, a in enumerate(first))
    changed = [not np.array_equal(a, data.sequences[0], equal_nan=True) for a in first]
    assert any(changed) and not all(changed)


def test_planted_affect_is_what_it_says():
    X, y = planted_affect(20, random_state=3)
    again, _ = planted_affect(20, random_state=3)
    assert all(np.array_equal(a, b) for a, b in zip(X, again))
    flat, ratings = np.concatenate(X), np.concatenate(y)
    assert np.abs(ratings).max() <= 1 and (ratings.std(0) > 0.2).all()
    # Valence is a function of the base: a linear map of the leading components explains it; arousal is not.
    u, s, _ = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    scores = u[:, :3] * s[:3]
    for column, low, high in ((0, 0.7, 1.0), (1, 0.0, 0.2)):
        target = np.arctanh(np.clip(ratings[:, column], -0.99, 0.99))
        fitted = scores @ np.linalg.lstsq(scores, target - target.mean(), rcond=None)[0]
        share = 1 - np.var(target - target.mean() - fitted) / np.var(target)
        assert low <= share <= high


def test_a_person_is_centred_by_their_own_frames_alone():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(9 + i, 3)).astype(np.float32) + i for i in range(4)]
    X[0][2:4, 1], X[1][:, 2], X[3][:, 2] = np.nan, np.nan, np.nan
    person = np.array(["b", "a", "b", "a"])
    found = centred_per_person(X, person)
    for who in "ab":
        frames = np.concatenate([x for x, p in zip(found, person) if p == who])
        known = np.isfinite(frames).any(0)
        assert np.abs(np.nanmedian(frames[:, known], axis=0)).max() < 1e-6
    changed = centred_per_person([X[0], X[1] + 100, X[2], X[3] + 100], person)
    assert all(np.allclose(a, b, atol=1e-4, equal_nan=True) for a, b in zip(found, changed))
    assert np.array_equal(np.isnan(found[1]), np.isnan(X[1]))
    with pytest.raises(ValueError, match="3 people for 4"):
        centred_per_person(X, person[:3])


@pytest.mark.parametrize("kind", ["zeroed", "frozen", "dropped", "spiked"])
def test_broken_frames_hardly_move_the_level_of_a_person(kind):
    rng = np.random.default_rng(0)
    X = [(4 + rng.normal(size=(80, 5))).astype(np.float32) for _ in range(6)]
    person = np.array(list("aabbcc"))
    clean, broken = centred_per_person(X, person), corrupt(X, 0.3, kind)
    for before, after, x, y in zip(clean, centred_per_person(broken, person), X, broken):
        same = (x == y).all(1)
        assert 40 < same.sum() < 70 and np.abs(after[same] - before[same]).max() < 0.3
