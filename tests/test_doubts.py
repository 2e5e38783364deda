"""Doubts are records: programs compare kinds and numbers, and words are made where a door shows them."""

import json

import numpy as np
import pytest

import rpca_affect as ra
from rpca_affect import words
from rpca_affect.doubts import Doubt, merged

# One of every kind, with the numbers it needs.
EXAMPLES = {
    "dense": {"rank": 20, "smaller": 30, "density": 0.5},
    "many_outliers": {"density": 0.4, "fitted": 3000, "freedom": 300},
    "interpolated": {"fitted": 100, "freedom": 200},
    "predicts_nothing": {"predicted": -0.1, "line": 0.0},
    "not_optimal": {"gap": 0.02, "solver": "ialm"},
    "excursions": {"stretches": 2, "frames": 70, "first": 100, "last": 129},
    "short": {"frames": 12, "least": 30},
    "missing": {"share": 0.6},
    "lost_frames": {"lost": 3, "frames": 90},
    "unordered": {"ratio": 1.0},
    "apart": {"apart": 40, "frames": 200},
    "set_apart": {"apart": 40, "frames": 200},
    "too_few_cells": {"lines": "frames", "count": 1, "rank": 2},
}


def test_every_kind_has_an_example_here():
    assert set(EXAMPLES) == set(words.KINDS)


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
@pytest.mark.parametrize("door", ["python", "shell"])
@pytest.mark.parametrize("severe", [False, True])
def test_every_doubt_is_one_sentence_in_the_words_of_its_door(kind, door, severe):
    doubt = Doubt(kind, EXAMPLES[kind], severe)
    text = words.sentence(doubt, door)
    assert (text[0].isupper() or text[0].isdigit()) and text.endswith(".") and text.count("\n") == 0
    assert text.startswith("Meaningless split") == severe
    assert ("='" in text) <= (door == "python") and ("--" in text) <= (door == "shell")
    again = json.loads(json.dumps(words.record(doubt, door)))
    assert words.sentence(again, door) == text


def test_a_doubt_of_many_sequences_is_said_once_with_the_worst():
    found = [(k, Doubt("not_optimal", {"gap": 0.01 * k, "solver": "admm"})) for k in range(8)]
    found.append((3, Doubt("dense", {"rank": 9, "smaller": 12}, severe=True)))
    severe, other = merged(found, 9)
    assert severe.severe and severe.measure["sequences"] == [3]
    assert other.measure["gap"] == pytest.approx(0.07) and other.measure["worst"] == 7
    assert "in 8 of 9 sequences (0, 1, 2, 3, 4 and 3 more; sequence 7 worst)" in words.finding(other)


def test_the_reason_of_an_ending_is_a_code():
    matrix = np.outer(np.arange(1.0, 31.0), np.ones(20))
    matrix[3, 5] += 100.0
    assert ra.solve(matrix, "admm").status.reason == "tol"
    assert ra.solve(matrix, "admm", max_iter=2).status.reason == "max_iter"
    assert ra.solve(matrix, "admm", callback=lambda progress: True).status.reason == "callback"
    split = ra.decompose(matrix, max_iter=2, noise=None)
    assert split.status.reason == "max_iter" and not split.status.converged


def test_a_split_of_given_rank_is_doubted_only_where_anything_would_fit():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((120, 2)) @ rng.standard_normal((2, 80))
    spoiled = base + np.where(rng.random(base.shape) < 0.5, rng.uniform(-10, 10, base.shape), 0.0)
    exact = ra.solve(spoiled, "altproj", rank=2)
    assert exact.sparsity > 0.4 and not exact.status.severe
    noise = ra.solve(rng.standard_normal(base.shape), "altproj", rank=2)
    assert [doubt.kind for doubt in noise.status.doubts if doubt.severe] == ["interpolated"]


@pytest.mark.parametrize(
    ("shape", "share"), [((200, 100), 0.32), ((200, 100), 0.36), ((100, 200), 0.34), ((300, 120), 0.33)]
)
def test_an_exact_split_of_many_outliers_is_no_dense_noise(shape, share):
    rng = np.random.default_rng(round(100 * share) + shape[1])
    rank = max(1, min(shape) // 30)
    low = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    outliers = np.where(rng.random(shape) < share, rng.uniform(-5, 5, shape), 0.0)
    answer = ra.solve(low + outliers)
    assert np.linalg.norm(answer.low_rank - low) < 1e-3 * np.linalg.norm(low)
    assert [(doubt.kind, doubt.severe) for doubt in answer.status.doubts] == [("many_outliers", False)]
    for noise in (rng.standard_normal(shape), low + 0.1 * rng.standard_normal(shape)):
        assert [(doubt.kind, doubt.severe) for doubt in ra.solve(noise).status.doubts] == [("dense", True)]
