"""The commands behind the card still run, at a small size, and write what they say."""

import importlib
import json
import os
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rpca_affect.deep import corrupt

FOLDER = Path(__file__).parents[2] / "deep"
needs_data = pytest.mark.skipif(
    "RPCA_AFFECT_DATA" not in os.environ, reason="RPCA_AFFECT_DATA does not name the folder with the data sets"
)


def run(name, *arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    monkeypatch.syspath_prepend(str(FOLDER))
    runpy.run_path(str(FOLDER / name), run_name="__main__")
    return capsys.readouterr().out


def test_spectral_speed(monkeypatch, capsys):
    size = ("--batch", 2, "--frames", 8, "--features", 16, "--repeats", 1, "--threads", 1)
    assert run("spectral_speed.py", *size, monkeypatch=monkeypatch, capsys=capsys).count("| float") == 4


def test_step_cost(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    arrays = {f"x{i:03d}": rng.normal(size=(8, 4)) for i in range(8)}
    np.savez(tmp_path / "few.npz", y=np.array(list("ab") * 4), group=np.arange(8), **arrays)
    size = ("--data", tmp_path / "few.npz", "--rounds", 2, "--width", 4)
    heads, row = run("step_cost.py", *size, monkeypatch=monkeypatch, capsys=capsys).strip().splitlines()
    name, *numbers = row.split()
    assert name == "few" and heads.endswith("lsef / tcn") and len(numbers) == 6 and min(map(float, numbers)) > 0


def test_affect(tmp_path, monkeypatch, capsys):
    size = ("--seeds", 1, "--epochs", 1, "--sequences", 4, "--out", tmp_path)
    assert "arousal" in run("affect.py", *size, monkeypatch=monkeypatch, capsys=capsys)
    parts = pd.read_csv(tmp_path / "truth.csv").set_index(["LSEF", "what"]).value
    assert parts["untrained", "cosine with the bursts"] > 0.95 and parts["untrained", "cells, %"] < 5
    frame = pd.read_csv(tmp_path / "affect.csv")
    assert len(frame) == 2 * (2 + 5 * 3) and frame[frame.model == "constant"]["CCC pooled"].abs().max() < 1e-6


def test_unroll_depth(tmp_path, monkeypatch, capsys):
    size = ("--steps", 1, "--batch", 2, "--held-out", 4, "--depths", 2, "--seeds", 1, "--out", tmp_path)
    run("unroll_depth.py", *size, monkeypatch=monkeypatch, capsys=capsys)
    frame = pd.read_csv(tmp_path / "unroll.csv")
    assert (frame[(frame.family == "exact") & (frame.depth == 50)].error < 1e-5).all()


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("data", ["natops", "japanese_vowels", "gfe_person_a"])
def test_classify(tmp_path, monkeypatch, capsys, data):
    size = ("--data", data, "--seeds", 1, "--epochs", 1, "--out", tmp_path)
    assert "| lsef |" in run("classify.py", *size, monkeypatch=monkeypatch, capsys=capsys)


@pytest.mark.parametrize("rule", ["lost", "hampel", "track"])
def test_clean_up_for_everybody(monkeypatch, rule):
    monkeypatch.syspath_prepend(str(FOLDER))
    script = importlib.import_module("classify")
    rng = np.random.default_rng(0)
    X = [(3 + 0.1 * rng.normal(size=(30, 4)).cumsum(0)).astype(np.float32) for _ in range(12)]
    clean = script.clean_up(rule, X)
    kind = "spiked" if rule == "hampel" else "zeroed"
    broken = corrupt(X, 0.1, kind)
    before, after = (np.nanmedian([np.nanmax(abs(b - x)) for b, x in zip(side, X)]) for side in (broken, clean(broken)))
    assert after < 0.3 * before
    noisy = script.jitter(X, broken, 0.1, 0)
    changed = [(a != b).any(1) for a, b in zip(broken, noisy)]
    assert all(np.array_equal(c, (b != x).any(1)) for c, b, x in zip(changed, broken, X))
    assert script.clean_up("none", X)(X) is X and script.jitter(X, broken, 0.0, 0) is broken


@needs_data
@pytest.mark.slow
def test_optimisers(tmp_path, monkeypatch, capsys):
    size = ("--seeds", 1, "--epochs", 1, "--lrs", 0.003, "--out", tmp_path)
    assert "RAO against AdamW" in run("optimisers.py", *size, monkeypatch=monkeypatch, capsys=capsys)


def test_published_problems_of_another_network(tmp_path, monkeypatch, capsys):
    size = ("--published", "--size", 40, "--steps", 1, "--out", tmp_path)
    run("unroll_depth.py", *size, monkeypatch=monkeypatch, capsys=capsys)
    assert len(pd.read_csv(tmp_path / "lrpca.csv")) == 2


@pytest.mark.parametrize(("observed", "trained"), [(0.5, True), (0.2, False)])
def test_published_problems_with_missing_cells(tmp_path, monkeypatch, capsys, observed, trained):
    size = ("--published", "--observed", observed, "--size", 120, "--steps", 1, "--out", tmp_path)
    run("unroll_depth.py", *size, monkeypatch=monkeypatch, capsys=capsys)
    table = pd.read_csv(tmp_path / f"lrmc-{observed}.csv")
    assert len(table) == 2 and ("ours, 8 stages" in table) == trained
    if trained:  # half of the cells are enough for the classical iteration
        assert (table["classical IALM, 60 steps"] < 0.2).all()


def test_label_noise(tmp_path, monkeypatch, capsys):
    size = ("--seeds", 2, "--steps", 3, "--lrs", 0.001, 0.003, "--optimisers", "adamw", "rao", "--out", tmp_path)
    assert "rao minus adamw" in run("label_noise.py", *size, monkeypatch=monkeypatch, capsys=capsys)
    assert len(pd.read_csv(tmp_path / "label_noise.csv")) == 2 * 2 * 2 * 2


@pytest.mark.parametrize("problem", ["factors", "flipped"])
def test_problems_with_noisy_labels_are_what_they_say(monkeypatch, problem):
    monkeypatch.syspath_prepend(str(FOLDER))
    script = importlib.import_module("label_noise")
    train, _, clean, network, _, score = script.PROBLEMS[problem](0)
    assert train[0].shape[1] == clean[0].shape[1] and network(clean[0]).isfinite().all()
    again = script.PROBLEMS[problem](0)[0]
    assert (again[0] == train[0]).all() and (again[1] == train[1]).all()
    if problem == "factors":
        assert np.linalg.matrix_rank(clean[1].numpy(), tol=1e-2) == 3
        assert score(clean[1], clean[1]) == 1
    else:
        assert np.bincount(clean[1].numpy(), minlength=4).max() < 0.6 * len(clean[1])
        assert score(torch.eye(4)[clean[1]], clean[1]) == 1


def test_picture_and_table_of_the_card_are_those_of_the_results(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(FOLDER))
    script = importlib.import_module("picture")
    for name in script.SHOWN:
        (tmp_path / f"benchmark-{name}.json").write_text((FOLDER / f"results/benchmark-{name}.json").read_text())
    monkeypatch.setattr(script, "RESULTS", tmp_path)
    script.main()
    drawn, kept = ((folder / "held_out.svg").read_text() for folder in (tmp_path, FOLDER / "results"))
    for label in ("lsef", "no SEM, no DDM", "minirocket", *(title for title, _ in script.SHOWN.values())):
        assert drawn.count(f">{label}") == kept.count(f">{label}") > 0
    # Where a model stands is drawn from its figures: the paths are the same, whatever their order.
    assert sorted(re.findall(r' d="[^"]*"', drawn)) == sorted(re.findall(r' d="[^"]*"', kept))
    assert capsys.readouterr().out.strip() in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_tables_of_the_card_are_those_of_the_results():
    card = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("README.md", "held_out.md"))
    for path in sorted((FOLDER / "results").glob("benchmark-*.json")):
        found = json.loads(path.read_text())
        if path.stem == "benchmark-emodb":  # named in a sentence: the network was another one
            continue
        for model in found["models"]:
            half = "" if np.isnan(model["half"]) else f" ± {model['half']:.3f}"
            losses = " / ".join(f"{model['loss'][share]:.3f}" for share in ("0.1", "0.2", "0.3"))
            assert f"| {model['model']} | {model['clean']:.3f}{half} | " in card and f"| {losses} |" in card
