"""The commands behind the card still run, at a small size, and write what they say."""

import os
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

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


def test_affect(tmp_path, monkeypatch, capsys):
    size = ("--seeds", 1, "--epochs", 1, "--sequences", 4, "--out", tmp_path)
    assert "arousal" in run("affect.py", *size, monkeypatch=monkeypatch, capsys=capsys)
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


@needs_data
@pytest.mark.slow
def test_optimisers(tmp_path, monkeypatch, capsys):
    size = ("--seeds", 1, "--epochs", 1, "--lrs", 0.003, "--out", tmp_path)
    assert "RAO against AdamW" in run("optimisers.py", *size, monkeypatch=monkeypatch, capsys=capsys)
